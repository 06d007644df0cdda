"""Requests of Messages in our terms, and errors about them in theirs."""

from typing import Any

import msgspec
import pytest

from antiphon.dialects import messages
from antiphon.dialects.messages import MessagesRequest, refusal
from antiphon.dialects.reading import Reading
from antiphon.errors import (
    AntiphonError,
    BadRequest,
    Fault,
    LimitReached,
    NotFound,
    ProviderBroke,
    ProviderBusy,
    ProviderRefused,
    Stopping,
    TooLarge,
    Unauthorized,
    Unsupported,
)
from antiphon.types.responses import CreateResponse, ReasoningOptions
from antiphon.types.tools import FunctionChoice

Json = dict[str, Any]
PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def read(*given: Json, **fields: Any) -> tuple[Reading, list[str]]:
    """A request read, and the notes about it."""
    body = {"model": "m", "max_tokens": 4096, "messages": list(given) or [user("Hi")], **fields}
    notes: list[str] = []
    return messages.read(msgspec.json.decode(msgspec.json.encode(body), type=MessagesRequest), notes), notes


def items(*given: Json, **fields: Any) -> list[Json]:
    return [msgspec.json.decode(raw) for raw in read(*given, **fields)[0].items]


def request(**fields: Any) -> CreateResponse:
    return read(**fields)[0].request


def refused(*given: Json, **fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read(*given, **fields)
    return caught.value


def user(content: Any) -> Json:
    return {"role": "user", "content": content}


def text(said: str, **more: Any) -> Json:
    return {"type": "text", "text": said, **more}


def use(identity: str = "c1", name: str = "look", given: Any = None) -> Json:
    return {"type": "tool_use", "id": identity, "name": name, "input": {} if given is None else given}


def result(identity: str = "c1", content: Any = "sunny", **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": identity, "content": content, **more}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def a_tool(name: str = "look", **more: Any) -> Json:
    return {"name": name, "input_schema": {"type": "object"}, **more}


# -- messages -------------------------------------------------------------------------------------------------


def test_a_text_message_is_a_message() -> None:
    assert items(user("Hi")) == [{"type": "message", "role": "user", "content": "Hi"}]


def test_what_the_system_says_comes_first() -> None:
    first, *_ = items(system="Be kind.")
    assert (first["role"], first["content"]) == ("system", "Be kind.")
    first, *_ = items(system=[text("Be kind."), text("Be brief.")])
    assert [part["text"] for part in first["content"]] == ["Be kind.", "Be brief."]
    *_, late = items(user("Hi"), {"role": "system", "content": "Now be brief."}, user("Go on."))[:2]
    assert late["role"] == "system"


def test_images_are_addresses() -> None:
    blocks = [
        {"type": "image", "source": PIXEL},
        {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
    ]
    (item,) = items(user(blocks))
    assert [part["image_url"] for part in item["content"]] == [
        "data:image/png;base64,iVBORw0KGgo=",
        "https://a.example/b.png",
        None,
    ]
    assert item["content"][2]["file_id"] == "file_1"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
            [{"file_data": "data:application/pdf;base64,AAAA", "filename": "document.pdf"}],
        ),
        ({"type": "url", "url": "https://a.example/b.pdf"}, [{"file_url": "https://a.example/b.pdf"}]),
        ({"type": "file", "file_id": "file_1"}, [{"file_id": "file_1"}]),
        ({"type": "text", "media_type": "text/plain", "data": "Words."}, [{"text": "Words."}]),
        ({"type": "content", "content": "Words."}, [{"text": "Words."}]),
        ({"type": "content", "content": [text("A"), text("B")]}, [{"text": "A"}, {"text": "B"}]),
    ],
    ids=["base64", "url", "file", "text", "content", "content in blocks"],
)
def test_a_document_is_a_file_or_its_text(source: Json, told: list[Json]) -> None:
    (item,) = items(user([{"type": "document", "source": source}]))
    found = [{name: part[name] for name in want} for part, want in zip(item["content"], told, strict=True)]
    assert found == told


def test_what_is_said_about_a_document_comes_before_it() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    about = {"title": "Report", "context": "From May.", "citations": {"enabled": True}}
    reading, notes = read(user([{"type": "document", "source": source, **about}]))
    context, file = msgspec.json.decode(reading.items[0])["content"]
    assert (context["text"], file["filename"]) == ("From May.", "Report")
    assert notes == ["messages[0].content[0].citations left out"]


def test_a_search_result_is_told_as_text() -> None:
    block = {"type": "search_result", "source": "https://a.example", "title": "A", "content": [text("Words.")]}
    (item,) = items(user([block]))
    assert item["content"][0]["text"] == "A\nhttps://a.example\n\nWords."


