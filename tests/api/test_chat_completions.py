"""`/v1/chat/completions`: the official client, the demo models, providers of both formats, and every error."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, TypeAdapter

from antiphon.testing.serving import API_KEY, plain_settings, running
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
    responses_object,
    responses_stream,
    responses_whole,
    sse,
)
from tests.api.calling import CHAT, RESPONSES, Api, Json, Reply, raw_post
from tests.api.conftest import providers

BOTH = pytest.mark.parametrize("model", [CHAT, RESPONSES])
SCHEMA: Json = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA}}
HI: Any = [{"role": "user", "content": "Hi"}]


class City(BaseModel):
    city: str


@pytest_asyncio.fixture(loop_scope="session")
async def client(api: Api) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=api.server.base_url, api_key=API_KEY, max_retries=0, timeout=10) as client:
        yield client


async def ask(api: Api, *given: Json, **fields: Any) -> Reply:
    """Ask for a completion, whatever comes of it."""
    body = {"model": CHAT, "messages": list(given) or HI, **fields}
    return await api.post("/chat/completions", {name: value for name, value in body.items() if value is not ...})


async def completed(api: Api, *given: Json, **fields: Any) -> Json:
    """A completion that the official client's type accepts, strictly."""
    reply = await ask(api, *given, **fields)
    assert reply.status == 200, reply.body
    TypeAdapter(ChatCompletion).validate_json(reply.body, strict=True)
    return reply.json  # type: ignore[no-any-return] # JSON


async def chunks(api: Api, *given: Json, **fields: Any) -> list[Json]:
    """The chunks of a stream that ends as it should."""
    reply = await ask(api, *given, stream=True, **fields)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    *blocks, done, rest = reply.body.decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


# -- the official client --------------------------------------------------------------------------------------


@BOTH
async def test_create(client: AsyncOpenAI, model: str) -> None:
    completion = await client.chat.completions.create(model=model, messages=HI)
    (choice,) = completion.choices
    assert (choice.message.content, choice.finish_reason) == ("Hello.", "stop")
    assert completion.id.startswith("chatcmpl-")
    assert completion.model == model
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.total_tokens) == (7, 12)
    assert completion._request_id is not None
    assert completion._request_id.startswith("req_")


async def test_create_in_sync(api: Api, upstream: ScriptedUpstream) -> None:
    def story() -> None:
        with OpenAI(base_url=api.server.base_url, api_key=API_KEY, max_retries=0, timeout=10) as client:
            said = client.chat.completions.create(model=CHAT, messages=HI)
            assert said.choices[0].message.content == "Hello."
            stream = client.chat.completions.create(model=CHAT, messages=HI, stream=True)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello."

    await asyncio.to_thread(story)


@BOTH
async def test_the_stream_helper(client: AsyncOpenAI, model: str) -> None:
    async with client.chat.completions.stream(
        model=model, messages=HI, stream_options={"include_usage": True}
    ) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert kinds[-1] == "chunk"
    assert {"content.delta", "content.done"} <= set(kinds)
    assert final.choices[0].message.content == "Hello."
    assert final.usage is not None
    assert final.usage.completion_tokens == 5


async def test_a_tool_loop(client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    calls = chat_call("weather", '{"city":"Oslo"}'), chat_call("weather", '{"city":"Rome"}', index=1)
    upstream.will(chat_stream({"reasoning_content": "Hm."}, "Let me see.", *calls, finish="tool_calls"))
    async with client.chat.completions.stream(model=CHAT, messages=HI, tools=[WEATHER]) as stream:
        message = (await stream.get_final_completion()).choices[0].message
    assert message.tool_calls is not None
    assert [call.function.arguments for call in message.tool_calls] == ['{"city":"Oslo"}', '{"city":"Rome"}']
    results: Any = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in message.tool_calls]
    upstream.will(chat_whole("Sunny."))
    history: Any = [*HI, message, *results]
    answer = await client.chat.completions.create(model=CHAT, messages=history, tools=[WEATHER])
    assert answer.choices[0].message.content == "Sunny."
    sent = upstream.last.json["messages"]
    assert [each["role"] for each in sent] == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in sent[1]["tool_calls"]] == [each["tool_call_id"] for each in sent[2:]]


