"""What the demo models say: pure functions from a turn and a seed to chunks.

Every text answer says that it is a demo model's, quotes what it was told, and counts the turns; which headings,
lists and tables stand around that follows from the seed and the conversation.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence

from antiphon.providers.demo.dice import WORDS, Dice
from antiphon.providers.demo.merge import is_object
from antiphon.providers.demo.pattern import Unreadable, fitting
from antiphon.providers.demo.schema import NoInstance, instance
from antiphon.providers.demo.talk import Offer, Talk, listen, offers
from antiphon.types.chunks import CallClosed, CallDelta, CallOpened, Chunk, Stop, Text, Used
from antiphon.types.content import Logprob, TopLogprob
from antiphon.types.responses import JsonObjectFormat, JsonSchemaFormat, Usage
from antiphon.types.tools import AllowedTools, CustomChoice, FunctionChoice
from antiphon.types.turns import Turn

Script = Callable[[Turn, int], list[Chunk]]

_PIECE = re.compile(r"\s*\S{1,16}|\s+")
"""A piece is a word with the space before it, a demo model's idea of a token."""

_QUOTED = 160
"""Characters of a quotation; the rest is an ellipsis."""

_OPENINGS = (
    "This is **{name}**, a demo model: I run inside the server and think about nothing.",
    "Hello from **{name}**. I am a demo model, so I repeat more than I know.",
    "**{name}** here, a demo model. No network was used and no real model was asked.",
)
_TEXT = """\
## What I am good for

- Trying out a client without a key
- Tests that need the *same* answer twice
- Watching a stream go by
===
## A table

| Model | What it does |
| --- | --- |
| `demo-chat` | answers in Markdown |
| `demo-slow` | takes its time |
| `demo-tools` | calls your functions |
===
## Some code

```python
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8484/v1")
answer = client.responses.create(model="demo-chat", input="Hello")
print(answer.output_text)
```
===
## Next steps

1. Connect a provider
2. Name its model in place of mine
3. Get answers that *mean* something
===
## A thought

> A stream is a promise kept one piece at a time.

That was ~~wise~~ *made up*, by a demo model.
===
### In short

Everything above is **deterministic**: the same seed and the same conversation give the same answer,
which a real model would never promise."""
_SECTIONS = re.split(r"\n===\n", _TEXT)


def chat(turn: Turn, seed: int) -> list[Chunk]:
    """Answer in Markdown, or in JSON where that was asked for."""
    talk = listen(turn)
    return _spoken(turn, talk, Dice(seed, turn.model, talk.told))


def tools(turn: Turn, seed: int) -> list[Chunk]:
    """Call what is offered; answer in text when nothing may be called, or once the outputs are there."""
    talk = listen(turn)
    dice = Dice(seed, turn.model, talk.told)
    chosen = _chosen(turn, talk)
    if not chosen:
        return _spoken(turn, talk, dice)
    said: list[Chunk] = []
    for key, offer in enumerate(chosen):
        said.append(CallOpened(key, "", offer.name, offer.custom, offer.namespace))
        said += [CallDelta(key, piece) for piece in _pieces(_arguments(offer, talk, dice))]
        said.append(CallClosed(key))
    return _ended(turn, talk, said)


# -- text -----------------------------------------------------------------------------------------------------


def _spoken(turn: Turn, talk: Talk, dice: Dice) -> list[Chunk]:
    include = turn.request.include or ()
    others = (turn.request.top_logprobs or 0) if "message.output_text.logprobs" in include else -1
    said = [Text(piece, _logprobs(piece, others, dice)) for piece in _pieces(_answer(turn, talk, dice))]
    return _ended(turn, talk, said)


def _answer(turn: Turn, talk: Talk, dice: Dice) -> str:
    shape = turn.request.text.format if turn.request.text else None
    if isinstance(shape, JsonSchemaFormat):
        try:
            return json.dumps(instance(shape.schema, dice, _names(talk.prompt)), ensure_ascii=False)
        except NoInstance as exc:
            return json.dumps({"note": f"a demo model found nothing that fits this schema: {exc}"})
    if isinstance(shape, JsonObjectFormat):
        told = {"note": "made by a demo model", "turn": len(talk.said), "prompt": _quote(talk.prompt)}
        outputs = [{"name": name, "output": output} for name, output in talk.outputs]
        return json.dumps({**told, "outputs": outputs} if outputs else told, ensure_ascii=False)
    sections = dice.shuffled(_SECTIONS)[: 2 + dice.below(2)]
    parts = [dice.pick(_OPENINGS).format(name=turn.model), *_heard(talk), *sections]
    return "\n\n".join(parts)


