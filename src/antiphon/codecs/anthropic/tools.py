"""Tools and the choice among them, as Messages has them."""

from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from antiphon.codecs.lowering import Forced, Function, Toolbox
from antiphon.codecs.schemas import to_dialect
from antiphon.types.content import JsonObject
from antiphon.types.profiles import Profile


class _Root(Struct):
    type: Any = None


_decode_root = msgspec.json.Decoder(_Root).decode
_decode = msgspec.json.Decoder(JsonObject).decode


def offered(box: Toolbox, profile: Profile, notes: list[str]) -> list[JsonObject]:
    """Return the tools of a turn."""
    return [_tool(function, profile, notes) for function in box.functions]


def choice(
    chosen: Literal["none", "required"] | Forced | None, *, parallel: bool | None, profile: Profile, notes: list[str]
) -> JsonObject | None:
    """Return `tool_choice`, None for a free choice among tools that may be called together."""
    told: JsonObject
    match chosen:
        case "none":
            return {"type": "none"}
        case "required":
            told = {"type": "any"}
        case Forced():
            told = {"type": "tool", "name": chosen.name}
        case None:
            told = {"type": "auto"}
    if parallel is False:
        if profile.parallel_switch:
            return {**told, "disable_parallel_tool_use": True}
        notes.append("parallel_tool_calls left out: this provider can't be told to make one call at a time")
    return told if chosen is not None else None


def _tool(function: Function, profile: Profile, notes: list[str]) -> JsonObject:
    tool: JsonObject = {"name": function.name}
    if function.description:
        tool["description"] = function.description
    if function.strict:
        schema = _of_object(_decode(function.parameters))
        tool["input_schema"], lost = to_dialect(schema, profile.schema_dialect, "tools")
        notes += lost
        tool["strict"] = True
    else:
        tool["input_schema"] = _untouched(function.parameters)
    return tool


def _untouched(schema: Raw) -> Raw | JsonObject:
    """Return a schema as its own bytes where it says that it is of an object, as it has to."""
    return schema if _decode_root(schema).type == "object" else _of_object(_decode(schema))


def _of_object(schema: JsonObject) -> JsonObject:
    """Return a schema whose root is an object, unless it plainly is of something else."""
    kind = schema.get("type")
    if kind is None or (isinstance(kind, list) and "object" in kind):
        return {**schema, "type": "object"}
    return schema
