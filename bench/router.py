"""What the router adds to a request: a routed model over a fake one against the fake one alone.

A process of its own, so that nothing but this is in its memory and its garbage collector:

    python -m bench.router 20

The routed model has two targets, breakers and a budget, as an alias has in a server; the first target answers.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncGenerator

import msgspec

from antiphon.ports import Model
from antiphon.providers.breaker import Breaker
from antiphon.providers.budget import RetryBudget
from antiphon.providers.routed import RoutedModel, Target
from antiphon.types.chunks import Chunk, Stop, Text
from antiphon.types.profiles import Profile
from antiphon.types.responses import CreateResponse
from antiphon.types.turns import Turn
from bench.rows import Side

REQUESTS = 200  # in one look: some ms
LOOKS = 10  # in one sample, of each kind in turn

TURN = Turn(model="m", request=CreateResponse(model="m", input="Hi"), items=[], own=0)
ANSWER: list[Chunk] = [Text("Hello."), Stop("completed")]


class Fake:
    """A model that answers at once."""

    name = "m"
    profile = Profile()

    async def stream(self, turn: Turn, notes: list[str]) -> AsyncGenerator[list[Chunk], None]:
        yield ANSWER


def routed() -> RoutedModel:
    clock = time.monotonic
    targets = [Target(name, Fake(), Breaker(clock), clock) for name in ("up/m", "other/m")]
    return RoutedModel(targets, None, budget=RetryBudget(clock), retries=2)


async def look(model: Model) -> float:
    """CPU of one request in µs, the mean of REQUESTS."""
    started = time.process_time_ns()
    for _ in range(REQUESTS):
        async for _chunks in model.stream(TURN, []):
            pass
    return (time.process_time_ns() - started) / REQUESTS / 1e3


async def measure(rounds: int) -> dict[Side, list[float]]:
    """Return what is added and what the fake model costs by itself, each the least of its looks in a round."""
    gc.freeze()
    gc.set_threshold(20_000)  # both as in a running server
    fake, led = Fake(), routed()
    figures: dict[Side, list[float]] = {"server": [], "floor": []}
    for _ in range(rounds):
        alone, through = zip(*[(await look(fake), await look(led)) for _ in range(LOOKS)], strict=True)
        figures["server"].append(min(through) - min(alone))
        figures["floor"].append(min(alone))
    return figures


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode({"router": asyncio.run(measure(int(sys.argv[1])))}) + b"\n")
