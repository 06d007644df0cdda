"""Background responses: accepted at once, carried whether or not anyone watches, called off on request."""

import asyncio
import time
from pathlib import Path

import pytest

from antiphon.testing import judges
from antiphon.testing.serving import plain_settings, running
from antiphon.testing.upstream import Answer, Fault, ScriptedUpstream, chat_stream, refusal, responses_stream
from tests.api.calling import CHAT, RESPONSES, Api, Json, judged, text_of, texts, user
from tests.api.conftest import providers

BOTH = pytest.mark.parametrize("model", [CHAT, RESPONSES])
SILENT = Answer(before=[Fault.HANG])


async def cancelled(api: Api, identity: str) -> Json:
    reply = await api.post(f"/responses/{identity}/cancel")
    assert reply.status == 200, reply.body
    judges.judge_response(reply.body)
    return reply.json  # type: ignore[no-any-return] # JSON


# -- accepted and carried -------------------------------------------------------------------------------------


@BOTH
async def test_a_background_response_is_queued_at_once(api: Api, upstream: ScriptedUpstream, model: str) -> None:
    upstream.will(SILENT)
    began = time.monotonic()
    queued = await api.create(model=model, background=True)
    assert time.monotonic() - began < 1.0
    assert (queued["status"], queued["output"], queued["usage"], queued["background"]) == ("queued", [], None, True)
    assert (await api.retrieve(queued["id"]))["status"] in {"queued", "in_progress"}
    await upstream.wait_received()
    assert (await api.retrieve(queued["id"]))["status"] == "in_progress"
    await cancelled(api, queued["id"])


@BOTH
async def test_a_background_response_is_polled_to_its_end(api: Api, upstream: ScriptedUpstream, model: str) -> None:
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo") if model == CHAT else responses_stream("Hel", gate, "lo"))
    queued = await api.create(model=model, background=True, metadata={"a": "b"})
    await upstream.wait_received()
    running_now = await api.retrieve(queued["id"])
    assert (running_now["status"], running_now["output"]) == ("in_progress", [])
    assert texts(await api.input_items(queued["id"])) == ["Hi"]
    gate.set()
    done = await api.wait_status(queued["id"], "completed")
    assert (text_of(done), done["metadata"], done["usage"]["output_tokens"]) == ("Hello", {"a": "b"}, 5)
    assert {name for name in done if done[name] != queued[name]} == {"status", "output", "completed_at", "usage"}


async def test_a_background_response_asks_for_a_stream(api: Api, upstream: ScriptedUpstream) -> None:
    """So that a provider that dies is noticed, whatever the answer's length."""
    done = await api.create(background=True)
    await api.wait_status(done["id"], "completed")
    assert upstream.last.json["stream"] is True


@BOTH
async def test_a_background_stream_begins_with_queued(api: Api, model: str) -> None:
    stream = await api.stream(model=model, background=True)
    assert stream.types[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert [event["response"]["status"] for event in stream.events[:3]] == ["queued", "queued", "in_progress"]
    assert (stream.last["status"], text_of(stream.last)) == ("completed", "Hello.")
    assert await api.retrieve(stream.last["id"]) == stream.last


async def test_a_background_stream_says_queued_although_the_provider_is_silent(
    api: Api, upstream: ScriptedUpstream
) -> None:
    upstream.will(SILENT)
    began = time.monotonic()
    async with api.streaming(background=True) as live:
        queued = await live.until("queued")
        assert time.monotonic() - began < 0.7
        await cancelled(api, queued["response"]["id"])


async def test_a_viewer_who_leaves_does_not_end_the_run(api: Api, upstream: ScriptedUpstream) -> None:
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo"))
    async with api.streaming(background=True) as live:
        identity = (await live.until("created"))["response"]["id"]
        await live.until("output_text.delta")
    await asyncio.sleep(0.15)
    assert not upstream.last.left.is_set()
    gate.set()
    assert text_of(await api.wait_status(identity, "completed")) == "Hello"


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (refusal(400, "Too long."), "invalid_prompt", "Too long."),
        (refusal(429, "Slow down."), "rate_limit_exceeded", "Slow down."),
        (refusal(500, "Oops."), "server_error", "Oops."),
        (chat_stream("Hel", Fault.RST), "server_error", "broke off"),
    ],
    ids=["400", "429", "500", "reset"],
)
async def test_a_background_response_that_fails_says_why(
    api: Api, upstream: ScriptedUpstream, answer: Answer, code: str, words: str
) -> None:
    upstream.otherwise = lambda _: answer
    queued = await api.create(background=True)
    failed = await api.wait_status(queued["id"], "failed")
    assert failed["error"]["code"] == code
    assert words in failed["error"]["message"]
    assert failed["completed_at"] is None


