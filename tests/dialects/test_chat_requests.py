"""Chat requests in our terms, and errors about them in theirs."""

from typing import Any

import msgspec
import pytest

from antiphon.dialects import chat
from antiphon.dialects.chat import ChatRequest
from antiphon.dialects.entries import MOST_UNKNOWN
from antiphon.dialects.reading import Reading
from antiphon.errors import BadRequest, NotFound, Unsupported
from antiphon.types.responses import CreateResponse
from antiphon.types.tools import AllowedTools, CustomChoice, FunctionChoice

Json = dict[str, Any]
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def read(*given: Json, **fields: Any) -> tuple[Reading, list[str]]:
    """A request read, and the notes about it."""
    body = {"model": "m", "messages": list(given) or [user("Hi")], **fields}
    notes: list[str] = []
    return chat.read(msgspec.json.decode(msgspec.json.encode(body), type=ChatRequest), notes), notes


def items(*given: Json) -> list[Json]:
    return [msgspec.json.decode(raw) for raw in read(*given)[0].items]


def request(**fields: Any) -> CreateResponse:
    return read(**fields)[0].request


def refused(*given: Json, **fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read(*given, **fields)
    return caught.value


def user(content: Any, **more: Any) -> Json:
    return {"role": "user", "content": content, **more}


def a_call(identity: str = "c1", name: str = "look", arguments: str = "{}") -> Json:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def a_freeform_call(identity: str = "k1") -> Json:
    return {"id": identity, "type": "custom", "custom": {"name": "patch", "input": "***"}}


def calling(*calls: Json, content: Any = None, **more: Any) -> Json:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


def result(identity: str = "c1", content: Any = "sunny", **more: Any) -> Json:
    return {"role": "tool", "tool_call_id": identity, "content": content, **more}


def a_function(name: str = "look", **more: Any) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}, **more}}


# -- messages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["system", "developer", "user"])
def test_a_text_message_is_a_message_of_the_same_role(role: str) -> None:
    (item,) = items({"role": role, "content": "Hi"})
    assert (item["type"], item["role"], item["content"]) == ("message", role, "Hi")


