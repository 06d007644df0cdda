"""Noticing that a client has left: the task that serves it is cancelled, and the cancellation ends here."""

import asyncio
from types import TracebackType
from typing import Self

from antiphon.api.calls import Call


class WhileConnected:
    """`with WhileConnected(call) as client:` — the block is cancelled when the client leaves.

    Use it after the body was read: from then on, all that can be received is the end of the connection.
    The watch begins with the pulse's next tick, so an answer that is there at once costs no task. Leaving is
    no error: the block just ends, and `client.has_left` says so. `client.task` is the task of the block.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._pulse = call.services.pulse
        self.task = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None
        self.has_left = False

    def beat(self, now: float) -> None:
        """Begin to watch."""
        if self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._wait())

    def __enter__(self) -> Self:
        self._pulse.add(self)
        return self

    async def _wait(self) -> None:
        while (await self._call.receive())["type"] != "http.disconnect":
            pass
        if self._call.is_answered:
            return  # the end of a whole answer looks the same as a client that leaves
        self.has_left = True
        if self.task is not None:
            self.task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._pulse.drop(self)
        if self._watch is not None:
            self._watch.cancel()
        left = self.has_left and self.task is not None and self.task.uncancel() == 0
        return left and isinstance(error, asyncio.CancelledError)
