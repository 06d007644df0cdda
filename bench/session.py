"""One run of the bench: which servers are up, what they are asked in which order, and the samples of it."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from bench import servers
from bench.clients import Job
from bench.load import Found, Hold, InTurn, Order, Together
from bench.process import Server, memory_kb
from bench.rows import CODECS, Side

HELD = {"held-500": 500, "held-2000": 2_000}
BURST_MORE = 400  # deltas by which "stream-420" is longer than "stream"
ALONE_ROUNDS = 20
ALONE = {"core": ("core",), "router": ("router",), "codecs": CODECS}
"""Programs that need no server, and the rows that they measure."""

T = TypeVar("T")


class Unmeasurable(Exception):
    """A program of ours that ended without a figure; the message says why."""


@dataclass(frozen=True)
class Effort:
    """How much to measure."""

    rounds: int
    turn_seconds: float
    paced_rounds: int
    paced_seconds: float
    fresh_starts: int


FULL = Effort(rounds=60, turn_seconds=0.1, paced_rounds=20, paced_seconds=0.5, fresh_starts=3)
QUICK = Effort(rounds=10, turn_seconds=0.1, paced_rounds=6, paced_seconds=0.5, fresh_starts=1)


@dataclass(frozen=True)
class Probe:
    """One kind of load on one or both of the servers; `rows` are made of it."""

    name: str
    model: str
    rows: frozenset[str]
    stream: bool = False
    store: bool = False
    connections: int = 8
    sides: tuple[Side, ...] = ("floor", "server")

    def job(self, server: Server) -> Job:
        return Job(
            port=server.port,
            pid=server.pid,
            key=servers.KEY,
            model=self.model,
            stream=self.stream,
            store=self.store,
            connections=self.connections,
        )


BUSY = (
    Probe("whole", "mock/mock-20", frozenset({"whole", "whole-stored"})),
    Probe("whole-stored", "mock/mock-20", frozenset({"whole-stored"}), store=True, sides=("server",)),
    Probe("stream", "mock/mock-20", frozenset({"stream", "burst-delta"}), stream=True),
    Probe("stream-420", "mock/mock-420", frozenset({"burst-delta"}), stream=True),
)
"""As fast as the server can, each in turn."""

PACED = (Probe("paced-delta", "mock/mock-paced-4000", frozenset({"paced-delta"}), stream=True, connections=100),)
"""At the model's pace, all together; 4,000 deltas last longer than they are watched."""


