"""Tenants see nothing of each other, and nobody without a key sees anything: over every route there is.

The probes are made from the route tables: a route without an entry here fails.
"""

import asyncio
import itertools
import json
import time
from typing import Any

import pytest

from antiphon.api.app import ENDPOINTS
from antiphon.api.calls import Endpoint
from antiphon.api.errors import ErrorReply
from antiphon.tenancy.keys import digest, new_key, row
from antiphon.testing.upstream import Fault, ScriptedUpstream, chat_stream
from tests.api.calling import CHAT, Api, Json, Reply, raw_exchange, text_of, texts, user

PUBLIC = {"/livez", "/readyz", "/health", "/docs", "/docs/{asset}", "/openapi.json"}
NOWHERE = {"response": "resp_" + "0" * 43, "running": "resp_" + "1" * 43, "conversation": "conv_" + "0" * 43, "item": "msg_" + "0" * 43 + "o0"}  # fmt: skip

Probe = tuple[str, str, Json | None]
"""Method, path and body, with the names of `NOWHERE` in braces where ids stand."""

PROBES: dict[tuple[str, str], list[Probe]] = {
    ("POST", "/v1/responses"): [
        ("POST", "/v1/responses", {"model": CHAT, "input": "x", "previous_response_id": "{response}"}),
        ("POST", "/v1/responses", {"model": CHAT, "input": "x", "previous_response_id": "{response}", "stream": True}),
        ("POST", "/v1/responses", {"model": CHAT, "input": "x", "previous_response_id": "{running}"}),
        ("POST", "/v1/responses", {"model": CHAT, "input": "x", "conversation": "{conversation}"}),
        ("POST", "/v1/responses", {"model": CHAT, "input": "x", "conversation": {"id": "{conversation}"}}),
        ("POST", "/v1/responses", {"model": CHAT, "input": "x", "conversation": "{conversation}", "background": True}),
        ("POST", "/v1/responses", {"model": CHAT, "input": [{"type": "item_reference", "id": "{item}"}]}),
        ("POST", "/v1/responses", {"model": CHAT, "input": [{"id": "{item}"}]}),
    ],
    ("GET", "/v1/responses"): [
        ("GET", "/v1/responses?after={response}", None),
        ("GET", "/v1/responses?before={response}", None),
        ("GET", "/v1/responses?conversation={conversation}", None),
    ],
    ("POST", "/v1/responses/input_tokens"): [
        ("POST", "/v1/responses/input_tokens", {"model": CHAT, "input": "x", "previous_response_id": "{response}"}),
        ("POST", "/v1/responses/input_tokens", {"model": CHAT, "input": "x", "conversation": "{conversation}"}),
        ("POST", "/v1/responses/input_tokens", {"model": CHAT, "input": [{"type": "item_reference", "id": "{item}"}]}),
    ],
    ("GET", "/v1/responses/{id}"): [
        ("GET", "/v1/responses/{response}", None),
        ("GET", "/v1/responses/{running}", None),
        ("GET", "/v1/responses/{response}?stream=true", None),
        ("GET", "/v1/responses/{response}?include[]=reasoning.encrypted_content", None),
    ],
    ("DELETE", "/v1/responses/{id}"): [
        ("DELETE", "/v1/responses/{response}", None),
        ("DELETE", "/v1/responses/{running}", None),
    ],
    ("POST", "/v1/responses/{id}/cancel"): [
        ("POST", "/v1/responses/{response}/cancel", None),
        ("POST", "/v1/responses/{running}/cancel", None),
    ],
    ("GET", "/v1/responses/{id}/input_items"): [
        ("GET", "/v1/responses/{response}/input_items", None),
        ("GET", "/v1/responses/{running}/input_items", None),
        ("GET", "/v1/responses/{mine}/input_items?after={item}", None),
    ],
    ("POST", "/v1/conversations"): [
        ("POST", "/v1/conversations", {"items": [{"type": "item_reference", "id": "{item}"}]}),
    ],
    ("GET", "/v1/conversations/{id}"): [("GET", "/v1/conversations/{conversation}", None)],
    ("POST", "/v1/conversations/{id}"): [("POST", "/v1/conversations/{conversation}", {"metadata": {"a": "b"}})],
    ("DELETE", "/v1/conversations/{id}"): [("DELETE", "/v1/conversations/{conversation}", None)],
    ("GET", "/v1/conversations/{id}/items"): [
        ("GET", "/v1/conversations/{conversation}/items", None),
        ("GET", "/v1/conversations/{myconversation}/items?after={item}", None),
    ],
    ("POST", "/v1/conversations/{id}/items"): [
        ("POST", "/v1/conversations/{conversation}/items", {"items": [user("x")]}),
        ("POST", "/v1/conversations/{myconversation}/items", {"items": [{"type": "item_reference", "id": "{item}"}]}),
    ],
    ("GET", "/v1/conversations/{id}/items/{item}"): [
        ("GET", "/v1/conversations/{conversation}/items/{item}", None),
        ("GET", "/v1/conversations/{myconversation}/items/{item}", None),
    ],
    ("DELETE", "/v1/conversations/{id}/items/{item}"): [
        ("DELETE", "/v1/conversations/{conversation}/items/{item}", None),
        ("DELETE", "/v1/conversations/{myconversation}/items/{item}", None),
    ],
    ("POST", "/v1/chat/completions"): [],  # these three have no state, and so no id of anything
    ("POST", "/v1/messages"): [],
    ("POST", "/v1/messages/count_tokens"): [],
    ("GET", "/v1/models"): [],
    ("GET", "/v1/models/{name:path}"): [],
}
GUARDED = [endpoint for endpoint in ENDPOINTS if not endpoint.public]


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def fill(value: Any, ids: dict[str, str]) -> Any:
    """Put ids in the place of their names."""
    text = json.dumps(value)
    for name, identity in ids.items():
        text = text.replace("{" + name + "}", identity)
    return json.loads(text)


