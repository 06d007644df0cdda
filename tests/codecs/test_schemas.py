"""Schemas in the dialects of providers; the official clients are judges of what they take."""

import copy
import json
import re
from itertools import product
from typing import Any, Literal, get_args

import jsonschema_rs
import pytest
from anthropic import transform_schema
from google.genai.types import GenerateContentConfig
from hypothesis import given
from hypothesis import strategies as st
from openai.lib._pydantic import _ensure_strict_json_schema

from antiphon.codecs.schemas import MAX_DEPTH, MAX_SIZE, DialectName, to_dialect
from antiphon.errors import BadRequest, Unsupported
from antiphon.providers.demo.dice import Dice
from antiphon.providers.demo.schema import instance

Reduced = Literal["openai", "anthropic", "gemini"]
REDUCED: tuple[Reduced, ...] = get_args(Reduced)
CLOSED: tuple[Reduced, ...] = ("openai", "anthropic")

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
NULL = {"type": "null"}


def an_object(required: list[str] | None = None, /, **properties: Any) -> dict[str, Any]:
    wanted = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": wanted, "additionalProperties": False}


INVOICE: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Invoice",
    **an_object(
        number={"type": "string", "description": "As printed.", "pattern": "^R[0-9]+$", "minLength": 2},
        state={"enum": ["open", "paid", None]},
        kind={"const": "invoice"},
        lines={"type": "array", "items": {"$ref": "#/$defs/line"}, "minItems": 2},
        first={"$ref": "#/$defs/line", "description": "The first line."},
        due={"type": ["string", "null"], "format": "date"},
        paid={"anyOf": [{"type": "number", "minimum": 0}, NULL], "default": None},
    ),
    "$defs": {"unused": {}, "line": an_object(text=TEXT, price={"type": "number", "exclusiveMinimum": 0})},
}
TREE: dict[str, Any] = {
    **an_object(["name"], name=TEXT, children={"type": "array", "items": {"$ref": "#/$defs/tree"}}),
    "$defs": {"tree": an_object([], name=TEXT, next={"$ref": "#/$defs/tree", "description": "The next one."})},
}
PLAIN = an_object(a=TEXT, b={"type": "array", "items": NUMBER}, c=an_object(d={"type": "boolean"}))
MIXED = an_object(
    choice={"oneOf": [an_object(a=TEXT), an_object(b=NUMBER)]},
    all={"allOf": [an_object(a=TEXT), {"properties": {"a": {"maxLength": 3}}}]},
    untyped={"properties": {"x": {"minimum": 3}}, "required": ["x"]},
    pair={"type": "array", "prefixItems": [TEXT, NUMBER], "items": False},
)
SCHEMAS = {"invoice": INVOICE, "tree": TREE, "plain": PLAIN, "mixed": MIXED}


def narrowed(schema: dict[str, Any], dialect: DialectName) -> dict[str, Any]:
    """Return the schema in the dialect; the original must stay as it was, and the way there the same."""
    before = json.dumps(schema)
    told, notes = to_dialect(schema, dialect)
    assert json.dumps(schema) == before
    assert json.dumps(to_dialect(copy.deepcopy(schema), dialect)) == json.dumps([told, notes])
    return told


def inside(part: Any, dialect: DialectName) -> dict[str, Any]:
    """Return a property's schema in the dialect."""
    told: dict[str, Any] = narrowed(an_object(x=part), dialect)["properties"]["x"]
    return told


def notes(part: Any, dialect: DialectName) -> str:
    return "; ".join(to_dialect(an_object(x=part), dialect)[1])


def refused(schema: Any, dialect: DialectName) -> str:
    with pytest.raises(Unsupported) as caught:
        to_dialect(schema, dialect, "tools[2].parameters")
    assert caught.value.param == "tools[2].parameters"
    return caught.value.message


# -- every dialect --------------------------------------------------------------------------------------------


def test_the_full_dialect_takes_every_schema_as_it_is() -> None:
    told, said = to_dialect(INVOICE, "full")
    assert told is INVOICE
    assert said == []


