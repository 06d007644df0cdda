"""Streams that no server should send: a parser never raises, and never calls an answer completed that wasn't.

The odds are the same in every run: each case is a number, so that one that fails can be tried again.
"""

import copy
import json
import random
from typing import Any

import pytest

from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import Emitter
from antiphon.types.chunks import Chunk, Stop
from antiphon.types.responses import CreateResponse
from tests.codecs.cases import Golden, chunks_of, goldens, sse

STREAMS = goldens(".sse")
CASES = 60
ODD = [None, "", "x", 0, -1, 1.5, True, [], [None], ["x"], {}, {"type": "message"}, {"x": 1}]


def events_of(golden: Golden) -> list[dict[str, Any]]:
    if not golden.streamed:
        return [json.loads(golden.data)]
    return [json.loads(line[6:]) for line in golden.data.splitlines() if line.startswith(b"data: {")]


def emit(golden: Golden, data: bytes) -> list[Chunk]:
    """Return the chunks of `data`, after the emitter took them without a word."""
    request = CreateResponse(model="m")
    draft = Emitter(first_snapshot(request, response_id="resp_1", created_at=1, conversation_id=None, tools=[]))
    parser = golden.parser()
    said = chunks_of(parser, [data])
    draft.add(said)
    draft.finish(now=2) if parser.failure is None else draft.fail(parser.failure)
    stops = [chunk for chunk in said if isinstance(chunk, Stop)]
    assert len(stops) + (parser.failure is not None) == 1
    assert not stops or said[-1] is stops[0]
    return said


@pytest.mark.parametrize("golden", STREAMS, ids=str)
def test_events_may_be_lost_doubled_and_shuffled(golden: Golden) -> None:
    events = events_of(golden)
    for case in range(CASES):
        odds = random.Random(case)
        chosen = odds.choices(events, k=odds.randint(1, 2 * len(events)))
        said = emit(golden, sse(*chosen))
        if any(isinstance(chunk, Stop) and chunk.status == "completed" for chunk in said):
            assert any(is_an_end(event) for event in chosen), case


def is_an_end(event: dict[str, Any]) -> bool:
    choices = event.get("choices") or []
    if any(candidate.get("finishReason") for candidate in event.get("candidates") or []):
        return True
    return event.get("type") in {"response.completed", "message_stop"} or any(
        choice.get("finish_reason") for choice in choices
    )


@pytest.mark.parametrize("golden", goldens(), ids=str)
def test_any_field_may_hold_anything(golden: Golden) -> None:
    for case in range(5 * CASES):
        odds = random.Random(case)
        events = events_of(golden)
        for _ in range(odds.randint(1, 3)):
            spoil(events, odds)
        emit(golden, sse(*events) if golden.streamed else json.dumps(events[0]).encode())


def spoil(value: Any, odds: random.Random) -> None:
    """Put something odd in the place of a value somewhere inside, or take it out."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = odds.choice(keys)
    if isinstance(value[key], dict | list) and odds.random() < 0.8:
        spoil(value[key], odds)
    elif isinstance(value, dict) and odds.random() < 0.3:
        del value[key]
    else:
        value[key] = copy.deepcopy(odds.choice(ODD))


@pytest.mark.parametrize("golden", goldens(), ids=str)
def test_any_bytes_may_be_something_else(golden: Golden) -> None:
    for case in range(CASES):
        odds = random.Random(case)
        spoilt = bytearray(golden.data)
        for _ in range(odds.randint(1, 4)):
            spoilt[odds.randrange(len(spoilt))] = odds.randrange(256)
        emit(golden, bytes(spoilt))
