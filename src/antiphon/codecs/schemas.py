"""JSON schemas told in the part of JSON Schema that a provider knows.

A dialect is data: the keywords that it takes, and its rules about objects, types and references. A schema is
converted *down*: what can't be said is written into the `description` beside it, where a model may heed it, and
named in a note; answers are held to the original elsewhere. A schema is refused where its heart can't be said: an
object of any keys where objects must be closed, a value of any type where each must have one, recursion where none is
allowed. Sources, read 2026-11: OpenAI's guide to structured outputs, `transform_schema` of anthropic 2.8, and the
keywords named at `response_json_schema` in google-genai 3.3.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from antiphon.codecs.flattening import ANNOTATIONS, Flattening, Schema, Trail, without
from antiphon.codecs.mending import as_list, as_object
from antiphon.errors import Unsupported
from antiphon.types.content import JsonObject

DialectName: TypeAlias = Literal["full", "openai", "anthropic", "gemini"]

MAX_SIZE = 5_000
"""Subschemas that one schema may come to, references written out: the properties that OpenAI allows in one."""

MAX_DEPTH = 48
"""Subschemas inside one another; requests have at most 64 levels of JSON, two for each subschema."""

MAX_HINT = 500
"""Bytes of what is written into a description: more would bury the words around it."""

_KEYWORDS: Mapping[str, frozenset[str]] = {
    "object": frozenset(
        {"properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties"}
        | {"maxProperties", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties"}
    ),
    "array": frozenset(
        {"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains", "minContains"}
        | {"maxContains", "unevaluatedItems"}
    ),
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"}),
    "boolean": frozenset(),
    "null": frozenset(),
}
"""What asks something of a value, by the value's type."""

_TELLING: Mapping[str, frozenset[str]] = {
    **{kind: _KEYWORDS[kind] for kind in ("object", "array", "string")},
    "number": _KEYWORDS["number"] - {"format"},
}
"""Types that a schema without `type` is taken to be of when it has keywords of theirs."""

_ALWAYS = frozenset({"enum", "const", "not", "if", "then", "else", "$dynamicRef"})
_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_DEFINITIONS = ("$defs", "definitions")
_DEFINITION = re.compile(r"#/(\$defs|definitions)/[^/]+")


class Dialect(Struct, frozen=True, kw_only=True):
    """What a provider knows of JSON Schema beside `type`, `properties`, `required`, `items`, `enum` and `anyOf`."""

    keywords: frozenset[str]
    formats: frozenset[str]
    literals: frozenset[type]
    """The Python types of what may stand in `enum`."""
    closed: bool = True
    """Objects have `additionalProperties: false`, and every value says its type."""
    all_required: bool = False
    """Every property is required; one that wasn't may be null instead."""
    object_root: bool = False
    """The whole is an object, no choice."""
    one_type: bool = False
    """A value has one `type`, several are a choice; beside `enum` and `const` there is none."""
    needs_items: bool = False
    """Arrays say what their items are."""
    inlined: bool = False
    """References are written out, and cut where they would have no end."""
    recursive: bool = True
    """A definition may refer to itself."""
    highest_min_items: int | None = None


_TIMES = {"date-time", "time", "date"}
_NAMES = {"duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_DIALECTS: Mapping[str, Dialect] = {
    "openai": Dialect(
        keywords=_KEYWORDS["number"] | {"pattern", "minItems", "maxItems", "const"},
        formats=frozenset(_TIMES | _NAMES),
        literals=frozenset(_KINDS),
        all_required=True,
        object_root=True,
        needs_items=True,
    ),
    "anthropic": Dialect(
        keywords=frozenset({"format", "minItems", "const"}),
        formats=frozenset(_TIMES | _NAMES | {"uri"}),
        literals=frozenset(_KINDS),
        one_type=True,
        recursive=False,
        highest_min_items=1,
    ),
    "gemini": Dialect(
        keywords=frozenset({"format", "minItems", "maxItems", "minimum", "maximum", "prefixItems"}),
        formats=frozenset(_TIMES | {"int32", "int64", "float", "double"}),
        literals=frozenset({str, int, float}),
        closed=False,
        inlined=True,
    ),
}


