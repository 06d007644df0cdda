"""JSON schemas without detours: a subschema's `$ref` and `allOf` merged into its plain keywords.

What is merged asks for all that its parts asked for. Where two parts say what can't be joined the first word counts,
and the keyword goes into `lost`. The inside of properties and items is left for whoever walks there.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeGuard
from urllib.parse import unquote

from antiphon.codecs.mending import as_list, as_object
from antiphon.errors import BadRequest, Unsupported
from antiphon.types.content import JsonObject

Schema: TypeAlias = Any
"""A JSON schema: an object or a boolean, and a client's own, so maybe neither."""

Trail: TypeAlias = tuple[str, ...]
"""The references that were followed to get to a subschema."""

UNROLLED = 2
"""How often a reference is followed inside itself: enough to show a model what repeats."""

MAX_TRAIL = 100
"""References inside one another; with more, a schema is no longer one that somebody wrote to be filled in."""

ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
    | {"$comment", "$schema", "$id", "$anchor", "$vocabulary", "$defs", "definitions"}
)
"""Keywords that ask for nothing where they stand."""

_SHOWN = 100
"""Characters of a reference that an error shows."""


class Flattening:
    """The subschemas of one `root` made plain. `cuts` says whether a reference inside itself may end unsaid."""

    def __init__(self, root: JsonObject, param: str, lost: dict[str, None], *, cuts: bool) -> None:
        self._root = root
        self._param = param
        self._lost = lost
        self._cuts = cuts

    def plain(self, schema: Schema, trail: Trail) -> tuple[JsonObject, Trail]:
        """Return a subschema without `$ref` and `allOf`, and the trail to it.

        Raises BadRequest for a reference to nothing, Unsupported for one that doesn't end.
        """
        given = dict(as_object(schema))
        if isinstance(ref := given.get("$ref"), str):
            return self._followed(ref, without(given, "$ref"), trail)
        if isinstance(given.get("allOf"), list):
            for part in as_list(given.pop("allOf")):
                told, trail = self.plain(part, trail)
                given = self._joined(given, told)
        return given, trail

    def target(self, ref: str) -> Schema:
        """Return what a pointer such as `#/$defs/x` leads to. Raises BadRequest."""
        found: Schema = self._root
        for step in ref.removeprefix("#").split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if name not in (parts := _parts(found)):
                text = f"Invalid schema: '$ref' '{ref[:_SHOWN]}' points to nothing."
                raise BadRequest(text, code="invalid_json_schema", param=self._param)
            found = parts[name]
        return found

    def _followed(self, ref: str, rest: JsonObject, trail: Trail) -> tuple[JsonObject, Trail]:
        if ref != "#" and not ref.startswith("#/"):
            self._lost["$ref to another document"] = None
            return self.plain(rest, trail)
        target = self.target(ref)
        if trail.count(ref) >= UNROLLED or len(trail) >= MAX_TRAIL:
            if not self._cuts:
                raise Unsupported("The schema is recursive in a way that this model can't be told.", param=self._param)
            self._lost[f"recursion beyond {UNROLLED} levels"] = None
            kind = as_object(target).get("type")
            return self.plain(rest if kind is None else self._joined(rest, {"type": kind}), trail)
        told, trail = self.plain(target, (*trail, ref))
        return self.plain(self._joined(rest, told), trail)

    def _joined(self, first: JsonObject, second: JsonObject) -> JsonObject:
        both = dict(first)
        for key, value in second.items():
            if key not in both:
                both[key] = value
            elif key not in ANNOTATIONS and both[key] != value:
                joined = _JOINS[key](both[key], value) if key in _JOINS else None
                if joined is None:
                    self._lost[key] = None
                else:
                    both[key] = joined
        return both


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Say whether a decoded value is an object; JSON has no other keys than strings."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Say whether a decoded value is an array."""
    return isinstance(value, list)


def without(schema: JsonObject, *keys: str) -> JsonObject:
    """Return a copy without some of the keys."""
    return {key: value for key, value in schema.items() if key not in keys}


def _parts(schema: Schema) -> Mapping[str, Schema]:
    """Return what a pointer's next step may name: fields, or items by their number."""
    if is_array(schema):
        return {str(index): part for index, part in enumerate(schema)}
    return as_object(schema)


def _properties(first: Schema, second: Schema) -> Schema:
    ours, theirs = as_object(first), as_object(second)
    twice = {name: {"allOf": [ours[name], theirs[name]]} for name in ours if name in theirs}
    return {**ours, **theirs, **twice}


def _both(first: Schema, second: Schema) -> Schema:
    return False if first is False or second is False else {"allOf": [first, second]}


def _united(first: Schema, second: Schema) -> Schema:
    return [*first, *(name for name in second if name not in first)] if _are_lists(first, second) else None


def _chained(first: Schema, second: Schema) -> Schema:
    return [*first, *second] if _are_lists(first, second) else None


def _shared(first: Schema, second: Schema) -> Schema:
    return ([value for value in first if value in second] or None) if _are_lists(first, second) else None


def _type(first: Schema, second: Schema) -> Schema:
    ours, theirs = ([kind] if isinstance(kind, str) else kind for kind in (first, second))
    if not _are_lists(ours, theirs):
        return None
    shared = [kind for kind in ours if kind in theirs or (kind == "integer" and "number" in theirs)]
    shared += ["integer" for kind in theirs if kind == "integer" and "number" in ours and kind not in ours]
    return shared[0] if len(shared) == 1 else shared or None


def _larger(first: Schema, second: Schema) -> Schema:
    return max(first, second) if _are_numbers(first, second) else None


def _smaller(first: Schema, second: Schema) -> Schema:
    return min(first, second) if _are_numbers(first, second) else None


def _are_lists(*values: Schema) -> bool:
    return all(isinstance(value, list) for value in values)


def _are_numbers(*values: Schema) -> bool:
    return all(type(value) in {int, float} for value in values)


_JOINS: Mapping[str, Callable[[Schema, Schema], Schema]] = {
    "properties": _properties,
    "items": _both,
    "additionalProperties": _both,
    "required": _united,
    "allOf": _chained,
    "enum": _shared,
    "type": _type,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), _larger),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), _smaller),
}
"""How two words of one keyword are joined; None when they can't be."""