@pytest.mark.parametrize("dialect", REDUCED)
def test_a_schema_that_every_provider_knows_is_told_as_it_is_without_a_note(dialect: Reduced) -> None:
    assert to_dialect(PLAIN, dialect) == (PLAIN, [])
    assert list(narrowed(PLAIN, dialect)["properties"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "dialect"), [pair for pair in product(SCHEMAS, REDUCED) if pair != ("tree", "anthropic")]
)
def test_an_answer_that_fits_what_was_told_fits_the_original_in_all_that_the_notes_dont_name(
    name: str, dialect: Reduced
) -> None:
    told, said = to_dialect(SCHEMAS[name], dialect)
    lost = {word for note in said for word in re.findall(r"[A-Za-z]+", note)} | {"additionalProperties"}
    for seed in range(20):
        answer = instance(told, Dice(str(seed)))
        assert jsonschema_rs.is_valid(told, answer)
        for error in jsonschema_rs.iter_errors(SCHEMAS[name], answer):
            is_lost = not lost.isdisjoint(map(str, error.schema_path))
            assert is_lost or (error.instance is None and "null" in lost)


@pytest.mark.parametrize("dialect", REDUCED)
def test_what_cannot_be_said_is_put_into_the_description_and_noted_once(dialect: Reduced) -> None:
    part = {"type": "string", "description": "A name.", "maxLength": 9}
    assert inside(part, dialect) == {"type": "string", "description": 'A name.\n\nIt must fit {"maxLength":9}'}
    assert inside({"type": "string", "maxLength": 9}, dialect)["description"] == 'It must fit {"maxLength":9}'
    assert notes({"type": "array", "items": part, "uniqueItems": True}, dialect) == (
        "text.format.schema: not enforced by the provider: maxLength, uniqueItems"
    )


@pytest.mark.parametrize("dialect", REDUCED)
def test_what_would_fill_the_description_is_left_out_of_it(dialect: Reduced) -> None:
    assert inside({"type": "string", "not": {"enum": ["x" * 600]}}, dialect) == TEXT


@pytest.mark.parametrize("dialect", REDUCED)
def test_keywords_that_ask_for_nothing_are_left_out_without_a_note(dialect: Reduced) -> None:
    part = {"type": "string", "default": "a", "examples": ["b"], "x-order": 3, "minimum": 2, "$comment": "c"}
    assert inside(part, dialect) == TEXT
    assert notes(part, dialect) == ""


@pytest.mark.parametrize("dialect", REDUCED)
def test_parts_of_allof_become_one(dialect: Reduced) -> None:
    parts = [
        {"type": ["integer", "string"], "title": "First"},
        {"type": "number", "title": "Second"},
        {"allOf": [{"enum": [1, 2, 3]}, {"enum": [2, 3, 4]}]},
    ]
    told = inside({"allOf": parts}, dialect)
    assert (told["title"], told["enum"]) == ("First", [2, 3])
    merged = inside({"allOf": [an_object(a=TEXT), an_object(b=NUMBER), {"properties": {"a": {"title": "A"}}}]}, dialect)
    assert merged == an_object(a={**TEXT, "title": "A"}, b=NUMBER)


def test_of_two_bounds_the_narrower_counts() -> None:
    parts = [{"type": "number", "minimum": 1, "maximum": 9}, {"minimum": 3, "maximum": 12}]
    assert inside({"allOf": parts}, "gemini") == {"type": "number", "minimum": 3, "maximum": 9}


def test_words_that_cannot_be_joined_are_noted() -> None:
    assert notes({"allOf": [{**TEXT, "pattern": "a"}, {"pattern": "b"}]}, "openai").endswith(": pattern")


@pytest.mark.parametrize("dialect", REDUCED)
def test_oneof_is_told_as_anyof(dialect: Reduced) -> None:
    part = {"oneOf": [TEXT, NUMBER], "description": "Either."}
    assert inside(part, dialect) == {"anyOf": [TEXT, NUMBER], "description": "Either."}
    assert notes(part, dialect).endswith("provider: oneOf")


@pytest.mark.parametrize("dialect", REDUCED)
def test_what_stands_beside_a_choice_is_said_in_each_of_its_parts(dialect: Reduced) -> None:
    part = {**an_object([], a=TEXT), "anyOf": [{"required": ["a"]}, False, {"properties": {"b": NUMBER}}]}
    told = inside(part, dialect)
    assert [list(choice["properties"]) for choice in told["anyOf"]] == [["a"], ["b", "a"]]
    assert told["anyOf"][0]["required"] == ["a"]


