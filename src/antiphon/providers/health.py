"""How the providers are, for people and probes: what the router's small machines know, without asking anyone.

Nothing in it comes from a user: errors are told by kind and code, keys by where they came from.
"""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from antiphon.errors import ProviderError
from antiphon.providers.breaker import Breaker
from antiphon.providers.credentials import Credentials, Reason
from antiphon.providers.recent import Recent
from antiphon.providers.slots import Slots

WINDOW = 300.0
"""Seconds that the counts look back on."""

Condition: TypeAlias = Literal["ok", "degraded", "down"]


class OpenBreaker(Struct, frozen=True, kw_only=True):
    """A model that isn't asked, or only by a probe; `retry_in` in seconds."""

    model: str
    state: Literal["open", "half_open"]
    retry_in: float


class RestingCredential(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key that isn't used, by its source; for one model or, without one, for all."""

    name: str
    reason: Reason
    retry_in: float
    model: str = ""


class LastError(Struct, frozen=True, kw_only=True):
    """The newest failure: its class, its code, and the Unix time in seconds."""

    kind: str
    code: str | None
    time: int


class ProviderHealth(Struct, frozen=True, kw_only=True):
    """One provider. Successes and failures are those of the last `WINDOW` seconds.

    It is down when no key of it can be used, or when a model isn't asked and no call succeeded lately; degraded when
    a model isn't asked, a key rests, or requests wait for their turn.
    """

    name: str
    status: Condition
    running: int
    queued: int
    succeeded: int
    failed: int
    breakers: list[OpenBreaker]
    """Those that aren't closed."""
    credentials: list[RestingCredential]
    last_error: LastError | None


class Record:
    """What became of a provider's calls. `clock` gives monotonic seconds, `now` the Unix time."""

    __slots__ = ("_failed", "_now", "_succeeded", "last_error")

    def __init__(self, clock: Callable[[], float], now: Callable[[], int]) -> None:
        self._succeeded = Recent(clock, WINDOW)
        self._failed = Recent(clock, WINDOW)
        self._now = now
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
    clock: Callable[[], float],
) -> ProviderHealth:
    """Return how a provider is now; `breakers` by the name of their model, `clock` is theirs."""
    succeeded, failed = record.counts()
    kept_off = [
        OpenBreaker(model=model, state=state, retry_in=round(breaker.retry_in(), 1))
        for model, breaker in breakers.items()
        if (state := breaker.state) != "closed"
    ]
    now = clock()
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