@dataclass
class Samples:
    """Figures by probe or row and by side, round after round."""

    of: defaultdict[tuple[str, Side], list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[tuple[str, Side], str] = field(default_factory=dict)

    def series(self, row: str, side: Side) -> list[float]:
        """The row's figure in each round."""
        if row == "burst-delta":
            return [(long - short) / BURST_MORE for short, long in zip(*self._burst(side), strict=False)]
        return self.of.get((row, side), [])

    def least(self, row: str, side: Side) -> float:
        """The smallest figure; a slope is taken between the smallest figures, not from a pair with an unlucky one."""
        if row == "burst-delta":
            short, long = self._burst(side)
            return (min(long) - min(short)) / BURST_MORE
        return min(self.of[row, side])

    def failure(self, row: str, side: Side) -> str | None:
        """Why a row has no figure."""
        names = [probe.name for probe in (*BUSY, *PACED) if row in probe.rows and side in probe.sides]
        return next((self.failures[name, side] for name in (names or [row]) if (name, side) in self.failures), None)

    def _burst(self, side: Side) -> tuple[list[float], list[float]]:
        return self.of["stream", side], self.of["stream-420", side]


class Session:
    """Measures `rows` and collects samples; `say` is told what is going on."""

    def __init__(
        self, effort: Effort, rows: Collection[str], sides: Collection[Side], say: Callable[[str], None]
    ) -> None:
        self.effort = effort
        self.rows = frozenset(rows)
        self.sides = sides
        self.say = say
        self.samples = Samples()

    def run(self, logs: Path) -> Samples:
        """Raises NotReady when a server doesn't come up."""
        with servers.mock(logs) as upstream:
            for side in self.sides:
                with self.bring_up(side, upstream, logs):
                    pass  # its modules are compiled now; the starts that count find them so
            self.measure_cpu(upstream, logs)
            self.measure_fresh(upstream, logs)
        for program, rows in ALONE.items():
            if self.rows.intersection(rows):
                self.measure_alone(program, rows)
        return self.samples

    def measure_cpu(self, upstream: Server, logs: Path) -> None:
        """Both servers up and measured by the same process: busy ones in turn, paced ones together."""
        effort = self.effort
        busy = [probe for probe in BUSY if probe.rows & self.rows]
        paced = [probe for probe in PACED if probe.rows & self.rows]
        if not busy and not paced:
            return
        with ExitStack() as stack:
            up = {side: stack.enter_context(self.start(side, upstream, logs)) for side in self.sides}
            if busy:
                self.say("busy connections")
                self.measure(
                    busy, up, lambda jobs: InTurn(jobs=jobs, rounds=effort.rounds, seconds=effort.turn_seconds)
                )
            if paced:
                self.say("paced streams")
                self.measure(
                    paced,
                    up,
                    lambda jobs: Together(jobs=jobs, rounds=effort.paced_rounds, seconds=effort.paced_seconds),
                )

    def measure(self, probes: Sequence[Probe], up: dict[Side, Server], order_of: Callable[[list[Job]], Order]) -> None:
        """Take the samples of some probes on the servers that are up."""
        places = [(probe, side) for probe in probes for side in up if side in probe.sides]
        found = ask(order_of([probe.job(up[side]) for probe, side in places]))
        for (probe, side), samples, failure in zip(places, found.samples, found.failures, strict=True):
            self.samples.of[probe.name, side] += samples
            if failure is not None:
                self.samples.failures[probe.name, side] = failure

    def measure_fresh(self, upstream: Server, logs: Path) -> None:
        """Each server alone, started anew: its start, its memory when warm, its memory with streams held open."""
        is_weighed = bool({"memory", *HELD} & self.rows)
        if not is_weighed and "start" not in self.rows:
            return
        for number in range(self.effort.fresh_starts):
            self.say(f"fresh start {number + 1} of {self.effort.fresh_starts}")
            for side in self.sides:
                with self.start(side, upstream, logs) as server:
                    if is_weighed:
                        self.weigh(side, server)

    def bring_up(self, side: Side, upstream: Server, logs: Path) -> AbstractContextManager[Server]:
        """A server of that side."""
        return (servers.floor if side == "floor" else servers.subject)(upstream, logs)

    @contextmanager
    def start(self, side: Side, upstream: Server, logs: Path) -> Iterator[Server]:
        """A server of that side, its start taken as a sample."""
        with self.bring_up(side, upstream, logs) as server:
            self.samples.of["start", side].append(server.seconds_to_ready)
            yield server

    def weigh(self, side: Side, server: Server) -> None:
        """Warm a server up, and take its memory then and with open streams."""
        warmed = ask(InTurn(jobs=self.warm_up(server), rounds=1, seconds=0.5))
        if server.process.poll() is None:
            self.samples.of["memory", side].append(memory_kb(server.pid, "Rss") / 1024)
        self.failed_as("memory", side, warmed)
        held = {name: count for name, count in HELD.items() if name in self.rows}
        if held:
            job = Probe("hold", "mock/mock-hold", frozenset(held), stream=True).job(server)
            found = ask(Hold(job=job, counts=list(held.values())))
            for name, kb in zip(held, found.samples[0], strict=False):
                self.samples.of[name, side].append(kb)
            for name in held:
                self.failed_as(name, side, found)

    def warm_up(self, server: Server) -> list[Job]:
        """Stored answers and streams: all code that the other rows use has run once."""
        return [probe.job(server) for probe in BUSY if probe.name in {"whole-stored", "stream"}]

    def failed_as(self, name: str, side: Side, found: Found) -> None:
        for failure in filter(None, found.failures):
            self.samples.failures[name, side] = failure

    def measure_alone(self, program: str, rows: Sequence[str]) -> None:
        """What is measured without a server, in a process of its own."""
        self.say(program)
        try:
            found = decode_output(["-m", f"bench.{program}", str(ALONE_ROUNDS)], dict[str, dict[Side, list[float]]])
        except Unmeasurable as why:
            self.samples.failures.update({(row, "server"): str(why) for row in rows})
            return
        for row in rows:
            for side in self.sides:
                self.samples.of[row, side] += found[row][side]


def ask(order: Order) -> Found:
    """Let a process of its own carry out `order`."""
    try:
        return decode_output(["-m", "bench.load", msgspec.json.encode(order).decode()], Found)
    except Unmeasurable as why:
        jobs = 1 if isinstance(order, Hold) else len(order.jobs)
        return Found(samples=[[] for _ in range(jobs)], failures=[str(why)] * jobs)


def decode_output(arguments: Sequence[str], kind: type[T]) -> T:
    """Run one of our programs and decode the JSON that it prints. Raises Unmeasurable."""
    done = subprocess.run([sys.executable, *arguments], cwd=servers.ROOT, capture_output=True, check=False)
    if done.returncode:
        raise Unmeasurable(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return msgspec.json.decode(done.stdout, type=kind)
