"""Tools that a provider doesn't know, told as functions, and the way back.

A freeform (custom) tool becomes a function with one string, `input`; a tool of a namespace takes its
namespace into its name. The names that come back are raised again to what the request called them.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct

from antiphon.errors import Unsupported
from antiphon.types.items import AdditionalTools
from antiphon.types.profiles import Profile
from antiphon.types.tools import AllowedTools, CustomTool, FunctionTool, NamespaceTool, Tool
from antiphon.types.turns import ToolName, Turn

_TOOL: msgspec.json.Decoder[Tool] = msgspec.json.Decoder(FunctionTool | CustomTool | NamespaceTool)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_FREEFORM = Raw(
    b'{"type":"object","properties":{"input":{"type":"string","description":"The whole input, as plain text."}},'
    b'"required":["input"],"additionalProperties":false}'
)
_EMPTY = Raw(b'{"type":"object","properties":{}}')
_LEFT_OUT = ("web_search", "tool_search")
"""Hosted tools that clients offer on every turn (Codex): left out with a note where the provider has none."""


class Function(Struct, frozen=True, omit_defaults=True):
    """A function as it is offered upstream."""

    name: str
    description: str | None = None
    parameters: Raw = _EMPTY
    strict: bool | None = None


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


def flat_name(name: str, namespace: str | None) -> str:
    """Return one name of at most 64 plain characters for a tool; a name that fits is left as it is."""
    whole = f"{namespace}__{name}" if namespace else name
    if _PLAIN_NAME.match(whole):
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return re.sub(r"[^A-Za-z0-9_-]", "_", whole)[:55] + "_" + digest


def lower(turn: Turn, profile: Profile) -> Toolbox:
    """Return the tools of a turn, those of `additional_tools` items too, as the provider takes them.

    Raises Unsupported for a hosted tool that can't be left out.
    """
    boxed = _Boxing(profile, _allowed(turn))
    for index, tool in enumerate(turn.tools):
        boxed.offer(tool.view, tool.raw, f"tools[{index}]")
    for place, item in enumerate(turn.items):
        if isinstance(item.view, AdditionalTools):
            for index, raw in enumerate(item.view.tools):
                boxed.offer(_view(raw), raw, f"{turn.path(place)}.tools[{index}]")
    return Toolbox(boxed.functions, boxed.custom, boxed.wire, boxed.names, boxed.notes)


def _view(raw: Raw) -> Tool | None:
    try:
        return _TOOL.decode(raw)
    except msgspec.ValidationError:
        return None


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
        self.functions: list[Function] = []
        self.custom: list[CustomTool] = []
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
        self.functions.append(Function(name, tool.description, tool.parameters if given else _EMPTY, strict))

    def _freeform(self, tool: CustomTool, namespace: str | None) -> None:
        if self.profile.custom_tools and namespace is None:
            if self.allowed is None or tool.name in self.allowed:
                self.custom.append(tool)
            return
        name = self._name(tool.name, namespace, custom=True)
        if name is None:
            return
        if tool.format is not UNSET and msgspec.json.decode(tool.format).get("type") != "text":
            self.notes.append(f"tools: grammar of '{tool.name}' is described, not enforced")
        self.functions.append(Function(name, _freeform_description(tool), _FREEFORM))

    def _name(self, name: str, namespace: str | None, *, custom: bool) -> str | None:
        """Register a tool and return its upstream name, None when an allow list leaves it out."""
        if self.allowed is not None and name not in self.allowed:
            return None
        wire = flat_name(name, namespace)
        self.wire[namespace, name] = wire
        if custom or wire != name:
            self.names[wire] = ToolName(name, namespace, custom)
        return wire

    def _hosted(self, kind: str, path: str) -> None:
        if not kind.startswith(_LEFT_OUT):
            raise Unsupported(f"Tool type '{kind}' is not available with this model's provider.", param=path)
        self.notes.append(f"tools: {kind} left out, this provider has none")


def _freeform_description(tool: CustomTool) -> str:
    described = tool.description or ""
    if tool.format is UNSET:
        return described
    grammar = msgspec.json.decode(tool.format)
    definition = grammar.get("definition")
    if not definition:
        return described
    return f"{described}\n\nThe input must match this {grammar.get('syntax', '')} grammar:\n{definition}".strip()