async def send(api: Api, probe: Probe, ids: dict[str, str]) -> Reply:
    method, path, body = probe
    return await api.request(method, fill(path, ids), json=fill(body, ids))


def blind(reply: Reply, ids: dict[str, str]) -> tuple[int, str, str | None]:
    """Return what an answer tells, ids aside."""
    text = reply.body.decode()
    for name, identity in ids.items():
        text = text.replace(identity, "{" + name + "}")
    return reply.status, text, reply.headers.get("antiphon-notes")


@pytest.mark.parametrize("endpoint", GUARDED, ids=named)
async def test_another_tenant_s_ids_are_as_unknown_as_those_of_nobody(
    api: Api, stranger: Api, upstream: ScriptedUpstream, endpoint: Endpoint
) -> None:
    probes = PROBES[endpoint.method, endpoint.path]  # a new route needs its probes
    upstream.will(chat_stream("mine"))
    owned = (await api.stream(input="secret")).last
    conversation = await api.converse(user("secret"))
    upstream.will(chat_stream("Hel", Fault.HANG))
    running = await api.create(background=True)
    await upstream.wait_received(2)
    ids = {
        "response": owned["id"],
        "running": running["id"],
        "conversation": conversation,
        "item": owned["output"][0]["id"],
    }
    mine = {"mine": (await stranger.create())["id"], "myconversation": await stranger.converse(user("x"))}
    for probe in probes:
        theirs = await send(stranger, probe, {**ids, **mine})
        nobody_s = await send(stranger, probe, {**NOWHERE, **mine})
        assert blind(theirs, ids) == blind(nobody_s, NOWHERE)
        assert theirs.status in ({200} if "?conversation=" in probe[1] else {400, 404}), theirs.body
        assert b"secret" not in theirs.body
    # and nothing of it was touched
    assert await api.retrieve(owned["id"]) == owned
    assert (await api.retrieve(running["id"]))["status"] in {"queued", "in_progress"}
    assert texts(await api.conversation_items(conversation)) == ["secret"]
    assert (await api.get(f"/conversations/{conversation}")).json["metadata"] == {}
    await api.post(f"/responses/{running['id']}/cancel")


def test_every_route_is_probed_and_none_is_probed_that_is_gone() -> None:
    assert {(endpoint.method, endpoint.path) for endpoint in GUARDED} == PROBES.keys()


def test_only_health_and_documents_are_public() -> None:
    assert {endpoint.path for endpoint in ENDPOINTS if endpoint.public} <= PUBLIC


