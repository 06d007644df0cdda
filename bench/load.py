"""The process that asks, and that reads the servers' CPU clocks while it does.

It gets one order as JSON and prints what it found as one line of JSON:

    python -m bench.load '{"type": "in_turn", "jobs": […]}'

The clocks are read here, where answers are counted, so that they start and stop at a counted unit.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

import msgspec
import uvloop
from msgspec import Struct

from bench.clients import DELTA, PATIENCE, BadAnswer, Client, Clients, Job
from bench.mock import PACE
from bench.process import memory_kb, tree_cpu_ns

BROKEN = (BadAnswer, OSError)  # OSError: the server is gone, and its port and clock with it
LEAD = 0.03  # seconds of work before the clock is read: caches and clock speed belong to the job by then


class InTurn(Struct, kw_only=True, tag="in_turn"):
    """Every job alone for `seconds`, one after the other, and so `rounds` times; the unit is an answer.

    The turns are short because a machine that others use changes its speed from second to second:
    what is to be compared must be measured close together.
    """

    jobs: list[Job]
    rounds: int
    seconds: float


class Together(Struct, kw_only=True, tag="together"):
    """All jobs at the same time, watched for `seconds`, `rounds` times; the unit is a delta.

    Only for paced streams, which leave the machine mostly idle. They must be longer than all this.
    """

    jobs: list[Job]
    rounds: int
    seconds: float


class Hold(Struct, kw_only=True, tag="hold"):
    """Streams that stay open after their first delta: `counts[0]` of them, then up to `counts[1]`, and so on."""

    job: Job
    counts: list[int]


Order = InTurn | Together | Hold


class Found(Struct, kw_only=True):
    """CPU µs a unit, by job and round, or why there are none; for Hold KB a stream, its one job's by count."""

    samples: list[list[float]]
    failures: list[str | None]


class Watch:
    """Counts and clock of some clients from one reading to the next."""

    def __init__(self, clients: Clients, *, of_deltas: bool) -> None:
        self.clients = clients
        self.of_deltas = of_deltas
        self.units, self.cpu_ns = self.read()

    def read(self) -> tuple[int, int]:
        units = self.clients.deltas_received() if self.of_deltas else self.clients.answers
        return units, tree_cpu_ns(self.clients.pids)

    def lap(self) -> tuple[int, float]:
        """Units since the last reading, and CPU µs for each. Raises BadAnswer."""
        units, cpu_ns = self.read()
        lap_units, lap_ns = units - self.units, cpu_ns - self.cpu_ns
        self.units, self.cpu_ns = units, cpu_ns
        self.clients.check()
        if lap_units == 0:
            raise BadAnswer("the server is too slow: nothing was complete within a turn")
        return lap_units, lap_ns / lap_units / 1e3


async def in_turn(order: InTurn) -> Found:
    found = empty(len(order.jobs))
    everyone = [Clients(job) for job in order.jobs]
    for number in range(order.rounds):
        for index in turned(range(len(everyone)), number):
            if found.failures[index] is None:
                try:
                    found.samples[index].append(await turn(everyone[index], order.seconds))
                except BROKEN as why:
                    found.failures[index] = str(why)
                    everyone[index].leave()
    for clients in everyone:
        clients.leave()
    return found


async def turn(clients: Clients, seconds: float) -> float:
    """One job, alone, for a while. Raises BadAnswer."""
    await clients.go()
    await asyncio.sleep(LEAD)
    watch = Watch(clients, of_deltas=False)
    await asyncio.sleep(seconds)
    _, cpu_us = watch.lap()
    await clients.pause()
    return cpu_us


async def together(order: Together) -> Found:
    found = empty(len(order.jobs))
    everyone = [Clients(job) for job in order.jobs]
    for place in range(max(job.connections for job in order.jobs)):
        for clients in everyone:
            if place < clients.job.connections:
                for client in await clients.connect(1):
                    client.ask()
        await asyncio.sleep(PACE / 7)  # streams start at all phases of the pace, not together
    await asyncio.sleep(10 * PACE)
    watches = [Watch(clients, of_deltas=True) for clients in everyone]
    for _ in range(order.rounds):
        before = time.monotonic()
        await asyncio.sleep(order.seconds)
        passed = time.monotonic() - before
        for index, watch in enumerate(watches):
            if found.failures[index] is None:
                try:
                    units, cpu_us = watch.lap()
                    due = watch.clients.job.connections * passed / PACE
                    if units < 0.9 * due:
                        raise BadAnswer(f"{units} deltas came where {due:.0f} were due")
                    found.samples[index].append(cpu_us)
                except BROKEN as why:
                    found.failures[index] = str(why)
    for clients in everyone:
        clients.leave()
    return found


async def hold(order: Hold) -> Found:
    found = empty(1)
    clients = Clients(order.job)
    opened: set[Client] = set()

    def on_part(client: Client) -> None:
        if DELTA in client.received:
            opened.add(client)

    clients.on_part = on_part
    kb_before = memory_kb(order.job.pid, "Pss")
    try:
        for count in order.counts:
            while len(clients.all) < count:
                for client in await clients.connect(min(50, count - len(clients.all))):
                    client.ask()
                await asyncio.sleep(0.02)
            await everyone_in(opened, count, clients)
            await asyncio.sleep(0.5)  # for what is freed only a moment after the first delta
            found.samples[0].append((memory_kb(order.job.pid, "Pss") - kb_before) / count)
    except BROKEN as why:
        found.failures[0] = str(why)
    clients.leave()
    return found


async def everyone_in(opened: set[Client], count: int, clients: Clients) -> None:
    """Wait until `count` streams have their first delta. Raises BadAnswer."""
    deadline = time.monotonic() + PATIENCE
    while len(opened) < count:
        clients.check()
        if time.monotonic() > deadline:
            raise BadAnswer(f"{len(opened)} of {count} streams got their first delta within {PATIENCE:g} s")
        await asyncio.sleep(0.05)


def empty(jobs: int) -> Found:
    return Found(samples=[[] for _ in range(jobs)], failures=[None] * jobs)


def turned(places: Sequence[int], by: int) -> list[int]:
    """In each round another one begins."""
    start = by % len(places)
    return [*places[start:], *places[:start]]


def carry_out(order: Order) -> Found:
    match order:
        case InTurn():
            return uvloop.run(in_turn(order))
        case Together():
            return uvloop.run(together(order))
        case Hold():
            return uvloop.run(hold(order))


if __name__ == "__main__":
    what = msgspec.json.decode(sys.argv[1], type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(carry_out(what)) + b"\n")