def test_parts_are_parts_of_the_same_kind() -> None:
    (item,) = items(
        user(
            [
                {"type": "text", "text": "See."},
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
            ]
        )
    )
    text, image, audio, file = item["content"]
    assert text == {"type": "input_text", "text": "See."}
    assert (image["image_url"], image["detail"]) == (PIXEL, "low")
    assert audio == {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    assert (file["file_data"], file["filename"]) == ("data:application/pdf;base64,AAAA", "a.pdf")


def test_an_assistant_message_is_its_reasoning_its_words_and_its_calls() -> None:
    told = calling(a_call(), a_freeform_call(), content="Let me see.", reasoning_content="Hm.")
    reasoning, words, function, freeform, *_ = items(user("Hi"), told, result(), result("k1"))[1:]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Hm."}]
    assert (words["role"], words["content"]) == ("assistant", "Let me see.")
    assert (function["type"], function["call_id"], function["arguments"]) == ("function_call", "c1", "{}")
    assert (freeform["type"], freeform["call_id"], freeform["input"]) == ("custom_tool_call", "k1", "***")


def test_an_empty_text_beside_calls_is_no_message() -> None:
    empty: list[Any] = ["", None, []]
    for content in empty:
        kinds = [item["type"] for item in items(user("Hi"), calling(a_call(), content=content), result())]
        assert kinds == ["message", "function_call", "function_call_output"]


def test_a_refusal_goes_on_as_one() -> None:
    for given in ({"content": None, "refusal": "No."}, {"content": [{"type": "refusal", "refusal": "No."}]}):
        (_, item) = items(user("Hi"), {"role": "assistant", **given})
        assert item["content"] == [{"type": "refusal", "refusal": "No."}]


def test_a_result_answers_the_kind_of_call_that_was_made() -> None:
    told = items(user("Hi"), calling(a_call(), a_freeform_call()), result("c1"), result("k1"))
    assert [item["type"] for item in told[-2:]] == ["function_call_output", "custom_tool_call_output"]


def test_a_result_may_hold_images() -> None:
    parts = [{"type": "text", "text": "a map"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    output = items(user("Hi"), calling(a_call()), result("c1", parts))[-1]["output"]
    assert [part["type"] for part in output] == ["input_text", "input_image"]


def test_what_this_server_said_can_be_sent_back_as_it_was() -> None:
    answer: Json = {
        "role": "assistant",
        "content": "Hello.",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": None,
        "reasoning_content": "Hm.",
    }
    reading, notes = read(user("Hi"), answer, user("Go on."))
    assert len(reading.items) == 4
    assert notes == []


def test_keys_that_a_message_does_not_have_are_left_out_with_a_note() -> None:
    call = {**a_call(), "function": {"name": "look", "arguments": "{}", "parsed_arguments": None}}
    _, notes = read(user("Hi", mood="good"), calling(call, parsed=None), result())
    assert sorted(notes) == [
        "messages[0].mood left out",
        "messages[1].parsed left out",
        "messages[1].tool_calls[0].function.parsed_arguments left out",
    ]


def test_a_message_with_very_many_unknown_keys_is_refused() -> None:
    error = refused(user("Hi", **{f"key{number}": 1 for number in range(MOST_UNKNOWN + 1)}))
    assert error.code == "unknown_parameter"
    assert error.param == f"messages[0].key{MOST_UNKNOWN}"


def test_names_of_speakers_are_left_out_with_a_note() -> None:
    assert read(user("Hi", name="ada"))[1] == ["messages[0].name left out"]


# -- options --------------------------------------------------------------------------------------------------


def test_nothing_is_stored() -> None:
    assert request().store is False
    notes = read(store=True, metadata={"a": "b"})[1]
    assert notes == ["metadata left out", "store left out: chat completions are not stored"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.5),
        ("top_p", 0.5),
        ("presence_penalty", 1.0),
        ("frequency_penalty", -1.0),
        ("parallel_tool_calls", False),
        ("user", "u"),
        ("safety_identifier", "s"),
        ("prompt_cache_key", "k"),
        ("prompt_cache_retention", "24h"),
        ("prompt_cache_options", {"mode": "implicit"}),
        ("service_tier", "flex"),
        ("stream", True),
    ],
)
def test_options_of_the_same_name_go_on(name: str, value: Any) -> None:
    assert getattr(request(**{name: value}), name) == value


@pytest.mark.parametrize("given", [{"max_tokens": 1}, {"max_completion_tokens": 1}])
def test_either_limit_is_the_limit_of_output(given: Json) -> None:
    assert request(**given).max_output_tokens == 1


def test_the_newer_limit_counts_when_both_are_given() -> None:
    assert request(max_tokens=9, max_completion_tokens=7).max_output_tokens == 7


def test_effort_and_verbosity_have_their_places() -> None:
    told = request(reasoning_effort="low", verbosity="high")
    assert told.reasoning is not None
    assert told.text is not None
    assert (told.reasoning.effort, told.reasoning.summary, told.text.verbosity) == ("low", None, "high")


def test_log_probabilities_are_asked_for() -> None:
    told = request(logprobs=True, top_logprobs=3)
    assert (told.include, told.top_logprobs) == (["message.output_text.logprobs"], 3)
    assert request(logprobs=False).include is None
    assert refused(top_logprobs=3).param == "top_logprobs"


def test_a_schema_is_the_format_of_the_text() -> None:
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"}
    told = request(response_format={"type": "json_schema", "json_schema": schema}).text
    assert told is not None
    assert msgspec.to_builtins(told.format) == {"type": "json_schema", **schema}
    told = request(response_format={"type": "json_object"}).text
    assert told is not None
    assert msgspec.to_builtins(told.format) == {"type": "json_object"}


def test_tools_stand_flat() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}
    custom = {"type": "custom", "custom": {"name": "patch", "description": "d", "format": grammar}}
    reading, _ = read(tools=[a_function(strict=True), custom])
    function, freeform = (msgspec.json.decode(raw) for raw in reading.tools)
    assert function == {
        "type": "function",
        "name": "look",
        "description": None,
        "parameters": {"type": "object"},
        "strict": True,
    }
    assert freeform["format"] == {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}


def test_a_choice_among_tools_stands_flat() -> None:
    one = {"type": "function", "function": {"name": "look"}}
    other = {"type": "custom", "custom": {"name": "patch"}}
    assert request(tools=[a_function()], tool_choice=one).tool_choice == FunctionChoice(name="look")
    assert request(tools=[a_function()], tool_choice=other).tool_choice == CustomChoice(name="patch")
    some = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [one, other]}}
    told = request(tools=[a_function()], tool_choice=some).tool_choice
    assert isinstance(told, AllowedTools)
    assert [(tool.type, tool.name) for tool in told.tools] == [("function", "look"), ("custom", "patch")]
    for mode in ("none", "auto", "required"):
        assert request(tools=[a_function()], tool_choice=mode).tool_choice == mode
        assert request(tool_choice=mode).tool_choice == (mode if mode == "required" else None)


def test_hints_without_a_counterpart_are_left_out_with_a_note() -> None:
    notes = read(seed=7, prediction={"type": "content", "content": "x"})[1]
    assert notes == ["seed left out", "prediction left out"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stop", "END"),
        ("stop", ["END"]),
        ("logit_bias", {"50256": -100}),
        ("n", 2),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("functions", [{"name": "f"}]),
        ("function_call", {"name": "f"}),
        ("moderation", {"model": "m"}),
        ("web_search_options", {"search_context_size": "low"}),
    ],
)
def test_what_would_change_the_answer_and_cannot_be_had_is_refused(name: str, value: Any) -> None:
    error = refused(**{name: value})
    assert isinstance(error, Unsupported)
    assert (error.param, error.code) == (name, "unsupported_parameter")


