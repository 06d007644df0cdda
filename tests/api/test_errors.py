"""Every refusal of a request: status, code, param, in the words and the order of the API."""

import asyncio
import re
from typing import Any

import pytest

from antiphon.testing.serving import plain_settings, running
from antiphon.testing.upstream import ScriptedUpstream, chat_stream
from tests.api.calling import CHAT, Api, Json, call, function, output, user
from tests.api.conftest import providers

SCHEMA = {"type": "object", "properties": {}}
Case = tuple[str, Json, int, str | None, str | None]
BAD: list[Case] = [
    # what is missing
    ("no model", {"model": ...}, 400, "missing_required_parameter", "model"),
    ("no input", {"input": ...}, 400, "missing_required_parameter", "input"),
    ("neither model nor input: the model is told", {"model": ..., "input": ...}, 400, "missing_required_parameter", "model"),
    ("empty input", {"input": []}, 400, "missing_required_parameter", None),
    ("empty text", {"input": ""}, 400, "missing_required_parameter", None),
    ("null input", {"input": None}, 400, "missing_required_parameter", "input"),
    ("a schema format without name", {"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}, 400, "missing_required_parameter", "text.format.name"),
    ("a schema format without schema", {"text": {"format": {"type": "json_schema", "name": "x"}}}, 400, "missing_required_parameter", "text.format.schema"),
    ("a tool shaped as in chat", {"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "missing_required_parameter", "tools[0].name"),
    ("an unknown key without a name", {"reasoning": {"": 1}}, 400, "unknown_parameter", "reasoning."),
    ("an unknown key with a backquote", {"reasoning": {"a`b": 1}}, 400, "unknown_parameter", "reasoning.a`b"),
    ("a grammar without definition", {"tools": [{"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark"}}]}, 400, "missing_required_parameter", "tools[0].format.definition"),
    ("a format that is a string", {"tools": [{"type": "custom", "name": "c", "format": "text"}]}, 400, "invalid_type", "tools[0].format"),
    ("an additional tool that is a string", {"input": [{"type": "additional_tools", "tools": ["x"]}]}, 400, "invalid_type", "input[0].tools[0]"),
    ("an allowed tool of no type", {"tools": [function()], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "hammer"}]}}, 400, "invalid_value", "tool_choice.tools[0].type"),
    ("a second tool without name", {"tools": [function(), {"type": "custom"}]}, 400, "missing_required_parameter", "tools[1].name"),
    ("a message without content", {"input": [{"role": "user"}]}, 400, "missing_required_parameter", "input[0].content"),
    ("a message without role", {"input": [{"type": "message", "content": "x"}]}, 400, "missing_required_parameter", "input[0].role"),
    ("a call without name", {"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, 400, "missing_required_parameter", "input[0].name"),
    ("an output without call_id", {"input": [{"type": "function_call_output", "output": "x"}]}, 400, "missing_required_parameter", "input[0].call_id"),
    ("a prompt without id", {"prompt": {}}, 400, "missing_required_parameter", "prompt.id"),
    ("a conversation without id", {"conversation": {}}, 400, "missing_required_parameter", "conversation.id"),
    # what is unknown
    ("an unknown key", {"frobnicate": 1}, 400, "unknown_parameter", "frobnicate"),
    ("an unknown key deeper down", {"text": {"shape": "x"}}, 400, "unknown_parameter", "text.shape"),
    ("an unknown key of reasoning", {"reasoning": {"depth": 3}}, 400, "unknown_parameter", "reasoning.depth"),
    ("messages", {"input": ..., "messages": [user("Hi")]}, 400, "unsupported_parameter", None),
    # wrong types
    ("model is a number", {"model": 7}, 400, "invalid_type", "model"),
    ("input is a number", {"input": 7}, 400, "invalid_type", "input"),
    ("stream is a string", {"stream": "yes"}, 400, "invalid_type", "stream"),
    ("temperature is a string", {"temperature": "hot"}, 400, "invalid_type", "temperature"),
    ("max_output_tokens is a float", {"max_output_tokens": 16.5}, 400, "invalid_type", "max_output_tokens"),
    ("metadata is a list", {"metadata": []}, 400, "invalid_type", "metadata"),
    ("a metadata value is a number", {"metadata": {"a": 1}}, 400, "invalid_type", "metadata"),
    ("an item is a string", {"input": ["x"]}, 400, "invalid_type", "input[0]"),
    ("a part is a string", {"input": [{"role": "user", "content": ["x"]}]}, 400, "invalid_type", "input[0].content[0]"),
    ("a part's text is a number", {"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}, 400, "invalid_type", "input[0].content[0].text"),
    ("arguments are an object", {"input": [call("c", arguments={})]}, 400, "invalid_type", "input[0].arguments"),  # type: ignore[arg-type] # the point
    ("a tool is a string", {"tools": ["x"]}, 400, "invalid_type", "tools[0]"),
    ("parameters are a string", {"tools": [function(parameters="x")]}, 400, "invalid_type", "tools[0].parameters"),
    ("include is a string", {"include": "x"}, 400, "invalid_type", "include"),
    # values that the API doesn't have
    ("truncation", {"truncation": "middle"}, 400, "invalid_value", "truncation"),
    ("a role", {"input": [{"role": "robot", "content": "x"}]}, 400, "invalid_value", "input[0]"),
    ("an item type", {"input": [{"type": "telepathy"}]}, 400, "invalid_value", "input[0]"),
    ("a part type", {"input": [{"role": "user", "content": [{"type": "smell"}]}]}, 400, "invalid_value", "input[0].content[0].type"),
    ("a part type of chat", {"input": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "invalid_value", "input[0].content[0].type"),
    ("include", {"include": ["everything"]}, 400, "invalid_value", "include[0]"),
    ("effort", {"reasoning": {"effort": "heroic"}}, 400, "invalid_value", "reasoning.effort"),
    ("verbosity", {"text": {"verbosity": "chatty"}}, 400, "invalid_value", "text.verbosity"),
    ("format type", {"text": {"format": {"type": "yaml"}}}, 400, "invalid_value", "text.format.type"),
    ("service_tier", {"service_tier": "gold"}, 400, "invalid_value", "service_tier"),
    ("tool type", {"tools": [{"type": "hammer"}]}, 400, "invalid_value", "tools[0].type"),
    ("tool_choice", {"tool_choice": "maybe"}, 400, "invalid_value", "tool_choice"),
    ("an item's status", {"input": [call("c", status="lost"), output("c")]}, 400, "invalid_value", "input[0].status"),
    # out of range
    ("max_output_tokens 15", {"max_output_tokens": 15}, 400, "integer_below_min_value", "max_output_tokens"),
    ("max_tool_calls 0", {"max_tool_calls": 0}, 400, "integer_below_min_value", "max_tool_calls"),
    ("top_logprobs 21", {"top_logprobs": 21}, 400, "integer_above_max_value", "top_logprobs"),
    ("temperature 2.1", {"temperature": 2.1}, 400, "decimal_above_max_value", "temperature"),
    ("temperature -1", {"temperature": -1}, 400, "decimal_below_min_value", "temperature"),
    ("top_p 1.5", {"top_p": 1.5}, 400, "decimal_above_max_value", "top_p"),
    ("17 metadata keys", {"metadata": {str(number): "x" for number in range(17)}}, 400, "object_above_max_properties", "metadata"),
    ("a metadata key of 65 characters", {"metadata": {"k" * 65: "x"}}, 400, "string_above_max_length", "metadata"),
    ("a metadata value of 513 characters", {"metadata": {"k": "x" * 513}}, 400, "string_above_max_length", "metadata"),
    ("safety_identifier of 129 characters", {"safety_identifier": "x" * 129}, 400, "string_above_max_length", "safety_identifier"),
    ("an empty call_id", {"input": [output("")]}, 400, "string_below_min_length", "input[0].call_id"),
    # what doesn't go together
    ("conversation and previous_response_id", {"conversation": "conv_a", "previous_response_id": "resp_a"}, 400, "mutually_exclusive_parameters", None),
    ("background without store", {"background": True, "store": False}, 400, "unsupported_parameter", "background"),
    ("an output without its call", {"input": [output("call_9")]}, 400, None, "input"),
    ("a call left unanswered", {"input": [user("Hi"), call("call_9")]}, 400, None, "input"),
    ("tool_choice without tools", {"tool_choice": "required"}, 400, None, "tool_choice"),
    ("tool_choice of a tool that isn't there", {"tools": [function()], "tool_choice": {"type": "function", "name": "f"}}, 400, None, "tool_choice"),
    # state and models that aren't there
    ("an unknown model", {"model": "nobody-has-this"}, 400, "model_not_found", "model"),
    ("an empty model", {"model": ""}, 400, "model_not_found", "model"),
    ("an unknown previous_response_id", {"previous_response_id": "resp_0"}, 400, "previous_response_not_found", "previous_response_id"),
    ("an unknown conversation", {"conversation": "conv_" + "0" * 43}, 404, None, None),
    ("an unknown prompt", {"prompt": {"id": "pmpt_0"}}, 404, None, None),
    ("an unknown item", {"input": [{"type": "item_reference", "id": "msg_0"}]}, 404, None, "input[0].id"),
    ("an unknown item, the type left out", {"input": [user("a"), {"id": "msg_0"}]}, 404, None, "input[1].id"),
    # what the model's provider can't do
    ("moderation", {"moderation": {"model": "m"}}, 400, "unsupported_parameter", "moderation"),
    ("context_management", {"context_management": [{"type": "compaction"}]}, 400, "unsupported_parameter", "context_management"),
    ("a hosted tool", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, 400, "unsupported_parameter", "tools[0]"),
    ("a file by id", {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]}]}, 400, "unsupported_parameter", "input[0].content[0].file_id"),
]  # fmt: skip


def _id(value: object) -> str:
    return re.sub(r"\W+", "_", value) if isinstance(value, str) else ""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", BAD, ids=[_id(row[0]) for row in BAD])
async def test_a_bad_request_is_refused_with_its_code_and_param(
    api: Api, upstream: ScriptedUpstream, case: Case, stream: bool
) -> None:
    _, fields, status, code, param = case
    reply = await api.try_create(**{"stream": stream, **fields})
    reply.refused(status, code, param)
    assert upstream.received == []


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("stroe", "store"), ("previous_response", "previous_response_id"), ("temprature", "temperature")],
)
async def test_a_near_miss_of_a_parameter_is_suggested(api: Api, sent: str, meant: str) -> None:
    message = (await api.try_create(**{sent: True})).refused(400, "unknown_parameter", sent)
    assert message == f"Unknown parameter: '{sent}'. Did you mean '{meant}'?"


