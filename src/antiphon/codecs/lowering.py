"""Tools that a provider doesn't know, told as functions, and the way back.

A freeform (custom) tool becomes a function with one string, `input`; a tool of a namespace takes its
namespace into its name. The names and inputs that come back are raised again to what the request called them.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct

from antiphon.codecs.mending import as_object
from antiphon.errors import Unsupported
from antiphon.types.content import JsonObject
from antiphon.types.decoding import explain
from antiphon.types.items import AdditionalTools
from antiphon.types.profiles import Profile
from antiphon.types.tools import (
    HOSTED,
    AllowedTools,
    CustomChoice,
    CustomTool,
    FunctionChoice,
    FunctionTool,
    NamespaceTool,
    Tool,
)
from antiphon.types.turns import ToolName, Turn

_TOOL: msgspec.json.Decoder[Tool] = msgspec.json.Decoder(FunctionTool | CustomTool | NamespaceTool)
_OBJECT = msgspec.json.Decoder(JsonObject)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]+\Z")
_FREEFORM = Raw(
    b'{"type":"object","properties":{"input":{"type":"string","description":"The whole input, as plain text."}},'
    b'"required":["input"],"additionalProperties":false}'
)
_EMPTY = Raw(b'{"type":"object","properties":{}}')
_LEFT_OUT = ("web_search", "tool_search")
"""Hosted tools that clients offer on every turn (Codex): left out with a note where the provider has none."""


class Function(Struct, frozen=True, omit_defaults=True):
    """A function as it is offered upstream; not every server takes one without parameters."""

    name: str
    parameters: Raw
    description: str | None = None
    strict: bool | None = None


class Forced(Struct, frozen=True):
    """The one tool that must be called, by its upstream name."""

    kind: Literal["function", "custom"]
    name: str


class Toolbox(Struct, frozen=True):
    """What a turn offers, lowered. `wire` leads from (namespace, name) to the name upstream, `names` back."""

    functions: Sequence[Function]
    custom: Sequence[CustomTool]
    wire: Mapping[tuple[str | None, str], str]
    names: Mapping[str, ToolName]
    notes: Sequence[str]

    def wire_name(self, name: str, namespace: str | None) -> str:
        """Return the upstream name of a tool, also of one that is no longer offered."""
        return self.wire.get((namespace, name)) or flat_name(name, namespace)

    def forced_name(self, name: str) -> str:
        """Return the upstream name of a forced tool, which may stand in a namespace."""
        return next((wire for (_, plain), wire in self.wire.items() if plain == name), name)


_NOTHING_OFFERED = Toolbox((), (), {}, {}, ())


def flat_name(name: str, namespace: str | None) -> str:
    """Return one name of at most 64 plain characters for a tool; a name that fits is left as it is."""
    whole = f"{namespace}__{name}" if namespace else name
    if _PLAIN_NAME.match(whole):
        return whole
    return _digested(whole, re.sub(r"[^A-Za-z0-9_-]", "_", whole))


def short_id(call_id: str, limit: int) -> str:
    """Return a call's id of at most `limit` plain characters; one that fits is left, the others always change alike."""
    if len(call_id) <= limit and _PLAIN_ID.match(call_id):
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:32]}"


def _digested(whole: str, shown: str) -> str:
    return f"{shown[:55]}_{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def lower(turn: Turn, profile: Profile) -> Toolbox:
    """Return the tools of a turn, those of `additional_tools` items too, as the provider takes them.

    Raises Unsupported for a hosted tool that can't be left out.
    """
    if not turn.tools and not any(isinstance(item.view, AdditionalTools) for item in turn.items):
        return _NOTHING_OFFERED
    boxed = _Boxing(profile, _allowed(turn))
    for index, tool in enumerate(turn.tools):
        boxed.offer(tool.view, tool.raw, f"tools[{index}]")
    for place, item in enumerate(turn.items):
        if isinstance(item.view, AdditionalTools):
            for index, raw in enumerate(item.view.tools):
                path = f"{turn.path(place)}.tools[{index}]"
                boxed.offer(_view(raw, path), raw, path)
    return Toolbox(list(boxed.functions.values()), list(boxed.custom.values()), boxed.wire, boxed.names, boxed.notes)


def choose(turn: Turn, box: Toolbox, profile: Profile) -> Literal["none", "required"] | Forced | None:
    """Return what `tool_choice` asks of the provider, None for a free choice; allow lists are in the box already.

    Raises Unsupported for a tool of the provider's own, and where the model can't be forced.
    """
    choice = turn.tool_choice
    if choice == "auto" or (isinstance(choice, AllowedTools) and choice.mode == "auto"):
        return None
    if choice == "none":
        return "none"
    if not profile.forced_tools:
        raise Unsupported("This model can't be forced to call a tool.", param="tool_choice")
    if choice == "required" or isinstance(choice, AllowedTools):
        return "required"
    if isinstance(choice, CustomChoice) and any(tool.name == choice.name for tool in box.custom):
        return Forced("custom", choice.name)
    if isinstance(choice, FunctionChoice | CustomChoice):
        return Forced("function", box.forced_name(choice.name))
    raise Unsupported(f"Tool choice '{choice.type}' is not available with this provider.", param="tool_choice")


