"""A provider: its wire format, the ways to it, and what is known of its models."""

import fnmatch
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from antiphon.errors import ProviderBroke, ProviderBusy, ProviderError, ProviderRefused
from antiphon.ports import Codec
from antiphon.providers.breaker import Breaker
from antiphon.providers.catalog import Entry, Fields, profile_for
from antiphon.providers.credentials import Credential, Credentials
from antiphon.providers.health import Record, health_of
from antiphon.providers.slots import Slots
from antiphon.providers.transport import Line
from antiphon.telemetry import Level, log
from antiphon.types.health import ProviderHealth
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn

_NOTHING: Fields = {}
_NO_KEY_LEFT = "The provider refused this server's credentials; its operator has to look at the key."
_BEGINNING = 2048
"""Bytes of a context's first item that tell one conversation from another."""


@dataclass(eq=False)
class Provider:
    """A provider as the router sees it.

    `lines` are the ways to it, one for each of its keys. `patterns` None means that all that it lists is taken.
    """

    name: str
    codec: Codec
    credentials: Credentials
    lines: Mapping[Credential, Line]
    slots: Slots
    record: Record
    source: Entry | Profile
    """The catalog's entry, or the profile that its wire format begins with."""
    given: Fields = field(default_factory=dict[str, object])
    """What the operator says of its models."""
    patterns: Sequence[str] | None = None
    queue_wait: float = 30.0
    listed: Mapping[str, Fields] = field(default_factory=dict[str, Fields])
    """The models that it lists, and what it tells of them."""

    def serves(self, model: str) -> bool:
        """Say whether the model is known to be this provider's."""
        if self.patterns is None:
            return model in self.listed
        return any(fnmatch.fnmatchcase(model, name) for name in self.patterns)

    def may_serve(self, model: str) -> bool:
        """Say whether the model may be asked of it by its full name."""
        return bool(model) and (self.patterns is None or self.serves(model))

    def names(self) -> list[str]:
        """Return the models known by name: no patterns."""
        exact = [name for name in self.patterns or () if not any(sign in name for sign in "*?[")]
        return exact + [name for name in self.listed if name not in exact and self.serves(name)]

    def profile(self, model: str) -> Profile:
        """Return what is known of a model."""
        return profile_for(self.source, model, self.listed.get(model, _NOTHING), self.given)

    # -- keys -------------------------------------------------------------------------------------------------

    def credential(self, turn: Turn, model: str) -> Credential:
        """Return the key for a turn, the same for all turns of a conversation. Raises ProviderError."""
        found = self.credentials.choose(_conversation(turn) if len(self.lines) > 1 else 0, model)
        if found is not None:
            return found
        wait = self.credentials.retry_in(model)
        if self.credentials.are_rejected():
            raise ProviderBroke(_NO_KEY_LEFT, code="provider_unauthorized", retry_after=wait)
        text = "The provider's rate limit is reached."
        raise ProviderBusy(text, upstream_status=429, code="rate_limit_exceeded", retry_after=wait)

    def heard(self, credential: Credential, model: str, error: ProviderError | None) -> bool:
        """Remember how a call and its key fared, and say whether another key may do better.

        A key without others never rests: what it gets is for its provider to say.
        """
        if error is None or isinstance(error, ProviderRefused):
            self.record.succeeded()
        else:
            self.record.failed(error)
        if len(self.lines) == 1:
            return False
        match error:
            case None | ProviderRefused():
                self.credentials.accepted(credential)
                return False
            case ProviderBroke(code="provider_unauthorized"):
                if self.credentials.reject(credential, is_certain=error.upstream_status == 401):
                    log("key_rejected", Level.ERROR, provider=self.name, key=credential.name)
            case ProviderBusy(upstream_status=429):
                self.credentials.cool(credential, error.retry_after, model)
            case _:
                return False
        return bool(self.credentials.healthy(model))

    def health(self, breakers: Mapping[str, Breaker]) -> ProviderHealth:
        """Return how it is now; `breakers` by the name of their model."""
        return health_of(
            self.name, record=self.record, slots=self.slots, credentials=self.credentials, breakers=breakers
        )

    # -- models -----------------------------------------------------------------------------------------------

    async def learn(self) -> bool:
        """Ask the provider for its models, and say whether anything is new; a failure leaves what was known."""
        try:
            line = next(iter(self.lines.values()))
            status, body = await line.get(self.codec.models_path)
            if status == 200:
                listed = {model.id: model.profile for model in self.codec.listing(body)}
                is_new, self.listed = listed != self.listed, listed
                return is_new
            cause = f"status {status}"
        except ProviderError as error:
            cause = str(error)
        log("models_unknown", Level.WARNING, provider=self.name, cause=cause)
        return False


def _conversation(turn: Turn) -> int:
    """Return a number that stays the same while a conversation grows: its first item does."""
    named = turn.request.prompt_cache_key
    return zlib.crc32(named.encode() if named else memoryview(turn.items[0].raw)[:_BEGINNING] if turn.items else b"")
