"""What a request brought: its input items and tools, each as bytes and view.

Reading is strict where we act on a thing and open where we only pass it on: an item of a type that the API
has and we don't is kept as bytes; one that nobody knows is refused unless its provider takes it.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct

from antiphon.errors import BadRequest, TooLarge
from antiphon.ids import item_id
from antiphon.types.content import InputText, JsonObject
from antiphon.types.decoding import explain, missing
from antiphon.types.items import PASSED_ON, PREFIXES, AdditionalTools, Item, ItemReference, Message
from antiphon.types.kept import Kept
from antiphon.types.responses import MAX_TEXT
from antiphon.types.tools import (
    HOSTED,
    AllowedTools,
    CustomChoice,
    CustomTool,
    FreeFormat,
    FunctionChoice,
    FunctionTool,
    GrammarFormat,
    NamespaceTool,
    Tool,
    ToolChoice,
)

_ITEM = msgspec.json.Decoder(Item)
_MESSAGE = msgspec.json.Decoder(Message)
_REFERENCE = msgspec.json.Decoder(ItemReference)
_TOOL: msgspec.json.Decoder[Tool] = msgspec.json.Decoder(FunctionTool | CustomTool | NamespaceTool)
_Format: TypeAlias = FreeFormat | GrammarFormat | None
_FORMAT: msgspec.json.Decoder[_Format] = msgspec.json.Decoder(_Format)
_VIEWED = frozenset(kind.type for kind in Item.__args__)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_KINDS = {b"[": "array", b'"': "str", b"t": "bool", b"f": "bool"}
"""The first byte of a JSON value to its type; anything that isn't here, nor an object or null, is a number."""

_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode
_SECRET = frozenset({"authorization", "headers"})
"""Fields of MCP tools that hold credentials."""


class _Peek(Struct):
    type: str | None = None
    role: str | None = None
    id: str | None = None


_PEEK = msgspec.json.Decoder(_Peek)


def keep(view: Item) -> Kept[Item]:
    """Return an item of our own making as if it had been received."""
    return Kept(Raw(_encode(view)), view)


def read_input(given: str | list[Raw] | None, longest: int = MAX_TEXT) -> list[Kept[Item]]:
    """Return the request's own items. Raises BadRequest with a path such as `input[3].content[0].type`.

    No string may have more than `longest` characters.
    """
    if given is None:
        return []
    if isinstance(given, str):
        _refuse_long_strings(given, "input", longest)
        return [keep(Message(role="user", content=[InputText(text=given)]))]
    return read_items(given, "input", longest)


def read_items(given: Sequence[Raw], name: str, longest: int = MAX_TEXT) -> list[Kept[Item]]:
    """Return items with their views; `name` begins the path of a complaint."""
    kept: list[Kept[Item]] = []
    decode = _ITEM.decode
    for index, raw in enumerate(given):
        try:
            view = decode(raw)
        except _UNREADABLE as error:
            kept.append(_odd_item(raw, f"{name}[{index}]", error))
        else:
            kept.append(Kept(raw, view))
            if type(view) is AdditionalTools:
                read_tools(view.tools, f"{name}[{index}].tools")
        if len(raw) > longest:
            _refuse_long_strings(msgspec.json.decode(raw), f"{name}[{index}]", longest)
    return kept


def reread(body: bytes) -> Kept[Item]:
    """Return a stored item; what an older or newer version wrote without trouble is never refused."""
    raw = Raw(body)
    try:
        return Kept(raw, _ITEM.decode(raw))
    except msgspec.ValidationError:
        try:
            return Kept(raw, _untyped(raw, "input"))
        except BadRequest:
            return Kept(raw, None)


def type_of(raw: Raw) -> str:
    """Return the `type` of an item or tool, "" when it has none."""
    return _PEEK.decode(raw).type or ""


def identify(item: Kept[Item], owner_id: str, index: int) -> str:
    """Return the id that an item is stored under: its sender's own, or one made from its owner's."""
    told = item.view or _PEEK.decode(item.raw)
    if isinstance(told.id, str) and told.id:
        return told.id
    return item_id(PREFIXES.get(told.type or "", "item"), owner_id, "i", index)


def storable(item: Kept[Item]) -> bytes:
    """Return the bytes to store of an item: its own, but for credentials of the tools that it brings."""
    if not isinstance(item.view, AdditionalTools):
        return bytes(item.raw)
    fields = _FIELDS.decode(item.raw)
    return _encode({**fields, "tools": [without_credentials(tool) for tool in item.view.tools]})


def without_credentials(tool: Raw) -> Raw:
    """Return a hosted tool as it may be shown and stored: an MCP server's secrets are only ever sent on."""
    fields = _FIELDS.decode(tool)
    if _SECRET.isdisjoint(fields):
        return tool
    return Raw(_encode({name: value for name, value in fields.items() if name not in _SECRET}))


def refuse_strangers(items: Sequence[Kept[Item]], name: str = "input") -> None:
    """Raise BadRequest for an item of a type that the API doesn't have, nor an extension (`slug:name`)."""
    for index, item in enumerate(items):
        if item.view is None:
            kind = type_of(item.raw)
            if kind not in PASSED_ON and ":" not in kind:
                path = f"{name}[{index}]"
                raise BadRequest(f"Invalid value: '{kind}' is no item type.", code="invalid_value", param=path)


def read_tools(given: Sequence[Raw] | None, name: str = "tools") -> list[Kept[Tool]]:
    """Return tools with their views. Raises BadRequest with a path such as `tools[0].name`."""
    kept: list[Kept[Tool]] = []
    for index, raw in enumerate(given or ()):
        path = f"{name}[{index}]"
        try:
            kept.append(_tool(raw, path))
        except _UNREADABLE as error:
            raise _unreadable(path, error) from None
    return kept


