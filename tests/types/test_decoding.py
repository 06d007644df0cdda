"""Bad bodies are explained in the API's words: a code, a path, and a sentence."""

from typing import Any

import msgspec
import pytest

from antiphon.errors import BadRequest
from antiphon.types.conversations import AddItems, CreateConversation, UpdateConversation
from antiphon.types.decoding import drop, explain, missing, unknown
from antiphon.types.responses import MAX_TEXT, CountInput, CreateResponse

NAMES = [field.encode_name for field in msgspec.structs.fields(CreateResponse)]


def refusal(body: Any, kind: type[msgspec.Struct] = CreateResponse) -> BadRequest:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(raw, type=kind)
    return explain(str(caught.value), known=NAMES)


SCHEMA = {"type": "json_schema", "name": "a", "schema": {}}

BAD: list[tuple[dict[str, Any], str, str]] = [
    # wrong types
    ({"model": 5}, "invalid_type", "model"),
    ({"model": None}, "invalid_type", "model"),
    ({"input": 5}, "invalid_type", "input"),
    ({"input": {}}, "invalid_type", "input"),
    ({"store": "yes"}, "invalid_type", "store"),
    ({"stream": 1}, "invalid_type", "stream"),
    ({"background": "no"}, "invalid_type", "background"),
    ({"temperature": "1"}, "invalid_type", "temperature"),
    ({"temperature": True}, "invalid_type", "temperature"),
    ({"max_output_tokens": 20.5}, "invalid_type", "max_output_tokens"),
    ({"max_output_tokens": "20"}, "invalid_type", "max_output_tokens"),
    ({"tools": {}}, "invalid_type", "tools"),
    ({"include": "reasoning.encrypted_content"}, "invalid_type", "include"),
    ({"metadata": []}, "invalid_type", "metadata"),
    ({"metadata": {"a": 5}}, "invalid_type", "metadata"),
    ({"conversation": 5}, "invalid_type", "conversation"),
    ({"conversation": {"id": 5}}, "invalid_type", "conversation.id"),
    ({"previous_response_id": 5}, "invalid_type", "previous_response_id"),
    ({"instructions": []}, "invalid_type", "instructions"),
    ({"text": "json"}, "invalid_type", "text"),
    ({"text": {"format": "json"}}, "invalid_type", "text.format"),
    ({"text": {"format": {**SCHEMA, "schema": None}}}, "invalid_type", "text.format.schema"),
    ({"text": {"format": {**SCHEMA, "strict": "yes"}}}, "invalid_type", "text.format.strict"),
    ({"reasoning": "low"}, "invalid_type", "reasoning"),
    ({"tool_choice": 5}, "invalid_type", "tool_choice"),
    ({"prompt": "pmpt_1"}, "invalid_type", "prompt"),
    ({"context_management": {}}, "invalid_type", "context_management"),
    ({"context_management": ["x"]}, "invalid_type", "context_management[0]"),
    # not one of a closed list
    ({"truncation": "some"}, "invalid_value", "truncation"),
    ({"include": ["everything"]}, "invalid_value", "include[0]"),
    ({"include": ["reasoning.encrypted_content", "everything"]}, "invalid_value", "include[1]"),
    ({"service_tier": "best"}, "invalid_value", "service_tier"),
    ({"reasoning": {"effort": "utmost"}}, "invalid_value", "reasoning.effort"),
    ({"reasoning": {"summary": "long"}}, "invalid_value", "reasoning.summary"),
    ({"text": {"verbosity": "utmost"}}, "invalid_value", "text.verbosity"),
    ({"text": {"format": {"type": "yaml"}}}, "invalid_value", "text.format.type"),
    ({"tool_choice": "maybe"}, "invalid_value", "tool_choice"),
    ({"tool_choice": {"type": "hammer"}}, "invalid_value", "tool_choice.type"),
    ({"tool_choice": {"type": "allowed_tools", "mode": "none", "tools": []}}, "invalid_value", "tool_choice.mode"),
    # too small, too large, too long
    ({"max_output_tokens": 15}, "integer_below_min_value", "max_output_tokens"),
    ({"max_tool_calls": 0}, "integer_below_min_value", "max_tool_calls"),
    ({"top_logprobs": 21}, "integer_above_max_value", "top_logprobs"),
    ({"top_logprobs": -1}, "integer_below_min_value", "top_logprobs"),
    ({"temperature": 2.1}, "decimal_above_max_value", "temperature"),
    ({"temperature": -0.1}, "decimal_below_min_value", "temperature"),
    ({"top_p": 1.1}, "decimal_above_max_value", "top_p"),
    ({"presence_penalty": -2.1}, "decimal_below_min_value", "presence_penalty"),
    ({"metadata": {str(number): "x" for number in range(17)}}, "object_above_max_properties", "metadata"),
    ({"metadata": {"x" * 65: "x"}}, "string_above_max_length", "metadata"),
    ({"metadata": {"x": "x" * 513}}, "string_above_max_length", "metadata"),
    ({"safety_identifier": "x" * 129}, "string_above_max_length", "safety_identifier"),
    ({"text": {"format": {**SCHEMA, "name": ""}}}, "string_below_min_length", "text.format.name"),
    ({"text": {"format": {**SCHEMA, "name": "x" * 65}}}, "string_above_max_length", "text.format.name"),
    # missing
    ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "missing_required_parameter", "text.format.name"),
    ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "missing_required_parameter", "text.format.schema"),
    ({"text": {"format": {}}}, "missing_required_parameter", "text.format.type"),
    ({"conversation": {}}, "missing_required_parameter", "conversation.id"),
    ({"tool_choice": {"type": "function"}}, "missing_required_parameter", "tool_choice.name"),
    ({"tool_choice": {"type": "allowed_tools", "tools": []}}, "missing_required_parameter", "tool_choice.mode"),
    ({"tool_choice": {"type": "mcp"}}, "missing_required_parameter", "tool_choice.server_label"),
    # unknown
    ({"temprature": 1}, "unknown_parameter", "temprature"),
    ({"reasoning": {"efort": "low"}}, "unknown_parameter", "reasoning.efort"),
    ({"text": {"formt": {}}}, "unknown_parameter", "text.formt"),
    ({"text": {"format": {**SCHEMA, "shema": {}}}}, "unknown_parameter", "text.format.shema"),
    ({"stream_options": {"include_usage": True}}, "unknown_parameter", "stream_options.include_usage"),
]


