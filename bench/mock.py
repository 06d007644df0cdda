"""The model behind every measured server: Chat Completions from prebuilt bytes, as fast as a socket takes them.

What it says is asked for in the model's name:

    mock-20         20 deltas (or a whole answer of 20 words), all written at once
    mock-paced-40   40 deltas, 25 ms apart, each alone in its packet
    mock-hold       one delta, then nothing; the stream stays open until the other side leaves

Each SSE event is an HTTP chunk of its own, as vLLM, Ollama and most others send it.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import cache
from typing import cast

import uvloop

PACE = 0.025  # seconds between paced deltas: a model of 40 tokens a second
TEXT = "the of model said that a stream is only as quick as its slowest reader, and so we count"
WORDS = TEXT.split()
MODEL = re.compile(rb'"model"\s*:\s*"([^"]+)"')
STREAM = re.compile(rb'"stream"\s*:\s*true')
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\nx-request-id: req_0123456789abcdef\r\ntransfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"


def deltas_of(count: int) -> list[str]:
    """The `count` deltas of an answer: words with their spaces, as a tokenizer cuts them."""
    return [" " + WORDS[index % len(WORDS)] for index in range(count)]


def count_in(model: str) -> int:
    """How many deltas a model's name asks for."""
    return int(model.rpartition("-")[2])


def usage_of(count: int) -> dict[str, object]:
    return {
        "prompt_tokens": 12,
        "completion_tokens": count,
        "total_tokens": 12 + count,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def to_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def frame(data: bytes) -> bytes:
    """One SSE event in one HTTP chunk."""
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


def chunk(model: str, choices: list[object], usage: object = None) -> bytes:
    """One `chat.completion.chunk` with the fields OpenAI sends."""
    return frame(
        to_json(
            {
                "id": "chatcmpl-BxK2mV9fQ3nL7pR1sT5wY8zA0cEgI",
                "object": "chat.completion.chunk",
                "created": 1_790_000_000,
                "model": model,
                "service_tier": "default",
                "system_fingerprint": "fp_3f1c9a7be2",
                "choices": choices,
                "usage": usage,
            }
        )
    )


def choice(delta: dict[str, object], finish_reason: str | None = None) -> list[object]:
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]


@cache
def stream_parts(model: str, count: int) -> tuple[bytes, tuple[bytes, ...], bytes]:
    """Head with the role's chunk, the deltas, and the end of a stream."""
    head = STREAM_HEAD + chunk(model, choice({"role": "assistant", "content": "", "refusal": None}))
    deltas = tuple(chunk(model, choice({"content": text})) for text in deltas_of(count))
    tail = chunk(model, choice({}, "stop")) + chunk(model, [], usage_of(count)) + frame(b"[DONE]") + LAST_CHUNK
    return head, deltas, tail


@cache
def burst(model: str) -> bytes:
    """A whole stream in one piece."""
    head, deltas, tail = stream_parts(model, count_in(model))
    return head + b"".join(deltas) + tail


def json_reply(body: bytes, status: bytes = b"200 OK") -> bytes:
    return (
        b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nx-request-id: req_0123456789abcdef\r\n"
        b"content-length: %d\r\n\r\n%b" % (status, len(body), body)
    )


@cache
def whole(model: str) -> bytes:
    """A `chat.completion`."""
    count = count_in(model)
    message: dict[str, object] = {
        "role": "assistant",
        "content": "".join(deltas_of(count)),
        "refusal": None,
        "annotations": [],
    }
    return json_reply(
        to_json(
            {
                "id": "chatcmpl-BxK2mV9fQ3nL7pR1sT5wY8zA0cEgI",
                "object": "chat.completion",
                "created": 1_790_000_000,
                "model": model,
                "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
                "usage": usage_of(count),
                "service_tier": "default",
                "system_fingerprint": "fp_3f1c9a7be2",
            }
        )
    )


MODELS = json_reply(
    to_json(
        {
            "object": "list",
            "data": [
                {"id": model, "object": "model", "created": 1_790_000_000, "owned_by": "bench"}
                for model in ("mock-20", "mock-420", "mock-paced-40", "mock-hold")
            ],
        }
    )
)
NO_LENGTH = json_reply(b'{"error":{"message":"the mock reads only bodies with a length"}}', b"411 Length Required")


class Mock(asyncio.Protocol):
    """One connection; requests follow each other, they don't overlap."""

    def __init__(self) -> None:
        self.transport: asyncio.WriteTransport | None = None
        self.received = b""
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's are no subclasses

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.timer is not None:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        received = self.received + data if self.received else data
        body_at = received.find(b"\r\n\r\n") + 4
        if body_at == 3:
            self.received = received
            return
        if received.startswith(b"GET "):
            self.received = b""
            self.write(MODELS)
            return
        length = LENGTH.search(received, 0, body_at)
        if length is None:
            self.write(NO_LENGTH)
        elif len(received) < body_at + int(length[1]):
            self.received = received
        else:
            self.received = b""
            self.reply(received)

    def reply(self, request: bytes) -> None:
        """Answer a complete request as its model's name says."""
        found = MODEL.search(request)
        model = found[1].decode() if found else "mock-20"
        if not STREAM.search(request):
            self.write(whole(model))
        elif model == "mock-hold":
            head, deltas, _ = stream_parts(model, 1)
            self.write(head + deltas[0])
        elif model.startswith("mock-paced-"):
            self.pace(model, 0, asyncio.get_running_loop().time())
        else:
            self.write(burst(model))

    def pace(self, model: str, index: int, at: float) -> None:
        """Write delta `index`, due at `at`, and set the clock for the next."""
        head, deltas, tail = stream_parts(model, count_in(model))
        self.write(head + deltas[0] if index == 0 else deltas[index])
        if index + 1 == len(deltas):
            self.write(tail)
            return
        self.timer = asyncio.get_running_loop().call_at(at + PACE, self.pace, model, index + 1, at + PACE)

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
