"""The floor: the least that can be done in Python to answer Responses requests from a Chat upstream.

One protocol for each side, no frameworks, no tasks, no futures: bytes go in and bytes go out in the
same call. It checks the key, decodes into types, asks upstream over a kept connection, parses the
stream as it comes and writes all events of the Responses grammar with the full Response in them.

It leaves out everything else that makes a server: errors beyond a refusal, tools, history, limits,
retries, time-outs, backpressure, logs. Being ratio 1 it must not be slow anywhere, since that
would flatter the server beside it, and must not skip a byte of the translation.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from hashlib import sha256
from typing import cast

import httptools
import msgspec
import uvloop
from msgspec import Struct, field

UPSTREAM_HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
)
JSON_REPLY = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"\r\n0\r\n\r\n"
UNAUTHORIZED = (
    b'{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error",'
    b'"param":null,"code":"invalid_api_key"}}'
)


# What the client asks


class Request(Struct):
    model: str
    input: str
    instructions: str | None = None
    stream: bool = False
    store: bool = True


# What the upstream is asked, and says


class Message(Struct):
    role: str
    content: str


class StreamOptions(Struct):
    include_usage: bool = True


class ChatRequest(Struct, omit_defaults=True):
    model: str
    messages: list[Message]
    stream: bool = False
    stream_options: StreamOptions | None = None


class ChatUsage(Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatMessage(Struct):
    content: str | None = None


class ChatChoice(Struct):
    message: ChatMessage
    finish_reason: str | None = None


class ChatReply(Struct):
    choices: list[ChatChoice]
    usage: ChatUsage


class ChatDelta(Struct, gc=False):
    content: str | None = None


class ChunkChoice(Struct, gc=False):
    delta: ChatDelta
    finish_reason: str | None = None


class Chunk(Struct, gc=False):
    choices: list[ChunkChoice]
    usage: ChatUsage | None = None


# What the client is told


class OutputText(Struct, tag_field="type", tag="output_text"):
    text: str
    annotations: list[str] = []
    logprobs: list[str] = []


class OutputMessage(Struct, tag_field="type", tag="message"):
    id: str
    status: str
    content: list[OutputText]
    role: str = "assistant"


class InputDetails(Struct):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputDetails(Struct):
    reasoning_tokens: int = 0


class Usage(Struct):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputDetails = field(default_factory=InputDetails)
    output_tokens_details: OutputDetails = field(default_factory=OutputDetails)


class TextFormat(Struct, frozen=True, tag_field="type", tag="text"):
    pass


class Text(Struct, frozen=True):
    format: TextFormat = TextFormat()
    verbosity: str = "medium"


class Reasoning(Struct, frozen=True):
    effort: str | None = None
    summary: str | None = None


TEXT = Text()
REASONING = Reasoning()


class Response(Struct):
    """The object of the API with all fields that it always carries."""

    id: str
    created_at: int
    model: str
    instructions: str | None
    store: bool
    object: str = "response"
    status: str = "in_progress"
    completed_at: int | None = None
    error: None = None
    incomplete_details: None = None
    output: list[OutputMessage] = []
    usage: Usage | None = None
    previous_response_id: str | None = None
    conversation: None = None
    background: bool = False
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] = {}
    parallel_tool_calls: bool = True
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    prompt: None = None
    prompt_cache_key: str | None = None
    reasoning: Reasoning = REASONING
    safety_identifier: str | None = None
    service_tier: str = "default"
    temperature: float = 1.0
    text: Text = TEXT
    tool_choice: str = "auto"
    tools: list[str] = []
    top_logprobs: int = 0
    top_p: float = 1.0
    truncation: str = "disabled"
    user: str | None = None


class ResponseEvent(Struct):
    type: str
    response: Response
    sequence_number: int


class ItemEvent(Struct):
    type: str
    output_index: int
    item: OutputMessage
    sequence_number: int


class PartEvent(Struct):
    type: str
    item_id: str
    output_index: int
    content_index: int
    part: OutputText
    sequence_number: int


class TextDelta(Struct, tag_field="type", tag="response.output_text.delta"):
    item_id: str
    delta: str = ""
    sequence_number: int = 0
    output_index: int = 0
    content_index: int = 0
    logprobs: list[str] = []


class TextDone(Struct, tag_field="type", tag="response.output_text.done"):
    item_id: str
    text: str
    sequence_number: int
    output_index: int = 0
    content_index: int = 0
    logprobs: list[str] = []


LINES = {
    name: b"event: %b\ndata: " % name.encode()
    for name in (
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    )
}
DELTA_LINE = LINES["response.output_text.delta"]

encode = msgspec.json.Encoder().encode
encode_into = msgspec.json.Encoder().encode_into
decode_request = msgspec.json.Decoder(Request).decode
decode_reply = msgspec.json.Decoder(ChatReply).decode
decode_chunk = msgspec.json.Decoder(Chunk).decode


def usage_of(usage: ChatUsage | None) -> Usage | None:
    return None if usage is None else Usage(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


class WholeAnswer:
    """Makes one Response from one chat completion."""

    __slots__ = ("body", "client", "response")

    def __init__(self, client: Client, response: Response) -> None:
        self.client = client
        self.response = response
        self.body = b""

    def feed(self, data: bytes, complete: bool) -> None:
        self.body += data
        if not complete:
            return
        reply = decode_reply(self.body)
        response = self.response
        text = reply.choices[0].message.content or ""
        response.output = [OutputMessage("msg_" + response.id[5:], "completed", [OutputText(text)])]
        response.usage = usage_of(reply.usage)
        response.status = "completed"
        response.completed_at = int(time.time())
        body = encode(response)
        self.client.send(JSON_REPLY % (b"200 OK", len(body), body))


class StreamedAnswer:
    """Makes the events of one Response from the chunks of one chat completion."""

    __slots__ = ("client", "delta", "item_id", "number", "opened", "response", "rest", "texts", "usage")

    def __init__(self, client: Client, response: Response) -> None:
        self.client = client
        self.response = response
        self.item_id = "msg_" + response.id[5:]
        self.delta = TextDelta(self.item_id)
        self.texts: list[str] = []
        self.usage: ChatUsage | None = None
        self.number = 0
        self.opened = False
        self.rest = b""

    def feed(self, data: bytes, complete: bool) -> None:
        """Write the events that `data`, all of one network read, makes: in one piece."""
        frames = (self.rest + data).split(b"\n\n")
        self.rest = frames.pop()
        out = bytearray()
        head = b""
        if not self.opened:
            self.opened = True
            head = STREAM_HEAD
            self.open(out)
        delta = self.delta
        number = self.number
        for frame in frames:
            if frame == b"data: [DONE]":
                continue
            chunk = decode_chunk(frame[6:])
            for choice in chunk.choices:
                content = choice.delta.content
                if content:
                    self.texts.append(content)
                    delta.delta = content
                    delta.sequence_number = number
                    number += 1
                    out += DELTA_LINE
                    encode_into(delta, out, -1)
                    out += b"\n\n"
            if chunk.usage is not None:
                self.usage = chunk.usage
        self.number = number
        if complete:
            self.finish(out)
        if out:
            self.client.send(b"".join((head, b"%x\r\n" % len(out), out, LAST_CHUNK if complete else b"\r\n")))

    def put(self, out: bytearray, name: str, event: Struct) -> None:
        out += LINES[name]
        encode_into(event, out, -1)
        out += b"\n\n"
        self.number += 1

    def open(self, out: bytearray) -> None:
        """Put the four events before the first delta."""
        for name in ("response.created", "response.in_progress"):
            self.put(out, name, ResponseEvent(name, self.response, self.number))
        name = "response.output_item.added"
        self.put(out, name, ItemEvent(name, 0, OutputMessage(self.item_id, "in_progress", []), self.number))
        name = "response.content_part.added"
        self.put(out, name, PartEvent(name, self.item_id, 0, 0, OutputText(""), self.number))

    def finish(self, out: bytearray) -> None:
        """Put the four events after the last delta, and the end of the stream."""
        part = OutputText("".join(self.texts))
        name = "response.output_text.done"
        self.put(out, name, TextDone(self.item_id, part.text, self.number))
        name = "response.content_part.done"
        self.put(out, name, PartEvent(name, self.item_id, 0, 0, part, self.number))
        item = OutputMessage(self.item_id, "completed", [part])
        name = "response.output_item.done"
        self.put(out, name, ItemEvent(name, 0, item, self.number))
        response = self.response
        response.output = [item]
        response.usage = usage_of(self.usage)
        response.status = "completed"
        response.completed_at = int(time.time())
        name = "response.completed"
        self.put(out, name, ResponseEvent(name, response, self.number))
        out += b"data: [DONE]\n\n"


class Upstream(asyncio.Protocol):
    """A connection to the upstream, kept for the next request when its answer is complete."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.transport: asyncio.Transport | None = None
        self.answer: WholeAnswer | StreamedAnswer | None = None
        self.parts: list[bytes] = []
        self.on_body = self.parts.append  # found by the parser, which so calls no Python function for an HTTP chunk
        self.complete = False
        self.parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self in self.floor.idle:
            self.floor.idle.remove(self)
        if self.answer is not None:
            self.answer.client.close()

    def ask(self, answer: WholeAnswer | StreamedAnswer, request: bytes) -> None:
        assert self.transport is not None
        self.answer = answer
        answer.client.upstream = self
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)
        answer = self.answer
        if answer is None:
            return
        body = b"".join(self.parts)
        self.parts.clear()
        complete = self.complete
        if complete:
            self.complete = False
            self.answer = None
            self.floor.idle.append(self)
            answer.client.upstream = None
        if body or complete:
            answer.feed(body, complete)

    def on_headers_complete(self) -> None:
        if self.parser.get_status_code() != 200 and self.transport is not None:
            self.transport.abort()

    def on_message_complete(self) -> None:
        self.complete = True

    def abort(self) -> None:
        """Leave: nobody waits for this answer any more."""
        self.answer = None
        if self.transport is not None:
            self.transport.abort()