def _heard(talk: Talk) -> Iterator[str]:
    """Say what the conversation holds."""
    for name, output in talk.outputs:
        yield f'`{name}` gave me "{_quote(output)}".'
    if talk.said:
        yield f'This is turn {len(talk.said)}, and you said "{_quote(talk.prompt)}".'
    if len(talk.said) > 1:
        yield f'The first thing you said was "{_quote(talk.said[0])}".'
    if len(talk.said) > 2:
        yield f'Before this one you said "{_quote(talk.said[-2])}".'
    if talk.attached:
        yield f"With it came {', '.join(talk.attached)}; I can't look inside, but it arrived."
    if talk.instructions:
        yield f'My instructions are "{_quote(talk.instructions)}".'


def _quote(text: str) -> str:
    """Return the text on one line, cut short."""
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED else f"{line[: _QUOTED - 1]}…"


def _names(prompt: str) -> list[str]:
    """Return what looks like a name in the prompt: quoted, or capitalised inside a sentence."""
    quoted = re.findall(r'"([^"\n]{1,60})"', prompt)
    return quoted or re.findall(r"(?<=[\w,:] )([A-Z][\w-]{2,40}(?: [A-Z][\w-]{1,40}){0,2})", prompt)


def _pieces(text: str) -> list[str]:
    return _PIECE.findall(text)


def _logprobs(piece: str, others: int, dice: Dice) -> list[Logprob]:
    """Return one made-up probability with `others` alternatives, nothing when `others` is negative."""
    if others < 0:
        return []
    sure = -(1 + dice.below(400)) / 1_000
    tokens = [piece, *(f" {word}" for word in (*WORDS, *map(str.title, WORDS)))][:others]
    top = [
        TopLogprob(token=token, logprob=sure - 2.5 * place, bytes=list(token.encode()))
        for place, token in enumerate(tokens)
    ]
    return [Logprob(token=piece, logprob=sure, bytes=list(piece.encode()), top_logprobs=top)]


# -- calls ----------------------------------------------------------------------------------------------------


def _chosen(turn: Turn, talk: Talk) -> Sequence[Offer]:
    """Return the tools to call now."""
    choice, offered = turn.tool_choice, offers(turn)
    if isinstance(choice, FunctionChoice | CustomChoice):
        custom = isinstance(choice, CustomChoice)
        return [offer for offer in offered if offer.name == choice.name and offer.custom == custom][:1]
    must = choice == "required" or (isinstance(choice, AllowedTools) and choice.mode == "required")
    may = choice == "auto" or isinstance(choice, AllowedTools)
    if not (must or (may and not talk.outputs)):
        return []
    named = [offer for offer in offered if re.search(rf"(?<!\w){re.escape(offer.name)}(?!\w)", talk.prompt)]
    several = turn.request.parallel_tool_calls is not False
    return (named if several else named[:1]) or offered[:1]


def _arguments(offer: Offer, talk: Talk, dice: Dice) -> str:
    """Return what to call the tool with: JSON that fits its schema, or text."""
    if not offer.custom:
        schema = {"type": "object", **(offer.schema if is_object(offer.schema) else {})}
        try:
            return json.dumps(instance(schema, dice, _names(talk.prompt)), ensure_ascii=False)
        except NoInstance:
            return "{}"
    if offer.pattern is not None:
        try:
            return fitting(offer.pattern, dice.below)
        except Unreadable:
            pass
    return f"text from a demo model: {_quote(talk.prompt)}"


# -- the end --------------------------------------------------------------------------------------------------


def _ended(turn: Turn, talk: Talk, said: Sequence[Chunk]) -> list[Chunk]:
    """Cut what is said at `max_output_tokens`, and close with the usage."""
    most = turn.request.max_output_tokens
    places = [place for place, chunk in enumerate(said) if isinstance(chunk, Text | CallDelta)]
    cut = None if most is None or len(places) <= most else places[most]
    count = len(places) if cut is None or most is None else most
    usage = Usage(input_tokens=talk.words, output_tokens=count, total_tokens=talk.words + count)
    stop = Stop("completed") if cut is None else Stop("incomplete", "max_output_tokens")
    return [*said[:cut], Used(usage), stop]
