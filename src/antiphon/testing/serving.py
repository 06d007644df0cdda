"""A whole server inside a test: real HTTP on loopback, a database in a folder of its own.

    async with ScriptedUpstream() as upstream:
        settings = plain_settings(providers={"up": provider("chat", upstream.base_url, models=["*"])})
        async with running(settings) as server:
            client = AsyncOpenAI(base_url=server.base_url, api_key=server.api_key)

Several servers can run in one loop; each is closed as a real one is, its background runs ended and stored.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from antiphon.api.protocol import Protocol
from antiphon.config import Demo, Provider, Secret, Server, Settings
from antiphon.providers.catalog import Format
from antiphon.tenancy.keys import digest, new_key, row
from antiphon.wiring import Assembly, DrainingServer, assemble

API_KEY = "test-key-of-the-default-tenant"
"""The static key of `plain_settings`."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs."""

    url: str
    """Scheme, host and port."""

    assembly: Assembly
    """The server's inside, for a look at its store."""

    api_key: str
    """A key of the default tenant."""

    @property
    def base_url(self) -> str:
        """The address as clients of the API want it."""
        return f"{self.url}/v1"

    @property
    def port(self) -> int:
        """The port alone, for a raw socket."""
        return int(self.url.rpartition(":")[2])

    async def add_key(self, tenant: str, *, expires_at: int | None = None) -> str:
        """Make a key of `tenant`, which needs no other making."""
        key = new_key()
        made = row(key, tenant=tenant, name="test", now=int(time.time()), expires_at=expires_at)
        await self.assembly.store.keys.add(made, digest(key))
        return key


def plain_settings(**changes: Any) -> Settings:
    """Return settings for tests: nothing detected or tried again, demo models without delay, one static key."""
    key = Secret(API_KEY, "ANTIPHON_API_KEY")
    plain = Settings(detect=False, retries=0, circuit_breaker=False, demo=Demo(delay=0), api_key=key)
    return msgspec.structs.replace(plain, **changes)


def provider(
    format: Format,  # noqa: A002 # the setting's own name
    base_url: str,
    *,
    models: Sequence[str] = ("*",),
    key: str | None = None,
    **changes: Any,
) -> Provider:
    """Return the settings of a provider; `changes` are fields of them."""
    secret = Secret(key, "the test") if key else None
    return Provider(format=format, base_url=base_url, models=list(models), api_key=secret, **changes)


@asynccontextmanager
async def running(settings: Settings | None = None, *, data: Path | None = None) -> AsyncGenerator[Running, None]:
    """Run a server in this loop, on a free port, until the block ends.

    Its data is in `data`, or in a folder that goes away with it; host, port and folder of `settings` don't count.
    """
    settings = settings or plain_settings()
    with _folder(data) as folder:
        assembly = assemble(msgspec.structs.replace(settings, server=Server(host="127.0.0.1", port=0, data=folder)))
        server = _Server(assembly)
        serving = asyncio.get_running_loop().create_task(server.serve())
        try:
            port = await server.wait_started(serving)
            key = settings.api_key.reveal() if settings.api_key else ""
            yield Running(f"http://127.0.0.1:{port}", assembly, key)
        finally:
            server.stop()
            await serving


@contextmanager
def _folder(given: Path | None) -> Generator[Path, None, None]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="antiphon-") as made:
        yield Path(made)


class _Server(DrainingServer):
    """uvicorn in a loop that is somebody else's: it takes no signals and ends when it is told to, not at a tick."""

    def __init__(self, assembly: Assembly) -> None:
        super().__init__(
            uvicorn.Config(
                assembly.app,
                host="127.0.0.1",
                port=0,
                http=Protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=2,
            ),
            assembly.runner,
            drain=0.5,
        )
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()

    async def wait_started(self, serving: asyncio.Task[None]) -> int:
        """Return the port once the server listens. Raises what kept it from that."""
        started = asyncio.get_running_loop().create_task(self._started.wait())
        try:
            await asyncio.wait([started, serving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if serving.done():
            await serving
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    def stop(self) -> None:
        """Let `serve` return."""
        self._stopped.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        self._started.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._stopped.wait()
