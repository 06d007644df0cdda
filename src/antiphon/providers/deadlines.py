"""Deadlines of upstream calls, kept by one sweep instead of a timer for each read.

A call says when it begins to wait for its connection and when it stops; the sweep looks four times a second at those
that wait. A call that is not waiting, because our own reader is slow, is never late. What is late is told to the
connection, which raises it where the call waits.
"""

import asyncio
from typing import Literal, Protocol

from antiphon.errors import ProviderBroke

Phase = Literal["connect", "first_byte", "idle", "total"]

SWEEP = 0.25
"""Seconds between two looks: the precision of every deadline."""

_WORDS: dict[Phase, str] = {
    "connect": "did not accept a connection",
    "first_byte": "sent nothing",
    "idle": "fell silent in the middle of its answer",
    "total": "did not finish",
}


def late(phase: Phase, seconds: float) -> ProviderBroke:
    """Return the error for a provider that took too long."""
    text = f"The provider {_WORDS[phase]} within {seconds:g} seconds."
    return ProviderBroke(text, code=f"provider_timeout_{phase}")


class Waited(Protocol):
    """What a call waits for."""

    def give_up(self, error: ProviderBroke) -> None:
        """Raise `error` in whoever waits."""
        ...


class Deadline:
    """The deadlines of one call; `until` is looked at only while the call waits."""

    __slots__ = ("_end", "_limit", "_on", "_phase", "_sweep", "_total", "until")

    def __init__(self, sweep: "Deadlines", total: float) -> None:
        self._sweep = sweep
        self._total = total
        self._end = sweep.now() + total
        self._phase: Phase = "total"
        self._limit = total
        self._on: Waited | None = None
        self.until = 0.0

    def wait(self, on: Waited, phase: Phase, seconds: float) -> None:
        """A wait begins that may take `seconds`, and no longer than the call's total."""
        until = self._sweep.now() + seconds
        self._on = on
        if until < self._end:
            self._phase, self._limit, self.until = phase, seconds, until
        else:
            self._phase, self._limit, self.until = "total", self._total, self._end

    def rest(self) -> None:
        """The wait is over."""
        self.until = 0.0

    def expire(self) -> None:
        """End the wait."""
        self.until = 0.0
        if self._on is not None:
            self._on.give_up(late(self._phase, self._limit))

    def over(self) -> None:
        """The call has ended."""
        self._sweep.drop(self)


class Deadlines:
    """Every call that is under way, and the sweep that runs while there is one."""

    def __init__(self) -> None:
        self._calls: set[Deadline] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Return the loop's time."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop.time()

    def call(self, total: float) -> Deadline:
        """Return the deadlines of a call that begins now; its `over` must be called when it ends."""
        call = Deadline(self, total)
        self._calls.add(call)
        if self._timer is None and self._loop is not None:
            self._timer = self._loop.call_later(SWEEP, self._look)
        return call

    def drop(self, call: Deadline) -> None:
        """Forget `call`."""
        self._calls.discard(call)

    def close(self) -> None:
        """Stop the sweep."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = self.now()
        for call in tuple(self._calls):
            if 0 < call.until <= now:
                call.expire()
        self._timer = self._loop.call_later(SWEEP, self._look) if self._calls and self._loop else None