def test_a_turn_of_the_assistant_keeps_the_order_of_its_blocks() -> None:
    told = assistant(
        {"type": "thinking", "thinking": "Hm.", "signature": "sealed=="},
        {"type": "redacted_thinking", "data": "dark=="},
        text("Let me "),
        text("see."),
        use("c1", given={"a": 1}),
        text("And more."),
        use("c2"),
    )
    _, first, second, words, call, more, other, *_ = items(user("Hi"), told, user([result("c1"), result("c2")]))
    assert first["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert (first["encrypted_content"], second["encrypted_content"]) == ("sealed==", "dark==")
    assert [part["text"] for part in words["content"]] == ["Let me ", "see."]
    assert (call["call_id"], call["arguments"]) == ("c1", '{"a":1}')
    assert (more["content"][0]["text"], other["call_id"]) == ("And more.", "c2")


def test_input_of_a_call_goes_on_byte_for_byte() -> None:
    body = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{"b": 1.0,\n"a":"\\u00e9"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c"}]}]}'  # fmt: skip
    reading = messages.read(msgspec.json.decode(body, type=MessagesRequest), [])
    assert msgspec.json.decode(reading.items[1])["arguments"] == '{"b": 1.0,\n"a":"\\u00e9"}'


def test_a_thinking_block_without_signature_has_no_state() -> None:
    told = assistant({"type": "thinking", "thinking": "Hm.", "signature": ""}, text("Yes."))
    assert "encrypted_content" not in items(user("Hi"), told, user("Go on."))[1]


def test_results_come_before_the_words_of_their_message_and_in_its_order() -> None:
    told = items(user("Hi"), assistant(use("c1"), use("c2")), user([result("c1"), result("c2"), text("So?")]))
    assert [item["type"] for item in told[3:]] == ["function_call_output", "function_call_output", "message"]


def test_a_result_may_hold_images_and_documents() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "Words."}
    content = [text("a"), {"type": "image", "source": PIXEL}, {"type": "document", "source": source}]
    told = items(user("Hi"), assistant(use()), user([result("c1", content)]))[-1]
    assert [part["type"] for part in told["output"]] == ["input_text", "input_image", "input_text"]


def test_a_failure_without_a_word_gets_one() -> None:
    reading, notes = read(user("Hi"), assistant(use()), user([result("c1", None, is_error=True)]))
    assert msgspec.json.decode(reading.items[-1])["output"] == "The tool failed."
    assert notes == ["messages[2].content[0].is_error left out"]
    told = items(user("Hi"), assistant(use()), user([result("c1", "no such city", is_error=True)]))
    assert told[-1]["output"] == "no such city"


def test_an_answer_begun_by_the_client_is_refused() -> None:
    error = refused(user("Hi"), assistant(text("The answer is")))
    assert (error.param, error.code) == ("messages[1]", "unsupported_parameter")


def test_keys_that_a_block_does_not_have_are_left_out_with_a_note() -> None:
    _, notes = read(user([text("Hi", mood="good")]))
    assert notes == ["messages[0].content[0].mood left out"]


# -- options --------------------------------------------------------------------------------------------------


def test_nothing_is_stored_and_state_is_asked_for() -> None:
    told = request()
    assert (told.store, told.include, told.max_output_tokens) == (False, ["reasoning.encrypted_content"], 4096)
    assert told.parallel_tool_calls is True


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, None),
        ({"output_config": {"effort": "max"}}, ReasoningOptions(effort="max")),
        ({"thinking": {"type": "adaptive"}}, ReasoningOptions(summary="auto")),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, ReasoningOptions(summary="auto")),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, ReasoningOptions(summary="auto")),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}},
            ReasoningOptions(effort="low"),
        ),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            ReasoningOptions(effort="low", summary="auto"),
        ),
        ({"thinking": {"type": "disabled"}}, ReasoningOptions(effort="none")),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, ReasoningOptions(effort="none")),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, ReasoningOptions(effort="low", summary="auto")),
        ({"thinking": {"type": "enabled", "budget_tokens": 10_000}}, ReasoningOptions(effort="medium", summary="auto")),
        ({"thinking": {"type": "enabled", "budget_tokens": 32_000}}, ReasoningOptions(effort="high", summary="auto")),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "xhigh"}},
            ReasoningOptions(effort="xhigh", summary="auto"),
        ),
    ],
)
def test_thinking_and_effort_are_reasoning(given: Json, told: ReasoningOptions | None) -> None:
    assert request(max_tokens=64_000, **given).reasoning == told


