"""A model behind HTTP: a codec, a line to its provider, and a profile."""

from collections.abc import AsyncGenerator

from antiphon.errors import ProviderError
from antiphon.ports import Codec
from antiphon.providers.transport import MAX_ERROR_BYTES, Line
from antiphon.telemetry import Level, log
from antiphon.types.chunks import Chunk, Stop, Used
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn

TRIES = 2
"""An answer that is empty is asked for once more; nothing of it has been shown."""


class UpstreamModel:
    """One model of one provider."""

    def __init__(self, provider: str, name: str, codec: Codec, line: Line, profile: Profile) -> None:
        self.name = name
        self.profile = profile
        self._provider = provider
        self._codec = codec
        self._line = line

    async def stream(self, turn: Turn, notes: list[str]) -> AsyncGenerator[list[Chunk], None]:
        """Ask the provider; see the port."""
        sent = self._codec.encode(turn, self.profile)
        notes.extend(sent.notes)
        for attempt in range(1, TRIES + 1):
            try:
                async with self._line.post(sent.path, sent.body, streamed=turn.stream) as answer:
                    if answer.status != 200:
                        body = await answer.beginning(MAX_ERROR_BYTES)
                        raise self._codec.refusal(answer.status, body, answer.retry_after)
                    parser = self._codec.parser(sent, self.profile, streamed=answer.streamed)
                    is_over = False
                    while not is_over:
                        data = await answer.read()
                        said = parser.feed(data) if data else parser.close()
                        is_over = not data or (bool(said) and isinstance(said[-1], Stop))
                        if said and not _only_usage(said, parser.failure):
                            yield said
                        if parser.failure is not None:
                            raise parser.failure
                    await answer.settle()
                    return
            except ProviderError as error:
                error.provider = self._provider
                _log(error, self.name, attempt)
                if error.code != "empty_answer" or attempt == TRIES:
                    raise


def _only_usage(said: list[Chunk], failure: ProviderError | None) -> bool:
    """Say whether a failed read told nothing that a client could see, so that it can be asked for again."""
    return failure is not None and all(isinstance(chunk, Used) for chunk in said)


def _log(error: ProviderError, model: str, attempt: int) -> None:
    log(
        "provider_failed",
        Level.WARNING,
        provider=error.provider,
        model=model,
        kind=type(error).__name__,
        status=error.upstream_status,
        code=error.code,
        attempt=attempt,
        cause=repr(error.__cause__) if error.__cause__ else None,
    )
