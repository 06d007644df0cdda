"""Clients on keep-alive connections: they ask, check every answer, and ask again until told to pause."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

import msgspec
from msgspec import Struct

from bench.mock import count_in, deltas_of
from bench.process import tree_of

HEAD = (
    "POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    "Accept: */*\r\nUser-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
)
DELTA = b'"response.output_text.delta"'  # in quotes only as an event's type, not in its `event:` line
COMPLETED = b'"response.completed"'
END_OF_CHUNKED = b"\r\n0\r\n\r\n"
PATIENCE = 30.0  # seconds; an answer that takes longer never comes


class BadAnswer(Exception):
    """An answer that isn't what was asked for: what it cost is of no interest."""


class Job(Struct, kw_only=True):
    """What to ask of which server."""

    port: int
    pid: int
    key: str
    model: str
    stream: bool = False
    store: bool = False
    connections: int = 8


def request_bytes(job: Job) -> bytes:
    body = msgspec.json.encode(
        {
            "model": job.model,
            "input": "Say something about streams, in as many words as you are asked for.",
            "stream": job.stream,
            "store": job.store,
        }
    )
    return HEAD.format(key=job.key, length=len(body)).encode() + body


class Client(asyncio.Protocol):
    """One connection: collects an answer, whole, and hands itself to `clients.answered`."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.transport: asyncio.Transport | None = None
        self.received = bytearray()
        self.size = 0  # of the whole answer, once its head is read; -1 when it is chunked
        self.is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.is_busy:
            self.clients.fail(f"the server left in the middle of {bytes(self.received[-300:])!r}")

    def ask(self) -> None:
        if self.transport is None:
            self.clients.fail("the server left between two requests")
            return
        self.is_busy = True
        self.received.clear()
        self.size = 0
        self.transport.write(self.clients.request)

    def data_received(self, data: bytes) -> None:
        received = self.received
        received += data
        if self.size == 0:
            self.read_head()
        if self.size == -1:
            if received.endswith(END_OF_CHUNKED):
                self.clients.answered(self)
            elif self.clients.on_part is not None:
                self.clients.on_part(self)
        elif self.size and len(received) >= self.size:
            self.clients.answered(self)

    def read_head(self) -> None:
        """Learn from a complete head where the answer ends."""
        body_at = self.received.find(b"\r\n\r\n") + 4
        if body_at == 3:
            return
        head = bytes(self.received[:body_at]).lower()
        if not head.startswith(b"http/1.1 200 "):
            self.clients.fail(f"not a 200: {bytes(self.received[:600])!r}")
        elif b"\r\ntransfer-encoding: chunked\r\n" in head:
            self.size = -1
        else:
            length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            self.size = body_at + int(length)


class Clients:
    """All connections of one job. The first fault, in `failure`, is the end of the job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.request = request_bytes(job)
        self.pids = tree_of(job.pid)
        self.all: list[Client] = []
        self.answers = 0
        self.is_running = False
        self.failure: str | None = None
        self.on_part: Callable[[Client], None] | None = None
        self.deltas = 1 if job.model.endswith("-hold") else count_in(job.model)
        self.text = "".join(deltas_of(self.deltas)).encode()

    def fail(self, why: str) -> None:
        self.is_running = False
        self.failure = self.failure or why

    def check(self) -> None:
        """Raise BadAnswer when there was one."""
        if self.failure is not None:
            raise BadAnswer(self.failure)

    def answered(self, client: Client) -> None:
        """Judge a complete answer; ask for the next."""
        client.is_busy = False
        received = client.received
        if self.job.stream:
            is_right = received.count(DELTA) == self.deltas and COMPLETED in received
        else:
            is_right = b'"status":"completed"' in received
        if not is_right or self.text not in received:
            self.fail(f"not the whole answer: {bytes(received[-2000:])!r}")
            return
        self.answers += 1
        if self.is_running:
            client.ask()

    def deltas_received(self) -> int:
        """Deltas in the answers that are under way."""
        return sum(client.received.count(DELTA) for client in self.all)

    async def connect(self, count: int) -> list[Client]:
        """Open `count` more connections, and return these."""
        loop = asyncio.get_running_loop()
        new: list[Client] = []
        for _ in range(count):
            _, client = await loop.create_connection(lambda: Client(self), "127.0.0.1", self.job.port)
            new.append(client)
        self.all += new
        return new

    async def go(self) -> None:
        """Let all connections work; those that the server closed while they were idle are opened anew."""
        self.all = [client for client in self.all if client.transport is not None]
        await self.connect(self.job.connections - len(self.all))
        self.is_running = True
        for client in self.all:
            client.ask()

    async def pause(self) -> None:
        """Ask no more, and wait for what was asked. Raises BadAnswer."""
        self.is_running = False
        deadline = time.monotonic() + PATIENCE
        while any(client.is_busy for client in self.all):
            self.check()
            if time.monotonic() > deadline:
                self.fail(f"no answer in {PATIENCE:g} s")
            await asyncio.sleep(0.002)
        self.check()

    def leave(self) -> None:
        """Close all connections, also in the middle of an answer."""
        self.is_running = False
        for client in self.all:
            client.is_busy = False
            if client.transport is not None:
                client.transport.abort()