def test_a_budget_is_told_as_an_effort_with_a_note() -> None:
    notes = read(thinking={"type": "enabled", "budget_tokens": 2048})[1]
    assert notes == ["thinking.budget_tokens told as effort 'low'"]


@pytest.mark.parametrize(
    ("thinking", "param"),
    [
        ({"type": "enabled", "budget_tokens": 4096}, "thinking.budget_tokens"),
        ({"type": "between_tools"}, "thinking"),
    ],
)
def test_thinking_that_cannot_be_had_is_refused(thinking: Json, param: str) -> None:
    assert refused(thinking=thinking).param == param


def test_a_schema_is_the_format_of_the_text() -> None:
    told = request(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}).text
    assert told is not None
    fields = msgspec.to_builtins(told.format)
    assert (fields["type"], fields["schema"]) == ("json_schema", {"type": "object"})


def test_tools_are_functions() -> None:
    reading, _ = read(tools=[a_tool(type="custom", description="d", strict=True, cache_control={"type": "ephemeral"})])
    assert msgspec.json.decode(reading.tools[0]) == {
        "type": "function",
        "name": "look",
        "description": "d",
        "parameters": {"type": "object"},
        "strict": True,
    }


def test_a_choice_among_tools_has_its_counterpart() -> None:
    def chosen(**choice: Any) -> CreateResponse:
        return request(tools=[a_tool()], tool_choice=choice)

    assert chosen(type="auto").tool_choice is None
    assert chosen(type="any").tool_choice == "required"
    assert chosen(type="none").tool_choice == "none"
    assert chosen(type="tool", name="look").tool_choice == FunctionChoice(name="look")
    assert chosen(type="auto", disable_parallel_tool_use=True).parallel_tool_calls is False
    assert chosen(type="auto", disable_parallel_tool_use=False).parallel_tool_calls is True


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "web_search_20250305", "name": "web_search"}, "tools[0]"),
        ({"type": "bash_20250124", "name": "bash"}, "tools[0]"),
        (a_tool(allowed_callers=["code_execution_20260120"]), "tools[0].allowed_callers"),
    ],
)
def test_a_tool_of_the_server_is_refused(tool: Json, param: str) -> None:
    error = refused(tools=[tool])
    assert isinstance(error, Unsupported)
    assert error.param == param


def test_hints_without_a_counterpart_are_left_out_with_a_note() -> None:
    tools = [a_tool(defer_loading=True, eager_input_streaming=True, input_examples=[{}])]
    notes = read(tools=tools, speed="fast", context_management={"edits": []}, diagnostics={})[1]
    assert notes == [
        "context_management left out",
        "diagnostics left out",
        "speed left out",
        "tools[0].defer_loading left out",
        "tools[0].eager_input_streaming left out",
        "tools[0].input_examples left out",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stop_sequences", ["END"]),
        ("top_k", 5),
        ("container", "c"),
        ("mcp_servers", [{"type": "url", "url": "https://a.example", "name": "a"}]),
        ("inference_geo", "us"),
    ],
)
def test_what_would_change_the_answer_and_cannot_be_had_is_refused(name: str, value: Any) -> None:
    error = refused(**{name: value})
    assert isinstance(error, Unsupported)
    assert error.param == name


def test_tiers_and_users_have_their_places() -> None:
    told = request(service_tier="standard_only", metadata={"user_id": "u"})
    assert (told.service_tier, told.user) == ("default", "u")
    assert request(service_tier="auto").service_tier == "auto"


@pytest.mark.parametrize(
    "fields",
    [
        {"cache_control": {"type": "ephemeral"}},
        {"system": [text("Be kind.", cache_control={"type": "ephemeral"})]},
        {"messages": [user([text("Hi", cache_control={"type": "ephemeral"})])]},
        {"tools": [a_tool(cache_control={"type": "ephemeral"})]},
    ],
)
def test_a_wish_to_cache_anything_is_a_cache_key_of_the_user(fields: Json) -> None:
    told = request(metadata={"user_id": "u"}, **fields)
    assert told.prompt_cache_key is not None
    assert told.prompt_cache_key == request(metadata={"user_id": "u"}, **fields).prompt_cache_key
    assert told.prompt_cache_key != request(metadata={"user_id": "v"}, **fields).prompt_cache_key
    assert request(metadata={"user_id": "u"}).prompt_cache_key is None


