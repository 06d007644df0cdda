"""A provider's reasoning state through the whole server: it comes back to its own provider, and to nobody else."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from antiphon.testing.serving import plain_settings, provider, running
from antiphon.testing.upstream import ScriptedUpstream, responses_item, responses_stream, responses_whole
from tests.api.calling import CHAT, RESPONSES, Api, Json

STATE = "gAAAA-the-providers-own"
THOUGHT: Json = {"type": "reasoning", "id": "rs_up", "summary": [], "encrypted_content": STATE, "status": "completed"}
ASKED: Json = {"model": RESPONSES, "include": ["reasoning.encrypted_content"]}


def told(upstream: ScriptedUpstream) -> list[Any]:
    """The states that the provider was given last."""
    items = upstream.last.json["input"]
    return [item.get("encrypted_content") for item in items if item["type"] == "reasoning"]


async def thinking(api: Api, upstream: ScriptedUpstream, stream: bool = False, **fields: Any) -> Json:
    """A response that begins with reasoning."""
    if stream:
        upstream.will(responses_stream(*responses_item(THOUGHT), "42"))
        return (await api.stream(**ASKED, **fields)).last
    upstream.will(responses_whole(THOUGHT, "42"))
    return await api.create(**ASKED, **fields)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_client_that_keeps_everything_itself_gets_it_back_to_the_provider(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    first = await thinking(api, upstream, stream, store=False)
    sealed = first["output"][0]["encrypted_content"]
    assert sealed.startswith("ap1.")
    assert STATE not in sealed
    reply = await api.try_create(**ASKED, store=False, input=[*first["output"], {"role": "user", "content": "go on"}])
    assert told(upstream) == [STATE]
    assert reply.notes == ""


async def test_a_restart_and_a_change_of_the_key_lose_nothing(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    settings = plain_settings(providers={"resp": provider("responses", upstream.base_url)})
    async with running(settings, data=tmp_path) as server:
        first = await thinking(Api(server, session), upstream)
    path = tmp_path / "sealing.keys"
    path.write_text(f"new:{'A' * 43}=\n{path.read_text()}")
    async with running(settings, data=tmp_path) as server:
        again = await thinking(Api(server, session), upstream, previous_response_id=first["id"])
        assert told(upstream) == [STATE]
        assert again["output"][0]["encrypted_content"].startswith("ap1.new.")
    path.unlink()
    async with running(settings, data=tmp_path) as server:
        reply = await Api(server, session).try_create(**ASKED, previous_response_id=again["id"])
        assert (reply.status, told(upstream)) == (200, [])
        assert "reasoning state whose sealing key is gone left out (2 items)" in reply.notes


async def test_another_tenant_cannot_use_what_it_found(api: Api, stranger: Api, upstream: ScriptedUpstream) -> None:
    first = await thinking(api, upstream, store=False)
    reply = await stranger.try_create(**ASKED, input=[*first["output"], {"role": "user", "content": "go on"}])
    assert (reply.status, told(upstream)) == (200, [])
    assert "reasoning state with a broken seal left out" in reply.notes


async def test_a_chain_that_changes_its_provider_keeps_its_state_at_home(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    given = {name: provider("responses", upstream.base_url) for name in ("resp", "other")}
    async with running(plain_settings(providers=given)) as server:
        api = Api(server, session)
        first = await thinking(api, upstream)
        reply = await api.try_create(model="other/m", previous_response_id=first["id"])
        assert (reply.status, told(upstream)) == (200, [])
        assert "reasoning state of another provider or model left out" in reply.notes
        await api.create(model=RESPONSES, previous_response_id=reply.json["id"])
        assert told(upstream) == [STATE]


async def test_state_from_elsewhere_is_passed_to_responses_alone(api: Api, upstream: ScriptedUpstream) -> None:
    context = [THOUGHT, {"role": "assistant", "content": "42"}, {"role": "user", "content": "go on"}]
    assert (await api.try_create(model=RESPONSES, input=context)).notes == ""
    assert told(upstream) == [STATE]
    reply = await api.try_create(model=CHAT, input=context)
    assert "reasoning state that this server didn't seal left out" in reply.notes
    assert STATE.encode() not in upstream.last.body


@pytest.mark.parametrize("state", ["ap1.", "ap1.x.y", "ap2.x.y", "\x00", "é" * 1000])
@pytest.mark.parametrize("model", [CHAT, RESPONSES])
async def test_a_broken_seal_is_never_an_error(api: Api, upstream: ScriptedUpstream, model: str, state: str) -> None:
    context = [{**THOUGHT, "encrypted_content": state}, {"role": "assistant", "content": "42"}]
    reply = await api.try_create(model=model, input=[*context, {"role": "user", "content": "go on"}])
    assert reply.status == 200
    is_noted = "reasoning state" in reply.notes
    assert is_noted or (model == RESPONSES and told(upstream) == [state])