async def test_a_parameter_that_is_like_no_other_gets_no_suggestion(api: Api) -> None:
    message = (await api.try_create(frobnicate=1)).refused(400, "unknown_parameter", "frobnicate")
    assert message == "Unknown parameter: 'frobnicate'."


async def test_an_output_without_its_call_is_told_in_the_api_s_words(api: Api) -> None:
    message = (await api.try_create(input=[output("call_9")])).refused(400, None, "input")
    assert message == "No tool call found for function call output with call_id call_9."


async def test_a_call_left_unanswered_is_told_in_the_api_s_words(api: Api) -> None:
    message = (await api.try_create(input=[call("call_9")])).refused(400, None, "input")
    assert message == "No tool output found for function call call_9."


ORDER: list[tuple[str, Json, tuple[str | None, str | None]]] = [
    ("missing model", {"model": ...}, ("missing_required_parameter", "model")),
    ("missing input", {"input": ...}, ("missing_required_parameter", "input")),
    ("unknown key", {"frobnicate": 1}, ("unknown_parameter", "frobnicate")),
    ("schema", {"truncation": "middle"}, ("invalid_value", "truncation")),
    ("state", {"previous_response_id": "resp_0"}, ("previous_response_not_found", "previous_response_id")),
    ("capability", {"moderation": {"model": "m"}}, ("unsupported_parameter", "moderation")),
]


