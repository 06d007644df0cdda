"""The pulse: one timer for all streams, which begins the late ones and keeps the silent ones alive."""

import asyncio
from typing import Protocol

TICK = 0.1
"""Seconds between two looks at the streams; the first event comes at most this much after its time."""


class Beating(Protocol):
    """A stream that wants to be looked at."""

    def beat(self, now: float) -> None:
        """Look at the time, and do what is due."""
        ...


class Pulse:
    """Looks at every open stream while there is one."""

    def __init__(self) -> None:
        self._streams: set[Beating] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: Beating) -> None:
        """Look at `stream` from now on."""
        self._streams.add(stream)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)

    def drop(self, stream: Beating) -> None:
        """Look away."""
        self._streams.discard(stream)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for stream in tuple(self._streams):
            stream.beat(now)
        self._timer = loop.call_later(TICK, self._tick) if self._streams else None
