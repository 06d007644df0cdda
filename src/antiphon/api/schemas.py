"""Structs as JSON Schema (2020-12): each a component of the OpenAPI document, under its own name.

msgspec's own generator knows nothing of what stands in a field that holds encoded JSON, and stops at a default of
that kind. This one walks the same description (`msgspec.inspect`) and takes the inside of such fields from `HOLDS`.
"""

from inspect import cleandoc
from typing import Any, cast, get_args

import msgspec
from msgspec import Struct
from msgspec import inspect as kinds

from antiphon.dialects.chat.wire import ChatFunction, ChatMessage, ChatRequest, ChatTool
from antiphon.dialects.messages.wire import (
    CountMessages,
    MessagesRequest,
    MessagesTool,
    MessageTurn,
    ToolUseBlock,
    ToolUseOut,
)
from antiphon.types.content import JsonObject, OutputText
from antiphon.types.conversations import AddItems, CreateConversation, ItemList
from antiphon.types.events import AnnotationAdded, Event, ItemAdded, ItemDone, Relayed
from antiphon.types.items import AdditionalTools, Item, ItemReference, Message, OutputItem
from antiphon.types.responses import CountInput, CreateResponse, Format, Response, TextEcho
from antiphon.types.tools import CustomTool, FunctionTool, Tool

HOLDS: dict[tuple[type[Struct], str], object] = {
    (CreateResponse, "input"): Item,
    (CreateResponse, "tools"): Tool,
    (CountInput, "input"): Item,
    (CountInput, "tools"): Tool,
    (CreateConversation, "items"): Item,
    (AddItems, "items"): Item,
    (ItemList, "data"): Item,
    (AdditionalTools, "tools"): Tool,
    (FunctionTool, "parameters"): JsonObject | None,
    (CustomTool, "format"): JsonObject,
    (OutputText, "annotations"): JsonObject,
    (AnnotationAdded, "annotation"): JsonObject,
    (ItemAdded, "item"): OutputItem,
    (ItemDone, "item"): OutputItem,
    (Response, "output"): OutputItem,
    (Response, "tools"): list[Tool],
    (TextEcho, "format"): Format,
    (ChatRequest, "messages"): ChatMessage,
    (ChatRequest, "tools"): ChatTool,
    (ChatFunction, "parameters"): JsonObject | None,
    (MessagesRequest, "messages"): MessageTurn,
    (MessagesRequest, "tools"): MessagesTool,
    (CountMessages, "messages"): MessageTurn,
    (CountMessages, "tools"): MessagesTool,
    (MessagesTool, "input_schema"): JsonObject,
    (ToolUseBlock, "input"): JsonObject,
    (ToolUseOut, "input"): JsonObject,
}
"""What stands in a field that holds encoded JSON; where the field is a list, in each entry of it."""

_EVENTS = tuple(kind for kind in get_args(Event) if kind is not Relayed)
_OPEN: dict[str, tuple[tuple[Any, ...], str]] = {
    "Item": (get_args(Item), "An item of a conversation; one of a type that is not described here is kept as it came."),
    "OutputItem": (
        get_args(OutputItem),
        "An item that a model made; one of any other type is an upstream's own, passed on.",
    ),
    "Tool": (get_args(Tool), "A tool that a model may call; a hosted one is handed to a provider that has it."),
    "Event": (_EVENTS, "The `data` of one server-sent event; one of any other type is an upstream's own, passed on."),
}
"""The unions that also let through what they don't describe."""

_UNTYPED = frozenset({Message, ItemReference})
"""The items that are known without their `type`."""