@pytest.mark.parametrize("first", range(len(ORDER) - 1))
async def test_checks_come_in_the_order_that_was_measured(api: Api, first: int) -> None:
    """Missing model, missing input, unknown keys, schema, state on the server, what the model can do."""
    faults: Json = {}
    for _, fields, _ in reversed(ORDER[first:]):
        faults |= fields
    if first < 2:
        faults.pop("previous_response_id")  # input may be left out where there is state
    (await api.try_create(**faults)).refused(400, *ORDER[first][2])


async def test_schema_faults_come_in_the_order_of_the_fields_not_of_the_body(api: Api) -> None:
    for body in ({"truncation": "x", "temperature": "y"}, {"temperature": "y", "truncation": "x"}):
        (await api.try_create(**body)).refused(400, "invalid_type", "temperature")


async def test_input_may_be_left_out_where_there_is_state(api: Api) -> None:
    first = await api.create()
    await api.create(input=..., previous_response_id=first["id"])
    await api.create(input=..., conversation=await api.converse(user("Hi")))


async def test_null_means_the_default_everywhere(api: Api) -> None:
    names = "instructions previous_response_id conversation store background stream tools tool_choice text reasoning"
    names += " parallel_tool_calls max_tool_calls include metadata temperature top_p top_logprobs max_output_tokens"
    names += " truncation user safety_identifier prompt_cache_key service_tier prompt moderation stream_options"
    plain, nulls = await api.create(), await api.create(**dict.fromkeys(names.split()))
    for name in ("id", "created_at", "completed_at", "output"):
        plain.pop(name), nulls.pop(name)
    assert plain == nulls


