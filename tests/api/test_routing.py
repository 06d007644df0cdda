"""Names that lead to several providers, and providers of four formats, through the whole server."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from antiphon.config import Alias, Secret, Target
from antiphon.config import Provider as ProviderSettings
from antiphon.providers.catalog import Format
from antiphon.testing.serving import plain_settings, provider, running
from antiphon.testing.upstream import (
    Answer,
    Received,
    ScriptedUpstream,
    chat_stream,
    chat_whole,
    document,
    refusal,
    refusing_url,
    sse,
)
from tests.api.calling import PROVIDER_KEY, Api, Json, Stream, function, output, text_of, user

WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
GOLDEN = Path(__file__).parent.parent / "codecs" / "golden"
TINY = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")


def golden(name: str) -> Answer:
    """Return a golden file as a provider's answer."""
    data = (GOLDEN / name).read_bytes()
    return sse(data) if name.endswith(".sse") else Answer(steps=[data], framing="length")


def speaks(form: Format) -> Callable[[Received], Answer]:
    """Return what answers every request in a format, in the way that it asks for."""

    def answer(request: Received) -> Answer:
        streamed = "streamGenerateContent" in request.path or bool(request.json.get("stream"))
        return golden(f"{form}/text.{'sse' if streamed else 'json'}")

    return answer


def alias(*targets: str, weights: Sequence[float | None] | None = None) -> Alias:
    shares = weights or [None] * len(targets)
    return Alias(targets=[Target(model=target, weight=weight) for target, weight in zip(targets, shares, strict=True)])


def keys(*names: str) -> list[Secret]:
    return [Secret(f"sk-{name}", name) for name in names]


@asynccontextmanager
async def serving(
    session: aiohttp.ClientSession, providers: dict[str, ProviderSettings], **changes: Any
) -> AsyncIterator[Api]:
    """Give a caller of a server with these providers."""
    async with running(plain_settings(providers=providers, **changes)) as server:
        yield Api(server, session)


async def ask(api: Api, stream: bool, **fields: Any) -> Json:
    """Return a response that is right, whichever way it comes."""
    return (await api.stream(**fields)).last if stream else await api.create(**fields)


def key_of(request: Received) -> str:
    return request.headers["authorization"].removeprefix("Bearer sk-")


# -- names ----------------------------------------------------------------------------------------------------


@WAYS
async def test_a_stand_in_answers_under_the_name_that_was_asked_for(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream, stream: bool
) -> None:
    given = {"down": provider("chat", refusing_url()), "up": provider("responses", upstream.base_url)}
    async with serving(session, given, models={"best": alias("down/m", "up/big")}) as api:
        reply = await api.try_create(model="best", stream=stream)
        assert reply.status == 200
        assert reply.headers["antiphon-model"] == "up/big"
        response = await ask(api, stream, model="best")
        assert text_of(response) == "Hello."
        assert response["model"] == "best"
        assert response["metadata"] == {"antiphon-model": "up/big"}
        assert await api.retrieve(response["id"]) == response
        assert upstream.last.json["model"] == "big"


async def test_the_first_target_is_named_too(session: aiohttp.ClientSession, upstream: ScriptedUpstream) -> None:
    given = {"up": provider("chat", upstream.base_url)}
    async with serving(session, given, models={"best": alias("up/a", "up/b")}) as api:
        reply = await api.try_create(model="best")
        assert (reply.headers["antiphon-model"], reply.json["metadata"]["antiphon-model"]) == ("up/a", "up/a")


async def test_a_model_under_its_own_name_needs_no_telling(api: Api) -> None:
    reply = await api.try_create()
    assert reply.json["metadata"] == {}