def _tool(raw: Raw, path: str) -> Kept[Tool]:
    try:
        view = _TOOL.decode(raw)
    except msgspec.ValidationError as error:
        if _peek(raw, path).type not in HOSTED:
            raise explain(str(error), path) from None
        return Kept(raw, None)
    _check_parameters(view, path)
    return Kept(raw, view)


def check_choice(choice: ToolChoice | None, tools: Sequence[Kept[Tool]], items: Sequence[Kept[Item]]) -> None:
    """Raise BadRequest when `tool_choice` asks for what is not offered."""
    if choice in (None, "auto", "none"):  # no set: a list of allowed tools has no hash
        return
    if not tools and not any(isinstance(item.view, AdditionalTools) for item in items):
        raise BadRequest("Tool choice must be specified with 'tools' parameter.", param="tool_choice")
    if isinstance(choice, FunctionChoice | CustomChoice) and choice.name not in _offered(tools, items):
        text = f"Tool choice '{choice.name}' not found in 'tools' parameter."
        raise BadRequest(text, param="tool_choice")
    if isinstance(choice, AllowedTools):
        if not choice.tools:
            raise missing("tool_choice.tools")
        offered = _offered(tools, items)
        for index, allowed in enumerate(choice.tools):
            path = f"tool_choice.tools[{index}]"
            if allowed.type not in {"function", "custom", *HOSTED}:
                text = f"Invalid value: '{allowed.type}' is no tool type."
                raise BadRequest(text, code="invalid_value", param=f"{path}.type")
            if allowed.type in {"function", "custom"} and allowed.name not in offered:
                raise BadRequest(f"Allowed tool '{allowed.name}' not found in 'tools' parameter.", param=path)


def _offered(tools: Sequence[Kept[Tool]], items: Sequence[Kept[Item]]) -> set[str]:
    names: set[str] = set()
    for tool in offers(tools, items):
        if isinstance(tool, NamespaceTool):
            names.update(inner.name for inner in tool.tools)
        elif tool is not None:
            names.add(tool.name)
    return names


def offers(tools: Sequence[Kept[Tool]], items: Sequence[Kept[Item]]) -> list[Tool | None]:
    """Return every tool offered, those of `additional_tools` items last; None stands for a hosted one."""
    found = [tool.view for tool in tools]
    for index, item in enumerate(items):
        if isinstance(item.view, AdditionalTools):
            found += [tool.view for tool in read_tools(item.view.tools, f"input[{index}].tools")]
    return found


def _unreadable(path: str, error: Exception) -> BadRequest:
    """Return the error for what the body's own decoder let pass, or had more room on the stack for."""
    why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return BadRequest(f"Invalid '{path}': {why}.", param=path)


def _odd_item(raw: Raw, path: str, error: Exception) -> Kept[Item]:
    """Return an item that is no plain member of the union, or raise what is wrong with it."""
    if not isinstance(error, msgspec.ValidationError):
        raise _unreadable(path, error) from None
    peek = _peek(raw, path)
    if peek.type is None:
        raw = _without_null_type(raw)
        return Kept(raw, _untyped(raw, path))
    if peek.type not in _VIEWED:
        return Kept(raw, None)
    raise _item_error(error, path)


def _without_null_type(raw: Raw) -> Raw:
    """Return an item whose `type` is null as if it had none, as the official client's own models dump it."""
    fields = _FIELDS.decode(raw)
    if "type" not in fields:
        return raw
    del fields["type"]
    return Raw(_encode(fields))


def _untyped(raw: Raw, path: str) -> Item:
    """Read an item without `type`: a message, or a reference that is nothing but an id."""
    peek = _peek(raw, path)
    try:
        if peek.role is None and peek.id is not None:
            return _REFERENCE.decode(raw)
        return _MESSAGE.decode(raw)
    except msgspec.ValidationError as error:
        raise _item_error(error, path) from None
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None


def _peek(raw: Raw, path: str) -> _Peek:
    try:
        return _PEEK.decode(raw)
    except msgspec.ValidationError as error:
        raise explain(str(error), path) from None
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None


def _item_error(error: msgspec.ValidationError, path: str) -> BadRequest:
    """Explain `error`; a bad role is told of the item, as the API does."""
    refusal = explain(str(error), path)
    if refusal.code == "invalid_value" and refusal.param == f"{path}.role":
        refusal.param = path
    return refusal


def _check_parameters(tool: Tool, path: str) -> None:
    if isinstance(tool, FunctionTool) and (first := bytes(tool.parameters)[:1]) not in {b"{", b"n"}:
        raise explain(f"Expected `object | null`, got `{_KINDS.get(first, 'float')}`", f"{path}.parameters")
    if isinstance(tool, CustomTool) and tool.format is not UNSET:
        try:
            _FORMAT.decode(tool.format)
        except msgspec.ValidationError as error:
            raise explain(str(error), f"{path}.format") from None
    if isinstance(tool, NamespaceTool):
        for index, inner in enumerate(tool.tools):
            _check_parameters(inner, f"{path}.tools[{index}]")


def _refuse_long_strings(value: str | float | list[Any] | JsonObject | None, path: str, longest: int) -> None:
    if isinstance(value, str) and len(value) > longest:
        raise TooLarge(
            f"Invalid '{path}': a string may have at most {longest} characters.",
            code="string_above_max_length",
            param=path,
        )
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_long_strings(inner, f"{path}.{key}", longest)
    if isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_long_strings(inner, f"{path}[{index}]", longest)