def to_dialect(
    schema: JsonObject, dialect: DialectName, param: str = "text.format.schema"
) -> tuple[JsonObject, list[str]]:
    """Return the schema as the dialect has it, and notes on what its provider then doesn't enforce.

    `schema` is left as it is. Raises Unsupported with `param` for what the dialect has no words for and for a schema
    that is too large, BadRequest for a reference to nothing.
    """
    if dialect == "full":
        return schema, []
    narrowing = _Narrowing(schema, _DIALECTS[dialect], param)
    return narrowing.whole(), narrowing.notes()


class _Narrowing:
    """One schema on its way into a dialect."""

    def __init__(self, root: JsonObject, dialect: Dialect, param: str) -> None:
        self.root = root
        self.dialect = dialect
        self.param = param
        self.lost: dict[str, None] = {}  # a set that keeps its order
        self.is_loosened = False
        self.is_closed = False
        self.flattening = Flattening(root, param, self.lost, cuts=dialect.inlined)
        self.references: dict[str, list[str]] = {"#": []}  # from a definition, "#" for the whole, to those it names
        self.owner = "#"
        self.size = 0

    def whole(self) -> JsonObject:
        """Return the narrowed schema with the definitions that it still needs."""
        narrowed = self._object_root() if self.dialect.object_root else self.part(self.root, (), 0)
        return {**narrowed, **self._definitions()}

    def notes(self) -> list[str]:
        """Return what was lost, in a sentence or two."""
        found: list[str] = []
        if self.lost:
            found.append(f"{self.param}: not enforced by the provider: {', '.join(self.lost)}")
        if self.is_closed:
            found.append(f"{self.param}: objects are told without properties that aren't named")
        if self.is_loosened:
            found.append(f"{self.param}: told with null for properties that may be left out")
        return found

    def _object_root(self) -> JsonObject:
        flat, trail = self.flattening.plain(self.root, ())
        if "properties" in flat:  # what is chosen beside them can only ask for more
            self.lost.update((key, None) for key in ("anyOf", "oneOf") if key in flat)
            flat = without(flat, "anyOf", "oneOf")
        if _types(flat) != ["object"] or flat.keys() & {"anyOf", "oneOf"}:
            raise self._unsayable("anything but an object as the whole")
        return self._plain(flat, trail, 0)

    def _definitions(self) -> JsonObject:
        """Return the definitions that are referred to, in the order of the original."""
        told: dict[str, JsonObject] = {}
        while waiting := [ref for refs in self.references.values() for ref in refs if ref not in {*told, "#"}]:
            self.owner = waiting[0]
            self.references[self.owner] = []
            told[self.owner] = self._definition(self.owner)
        if not self.dialect.recursive and _has_cycle(self.references):
            raise self._unsayable("recursion")
        grouped: JsonObject = {}
        for keyword in _DEFINITIONS:
            for name in as_object(self.root.get(keyword)):
                if (ref := f"#/{keyword}/{name}") in told:
                    grouped.setdefault(keyword, {})[name] = told[ref]
        return grouped

    def _definition(self, ref: str) -> JsonObject:
        return self.part(self.flattening.target(ref), (ref,), 1)

    # -- one subschema ----------------------------------------------------------------------------------------

    def part(self, schema: Schema, trail: Trail, depth: int) -> JsonObject:
        """Return one subschema, narrowed."""
        self.size += 1
        if self.size > MAX_SIZE or depth > MAX_DEPTH:
            raise Unsupported("The schema is too large or too deep for this model.", param=self.param)
        if (ref := self._kept_reference(schema, trail)) is not None:
            self.references[self.owner].append(ref)
            return {"$ref": ref}
        flat, trail = self.flattening.plain(schema, trail)
        if any(isinstance(flat.get(key), list) for key in ("anyOf", "oneOf")):
            return self._choice(flat, trail, depth)
        if self.dialect.one_type and len(types := _types(flat)) > 1 and not self._literals(flat):
            told = [self._plain({**without(flat, *ANNOTATIONS), "type": kind}, trail, depth) for kind in types]
            return {**_annotated(flat), "anyOf": told}
        return self._plain(flat, trail, depth)

    def _kept_reference(self, schema: Schema, trail: Trail) -> str | None:
        """Return the reference that a subschema stays; one with words of its own is written out where it can be."""
        given = _unwrapped(as_object(schema))
        ref = given.get("$ref")
        if self.dialect.inlined or not isinstance(ref, str) or not (ref == "#" or _is_plain(ref)):
            return None
        beside = without(given, "$ref")
        if beside and ref not in trail and ref != "#":
            return None
        self.flattening.target(ref)
        self.lost.update((key, None) for key in beside if key not in ANNOTATIONS)
        return ref

    def _choice(self, flat: JsonObject, trail: Trail, depth: int) -> JsonObject:
        """Return a choice whose parts also say what stood beside it; that only one may fit is lost."""
        key = "anyOf" if isinstance(flat.get("anyOf"), list) else "oneOf"
        if "oneOf" in flat:
            self.lost["oneOf"] = None
        beside = without(flat, "anyOf", "oneOf", *ANNOTATIONS)
        parts = [part for part in as_list(flat[key]) if part is not False]
        if beside:
            parts = [{"allOf": [part, beside]} for part in parts]
        return {**_annotated(flat), "anyOf": [self.part(part, trail, depth + 1) for part in parts]}

    def _plain(self, flat: JsonObject, trail: Trail, depth: int) -> JsonObject:
        """Return a subschema of neither references nor choices."""
        types, literals = _types(flat), self._literals(flat)
        if self.dialect.closed and not types:
            raise self._unsayable("a value of any type")
        told: JsonObject = {"type": types[0] if len(types) == 1 else types} if types else {}
        told |= _annotated(flat)
        if literals:
            told = self._literal(told, flat, literals)
        else:
            if "object" in types:
                told |= self._object(flat, trail, depth)
            if "array" in types:
                told |= self._array(flat, trail, depth)
            told |= {key: flat[key] for key in flat if self._takes(key, flat[key], types)}
        return self._with_rest(told, flat, types)

    def _takes(self, keyword: str, value: Schema, types: Sequence[str]) -> bool:
        """Say whether a keyword with this value can be sent as it is."""
        dialect = self.dialect
        if keyword not in dialect.keywords or not any(keyword in _KEYWORDS[kind] for kind in types):
            return False
        if keyword == "format":
            return isinstance(value, str) and value in dialect.formats
        if keyword == "minItems" and dialect.highest_min_items is not None:
            return type(value) is int and value <= dialect.highest_min_items
        return keyword != "prefixItems"

    def _with_rest(self, told: JsonObject, flat: JsonObject, types: Sequence[str]) -> JsonObject:
        """Return `told` with a description of what it doesn't say."""
        asking = _ALWAYS.union(*(_KEYWORDS[kind] for kind in types or _KEYWORDS))
        rest = {key: value for key, value in flat.items() if key in asking and not _says(told, key, value)}
        if not rest:
            return told
        self.lost.update(dict.fromkeys(rest))
        hint = msgspec.json.encode(rest)
        if len(hint) > MAX_HINT:
            return told
        above = [told["description"]] if "description" in told else []
        return {**told, "description": "\n\n".join([*above, f"It must fit {hint.decode()}"])}

    # -- by type ----------------------------------------------------------------------------------------------

    def _literals(self, flat: JsonObject) -> list[Schema]:
        """Return the values of `enum` or `const`, none when the dialect can't say one of them."""
        values = _values(flat)
        known = {*self.dialect.literals, type(None)}
        return values if all(type(value) in known for value in values) else []

    def _literal(self, told: JsonObject, flat: JsonObject, values: list[Schema]) -> JsonObject:
        """Return `told` with the values that are allowed."""
        if self.dialect.one_type:
            told = without(told, "type")
        if None in values and type(None) not in self.dialect.literals:
            others = [value for value in values if value is not None]
            told = {**without(told, "type"), "anyOf": [{"type": "null"}]}
            if others:
                told["anyOf"].insert(0, {"type": _KINDS[type(others[0])], "enum": others})
            return told
        if "enum" not in flat and "const" in self.dialect.keywords:
            return {**told, "const": values[0]}
        return {**told, "enum": values}

    def _object(self, flat: JsonObject, trail: Trail, depth: int) -> JsonObject:
        given = as_object(flat.get("properties"))
        required = [name for name in as_list(flat.get("required")) if isinstance(name, str)]
        others = flat.get("additionalProperties")
        if self.dialect.closed and others is not False:
            if not given and (others is not None or "properties" not in flat):
                raise self._unsayable("an object of any properties")
            self.is_closed = self.is_closed or others is not None
        wanted = {**given, **{name: True for name in required if name not in given}}
        told = {name: self.part(part, trail, depth + 1) for name, part in wanted.items() if part is not False}
        if self.dialect.all_required:
            self.is_loosened = self.is_loosened or not told.keys() <= set(required)
            told = {name: part if name in required else _or_null(part) for name, part in told.items()}
            required = list(told)
        whole: JsonObject = {"properties": told} if told or self.dialect.closed else {}
        if required or "required" in flat or self.dialect.all_required:
            whole["required"] = required
        if self.dialect.closed:
            whole["additionalProperties"] = False
        elif others is not None:
            is_schema = isinstance(others, dict)
            whole["additionalProperties"] = self.part(others, trail, depth + 1) if is_schema else bool(others)
        return whole

    def _array(self, flat: JsonObject, trail: Trail, depth: int) -> JsonObject:
        items: Schema = flat.get("items")
        first = as_list(flat.get("prefixItems", []))
        if isinstance(items, list):  # as drafts before 2020-12 said it
            items, first = flat.get("additionalItems"), as_list(flat["items"])
        told: JsonObject = {}
        if first and "prefixItems" in self.dialect.keywords:
            told["prefixItems"] = [self.part(part, trail, depth + 1) for part in first]
        elif first:
            items = {"anyOf": [*first, *([items] if items else [])]}
        if isinstance(items, dict):
            told["items"] = self.part(items, trail, depth + 1)
        elif self.dialect.needs_items:
            raise self._unsayable("an array of any items")
        return told

    def _unsayable(self, what: str) -> Unsupported:
        return Unsupported(f"The schema asks for {what}, which this model can't be told.", param=self.param)