@pytest.mark.parametrize("dialect", REDUCED)
def test_a_type_that_is_left_unsaid_is_guessed(dialect: Reduced) -> None:
    assert inside({"properties": {"a": TEXT}, "required": ["a"], "additionalProperties": False}, dialect) == an_object(
        a=TEXT
    )
    assert inside({"items": TEXT}, dialect) == {"type": "array", "items": TEXT}
    assert inside({"format": "date"}, dialect) == {"type": "string", "format": "date"}


@pytest.mark.parametrize("dialect", REDUCED)
def test_a_property_that_must_not_be_there_is_not_told(dialect: Reduced) -> None:
    assert inside(an_object(["a"], a=TEXT, b=False), dialect) == an_object(["a"], a=TEXT)


@pytest.mark.parametrize("dialect", REDUCED)
def test_a_reference_to_nothing_is_a_bad_request(dialect: Reduced) -> None:
    for ref in ("#/$defs/none", "#/properties/x/anyOf/3"):
        with pytest.raises(BadRequest) as caught:
            to_dialect(an_object(x={"$ref": ref}, y={"anyOf": [TEXT]}), dialect, "p")
        assert (caught.value.code, caught.value.param) == ("invalid_json_schema", "p")
        assert ref in caught.value.message


@pytest.mark.parametrize("dialect", REDUCED)
def test_references_are_followed_wherever_they_lead_in_the_schema(dialect: Reduced) -> None:
    schema = an_object(**{"a/b": {"anyOf": [TEXT, an_object(c=NUMBER)]}}, x={"$ref": "#/properties/a~1b/anyOf/1"})
    assert narrowed(schema, dialect)["properties"]["x"] == an_object(c=NUMBER)


@pytest.mark.parametrize("dialect", REDUCED)
def test_a_reference_to_another_document_is_noted_and_never_sent(dialect: Reduced) -> None:
    part = {"type": "string", "$ref": "https://example.com/schema.json"}
    assert inside(part, dialect) == TEXT
    assert notes(part, dialect).endswith("$ref to another document")


@pytest.mark.parametrize("dialect", REDUCED)
def test_a_schema_that_grows_without_measure_is_refused(dialect: Reduced) -> None:
    doubled: dict[str, Any] = {"d0": an_object(a=TEXT)}
    for level in range(1, 30):
        part = {"$ref": f"#/$defs/d{level - 1}", "description": "Twice."}
        doubled[f"d{level}"] = an_object(a=part, b=part)
    assert "too large" in refused({**doubled["d29"], "$defs": doubled}, dialect)
    assert "too large" in refused(an_object(**{f"p{n}": TEXT for n in range(MAX_SIZE + 1)}), dialect)
    deep: dict[str, Any] = TEXT
    for _ in range(MAX_DEPTH + 1):
        deep = an_object(a=deep)
    assert "too deep" in refused(deep, dialect)


@pytest.mark.parametrize("dialect", REDUCED)
def test_allof_that_grows_without_measure_comes_to_an_end(dialect: Reduced) -> None:
    doubled: dict[str, Any] = {"d0": an_object(a=TEXT)}
    for level in range(1, 200):
        doubled[f"d{level}"] = {"allOf": [{"$ref": f"#/$defs/d{level - 1}"}] * 2}
    schema = {"allOf": [{"$ref": "#/$defs/d199"}] * 2, "$defs": doubled}
    if dialect == "gemini":
        assert "recursion" in to_dialect(schema, dialect)[1][0]
    else:
        assert "recursive" in refused(schema, dialect)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["string", "object", "array", "#", "#/$defs/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "items",
                    "anyOf",
                    "oneOf",
                    "allOf",
                    "enum",
                    "const",
                    "$ref",
                    "$defs",
                    "a",
                    "required",
                    "additionalProperties",
                    "prefixItems",
                    "minItems",
                    "format",
                    "minimum",
                    "description",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "anyOf", "allOf", "$ref", "$defs", "items"]), _JSON))
def test_whatever_a_client_calls_a_schema_is_narrowed_or_refused(schema: dict[str, Any]) -> None:
    for dialect in REDUCED:
        try:
            told = narrowed(schema, dialect)
        except BadRequest:
            continue
        json.dumps(told)