class Client(asyncio.Protocol):
    """A client's connection; its requests follow each other, they don't overlap."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.transport: asyncio.Transport | None = None
        self.upstream: Upstream | None = None
        self.url = b""
        self.key = b""
        self.body = b""
        self.parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.upstream is not None:
            self.upstream.abort()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self.key = value[7:]

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        if self.url == b"/livez":
            self.send(JSON_REPLY % (b"200 OK", 2, b"{}"))
        elif sha256(self.key).digest() not in self.floor.tenants or self.url != b"/v1/responses":
            self.send(JSON_REPLY % (b"401 Unauthorized", len(UNAUTHORIZED), UNAUTHORIZED))
        else:
            self.create(decode_request(body))

    def create(self, request: Request) -> None:
        """POST /v1/responses: ask the upstream for the answer to a valid request."""
        response = Response(
            "resp_" + os.urandom(16).hex(), int(time.time()), request.model, request.instructions, request.store
        )
        messages = [Message("user", request.input)]
        if request.instructions is not None:
            messages.insert(0, Message("system", request.instructions))
        provider, _, model = request.model.partition("/")
        assert provider == "mock"
        if request.stream:
            body = encode(ChatRequest(model, messages, True, StreamOptions()))
            self.floor.ask(StreamedAnswer(self, response), UPSTREAM_HEAD % (len(body), body))
        else:
            body = encode(ChatRequest(model, messages))
            self.floor.ask(WholeAnswer(self, response), UPSTREAM_HEAD % (len(body), body))

    def send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """End a connection whose answer can't be completed."""
        self.upstream = None
        if self.transport is not None:
            self.transport.abort()


class Floor:
    """What the connections share: who may ask, and the upstream connections that wait for work."""

    def __init__(self, upstream_port: int, key: str) -> None:
        self.upstream_port = upstream_port
        self.tenants = {sha256(key.encode()).digest(): "bench"}
        self.idle: list[Upstream] = []
        self.connecting: set[asyncio.Task[None]] = set()

    def ask(self, answer: WholeAnswer | StreamedAnswer, request: bytes) -> None:
        if self.idle:
            self.idle.pop().ask(answer, request)
        else:
            task = asyncio.get_running_loop().create_task(self.connect(answer, request))
            self.connecting.add(task)
            task.add_done_callback(self.connecting.discard)

    async def connect(self, answer: WholeAnswer | StreamedAnswer, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(lambda: Upstream(self), "127.0.0.1", self.upstream_port)
        upstream.ask(answer, request)


async def serve(port: int, upstream_port: int, key: str) -> None:
    floor = Floor(upstream_port, key)
    server = await asyncio.get_running_loop().create_server(lambda: Client(floor), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
