"""Instances of JSON schemas: what a demo model calls a function with. Pure: the same dice, the same instance.

A schema is first *read*: references, `allOf`, `anyOf` and `oneOf` are merged into plain keywords, branch by
branch, until one of these readings can be filled. Not looked at: `not`, references to other documents, and
whether a `oneOf` branch fits alone.
"""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import msgspec

from antiphon.providers.demo.dice import WORDS, Dice, formatted
from antiphon.providers.demo.merge import is_array, is_object, merge
from antiphon.providers.demo.pattern import Unreadable, fitting

Schema: TypeAlias = Any
"""A JSON schema: an object or a boolean, and a client's own."""

SOFT_DEPTH, SOFT_STEPS = 4, 200
"""From here on only what must be there is made, so that recursive schemas end."""

MAX_DEPTH, MAX_STEPS = 40, 5_000
MAX_LENGTH = 100_000

_WEIGHT = {"null": 0, "boolean": 1, "integer": 1, "number": 1, "string": 1, "array": 2, "object": 3}
_HINTS = {
    "object": {"properties", "required", "additionalProperties", "minProperties", "patternProperties"},
    "array": {"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}


class NoInstance(ValueError):
    """Nothing fits the schema, or nothing that this generator can find."""


class _Exhausted(Exception):
    """Too many steps; no other branch is tried."""


def instance(schema: Schema, dice: Dice, words: Sequence[str] = ()) -> Any:
    """Return a value that fits the schema, its free texts drawn from `words`.

    Raises NoInstance, also for what is no schema: a client wrote it.
    """
    try:
        return _Maker(schema, dice, words or WORDS).make(schema, 0)
    except (_Exhausted, RecursionError) as exc:
        raise NoInstance("the schema is too deep") from exc
    except NoInstance:
        raise
    except (TypeError, AttributeError, LookupError, ArithmeticError, ValueError) as exc:
        raise NoInstance("the schema isn't one") from exc


class _Maker:
    def __init__(self, root: Schema, dice: Dice, words: Sequence[str]) -> None:
        self.root = root
        self.dice = dice
        self.words = words
        self.steps = 0

    def make(self, schema: Schema, depth: int) -> Any:
        """Return an instance of the first reading of the schema that can be filled."""
        if depth > MAX_DEPTH:
            raise NoInstance("the schema asks for itself without an end")
        for reading in self.readings(schema, frozenset(), self.is_soft(depth)):
            try:
                return self.fill(reading, depth)
            except NoInstance:
                continue
        raise NoInstance("nothing fits this schema")

    def is_soft(self, depth: int) -> bool:
        """Say whether it is time to come to an end."""
        return depth > SOFT_DEPTH or self.steps > SOFT_STEPS

    # -- reading ----------------------------------------------------------------------------------------------

    def readings(self, schema: Schema, seen: frozenset[str], soft: bool) -> Iterator[dict[str, Any]]:
        """Yield the schema as plain keywords, once for each way to choose among its branches."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _Exhausted
        if not is_object(schema):
            if schema is not False:
                yield {}
            return
        rest = dict(schema)
        reference, parts = rest.pop("$ref", None), rest.get("allOf")
        if isinstance(reference, str):
            if reference not in seen:
                yield from self.all_of([rest, self.target(reference)], seen | {reference}, soft)
        elif parts:
            del rest["allOf"]
            yield from self.all_of([rest, *parts], seen, soft)
        elif "if" in rest:
            condition, then = rest.pop("if"), rest.pop("then", True)
            yield from self.all_of([rest, condition, then], seen, soft)
        elif branches := rest.pop("anyOf", None) or rest.pop("oneOf", None):
            for branch in self.ordered(branches, soft):
                yield from self.all_of([rest, branch], seen, soft)
        else:
            yield rest

    def all_of(self, parts: Sequence[Schema], seen: frozenset[str], soft: bool) -> Iterator[dict[str, Any]]:
        """Yield every merged reading of all the parts."""
        for first in self.readings(parts[0], seen, soft):
            if len(parts) == 1:
                yield first
                continue
            for others in self.all_of(parts[1:], seen, soft):
                if (merged := merge(first, others)) is not None:
                    yield merged

    def ordered(self, branches: Sequence[Schema], soft: bool) -> list[Schema]:
        """Return the branches in the order to try them: null last, or the simplest first when it is time to end."""
        if soft:
            return sorted(branches, key=_weight)
        start = self.dice.below(len(branches))
        turned = [*branches[start:], *branches[:start]]
        return sorted(turned, key=lambda branch: _weight(branch) == 0)

    def target(self, reference: str) -> Schema:
        """Return what a local reference points to; anything, where that can't be found."""
        if not reference.startswith("#"):
            return True
        found: Any = self.root
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~").replace("%24", "$").replace("%25", "%")
            try:
                found = found[int(name) if isinstance(found, list) else name]
            except (LookupError, TypeError, ValueError):
                return True
        return found

    # -- filling ----------------------------------------------------------------------------------------------

    def fill(self, schema: dict[str, Any], depth: int) -> Any:
        """Return an instance of plain keywords."""
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            fitting_values = [value for value in schema["enum"] if _has_type(value, schema.get("type"))]
            if not fitting_values:
                raise NoInstance("no value of the enum has the type")
            return self.dice.pick(fitting_values)
        match self.kind(schema, self.is_soft(depth)):
            case "object":
                return self.object(schema, depth)
            case "array":
                return self.array(schema, depth)
            case "string":
                return self.string(schema)
            case "integer":
                return self.number(schema, whole=True)
            case "number":
                return self.number(schema, whole=False)
            case "boolean":
                return bool(self.dice.below(2))
            case _:
                return None

    def kind(self, schema: dict[str, Any], soft: bool) -> str:
        """Return the type to make: one that is named, or the one that the keywords speak of."""
        named: str | list[str] = schema.get("type") or []
        if isinstance(named, str):
            return named
        if named:
            return min(named, key=_weight_of_type) if soft else _first_but_null(named)
        return next((kind for kind, hints in _HINTS.items() if hints & schema.keys()), "string")

    def object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties: dict[str, Schema] = schema.get("properties") or {}
        required = dict.fromkeys(schema.get("required", ()))
        least, most = schema.get("minProperties", 0), schema.get("maxProperties", math.inf)
        room = most - len(required)  # for what needn't be there
        made: dict[str, Any] = {}
        for name in {**properties, **required}:
            must = name in required
            wanted = len(made) < least or (not self.is_soft(depth) and self.dice.below(2))
            if not must and (room < 1 or not wanted):
                continue
            try:
                made[name] = self.make(properties.get(name, _other(schema)), depth + 1)
                room -= not must
            except NoInstance:
                if must:
                    raise
        self.complete(schema, made, depth)
        if not properties and isinstance(schema.get("additionalProperties"), dict) and not self.is_soft(depth):
            least = min(max(least, 1), most)
        self.extend(schema, made, least, depth)
        return made

    def complete(self, schema: dict[str, Any], made: dict[str, Any], depth: int) -> None:
        """Add the properties that others bring along."""
        properties: dict[str, Schema] = schema.get("properties") or {}
        dependent: dict[str, list[str]] = schema.get("dependentRequired") or {}
        for name, needed in dependent.items():
            for other in needed if name in made else ():
                if other not in made:
                    made[other] = self.make(properties.get(other, _other(schema)), depth + 1)

    def extend(self, schema: dict[str, Any], made: dict[str, Any], least: float, depth: int) -> None:
        """Add properties of free names until there are enough."""
        patterns: dict[str, Schema] = schema.get("patternProperties") or {}
        tries = 0
        while len(made) < least:
            tries += 1
            if tries > least + 20 or least > MAX_STEPS:
                raise NoInstance("not enough properties can be made")
            if patterns:
                pattern, inner = next(iter(patterns.items()))
                name = self.fitting(pattern, 0, MAX_LENGTH)
            else:
                inner = schema.get("additionalProperties", True)
                name = f"key{tries}"
                if "propertyNames" in schema:
                    name = str(self.make(merge({"type": "string"}, schema["propertyNames"]) or False, depth + 1))
            if name not in made:
                made[name] = self.make(inner, depth + 1)

    def array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        items = schema.get("items", True)
        prefix: list[Schema] = schema.get("prefixItems") or []
        rest = items
        if is_array(items):  # as drafts before 2020-12 have it
            prefix, rest = items, schema.get("additionalItems", True)
        inside = schema.get("minContains", 1) if "contains" in schema else 0
        least = max(schema.get("minItems", 0), inside and len(prefix) + inside)
        most = schema.get("maxItems", math.inf)
        length = least if self.is_soft(depth) else max(least, len(prefix) or 1 + self.dice.below(2))
        made: list[Any] = []
        for index in range(int(min(length, most, MAX_STEPS + 1))):
            one = prefix[index] if index < len(prefix) else rest
            if len(prefix) <= index < len(prefix) + inside:
                one = {"allOf": [one, schema["contains"]]}
            try:
                made.append(self.another(one, made if schema.get("uniqueItems") else [], depth))
            except NoInstance:
                if len(made) < least:
                    raise
                break
        if len(made) < least:
            raise NoInstance("the array can't be that long")
        return made

    def another(self, schema: Schema, taken: Sequence[Any], depth: int) -> Any:
        """Return an instance that is not taken yet."""
        encoded = {msgspec.json.encode(one, order="sorted") for one in taken}
        for _ in range(50):
            one = self.make(schema, depth + 1)
            if msgspec.json.encode(one, order="sorted") not in encoded:
                return one
        raise NoInstance("there are not enough different items")

    def string(self, schema: dict[str, Any]) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength", MAX_LENGTH)
        if least > min(most, MAX_LENGTH):
            raise NoInstance("no text has that length")
        if "pattern" in schema:
            return self.fitting(schema["pattern"], least, most)
        if shaped := formatted(str(schema.get("format")), self.dice):
            return shaped
        self.steps += least // 20  # long texts are work too
        text = self.dice.pick(self.words)
        while len(text) < least:
            text += " " + self.dice.pick(self.words)
        return text[:most]

    def fitting(self, pattern: str, least: int, most: int) -> str:
        """Return a text that fits a pattern and two lengths."""
        for stretch in (0, 1, -1, 2, 3, 5, 8, 12, 20, 40, 80, 200):
            try:
                text = fitting(pattern, self.dice.below, stretch)
            except Unreadable as exc:
                raise NoInstance(str(exc)) from exc
            self.steps += len(text) // 20
            if least <= len(text) <= most:
                return text
            if len(text) < least <= most and not pattern.endswith("$"):
                return text.ljust(least, "a")
        raise NoInstance("no text of that length was found for the pattern")

    def number(self, schema: dict[str, Any], *, whole: bool) -> int | float:
        low, low_open = _bound(schema, "minimum", "exclusiveMinimum", 1)
        high, high_open = _bound(schema, "maximum", "exclusiveMaximum", -1)
        offset, step = _grid(_fraction(schema.get("multipleOf")), low, high, whole=whole)
        first = -math.inf if low is None else math.ceil((low - offset) / step)
        last = math.inf if high is None else math.floor((high - offset) / step)
        if low_open and offset + Fraction(first) * step == low:
            first += 1
        if high_open and offset + Fraction(last) * step == high:
            last -= 1
        if first == -math.inf:
            first = 0 if last >= 0 else last - 100
        last = min(last, first + 100)
        if first > last:
            raise NoInstance("no number is in that range")
        return self.on_grid(offset, step, int(first), int(last), schema.get("multipleOf"))

    def on_grid(self, offset: Fraction, step: Fraction, first: int, last: int, divisor: Any) -> int | float:
        """Return `offset` and some steps; one that a check in floating point also finds to be a multiple."""
        start = self.dice.below(last - first + 1)
        for turn in range(last - first + 1):
            exact = offset + (first + (start + turn) % (last - first + 1)) * step
            value = int(exact) if exact.denominator == 1 else float(exact)
            if not isinstance(divisor, float) or (value / divisor).is_integer():
                return value
        raise NoInstance("no multiple is in that range")


def _grid(
    multiple: Fraction | None, low: Fraction | None, high: Fraction | None, *, whole: bool
) -> tuple[Fraction, Fraction]:
    """Return where the numbers to choose from begin and how far apart they are."""
    if multiple is not None and whole:
        return Fraction(0), Fraction(math.lcm(multiple.numerator, multiple.denominator), multiple.denominator)
    if multiple is not None or whole:
        return Fraction(0), multiple or Fraction(1)
    if low is not None and high is not None and 0 < high - low < 8:
        return low, (high - low) / 16
    return low or Fraction(0), Fraction(1, 4)


def _weight(schema: Schema) -> int:
    if not is_object(schema):
        return 1
    if "const" in schema or "enum" in schema:
        return 0 if schema.get("const", 0) is None else 1
    kind = schema.get("type")
    if isinstance(kind, str):
        return _weight_of_type(kind)
    return 4 if schema.keys() & {"$ref", "allOf", "anyOf", "oneOf"} else 2


def _weight_of_type(kind: str) -> int:
    return _WEIGHT.get(kind, 4)


def _first_but_null(kinds: Sequence[str]) -> str:
    return next((kind for kind in kinds if kind != "null"), "null")


def _has_type(value: object, kinds: Any) -> bool:
    if kinds is None:
        return True
    named = [kinds] if isinstance(kinds, str) else kinds
    match value:
        case None:
            return "null" in named
        case bool():
            return "boolean" in named
        case int():
            return "integer" in named or "number" in named
        case float():
            return "number" in named or ("integer" in named and value.is_integer())
        case str():
            return "string" in named
        case list():
            return "array" in named
        case _:
            return "object" in named


def _other(schema: dict[str, Any]) -> Schema:
    """Return the schema of a property that has none of its own."""
    patterns = schema.get("patternProperties")
    if patterns:
        return next(iter(patterns.values()))
    return schema.get("additionalProperties", True)


def _fraction(value: Any) -> Fraction | None:
    return None if value is None else Fraction(str(value))


def _bound(schema: dict[str, Any], name: str, strict_name: str, sign: int) -> tuple[Fraction | None, bool]:
    """Return the tighter of two bounds and whether it is excluded; draft 4 says that with a boolean."""
    plain, strict = _fraction(schema.get(name)), schema.get(strict_name)
    if isinstance(strict, bool) or strict is None:
        return plain, strict is True
    excluded = Fraction(str(strict))
    if plain is None or sign * excluded >= sign * plain:
        return excluded, True
    return plain, False