async def test_parse(client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole('{"city":"Oslo"}'))
    parsed = await client.chat.completions.parse(model=CHAT, messages=HI, response_format=City)
    assert parsed.choices[0].message.parsed == City(city="Oslo")
    wanted = upstream.last.json["response_format"]["json_schema"]
    assert (wanted["name"], wanted["schema"]["required"]) == ("City", ["city"])
    upstream.will(chat_stream('{"city":', '"Rome"}'))
    async with client.chat.completions.stream(model=CHAT, messages=HI, response_format=City) as stream:
        assert (await stream.get_final_completion()).choices[0].message.parsed == City(city="Rome")


async def test_the_demo_models_answer(client: AsyncOpenAI) -> None:
    said = await client.chat.completions.create(
        model="demo-chat", messages=[{"role": "system", "content": "Be kind."}, *HI], logprobs=True, top_logprobs=2
    )
    (choice,) = said.choices
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert "".join(each.token for each in choice.logprobs.content) == choice.message.content
    assert len(choice.logprobs.content[0].top_logprobs) == 2
    called = await client.chat.completions.create(model="demo-tools", messages=HI, tools=[WEATHER])
    assert called.choices[0].finish_reason == "tool_calls"


async def test_a_freeform_tool(client: AsyncOpenAI) -> None:
    tools: Any = [{"type": "custom", "custom": {"name": "patch", "description": "d"}}]
    called = await client.chat.completions.create(model="demo-tools", messages=HI, tools=tools)
    assert called.choices[0].message.tool_calls is not None
    (call,) = called.choices[0].message.tool_calls
    assert call.type == "custom"
    assert "Hi" in call.custom.input
    result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
    history: Any = [*HI, called.choices[0].message, result]
    told = await client.chat.completions.create(model="demo-tools", messages=history, tools=tools)
    assert '`patch` gave me "done"' in (told.choices[0].message.content or "")


# -- what is said ---------------------------------------------------------------------------------------------


@BOTH
async def test_streamed_and_whole_say_the_same(api: Api, model: str) -> None:
    whole = await completed(api, model=model)
    told = await chunks(api, model=model)
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in told) == "Hello."
    assert whole["choices"][0]["message"]["content"] == "Hello."
    assert told[0]["choices"][0]["delta"]["role"] == "assistant"
    assert told[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"] == "stop"
    assert {each["id"] for each in told} == {told[0]["id"]}


async def test_usage_of_a_stream_is_told_when_it_is_asked_for(api: Api) -> None:
    *others, last = await chunks(api, stream_options={"include_usage": True})
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 12)
    assert {each["usage"] for each in others} == {None}
    assert all("usage" not in each for each in await chunks(api, stream_options={"include_usage": False}))


async def test_usage_tells_what_was_cached_and_reasoned(api: Api, upstream: ScriptedUpstream) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    upstream.will(chat_whole("Hi", usage=usage))
    told = (await completed(api))["usage"]
    assert told["prompt_tokens_details"]["cached_tokens"] == 60
    assert told["completion_tokens_details"]["reasoning_tokens"] == 7


async def test_reasoning_stands_beside_the_content(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole({"content": "Yes.", "reasoning_content": "Hm."}))
    assert (await completed(api, reasoning_effort="low"))["choices"][0]["message"]["reasoning_content"] == "Hm."
    assert upstream.last.json["reasoning_effort"] == "low"


@BOTH
async def test_images_reach_the_provider(api: Api, upstream: ScriptedUpstream, model: str) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    await completed(api, {"role": "user", "content": [{"type": "text", "text": "See."}, image]}, model=model)
    assert b"data:image/png;base64,iVBORw0KGgo=" in upstream.last.body


@BOTH
async def test_options_reach_the_provider(api: Api, upstream: ScriptedUpstream, model: str) -> None:
    await completed(api, model=model, max_tokens=50, temperature=0.5, tools=[WEATHER], tool_choice="required")
    sent = upstream.last.json
    assert sent["max_tokens" if model == CHAT else "max_output_tokens"] == 50
    assert (sent["temperature"], sent["tool_choice"]) == (0.5, "required")


@pytest.mark.parametrize(("finish", "told"), [("length", "length"), ("content_filter", "content_filter")])
async def test_an_answer_that_was_cut_says_why(api: Api, upstream: ScriptedUpstream, finish: str, told: str) -> None:
    upstream.will(chat_whole("Hel", finish=finish), chat_stream("Hel", finish=finish))
    assert (await completed(api))["choices"][0]["finish_reason"] == told
    assert (await chunks(api))[-1]["choices"][0]["finish_reason"] == told


