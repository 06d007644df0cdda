"""The stream of a response: when it begins, how it is written, how it ends, and that it says what is stored."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from antiphon.api.sse import EventStream
from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import Emitter
from antiphon.testing.upstream import (
    Answer,
    Fault,
    Said,
    ScriptedUpstream,
    chat_call,
    chat_chunk,
    chat_stream,
    refusal,
    responses_item,
    responses_object,
    responses_stream,
    sse,
)
from antiphon.types.chunks import Stop, Text
from antiphon.types.responses import CreateResponse
from tests.api.calling import CHAT, RESPONSES, Api, Json, function, judged, parse, raw_post, text_of, user

BOTH = pytest.mark.parametrize("model", [CHAT, RESPONSES])


# -- how it begins --------------------------------------------------------------------------------------------


async def test_a_stream_begins_within_its_time_although_the_provider_is_silent(
    brisk: Api, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    upstream.will(Answer(before=[Fault.HANG]), chat_stream(gate, "late"))
    began = time.monotonic()
    async with brisk.streaming() as live:
        first = await live.until("created")
        await live.until("in_progress")
    assert time.monotonic() - began < 1.0
    assert first["sequence_number"] == 0
    async with brisk.streaming() as live:
        await live.until("created")
        gate.set()
        assert text_of((await live.rest()).last) == "late"


async def test_a_stream_begins_within_a_second_by_default(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(Answer(before=[Fault.HANG]))
    began = time.monotonic()
    async with api.streaming() as live:
        await live.until("created")
    assert time.monotonic() - began < 1.5  # 0.9 s, a tick, and what a busy machine takes


@BOTH
@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at_once", "after_a_moment"])
async def test_a_refusal_before_the_first_event_is_an_http_error(
    api: Api, upstream: ScriptedUpstream, model: str, pause: float
) -> None:
    no = refusal(400, "Your context is too long.", code="context_length_exceeded")
    upstream.will(Answer(steps=no.steps, status=400, framing="length", before=[pause]))
    reply = await api.try_create(model=model, stream=True)
    assert reply.refused(400, "context_length_exceeded", None) == "Your context is too long."


@pytest.mark.parametrize(
    "first",
    [
        sse(b'data: {"error":{"message":"No seat left.","code":503}}\n\n'),
        sse(b'event: error\ndata: {"error":{"message":"No seat left.","type":"overloaded_error"}}\n\n'),
        sse(b": OPENROUTER PROCESSING\n\n", b'data: {"error":{"message":"No seat left.","code":"503"}}\n\n'),
    ],
)
async def test_an_error_that_is_the_first_event_of_the_provider_is_an_http_error(
    api: Api, upstream: ScriptedUpstream, first: Answer
) -> None:
    upstream.will(first)
    error = (await api.try_create(stream=True)).error(503)
    assert "No seat left." in error["message"]


async def test_an_error_that_is_the_first_event_of_a_responses_upstream_is_an_http_error(
    api: Api, upstream: ScriptedUpstream
) -> None:
    failed = responses_object(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down."})
    upstream.will(
        sse(
            b'event: error\ndata: {"type":"error","code":"rate_limit_exceeded","message":"Slow down.","param":null}\n\n'
        )
    )
    assert (await api.try_create(model=RESPONSES, stream=True)).error(429)["message"] == "Slow down."
    upstream.will(responses_stream({"type": "response.failed", "response": failed}, finish=None))
    reply = await api.try_create(model=RESPONSES, stream=True)
    if reply.status == 200:  # it began by saying `created`, so a stream that fails is right too
        last = judged(reply.body).last
        assert (last["status"], last["error"]["code"]) == ("failed", "rate_limit_exceeded")
    else:
        assert reply.error(429)["message"] == "Slow down."


@BOTH
async def test_a_failure_after_the_first_event_is_an_event(brisk: Api, upstream: ScriptedUpstream, model: str) -> None:
    """The stream was begun in time, before the provider refused."""
    gate = asyncio.Event()
    no = refusal(400, "Your context is too long.", code="context_length_exceeded")
    upstream.will(Answer(steps=no.steps, status=400, framing="length", before=[gate]))
    async with brisk.streaming(model=model) as live:
        await live.until("created")
        gate.set()
        stream = await live.rest()
    assert stream.types == ["response.created", "response.in_progress", "response.failed"]
    assert stream.last["error"]["message"] == "Your context is too long."
    assert await brisk.retrieve(stream.last["id"]) == stream.last


@BOTH
async def test_a_failure_in_the_middle_keeps_what_was_said(api: Api, upstream: ScriptedUpstream, model: str) -> None:
    if model == CHAT:
        upstream.will(chat_stream("Hel", b'data: {"error":{"message":"It broke."}}\n\n', finish=None, done=False))
    else:
        upstream.will(responses_stream("Hel", {"type": "error", "code": "server_error", "message": "It broke.", "param": None}, finish=None))  # fmt: skip
    stream = await api.stream(model=model)
    assert stream.types[-1] == "response.failed"
    assert stream.last["status"] == "failed"
    assert "It broke." in stream.last["error"]["message"]
    assert text_of(stream.last) == "Hel"
    assert await api.retrieve(stream.last["id"]) == stream.last


# -- how it is written ----------------------------------------------------------------------------------------


def dechunked(raw: bytes) -> list[bytes]:
    """Return the pieces of a chunked body: uvicorn writes one for each send."""
    pieces: list[bytes] = []
    while raw:
        size, _, rest = raw.partition(b"\r\n")
        length = int(size, 16)
        pieces.append(rest[:length])
        assert rest[length : length + 2] == b"\r\n"
        raw = rest[length + 2 :]
    assert pieces.pop() == b""
    return pieces


async def read_raw(api: Api, **fields: Any) -> list[bytes]:
    """Return what each write of a streamed answer held."""
    request = {"model": CHAT, "input": "Hi", "stream": True, **fields}
    reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    writer.write(raw_post(api, json.dumps(request).encode()))
    async with asyncio.timeout(5):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    return dechunked(body)


async def test_each_write_holds_whole_frames(brisk: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("Hel", 0.45, *"lo there", {"reasoning_content": "x"}))
    writes = await read_raw(brisk)
    assert b": keep-alive\n" in writes
    for write in writes:
        if write != b": keep-alive\n":
            assert write.startswith(b"event: response.")
            assert write.endswith(b"\n\n")
    judged(b"".join(writes))


async def test_one_read_of_the_provider_is_one_write_to_the_client(api: Api, upstream: ScriptedUpstream) -> None:
    gate = asyncio.Event()
    many = b"".join(chat_chunk({"content": letter}) for letter in "letters")
    upstream.will(chat_stream(many, gate, "!"))
    asyncio.get_running_loop().call_later(0.1, gate.set)
    writes = await read_raw(api)
    assert writes[0].count(b"event: response.output_text.delta") == 7


async def test_a_stream_ends_with_its_terminal_event_and_done(api: Api) -> None:
    writes = await read_raw(api)
    assert writes[-1].startswith(b"event: response.")
    assert b"event: response.completed\n" in writes[-1]
    assert writes[-1].endswith(b"\n\ndata: [DONE]\n\n")


async def test_a_stream_has_only_lines_that_every_client_can_read(brisk: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("a", 0.45, "b"))
    raw = b"".join(await read_raw(brisk))
    lines = raw.split(b"\n")
    assert {line.split(b":")[0] for line in lines if line} == {b"event", b"data", b""}
    assert b"\r" not in raw
    assert not any(line.startswith((b"id:", b"retry:")) for line in lines)


async def test_a_silent_stream_is_kept_alive_by_comments(brisk: Api, upstream: ScriptedUpstream) -> None:
    gate = asyncio.Event()
    upstream.will(chat_stream("a", gate, "b"))
    async with brisk.streaming() as live:
        await live.until("output_text.delta")
        while live.raw.count(b"\n: keep-alive\n") < 2:
            live.raw += await live.answer.content.readany()
        gate.set()
        stream = await live.rest()
    assert text_of(stream.last) == "ab"


async def test_a_busy_stream_has_no_comments(brisk: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream("a", 0.1, "b", 0.1, "c", 0.1, "d", 0.1, "e"))
    assert b"keep-alive" not in (await brisk.stream()).raw


async def test_a_stream_tells_caches_and_proxies_to_let_it_through(api: Api) -> None:
    headers = (await api.stream()).headers
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")


async def test_the_opening_events_come_before_what_arrives_at_the_same_moment() -> None:
    """The provider's first words arrive in the very tick in which the stream is begun because it was late."""
    request = CreateResponse(model="m", input="x")
    draft = Emitter(first_snapshot(request, response_id="resp_1", created_at=1, conversation_id=None, tools=()))
    go, sent = asyncio.Event(), bytearray()

    async def batches() -> AsyncIterator[list[Any]]:
        await go.wait()
        yield draft.add([Text("Hi"), Stop("completed")]) + draft.finish(2)

    def open_early() -> list[Any]:
        go.set()
        return draft.start()

    class Pulse:
        def add(self, stream: EventStream) -> None:
            asyncio.get_running_loop().call_soon(lambda: stream.beat(asyncio.get_running_loop().time() + 10))

        def drop(self, stream: EventStream) -> None:
            pass

    class Call:
        services: Any = type(
            "Services", (), {"pulse": Pulse(), "limits": type("L", (), {"created_within": 1, "keepalive": 99})}
        )
        has_begun = False

        async def begin(self, status: int, headers: Any) -> None:
            self.has_begun = True

        async def send(self, message: Json) -> None:
            sent.extend(message["body"])

    call: Any = Call()
    await EventStream(batches(), open_early).send(call)
    judged(bytes(sent))


