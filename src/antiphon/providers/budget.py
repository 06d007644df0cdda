"""How many extra calls a server may make: retries must not double the load on a provider that is failing.

Every call after the first of a request, to the same target or to another, is an extra one. They are kept under a
share of the first calls of the last minute, and there are a few for a server so quiet that the share is none. What
isn't used is forgotten with its minute, so that a good hour doesn't pay for a storm.
"""

from collections.abc import Callable

from antiphon.providers.recent import Recent

WINDOW = 60.0
"""Seconds that are looked back on."""

RATIO = 0.1
"""Extra calls for each first call: a provider in trouble must not get much more work than it had."""

RESERVE = 10
"""Extra calls that a minute has in any case: enough to find out, once or twice, that a target is down."""


class RetryBudget:
    """The extra calls of one server to all of its providers; `clock` gives monotonic seconds."""

    __slots__ = ("_calls", "_extra", "_ratio", "_reserve")

    def __init__(self, clock: Callable[[], float], *, ratio: float = RATIO, reserve: int = RESERVE) -> None:
        self._calls = Recent(clock, WINDOW)
        self._extra = Recent(clock, WINDOW)
        self._ratio = ratio
        self._reserve = reserve

    def called(self) -> None:
        """A request made its first call."""
        self._calls.add()

    def take(self) -> bool:
        """Take one extra call, if there is one left."""
        if self.left() < 1:
            return False
        self._extra.add()
        return True

    def left(self) -> int:
        """Return how many extra calls may be made now."""
        allowed = max(self._reserve, int(self._ratio * self._calls.total()))
        return max(allowed - self._extra.total(), 0)