async def test_a_missing_id_is_named_in_the_answer_and_nothing_else_is(stranger: Api) -> None:
    reply = await stranger.get(f"/responses/{NOWHERE['response']}")
    assert reply.refused(404, None, None) == f"Response with id '{NOWHERE['response']}' not found."


async def test_lists_of_a_new_tenant_are_empty(api: Api, stranger: Api) -> None:
    response = await api.create(conversation="conv_of_the_other")
    assert (await stranger.get("/responses")).json["data"] == []
    for query in ("?conversation=conv_of_the_other", f"?model={CHAT}", "?status=completed"):
        assert (await stranger.get(f"/responses{query}")).json["data"] == []
    assert response["id"] in (await api.get("/responses")).body.decode()


async def test_two_tenants_may_choose_the_same_conversation_id(
    api: Api, stranger: Api, upstream: ScriptedUpstream
) -> None:
    await api.create(conversation="conv_shared_name", input="of the first")
    await stranger.create(conversation="conv_shared_name", input="of the second")
    assert texts(await stranger.conversation_items("conv_shared_name")) == ["of the second", "Hello."]
    assert texts(await api.conversation_items("conv_shared_name")) == ["of the first", "Hello."]
    await stranger.delete("/conversations/conv_shared_name")
    assert len(await api.conversation_items("conv_shared_name")) == 2


async def test_the_same_item_id_is_each_tenant_s_own(api: Api, stranger: Api, upstream: ScriptedUpstream) -> None:
    await api.create(input=[user("of the first", id="msg_same")])
    await stranger.create(input=[user("of the second", id="msg_same")])
    for caller, words in ((api, "of the first"), (stranger, "of the second")):
        await caller.create(input=[{"type": "item_reference", "id": "msg_same"}])
        assert upstream.last.json["messages"][0]["content"] == words


async def test_a_conversation_is_busy_only_for_its_own_tenant(
    api: Api, stranger: Api, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    upstream.will(chat_stream("Hel", gate, "lo"))
    async with api.streaming(conversation="conv_busy_here") as live:
        await live.until("created")
        await stranger.create(conversation="conv_busy_here")
        gate.set()
        await live.until("completed")


async def test_streams_of_many_tenants_at_once_are_not_mixed(api: Api, upstream: ScriptedUpstream) -> None:
    keys = [await api.server.add_key(f"many-{number}") for number in range(10)]
    upstream.otherwise = lambda request: chat_stream(*request.json["messages"][0]["content"])
    callers = [api.other(key) for key in keys] * 3
    streams = await asyncio.gather(*(caller.stream(input=f"only for {caller.key}") for caller in callers))
    for caller, stream in zip(callers, streams, strict=True):
        assert text_of(stream.last) == f"only for {caller.key}"
    for caller in callers[:10]:
        assert len((await caller.get("/responses")).json["data"]) == 3


# -- credentials ----------------------------------------------------------------------------------------------

NO_KEY: list[dict[str, str]] = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Basic YTpi"},
    {"Authorization": "KEY"},
    {"X-Api-Key": "KEY"},
    {"Api-Key": "KEY"},
    {"Cookie": "Authorization=Bearer KEY"},
]
WRONG_KEY = [
    "wrong",
    "KEY KEY",
    "KEYx",
    "xKEY",
    "key",
    "KEY'--",
    "' OR 1=1 --",
    "KEY\t,",
    "../KEY",
    "%4b%45%59",
    "ap_live_" + "A" * 43,
    "x" * 8000,
    "ÿÿÿ",
    "Bearer KEY",
]


def path_of(endpoint: Endpoint) -> str:
    return endpoint.path.replace("{id}", "resp_1").replace("{item}", "msg_1").replace("{name:path}", "m")


def unknown(reply: Reply, endpoint: Endpoint) -> bytes:
    """Return the body of a 401, once it is sure that it has the shape of the endpoint's API."""
    if endpoint.manners.error is ErrorReply:
        reply.refused(401, "invalid_api_key", None)
        return reply.body
    assert (reply.status, reply.json["error"]["type"]) == (401, "authentication_error")
    return reply.body.replace(reply.headers["x-request-id"].encode(), b"")