async def test_a_weight_of_nearly_nothing_is_hardly_ever_asked(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    given = {"up": provider("chat", upstream.base_url)}
    both = alias("up/rare", "up/common", weights=[1e-12, 1.0])
    async with serving(session, given, models={"both": both}) as api:
        for _ in range(10):
            await api.create(model="both")
    assert {request.json["model"] for request in upstream.received} == {"common"}


async def test_a_refusal_is_told_and_not_asked_of_the_next(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.will(refusal(400, "Too odd."))
    given = {"up": provider("chat", upstream.base_url)}
    async with serving(session, given, models={"best": alias("up/a", "up/b")}) as api:
        assert (await api.try_create(model="best")).error(400)["message"] == "Too odd."
    assert len(upstream.received) == 1


async def test_models_are_listed_with_what_is_known_of_them(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    given = {
        "up": provider("chat", upstream.base_url, models=["m"], profile={"context_window": 4096, "images": False}),
        "ant": provider("anthropic", upstream.base_url, models=["claude-sonnet-4-5"], kind="anthropic"),
    }
    async with serving(session, given, models={"best": alias("ant/claude-sonnet-4-5", "up/m")}) as api:
        cards = {card["id"]: card for card in (await api.get("/models")).json["data"]}
    assert cards["up/m"]["context_window"] == 4096
    assert cards["up/m"]["input_modalities"] == ["text"]
    best = cards["best"]
    assert best["owned_by"] == "alias"
    assert best["targets"] == ["ant/claude-sonnet-4-5", "up/m"]
    known = {name: best[name] for name in ("context_window", "max_output_tokens", "tools", "structured_output")}
    assert known == {
        "context_window": 200_000,
        "max_output_tokens": 64_000,
        "tools": True,
        "structured_output": "native",
    }


async def test_a_context_window_that_the_provider_tells_is_learned(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    listed = {"name": "models/small", "inputTokenLimit": 1234, "supportedGenerationMethods": ["generateContent"]}
    upstream.listing = {"models": [listed]}
    async with serving(session, {"gem": provider("gemini", upstream.base_url)}) as api:
        router = api.server.assembly.router
        await router.learn()
        assert router.find("gem/small").profile.context_window == 1234
        cards = {card["id"]: card for card in (await api.get("/models")).json["data"]}
        assert cards["gem/small"]["context_window"] == 1234


# -- again, and with another key ------------------------------------------------------------------------------


@WAYS
async def test_an_empty_answer_and_a_broken_server_are_tried_again(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream, stream: bool
) -> None:
    empty = chat_stream() if stream else chat_whole("")
    upstream.will(empty, refusal(500, "Oops."))
    async with serving(session, {"up": provider("chat", upstream.base_url)}, retries=2) as api:
        assert text_of(await ask(api, stream, model="up/m")) == "Hello."
    assert len(upstream.received) == 3


async def test_a_limit_of_one_key_is_met_with_another_at_once(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.will(refusal(429, "Slow down.", retry_after="60"))
    given = {"up": provider("chat", upstream.base_url, api_keys=keys("one", "two"))}
    async with serving(session, given, retries=2) as api:
        async with asyncio.timeout(5):
            for _ in range(3):
                await api.create(model="up/m")
    limited, *others = [key_of(request) for request in upstream.received]
    assert {limited, *others} == {"one", "two"}
    assert set(others) == {others[0]}, "the limited key rests"
    assert len(others) == 3


async def test_a_rejected_key_rests(session: aiohttp.ClientSession, upstream: ScriptedUpstream) -> None:
    upstream.otherwise = lambda request: refusal(401, "no") if key_of(request) == "bad" else chat_whole("Hello.")
    given = {"up": provider("chat", upstream.base_url, api_keys=keys("bad", "good"))}
    async with serving(session, given, retries=2) as api:
        for number in range(12):
            assert text_of(await api.create(model="up/m", prompt_cache_key=f"c{number}")) == "Hello."
    asked = [key_of(request) for request in upstream.received]
    assert (asked.count("bad"), asked.count("good")) == (1, 12)


async def test_a_conversation_keeps_its_key(session: aiohttp.ClientSession, upstream: ScriptedUpstream) -> None:
    given = {"up": provider("chat", upstream.base_url, api_keys=keys("one", "two", "three"))}

    async def keys_of(*requests: Json) -> set[str]:
        upstream.received.clear()
        for request in requests:
            await api.create(model="up/m", **request)
        return {key_of(request) for request in upstream.received}

    async with serving(session, given) as api:
        assert len(await keys_of(*({"prompt_cache_key": f"c{number}"} for number in range(24)))) == 3
        assert len(await keys_of(*({"prompt_cache_key": "c", "input": f"{number}"} for number in range(8)))) == 1
        grown = [[user("Hi"), *[user(str(more)) for more in range(count)]] for count in range(8)]
        assert len(await keys_of(*({"input": items} for items in grown))) == 1
        upstream.received.clear()
        before = await api.create(model="up/m", input="Begin")
        for _ in range(4):
            before = await api.create(model="up/m", input="Go on", previous_response_id=before["id"])
        assert len({key_of(request) for request in upstream.received}) == 1


async def test_a_request_too_many_is_told_when_to_come_back(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo"))
    given = {"up": provider("chat", upstream.base_url, concurrency=1, queue=1)}
    async with serving(session, given) as api:
        [slots] = [each.slots for each in api.server.assembly.router.providers]
        async with api.streaming(model="up/m") as first:
            await first.until("output_text.delta")
            second = asyncio.create_task(api.create(model="up/m"))
            async with asyncio.timeout(5):
                while not slots.queued:  # noqa: ASYNC110 # nothing tells of a queue
                    await asyncio.sleep(0.005)
            third = await api.try_create(model="up/m")
            assert third.error(503)["code"] == "provider_queue_full"
            assert third.headers["retry-after"] == "1"
            assert len(upstream.received) == 1
            gate.set()
            assert text_of((await first.rest()).last) == "Hello"
            assert text_of(await second) == "Hello."


# -- hints and notes ------------------------------------------------------------------------------------------


async def test_a_hint_that_is_refused_is_left_out_from_then_on(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.will(refusal(400, "Unknown parameter.", param="safety_identifier"))
    given = {"up": provider("chat", upstream.base_url, profile={"hints": frozenset({"safety_identifier", "user"})})}
    async with serving(session, given) as api:
        for _ in range(2):
            reply = await api.try_create(model="up/m", safety_identifier="ada", user="bob")
            assert reply.status == 200
            assert "safety_identifier" in reply.notes
    assert ["safety_identifier" in request.json for request in upstream.received] == [True, False, False]
    assert [request.json["user"] for request in upstream.received] == ["bob"] * 3


async def test_strict_params_refuse_what_would_be_noted(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    async with serving(session, {"up": provider("chat", upstream.base_url)}, strict_params=True) as api:
        reply = await api.try_create(model="up/m", prompt_cache_key="c")
        assert "strict_params" in reply.refused(400, "unsupported_parameter", "prompt_cache_key")
        reply = await api.try_create(model="up/m", truncation="auto")
        assert "strict_params" in reply.refused(400, "unsupported_parameter", "truncation")
        assert upstream.received == []
        assert (await api.try_create(model="up/m")).status == 200


async def test_strict_params_let_nothing_be_emulated(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    given = {"up": provider("chat", upstream.base_url, profile={"json_schema": False})}
    text = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}
    async with serving(session, given, strict_params=True) as api:
        reply = await api.try_create(model="up/m", text=text)
        reply.refused(400, "unsupported_parameter", "text.format")
        assert upstream.received == []


# -- images ---------------------------------------------------------------------------------------------------


def shown(url: str) -> list[Json]:
    parts = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": url}]
    return [{"role": "user", "content": parts}]


async def test_an_image_is_fetched_for_a_provider_that_cannot(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.otherwise = speaks("gemini")
    picture = Answer(steps=[TINY], headers={"Content-Type": "image/png"}, framing="length")
    async with ScriptedUpstream() as web:
        web.otherwise = lambda _: picture
        given = {"gem": provider("gemini", upstream.base_url)}
        async with serving(session, given, allowed_networks=["127.0.0.0/8"]) as api:
            await api.create(model="gem/gemini-3-flash", input=shown(f"{web.base_url}/cat.png"))
    [found] = [part["inlineData"] for part in upstream.last.json["contents"][0]["parts"] if "inlineData" in part]
    assert base64.b64decode(found["data"]) == TINY
    assert found["mimeType"] == "image/png"
    assert [request.path for request in web.received] == ["/v1/cat.png"]


async def test_an_image_of_our_own_network_is_not_fetched(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    given = {"gem": provider("gemini", upstream.base_url)}
    async with ScriptedUpstream() as web, serving(session, given) as api:
        reply = await api.try_create(model="gem/gemini-3-flash", input=shown(f"{web.base_url}/cat.png"))
        reply.refused(400, "url_not_allowed", "input[0].content[1].image_url")
        assert web.received == []
    assert upstream.received == []


async def test_an_image_is_only_named_to_a_provider_that_fetches(api: Api, upstream: ScriptedUpstream) -> None:
    await api.create(input=shown("http://127.0.0.1:9/cat.png"))
    assert "http://127.0.0.1:9/cat.png" in upstream.last.body.decode()


# -- formats --------------------------------------------------------------------------------------------------


@WAYS
async def test_messages_answer(session: aiohttp.ClientSession, upstream: ScriptedUpstream, stream: bool) -> None:
    upstream.otherwise = speaks("anthropic")
    given = {"ant": provider("anthropic", upstream.base_url, key=PROVIDER_KEY)}
    async with serving(session, given) as api:
        response = await ask(api, stream, model="ant/claude-sonnet-5")
    assert "wörld" in text_of(response)
    assert response["usage"]["input_tokens_details"]["cached_tokens"] == 2048
    asked = upstream.last
    assert asked.path == "/v1/messages"
    assert asked.headers["x-api-key"] == PROVIDER_KEY
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in asked.headers


@WAYS
async def test_generate_content_answers(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.otherwise = speaks("gemini")
    given = {"gem": provider("gemini", upstream.base_url, key=PROVIDER_KEY)}
    async with serving(session, given) as api:
        response = await ask(api, stream, model="gem/gemini-3-flash")
    assert text_of(response)
    asked = upstream.last
    way = "streamGenerateContent?alt=sse" if stream else "generateContent"
    assert asked.path == f"/v1/models/gemini-3-flash:{way}"
    assert asked.headers["x-goog-api-key"] == PROVIDER_KEY
    assert "authorization" not in asked.headers


SIGNING: dict[Format, tuple[str, str, str, str]] = {
    "anthropic": ("claude-sonnet-5", "thinking_and_call", "thinking", "signature"),
    "gemini": ("gemini-3-flash", "thoughts_and_signed_call", "functionCall", "thoughtSignature"),
}
"""A model, its golden answer, the kind of part that is signed, and the field of the signature."""


@WAYS
@pytest.mark.parametrize("form", SIGNING)
async def test_a_signature_comes_back_with_the_results_of_tools(
    session: aiohttp.ClientSession,
    upstream: ScriptedUpstream,
    stream: bool,
    form: Format,
) -> None:
    """As it was signed, to the byte, with the part that it signs."""
    model, case, signed_part, signature = SIGNING[form]
    tools = [function("get_weather")]
    async with serving(session, {"up": provider(form, upstream.base_url, kind=form)}) as api:
        upstream.will(golden(f"{form}/{case}.{'sse' if stream else 'json'}"))
        upstream.otherwise = speaks(form)
        first = await ask(api, stream, model=f"up/{model}", tools=tools)
        [asked] = [item for item in first["output"] if item["type"] == "function_call"]
        given = {"previous_response_id": first["id"], "input": [output(asked["call_id"])]}
        second = await ask(api, stream, model=f"up/{model}", tools=tools, **given)
    assert text_of(second)
    told = upstream.last.json["messages" if form == "anthropic" else "contents"]
    parts = [part for message in told for part in message["content" if form == "anthropic" else "parts"]]
    [signed] = [part for part in parts if isinstance(part, dict) and (signed_part in part or signed_part == part.get("type"))]  # fmt: skip
    golden_bytes = (GOLDEN / f"{form}/{case}.{'sse' if stream else 'json'}").read_bytes()
    assert json.dumps(signed[signature]).encode() in golden_bytes
    assert signed[signature] not in json.dumps(first)


@pytest.mark.parametrize("form", ["anthropic", "gemini"])
async def test_a_refusal_of_another_format_is_told_in_its_words(
    session: aiohttp.ClientSession, upstream: ScriptedUpstream, form: Format
) -> None:
    error = {"type": "invalid_request_error", "message": "max_tokens: too large", "status": "INVALID_ARGUMENT"}
    upstream.will(document({"type": "error", "error": error}, status=400))
    given = {"up": provider(form, upstream.base_url, kind=form, models=["m"])}
    async with serving(session, given) as api:
        assert "max_tokens: too large" in (await api.try_create(model="up/m")).error(400)["message"]


# -- when providers go away -----------------------------------------------------------------------------------


async def test_a_provider_that_dies_under_load_is_stood_in_for_or_honestly_told(session: aiohttp.ClientSession) -> None:
    """Those who have heard nothing get another's answer; those who have, an honest end with what they heard."""
    never = asyncio.Event()
    async with ScriptedUpstream() as other, ScriptedUpstream() as dying:
        given = {"a": provider("chat", dying.base_url), "b": provider("chat", other.base_url)}
        async with serving(session, given, models={"best": alias("a/m", "b/m")}) as api, AsyncExitStack() as open_ones:
            dying.otherwise = lambda _: chat_stream("Hel", never)
            speaking = [await open_ones.enter_async_context(api.streaming(model="best")) for _ in range(3)]
            for stream in speaking:
                await stream.until("output_text.delta")
            dying.otherwise = lambda _: Answer(before=[never])
            waiting = [asyncio.create_task(api.stream(model="best")) for _ in range(30)]
            await dying.wait_received(33)
            await dying.__aexit__()
            for stood_in in await asyncio.gather(*waiting):
                assert stood_in.last["status"] == "completed"
                assert text_of(stood_in.last) == "Hello."
                assert stood_in.last["metadata"]["antiphon-model"] == "b/m"
            for stream in speaking:
                ended: Stream = await stream.rest()
                assert ended.types[-1] == "response.failed"
                assert text_of(ended.last) == "Hel"
                assert ended.last["output"][0]["status"] == "incomplete"
                assert await api.retrieve(ended.last["id"]) == ended.last
            assert len(other.received) == 30


FORMATS: Sequence[Format] = ("chat", "responses", "anthropic", "gemini")


@WAYS
async def test_four_providers_of_four_formats_stand_in_for_each_other(
    session: aiohttp.ClientSession, stream: bool
) -> None:
    async with AsyncExitStack() as alive:
        upstreams: dict[Format, ScriptedUpstream] = {
            form: await alive.enter_async_context(ScriptedUpstream()) for form in FORMATS
        }
        for form in FORMATS[2:]:
            upstreams[form].otherwise = speaks(form)
        given = {str(form): provider(form, upstreams[form].base_url, key=PROVIDER_KEY) for form in FORMATS}
        every = alias(*(f"{form}/m" for form in FORMATS))
        async with serving(session, given, models={"any": every}) as api:
            for form in FORMATS:
                response = await ask(api, stream, model="any")
                assert response["metadata"]["antiphon-model"] == f"{form}/m"
                assert response["status"] == "completed"
                await upstreams[form].__aexit__()
            assert (await api.try_create(model="any", stream=stream)).error(502)
