"""What each codec costs on the way in: an answer's bytes to chunks, no socket and no server.

A process of its own, so that nothing but this is in its memory and its garbage collector:

    python -m bench.codecs 20

The same text is told in each wire format. Chat Completions is the ruler of the others.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from antiphon.codecs.anthropic import ANTHROPIC
from antiphon.codecs.chat import CHAT
from antiphon.codecs.gemini import GEMINI
from antiphon.codecs.responses import RESPONSES
from antiphon.ports import Codec
from antiphon.providers import profiles
from antiphon.types.chunks import Stop, Text
from antiphon.types.profiles import Profile
from antiphon.types.turns import UpstreamRequest
from bench.rows import Side

DELTAS = 400
WORDS = 200  # of a whole answer
WORD = "word "
REPEATS = 4  # streams in one sample: some 10 ms

SENT = UpstreamRequest(path="", body=b"")


@dataclass(frozen=True)
class Said:
    """One format's way of telling: a stream's begin, a delta, its end; and a whole answer."""

    codec: Codec
    profile: Profile
    begin: Sequence[Any]
    delta: Any
    end: Sequence[Any]
    whole: Any


CHAT_CHUNK: dict[str, Any] = {
    "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
    "object": "chat.completion.chunk",
    "created": 1741570283,
    "model": "gpt-5.4",
}
RESPONSE: dict[str, Any] = {
    "id": "resp_67ccd2bed1ec8190b14f964abc054267",
    "object": "response",
    "created_at": 1741476542,
    "model": "gpt-5.4",
}
ITEM: dict[str, Any] = {
    "type": "message",
    "id": "msg_67ccd2bf17f0819081ff3bb2cf6508e6",
    "status": "completed",
    "role": "assistant",
}
PART: dict[str, Any] = {"type": "output_text", "text": WORD * WORDS, "annotations": [], "logprobs": []}
OPEN: dict[str, Any] = {**ITEM, "status": "in_progress", "content": []}
PLACE = {"item_id": ITEM["id"], "output_index": 0, "content_index": 0}
USED_BY_RESPONSES = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 400,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 409,
}
USED_BY_ANTHROPIC = {
    "input_tokens": 9,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 400,
}
BEGUN: dict[str, Any] = {**RESPONSE, "status": "in_progress", "output": []}
DONE: dict[str, Any] = {
    **RESPONSE,
    "status": "completed",
    "output": [{**ITEM, "content": [PART]}],
    "usage": USED_BY_RESPONSES,
}
USED_BY_GEMINI = {"promptTokenCount": 9, "candidatesTokenCount": 400, "totalTokenCount": 409}
MESSAGE: dict[str, Any] = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5",
}


def _choice(delta: Mapping[str, str], finish: str | None = None) -> dict[str, Any]:
    return {**CHAT_CHUNK, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}


def _candidate(text: str, **more: str) -> dict[str, Any]:
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}
    told = {"usageMetadata": USED_BY_GEMINI, "modelVersion": "gemini-3-flash", "responseId": "kCQhafWvN4"}
    return {"candidates": [candidate], **told}


SAID: Mapping[str, Said] = {
    "chat": Said(
        CHAT,
        profiles.CHAT,
        begin=[_choice({"role": "assistant", "content": ""})],
        delta=_choice({"content": WORD}),
        end=[_choice({}, "stop"), "[DONE]"],
        whole={
            **CHAT_CHUNK,
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": WORD * WORDS}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 9, "completion_tokens": 400, "total_tokens": 409},
        },
    ),
    "responses": Said(
        RESPONSES,
        profiles.RESPONSES,
        begin=[
            {"type": "response.created", "sequence_number": 0, "response": BEGUN},
            {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": OPEN},
            {"type": "response.content_part.added", "sequence_number": 2, **PLACE, "part": {**PART, "text": ""}},
        ],
        delta={"type": "response.output_text.delta", "sequence_number": 3, **PLACE, "delta": WORD, "logprobs": []},
        end=[{"type": "response.completed", "sequence_number": 4, "response": DONE}],
        whole=DONE,
    ),
    "anthropic": Said(
        ANTHROPIC,
        profiles.ANTHROPIC,
        begin=[
            {"type": "message_start", "message": {**MESSAGE, "content": [], "usage": USED_BY_ANTHROPIC}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        ],
        delta={"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": WORD}},
        end=[
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 400}},
            {"type": "message_stop"},
        ],
        whole={
            **MESSAGE,
            "content": [{"type": "text", "text": WORD * WORDS}],
            "stop_reason": "end_turn",
            "usage": USED_BY_ANTHROPIC,
        },
    ),
    "gemini": Said(
        GEMINI,
        profiles.GEMINI,
        begin=[],
        delta=_candidate(WORD),
        end=[_candidate("", finishReason="STOP")],
        whole=_candidate(WORD * WORDS, finishReason="STOP"),
    ),
}


def frame(event: Any) -> bytes:
    """Return an event as its format frames it: those with a `type` have it as their name too."""
    data = event if isinstance(event, str) else json.dumps(event, separators=(",", ":"))
    name = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
    return f"{name}data: {data}\n\n".encode()


def reads(said: Said) -> list[bytes]:
    """Return a stream as it comes from a model: an event in a read."""
    return [frame(event) for event in (*said.begin, *[said.delta] * DELTAS, *said.end)]


def parse(said: Said, pieces: Sequence[bytes], *, streamed: bool) -> list[object]:
    """Return the chunks of an answer."""
    parser = said.codec.parser(SENT, said.profile, streamed=streamed)
    chunks: list[object] = []
    for piece in pieces:
        chunks += parser.feed(piece)
    chunks += parser.close()
    assert parser.failure is None, parser.failure
    return chunks


def check(chunks: Sequence[object], words: int) -> None:
    """See that a format was read right: a figure of a wrong answer is none."""
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, Text)) == WORD * words
    assert isinstance(chunks[-1], Stop)


def sample(work: Callable[[], object], units: int, repeats: int) -> float:
    """CPU of one unit in µs, the mean of `repeats` times `units`."""
    started = time.process_time_ns()
    for _ in range(repeats):
        work()
    return (time.process_time_ns() - started) / repeats / units / 1e3


def measure(rounds: int) -> dict[str, dict[Side, list[float]]]:
    """Return the samples by row, those of Chat Completions in the same round as their floor."""
    streams = {name: reads(said) for name, said in SAID.items()}
    wholes = {name: [json.dumps(said.whole).encode()] for name, said in SAID.items()}
    for name, said in SAID.items():
        check(parse(said, streams[name], streamed=True), DELTAS)
        check(parse(said, wholes[name], streamed=False), WORDS)
    gc.freeze()
    gc.set_threshold(20_000)  # both as in a running server
    figures: dict[str, dict[Side, list[float]]] = {}
    for _ in range(rounds):
        of = {
            f"{name}-{kind}": sample(lambda: parse(said, pieces, streamed=streamed), units, repeats)  # noqa: B023
            for kind, told, streamed, units, repeats in (
                ("delta", streams, True, DELTAS, REPEATS),
                ("answer", wholes, False, 1, REPEATS * DELTAS),
            )
            for name, said in SAID.items()
            for pieces in (told[name],)
        }
        for row, figure in of.items():
            name, _, kind = row.partition("-")
            if name != "chat":
                sides = figures.setdefault(row, {"server": [], "floor": []})
                sides["server"].append(figure)
                sides["floor"].append(of[f"chat-{kind}"])
    return figures


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure(int(sys.argv[1]))) + b"\n")
