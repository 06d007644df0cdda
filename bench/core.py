"""The big request through the pure core: bytes in, the upstream's body out, no socket and no store.

A process of its own, so that nothing but this is in its memory and its garbage collector:

    python -m bench.core 20
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from antiphon.codecs.chat.codec import CHAT
from antiphon.engine.context import build
from antiphon.engine.intake import check_choice, read_input, read_tools, refuse_strangers
from antiphon.types.profiles import Profile
from antiphon.types.responses import CreateResponse
from antiphon.types.turns import Turn
from bench.corpus import request_body

REPEATS = 20  # runs in one sample: some 10 ms, far above the clock's steps

PROFILE = Profile()  # a plain Chat Completions server

decode_create = msgspec.json.Decoder(CreateResponse).decode


class CoreFigure(Struct):
    """Samples in ms a request."""

    server: list[float]
    floor: list[float]


def untyped(body: bytes) -> bytes:
    """The ruler, to compare machines by: parse and write the same JSON without looking at it."""
    return msgspec.json.encode(msgspec.json.decode(body))


def through_core(body: bytes) -> bytes:
    """Decode, view and check every item, pair calls with outputs, and write the Chat request."""
    request = decode_create(body)
    own, tools = read_input(request.input), read_tools(request.tools)
    check_choice(request.tool_choice, tools, own)
    refuse_strangers(own)
    turn = Turn(
        model="mock-20",
        request=request,
        items=build([], own),
        own=len(own),
        tools=tools,
        tool_choice=request.tool_choice or "auto",
        stream=True,
    )
    return CHAT.encode(turn, PROFILE).body


def sample(path: Callable[[bytes], bytes], body: bytes) -> float:
    """CPU of one run in ms, the mean of REPEATS."""
    started = time.process_time_ns()
    for _ in range(REPEATS):
        path(body)
    return (time.process_time_ns() - started) / REPEATS / 1e6


def measure(rounds: int) -> CoreFigure:
    body = request_body()
    figure = CoreFigure([], [])
    untyped(body)
    through_core(body)
    gc.freeze()
    gc.set_threshold(20_000)  # both as in a running server
    for _ in range(rounds):
        figure.floor.append(sample(untyped, body))
        figure.server.append(sample(through_core, body))
    return figure


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode({"core": measure(int(sys.argv[1]))}) + b"\n")
