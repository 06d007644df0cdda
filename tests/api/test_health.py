"""`/readyz?verbose`: how the providers are, for whoever has a key."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from antiphon.config import Secret
from antiphon.testing.serving import plain_settings, provider, running
from antiphon.testing.upstream import ScriptedUpstream, chat_stream, chat_whole, refusal, refusing_url
from antiphon.types.limits import Limits
from tests.api.calling import Api, Json

WELL: Json = {
    "name": "up",
    "status": "ok",
    "running": 0,
    "queued": 0,
    "succeeded": 0,
    "failed": 0,
    "breakers": [],
    "credentials": [],
    "last_error": None,
}
KEYS = [Secret("sk-first-SECRET", "env:FIRST"), Secret("sk-second-SECRET", "env:SECOND")]


@pytest_asyncio.fixture(loop_scope="session")
async def watched(upstream: ScriptedUpstream, session: aiohttp.ClientSession) -> AsyncIterator[Api]:
    """A caller of a server that has asked nobody anything yet: one slot, two keys, breakers that open."""
    given = provider("chat", upstream.base_url, api_keys=KEYS, concurrency=1, queue=2)
    down = provider("chat", refusing_url())
    settings = plain_settings(providers={"up": given, "gone": down}, circuit_breaker=True, limits=Limits(keepalive=5))
    async with running(settings) as server:
        yield Api(server, session)


async def ready(api: Api, query: str = "?verbose") -> Json:
    """The answer, whose status is 200 whatever the providers do."""
    for path in ("/readyz", "/health"):
        url = f"{api.server.url}{path}{query}"
        headers = {"Authorization": f"Bearer {api.key}"} if api.key else {}
        async with api._session.get(url, headers=headers) as answer:
            assert answer.status == 200
            said = await answer.text()
            assert "SECRET" not in said
            found: Json = await answer.json()
    return found


async def health(api: Api, name: str = "up") -> Json:
    by_name: dict[str, Json] = {each["name"]: each for each in (await ready(api))["providers"]}
    return by_name[name]


async def test_providers_that_were_never_asked_are_ok(watched: Api) -> None:
    assert (await ready(watched))["providers"] == [WELL, {**WELL, "name": "gone"}]


@pytest.mark.parametrize("query", ["", "?verbose=false", "?verbose=0", "?other"])
async def test_without_verbose_no_provider_is_named(watched: Api, query: str) -> None:
    assert (await ready(watched, query)).keys() == {"status", "version"}


@pytest.mark.parametrize("key", ["", "no-key-of-this-server"])
async def test_without_a_key_of_this_server_no_provider_is_named(watched: Api, key: str) -> None:
    assert (await ready(watched.other(key))).keys() == {"status", "version"}


async def test_a_key_of_any_tenant_will_do(watched: Api) -> None:
    other = watched.other(await watched.server.add_key("another"))
    assert (await health(other))["status"] == "ok"


async def test_what_is_neither_true_nor_false_is_refused(api: Api) -> None:
    async with api._session.get(f"{api.server.url}/readyz?verbose=loud") as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == "verbose"


async def test_an_answer_is_counted_as_a_success(watched: Api) -> None:
    await watched.create(model="up/m")
    await watched.stream(model="up/m")
    assert await health(watched) == {**WELL, "succeeded": 2}


async def test_a_request_that_the_provider_blames_is_no_failure_of_it(watched: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(refusal(400, "Words of a user"))
    assert (await watched.try_create(model="up/m")).status == 400
    assert await health(watched) == {**WELL, "succeeded": 1}


async def test_a_failure_is_counted_and_told_without_its_words(watched: Api, upstream: ScriptedUpstream) -> None:
    await watched.create(model="up/m")
    upstream.will(refusal(500, "Words of a user"))
    assert (await watched.try_create(model="up/m")).status == 502
    found = await health(watched)
    error = found.pop("last_error")
    assert found == {
        **{name: value for name, value in WELL.items() if name != "last_error"},
        "succeeded": 1,
        "failed": 1,
    }
    assert error == {"kind": "ProviderBroke", "code": "provider_error", "time": error["time"]}
    assert await health(watched, "gone") == {**WELL, "name": "gone"}


async def test_an_answer_that_breaks_off_is_a_failure(watched: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("Hel", finish=None, done=False, usage=None))
    assert (await watched.stream(model="up/m")).types[-1] == "response.failed"
    found = await health(watched)
    assert (found["succeeded"], found["failed"]) == (0, 1)


async def test_a_model_that_keeps_failing_brings_its_provider_down_and_not_this_server(watched: Api) -> None:
    for _ in range(5):
        assert (await watched.try_create(model="gone/m")).status == 502
    found = await health(watched, "gone")
    (breaker,) = found["breakers"]
    assert (found["status"], found["failed"], found["last_error"]["code"]) == ("down", 5, "provider_unreachable")
    assert (breaker["model"], breaker["state"]) == ("m", "open")
    assert 0 < breaker["retry_in"] <= 5
    assert await health(watched) == WELL


async def test_a_rejected_key_is_told_by_where_it_came_from(watched: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(refusal(401), chat_whole("Hello."))
    assert (await watched.try_create(model="up/m")).status == 502
    await watched.create(model="up/m")
    found = await health(watched)
    (key,) = found["credentials"]
    assert (found["status"], found["succeeded"], found["failed"]) == ("degraded", 1, 1)
    assert key.keys() == {"name", "reason", "retry_in"}
    assert key["name"] in {"env:FIRST", "env:SECOND"}
    assert (key["reason"], 290 < key["retry_in"] <= 300) == ("rejected", True)


async def test_a_provider_without_a_key_left_is_down(watched: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(refusal(401), refusal(401))
    for _ in range(2):
        assert (await watched.try_create(model="up/m")).status == 502
    found = await health(watched)
    assert (found["status"], len(found["credentials"])) == ("down", 2)


async def test_a_key_at_its_limit_rests_for_the_model(watched: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(refusal(429, retry_after="30"))
    assert (await watched.try_create(model="up/m")).status == 429
    (key,) = (await health(watched))["credentials"]
    assert (key["reason"], key["model"], 20 < key["retry_in"] <= 30) == ("limited", "m", True)


async def test_requests_that_wait_for_their_turn_are_counted(watched: Api, upstream: ScriptedUpstream) -> None:
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo."))
    async with watched.streaming(model="up/m") as live, asyncio.TaskGroup() as tasks:
        await live.until("output_text.delta")
        waiting: Any = tasks.create_task(watched.create(model="up/m"))
        async with asyncio.timeout(5):
            while not (found := await health(watched))["queued"]:  # noqa: ASYNC110 # as probes do
                await asyncio.sleep(0.01)
        assert (found["status"], found["running"], found["queued"]) == ("degraded", 1, 1)
        gate.set()
        await waiting
    assert await health(watched) == {**WELL, "succeeded": 2}