# -- that it says what is stored ------------------------------------------------------------------------------


def fold(events: list[Json]) -> list[Json]:
    """Return the output as a client would put it together from the deltas alone."""
    items: list[Json] = []
    for event in events:
        kind = event["type"].removeprefix("response.")
        place = items[event["output_index"]] if event.get("output_index", len(items)) < len(items) else {}
        match kind:
            case "output_item.added":
                items.append({"id": event["item"]["id"], "type": event["item"]["type"], "text": ""})
            case "output_text.delta" | "function_call_arguments.delta" | "reasoning_text.delta":
                place["text"] += event["delta"]
            case _:
                pass
    return items


def flat(output: list[Json]) -> list[Json]:
    return [
        {
            "id": item["id"],
            "type": item["type"],
            "text": item.get("arguments") or "".join(part["text"] for part in item.get("content", [])),
        }
        for item in output
    ]


@BOTH
async def test_the_deltas_the_last_snapshot_and_the_stored_response_say_the_same(
    api: Api, upstream: ScriptedUpstream, model: str
) -> None:
    if model == CHAT:
        said: list[Said] = [
            {"reasoning_content": "Hm."},
            *"Hello",
            chat_call("a", '{"x": 1}'),
            chat_call("b", '{"y":2}', index=1),
        ]
        upstream.will(chat_stream(*said, finish="tool_calls"))
    else:
        asked = {"id": "fc_up", "type": "function_call", "call_id": "c", "name": "a", "arguments": '{"x": 1}', "status": "completed"}  # fmt: skip
        upstream.will(responses_stream(*"Hello", *responses_item(asked, 1)))
    stream = await api.stream(model=model, tools=[function("a"), function("b")])
    assert fold(stream.events) == flat(stream.last["output"])
    done = [event["item"] for event in stream.of("output_item.done")]
    assert done == stream.last["output"]
    assert await api.retrieve(stream.last["id"]) == stream.last


