"""How the providers are: what `/readyz?verbose` shows.

Nothing in it is a user's text: errors are told by kind and code, keys by where they came from.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

Condition: TypeAlias = Literal["ok", "degraded", "down"]


class OpenBreaker(Struct, frozen=True, kw_only=True):
    """A model that isn't asked, or only by a probe; `retry_in` in seconds."""

    model: str
    state: Literal["open", "half_open"]
    retry_in: float


class RestingCredential(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key that isn't used, by its source; for one model or, without one, for all."""

    name: str
    reason: Literal["limited", "rejected"]
    retry_in: float
    model: str = ""


class LastError(Struct, frozen=True, kw_only=True):
    """The newest failure: its class, its code, and the Unix time in seconds."""

    kind: str
    code: str | None
    time: int


class ProviderHealth(Struct, frozen=True, kw_only=True):
    """One provider. Successes and failures are those of the last five minutes.

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