@pytest.mark.parametrize(
    ("name", "value"), [("stop", None), ("stop", []), ("logit_bias", {}), ("n", 1), ("modalities", ["text"])]
)
def test_what_asks_for_nothing_is_no_request(name: str, value: Any) -> None:
    assert read(**{name: value})[1] == []


# -- errors in the client's terms -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ("x", "invalid_type", "messages[1]"),
        ({"content": "x"}, "missing_required_parameter", "messages[1].role"),
        ({"role": "robot", "content": "x"}, "invalid_value", "messages[1].role"),
        ({"role": "user"}, "missing_required_parameter", "messages[1].content"),
        (user(7), "invalid_type", "messages[1].content"),
        (user([{"type": "smell"}]), "invalid_value", "messages[1].content[0].type"),
        (user([{"type": "text", "text": 1}]), "invalid_type", "messages[1].content[0].text"),
        (user([{"type": "image_url"}]), "missing_required_parameter", "messages[1].content[0].image_url"),
        ({"role": "assistant", "content": None}, "missing_required_parameter", "messages[1].content"),
        ({"role": "assistant", "content": "x", "audio": {"id": "a"}}, "unsupported_parameter", "messages[1].audio"),
        (
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
            "unsupported_parameter",
            "messages[1].function_call",
        ),
        (
            calling({"type": "function", "function": {"name": "f", "arguments": "{}"}}),
            "missing_required_parameter",
            "messages[1].tool_calls[0].id",
        ),
        ({"role": "tool", "content": "x"}, "missing_required_parameter", "messages[1].tool_call_id"),
    ],
    ids=repr,
)
def test_a_bad_message_is_refused_with_its_path(given: Any, code: str, param: str) -> None:
    error = refused(user("Hi"), given)
    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "hammer"}, "tools[0].type"),
        ({"type": "function", "name": "f"}, "tools[0].function"),
        ({"type": "function", "function": {}}, "tools[0].function.name"),
        ("x", "tools[0]"),
    ],
)
def test_a_bad_tool_is_refused_with_its_path(tool: Any, param: str) -> None:
    assert refused(tools=[tool]).param == param


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (None, None),
        ("model", "model"),
        ("input", "messages"),
        ("input[0]", "messages[0]"),
        ("input[0].content", "messages[0].content"),
        ("input[0].content[1]", "messages[0].content[1]"),
        ("input[0].content[1].image_url", "messages[0].content[1].image_url.url"),
        ("input[0].content[1].whatever", "messages[0].content[1]"),
        ("input[0].content[9]", "messages[0].content"),
        ("input[1].content[0].text", "messages[1].reasoning_content"),
        ("input[2].content", "messages[1].content"),
        ("input[3].arguments", "messages[1].tool_calls[0].function.arguments"),
        ("input[4].call_id", "messages[1].tool_calls[1].id"),
        ("input[5].call_id", "messages[2].tool_call_id"),
        ("input[5].output", "messages[2].content"),
        ("input[6].output[0]", "messages[3].content[0]"),
        ("input[99]", "messages"),
        ("tools[0].name", "tools[0].function.name"),
        ("tools[0]", "tools[0]"),
        ("tools[1].format.definition", "tools[1].custom.format"),
        ("max_output_tokens", "max_completion_tokens"),
        ("text.format", "response_format"),
        ("text.format.schema.properties", "response_format.json_schema.schema"),
        ("text.verbosity", "verbosity"),
        ("reasoning.effort", "reasoning_effort"),
        ("include", "logprobs"),
        ("include[0]", "logprobs"),
        ("temperature", "temperature"),
        ("messages[3].role", "messages[3].role"),
    ],
)
def test_a_path_of_ours_is_the_clients_own(ours: str | None, theirs: str | None) -> None:
    parts = [{"type": "text", "text": "See."}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    reading, _ = read(
        user(parts),
        calling(a_call(), a_freeform_call(), content="Let me see.", reasoning_content="Hm."),
        result("c1"),
        result("k1", [{"type": "text", "text": "o"}]),
        tools=[a_function(), {"type": "custom", "custom": {"name": "patch"}}],
        max_completion_tokens=20,
    )
    assert reading.path(ours) == theirs


def test_the_limit_is_called_as_the_client_called_it() -> None:
    assert read(max_tokens=20)[0].path("max_output_tokens") == "max_tokens"


def test_an_error_is_told_in_the_clients_terms() -> None:
    reading, _ = read(user([{"type": "text", "text": "x"}]))
    told = reading.blame(BadRequest("Invalid 'input[0].content[0].text': too long.", param="input[0].content[0].text"))
    assert (told.param, told.message) == (
        "messages[0].content[0].text",
        "Invalid 'messages[0].content[0].text': too long.",
    )


def test_a_model_that_is_not_there_is_not_found() -> None:
    told = read()[0].blame(BadRequest("no such model", code="model_not_found", param="model"))
    assert isinstance(told, NotFound)
    assert (told.http_status, told.code, told.param) == (404, "model_not_found", "model")