# -- openai ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMAS)
def test_openais_own_client_would_send_the_same(name: str) -> None:
    told = narrowed(SCHEMAS[name], "openai")
    assert _ensure_strict_json_schema(copy.deepcopy(told), path=(), root=told) == told


def test_openai_wants_every_property_so_those_that_may_be_left_out_may_be_null() -> None:
    optional = {
        "text": TEXT,
        "choice": {"anyOf": [TEXT, NUMBER]},
        "either": {"anyOf": [TEXT, NULL]},
        "none": {"type": ["string", "null"]},
        "fixed": {"type": "string", "enum": ["a"]},
        "tree": {"$ref": "#/$defs/tree"},
    }
    schema = {**an_object([], **optional), "$defs": {"tree": an_object([], a={"$ref": "#/$defs/tree"})}}
    told = narrowed(schema, "openai")
    assert told["required"] == list(optional)
    assert told["properties"] == {
        "text": {"type": ["string", "null"]},
        "choice": {"anyOf": [TEXT, NUMBER, NULL]},
        "either": {"anyOf": [TEXT, NULL]},
        "none": {"type": ["string", "null"]},
        "fixed": {"anyOf": [{"type": "string", "enum": ["a"]}, NULL]},
        "tree": {"anyOf": [{"$ref": "#/$defs/tree"}, NULL]},
    }
    assert to_dialect(schema, "openai")[1] == ["text.format.schema: told with null for properties that may be left out"]


def test_openai_takes_only_an_object_as_the_whole() -> None:
    for schema in (TEXT, {"anyOf": [an_object(), an_object(a=TEXT)]}, {"type": ["object", "null"], "properties": {}}):
        assert "as the whole" in refused(schema, "openai")
    assert narrowed({"$ref": "#/$defs/a", "$defs": {"a": an_object(b=TEXT)}}, "openai") == an_object(b=TEXT)


