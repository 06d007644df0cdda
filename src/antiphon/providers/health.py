"""How the providers are, for people and probes: what the router's small machines know, without asking anyone."""

from collections.abc import Callable, Mapping

from antiphon.errors import ProviderError
from antiphon.providers.breaker import Breaker
from antiphon.providers.credentials import Credentials
from antiphon.providers.recent import Recent
from antiphon.providers.slots import Slots
from antiphon.types.health import LastError, OpenBreaker, ProviderHealth, RestingCredential

WINDOW = 300.0
"""Seconds that the counts look back on."""


class Record:
    """What became of a provider's calls. `clock` gives monotonic seconds, `now` the Unix time."""

    __slots__ = ("_failed", "_now", "_succeeded", "clock", "last_error")

    def __init__(self, clock: Callable[[], float], now: Callable[[], int]) -> None:
        self._succeeded = Recent(clock, WINDOW)
        self._failed = Recent(clock, WINDOW)
        self._now = now
        self.clock = clock
        self.last_error: LastError | None = None

    def succeeded(self) -> None:
        """A call was answered, or refused for what the request says."""
        self._succeeded.add()

    def failed(self, error: ProviderError) -> None:
        """A call failed."""
        self._failed.add()
        self.last_error = LastError(kind=type(error).__name__, code=error.code, time=self._now())

    def counts(self) -> tuple[int, int]:
        """Return the successes and the failures of the last `WINDOW` seconds."""
        return self._succeeded.total(), self._failed.total()


def health_of(
    name: str,
    *,
    record: Record,
    slots: Slots,
    credentials: Credentials,
    breakers: Mapping[str, Breaker],
) -> ProviderHealth:
    """Return how a provider is now; `breakers` by the name of their model. All of them go by one clock."""
    succeeded, failed = record.counts()
    kept_off = [
        OpenBreaker(model=model, state=state, retry_in=round(breaker.retry_in(), 1))
        for model, breaker in breakers.items()
        if (state := breaker.state) != "closed"
    ]
    now = record.clock()
    resting = [
        RestingCredential(
            name=rest.credential.name, reason=rest.reason, retry_in=round(rest.until - now, 1), model=rest.model
        )
        for rest in credentials.resting()
    ]
    is_down = not credentials.healthy() or (bool(kept_off) and not succeeded)
    is_strained = bool(kept_off or resting or slots.queued)
    return ProviderHealth(
        name=name,
        status="down" if is_down else "degraded" if is_strained else "ok",
        running=slots.running,
        queued=slots.queued,
        succeeded=succeeded,
        failed=failed,
        breakers=kept_off,
        credentials=resting,
        last_error=record.last_error,
    )
