"""The client of a foreground response leaves: the provider is told to stop, and what was said is kept."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from antiphon.testing.upstream import Answer, Fault, ScriptedUpstream, chat_call, chat_stream, responses_stream
from tests.api.calling import CHAT, RESPONSES, Api, Json, function, raw_post, text_of, texts, user

BOTH = pytest.mark.parametrize("model", [CHAT, RESPONSES])


@asynccontextmanager
async def asking(api: Api, upstream: ScriptedUpstream, **fields: Any) -> AsyncIterator[None]:
    """Ask for a whole answer on a socket of its own; leaving the block hangs up."""
    count = len(upstream.received)
    _, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    writer.write(raw_post(api, json.dumps({"model": CHAT, "input": "Hi", **fields}).encode()))
    await upstream.wait_received(count + 1)
    yield
    writer.close()


async def kept_response(api: Api, identity: str, within: float = 2.0) -> Json:
    """Return a response once it is there: it is stored a moment after its client left."""
    async with asyncio.timeout(within):
        while (await api.get(f"/responses/{identity}")).status == 404:  # noqa: ASYNC110 # as clients do
            await asyncio.sleep(0.01)
    return await api.retrieve(identity)


async def the_only_response(api: Api, within: float = 2.0) -> Json:
    """Return the one response of a tenant, once it is there."""
    async with asyncio.timeout(within):
        while not (found := (await api.get("/responses")).json["data"]):  # noqa: ASYNC110 # as clients do
            await asyncio.sleep(0.01)
    (one,) = found
    return await api.retrieve(one["id"])


@BOTH
async def test_leaving_a_stream_stops_the_provider_and_keeps_the_partial_text(
    api: Api, upstream: ScriptedUpstream, model: str
) -> None:
    upstream.will((chat_stream if model == CHAT else responses_stream)("Hel", "lo", Fault.HANG))
    async with api.streaming(model=model) as live:
        identity = (await live.until("created"))["response"]["id"]
        await live.until("output_text.delta")
        await live.until("output_text.delta")
    await upstream.last.wait_left(within=1.0)
    kept = await kept_response(api, identity)
    assert kept["status"] == "incomplete"
    assert text_of(kept) == "Hello"
    assert kept["output"][-1]["status"] == "incomplete"
    assert (kept["completed_at"], kept["error"]) == (None, None)
    assert "usage is estimated" in kept["metadata"]["antiphon-notes"]
    assert texts(await api.input_items(identity)) == ["Hi"]


@BOTH
async def test_leaving_a_whole_answer_stops_the_provider(stranger: Api, upstream: ScriptedUpstream, model: str) -> None:
    upstream.will(Answer(before=[Fault.HANG]))
    async with asking(stranger, upstream, model=model):
        pass
    await upstream.last.wait_left(within=1.0)
    kept = await the_only_response(stranger)
    assert (kept["status"], kept["output"]) == ("incomplete", [])


async def test_leaving_before_the_first_event_stops_the_provider(stranger: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(Answer(before=[Fault.HANG]))
    async with asking(stranger, upstream, stream=True):
        pass
    await upstream.last.wait_left(within=1.0)
    assert (await the_only_response(stranger))["status"] == "incomplete"


async def test_leaving_in_the_middle_of_a_call_keeps_it_cut(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("Let me see.", chat_call("weather", '{"ci'), Fault.HANG))
    async with api.streaming(tools=[function()]) as live:
        identity = (await live.until("created"))["response"]["id"]
        await live.until("function_call_arguments.delta")
    await upstream.last.wait_left(within=1.0)
    kept = await kept_response(api, identity)
    assert kept["status"] == "incomplete"
    message, cut = kept["output"]
    assert (message["status"], cut["status"], cut["arguments"]) == ("completed", "incomplete", '{"ci')
    response = await api.create(previous_response_id=identity, input="go on")
    assert response["status"] == "completed"


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_frees_the_conversation_without_half_a_turn(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    conversation = await api.converse(user("0"))
    upstream.will(chat_stream("Hel", Fault.HANG))
    async with asking(api, upstream, conversation=conversation, stream=stream):
        (await api.try_create(conversation=conversation)).refused(400, "conversation_locked", "conversation")
    await upstream.last.wait_left(within=1.0)
    async with asyncio.timeout(1):
        while (reply := await api.try_create(conversation=conversation)).status != 200:
            reply.refused(400, "conversation_locked", "conversation")
    assert texts(await api.conversation_items(conversation)) == ["0", "Hi", "Hello."]


async def test_a_response_that_was_left_and_not_to_be_stored_leaves_nothing(
    stranger: Api, upstream: ScriptedUpstream
) -> None:
    upstream.will(chat_stream("Hel", Fault.HANG))
    async with stranger.streaming(store=False) as live:
        await live.until("output_text.delta")
    await upstream.last.wait_left(within=1.0)
    assert (await stranger.get("/responses")).json["data"] == []


async def test_usage_that_the_provider_told_before_its_client_left_is_no_estimate(
    stranger: Api, upstream: ScriptedUpstream
) -> None:
    counted = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
    upstream.will(chat_stream(counted, "Hel", Fault.HANG))
    async with stranger.streaming() as live:
        await live.until("output_text.delta")
    left = await the_only_response(stranger)
    assert (left["status"], left["usage"]["total_tokens"], left["metadata"]) == ("incomplete", 4, {})


@pytest.mark.parametrize("stream", [False, True])
async def test_fifty_clients_that_leave_at_once_stop_fifty_providers(
    stranger: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.otherwise = lambda _: chat_stream("Hel", Fault.HANG) if stream else Answer(before=[Fault.HANG])
    writers = []
    for number in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", stranger.server.port)
        body = json.dumps({"model": CHAT, "input": str(number), "stream": stream}).encode()
        writer.write(raw_post(stranger, body))
        writers.append(writer)
    await upstream.wait_received(50)
    for number, writer in enumerate(writers):
        writer.close() if number % 2 else writer.transport.abort()
    await asyncio.gather(*(request.wait_left(within=1.0) for request in upstream.received))
    async with asyncio.timeout(2):
        while len(found := (await stranger.get("/responses?limit=100")).json["data"]) < 50:  # noqa: ASYNC110 # as clients do
            await asyncio.sleep(0.01)
    assert {response["status"] for response in found} == {"incomplete"}


async def test_a_client_that_leaves_after_the_end_has_had_it_all(api: Api, upstream: ScriptedUpstream) -> None:
    async with api.streaming() as live:
        done = await live.until("completed")
    assert (await api.retrieve(done["response"]["id"]))["status"] == "completed"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_closes_only_its_sending_side_leaves_nothing_running(
    stranger: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    """The server can't tell it from one that left, so no answer is promised; an end is."""
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo"))
    _, writer = await asyncio.open_connection("127.0.0.1", stranger.server.port)
    writer.write(raw_post(stranger, json.dumps({"model": CHAT, "input": "Hi", "stream": stream}).encode()))
    await upstream.wait_received()
    writer.write_eof()
    gate.set()
    assert (await the_only_response(stranger))["status"] in {"completed", "incomplete"}
    writer.close()


async def test_the_connection_of_a_client_that_left_is_not_used_again(api: Api, upstream: ScriptedUpstream) -> None:
    """What the provider still had to say must not reach the next caller."""
    upstream.will(chat_stream("SECRET", Fault.HANG))
    async with api.streaming() as live:
        await live.until("output_text.delta")
    assert "SECRET" not in json.dumps(await api.create())
    assert len({request.connection for request in upstream.received}) == 2
