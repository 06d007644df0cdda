"""Trouble of our own: the store can't be written, or the server has a bug. Said plainly, and nothing is half done."""

import asyncio
from typing import Any

import pytest

from antiphon.api import models
from antiphon.engine import runner
from antiphon.errors import StoreUnavailable
from antiphon.testing.upstream import ScriptedUpstream, chat_stream
from tests.api.calling import Api, texts, user

WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


async def unavailable(*_: object) -> Any:
    raise StoreUnavailable


async def buggy(*_: object) -> Any:
    raise ZeroDivisionError("a secret of the inside")


# -- the store ------------------------------------------------------------------------------------------------


async def test_an_end_that_can_t_be_stored_is_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.store.responses, "finish", unavailable)
    reply = await api.try_create()
    error = reply.error(503)
    assert (error["code"], error["type"], reply.headers["retry-after"]) == ("store_unavailable", "server_error", "1")


async def test_a_stream_whose_end_can_t_be_stored_is_never_completed(
    api: Api, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo"))
    monkeypatch.setattr(api.store.responses, "finish", unavailable)
    async with api.streaming() as live:
        await live.until("output_text.delta")
        gate.set()
        stream = await live.rest()
    assert stream.types[-1] == "response.failed"
    assert stream.last["error"]["code"] == "server_error"
    assert "response.completed" not in stream.types


async def test_a_background_response_that_can_t_be_accepted_is_503(
    api: Api, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.store.responses, "accept", unavailable)
    for stream in (False, True):
        assert (await api.try_create(background=True, stream=stream)).error(503)["code"] == "store_unavailable"
    assert upstream.received == []


async def test_a_background_run_goes_on_when_its_beginning_can_t_be_written(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.store.responses, "update", unavailable)
    queued = await api.create(background=True)
    await api.wait_status(queued["id"], "completed")


async def test_a_background_end_is_written_when_the_store_is_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "KEEP_AGAIN", 0.01)
    finish, tried = api.store.responses.finish, asyncio.Event()

    async def away(*_: object) -> Any:
        tried.set()
        raise StoreUnavailable

    monkeypatch.setattr(api.store.responses, "finish", away)
    queued = await api.create(background=True)
    await tried.wait()
    monkeypatch.setattr(api.store.responses, "finish", finish)
    await api.wait_status(queued["id"], "failed")


@pytest.mark.parametrize("fields", [{}, {"stream": True}, {"background": True}])
async def test_trouble_with_the_store_frees_the_conversation(
    api: Api, monkeypatch: pytest.MonkeyPatch, fields: Any
) -> None:
    conversation = await api.converse(user("0"))
    with monkeypatch.context() as patch:
        patch.setattr(api.store.responses, "finish", unavailable)
        patch.setattr(api.store.responses, "accept", unavailable)
        await api.try_create(conversation=conversation, **fields)
    assert texts(await api.conversation_items(conversation)) == ["0"]
    await api.create(conversation=conversation)


async def test_a_store_that_can_t_be_written_is_not_ready(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.store, "check", unavailable)
    for path in ("/readyz", "/health"):
        async with api._session.get(api.server.url + path) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "store_unavailable")
    async with api._session.get(api.server.url + "/livez") as answer:
        assert answer.status == 200


# -- bugs -----------------------------------------------------------------------------------------------------


@WAYS
async def test_a_bug_is_a_500_that_can_be_found_in_the_log(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stream: bool
) -> None:
    monkeypatch.setattr(api.server.assembly.runner, "start", buggy)
    reply = await api.try_create(stream=stream)
    error = reply.error(500)
    assert (error["type"], error["code"]) == ("server_error", None)
    assert reply.headers["x-request-id"] in error["message"]
    assert "secret of the inside" not in error["message"]
    logged = "".join(capsys.readouterr())
    assert "secret of the inside" in logged
    assert reply.headers["x-request-id"] in logged


async def test_a_bug_in_the_middle_of_a_stream_is_a_failed_response(
    api: Api, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo"))
    async with api.streaming() as live:
        await live.until("output_text.delta")
        monkeypatch.setattr(api.store.responses, "finish", buggy)
        gate.set()
        stream = await live.rest()
    assert (stream.types[-1], stream.last["error"]["code"]) == ("response.failed", "server_error")
    assert b"secret of the inside" not in stream.raw


async def test_a_bug_in_one_background_run_does_not_reach_the_others(
    api: Api, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    upstream.will(chat_stream(gate, "well"))
    well = await api.create(background=True)
    await upstream.wait_received()
    with monkeypatch.context() as patch:
        patch.setattr(api.store.responses, "update", buggy)
        await api.create(background=True)
        await asyncio.sleep(0.05)
    gate.set()
    assert (await api.wait_status(well["id"], "completed"))["status"] == "completed"
    await api.create()


async def test_a_run_that_is_cancelled_without_a_store_does_not_reach_the_others(
    api: Api, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, never = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> Any:
        await never.wait()

    upstream.will(chat_stream(gate, "well"))
    well = await api.create(background=True)
    await upstream.wait_received()
    with monkeypatch.context() as patch:
        patch.setattr(api.store.responses, "update", slow)
        patch.setattr(api.store.responses, "finish", unavailable)
        queued = await api.create(background=True)
        reply = await api.post(f"/responses/{queued['id']}/cancel")
        assert reply.error(503)["code"] == "store_unavailable"
    gate.set()
    await api.wait_status(well["id"], "completed")
    assert (await api.post(f"/responses/{queued['id']}/cancel")).json["status"] == "cancelled"


async def test_a_bug_in_a_plain_route_is_the_same_500(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    route = next(endpoint for endpoint in models.ROUTES if endpoint.path == "/v1/models")
    monkeypatch.setattr(route, "handler", buggy)
    assert (await api.get("/models")).error(500)["type"] == "server_error"
