"""`/v1/messages`: Anthropic's official client, the demo models, providers of both formats, and every error."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
import pytest_asyncio
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from pydantic import BaseModel, TypeAdapter

from antiphon.testing.serving import API_KEY
from antiphon.testing.upstream import (
    Answer,
    Fault,
    ScriptedUpstream,
    chat_call,
    chat_chunk,
    chat_stream,
    chat_whole,
    document,
    refusal,
    responses_item,
    responses_message,
    responses_object,
    responses_stream,
    responses_whole,
    sse,
)
from tests.api.calling import CHAT, RESPONSES, Api, Json, Reply, raw_post

BOTH = pytest.mark.parametrize("model", [CHAT, RESPONSES])
SCHEMA: Json = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"name": "weather", "description": "d", "input_schema": SCHEMA}
HI: Any = [{"role": "user", "content": "Hi"}]
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}
REASONING: Json = {
    "type": "reasoning",
    "id": "rs_up",
    "summary": [{"type": "summary_text", "text": "Hm."}],
    "encrypted_content": "upstreams-own-state==",
}
CALL: Json = {
    "type": "function_call",
    "id": "fc_up",
    "call_id": "c1",
    "name": "weather",
    "arguments": '{"city":"Oslo"}',
}


class City(BaseModel):
    city: str


@pytest_asyncio.fixture(loop_scope="session")
async def client(api: Api) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=api.server.url, api_key=API_KEY, max_retries=0, timeout=10) as client:
        yield client


async def ask(api: Api, *given: Json, **fields: Any) -> Reply:
    """Ask for a message, whatever comes of it."""
    body = {"model": CHAT, "max_tokens": 2048, "messages": list(given) or HI, **fields}
    return await api.post("/messages", {name: value for name, value in body.items() if value is not ...})


async def told(api: Api, *given: Json, **fields: Any) -> Json:
    """A message that the official client's type accepts, strictly."""
    reply = await ask(api, *given, **fields)
    assert reply.status == 200, reply.body
    TypeAdapter(Message).validate_json(reply.body, strict=True)
    return reply.json  # type: ignore[no-any-return] # JSON


async def events(api: Api, *given: Json, **fields: Any) -> list[Json]:
    """The events of a stream; each is one that the official client's type accepts, strictly."""
    reply = await ask(api, *given, stream=True, **fields)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    *blocks, rest = reply.body.decode().split("\n\n")
    assert rest == ""
    found: list[Json] = []
    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    for block in blocks:
        name, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
        if found[-1]["type"] not in {"ping", "error"}:
            adapter.validate_json(data.removeprefix("data: "), strict=True)
    return found


def failed(reply: Reply, status: int, kind: str) -> str:
    """The message of an error in this API's shape."""
    assert reply.status == status, reply.body
    assert reply.json.keys() == {"type", "error", "request_id"}
    assert reply.json["type"] == "error"
    assert reply.json["request_id"] == reply.headers["request-id"] == reply.headers["x-request-id"]
    assert reply.json["error"].keys() == {"type", "message"}
    assert reply.json["error"]["type"] == kind
    return str(reply.json["error"]["message"])


# -- the official client --------------------------------------------------------------------------------------


@BOTH
async def test_create(client: AsyncAnthropic, model: str) -> None:
    message = await client.messages.create(model=model, max_tokens=100, messages=HI)
    (block,) = message.content
    assert block.type == "text"
    assert (block.text, message.stop_reason, message.model) == ("Hello.", "end_turn", model)
    assert message.id.startswith("msg_")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (7, 5)
    assert message._request_id is not None
    assert message._request_id.startswith("req_")


async def test_create_in_sync(api: Api, upstream: ScriptedUpstream) -> None:
    def story() -> None:
        with Anthropic(base_url=api.server.url, api_key=API_KEY, max_retries=0, timeout=10) as client:
            message = client.messages.create(model=CHAT, max_tokens=100, messages=HI)
            assert message.content[0].type == "text"
            with client.messages.stream(model=CHAT, max_tokens=100, messages=HI) as stream:
                assert "".join(stream.text_stream) == "Hello."

    await asyncio.to_thread(story)


@BOTH
async def test_the_stream_helper(client: AsyncAnthropic, model: str) -> None:
    async with client.messages.stream(model=model, max_tokens=100, messages=HI) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_message()
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert final.content[0].type == "text"
    assert final.content[0].text == "Hello."
    assert (final.usage.input_tokens, final.usage.output_tokens, final.stop_reason) == (7, 5, "end_turn")