@pytest.mark.parametrize(
    ("body", "code", "param"), BAD, ids=[f"{param} {code} {number}" for number, (_, code, param) in enumerate(BAD)]
)
def test_a_bad_parameter_is_told_by_code_path_and_sentence(body: dict[str, Any], code: str, param: str) -> None:
    error = refusal({"model": "m", **body})
    assert (error.status, error.type) == (400, "invalid_request_error")
    assert (error.code, error.param) == (code, param)
    assert f"'{param}'" in error.message
    assert error.message.endswith((".", "?"))


@pytest.mark.parametrize(
    "name",
    ["temperature", "top_p", "tools", "text", "store", "metadata", "include", "input", "tool_choice", "reasoning"],
)
def test_null_means_the_default(name: str) -> None:
    body = msgspec.json.encode({"model": "m", name: None})
    assert msgspec.json.decode(body, type=CreateResponse).model == "m"


@pytest.mark.parametrize(
    ("given", "meant"),
    [("stor", "store"), ("temprature", "temperature"), ("tool", "tools"), ("max_tokens", "max_output_tokens")],
)
def test_a_near_miss_of_a_name_is_suggested(given: str, meant: str) -> None:
    assert refusal({"model": "m", given: 1}).message == f"Unknown parameter: '{given}'. Did you mean '{meant}'?"


@pytest.mark.parametrize(
    "body", [{"wholly_different": 1}, {"reasoning": {"efort": "low"}}, {"stream_options": {"x": 1}}]
)
def test_a_name_that_resembles_none_at_its_place_gets_no_suggestion(body: dict[str, Any]) -> None:
    assert "Did you mean" not in refusal({"model": "m", **body}).message


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"5", b"null"])
def test_a_body_that_is_no_object_is_of_the_wrong_type(body: bytes) -> None:
    error = refusal(body)
    assert (error.code, error.param) == ("invalid_type", None)
    assert error.message.startswith("Invalid type: expected an object, but got ")