async def test_a_bad_background_request_is_refused_at_once(stranger: Api) -> None:
    (await stranger.try_create(background=True, model="nobody")).refused(400, "model_not_found", "model")
    (await stranger.try_create(background=True, previous_response_id="resp_0")).error(400)
    assert (await stranger.get("/responses")).json["data"] == []


async def test_a_response_that_has_not_ended_cannot_be_continued(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(SILENT)
    queued = await api.create(background=True)
    reply = await api.try_create(previous_response_id=queued["id"])
    reply.refused(400, "previous_response_not_finished", "previous_response_id")
    await cancelled(api, queued["id"])


async def test_a_background_turn_enters_its_conversation_when_it_completes(
    api: Api, upstream: ScriptedUpstream
) -> None:
    conversation = await api.converse(user("0"))
    gate = asyncio.Event()
    upstream.will(chat_stream(gate, "done"))
    queued = await api.create(background=True, conversation=conversation)
    await upstream.wait_received()
    assert texts(await api.conversation_items(conversation)) == ["0"]
    (await api.try_create(conversation=conversation)).refused(400, "conversation_locked", "conversation")
    gate.set()
    await api.wait_status(queued["id"], "completed")
    assert texts(await api.conversation_items(conversation)) == ["0", "Hi", "done"]
    await api.create(conversation=conversation)


async def test_fifty_background_responses_at_once(api: Api, upstream: ScriptedUpstream) -> None:
    queued = await asyncio.gather(*(api.create(background=True, input=str(number)) for number in range(50)))
    done = await asyncio.gather(*(api.wait_status(each["id"], "completed") for each in queued))
    assert {text_of(each) for each in done} == {"Hello."}
    assert len(upstream.received) == 50


# -- called off -----------------------------------------------------------------------------------------------


@BOTH
async def test_cancelling_stops_the_provider_and_keeps_what_was_said(
    api: Api, upstream: ScriptedUpstream, model: str
) -> None:
    upstream.will((chat_stream if model == CHAT else responses_stream)("Hel", Fault.HANG))
    async with api.streaming(model=model, background=True) as live:
        identity = (await live.until("created"))["response"]["id"]
        await live.until("output_text.delta")
        over = await cancelled(api, identity)
        await upstream.last.wait_left(within=1.0)
        stream = await live.rest()
    assert (over["status"], over["completed_at"], over["error"]) == ("cancelled", None, None)
    assert stream.types[-1] == "response.failed"
    assert stream.last["status"] == "cancelled"
    assert (over["output"], text_of(over)) == (stream.last["output"], "Hel")
    assert await api.retrieve(identity) == over


async def test_a_run_that_waits_for_its_provider_can_be_cancelled(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(SILENT)
    queued = await api.create(background=True)
    over = await cancelled(api, queued["id"])
    assert (over["status"], over["output"]) == ("cancelled", [])
    if upstream.received:
        await upstream.last.wait_left(within=1.0)


async def test_cancelling_twice_and_at_the_same_time_is_harmless(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("Hel", Fault.HANG))
    queued = await api.create(background=True)
    await upstream.wait_received()
    first, *others = await asyncio.gather(*(cancelled(api, queued["id"]) for _ in range(5)))
    assert all(other == first for other in others)
    assert await cancelled(api, queued["id"]) == first
    assert first["status"] == "cancelled"


async def test_cancelling_what_has_ended_returns_it_as_it_is(api: Api, upstream: ScriptedUpstream) -> None:
    done = await api.wait_status((await api.create(background=True))["id"], "completed")
    assert await cancelled(api, done["id"]) == done
    upstream.will(refusal(400))
    failed = await api.wait_status((await api.create(background=True))["id"], "failed")
    assert await cancelled(api, failed["id"]) == failed


async def test_a_foreground_response_cannot_be_cancelled(api: Api) -> None:
    response = await api.create()
    message = (await api.post(f"/responses/{response['id']}/cancel")).refused(400, None, "response_id")
    assert message == "Cannot cancel a synchronous response."


async def test_a_cancelled_turn_leaves_no_half_in_its_conversation(api: Api, upstream: ScriptedUpstream) -> None:
    conversation = await api.converse(user("0"))
    upstream.will(chat_stream("Hel", Fault.HANG))
    queued = await api.create(background=True, conversation=conversation)
    await upstream.wait_received()
    await cancelled(api, queued["id"])
    assert texts(await api.conversation_items(conversation)) == ["0"]
    await api.create(conversation=conversation)


async def test_a_cancelled_response_never_changes_again(api: Api, upstream: ScriptedUpstream) -> None:
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo"))
    queued = await api.create(background=True)
    await upstream.wait_received()
    over = await cancelled(api, queued["id"])
    gate.set()
    await asyncio.sleep(0.05)
    assert await api.retrieve(queued["id"]) == over


async def test_a_response_that_is_deleted_while_it_runs_is_gone(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("Hel", Fault.HANG))
    async with api.streaming(background=True) as live:
        identity = (await live.until("created"))["response"]["id"]
        await live.until("output_text.delta")
        reply = await api.delete(f"/responses/{identity}")
        assert (reply.status, reply.json["deleted"]) == (200, True)
        await upstream.last.wait_left(within=1.0)
        assert (await live.rest()).last["status"] == "cancelled"
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        (await api.request(method, f"/responses/{identity}{path}")).refused(404, None, None)


async def test_cancel_races_with_the_end_without_harm(api: Api, upstream: ScriptedUpstream) -> None:
    for number in range(20):
        gate = asyncio.Event()
        upstream.will(chat_stream("Hel", gate, "lo"))
        queued = await api.create(background=True)
        await upstream.wait_received(number + 1)
        asyncio.get_running_loop().call_later(number / 2000, gate.set)
        over = await cancelled(api, queued["id"])
        assert over["status"] in {"cancelled", "completed"}
        assert text_of(over) in {"", "Hel", "Hello"} if over["status"] == "cancelled" else text_of(over) == "Hello"
        assert await api.retrieve(queued["id"]) == over


# -- the server stops -----------------------------------------------------------------------------------------


async def test_a_server_that_stops_ends_its_runs_as_failed(
    api: Api, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    settings = plain_settings(providers=providers(upstream.base_url))
    upstream.will(chat_stream("Hel", Fault.HANG), SILENT)
    async with running(settings, data=tmp_path) as server:
        first = Api(server, api._session)
        one = await first.create(background=True, conversation="conv_stopped")
        await upstream.wait_received()
        two = await first.create(background=True)
        await upstream.wait_received(2)
    for request in upstream.received:
        await request.wait_left(within=1.0)
    async with running(settings, data=tmp_path) as server:
        again = Api(server, api._session)
        for identity in (one["id"], two["id"]):
            over = await again.retrieve(identity)
            assert (over["status"], over["error"]["code"]) == ("failed", "server_error")
            assert "stopped" in over["error"]["message"]
        assert await again.conversation_items("conv_stopped") == []
        await again.create(conversation="conv_stopped")


async def test_a_server_that_stops_tells_everyone_who_listens(
    api: Api, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """What ends in time ends as ever; streams get their terminal event, and who waits for a whole answer a 503."""
    settings = plain_settings(providers=providers(upstream.base_url))
    gate = asyncio.Event()
    upstream.will(chat_stream("a", gate, "b"), *[chat_stream("Hel", Fault.HANG)] * 2, SILENT)
    async with asyncio.TaskGroup() as clients, running(settings, data=tmp_path) as server:
        client = Api(server, api._session)
        asked = []
        for number, fields in enumerate(({"stream": True}, {"stream": True}, {"stream": True, "background": True}, {})):
            asked.append(clients.create_task(client.try_create(**fields)))
            await upstream.wait_received(number + 1)
        gate.set()
    in_time, *late, whole = [task.result() for task in asked]
    assert judged(in_time.body).last["status"] == "completed"
    for reply in late:
        told = judged(reply.body).last
        assert (told["status"], text_of(told)) == ("failed", "Hel")
        assert "stopped" in told["error"]["message"]
    assert (whole.error(503)["code"], whole.headers["retry-after"]) == ("server_stopping", "1")
    async with running(settings, data=tmp_path) as server:
        again = Api(server, api._session)
        kept = (await again.get("/responses?order=asc")).json["data"]
        assert [each["status"] for each in kept] == ["completed", "failed", "failed"]
        for reply in late:
            told = judged(reply.body).last
            assert await again.retrieve(told["id"]) == told


async def test_a_server_that_died_leaves_nothing_queued(api: Api, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """The first server never learns of its end: the second one finds its runs in the database."""
    settings = plain_settings(providers=providers(upstream.base_url))
    upstream.will(SILENT)
    async with running(settings, data=tmp_path) as server:
        first = Api(server, api._session)
        done = await first.wait_status(
            (await first.create(input="a", background=True, model="demo-chat"))["id"], "completed"
        )
        queued = await first.create(background=True)
        await upstream.wait_received()
        async with running(settings, data=tmp_path) as second:
            again = Api(second, api._session)
            over = await again.retrieve(queued["id"])
            assert (over["status"], over["output"]) == ("failed", [])
            assert await again.retrieve(done["id"]) == done
            assert texts(await again.input_items(queued["id"])) == ["Hi"]