async def test_client_metadata_of_codex_is_accepted_and_goes_nowhere(api: Api, upstream: ScriptedUpstream) -> None:
    response = await api.create(client_metadata={"x-codex-turn": "1"})
    assert "client_metadata" not in response
    assert b"codex" not in upstream.last.body


async def test_unknown_parameters_are_dropped_with_a_note_where_the_settings_say_so(
    api: Api, upstream: ScriptedUpstream
) -> None:
    base = upstream.base_url
    async with running(plain_settings(providers=providers(base), unknown_parameters="ignore")) as server:
        other = Api(server, api._session)
        reply = await other.try_create(frobnicate=1, text={"shape": "x", "verbosity": "low"}, tools=[function()])
        assert reply.status == 200
        assert "unknown parameter 'frobnicate' ignored" in reply.notes
        assert "unknown parameter 'text.shape' ignored" in reply.notes
        assert "frobnicate" in reply.json["metadata"]["antiphon-notes"]
        (await other.try_create(frobnicate=1, truncation="middle")).refused(400, "invalid_value", "truncation")
        (await other.try_create(frobnicate=1, model=...)).refused(400, "missing_required_parameter", "model")
        odd = await other.try_create(text={"a.b": 1, "": 2, "verbosity.c`d": [3]})
        assert odd.status == 200, "keys with dots and quotes are dropped as any other"
        assert "unknown parameter 'text.a.b' ignored" in odd.notes


# -- outside of create ----------------------------------------------------------------------------------------

MISSING_RESPONSE = [
    ("GET", "/responses/resp_0"),
    ("DELETE", "/responses/resp_0"),
    ("POST", "/responses/resp_0/cancel"),
    ("GET", "/responses/resp_0/input_items"),
]


@pytest.mark.parametrize(("method", "path"), MISSING_RESPONSE)
async def test_an_unknown_response_is_404_everywhere(api: Api, method: str, path: str) -> None:
    message = (await api.request(method, path)).refused(404, None, None)
    assert message == "Response with id 'resp_0' not found."


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=-1"])
async def test_a_page_has_one_to_a_hundred_entries(api: Api, query: str) -> None:
    response = await api.create()
    conversation = await api.converse(user("Hi"))
    code = "integer_above_max_value" if "101" in query else "integer_below_min_value"
    for path in (f"/responses/{response['id']}/input_items", f"/conversations/{conversation}/items", "/responses"):
        (await api.get(f"{path}?{query}")).refused(400, code, "limit")


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [("limit=many", "invalid_type", "limit"), ("order=up", "invalid_value", "order"), ("include=x", "invalid_value", "include[0]")],
)  # fmt: skip
async def test_a_bad_query_is_refused_with_its_param(api: Api, query: str, code: str, param: str) -> None:
    response = await api.create()
    (await api.get(f"/responses/{response['id']}/input_items?{query}")).refused(400, code, param)