_NUMBER = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_ARRAY = ("array", {"min_length": "minItems", "max_length": "maxItems"})
_PLAIN: dict[type[kinds.Type], tuple[str, dict[str, str]]] = {
    kinds.NoneType: ("null", {}),
    kinds.BoolType: ("boolean", {}),
    kinds.IntType: ("integer", _NUMBER),
    kinds.FloatType: ("number", _NUMBER),
    kinds.StrType: ("string", {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"}),
    kinds.ListType: _ARRAY,
    kinds.VarTupleType: _ARRAY,
    kinds.SetType: _ARRAY,
    kinds.FrozenSetType: _ARRAY,
    kinds.DictType: ("object", {"min_length": "minProperties", "max_length": "maxProperties"}),
}
_LITERAL: dict[type, str] = {str: "string", bool: "boolean", int: "integer"}


class Schemas:
    """Gives the schemas that are asked for, and gathers the components that they refer to."""

    def __init__(self) -> None:
        self.components: dict[str, JsonObject] = {}
        self.is_sending = False
        """What is met first from now on is only ever sent by us, so all its keys are always there."""
        self._names: dict[type, str] = {}
        self._open = {frozenset(members): name for name, (members, _) in _OPEN.items()}

    def of(self, kind: object) -> JsonObject:
        """Return the schema of a type; a Struct is referred to."""
        return self._schema(kinds.type_info(kind), None)

    def inline(self, struct: type[Struct]) -> JsonObject:
        """Return the schema of a Struct that is asked of a client, itself; it becomes no component."""
        return self._object(_info(struct), sent=False)

    def open_union(self, name: str) -> JsonObject:
        """Return the reference to `Item`, `OutputItem`, `Tool` or `Event`."""
        if name not in self.components:
            self.components[name] = {}  # it may be met again on its own inside
            members, text = _OPEN[name]
            other = {
                "title": "of another type",
                "type": "object",
                "properties": {"type": {"type": "string", "not": {"enum": [member.type for member in members]}}},
                "required": ["type"],
            }
            options = [self._component(_info(member)) for member in members]
            self.components[name] = {"title": name, "description": text, "anyOf": [*options, other]}
        return _ref(name)

    def _schema(self, kind: kinds.Type, inside: object) -> JsonObject:
        """Return the schema of `kind`; where it says nothing, that of `inside`."""
        match kind:
            case kinds.Metadata():
                extra = cast("JsonObject", kind.extra_json_schema or {})  # msgspec doesn't say of what
                return self._schema(kind.type, inside) | extra
            case kinds.AnyType() | kinds.RawType():
                return {} if inside is None else self.of(inside)
            case kinds.StructType():
                return self._component(kind)
            case kinds.UnionType():
                return self._union(kind, inside)
            case kinds.LiteralType(values):
                choice: JsonObject = {"const": values[0]} if len(values) == 1 else {"enum": list(values)}
                return {"type": _LITERAL[type(values[0])], **choice}
            case kinds.CollectionType():
                return _plain(kind) | {"items": self._schema(kind.item_type, inside)}
            case kinds.DictType():
                keys, entries = self._schema(kind.key_type, None), self._schema(kind.value_type, inside)
                names = {"propertyNames": keys} if len(keys) > 1 else {}
                return _plain(kind) | names | ({"additionalProperties": entries} if entries else {})
            case _:
                return _plain(kind)

    def _union(self, kind: kinds.UnionType, inside: object) -> JsonObject:
        members = [member for member in kind.types if not isinstance(member, kinds.NoneType)]
        structs = [member for member in members if isinstance(member, kinds.StructType)]
        if name := self._open.get(frozenset(struct.cls for struct in structs)):
            members = [member for member in members if member not in structs]
            options = [self._schema(member, inside) for member in members] + [self.open_union(name)]
        else:
            options = [self._schema(member, inside) for member in members]
        if kind.includes_none:
            return _or_null(options)
        if len(options) == 1:
            return options[0]
        return {"anyOf": options} | (_discriminator(structs, options) if len(structs) == len(options) else {})

    def _component(self, kind: kinds.StructType) -> JsonObject:
        name = self._names.get(kind.cls)
        if name is None:
            name = kind.cls.__name__
            if name in self.components or name in _OPEN:
                name = f"{kind.cls.__module__.rpartition('.')[2]}.{name}"
            self._names[kind.cls] = name
            self.components[name] = {}  # keeps the name, and the order
            self.components[name] = self._object(kind, sent=self.is_sending)
        return _ref(name)

    def _object(self, kind: kinds.StructType, *, sent: bool) -> JsonObject:
        properties: JsonObject = {}
        required: list[str] = []
        if kind.tag_field is not None:
            properties[kind.tag_field] = {"type": "string", "const": kind.tag}
            required += [] if kind.cls in _UNTYPED else [kind.tag_field]
        for field in kind.fields:
            schema = self._schema(field.type, HOLDS.get((kind.cls, field.name)))
            properties[field.encode_name] = schema if sent else schema | _default(field)
            if field.required or (sent and _has_default(field)):
                required.append(field.encode_name)
        head = {"title": kind.cls.__name__, "description": first_paragraph(kind.cls)}
        tail = {"additionalProperties": False} if kind.forbid_unknown_fields else {}
        return {**head, "type": "object", "properties": properties, "required": required, **tail}


def _info(struct: type[Struct]) -> kinds.StructType:
    return cast("kinds.StructType", kinds.type_info(struct))  # a Struct's is one


def first_paragraph(told: object) -> str:
    """Return how the docstring of `told` begins, on one line; the rest of it is for those who read the code."""
    return " ".join(cleandoc(told.__doc__ or "").partition("\n\n")[0].split())


def _plain(kind: kinds.Type) -> JsonObject:
    name, limits = _PLAIN[type(kind)]
    given = {word: getattr(kind, limit) for limit, word in limits.items()}
    return {"type": name, **{word: value for word, value in given.items() if value is not None}}


def _or_null(options: list[JsonObject]) -> JsonObject:
    """Return `options` or null; written shortly where only one plain type is left."""
    first = options[0]
    if len(options) > 1 or "type" not in first or "const" in first:
        return {"anyOf": [*options, {"type": "null"}]}
    values = {"enum": [*first["enum"], None]} if "enum" in first else {}
    return {**first, "type": [first["type"], "null"], **values}


def _discriminator(structs: list[kinds.StructType], options: list[JsonObject]) -> JsonObject:
    mapping = {struct.tag: option["$ref"] for struct, option in zip(structs, options, strict=True)}
    return {"discriminator": {"propertyName": structs[0].tag_field, "mapping": mapping}}


def _has_default(field: kinds.Field) -> bool:
    """Say whether a field is sent even when nobody set it; one that is UNSET isn't."""
    return field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT


def _default(field: kinds.Field) -> JsonObject:
    """Return a default that says more than that nothing was given."""
    if field.default is msgspec.NODEFAULT:
        return {}
    default = msgspec.json.decode(msgspec.json.encode(field.default))
    return {} if default in (None, []) else {"default": default}


def _ref(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}
