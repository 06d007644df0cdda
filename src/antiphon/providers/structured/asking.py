"""How a model is asked for JSON that fits a schema, and asked again. Pure.

A model that takes schemas, but not all of this one, is asked as it is used to (`native`). Others are forced
to call one function whose parameters are the schema (`function`), have their JSON mode switched on and the schema in
the instructions (`object`), or are only told (`words`). A turn that offers tools of its own stays free to call them,
and JSON mode would keep some models from that, so there it is words.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Raw

from antiphon.codecs.demands import wants_logprobs
from antiphon.codecs.flattening import Flattening
from antiphon.codecs.schemas import to_dialect
from antiphon.errors import Unsupported
from antiphon.types.content import InputText, JsonObject
from antiphon.types.items import AdditionalTools, FunctionCall, FunctionCallOutput, Item, Message
from antiphon.types.kept import Kept
from antiphon.types.profiles import Profile
from antiphon.types.responses import Format, JsonObjectFormat, JsonSchemaFormat, Text, TextFormat
from antiphon.types.tools import FunctionChoice, FunctionTool, Tool
from antiphon.types.turns import Turn

Way: TypeAlias = Literal["native", "function", "object", "words"]

PARAM = "text.format.schema"

NOTES: dict[Way, str] = {
    "native": "text.format: checked here",
    "function": "text.format: emulated with a forced function, checked here",
    "object": "text.format: emulated with JSON mode, checked here",
    "words": "text.format: emulated with instructions, checked here",
}

_ANY_OBJECT: JsonObject = {"type": "object"}
_encode = msgspec.json.Encoder().encode
_replace = msgspec.structs.replace


def schema_of(chosen: JsonSchemaFormat | JsonObjectFormat) -> JsonObject:
    """Return the schema that answers in this format must fit."""
    return chosen.schema if isinstance(chosen, JsonSchemaFormat) else _ANY_OBJECT


def way_for(turn: Turn, chosen: JsonSchemaFormat | JsonObjectFormat, profile: Profile) -> Way | None:
    """Return how to ask, None when the model takes the format and is to be believed.

    Raises BadRequest for a reference to nothing.
    """
    if isinstance(chosen, JsonObjectFormat):
        return None if profile.json_object else "words"
    if profile.json_schema:
        if profile.schema_dialect == "full" or (profile.schema_dialect == "openai" and not chosen.strict):
            return None  # OpenAI's dialect is that of strict schemas alone; others are sent whole
        told = _told_schema(chosen.schema, profile)
        if told is not None:
            _, losses = told
            return "native" if chosen.strict and losses else None
    is_object = _is_object(chosen.schema)
    if turn.tools or any(isinstance(item.view, AdditionalTools) for item in turn.items) or not is_object:
        return "words"
    if profile.tools and profile.forced_tools and not wants_logprobs(turn.request):
        return "function"
    return "object" if profile.json_object else "words"


def ask(turn: Turn, chosen: JsonSchemaFormat | JsonObjectFormat, way: Way, profile: Profile) -> Turn:
    """Return the turn that asks in this way."""
    match way:
        case "native":
            return turn
        case "function" if isinstance(chosen, JsonSchemaFormat):
            tool = _function(chosen, profile)
            choice = FunctionChoice(name=tool.name)
            offered: Kept[Tool] = Kept(Raw(_encode(tool)), tool)
            return _replace(_formatted(turn, TextFormat()), tools=[offered], tool_choice=choice)
        case "object":
            return _told(_formatted(turn, JsonObjectFormat()), chosen)
        case _:
            return _told(_formatted(turn, TextFormat()), chosen)


def ask_again(turn: Turn, said: Sequence[Item], errors: Sequence[str]) -> Turn:
    """Return the turn that shows the model what it said and what was wrong with it."""
    why = "\n".join(["The answer does not fit the JSON schema:", *(f"- {error}" for error in errors)])
    call = next((item for item in said if isinstance(item, FunctionCall)), None)
    answer: Item
    if call is not None:
        answer = FunctionCallOutput(
            call_id=call.call_id, output=f"{why}\nCall the function again, with all that it needs."
        )
    else:
        words = f"{why}\nAnswer again: the whole JSON and nothing else."
        answer = Message(role="user", content=[InputText(text=words)])
    more = [Kept(Raw(_encode(item)), item) for item in (*said, answer)]
    return _replace(turn, items=[*turn.items, *more], own=turn.own + len(more))


def _told_schema(schema: JsonObject, profile: Profile) -> tuple[JsonObject, list[str]] | None:
    """Return the schema as the provider knows it and what that lost, None when it has no words for it."""
    try:
        return to_dialect(schema, profile.schema_dialect, PARAM)
    except Unsupported:
        return None


def _is_object(schema: JsonObject) -> bool:
    """Say whether only objects fit a schema, as parameters of a function and JSON mode want it."""
    try:
        return Flattening(schema, PARAM, {}, cuts=True).plain(schema, ())[0].get("type") == "object"
    except Unsupported:
        return False


def _function(chosen: JsonSchemaFormat, profile: Profile) -> FunctionTool:
    schema, _ = _told_schema(chosen.schema, profile) or (chosen.schema, [])
    return FunctionTool(
        name=chosen.name,
        description=chosen.description or "Gives the answer.",
        parameters=Raw(_encode(schema)),
        strict=False,  # the answer is checked here, and strict modes refuse schemas for reasons of their own
    )


def _formatted(turn: Turn, form: Format) -> Turn:
    text = turn.request.text or Text()
    return _replace(turn, request=_replace(turn.request, text=_replace(text, format=form)))


def _told(turn: Turn, chosen: JsonSchemaFormat | JsonObjectFormat) -> Turn:
    """Return the turn with the schema in its instructions."""
    words = "Answer with JSON alone: no other words before or after it, no code fence."
    if isinstance(chosen, JsonSchemaFormat):
        words += f" The JSON is '{chosen.name}'" + (f" ({chosen.description})" if chosen.description else "")
        words += f" and must fit this JSON schema:\n{_encode(chosen.schema).decode()}"
    else:
        words += " The JSON is one object."
    above = turn.request.instructions
    instructions = f"{above}\n\n{words}" if above else words
    return _replace(turn, request=_replace(turn.request, instructions=instructions))