def _types(flat: JsonObject) -> list[str]:
    """Return the types that a subschema has or, when it doesn't say, lets guess; none for any."""
    if isinstance(flat.get("type"), str | list):
        return [kind for kind in as_list(flat["type"]) if isinstance(kind, str) and kind in _KEYWORDS]
    if values := _values(flat):
        return list(dict.fromkeys(_KINDS[type(value)] for value in values if type(value) in _KINDS))
    return [kind for kind, keywords in _TELLING.items() if flat.keys() & keywords]


def _values(flat: JsonObject) -> list[Schema]:
    """Return the values that `enum` or `const` allows, none where there is neither."""
    if isinstance(flat.get("enum"), list):
        return as_list(flat["enum"])
    return [flat["const"]] if "const" in flat else []


def _annotated(flat: JsonObject) -> JsonObject:
    return {key: flat[key] for key in flat if key in {"title", "description"} and isinstance(flat[key], str)}


def _says(told: JsonObject, keyword: str, value: Schema) -> bool:
    """Say whether a narrowed subschema says what the original did with a keyword."""
    match keyword:
        case "enum" | "const":
            return not told.keys().isdisjoint({"enum", "const", "anyOf"})
        case "properties" | "required" | "additionalProperties":
            return True  # said, or noted for the whole
        case "unevaluatedProperties":
            return value is False and told.get("additionalProperties") is False
        case "items":
            return value is True or "items" in told
        case "prefixItems":
            return keyword in told
        case _:
            return bool(told.get(keyword) == value)


