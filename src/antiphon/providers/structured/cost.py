"""What it takes to hold a value against a JSON schema, counted before it is done.

A few hundred bytes of schema can ask for more checks than there is time: references in two branches of a choice double
the work at every level. Counting follows every branch, so it never counts too few.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from antiphon.codecs.flattening import Schema, is_array, is_object
from antiphon.codecs.mending import as_list, as_object
from antiphon.types.content import JsonObject

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_HERE = ("not", "if", "then", "else")
_HERE_LISTS = ("allOf", "anyOf", "oneOf")
_HERE_MAPS = ("dependentSchemas", "dependencies")
_EACH_FIELD = ("additionalProperties", "unevaluatedProperties")
_EACH_ITEM = ("items", "additionalItems", "contains", "unevaluatedItems")
_EACH_LIST = ("prefixItems", "items")  # the latter in drafts before 2020-12


class Cost:
    """The checks that one schema asks for. `target` finds a local reference."""

    def __init__(self, schema: JsonObject, target: Callable[[str], Schema]) -> None:
        self._schema = schema
        self._target = target
        self._leads: dict[int, _Leads] = {}  # by the identity of a subschema, which `_schema` keeps alive

    def of(self, value: object, limit: int) -> int:
        """Return how many subschemas `value` is held against, `limit` when there are that many or more."""
        waiting: list[tuple[Schema, object]] = [(self._schema, value)]
        count = 0
        while waiting and count + len(waiting) < limit:
            part, held = waiting.pop()
            count += 1
            leads = self._leads.get(id(part)) or self._led(part)
            if leads.beside:
                waiting += [(inner, held) for inner in leads.beside]
            if is_object(held):
                if len(held) * len(leads.fields) >= limit:
                    return limit
                waiting += [(inner, field) for inner in leads.fields for field in held.values()]
                waiting += [(leads.named[name], field) for name, field in held.items() if name in leads.named]
                waiting += [(inner, name) for inner in leads.names for name in held]
            elif is_array(held):
                if len(held) * len(leads.items) >= limit:
                    return limit
                waiting += [(inner, item) for inner in leads.items for item in held]
        return min(count + len(waiting), limit)

    def _led(self, part: Schema) -> "_Leads":
        leads = self._leads[id(part)] = _leads(part, self._target) if is_object(part) else _NOWHERE
        return leads


def references(value: Schema) -> Iterator[str]:
    """Yield every reference in a schema, wherever it stands."""
    waiting: list[Schema] = [value]
    while waiting:
        part = waiting.pop()
        if is_object(part):
            yield from (part[key] for key in _REFERENCES if isinstance(part.get(key), str))
            waiting += part.values()
        elif is_array(part):
            waiting += part


class _Leads(Struct, frozen=True):
    """Where a subschema leads: to others for the value itself, for its fields, their names, and its items."""

    beside: list[Schema] = []
    named: JsonObject = {}
    fields: list[Schema] = []
    names: list[Schema] = []
    items: list[Schema] = []


_NOWHERE = _Leads()


def _leads(part: JsonObject, target: Callable[[str], Schema]) -> _Leads:
    beside: list[Schema] = [part[key] for key in _HERE if key in part]
    for key in _HERE_LISTS:
        beside += as_list(part.get(key, []))
    for key in _HERE_MAPS:
        beside += as_object(part.get(key)).values()
    if isinstance(ref := part.get("$ref"), str):
        beside.append(target(ref))
    fields = [part[key] for key in _EACH_FIELD if key in part]
    items = [part[key] for key in _EACH_ITEM if key in part and not is_array(part[key])]
    return _Leads(
        beside,
        as_object(part.get("properties")),
        [*fields, *as_object(part.get("patternProperties")).values()],
        [part["propertyNames"]] if "propertyNames" in part else [],
        items + [inner for key in _EACH_LIST if is_array(part.get(key)) for inner in part[key]],
    )