async def test_a_tool_loop(client: AsyncAnthropic, upstream: ScriptedUpstream) -> None:
    calls = chat_call("weather", '{"city":"Oslo"}'), chat_call("weather", '{"city":"Rome"}', index=1)
    upstream.will(chat_stream("Let me see.", *calls, finish="tool_calls"))
    async with client.messages.stream(model=CHAT, max_tokens=100, messages=HI, tools=[WEATHER]) as stream:
        message = await stream.get_final_message()
    used = [block for block in message.content if block.type == "tool_use"]
    assert [block.input for block in used] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert message.stop_reason == "tool_use"
    results: Any = [{"type": "tool_result", "tool_use_id": block.id, "content": "sunny"} for block in used]
    upstream.will(chat_whole("Sunny."))
    answer = await client.messages.create(
        model=CHAT,
        max_tokens=100,
        messages=[*HI, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}],
        tools=[WEATHER],
    )
    assert answer.content[0].type == "text"
    sent = upstream.last.json["messages"]
    assert [each["role"] for each in sent] == ["user", "assistant", "tool", "tool"]
    assert json.loads(sent[1]["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_signature_survives_a_tool_loop_byte_for_byte(
    client: AsyncAnthropic, upstream: ScriptedUpstream, stream: bool
) -> None:
    message: Message
    if stream:
        upstream.will(responses_stream(*responses_item(REASONING), *responses_item(CALL, 1)))
        async with client.messages.stream(
            model=RESPONSES, max_tokens=2048, messages=HI, tools=[WEATHER], thinking=THINKING
        ) as helper:
            message = await helper.get_final_message()
    else:
        upstream.will(responses_whole(REASONING, CALL))
        message = await client.messages.create(
            model=RESPONSES, max_tokens=2048, messages=HI, tools=[WEATHER], thinking=THINKING
        )
    thinking, used = message.content
    assert thinking.type == "thinking"
    assert used.type == "tool_use"
    assert thinking.thinking == "Hm."
    assert thinking.signature
    assert upstream.last.json["reasoning"] == {"effort": "low", "summary": "auto"}
    assert upstream.last.json["include"] == ["reasoning.encrypted_content"]
    result: Any = {"type": "tool_result", "tool_use_id": used.id, "content": "sunny"}
    await client.messages.create(
        model=RESPONSES,
        max_tokens=2048,
        messages=[*HI, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}],
        tools=[WEATHER],
        thinking=THINKING,
    )
    back = [item for item in upstream.last.json["input"] if item["type"] == "reasoning"]
    assert [item["encrypted_content"] for item in back] == ["upstreams-own-state=="]


async def test_structured_output(client: AsyncAnthropic, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole('{"city":"Oslo"}'))
    parsed = await client.messages.parse(model=CHAT, max_tokens=100, messages=HI, output_format=City)
    assert parsed.parsed_output == City(city="Oslo")
    wanted = upstream.last.json["response_format"]["json_schema"]["schema"]
    assert wanted["properties"]["city"]["type"] == "string"


async def test_the_demo_models_answer(client: AsyncAnthropic) -> None:
    said = await client.messages.create(model="demo-chat", max_tokens=2000, messages=HI, system="Be kind.")
    assert said.content[0].type == "text"
    assert "demo-chat" in said.content[0].text
    called = await client.messages.create(
        model="demo-tools", max_tokens=2000, messages=HI, tools=[WEATHER], tool_choice={"type": "any"}
    )
    assert called.stop_reason == "tool_use"
    cut = await client.messages.create(model="demo-chat", max_tokens=2, messages=HI)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 2)


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
async def test_a_key_comes_in_either_header(api: Api, header: str) -> None:
    token: Any = {"auth_token": API_KEY} if header == "authorization" else {"api_key": API_KEY}
    async with AsyncAnthropic(base_url=api.server.url, max_retries=0, **token) as client:
        assert (await client.messages.create(model=CHAT, max_tokens=100, messages=HI)).content


async def test_versions_and_betas_are_accepted(client: AsyncAnthropic) -> None:
    said = await client.messages.create(
        model=CHAT, max_tokens=100, messages=HI, extra_headers={"anthropic-beta": "interleaved-thinking-2025-05-14"}
    )
    assert said.content


