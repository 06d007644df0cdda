"""How often something happened lately: a count whose oldest part is forgotten again and again."""

from collections.abc import Callable

_SLOTS = 10
"""Parts of the time that is looked back on: the count is right to a tenth of it."""


class Recent:
    """Count what happened within the last `seconds`; the time of `clock` never goes back."""

    __slots__ = ("_before", "_clock", "_counts", "_current", "_ends", "_slot", "_width")

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._width = seconds / _SLOTS
        self._slot = int(clock() / self._width)
        self._ends = 0.0
        """When the current slot ends; until then, adding is an addition and a look at the clock."""
        self.clear()

    def add(self) -> None:
        """It happened once more."""
        if self._clock() >= self._ends:
            self._go_on()
        self._current += 1

    def total(self) -> int:
        """Return how often it happened."""
        if self._clock() >= self._ends:
            self._go_on()
        return self._before + self._current

    def clear(self) -> None:
        """Forget all of it."""
        self._counts = [0] * _SLOTS
        self._before = 0
        self._current = 0

    def _go_on(self) -> None:
        """Begin the slot of now, and forget those that began a whole round before it."""
        slot = int(self._clock() / self._width)
        self._counts[self._slot % _SLOTS] += self._current
        self._before += self._current
        self._current = 0
        for passed in range(max(self._slot, slot - _SLOTS) + 1, slot + 1):
            self._before -= self._counts[passed % _SLOTS]
            self._counts[passed % _SLOTS] = 0
        self._slot = slot
        self._ends = (slot + 1) * self._width