def test_openai_is_told_the_object_without_the_choice_beside_it() -> None:
    schema = {**an_object([], a=TEXT, b=TEXT), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    told, said = to_dialect(schema, "openai")
    assert told.keys() == {"type", "properties", "required", "additionalProperties"}
    assert "anyOf" in said[0]


def test_openai_keeps_recursion_and_the_definitions_that_are_needed() -> None:
    told = narrowed(TREE, "openai")
    assert told["properties"]["children"]["items"] == {"$ref": "#/$defs/tree"}
    assert told["$defs"]["tree"]["properties"]["next"] == {"anyOf": [{"$ref": "#/$defs/tree"}, NULL]}
    assert list(narrowed(INVOICE, "openai")["$defs"]) == ["line"]
    itself = an_object(["a"], a={"anyOf": [{"$ref": "#"}, NULL]})
    assert to_dialect(itself, "openai") == (itself, [])


def test_openai_knows_only_some_formats() -> None:
    assert inside({"type": "string", "format": "uuid"}, "openai") == {"type": "string", "format": "uuid"}
    assert "format" not in inside({"type": "string", "format": "uri"}, "openai")


# -- anthropic ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name != "tree"])
def test_anthropics_own_client_would_send_the_same(name: str) -> None:
    told = narrowed(SCHEMAS[name], "anthropic")
    assert transform_schema(told) == told


def test_anthropic_has_no_words_for_recursion() -> None:
    assert "recursi" in refused(TREE, "anthropic")
    assert "recursi" in refused(an_object(a={"$ref": "#"}), "anthropic")
    mutual = {"a": an_object(b={"$ref": "#/$defs/b"}), "b": an_object(a={"$ref": "#/$defs/a"})}
    assert "recursi" in refused({**an_object(a={"$ref": "#/$defs/a"}), "$defs": mutual}, "anthropic")


def test_anthropic_is_told_several_types_as_a_choice() -> None:
    told = inside({"type": ["string", "null"], "format": "date", "description": "When."}, "anthropic")
    assert told == {"description": "When.", "anyOf": [{"type": "string", "format": "date"}, NULL]}


def test_anthropic_takes_a_least_number_of_items_of_one_at_most() -> None:
    assert inside({"type": "array", "items": TEXT, "minItems": 1}, "anthropic")["minItems"] == 1
    assert "minItems" not in inside({"type": "array", "items": TEXT, "minItems": 2}, "anthropic")


# -- closed objects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", CLOSED)
def test_an_object_that_may_hold_more_is_closed_with_a_note(dialect: Reduced) -> None:
    open_object = {**an_object(a=TEXT), "additionalProperties": NUMBER}
    assert inside(open_object, dialect) == an_object(a=TEXT)
    assert notes(open_object, dialect).endswith("objects are told without properties that aren't named")
    unsaid = {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}
    assert inside(unsaid, dialect) == an_object(a=TEXT)
    assert notes(unsaid, dialect) == ""


@pytest.mark.parametrize("dialect", CLOSED)
def test_an_object_of_any_properties_is_refused_and_an_empty_one_is_not(dialect: Reduced) -> None:
    for part in ({"type": "object"}, {"type": "object", "properties": {}, "additionalProperties": TEXT}):
        assert "any properties" in refused(an_object(x=part), dialect)
    assert inside({"type": "object", "properties": {}}, dialect)["additionalProperties"] is False


@pytest.mark.parametrize("dialect", CLOSED)
def test_a_value_of_any_type_is_refused(dialect: Reduced) -> None:
    for part in ({}, True, {"description": "Anything."}, {"$ref": "https://example.com/a.json"}):
        assert "any type" in refused(an_object(x=part), dialect)


def test_tuples_are_told_as_arrays_of_any_of_their_items() -> None:
    pair = {"type": "array", "prefixItems": [TEXT, NUMBER], "items": False}
    for dialect in CLOSED:
        assert inside(pair, dialect)["items"] == {"anyOf": [TEXT, NUMBER]}
        assert inside({"type": "array", "items": [TEXT, NUMBER]}, dialect)["items"] == {"anyOf": [TEXT, NUMBER]}
    assert inside(pair, "gemini")["prefixItems"] == [TEXT, NUMBER]
    assert "any items" in refused(an_object(x={"type": "array"}), "openai")


# -- gemini ---------------------------------------------------------------------------------------------------


def keywords(schema: Any) -> set[str]:
    """Return every keyword of a schema, not the names of its properties."""
    if isinstance(schema, list):
        return set().union(*map(keywords, schema))
    if not isinstance(schema, dict):
        return set()
    inner = [value if key != "properties" else list(value.values()) for key, value in schema.items() if key != "enum"]
    return set(schema) | keywords(inner)


@pytest.mark.parametrize("name", SCHEMAS)
def test_gemini_is_told_only_keywords_that_its_documentation_names(name: str) -> None:
    described = GenerateContentConfig.model_fields["response_json_schema"].description
    known = set(re.findall(r"`([$A-Za-z]+)`", described or ""))
    assert {"prefixItems", "anyOf"} < known
    assert keywords(narrowed(SCHEMAS[name], "gemini")) <= known - {"$ref", "$defs"}


def test_gemini_is_told_references_written_out() -> None:
    told = narrowed(INVOICE, "gemini")["properties"]
    line = an_object(text=TEXT, price={"type": "number", "description": 'It must fit {"exclusiveMinimum":0}'})
    assert told["lines"]["items"] == line
    assert told["first"] == {"description": "The first line.", **line}


def test_gemini_is_told_two_levels_of_recursion() -> None:
    told, said = to_dialect(TREE, "gemini")
    first = told["properties"]["children"]["items"]
    assert first["properties"]["next"]["properties"]["next"] == {"type": "object", "description": "The next one."}
    assert said == ["text.format.schema: not enforced by the provider: recursion beyond 2 levels"]


def test_gemini_is_told_literals_that_are_texts_or_numbers() -> None:
    assert inside({"const": "a"}, "gemini") == {"type": "string", "enum": ["a"]}
    assert inside({"enum": [1, 2]}, "gemini") == {"type": "integer", "enum": [1, 2]}
    assert inside({"enum": ["a", None]}, "gemini") == {"anyOf": [{"type": "string", "enum": ["a"]}, NULL]}
    assert inside({"const": None}, "gemini") == {"anyOf": [NULL]}
    assert inside({"const": True}, "gemini") == {"type": "boolean", "description": 'It must fit {"const":true}'}


def test_gemini_takes_open_objects() -> None:
    for part in ({"type": "object", "additionalProperties": TEXT}, {"type": "object", "additionalProperties": True}):
        assert inside(part, "gemini") == part
    assert inside({"type": "object"}, "gemini") == {"type": "object"}
