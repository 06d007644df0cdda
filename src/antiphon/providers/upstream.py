"""A model behind HTTP: a codec, the way to its provider, and its profile. One call of `stream` is one answer."""

from collections.abc import AsyncGenerator

from msgspec import Struct
from msgspec.structs import replace

from antiphon.errors import PATH, ProviderError, ProviderRefused, Unsupported
from antiphon.ports import Seals
from antiphon.providers.fetching import Fetcher
from antiphon.providers.materials import fetches, materialise
from antiphon.providers.provider import Provider
from antiphon.providers.sealed import binding, opened, sealing
from antiphon.providers.transport import MAX_ERROR_BYTES
from antiphon.telemetry import Level, log
from antiphon.types.chunks import Chunk, Stop, Used
from antiphon.types.turns import Turn, UpstreamRequest


class Means(Struct, frozen=True):
    """What every model needs beside its provider."""

    fetcher: Fetcher
    seals: Seals
    strict: bool = False
    """Whether what would be left out with a note is refused instead."""


class UpstreamModel:
    """One model of one provider."""

    def __init__(self, provider: Provider, name: str, means: Means) -> None:
        self.name = name
        self.profile = provider.profile(name)
        self._provider = provider
        self._codec = provider.codec
        self._means = means
        self._fetches = fetches(self.profile)
        self._bound_to = binding(provider.name, name, self.profile)

    async def stream(self, turn: Turn, notes: list[str]) -> AsyncGenerator[list[Chunk], None]:
        """Ask the provider; see the port. Raises BadRequest too, for what can't be said to this model."""
        provider, seals = self._provider, self._means.seals
        if self._fetches:
            turn = await materialise(turn, self.profile, self._means.fetcher)
        turn = self._made_ready(turn, notes)
        is_heard = False
        if not provider.slots.try_take():
            await provider.slots.wait_for_slot(provider.queue_wait)
        try:
            while True:
                sent = self._encode(turn, notes)
                key = provider.credential(turn, self.name)
                try:
                    async with provider.lines[key].post(sent.path, sent.body, streamed=turn.stream) as answer:
                        if answer.status != 200:
                            body = await answer.beginning(MAX_ERROR_BYTES)
                            raise self._codec.refusal(answer.status, body, answer.retry_after)
                        parser = self._codec.parser(sent, self.profile, streamed=answer.streamed)
                        is_over = False
                        silent: list[Chunk] = []
                        while not is_over:
                            data = await answer.read()
                            said = parser.feed(data) if data else parser.close()
                            is_over = not data or (bool(said) and isinstance(said[-1], Stop))
                            if said and not is_heard:
                                said = silent + said
                                is_heard = not all(type(chunk) is Used for chunk in said)
                                silent = said
                            if said and is_heard:
                                yield sealing(said, seals, turn.tenant, self._bound_to)
                            if parser.failure is not None:
                                raise parser.failure
                        await answer.settle()
                    provider.heard(key, self.name, None)
                    return
                except ProviderError as error:
                    error.provider = provider.name
                    error.has_other_key = provider.heard(key, self.name, error)
                    _log(error, self.name, key.name)
                    if is_heard or not self._goes_without(error):
                        raise
        finally:
            provider.slots.give_back()

    def _made_ready(self, turn: Turn, notes: list[str]) -> Turn:
        """Return the turn for this model: under its own name, and with its own state opened."""
        if turn.model != self.name:
            turn = replace(turn, model=self.name)
        return opened(turn, self._means.seals, self._bound_to, notes, passes_foreign=self.profile.opaque_items)

    def _encode(self, turn: Turn, notes: list[str]) -> UpstreamRequest:
        sent = self._codec.encode(turn, self.profile)
        if sent.notes:
            notes += [note for note in sent.notes if note not in notes]
        if notes and self._means.strict:
            raise Unsupported.noted(notes[0])
        return sent

    def _goes_without(self, error: ProviderError) -> bool:
        """Leave a hint out from now on that the provider refuses, and say whether there was one."""
        if not isinstance(error, ProviderRefused):
            return False
        refused = {hint for hint in self.profile.hints if hint in {error.param, *PATH.findall(error.message)}}
        self.profile = replace(self.profile, hints=self.profile.hints - refused)
        return bool(refused)


def _log(error: ProviderError, model: str, key: str) -> None:
    log(
        "provider_failed",
        Level.WARNING,
        provider=error.provider,
        model=model,
        key=key,
        kind=type(error).__name__,
        status=error.upstream_status,
        code=error.code,
        cause=repr(error.__cause__) if error.__cause__ else None,
    )