# -- what is said ---------------------------------------------------------------------------------------------


async def test_a_stream_is_made_of_named_events(api: Api) -> None:
    kinds = [event["type"] for event in await events(api)]
    pieces = ["content_block_delta", "content_block_delta"]
    assert kinds == [
        "message_start",
        "content_block_start",
        *pieces,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@BOTH
async def test_streamed_and_whole_say_the_same(api: Api, model: str) -> None:
    whole, streamed = await told(api, model=model), await events(api, model=model)
    said = "".join(event["delta"]["text"] for event in streamed if event["type"] == "content_block_delta")
    assert [block["text"] for block in whole["content"]] == [said] == ["Hello."]
    (end,) = [event for event in streamed if event["type"] == "message_delta"]
    assert end["delta"]["stop_reason"] == whole["stop_reason"] == "end_turn"
    assert end["usage"].items() <= whole["usage"].items()


async def test_input_tokens_leave_out_what_came_from_a_cache(api: Api, upstream: ScriptedUpstream) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    upstream.will(chat_whole("Hi", usage=usage))
    used = (await told(api))["usage"]
    assert (used["input_tokens"], used["cache_read_input_tokens"]) == (40, 60)
    assert used["output_tokens_details"] == {"thinking_tokens": 7}


async def test_raw_reasoning_of_a_chat_provider_is_thinking(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream({"reasoning_content": "H"}, {"reasoning_content": "m."}, "Yes."))
    streamed = await events(api, thinking=THINKING)
    thought = [
        event["delta"]["thinking"] for event in streamed if event.get("delta", {}).get("type") == "thinking_delta"
    ]
    assert "".join(thought) == "Hm."
    assert upstream.last.json["reasoning_effort"] == "low"


@BOTH
async def test_what_the_system_says_and_images_reach_the_provider(
    api: Api, upstream: ScriptedUpstream, model: str
) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    said = {"role": "user", "content": [{"type": "text", "text": "See."}, image]}
    await told(api, said, model=model, system=[{"type": "text", "text": "Be kind."}])
    assert b"data:image/png;base64,iVBORw0KGgo=" in upstream.last.body
    assert b"Be kind." in upstream.last.body


async def test_one_call_at_a_time_reaches_the_provider(api: Api, upstream: ScriptedUpstream) -> None:
    choice = {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    await told(api, tools=[WEATHER], tool_choice=choice)
    sent = upstream.last.json
    assert sent["parallel_tool_calls"] is False
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_tokens"), ("content_filter", "refusal")])
async def test_an_answer_that_was_cut_says_why(api: Api, upstream: ScriptedUpstream, finish: str, reason: str) -> None:
    upstream.will(chat_whole("Hel", finish=finish))
    assert (await told(api))["stop_reason"] == reason


async def test_a_refusal_is_told_and_explained(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole({"content": None, "refusal": "No."}))
    message = await told(api)
    assert (message["stop_reason"], message["stop_details"]["explanation"]) == ("refusal", "No.")


async def test_nothing_is_stored(stranger: Api) -> None:
    await told(stranger)
    await events(stranger)
    assert (await stranger.get("/responses")).json["data"] == []


async def test_what_was_left_out_is_told_in_a_header(api: Api) -> None:
    assert (await ask(api, speed="fast", metadata={"user_id": "u"})).notes == "speed left out; user left out"


# -- errors ---------------------------------------------------------------------------------------------------

BAD: list[tuple[Json, int, str, str]] = [
    ({"model": ...}, 400, "invalid_request_error", "Missing required parameter: 'model'."),
    ({"messages": ...}, 400, "invalid_request_error", "Missing required parameter: 'messages'."),
    ({"max_tokens": ...}, 400, "invalid_request_error", "Missing required parameter: 'max_tokens'."),
    ({"max_tokens": 0}, 400, "invalid_request_error", "'max_tokens'"),
    ({"frobnicate": 1}, 400, "invalid_request_error", "Unknown parameter: 'frobnicate'."),
    ({"temperature": 1.5}, 400, "invalid_request_error", "'temperature'"),
    ({"stop_sequences": ["END"]}, 400, "invalid_request_error", "'stop_sequences'"),
    ({"thinking": {"type": "enabled", "budget_tokens": 10}}, 400, "invalid_request_error", "'thinking.budget_tokens'"),
    ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, 400, "invalid_request_error", "'messages[0].content[0].type'"),
    ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c"}]}]}, 400, "invalid_request_error", "messages: No tool call found"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]}, 400, "invalid_request_error", "messages[0].content[0].source: "),
    ({"tool_choice": {"type": "any"}}, 400, "invalid_request_error", "tool_choice"),
    ({"model": "nobody-has-this"}, 404, "not_found_error", "nobody-has-this"),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", BAD, ids=[repr(row[0]) for row in BAD])
async def test_a_bad_request_is_refused_and_its_place_named(
    api: Api, case: tuple[Json, int, str, str], stream: bool
) -> None:
    fields, status, kind, said = case
    assert said in failed(await ask(api, **{"stream": stream, **fields}), status, kind)


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"Authorization": "Bearer wrong"}])
async def test_a_key_is_asked_for(api: Api, headers: dict[str, str]) -> None:
    body = {"model": CHAT, "max_tokens": 9, "messages": HI}
    failed(await api.other("").request("POST", "/messages", headers=headers, json=body), 401, "authentication_error")