def test_what_was_expected_and_what_came_are_named_in_plain_words() -> None:
    assert (
        refusal({"model": "m", "input": 5}).message
        == "Invalid type for 'input': expected a string or an array or null, but got an integer instead."
    )
    assert refusal({"model": "m", "metadata": {str(n): "" for n in range(17)}}).message == (
        "Invalid 'metadata': expected at most 16 pairs."
    )


def test_the_longest_text_of_the_api_is_accepted_and_a_longer_one_is_not() -> None:
    body = msgspec.json.encode({"model": "m", "input": "x" * MAX_TEXT})
    assert len(str(msgspec.json.decode(body, type=CreateResponse).input)) == MAX_TEXT
    error = refusal({"model": "m", "input": "x" * (MAX_TEXT + 1)})
    assert (error.code, error.param) == ("string_above_max_length", "input")


@pytest.mark.parametrize(
    ("kind", "body", "code", "param"),
    [
        (CreateConversation, {"items": [{}] * 21}, "array_above_max_length", "items"),
        (CreateConversation, {"itms": []}, "unknown_parameter", "itms"),
        (CreateConversation, {"metadata": {"a": None}}, "invalid_type", "metadata"),
        (UpdateConversation, {}, "missing_required_parameter", "metadata"),
        (AddItems, {}, "missing_required_parameter", "items"),
        (AddItems, {"items": []}, "array_below_min_length", "items"),
        (AddItems, {"items": [{}] * 21}, "array_above_max_length", "items"),
        (AddItems, {"items": None}, "invalid_type", "items"),
        (CountInput, {"max_output_tokens": 16}, "unknown_parameter", "max_output_tokens"),
    ],
    ids=repr,
)
def test_every_body_is_explained_alike(kind: type[msgspec.Struct], body: Any, code: str, param: str) -> None:
    error = refusal(body, kind)
    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","input":NaN}',
        b'{"model":"m","temperature":Infinity}',
        b'{"model":"m","input":"\\ud800"}',
        b'{"model":"m","input":"\x00"}',
        b'{"model":"m","input":["\\ud800"]}',
        b'{"model":"m"',
        b"",
    ],
)
def test_what_is_no_json_is_no_body(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body, type=CreateResponse)


def test_a_number_beyond_all_bounds_is_a_bad_value() -> None:
    error = refusal(b'{"model":"m","temperature":1e999}')
    assert (error.code, error.param) == ("invalid_value", "temperature")


def test_a_path_is_joined_to_the_place_that_it_begins_at() -> None:
    error = explain("Expected `str`, got `int` - at `$.content[0].text`", "input[3]")
    assert error.param == "input[3].content[0].text"


def test_missing_and_unknown_can_be_said_without_a_decoder() -> None:
    assert (missing("model").code, missing("model").param) == ("missing_required_parameter", "model")
    assert (unknown("a.b").code, unknown("a.b").param) == ("unknown_parameter", "a.b")


@pytest.mark.parametrize(
    ("given", "path", "left"),
    [
        ({"a": 1, "b": 2}, "a", {"b": 2}),
        ({"a": {"b": 1, "c": 2}}, "a.b", {"a": {"c": 2}}),
        ({"a": [{"b": 1}, {"b": 2, "c": 3}]}, "a[1].b", {"a": [{"b": 1}, {"c": 3}]}),
        ([[{"b": 1}]], "[0][0].b", [[{}]]),
        ({"a.b": 1, "a": {"b": 2}}, "a.b", {"a": {"b": 2}}),
        ({"a": [{"b[0].c": 1}]}, "a[0].b[0].c", {"a": [{}]}),
        ({"a": {"": 1}}, "a.", {"a": {}}),
    ],
)
def test_a_key_is_dropped_wherever_it_stands(given: Any, path: str, left: Any) -> None:
    assert drop(given, path)
    assert given == left


@pytest.mark.parametrize("path", ["", "b", "a.b", "a[2].b", "a[0]", "a[0].c", "a[-1].b", "a[x]", "[0]"])
def test_what_is_not_there_is_not_dropped(path: str) -> None:
    given = {"a": [{"b": 1}]}
    assert not drop(given, path)
    assert given == {"a": [{"b": 1}]}
