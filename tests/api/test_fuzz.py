"""Bodies, queries and ids that no client should send: refused in the one shape and by name, or answered rightly.

Each example takes a request that is right and spoils a few places of it. Never a 5xx, never a stream that is not legal.
"""

import copy
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.testing import judges
from antiphon.testing.upstream import ScriptedUpstream
from tests.api.calling import CHAT, RESPONSES, Api, Json, Reply, call, function, judged, output, user

pytestmark = pytest.mark.asyncio(loop_scope="session")  # Hypothesis hides that these are coroutines

MESSAGE: Json = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "https://a.example/b.png"}],
}
ANSWER: Json = {
    "type": "message",
    "role": "assistant",
    "status": None,
    "phase": None,
    "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": None}],
}
ITEMS: list[list[Json]] = [
    [user("Hi")],
    [MESSAGE],
    [ANSWER],
    [call("c1", id="fc_1", status="completed", caller=None), output("c1", [{"type": "input_text", "text": "o"}])],
    [
        {"type": "custom_tool_call", "call_id": "k1", "name": "n", "input": "i"},
        {"type": "custom_tool_call_output", "call_id": "k1", "output": "x"},
    ],
    [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": None}],
    [{"type": "additional_tools", "tools": [function("later")]}],
    [{"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}],
    [{"type": "item_reference", "id": "msg_none"}],
]
FIELDS: Json = {
    "instructions": "be",
    "stream": True,
    "tools": [function(), {"type": "custom", "name": "patch", "format": {"type": "text"}}],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "weather"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "metadata": {"a": "b"},
    "temperature": 0.5,
    "max_output_tokens": 50,
    "truncation": "auto",
    "conversation": None,
    "prompt_cache_options": {"mode": "x"},
    "client_metadata": {"x": 1},
    "background": False,
}
ODD: list[Any] = [
    *(None, "", "auto", "x" * 300, "\x00", "a`b", "\r\nX: y", "é😀", True, False),
    *(0, -1, 1.5, 10**30, -(2**63) - 1, 1e308),
    *([], [[]], [None], [1, "a", {}], {}, {"": ""}, {"a.b": {"[0]": 1}}, {"`": 1}, [[[[[[]]]]]]),
    *({"type": None}, {"type": 5}, {"type": ["a"]}, {"type": "nope"}, {"type": "x:y"}, {"type": "message"}),
    *({"id": None}, {"id": 5}, {"role": None}, {"role": "user"}, {"role": "user", "content": "x"}),
    *(
        {"type": "function", "name": ""},
        {"type": "input_text", "text": "x"},
        {"type": "additional_tools", "tools": ["x"]},
    ),
]
KEYS = ["zz", "", "a`b", "a.b", "\x00", "type", "id", "status", "async", "caller", "logprobs", "phase"]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place inside as its holder and its key there."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


def spoil(draw: Any, body: Json) -> None:
    """Take out, replace or add something at a place of `body`."""
    holder, key = draw(st.sampled_from(places(body)))
    odd = copy.deepcopy(draw(st.sampled_from(ODD)))
    match draw(st.sampled_from(["put", "put", "put", "out", "more"])):
        case "out":
            del holder[key]
        case "more" if isinstance(holder, dict):
            holder[draw(st.sampled_from(KEYS))] = odd
        case "more":
            holder.append(odd)
        case _:
            holder[key] = odd


@st.composite
def requests(draw: Any) -> Json:
    items = [item for some in draw(st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3)) for item in some]
    chosen = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=5, unique=True))
    body = {"model": draw(st.sampled_from([CHAT, RESPONSES, "demo-chat"])), "input": items}
    body = copy.deepcopy({**body, **{name: FIELDS[name] for name in chosen}})
    for _ in range(draw(st.sampled_from([1, 1, 2, 4]))):
        if places(body):
            spoil(draw, body)
    return body


def refused(reply: Reply, body: Json) -> None:
    """Check a refusal: below 500, and what it names begins with a key of the request."""
    assert reply.status < 500, reply.body
    param = reply.error(reply.status)["param"]
    known = {*body, "model", "input", "items", "metadata"}
    assert param is None or param in known or any(param.startswith((f"{name}.", f"{name}[")) for name in known), param


def fuzz(examples: int) -> settings:
    """Make a test of examples that are the same in every run."""
    health = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=health)


@fuzz(250)
@given(body=requests())
async def test_any_spoilt_request_is_refused_by_name_or_answered_rightly(
    api: Api, upstream: ScriptedUpstream, body: Json
) -> None:
    reply = await api.post("/responses", body)
    if reply.status != 200:
        refused(reply, body)
    elif reply.headers["content-type"].startswith("text/event-stream"):
        judged(reply.body, reply.headers)
    else:
        judges.judge_response(reply.body)
        assert (await api.get(f"/responses/{reply.json['id']}/input_items")).status in {200, 404}


@fuzz(120)
@given(body=requests(), path=st.sampled_from(["/responses/input_tokens", "/conversations", "/conversations/ID/items"]))
async def test_any_spoilt_body_of_another_route_is_refused_by_name(api: Api, body: Json, path: str) -> None:
    """Among them tools of an item that are no objects, which conversations and counts once failed at."""
    if "conversations" in path:
        body = {"items": body.get("input"), **({} if "ID" in path else {"metadata": body.get("metadata")})}
    else:
        body = {name: body[name] for name in ("model", "input", "instructions", "tools", "text") if name in body}
    reply = await api.post(path.replace("ID", await api.converse()), body)
    if reply.status != 200:
        refused(reply, body)


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["\x00", "../x", "%2e%2e", "resp_" + "0" * 5000, "conv_x`$", "null", "-1", "9" * 30, "１", "é😀", "a\r\nb"]
    ),
)
ROUTES = [
    "/responses/ID",
    "/responses/ID/input_items",
    "/conversations/ID",
    "/conversations/ID/items",
    "/conversations/ID/items/ID",
]
NAMES = [
    "limit",
    "order",
    "after",
    "before",
    "include",
    "include[]",
    "stream",
    "starting_after",
    "status",
    "model",
    "zz",
]


@fuzz(200)
@given(
    method=st.sampled_from(["GET", "GET", "DELETE", "POST"]),
    route=st.sampled_from([*ROUTES, "/responses", "/responses/ID/cancel"]),
    identity=TEXTS,
    query=st.lists(st.tuples(st.sampled_from(NAMES), TEXTS), max_size=3),
)
async def test_any_id_and_any_query_is_not_found_or_refused_by_name(
    api: Api, method: str, route: str, identity: str, query: list[tuple[str, str]]
) -> None:
    path = route.replace("ID", quote(identity, safe="") or "-")
    asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query)
    target = f"{api.server.base_url}{path}?{asked}"
    reply = await api.request_encoded(method, target)
    if reply.status != 200:
        assert reply.status < 500, reply.body
        assert reply.error(reply.status)["param"] in {
            None,
            "model",
            "response_id",
            "items",
            "metadata",
            *names_of(query),
        }


def names_of(query: list[tuple[str, str]]) -> set[str]:
    plain = {name.removesuffix("[]") for name, _ in query}
    return plain | {f"{name}[{place}]" for name in plain for place in range(3)}


@pytest.mark.parametrize(
    "target", [b"/v1/responses/%00", b"/v1/responses/%ff%fe", b"/v1/responses/a%2Fb", b"/v1//responses"]
)
async def test_bytes_that_are_no_text_are_no_id(api: Api, target: bytes) -> None:
    reply = await api.request_encoded("GET", api.server.url + target.decode())
    assert reply.error(404)["code"] in {None, "unknown_url"}