# -- errors in the client's terms -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ("x", "invalid_type", "messages[1]"),
        ({"role": "robot", "content": "x"}, "invalid_value", "messages[1].role"),
        ({"role": "user"}, "missing_required_parameter", "messages[1].content"),
        (user([{"type": "smell"}]), "invalid_value", "messages[1].content[0].type"),
        (user([{"type": "text"}]), "missing_required_parameter", "messages[1].content[0].text"),
        (user([{"type": "image", "source": {"type": "ether"}}]), "invalid_value", "messages[1].content[0].source.type"),
        (user([use()]), "invalid_value", "messages[1].content[0].type"),
        (assistant(result()), "invalid_value", "messages[1].content[0].type"),
        (assistant(use(given="x")), "invalid_type", "messages[1].content[0].input"),
    ],
    ids=repr,
)
def test_a_bad_message_is_refused_with_its_path(given: Any, code: str, param: str) -> None:
    error = refused(user("Hi"), given)
    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ("x", "tools[0]"),
        ({"name": "f"}, "tools[0].input_schema"),
        ({"name": "f", "input_schema": "x"}, "tools[0].input_schema"),
        ({"name": "", "input_schema": {}}, "tools[0].name"),
        ({"type": 7}, "tools[0].type"),
    ],
)
def test_a_bad_tool_is_refused_with_its_path(tool: Any, param: str) -> None:
    assert refused(tools=[tool]).param == param


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("input", "messages"),
        ("input[0]", "system"),
        ("input[0].content[1]", "system[1]"),
        ("input[1].content[0]", "messages[0].content[0]"),
        ("input[1].content[1].image_url", "messages[0].content[1].source"),
        ("input[2].encrypted_content", "messages[1].content[0].signature"),
        ("input[3].content[0].text", "messages[1].content[1].text"),
        ("input[4].arguments", "messages[1].content[2].input"),
        ("input[5].call_id", "messages[2].content[0].tool_use_id"),
        ("input[5].output[0]", "messages[2].content[0].content[0]"),
        ("input[6].content[0]", "messages[2].content[1]"),
        ("tools[0].parameters", "tools[0].input_schema"),
        ("max_output_tokens", "max_tokens"),
        ("text.format.schema", "output_config.format.schema"),
        ("reasoning.effort", "thinking"),
        ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
        ("temperature", "temperature"),
    ],
)
def test_a_path_of_ours_is_the_clients_own(ours: str, theirs: str) -> None:
    reading, _ = read(
        user([text("See."), {"type": "image", "source": PIXEL}]),
        assistant({"type": "thinking", "thinking": "Hm.", "signature": "s"}, text("Let me see."), use()),
        user([result("c1", [text("o")]), text("So?")]),
        system=[text("Be kind."), text("Be brief.")],
        tools=[a_tool()],
    )
    assert reading.path(ours) == theirs


def test_an_effort_is_blamed_where_it_stood() -> None:
    assert read(output_config={"effort": "low"})[0].path("reasoning.effort") == "output_config.effort"


ERRORS: list[tuple[AntiphonError, int, str]] = [
    (BadRequest("no"), 400, "invalid_request_error"),
    (Unauthorized(), 401, "authentication_error"),
    (ProviderRefused("no", upstream_status=402), 402, "billing_error"),
    (ProviderRefused("no", upstream_status=403), 403, "permission_error"),
    (NotFound("no"), 404, "not_found_error"),
    (ProviderRefused("no", upstream_status=409), 409, "conflict_error"),
    (TooLarge("no"), 413, "request_too_large"),
    (ProviderRefused("no", upstream_status=422), 422, "invalid_request_error"),
    (LimitReached("wait"), 429, "rate_limit_error"),
    (ProviderBusy("wait", upstream_status=429), 429, "rate_limit_error"),
    (Fault("oh"), 500, "api_error"),
    (ProviderBroke("gone"), 502, "api_error"),
    (Stopping(), 503, "api_error"),
    (ProviderBusy("full", upstream_status=529), 529, "overloaded_error"),
    (ProviderBusy("overloaded", upstream_status=503), 529, "overloaded_error"),
]


@pytest.mark.parametrize(("error", "status", "kind"), ERRORS, ids=repr)
def test_an_error_has_the_status_and_the_type_of_messages(error: AntiphonError, status: int, kind: str) -> None:
    told, body = refusal(error, "req_1")
    assert told == status
    assert msgspec.json.decode(body) == {
        "type": "error",
        "error": {"type": kind, "message": error.message},
        "request_id": "req_1",
    }


def test_an_error_names_its_place_in_the_message() -> None:
    said = msgspec.json.decode(refusal(Unsupported("Not available.", param="top_k"), "r")[1])["error"]["message"]
    assert said == "top_k: Not available."
    said = msgspec.json.decode(refusal(BadRequest("Invalid 'top_k'.", param="top_k"), "r")[1])["error"]["message"]
    assert said == "Invalid 'top_k'."
