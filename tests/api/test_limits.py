"""What one request may weigh, and bytes that are no proper JSON: refused plainly, or read by everybody the same way."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from antiphon.testing.upstream import ScriptedUpstream, chat_stream, chat_whole
from tests.api.calling import CHAT, Api, Json, Reply, function, raw_exchange, raw_post, text_of, user

KIB = 1024
large = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's, of bodies over 1 MiB


def body(**fields: Any) -> bytes:
    return json.dumps({"model": CHAT, "input": "Hi", **fields}).encode()


def nested(levels: int) -> bytes:
    """A body of that many levels, its own braces counted."""
    inner = b'{"a":' * (levels - 1) + b"1" + b"}" * (levels - 1)
    return b'{"model":"%b","input":"Hi","client_metadata":%b}' % (CHAT.encode(), inner)


# -- size -----------------------------------------------------------------------------------------------------


async def test_a_body_over_the_limit_is_413(small: Api) -> None:
    reply = await small.send("/responses", body(input="x" * 65 * KIB))
    assert "65536 bytes" in reply.refused(413, "request_too_large", None)


async def test_a_body_at_the_limit_is_read(small: Api) -> None:
    exact = body(instructions="")
    exact = body(instructions="x" * (64 * KIB - len(exact)))
    assert len(exact) == 64 * KIB
    assert (await small.send("/responses", exact)).status == 200
    (await small.send("/responses", exact + b" ")).refused(413, "request_too_large", None)


async def test_a_body_is_refused_by_its_claimed_length_before_it_is_sent(small: Api) -> None:
    head = raw_post(small, b"", Content_Length=str(100 * 1024**3))
    answer = b"".join(await raw_exchange(small.server.port, head, reads=1))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"request_too_large" in answer


async def test_a_body_in_chunks_is_refused_once_it_is_over_the_limit(small: Api) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    request = raw_post(small, b"", Content_Length="", Transfer_Encoding="chunked") + chunk * 3  # and never an end
    answer = b"".join(await raw_exchange(small.server.port, request, reads=1))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_in_chunks_within_the_limit_is_read(small: Api) -> None:
    whole = body()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in whole) + b"0\r\n\r\n"
    request = raw_post(small, chunks, Content_Length="", Transfer_Encoding="chunked")
    assert b"".join(await raw_exchange(small.server.port, request)).startswith(b"HTTP/1.1 200 ")


@large
async def test_a_large_body_is_taken_by_default(api: Api, upstream: ScriptedUpstream) -> None:
    big = "x" * (10 * 1024 * KIB)
    assert (await api.try_create(input=big)).status == 200
    assert len(upstream.last.body) > len(big)


async def test_no_more_than_the_limit_of_items(small: Api) -> None:
    await small.create(input=[user("x")] * 50)
    reply = await small.try_create(input=[user("x")] * 51)
    reply.refused(413, "array_above_max_length", "input")


async def test_no_more_than_the_limit_of_tools(small: Api) -> None:
    await small.create(tools=[function(f"f{number}") for number in range(5)])
    reply = await small.try_create(tools=[function(f"f{number}") for number in range(6)])
    reply.refused(413, "array_above_max_length", "tools")


async def test_tools_in_a_namespace_count(small: Api) -> None:
    inner = [function(f"f{number}") for number in range(6)]
    reply = await small.try_create(tools=[{"type": "namespace", "name": "n", "description": "d", "tools": inner}])
    reply.refused(413, "array_above_max_length", "tools")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("x" * 2001, "input"),
        ([user("x" * 2001)], "input[0].content"),
        ([user("a"), {"role": "user", "content": [{"type": "input_text", "text": "x" * 2001}]}], "input[1].content[0].text"),
    ],
    ids=["input", "content", "part"],
)  # fmt: skip
async def test_no_string_of_input_is_longer_than_the_limit(small: Api, given: Any, param: str) -> None:
    (await small.try_create(input=given)).refused(413, "string_above_max_length", param)


async def test_a_string_at_the_limit_is_taken(small: Api) -> None:
    await small.create(input="x" * 2000)
    await small.create(input=[user("ü" * 2000)])


async def test_a_thousand_items_with_deep_tools_are_read_quickly(api: Api) -> None:
    async with asyncio.timeout(2):
        await api.create(input=[user("x")] * 1000, tools=[function(f"f{number}") for number in range(100)])


# -- depth ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [17, 1000, 30_000])
async def test_a_body_nested_too_deeply_is_refused(small: Api, levels: int) -> None:
    reply = await small.send("/responses", nested(levels)[: 64 * KIB])
    if levels < 5000:
        assert "16 levels" in reply.refused(400, "json_too_deep", None)
    else:
        assert reply.error(400)["code"] in {"json_too_deep", "invalid_json"}


async def test_a_body_at_the_limit_of_depth_is_read(small: Api) -> None:
    assert (await small.send("/responses", nested(16))).status == 200


async def test_brackets_in_strings_are_no_depth(small: Api) -> None:
    await small.create(input='[[[[[[[[[[[[[[[[[[[["{"{"{\\' * 3)


@large
async def test_a_million_brackets_are_refused_at_once(api: Api) -> None:
    async with asyncio.timeout(2):
        for bracket in (b"[", b'{"a":'):
            assert (await api.send("/responses", bracket * 1_000_000)).error(400)["code"] in {
                "json_too_deep",
                "invalid_json",
            }


# -- kinds of body --------------------------------------------------------------------------------------------


async def test_a_compressed_body_is_415(api: Api) -> None:
    reply = await api.send("/responses", gzip.compress(body()), Content_Encoding="gzip")
    reply.refused(415, "unsupported_content_encoding", None)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_a_body_that_isn_t_json_by_its_type_is_415(api: Api, kind: str) -> None:
    reply = await api.send("/responses", body(), Content_Type=kind)
    reply.refused(415, "unsupported_content_type", None)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_json_is_json_by_any_spelling(api: Api, kind: str) -> None:
    assert (await api.send("/responses", body(), Content_Type=kind)).status == 200


async def test_a_body_without_a_type_is_taken_for_json(api: Api) -> None:
    request = raw_post(api, body(), Content_Type="")
    assert b"".join(await raw_exchange(api.server.port, request)).startswith(b"HTTP/1.1 200 ")


# -- JSON that is none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"model"',
        b"not json",
        body()[:-1],
        body() + b"}",
        b"\xef\xbb\xbf" + body(),
        b'{"model": "m", "input": NaN}',
        b'{"model": "m", "input": "x", "temperature": NaN}',
        b'{"model": "m", "input": "x", "temperature": Infinity}',
        b'{"model": "m", "input": "x",}',
        b"{'model': 'm'}",
        b'{"model": "m", "input": "a\nb"}',
        b'{"model": "m", "input": "\xff"}',
        b'{"model": "m", "input": "\xc0\xaf"}',
        b'{"model": "m", "input": "\xed\xa0\x80"}',
        b'{"model": "m", "input": "\\ud800"}',
        b'{"model": "m", "input": "\\udc00 alone"}',
        b'{"model": "m", "input": "\\uDBFF\\u0041"}',
        b'{"model": "m", "input": "x", "client_metadata": {"\\ud83d": 1}}',
        b'{"model": "m", "input": [{"role": "user", "content": "\\ud83d"}]}',
        b'{"model": "m", "input": [{"role": "user", "content": "x", "more": "\\ud83d"}]}',
        b'{"model": "m", "input": "x", "tools": [{"type": "function", "name": "\\ud83d"}]}',
    ],
)
async def test_what_is_no_json_is_400(api: Api, content: bytes) -> None:
    (await api.send("/responses", content)).refused(400, "invalid_json", None)


@pytest.mark.parametrize("path", ["/conversations", "/responses/input_tokens"])
async def test_what_is_no_json_is_400_on_every_route(api: Api, path: str) -> None:
    for content in (b"{", b'{"metadata": {"a": "\\ud800"}}', b"\xff"):
        (await api.send(path, content)).refused(400, "invalid_json", None)


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 400])
async def test_numbers_beyond_all_bounds_are_400(api: Api, number: bytes) -> None:
    reply = await api.send("/responses", b'{"model":"chat/m","input":"x","temperature":%b}' % number)
    assert reply.error(400)["param"] in {"temperature", None}


# -- text that is odd, and kept -------------------------------------------------------------------------------

ODD = "\0 \u2028 \x7f \ufeff 🤦🏽‍♀️ \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")


@pytest.mark.parametrize("stream", [False, True])
async def test_odd_characters_reach_the_model_and_come_back(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    upstream.will(chat_stream(*ODD) if stream else chat_whole(ODD))
    given = {"input": ODD, "instructions": ODD, "metadata": {"k": ODD}}
    response = (await api.stream(**given)).last if stream else await api.create(**given)
    assert text_of(response) == ODD
    assert (response["metadata"]["k"], response["instructions"]) == (ODD, ODD)
    sent = upstream.last.json["messages"]
    assert [message["content"] for message in sent] == [ODD, ODD]
    assert await api.retrieve(response["id"]) == response
    (item,) = await api.input_items(response["id"])
    assert item["content"][0]["text"] == ODD


async def test_escapes_and_raw_characters_are_the_same_text(api: Api, upstream: ScriptedUpstream) -> None:
    for written in (b'"\\ud83d\\ude00\\u0000\\u00fc"', b'"\xf0\x9f\x98\x80\\u0000\xc3\xbc"'):
        assert (await api.send("/responses", b'{"model":"chat/m","input":%b}' % written)).status == 200
        assert upstream.last.json["messages"][0]["content"] == "😀\0ü"


# -- keys that stand twice ------------------------------------------------------------------------------------


async def _created(api: Api, content: bytes) -> Json:
    reply: Reply = await api.send("/responses", content)
    assert reply.status == 200, reply.body
    return reply.json  # type: ignore[no-any-return] # JSON


async def test_of_a_key_that_stands_twice_the_last_counts_for_everyone(api: Api, upstream: ScriptedUpstream) -> None:
    response = await _created(
        api,
        b'{"model":"demo-chat","model":"chat/m","input":"first","input":"last","temperature":1,"temperature":0.5,'
        b'"metadata":{"a":"first","a":"last"}}',
    )
    assert (response["model"], response["temperature"], response["metadata"]) == ("chat/m", 0.5, {"a": "last"})
    assert upstream.last.json["messages"][0]["content"] == "last"
    assert upstream.last.json["temperature"] == 0.5
    (item,) = await api.input_items(response["id"])
    assert item["content"][0]["text"] == "last"


async def test_of_a_key_that_stands_twice_in_an_item_the_last_counts_for_everyone(
    api: Api, upstream: ScriptedUpstream
) -> None:
    response = await _created(
        api, b'{"model":"chat/m","input":[{"role":"system","role":"user","content":"first","content":"last"}]}'
    )
    assert upstream.last.json["messages"] == [{"role": "user", "content": "last"}]
    (item,) = await api.input_items(response["id"])
    assert (item["role"], item["content"][0]["text"]) == ("user", "last")


async def test_of_a_key_that_stands_twice_in_a_passed_on_item_there_is_one_view(
    api: Api, upstream: ScriptedUpstream
) -> None:
    """Through a Responses upstream the item's own bytes go on: they must not say two things."""
    reply = await api.send(
        "/responses", b'{"model":"resp/m","input":[{"role":"system","role":"user","content":"first","content":"last"}]}'
    )
    if reply.status == 200:
        (item,) = upstream.last.json["input"]
        assert (item["role"], item["content"]) == ("user", "last")
        assert upstream.last.body.count(b"first") == 0
        (stored,) = await api.input_items(reply.json["id"])
        assert stored["content"][0]["text"] == "last"
    else:
        reply.error(400)


async def test_of_a_tool_s_key_that_stands_twice_the_last_counts(api: Api, upstream: ScriptedUpstream) -> None:
    response = await _created(
        api, b'{"model":"chat/m","input":"x","tools":[{"type":"function","name":"a","name":"b","parameters":{}}]}'
    )
    assert upstream.last.json["tools"][0]["function"]["name"] == "b"
    assert response["tools"][0]["name"] == "b"
