"""The breaker of one model of one provider: after too many failures it isn't asked for a while.

Closed, every call may go. It opens after `IN_A_ROW` failures without a success between them, or when at least
`RATIO` of the calls of the last `WINDOW` seconds failed and there were `ENOUGH` of them. Open, no call may go until
its cool-down is over: what the provider's Retry-After says, else `FIRST` seconds. Then it is half-open: one call goes
as a probe, and what becomes of it closes the breaker or opens it again, for twice as long each time, up to `LONGEST`;
a Retry-After that is shorter than that has proved too short.

A verdict is about the provider's health. A refusal that blames the request is a success: the provider answered. A
limit or a rejected key says nothing of the model (see `credentials`), nor does a client that left: `released`.
A call that began to answer and then broke tells both, so that a model whose every answer breaks is found by `RATIO`.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from antiphon.providers.recent import Recent

State: TypeAlias = Literal["closed", "open", "half_open"]

IN_A_ROW = 5
"""Failures without a success: as many as in Envoy's outlier detection."""

WINDOW = 30.0
ENOUGH = 20
RATIO = 0.5
"""Verdicts within so many seconds, of which at least this share are failures; fewer verdicts prove nothing."""

FIRST = 5.0
LONGEST = 60.0
"""Seconds of the first cool-down and of any later one, unless the provider names its own."""

PROBE = 60.0
"""Seconds after which a probe without a verdict no longer keeps others from being one."""

SHORTLY = 1.0
"""Seconds to wait where another call is the probe."""


class Breaker:
    """Whether a model may be asked now; `clock` gives monotonic seconds."""

    __slots__ = ("_clock", "_cooldown", "_failures", "_in_a_row", "_probe_until", "_successes", "_until")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._successes = Recent(clock, WINDOW)
        self._failures = Recent(clock, WINDOW)
        self._in_a_row = 0
        self._cooldown = FIRST
        self._until: float | None = None
        """When its cool-down ends; None while it is closed."""
        self._probe_until = 0.0
        """Until when others wait for the probe; 0 when none has gone."""

    @property
    def state(self) -> State:
        """What it is now."""
        if self._until is None:
            return "closed"
        return "open" if self._clock() < self._until else "half_open"

    def may_try(self) -> bool:
        """Say whether a call may go; True from a half-open breaker makes it the probe, which owes a verdict."""
        if self._until is None:
            return True
        now = self._clock()
        if now < self._until or now < self._probe_until:
            return False
        self._probe_until = now + PROBE
        return True

    def retry_in(self) -> float:
        """Return the seconds after which a call may go, 0 when it may go now. Takes no probe."""
        if self._until is None:
            return 0.0
        now = self._clock()
        if now < self._until:
            return self._until - now
        return min(SHORTLY, self._probe_until - now) if now < self._probe_until else 0.0

    def succeeded(self) -> bool:
        """The provider answered. Say whether this closed the breaker.

        An answer to a call from before the cool-down closes nothing: it may have begun in better times.
        """
        if self._until is None:
            self._in_a_row = 0
            self._successes.add()
            return False
        if self._clock() < self._until:
            return False
        self._close()
        return True

    def failed(self, retry_after: float | None = None) -> bool:
        """The provider failed, and may have said when to come back. Say whether this opened the breaker.

        A failure of a call from before the cool-down is no news, but its Retry-After may be.
        """
        if self._until is None:
            self._in_a_row += 1
            self._failures.add()
            if not self._is_too_much():
                return False
            self._open(retry_after or self._cooldown)
            return True
        if not self._probe_until:
            self._until = max(self._until, self._clock() + (retry_after or 0.0))
            return False
        self._open(max(retry_after or 0.0, self._cooldown))
        return True

    def released(self) -> None:
        """A call that may have been the probe ended without a verdict: the next one may be it."""
        self._probe_until = 0.0

    def _is_too_much(self) -> bool:
        if self._in_a_row >= IN_A_ROW:
            return True
        failures = self._failures.total()
        verdicts = failures + self._successes.total()
        return verdicts >= ENOUGH and failures >= RATIO * verdicts

    def _open(self, seconds: float) -> None:
        self._until = self._clock() + seconds
        self._probe_until = 0.0
        self._cooldown = min(2 * self._cooldown, LONGEST)

    def _close(self) -> None:
        self._until = None
        self._probe_until = 0.0
        self._in_a_row = 0
        self._cooldown = FIRST
        self._successes.clear()
        self._failures.clear()


class NeverOpens(Breaker):
    """A breaker for operators who want none: every call may go, whatever became of the others."""

    __slots__ = ()

    def failed(self, retry_after: float | None = None) -> bool:
        """The provider failed, and is asked again all the same."""
        return False
