"""The `openai` package against the server, async and sync; what it was sent goes before the judges too."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import openai
import pydantic
import pytest
import pytest_asyncio
from openai import AsyncOpenAI, OpenAI

from antiphon.testing import judges
from antiphon.testing.serving import API_KEY
from antiphon.testing.upstream import (
    Answer,
    Fault,
    ScriptedUpstream,
    chat_call,
    chat_stream,
    chat_whole,
    refusal,
    responses_item,
    responses_stream,
)
from tests.api.calling import CHAT, RESPONSES, Api, function, judged

BOTH = pytest.mark.parametrize("model", [CHAT, RESPONSES])
WEATHER: Any = function()


# -- clients whose traffic is judged --------------------------------------------------------------------------


class Court:
    """Judges every answer that the server gives; `count` says how many there were of substance."""

    def __init__(self) -> None:
        self.count = 0

    def judge(self, request: httpx2.Request, status: int, kind: str, body: bytes) -> None:
        if status >= 400:
            assert json.loads(body)["error"].keys() == {"message", "type", "param", "code"}
            return
        judge = self._judge_of(request.method, request.url.path.removeprefix("/v1/").split("/"), kind)
        if judge is not None:
            judge(body)
            self.count += 1

    def _judge_of(self, method: str, path: list[str], kind: str) -> Callable[[bytes], Any] | None:
        if kind.startswith("text/event-stream"):
            return judged
        match method, path:
            case ("POST", ["responses"] | ["responses", _, "cancel"]) | ("GET", ["responses", _]):
                return judges.judge_response
            case ("GET", ["responses", _, "input_items"]):
                return judges.judge_item_list
            case ("POST" | "GET", ["conversations"] | ["conversations", _]) | (
                "DELETE",
                ["conversations", _, "items", _],
            ):
                return judges.judge_conversation
            case ("POST" | "GET", ["conversations", _, "items"]):
                return judges.judge_conversation_item_list
            case ("GET", ["conversations", _, "items", _]):
                return judges.judge_conversation_item
            case _:
                return None


class Tee(httpx2.AsyncByteStream):
    """Passes a body on as it comes, and hands all of it to the court when it is closed."""

    def __init__(self, stream: Any, over: Callable[[bytes], None]) -> None:
        self._stream = stream
        self._over = over
        self._body = b""
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._body += piece
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
        if not self._is_closed:
            self._is_closed = True
            self._over(self._body)


class JudgedAsync(httpx2.AsyncHTTPTransport):
    def __init__(self, court: Court) -> None:
        super().__init__()
        self._court = court

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await super().handle_async_request(request)
        status, kind = answer.status_code, answer.headers.get("content-type", "")
        answer.stream = Tee(answer.stream, lambda body: self._court.judge(request, status, kind, body))
        return answer


class JudgedSync(httpx2.HTTPTransport):
    def __init__(self, court: Court) -> None:
        super().__init__()
        self._court = court

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = super().handle_request(request)
        body = b"".join(answer.stream)  # type: ignore[arg-type] # it is a sync one
        self._court.judge(request, answer.status_code, answer.headers.get("content-type", ""), body)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=body, request=request)


@pytest.fixture
def court() -> Court:
    return Court()


@pytest_asyncio.fixture(loop_scope="session")
async def client(api: Api, court: Court) -> AsyncIterator[AsyncOpenAI]:
    carrier = httpx2.AsyncClient(transport=JudgedAsync(court))
    async with AsyncOpenAI(
        base_url=api.server.base_url, api_key=API_KEY, max_retries=0, timeout=10, http_client=carrier
    ) as client:
        yield client


def in_thread(api: Api, court: Court, story: Callable[[OpenAI], Any]) -> Any:
    """Run a story with the sync client, away from the loop that the server lives in."""

    def told() -> Any:
        with OpenAI(
            base_url=api.server.base_url,
            api_key=API_KEY,
            max_retries=0,
            timeout=10,
            http_client=httpx2.Client(transport=JudgedSync(court)),
        ) as client:
            return story(client)

    return asyncio.to_thread(told)


# -- creating -------------------------------------------------------------------------------------------------


@BOTH
async def test_create(client: AsyncOpenAI, court: Court, model: str) -> None:
    response = await client.responses.create(model=model, input="Hi", metadata={"a": "b"})
    assert (response.output_text, response.status, response.metadata) == ("Hello.", "completed", {"a": "b"})
    assert response.usage is not None
    assert response.usage.input_tokens_details.cache_write_tokens == 0
    assert response._request_id is not None
    assert response._request_id.startswith("req_")
    assert court.count == 1


@BOTH
async def test_create_in_sync(api: Api, court: Court, model: str) -> None:
    def story(client: OpenAI) -> None:
        response = client.responses.create(model=model, input="Hi")
        assert response.output_text == "Hello."
        events = list(client.responses.create(model=model, input="Hi", stream=True))
        assert (events[0].type, events[-1].type) == ("response.created", "response.completed")

    await in_thread(api, court, story)
    assert court.count == 2


@BOTH
async def test_stream(client: AsyncOpenAI, court: Court, model: str) -> None:
    text, kinds = "", []
    async for event in await client.responses.create(model=model, input="Hi", stream=True):
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
    assert (text, kinds[0], kinds[-1]) == ("Hello.", "response.created", "response.completed")
    assert court.count == 1


@BOTH
async def test_the_stream_helper(client: AsyncOpenAI, court: Court, model: str) -> None:
    async with client.responses.stream(model=model, input="Hi") as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert "response.output_text.delta" in kinds
    assert final.output_text == "Hello."
    assert (await client.responses.retrieve(final.id)).output_text == "Hello."


async def test_the_stream_helper_in_sync(api: Api, court: Court, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream({"reasoning_content": "Hm."}, *"Hello", chat_call("weather", '{"city":"Oslo"}'), finish="tool_calls"))  # fmt: skip

    def story(client: OpenAI) -> None:
        with client.responses.stream(model=CHAT, input="Hi", tools=[WEATHER]) as stream:
            stream.until_done()
            final = stream.get_final_response()
        assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]
        assert final.output_text == "Hello"

    await in_thread(api, court, story)


async def test_keep_alive_comments_do_not_disturb_a_stream(
    brisk: Api, upstream: ScriptedUpstream, court: Court
) -> None:
    upstream.will(chat_stream("a", 0.45, "b", 0.25, "c"))
    carrier = httpx2.AsyncClient(transport=JudgedAsync(court))
    async with (
        AsyncOpenAI(base_url=brisk.server.base_url, api_key=API_KEY, http_client=carrier) as client,
        client.responses.stream(model=CHAT, input="Hi") as stream,
    ):
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
    assert deltas == ["a", "b", "c"]


class City(pydantic.BaseModel):
    name: str
    people: int


async def test_parse(client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole('{"name":"Oslo","people":7}'))
    response = await client.responses.parse(model=CHAT, input="Hi", text_format=City)
    assert response.output_parsed == City(name="Oslo", people=7)
    schema = upstream.last.json["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"]) == ("City", True)


async def test_parse_of_a_stream(client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream('{"name":"Os', 'lo","people":7}'))
    async with client.responses.stream(model=CHAT, input="Hi", text_format=City) as stream:
        final = await stream.get_final_response()
    assert final.output_parsed == City(name="Oslo", people=7)


async def test_parse_of_tool_arguments(client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole(chat_call("City", '{"name":"Oslo","people":7}'), finish="tool_calls"))
    tool: Any = {**openai.pydantic_function_tool(City)["function"], "type": "function"}
    response = await client.responses.parse(model=CHAT, input="Hi", tools=[tool])
    (call,) = response.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"name": "Oslo", "people": 7}
    assert upstream.last.json["tools"][0]["function"]["strict"] is True


async def test_a_failed_stream_is_told_as_an_event(client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("Hel", Fault.RST))
    events = [event async for event in await client.responses.create(model=CHAT, input="Hi", stream=True)]
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None


async def test_an_incomplete_answer(client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("Hel", finish="length"))
    async with client.responses.stream(model=CHAT, input="Hi", max_output_tokens=16) as stream:
        events = [event async for event in stream]
    assert events[-1].type == "response.incomplete"


# -- tools and state ------------------------------------------------------------------------------------------


@BOTH
async def test_a_tool_loop_over_previous_response_id(
    client: AsyncOpenAI, upstream: ScriptedUpstream, court: Court, model: str
) -> None:
    asked = {"id": "fc_up", "type": "function_call", "call_id": "call_a", "name": "weather", "arguments": '{"city":"Oslo"}', "status": "completed"}  # fmt: skip
    upstream.will(
        chat_stream(chat_call("weather", '{"city":"Oslo"}', call_id="call_a"), finish="tool_calls")
        if model == CHAT
        else responses_stream(*responses_item(asked))
    )
    async with client.responses.stream(model=model, input="Weather?", tools=[WEATHER]) as stream:
        first = await stream.get_final_response()
    (call,) = first.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Oslo"}
    second = await client.responses.create(
        model=model,
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}],
        tools=[WEATHER],
    )
    assert second.output_text == "Hello."
    assert b"sunny" in upstream.last.body
    assert court.count == 2


async def test_a_tool_loop_without_state_in_sync(api: Api, court: Court, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_whole(chat_call("weather", '{"city":"Oslo"}'), finish="tool_calls"))

    def story(client: OpenAI) -> None:
        items: Any = [{"role": "user", "content": "Weather?"}]
        first = client.responses.create(model=CHAT, input=items, tools=[WEATHER], store=False)
        (call,) = first.output
        assert call.type == "function_call"
        items += [call, {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
        second = client.responses.create(model=CHAT, input=items, tools=[WEATHER], store=False)
        assert second.output_text == "Hello."

    await in_thread(api, court, story)


async def test_conversations_and_the_pages_of_their_items(client: AsyncOpenAI, court: Court) -> None:
    said: Any = [{"type": "message", "role": "user", "content": str(number)} for number in range(20)]
    conversation = await client.conversations.create(items=said, metadata={"topic": "x"})
    added = await client.conversations.items.create(conversation.id, items=said[:15])
    assert len(added.data) == 15
    await client.responses.create(model=CHAT, input="Hi", conversation=conversation.id)
    items = [item async for item in client.conversations.items.list(conversation.id, limit=10, order="asc")]
    assert len(items) == 37
    assert len({item.id for item in items}) == 37
    one: Any = await client.conversations.items.retrieve(items[3].id or "", conversation_id=conversation.id)
    assert one.content[0].text == "3"
    after = await client.conversations.items.delete(one.id, conversation_id=conversation.id)
    assert (after.id, after.metadata) == (conversation.id, {"topic": "x"})
    changed = await client.conversations.update(conversation.id, metadata={"topic": "y"})
    assert (await client.conversations.retrieve(conversation.id)).metadata == changed.metadata == {"topic": "y"}
    gone = await client.conversations.delete(conversation.id)
    assert (gone.deleted, gone.object) == (True, "conversation.deleted")
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(conversation.id)


async def test_an_empty_conversation_has_an_empty_page(client: AsyncOpenAI) -> None:
    conversation = await client.conversations.create()
    assert [item async for item in client.conversations.items.list(conversation.id)] == []


async def test_the_pages_of_input_items(client: AsyncOpenAI) -> None:
    said: Any = [{"role": "user", "content": str(number)} for number in range(45)]
    response = await client.responses.create(model=CHAT, input=said)
    items: list[Any] = [item async for item in client.responses.input_items.list(response.id, limit=20, order="asc")]
    assert [item.content[0].text for item in items] == [str(number) for number in range(45)]
    newest: Any = await client.responses.input_items.list(response.id)
    assert (len(newest.data), newest.data[0].content[0].text, newest.has_more) == (20, "44", True)


async def test_background_polling_and_cancelling(client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    upstream.will(Answer(before=[Fault.HANG]))
    queued = await client.responses.create(model=CHAT, input="Hi", background=True)
    assert queued.status == "queued"
    await upstream.wait_received()
    cancelled = await client.responses.cancel(queued.id)
    assert cancelled.status == "cancelled"
    assert (await client.responses.cancel(queued.id)).status == "cancelled"
    response = await client.responses.create(model=CHAT, input="Hi", background=True)
    async with asyncio.timeout(5):
        while response.status in {"queued", "in_progress"}:
            response = await client.responses.retrieve(response.id)
            await asyncio.sleep(0.01)
    assert response.output_text == "Hello."


async def test_a_background_stream(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model=CHAT, input="Hi", background=True, stream=True)
    kinds = [event.type async for event in stream]
    assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert kinds[-1] == "response.completed"


async def test_deleting_and_then_not_finding(client: AsyncOpenAI) -> None:
    response = await client.responses.create(model=CHAT, input="Hi")
    await client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(response.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.delete(response.id)


async def test_counting_input_tokens(client: AsyncOpenAI) -> None:
    counted = await client.responses.input_tokens.count(model=CHAT, input="How many tokens is this?")
    assert counted.object == "response.input_tokens"
    assert 5 <= counted.input_tokens <= 40


async def test_listing_models(api: Api, client: AsyncOpenAI, court: Court) -> None:
    names = [model.id async for model in client.models.list()]
    assert "demo-chat" in names
    assert (await client.models.retrieve("demo-chat")).object == "model"
    assert await in_thread(api, court, lambda client: [model.id for model in client.models.list()]) == names


# -- errors ---------------------------------------------------------------------------------------------------


async def test_errors_are_the_classes_that_the_client_has_for_them(
    api: Api, client: AsyncOpenAI, upstream: ScriptedUpstream
) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        await client.responses.create(model=CHAT, input="Hi", temperature=7)
    assert (bad.value.param, bad.value.code) == ("temperature", "decimal_above_max_value")
    assert bad.value.request_id is not None
    with pytest.raises(openai.BadRequestError) as unknown:
        await client.responses.create(model="nobody", input="Hi", stream=True)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve("resp_0")
    with pytest.raises(openai.AuthenticationError) as refused:
        await client.with_options(api_key="wrong").responses.create(model=CHAT, input="Hi")
    assert refused.value.code == "invalid_api_key"
    upstream.will(refusal(429, "Slow down.", code="rate_limit_exceeded", retry_after="3"))
    with pytest.raises(openai.RateLimitError) as limited:
        await client.responses.create(model=CHAT, input="Hi")
    assert limited.value.response.headers["retry-after"] == "3"
    assert limited.value.code == "rate_limit_exceeded"
    upstream.will(refusal(500))
    with pytest.raises(openai.InternalServerError):
        await client.responses.create(model=CHAT, input="Hi")
    with pytest.raises(openai.BadRequestError):
        await client.responses.create(model=CHAT, input="Hi", extra_body={"frobnicate": 1})
    upstream.will(refusal(422, "no"))
    with pytest.raises(openai.UnprocessableEntityError):
        await client.responses.create(model=CHAT, input="Hi")


async def test_the_client_s_own_retry_waits_as_long_as_it_was_told(
    client: AsyncOpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.will(refusal(429, retry_after="0.05"), refusal(503, retry_after="0.05"))
    response = await client.with_options(max_retries=2).responses.create(model=CHAT, input="Hi")
    assert response.output_text == "Hello."
    assert len(upstream.received) == 3


async def test_errors_in_sync(api: Api, court: Court) -> None:
    def story(client: OpenAI) -> None:
        with pytest.raises(openai.BadRequestError):
            client.responses.create(model=CHAT, input="Hi", previous_response_id="resp_0")
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="wrong").models.list()
        with pytest.raises(openai.NotFoundError):
            client.conversations.retrieve("conv_0")

    await in_thread(api, court, story)
