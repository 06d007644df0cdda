"""A turn's tools as Gemini's function declarations, and the choice among them."""

import msgspec

from antiphon.codecs.gemini.wire import Body, Declaration
from antiphon.codecs.lowering import Forced, Function, Toolbox, choose, lower
from antiphon.codecs.mending import as_object
from antiphon.codecs.schemas import to_dialect
from antiphon.errors import Unsupported
from antiphon.types.content import JsonObject
from antiphon.types.profiles import Profile
from antiphon.types.turns import ToolName, Turn

_replace = msgspec.structs.replace
_NO_PARAMETERS: tuple[JsonObject, ...] = (
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {}, "required": []},
    {"type": "object"},
    {},
)


def leading_letter(name: str) -> str:
    """Return a name that begins as Gemini wants it, with a letter or an underscore."""
    return name if name[:1].isalpha() or name[:1] == "_" else f"_{name}"


def box_of(turn: Turn, profile: Profile) -> Toolbox:
    """Return the tools of a turn, all of them functions whose names Gemini takes. Raises Unsupported."""
    box = lower(turn, _replace(profile, custom_tools=False) if profile.custom_tools else profile)
    odd = [function.name for function in box.functions if leading_letter(function.name) != function.name]
    if not odd:
        return box
    taken = {function.name for function in box.functions}
    renamed: dict[str, str] = {}
    for name in odd:
        new = leading_letter(name)
        while new in taken:
            new = f"_{new}"
        taken.add(new)
        renamed[name] = new
    names = {renamed.get(wire, wire): known for wire, known in box.names.items()}
    for (namespace, plain), wire in box.wire.items():
        if wire in renamed:
            names.setdefault(renamed[wire], ToolName(plain, namespace))
    return _replace(
        box,
        functions=[_replace(function, name=renamed.get(function.name, function.name)) for function in box.functions],
        wire={whole: renamed.get(wire, wire) for whole, wire in box.wire.items()},
        names=names,
    )


def offer(body: Body, turn: Turn, box: Toolbox, profile: Profile, notes: list[str]) -> None:
    """Write tools and choice into the body. Raises Unsupported."""
    choice = choose(turn, box, profile)
    if not box.functions:
        return
    if not profile.tools:
        raise Unsupported("Tools are not available with this model.", param="tools")
    body.tools = [{"functionDeclarations": [_declared(function, profile, notes) for function in box.functions]}]
    calling: JsonObject = {}
    if isinstance(choice, Forced):
        calling = {"mode": "ANY", "allowedFunctionNames": [leading_letter(choice.name)]}
    elif choice is not None:
        calling = {"mode": "NONE" if choice == "none" else "ANY"}
    elif any(function.strict for function in box.functions):
        calling = {"mode": "VALIDATED"}
    if calling:
        body.tool_config = {"functionCallingConfig": calling}


def _declared(function: Function, profile: Profile, notes: list[str]) -> Declaration:
    schema = as_object(msgspec.json.decode(function.parameters))
    if schema in _NO_PARAMETERS:
        return Declaration(function.name, function.description)
    schema, lost = to_dialect(schema, profile.schema_dialect, "tools")
    notes += [f"tools: {function.name}: {loss}" for loss in lost]
    return Declaration(function.name, function.description, schema)