@pytest.mark.parametrize("endpoint", GUARDED, ids=named)
async def test_without_a_right_key_every_route_is_the_same_401(api: Api, endpoint: Endpoint) -> None:
    nobody, path = api.other(""), path_of(endpoint)
    bodies: dict[str, set[bytes]] = {"no": set(), "wrong": set()}
    body: Any = {"json": {"model": CHAT, "input": "x"}} if endpoint.method == "POST" else {}
    for headers in NO_KEY:
        given = {name: value.replace("KEY", api.key) for name, value in headers.items()}
        if endpoint.manners.key_header and endpoint.manners.key_header.decode() in map(str.lower, given):
            continue  # clients of this API send their key there
        reply = await nobody.request(endpoint.method, path, headers=given, **body)
        bodies["no"].add(unknown(reply, endpoint))
    for key in WRONG_KEY:
        given = {"Authorization": f"Bearer {key.replace('KEY', api.key)}"}
        reply = await nobody.request(endpoint.method, path, headers=given, **body)
        bodies["wrong"].add(unknown(reply, endpoint))
    assert [len(same) for same in bodies.values()] == [1, 1]
    assert api.key.encode() not in b"".join(itertools.chain(*bodies.values()))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_bearer_in_any_case(api: Api, scheme: str) -> None:
    reply = await api.other("").request("GET", "/models", headers={"Authorization": f"{scheme} {api.key}"})
    assert reply.status == 200


async def test_a_stream_without_a_key_is_a_plain_401(api: Api) -> None:
    reply = await api.other("wrong").try_create(stream=True)
    reply.refused(401, "invalid_api_key", None)


async def test_a_key_is_checked_before_the_body_is_looked_at(api: Api) -> None:
    (await api.other("wrong").send("/responses", b"{")).refused(401, "invalid_api_key", None)
    (await api.other("wrong").send("/responses", b"", Content_Encoding="gzip")).refused(401, "invalid_api_key", None)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/responses/resp_1/../../../livez",
        "//v1/responses",
        "/livez/../v1/models",
        "/v1/models?x=/livez",
        "/v1/models%2f..%2f..%2flivez",
        "/V1/models",
        "/v1/models;/livez",
        "http://x/livez/../v1/models",
    ],
)
@pytest.mark.parametrize("host", ["test", "x/livez?", "livez", "127.0.0.1:1/health"])
async def test_no_path_and_no_host_leads_around_the_key(api: Api, target: str, host: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    answer = b"".join(await raw_exchange(api.server.port, request))
    status = int(answer.split(b" ")[1])
    assert status in {400, 401, 404}
    assert b"demo-chat" not in answer


async def test_a_revoked_key_is_refused(api: Api) -> None:
    unused = new_key()
    made = row(unused, tenant="revoked", name="x", now=1)
    await api.store.keys.add(made, digest(unused))
    await api.store.keys.revoke(made.id, int(time.time()))
    reply = await api.other(unused).get("/models")
    assert reply.body == (await api.other("wrong").get("/models")).body
    reply.refused(401, "invalid_api_key", None)


async def test_a_key_that_is_revoked_while_in_use_stops_within_its_time_to_live(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring: Any = api.server.assembly.app.state.services.keys
    assert ring._ttl <= 5
    monkeypatch.setattr(ring, "_ttl", 0.1)
    key = new_key()
    made = row(key, tenant="revoked", name="x", now=1)
    await api.store.keys.add(made, digest(key))
    caller = api.other(key)
    assert (await caller.get("/models")).status == 200
    await api.store.keys.revoke(made.id, int(time.time()))
    async with asyncio.timeout(1):
        while (reply := await caller.get("/models")).status == 200:  # noqa: ASYNC110 # as clients do
            await asyncio.sleep(0.02)
    reply.refused(401, "invalid_api_key", None)


async def test_an_expired_key_is_refused(api: Api) -> None:
    expired = api.other(await api.server.add_key("expired", expires_at=int(time.time()) - 1))
    (await expired.get("/models")).refused(401, "invalid_api_key", None)
    living = api.other(await api.server.add_key("living", expires_at=int(time.time()) + 100))
    assert (await living.get("/models")).status == 200


async def test_keys_are_never_logged(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    key = await api.server.add_key("logged")
    await api.other(key).create()
    for wrong in (key + "x", key[:-1], "Basic " + key):
        await api.other(wrong).get("/models")
    assert key[8:-1] not in "".join(capsys.readouterr())