@BOTH
async def test_every_event_is_of_the_same_response(api: Api, model: str) -> None:
    stream = await api.stream(model=model)
    ids = {event["response"]["id"] for event in stream.events if "response" in event}
    assert len(ids) == 1
    assert ids.pop().startswith("resp_")
    assert b"resp_upstream" not in stream.raw
    assert b"msg_up" not in stream.raw
    assert [event["sequence_number"] for event in stream.events] == list(range(len(stream.events)))


async def test_a_stream_is_stored_before_its_last_event_is_sent(api: Api, upstream: ScriptedUpstream) -> None:
    for _ in range(10):
        async with api.streaming() as live:
            done = await live.until("completed")
            assert (await api.retrieve(done["response"]["id"]))["status"] == "completed"


async def test_stream_options_are_accepted(api: Api) -> None:
    stream = await api.stream(stream_options={"include_obfuscation": False})
    assert stream.last["status"] == "completed"


async def test_empty_deltas_are_not_told(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(chat_stream({"role": "assistant", "content": ""}, {"content": None}, "Hi", "", {}))
    assert [event["delta"] for event in (await api.stream()).of("output_text.delta")] == ["Hi"]


async def test_items_come_in_the_order_in_which_the_model_said_them(api: Api, upstream: ScriptedUpstream) -> None:
    said: list[Said] = [{"reasoning_content": "1"}, "2", {"reasoning_content": "3"}, "4", chat_call("f", '{"n":5}')]
    upstream.will(chat_stream(*said, finish="tool_calls"))
    stream = await api.stream(tools=[function("f")])
    kinds = [item["type"] for item in stream.last["output"]]
    assert kinds == ["reasoning", "message", "reasoning", "message", "function_call"]


# -- many at once ---------------------------------------------------------------------------------------------


async def test_streams_at_the_same_time_are_never_mixed(api: Api, upstream: ScriptedUpstream) -> None:
    gates = [asyncio.Event() for _ in range(30)]

    def answer(request: Any) -> Answer:
        number = int(request.json["messages"][0]["content"])
        return chat_stream(f"{number}:", gates[number], *f"<{number}>" * 3)

    upstream.otherwise = answer
    running = [asyncio.create_task(api.stream(input=str(number))) for number in range(30)]
    await upstream.wait_received(30)
    for gate in reversed(gates):
        gate.set()
    streams = await asyncio.gather(*running)
    for number, stream in enumerate(streams):
        assert text_of(stream.last) == f"{number}:" + f"<{number}>" * 3
    assert len({stream.last["id"] for stream in streams}) == 30


@BOTH
async def test_a_stream_that_took_a_while_leaves_its_connection_to_the_next(
    api: Api, upstream: ScriptedUpstream, model: str
) -> None:
    for _ in range(2):
        upstream.will(chat_stream("a", 0.2, "b") if model == CHAT else responses_stream("a", 0.2, "b"))
        await api.stream(model=model)
        await asyncio.sleep(0.06)  # the last bytes of the provider's answer may still come
    assert len({request.connection for request in upstream.received}) == 1


async def test_a_slow_reader_stops_the_provider(api: Api, upstream: ScriptedUpstream) -> None:
    """What the client doesn't read is not piled up here: the provider's own writes come to a halt."""
    pieces, size = 500, 65536  # more than the buffers of both sockets hold
    upstream.will(chat_stream(*["x" * size] * pieces))
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", api.server.port))
        request = raw_post(api, json.dumps({"model": CHAT, "input": "Hi", "stream": True}).encode())
        await asyncio.get_running_loop().sock_sendall(own, request)
        asked = await upstream.wait_received()
        (peer,) = upstream.peers
        before = -1
        while before != (before := peer.sent):  # noqa: ASYNC110 # what does not happen has no event
            await asyncio.sleep(0.15)
        assert 0 < peer.sent < pieces * size * 3 / 4
    await asked.wait_left()


async def test_a_stream_of_a_conversation_names_it_from_the_first_event(api: Api) -> None:
    conversation = await api.converse(user("Hi"))
    stream = await api.stream(conversation=conversation)
    assert {event["response"]["conversation"]["id"] for event in stream.events if "response" in event} == {conversation}
    assert parse(stream.raw).last["previous_response_id"] is None