@pytest.mark.parametrize("items", [0, 21])
async def test_a_conversation_takes_one_to_twenty_items_at_a_time(api: Api, items: int) -> None:
    conversation = await api.converse()
    given = [user(str(number)) for number in range(items)]
    code = "array_above_max_length" if items else "array_below_min_length"
    (await api.post(f"/conversations/{conversation}/items", {"items": given})).refused(400, code, "items")
    assert await api.conversation_items(conversation) == []


async def test_a_conversation_begins_with_at_most_twenty_items(api: Api) -> None:
    given = [user(str(number)) for number in range(21)]
    (await api.post("/conversations", {"items": given})).refused(400, "array_above_max_length", "items")


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        ("/conversations", {"title": "x"}, "unknown_parameter", "title"),
        ("/conversations", {"metadata": {"a": 1}}, "invalid_type", "metadata"),
        ("/conversations", {"items": [{"type": "telepathy"}]}, "invalid_value", "items[0]"),
        ("/conversations", {"items": [{"role": "robot", "content": "x"}]}, "invalid_value", "items[0]"),
        ("/conversations/ID", {}, "missing_required_parameter", "metadata"),
        ("/conversations/ID/items", {}, "missing_required_parameter", "items"),
        ("/conversations/ID/items", {"items": [{"role": "user"}]}, "missing_required_parameter", "items[0].content"),
        ("/responses/input_tokens", {"input": 3}, "invalid_type", "input"),
        ("/responses/input_tokens", {"inptu": "x"}, "unknown_parameter", "inptu"),
    ],
)
async def test_every_body_is_checked_the_same_way(api: Api, path: str, body: Json, code: str, param: str) -> None:
    path = path.replace("ID", await api.converse())
    (await api.post(path, body)).refused(400, code, param)


async def test_a_stream_of_a_stored_response_is_refused_while_there_is_no_resuming(api: Api) -> None:
    response = await api.create()
    (await api.get(f"/responses/{response['id']}?stream=true")).refused(400, "unsupported_parameter", "stream")


# -- ids and shapes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("POST", "/v1/responses/", 404, "unknown_url"),
        ("POST", "/v1/completions", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("PUT", "/v1/responses", 405, "method_not_allowed"),
        ("PATCH", "/v1/conversations/conv_1", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
    ],
)
async def test_an_unknown_path_or_method_has_the_same_body(
    api: Api, method: str, path: str, status: int, code: str
) -> None:
    (await api.request(method, path)).refused(status, code, None)


async def test_every_answer_has_a_request_id_of_its_own(api: Api, upstream: ScriptedUpstream) -> None:
    made = await api.try_create()
    replies = [made, await api.get(f"/responses/{made.json['id']}"), await api.get("/models"), await api.get("/x")]
    replies += [await api.try_create(truncation="x"), await api.other("wrong").get("/models")]
    replies += [await api.request("PUT", "/responses"), await api.other("").request("GET", "/v1/../livez")]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert all(re.fullmatch(r"req_[0-9a-f]{24}", each) for each in ids)
    assert len(set(ids)) == len(ids)
    upstream.will(chat_stream("x"))
    stream = await api.stream()
    assert stream.headers["x-request-id"].startswith("req_")


async def test_many_bad_requests_at_once_leave_the_server_well(api: Api) -> None:
    replies = await asyncio.gather(*(api.try_create(truncation="x", stream=bool(number % 2)) for number in range(50)))
    assert {reply.status for reply in replies} == {400}
    await api.create()


async def test_an_error_of_a_model_s_name_shows_the_name(api: Api) -> None:
    assert "'gpt-nope'" in (await api.try_create(model="gpt-nope")).refused(400, "model_not_found", "model")


async def test_an_unknown_model_is_404_on_its_own_route(api: Api) -> None:
    (await api.get("/models/gpt-nope")).refused(404, "model_not_found", "model")


@pytest.mark.parametrize("given", [{"id": "conv_" + "0" * 43}, "conv_" + "0" * 43, "x", "conv_a/../b", ""])
async def test_a_conversation_that_can_t_be_is_404(api: Api, given: Any) -> None:
    (await api.try_create(conversation=given, model=CHAT)).refused(404, None, None)