def _or_null(part: JsonObject) -> JsonObject:
    """Return a narrowed subschema that allows null too."""
    kind = part.get("type")
    if "anyOf" in part:
        parts: list[JsonObject] = part["anyOf"]
        return part if {"type": "null"} in parts else {**part, "anyOf": [*parts, {"type": "null"}]}
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return part
    if kind is None or part.keys() & {"enum", "const"}:
        return {"anyOf": [part, {"type": "null"}]}
    return {**part, "type": [*([kind] if isinstance(kind, str) else kind), "null"]}


def _unwrapped(given: JsonObject) -> JsonObject:
    """Return `allOf` of one part as that part, which is how references get a description in older schemas."""
    parts = as_list(given.get("allOf", []))
    if "$ref" in given or len(parts) != 1:
        return given
    rest, part = without(given, "allOf"), as_object(parts[0])
    return {**rest, **part} if rest.keys().isdisjoint(part) else given


def _is_plain(ref: str) -> bool:
    """Say whether a reference leads straight to a definition of the whole schema."""
    return _DEFINITION.fullmatch(ref) is not None and "%" not in ref and "~" not in ref


def _has_cycle(references: Mapping[str, Sequence[str]]) -> bool:
    """Say whether following references from somewhere leads back there."""
    remaining = {name: set(refs) for name, refs in references.items()}
    while ends := [name for name, refs in remaining.items() if not refs & remaining.keys()]:
        for name in ends:
            del remaining[name]
    return bool(remaining)