FAILURES: dict[str, tuple[Answer, int, str]] = {
    "400": (refusal(400, "no such thing"), 400, "invalid_request_error"),
    "401": (refusal(401), 502, "api_error"),
    "429": (refusal(429, "slow", retry_after="2"), 429, "rate_limit_error"),
    "500": (refusal(500), 502, "api_error"),
    "503": (refusal(503), 529, "overloaded_error"),
    "529": (refusal(529), 529, "overloaded_error"),
    "reset": (Answer(before=[Fault.RST]), 502, "api_error"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", FAILURES)
async def test_a_providers_failure_is_an_http_status_before_the_first_word(
    api: Api, upstream: ScriptedUpstream, case: str, stream: bool
) -> None:
    answer, status, kind = FAILURES[case]
    upstream.otherwise = lambda _: answer
    failed(await ask(api, stream=stream), status, kind)


async def test_a_failed_response_is_an_error_of_its_kind(api: Api, upstream: ScriptedUpstream) -> None:
    kinds = {"server_error": (502, "api_error"), "rate_limit_exceeded": (429, "rate_limit_error")}
    for code, (status, kind) in kinds.items():
        upstream.will(document(responses_object(status="failed", error={"code": code, "message": "it broke"})))
        assert failed(await ask(api, model=RESPONSES), status, kind) == "it broke"


@BOTH
async def test_a_failure_in_the_middle_is_an_error_event(api: Api, upstream: ScriptedUpstream, model: str) -> None:
    upstream.will((chat_stream if model == CHAT else responses_stream)("Hel", Fault.RST))
    *_, stop, error = await events(api, model=model)
    assert stop["type"] == "content_block_stop"
    assert error["error"]["type"] == "api_error"
    assert error["request_id"].startswith("req_")


async def test_official_errors_have_their_classes(client: AsyncAnthropic, upstream: ScriptedUpstream) -> None:
    async def fails(kind: type[Exception], **fields: Any) -> None:
        given: Any = {"model": CHAT, "max_tokens": 100, "messages": HI, **fields}
        with pytest.raises(kind):
            await client.messages.create(**given)

    await fails(anthropic.BadRequestError, stop_sequences=["END"])
    await fails(anthropic.NotFoundError, model="nobody-has-this")
    upstream.will(refusal(429), refusal(529))
    await fails(anthropic.RateLimitError)
    await fails(anthropic.OverloadedError)
    with pytest.raises(anthropic.AuthenticationError):
        await client.with_options(api_key="wrong").messages.create(model=CHAT, max_tokens=9, messages=HI)


async def test_a_stream_that_fails_raises_in_the_official_client(
    client: AsyncAnthropic, upstream: ScriptedUpstream
) -> None:
    upstream.will(chat_stream("Hel", Fault.RST))
    said: list[str] = []

    async def listen() -> None:
        async with client.messages.stream(model=CHAT, max_tokens=100, messages=HI) as stream:
            said.extend([text async for text in stream.text_stream])

    with pytest.raises(anthropic.APIStatusError, match="api_error"):
        await listen()


async def test_a_body_over_the_limit_is_413(small: Api) -> None:
    failed(await ask(small, {"role": "user", "content": "x" * 70_000}), 413, "request_too_large")
    said = failed(await ask(small, {"role": "user", "content": "x" * 3000}), 413, "request_too_large")
    assert "'messages[0].content'" in said


# -- the stream's life ----------------------------------------------------------------------------------------


async def test_a_stream_begins_early_and_is_kept_alive(brisk: Api, upstream: ScriptedUpstream) -> None:
    gate = asyncio.Event()
    upstream.will(sse(gate, chat_chunk({"content": "Hi"}), chat_chunk({}, "stop"), b"data: [DONE]\n\n"))
    body = {"model": CHAT, "max_tokens": 9, "messages": HI, "stream": True}
    async with brisk._request("POST", "/messages", None, json=body) as answer:
        first = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 2)
        assert first.startswith(b"event: message_start\n")
        ping = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 2)
        assert ping == b'event: ping\ndata: {"type":"ping"}\n\n'
        gate.set()
        rest = await answer.content.read()
    assert rest.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_provider(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    upstream.will(chat_stream("Hel", Fault.HANG) if stream else Answer(before=[Fault.HANG]))
    _, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    body = json.dumps({"model": CHAT, "max_tokens": 9, "messages": HI, "stream": stream}).encode()
    writer.write(raw_post(api, body, "/v1/messages"))
    asked = await upstream.wait_received()
    writer.close()
    await asked.wait_left(within=1.0)


async def test_several_messages_are_blocks_of_one(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(responses_whole(responses_message("A"), responses_message("B", "msg_up2")))
    assert [block["text"] for block in (await told(api, model=RESPONSES))["content"]] == ["A", "B"]


# -- counting -------------------------------------------------------------------------------------------------


async def test_input_is_counted_for_the_official_client(client: AsyncAnthropic) -> None:
    short = await client.messages.count_tokens(model=CHAT, messages=HI)
    long = await client.messages.count_tokens(
        model=CHAT,
        messages=[*HI, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "word " * 400}],
        system="Be brief.",
        tools=[WEATHER],
        tool_choice={"type": "auto"},
        thinking={"type": "enabled", "budget_tokens": 64_000},
    )
    assert 0 < short.input_tokens < 50
    assert 500 < long.input_tokens < 800


async def test_a_count_is_an_estimate_and_says_so(api: Api, upstream: ScriptedUpstream) -> None:
    reply = await api.post("/messages/count_tokens", {"model": CHAT, "messages": HI})
    TypeAdapter(MessageTokensCount).validate_json(reply.body, strict=True)
    assert reply.json.keys() == {"input_tokens"}
    assert reply.notes == "input_tokens is estimated from the length of the text"
    assert upstream.received == []


@pytest.mark.parametrize("part", [{"system": "x" * 400}, {"tools": [{**WEATHER, "description": "x" * 400}]}])
async def test_everything_that_a_model_is_told_counts(api: Api, part: Json) -> None:
    plain, more = [
        (await api.post("/messages/count_tokens", {"model": CHAT, "messages": HI, **fields})).json["input_tokens"]
        for fields in ({}, part)
    ]
    assert more - plain >= 100


@pytest.mark.parametrize(
    ("fields", "status", "kind", "word"),
    [
        ({"messages": ...}, 400, "invalid_request_error", "messages"),
        ({"model": ...}, 400, "invalid_request_error", "model"),
        ({"max_tokens": 5}, 400, "invalid_request_error", "max_tokens"),
        ({"model": "nobodys"}, 404, "not_found_error", "nobodys"),
        ({"mcp_servers": [{"url": "x"}]}, 400, "invalid_request_error", "mcp_servers"),
        ({"messages": [{"role": "tool", "content": ""}]}, 400, "invalid_request_error", "messages[0]"),
    ],
)
async def test_what_cannot_be_counted_is_refused_in_the_words_of_this_api(
    *, api: Api, fields: Json, status: int, kind: str, word: str
) -> None:
    body = {"model": CHAT, "messages": HI, **fields}
    reply = await api.post("/messages/count_tokens", {name: value for name, value in body.items() if value is not ...})
    assert word in failed(reply, status, kind)


async def test_counting_wants_a_key_in_either_header(api: Api) -> None:
    body = {"model": CHAT, "messages": HI}
    failed(await api.other("").post("/messages/count_tokens", body), 401, "authentication_error")
    reply = await api.other("").request("POST", "/messages/count_tokens", headers={"x-api-key": API_KEY}, json=body)
    assert reply.status == 200
