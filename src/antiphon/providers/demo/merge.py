"""Two JSON schemas as one that both allow: plain keywords only, no references and no branches. Pure."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeGuard

_NUMBERS = {"integer", "number"}


def is_object(thing: object) -> TypeGuard[dict[str, Any]]:
    """Say whether it is a JSON object."""
    return isinstance(thing, dict)


def is_array(thing: object) -> TypeGuard[list[Any]]:
    """Say whether it is a JSON array."""
    return isinstance(thing, list)


def merge(one: Any, other: Any) -> dict[str, Any] | None:
    """Return the keywords of both, None when they exclude each other."""
    if one is False or other is False:
        return None
    first: dict[str, Any] = one if is_object(one) else {}
    second: dict[str, Any] = other if is_object(other) else {}
    merged = {**first, **second}
    for name in first.keys() & second.keys():
        if first[name] == second[name]:
            continue
        if name == "const":
            return None
        merged[name] = _BOTH[name](first[name], second[name]) if name in _BOTH else second[name]
        if merged[name] is None:
            return None
    if "properties" in merged or "additionalProperties" in merged:
        merged["properties"] = _properties(first, second)
    if "const" in merged and "enum" in merged and merged["const"] not in merged["enum"]:
        return None
    return merged


def _properties(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of both; one that only one side names must suit the other side's rest."""
    ours: dict[str, Any] = first.get("properties") or {}
    theirs: dict[str, Any] = second.get("properties") or {}
    return {name: _all(ours.get(name, _rest(first)), theirs.get(name, _rest(second))) for name in {**ours, **theirs}}


def _rest(schema: Mapping[str, Any]) -> Any:
    return True if schema.get("patternProperties") else schema.get("additionalProperties", True)


def _all(one: Any, other: Any) -> Any:
    if one is True or one == other:
        return other
    if other is True:
        return one
    return False if one is False or other is False else {"allOf": [one, other]}


def _types(one: str | list[str], other: str | list[str]) -> list[str] | None:
    ours = [one] if isinstance(one, str) else one
    theirs = [other] if isinstance(other, str) else other
    common = [kind for kind in ours if kind in theirs]
    if "integer" not in common and _NUMBERS & {*ours} and _NUMBERS & {*theirs} and "number" not in common:
        common.append("integer")
    return common or None


def _common(one: list[Any], other: list[Any]) -> list[Any] | None:
    return [value for value in one if value in other] or None


def _multiple(one: Any, other: Any) -> Any:
    a, b = Fraction(str(one)), Fraction(str(other))
    both = Fraction(math.lcm(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator)
    return int(both) if both.denominator == 1 else float(both)


def _named(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _all(one.get(name, True), other.get(name, True)) for name in {**one, **other}}


def _in_order(one: list[Any], other: list[Any]) -> list[Any]:
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return [_all(each, shorter[index]) if index < len(shorter) else each for index, each in enumerate(longer)]


_BOTH: Mapping[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "enum": _common,
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "items": _all,
    "prefixItems": _in_order,
    "contains": _all,
    "additionalProperties": _all,
    "propertyNames": _all,
    "patternProperties": _named,
    "multipleOf": _multiple,
    "uniqueItems": lambda one, other: one or other,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"), min),
}
