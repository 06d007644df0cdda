"""A model that answers in the shape that was asked for, around one that can't promise it.

The whole answer is heard before any of it is shown: an answer that doesn't fit is never seen as one. So a streamed
answer arrives at once, at its end. One that doesn't fit is asked for again, at most twice, with what was wrong with
it; then the response fails and says so. A refusal, an answer that was cut short, and calls of the client's own tools
are passed on as they are. The tokens of all answers are counted.

Where the model takes the format and the whole schema, its answer streams as it is: nothing is lost that would have to
be checked here. A schema that isn't `strict` is a hint to a model that takes schemas, and isn't checked either.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from antiphon.ports import Model
from antiphon.providers.structured.asking import NOTES, PARAM, Way, ask, ask_again, schema_of, way_for
from antiphon.providers.structured.heard import Heard, added
from antiphon.providers.structured.judging import Fits, Judge, Misfit
from antiphon.types.chunks import Chunk, Stop, Used
from antiphon.types.profiles import Profile
from antiphon.types.responses import JsonObjectFormat, JsonSchemaFormat, ResponseError
from antiphon.types.turns import Turn

RETRIES = 2
"""Corrections that a model gets: what it doesn't get right then, it rarely does."""

MAX_REASON = 300
"""Characters of the error's account of what didn't fit."""


def structured(model: Model) -> Model:
    """Return the model, wrapped when there are formats that it doesn't take whole."""
    profile = model.profile
    is_whole = profile.json_schema and profile.json_object and profile.schema_dialect == "full"
    return model if is_whole else StructuredModel(model)


class StructuredModel:
    """A model whose answers fit the format that was asked for, or fail."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.profile: Profile = model.profile
        self._model = model

    async def stream(self, turn: Turn, notes: list[str]) -> AsyncGenerator[list[Chunk], None]:
        """Ask the model; see the port. Raises BadRequest for what is no schema."""
        chosen = turn.request.text.format if turn.request.text else None
        shaped = chosen if isinstance(chosen, JsonSchemaFormat | JsonObjectFormat) else None
        way = way_for(turn, shaped, self.profile) if shaped is not None else None
        if shaped is None or way is None:
            async with aclosing(self._model.stream(turn, notes)) as said:
                async for chunks in said:
                    yield chunks
            return
        judge = Judge(schema_of(shaped), PARAM)
        notes.append(NOTES[way])
        yield await self._answer(ask(turn, shaped, way, self.profile), way, judge, notes)

    async def _answer(self, turn: Turn, way: Way, judge: Judge, notes: list[str]) -> list[Chunk]:
        """Return all chunks of the answer that is shown."""
        used: Used | None = None
        retries = 0
        while True:
            heard = await self._hear(turn, is_function=way == "function", notes=notes)
            used = added(used, heard.used)
            if not heard.is_answer:
                return _ended(heard.plain, used, heard.stop)
            verdict = judge.hold(heard.text)
            if isinstance(verdict, Fits):
                if retries:
                    notes.append(f"text.format: fits after {retries} {'retry' if retries == 1 else 'retries'}")
                is_same = verdict.text == heard.text
                return _ended(heard.plain if is_same else heard.saying(verdict.text), used, heard.stop)
            if retries == RETRIES:
                notes.append(f"text.format: does not fit after {RETRIES} retries")
                return _ended(heard.saying(heard.text), used, _failed(verdict))
            turn = ask_again(turn, heard.items(), verdict.errors)
            retries += 1

    async def _hear(self, turn: Turn, *, is_function: bool, notes: list[str]) -> Heard:
        heard, news = Heard(is_function), list[str]()
        async with aclosing(self._model.stream(turn, news)) as said:
            async for chunks in said:
                heard.add(chunks)
        notes += [note for note in news if note not in notes]
        return heard


def _ended(said: list[Chunk], used: Used | None, stop: Stop) -> list[Chunk]:
    return [*said, *([used] if used else []), stop]


def _failed(verdict: Misfit) -> Stop:
    reason = "; ".join(verdict.errors)[:MAX_REASON]
    text = f"The model's answer does not match the schema: {reason}"
    return Stop("failed", error=ResponseError(code="server_error", message=text))