async def test_a_refusal_has_a_field_of_its_own(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole({"content": None, "refusal": "No."}))
    message = (await completed(api))["choices"][0]["message"]
    assert (message["refusal"], message["content"]) == ("No.", None)


async def test_nothing_is_stored(stranger: Api) -> None:
    await completed(stranger)
    await chunks(stranger)
    assert (await stranger.get("/responses")).json["data"] == []


async def test_what_was_left_out_is_told_in_a_header(api: Api) -> None:
    reply = await ask(api, seed=7, user="u")
    assert reply.notes == "seed left out; user left out"
    reply = await ask(api, seed=7, stream=True)
    assert reply.notes == "seed left out"


# -- errors ---------------------------------------------------------------------------------------------------


BAD: list[tuple[Json, int, str | None, str]] = [
    ({"model": ...}, 400, "missing_required_parameter", "model"),
    ({"messages": ...}, 400, "missing_required_parameter", "messages"),
    ({"messages": []}, 400, "array_below_min_length", "messages"),
    ({"messages": "Hi"}, 400, "invalid_type", "messages"),
    ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, 400, "invalid_value", "messages[0].content[0].type"),
    ({"frobnicate": 1}, 400, "unknown_parameter", "frobnicate"),
    ({"input": "Hi"}, 400, "unknown_parameter", "input"),
    ({"temperature": 3}, 400, "decimal_above_max_value", "temperature"),
    ({"stop": ["END"]}, 400, "unsupported_parameter", "stop"),
    ({"n": 2}, 400, "unsupported_parameter", "n"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}, 400, "missing_required_parameter", "response_format.json_schema.schema"),
    ({"tool_choice": "required"}, 400, None, "tool_choice"),
    ({"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}, 400, None, "messages"),
    ({"model": "nobody-has-this"}, 404, "model_not_found", "model"),
    ({"model": "small/m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "file", "file": {"file_id": "file_1"}}]}]}, 400, "unsupported_parameter", "messages[0].content[1]"),
    ({"model": "small/m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]}]}, 400, "unsupported_parameter", "messages[0].content[0]"),
    ({"model": "small/m", "reasoning_effort": "high"}, 400, "unsupported_parameter", "reasoning_effort"),
    ({"model": "small/m", "logprobs": True}, 400, "unsupported_parameter", "logprobs"),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", BAD, ids=[repr(row[0]) for row in BAD])
async def test_a_bad_request_is_refused_with_the_clients_own_path(
    modest: Api, case: tuple[Json, int, str | None, str], stream: bool
) -> None:
    fields, status, code, param = case
    (await ask(modest, **{"stream": stream, **fields})).refused(status, code, param)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def modest_server(scripted: ScriptedUpstream) -> AsyncIterator[Any]:
    """A server with one more provider, which can do little."""
    settings = plain_settings(providers=providers(scripted.base_url))
    little = {"images": False, "effort": "none", "logprobs": False}
    small = msgspec.structs.replace(settings.providers["chat"], profile=little)
    async with running(plain_settings(providers={**settings.providers, "small": small})) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def modest(modest_server: Any, api: Api) -> Api:
    return Api(modest_server, api._session)


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic eDp5"])
async def test_a_key_is_asked_for(api: Api, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    body = {"model": CHAT, "messages": HI}
    reply = await api.other("").request("POST", "/chat/completions", headers=headers, json=body)
    reply.refused(401, "invalid_api_key", None)
    headers["x-api-key"] = API_KEY  # which is another API's custom
    reply = await api.other("").request("POST", "/chat/completions", headers=headers, json=body)
    reply.refused(401, "invalid_api_key", None)


FAILURES = {
    "400": (refusal(400, "no such thing", code="bad", param="messages"), 400, "bad"),
    "401": (refusal(401), 502, "provider_unauthorized"),
    "429": (refusal(429, "slow", retry_after="2"), 429, "rate_limit_exceeded"),
    "500": (refusal(500), 502, "provider_error"),
    "503": (refusal(503), 503, "server_is_overloaded"),
    "reset": (Answer(before=[Fault.RST]), 502, "provider_error"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", FAILURES)
async def test_a_providers_failure_is_an_http_status_before_the_first_word(
    api: Api, upstream: ScriptedUpstream, case: str, stream: bool
) -> None:
    answer, status, code = FAILURES[case]
    upstream.otherwise = lambda _: answer
    reply = await ask(api, stream=stream)
    error = reply.error(status)
    assert error["code"] == code
    assert error["param"] == ("messages" if status == 400 else None)
    assert reply.headers.get("retry-after") == {429: "2", 503: "1"}.get(status)


async def test_a_failed_response_is_an_error_of_its_kind(api: Api, upstream: ScriptedUpstream) -> None:
    for code, status in (("server_error", 502), ("rate_limit_exceeded", 429), ("invalid_prompt", 400)):
        error = {"code": code, "message": "it broke"}
        upstream.will(document(responses_object(status="failed", error=error)))
        assert (await ask(api, model=RESPONSES)).error(status)["message"] == "it broke"


@BOTH
async def test_a_failure_in_the_middle_is_the_streams_last_frame(
    client: AsyncOpenAI, upstream: ScriptedUpstream, model: str
) -> None:
    upstream.will((chat_stream if model == CHAT else responses_stream)("Hel", Fault.RST))
    said: list[str] = []

    async def listen() -> None:
        async for chunk in await client.chat.completions.create(model=model, messages=HI, stream=True):
            said.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 # kept when the stream breaks

    with pytest.raises(openai.APIError) as caught:
        await listen()
    assert "".join(said) == "Hel"
    assert isinstance(caught.value.body, dict)
    assert caught.value.body.keys() == {"message", "type", "param", "code"}


async def test_official_errors_have_their_classes(client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model=CHAT, messages=HI, n=2)
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="nobody-has-this", messages=HI)
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="wrong").chat.completions.create(model=CHAT, messages=HI)
    upstream.will(refusal(429))
    with pytest.raises(openai.RateLimitError):
        await client.chat.completions.create(model=CHAT, messages=HI)


async def test_a_body_over_the_limit_is_413(small: Api) -> None:
    reply = await ask(small, {"role": "user", "content": "x" * 70_000})
    reply.refused(413, "request_too_large", None)
    reply = await ask(small, {"role": "user", "content": "x" * 3000})
    reply.refused(413, "string_above_max_length", "messages[0].content")
    reply = await ask(small, *(HI * 60))
    reply.refused(413, "array_above_max_length", "messages")


async def test_a_body_that_is_nested_too_deeply_is_refused(small: Api) -> None:
    schema: Json = {}
    for _ in range(20):
        schema = {"a": schema}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    (await ask(small, tools=[tool])).refused(400, "json_too_deep", None)


async def test_unknown_parameters_are_ignored_where_the_settings_say_so(api: Api, upstream: ScriptedUpstream) -> None:
    given = plain_settings(providers=providers(upstream.base_url), unknown_parameters="ignore")
    async with running(given) as server:
        reply = await ask(Api(server, api._session), top_k=5, repetition_penalty=1.1)
    assert reply.status == 200
    assert reply.notes == "unknown parameter 'top_k' ignored; unknown parameter 'repetition_penalty' ignored"


# -- the stream's life ----------------------------------------------------------------------------------------


async def test_a_stream_begins_early_and_is_kept_alive(brisk: Api, upstream: ScriptedUpstream) -> None:
    gate = asyncio.Event()
    upstream.will(sse(gate, chat_chunk({"content": "Hi"}), chat_chunk({}, "stop"), b"data: [DONE]\n\n"))
    body = {"model": CHAT, "messages": HI, "stream": True}
    async with brisk._request("POST", "/chat/completions", None, json=body) as answer:
        first = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 2)
        assert json.loads(first.removeprefix(b"data: "))["choices"][0]["delta"]["role"] == "assistant"
        assert await asyncio.wait_for(answer.content.readline(), 2) == b": keep-alive\n"
        gate.set()
        rest = await answer.content.read()
    assert rest.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_provider(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    upstream.will(chat_stream("Hel", Fault.HANG) if stream else Answer(before=[Fault.HANG]))
    _, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    body = json.dumps({"model": CHAT, "messages": HI, "stream": stream}).encode()
    writer.write(raw_post(api, body, "/v1/chat/completions"))
    asked = await upstream.wait_received()
    writer.close()
    await asked.wait_left(within=1.0)


@BOTH
async def test_whole_answers_of_both_formats_may_be_of_several_items(
    api: Api, upstream: ScriptedUpstream, model: str
) -> None:
    if model == CHAT:
        upstream.will(chat_whole({"content": "A", **chat_call("weather")}, finish="tool_calls"))
        assert (await completed(api, tools=[WEATHER]))["choices"][0]["finish_reason"] == "tool_calls"
    else:
        upstream.will(responses_whole("A", "B"))
        assert (await completed(api, model=model))["choices"][0]["message"]["content"] == "A\n\nB"
