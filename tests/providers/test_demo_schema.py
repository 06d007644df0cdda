"""Instances that demo models make of schemas, judged by an independent validator."""

import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.providers.demo.dice import Dice
from antiphon.providers.demo.pattern import Unreadable, fitting
from antiphon.providers.demo.schema import NoInstance, instance

TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "right": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["name", "left", "right", "children"],
            "additionalProperties": False,
        }
    },
}
SCHEMAS: list[Any] = [
    True,
    {},
    {"type": "null"},
    {"type": "boolean"},
    {"type": "string", "minLength": 30, "maxLength": 31},
    {"type": "string", "maxLength": 0},
    {"type": "integer"},
    {"type": "integer", "minimum": -5, "maximum": -5},
    {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    {"type": "integer", "maximum": -1000},
    {"type": "integer", "multipleOf": 7, "minimum": 50},
    {"type": "integer", "multipleOf": 0.5, "minimum": 0.3},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "number", "multipleOf": 0.01, "minimum": 0.05, "maximum": 9},
    {"type": "number", "minimum": 1.5},
    {"enum": [1, "two", None, [3]]},
    {"type": "string", "enum": ["a", 1, "b"]},
    {"const": {"a": [1]}},
    {"type": ["string", "null"], "minLength": 3},
    {"minimum": 3, "maximum": 4},
    {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 4},
    {"type": "array", "items": {"enum": [1, 2, 3, 4]}, "minItems": 4, "uniqueItems": True},
    {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 2},
    {"type": "array", "prefixItems": [{"type": "string"}, {"const": 2}], "items": False},
    {"type": "array", "contains": {"const": 5}, "minContains": 2},
    {"type": "array", "maxItems": 0},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a", "b"]},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": False}, "additionalProperties": False},
    {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 2},
    {"type": "object", "patternProperties": {"^x-[a-z]+$": {"type": "integer"}}, "additionalProperties": False},
    {"type": "object", "propertyNames": {"enum": ["p", "q", "r"]}, "minProperties": 1},
    {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 1, "required": ["c"]},
    {
        "type": "object",
        "properties": {"a": {"const": 1}, "b": {"type": "string"}},
        "required": ["a"],
        "dependentRequired": {"a": ["b"]},
    },
    {"anyOf": [{"type": "string"}, {"type": "object", "required": ["x"]}]},
    {"oneOf": [{"type": "integer", "minimum": 10}, {"type": "string", "pattern": "^[A-Z]{3}$"}]},
    {"allOf": [{"type": "number", "minimum": 3}, {"type": "integer", "maximum": 5}, {"not": {"const": 9}}]},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"a": {"minLength": 12}, "b": {"type": "null"}}, "required": ["b"]},
        ]
    },
    {"type": "object", "required": ["k"], "anyOf": [{"properties": {"k": {"const": 1}}}, {"properties": {"k": False}}]},
    {"if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["b"]}, "type": "object"},
    {
        "oneOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}},
                "required": ["kind"],
            },
            {
                "type": "object",
                "properties": {"kind": {"const": "square"}, "a": {"type": "number"}},
                "required": ["kind"],
            },
        ]
    },
    {"definitions": {"x y": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/definitions/x y"}},
    {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": []},
    TREE,
]
FORMATS = {
    "date": r"\d{4}-\d\d-\d\d",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "email": r"\w+@\w+\.\w+",
    "uri": r"https://\S+",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
    "ipv4": r"(\d+\.){3}\d+",
    "duration": r"PT\d+M",
}
PATTERNS = [
    r"^[a-z]{2,4}\d+$",
    r"^(foo|bar)(?:-\w+)*$",
    r"^\+?[1-9]\d{7,14}$",
    r"^[^\s@]+@[^\s@]+\.[^\s@]{2,}$",
    r"^#[0-9A-Fa-f]{6}$",
    r"^\d{4}-(0[1-9]|1[0-2])$",
    r"^[\w.-]+\/[\w.-]+$",
    r"^(?P<a>x)y?z*?$",
    r"^[]a]\x41\u0042\.$",
    r"colou?r",
    r"^.{3}$",
    r"^a{3}b{2,}$",
    r"^(?=.)\d+(?!x)$",
    r"",
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_an_instance_fits_its_schema(schema: Any, seed: int) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(instance(schema, Dice(seed)))


def test_draft_4_bounds_are_understood() -> None:
    schema = {"type": "integer", "minimum": 3, "exclusiveMinimum": True, "maximum": 4}
    assert instance(schema, Dice(0)) == 4


def test_a_tuple_of_an_older_draft_is_understood() -> None:
    schema = {"type": "array", "items": [{"const": 1}, {"const": 2}], "additionalItems": False}
    assert instance(schema, Dice(0)) == [1, 2]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_gives_its_shape(kind: str) -> None:
    for seed in range(20):
        assert re.fullmatch(FORMATS[kind], instance({"type": "string", "format": kind}, Dice(seed)))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_fits_its_pattern(pattern: str) -> None:
    for seed in range(20):
        for stretch in (-1, 0, 1, 3):
            assert re.search(pattern, fitting(pattern, Dice(seed).below, stretch))


@pytest.mark.parametrize(
    "pattern",
    [r"(", r")", r"[", r"[^\s\S]", r"*", r"(a)\1", r"\p{L}", "a{x}", "(?#c)", "\\", r"\xzz", "(" * 99, "a" * 1001],
)
def test_a_pattern_outside_the_subset_is_refused(pattern: str) -> None:
    with pytest.raises(Unreadable):
        fitting(pattern, Dice(0).below)


def test_a_pattern_for_an_endless_text_is_refused_soon() -> None:
    for pattern in ("a{999999999}", "((a{900}){900}){900}"):
        with pytest.raises(Unreadable):
            fitting(pattern, Dice(0).below)


def test_the_length_of_a_patterned_text_is_kept_where_the_pattern_can_stretch() -> None:
    schema = {"type": "string", "pattern": "^[a-z]+$", "minLength": 10, "maxLength": 20}
    assert 10 <= len(instance(schema, Dice(0))) <= 20


def test_the_same_dice_give_the_same_instance_and_others_another() -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 5}
    assert instance(schema, Dice(1)) == instance(schema, Dice(1))
    assert instance(schema, Dice(1)) != instance(schema, Dice(2))


def test_free_texts_come_from_the_words_given() -> None:
    assert instance({"type": "string"}, Dice(0), ["Paris"]) == "Paris"


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "string", "minLength": 5, "maxLength": 4},
        {"type": "string", "minLength": 10**9},
        {"type": "string", "pattern": "("},
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 5},
        {"type": "array", "items": False, "minItems": 1},
        {"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True},
        {"type": "array", "minItems": 10**9},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "object", "minProperties": 10**9},
        {"allOf": [{"const": 1}, {"const": 2}]},
        {"allOf": [{"enum": [1]}, {"enum": [2]}]},
        {"allOf": [{"type": "string"}, {"type": "object"}]},
        {"anyOf": [False, False]},
        {"$ref": "#"},
        {
            "$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]}},
            "$ref": "#/$defs/a",
        },
        {
            "type": "object",
            "properties": {
                "a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
                "b": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
            },
            "required": ["a", "b"],
        },
        {"type": "integer", "minimum": "x"},
        {"type": "object", "properties": 5},
        {"type": "object", "required": 5},
        {"anyOf": 5},
    ],
    ids=str,
)
def test_a_schema_that_nothing_fits_says_so_soon(schema: Any) -> None:
    with pytest.raises(NoInstance):
        instance(schema, Dice(0))


def test_a_reference_out_of_the_schema_stands_for_anything() -> None:
    assert instance({"$ref": "https://example.com/x"}, Dice(0)) is not None
    assert instance({"$ref": "#/nowhere"}, Dice(0)) is not None


_leaves = st.one_of(
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
        st.integers(-50, 50),
        st.integers(0, 9),
    ),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"enum": ["a", 1]}, {"type": "number"}, {"const": [1]}]),
)
_schemas = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(lambda items, n: {"type": "array", "items": items, "minItems": n}, inner, st.integers(0, 3)),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda properties: {
                "type": "object",
                "properties": properties,
                "required": sorted(properties)[::2],
                "additionalProperties": False,
            },
            st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(_schemas, st.integers(0, 3))
def test_whatever_can_be_built_of_these_is_filled(schema: Any, seed: int) -> None:
    jsonschema.Draft202012Validator(schema).validate(instance(schema, Dice(seed)))
