"""A response's events as server-sent events.

One network read of the upstream is one write to the client, with one frame per event: no frame is ever split
over two writes. A comment line goes out when nothing was said for a while; it has no blank line, `id:` or
`data:` of its own, since official clients stumble over those.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import get_args

import msgspec

from antiphon.api.calls import Call
from antiphon.types.events import Completed, Event, Failed, Incomplete, Relayed

DONE = b"data: [DONE]\n\n"
KEEPALIVE = b": keep-alive\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_PREFIXES = {kind: f"event: {kind.type}\ndata: ".encode() for kind in get_args(Event) if kind is not Relayed}
_TERMINAL = (Completed, Incomplete, Failed)
_encode_into = msgspec.json.Encoder().encode_into


def frames(events: list[Event]) -> bytearray:
    """Return the frames of `events`, one after the other."""
    out = bytearray()
    for event in events:
        prefix = _PREFIXES.get(type(event))
        if prefix is not None:
            out += prefix
            _encode_into(event, out, -1)
            out += b"\n\n"
        elif isinstance(event, Relayed):
            out += b"event: %b\ndata: %b\n\n" % (event.type.encode(), bytes(event.body))
    return out


def tell(events: list[Event]) -> bytearray:
    """Return the frames of `events`, and the end of the stream after the last one."""
    out = frames(events)
    if isinstance(events[-1], _TERMINAL):
        out += DONE
    return out


class EventStream:
    """The answer to a streaming request: sent as the run goes.

    `open_early` gives the first events when the provider hasn't said anything in `created_within` seconds. Another
    API tells events in frames of its own, maybe in none, and says something else into silence.
    """

    def __init__(
        self,
        batches: AsyncIterator[list[Event]],
        open_early: Callable[[], list[Event]],
        *,
        tell: Callable[[list[Event]], bytearray] = tell,
        keepalive: bytes = KEEPALIVE,
    ) -> None:
        self._batches = batches
        self._open_early = open_early
        self._tell = tell
        self._keepalive = keepalive
        self._call: Call | None = None
        self._last = 0.0
        self._side: asyncio.Task[None] | None = None
        self._over = False

    async def send(self, call: Call) -> None:
        """Send every event; an error before the first one is the caller's to answer."""
        loop = asyncio.get_running_loop()
        self._call, self._last = call, loop.time()
        pulse = call.services.pulse
        pulse.add(self)
        try:
            async for events in self._batches:
                if events:
                    if self._side is not None and not self._side.done():
                        await asyncio.wait([self._side])  # the opening events were made, but not written yet
                    await self._write(events)
        finally:
            pulse.drop(self)
            if self._side is not None:
                self._side.cancel()

    def beat(self, now: float) -> None:
        """Begin a stream that is late; say something on one that is silent."""
        if self._call is None or self._over or (self._side is not None and not self._side.done()):
            return
        limits = self._call.services.limits
        silent = now - self._last
        if not self._call.has_begun:
            if silent >= limits.created_within:
                self._aside(self._write(self._open_early()))
        elif silent >= limits.keepalive:
            self._last = now
            self._aside(self._comment())

    def _aside(self, work: Coroutine[None, None, None]) -> None:
        self._side = asyncio.get_running_loop().create_task(work)

    async def _comment(self) -> None:
        if self._call is not None:
            await self._call.send({"type": "http.response.body", "body": self._keepalive, "more_body": True})

    async def _write(self, events: list[Event]) -> None:
        """Write what there is to tell of `events`, if that is anything."""
        call = self._call
        if call is None:
            return
        body = self._tell(events)
        self._over = isinstance(events[-1], _TERMINAL)
        if not body and not self._over:
            return
        call.is_answered = self._over
        if not call.has_begun:
            await call.begin(200, list(_HEADERS))
        await call.send({"type": "http.response.body", "body": bytes(body), "more_body": not self._over})
        self._last = asyncio.get_running_loop().time()