def freeform_input(arguments: str) -> str:
    """Return a freeform tool's input from the arguments of the function it was lowered to, cut ones too."""
    for ending in ("", '"}', "}"):
        try:
            parsed = _OBJECT.decode(arguments + ending)
        except (msgspec.MsgspecError, RecursionError):
            continue
        given = parsed.get("input", "")
        if isinstance(given, str) and parsed.keys() <= {"input"}:
            return given
    return arguments


def freeform_arguments(given: str) -> str:
    """Return the arguments that tell a freeform tool's input to a function."""
    return msgspec.json.encode({"input": given}).decode()


def tool_format(tool: CustomTool) -> JsonObject:
    """Return the format of a freeform tool's input; text when none is given."""
    given = as_object(msgspec.json.decode(tool.format)) if tool.format is not UNSET else {}
    return given or {"type": "text"}


def _view(raw: Raw, path: str) -> Tool | None:
    """Return the view of a tool, None for a hosted one. Raises BadRequest for what is no tool."""
    try:
        return _TOOL.decode(raw)
    except msgspec.ValidationError as error:
        if as_object(msgspec.json.decode(raw)).get("type") in HOSTED:
            return None
        raise explain(str(error), path) from None


def _allowed(turn: Turn) -> frozenset[str] | None:
    """Return the names that an allow list leaves, None when there is no list."""
    choice = turn.tool_choice
    if not isinstance(choice, AllowedTools):
        return None
    return frozenset(tool.name for tool in choice.tools if tool.name is not UNSET)


class _Boxing:
    def __init__(self, profile: Profile, allowed: frozenset[str] | None) -> None:
        self.profile = profile
        self.allowed = allowed
        self.functions: dict[str, Function] = {}  # by upstream name: a tool offered again replaces the first
        self.custom: dict[str, CustomTool] = {}
        self.wire: dict[tuple[str | None, str], str] = {}
        self.names: dict[str, ToolName] = {}
        self.notes: list[str] = []

    def offer(self, tool: Tool | None, raw: Raw, path: str) -> None:
        match tool:
            case None:
                self._hosted(msgspec.json.decode(raw).get("type", ""), path)
            case FunctionTool():
                self._function(tool, None)
            case CustomTool():
                self._freeform(tool, None)
            case NamespaceTool():
                for inner in tool.tools:
                    if isinstance(inner, CustomTool):
                        self._freeform(inner, tool.name)
                    else:
                        self._function(inner, tool.name)

    def _function(self, tool: FunctionTool, namespace: str | None) -> None:
        name = self._name(tool.name, namespace, custom=False)
        if name is None:
            return
        strict = tool.strict if self.profile.strict_tools else None
        if tool.strict and strict is None:
            self.notes.append(f"tools: strict of '{tool.name}' left out")
        given = bytes(tool.parameters) != b"null"
        self.functions[name] = Function(name, tool.parameters if given else _EMPTY, tool.description, strict)

    def _freeform(self, tool: CustomTool, namespace: str | None) -> None:
        if self.profile.custom_tools and namespace is None:
            if self.allowed is None or tool.name in self.allowed:
                self.custom[tool.name] = tool
            return
        name = self._name(tool.name, namespace, custom=True)
        if name is None:
            return
        if tool_format(tool).get("type") != "text":
            self.notes.append(f"tools: grammar of '{tool.name}' is described, not enforced")
        self.functions[name] = Function(name, _FREEFORM, _freeform_description(tool))

    def _name(self, name: str, namespace: str | None, *, custom: bool) -> str | None:
        """Register a tool and return its upstream name, None when an allow list leaves it out."""
        if self.allowed is not None and name not in self.allowed:
            return None
        wire = self.wire.get((namespace, name)) or flat_name(name, namespace)
        if self.functions.get(wire) is not None and (namespace, name) not in self.wire:
            wire = _digested(f"{namespace}\n{name}", wire)  # another tool has that name already
        self.wire[namespace, name] = wire
        self.names.pop(wire, None)
        if custom or wire != name:
            self.names[wire] = ToolName(name, namespace, custom)
        return wire

    def _hosted(self, kind: str, path: str) -> None:
        if not kind.startswith(_LEFT_OUT):
            raise Unsupported(f"Tool type '{kind}' is not available with this model's provider.", param=path)
        self.notes.append(f"tools: {kind} left out, this provider has none")


def _freeform_description(tool: CustomTool) -> str:
    described, grammar = tool.description or "", tool_format(tool)
    definition = grammar.get("definition")
    if not definition:
        return described
    return f"{described}\n\nThe input must match this {grammar.get('syntax', '')} grammar:\n{definition}".strip()
