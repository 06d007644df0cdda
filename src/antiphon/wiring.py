"""Wiring: the only place that names concrete classes. Settings become a running app."""

import asyncio
import contextlib
import fcntl
import gc
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import uvicorn

from antiphon.api.app import App
from antiphon.api.protocol import Protocol
from antiphon.api.pulse import Pulse
from antiphon.api.services import Services
from antiphon.codecs.formats import CODECS
from antiphon.config import Provider as ProviderSettings
from antiphon.config import Secret, Settings
from antiphon.engine.preparation import Preparation
from antiphon.engine.runner import Runner
from antiphon.minting import mint
from antiphon.providers.breaker import Breaker, NeverOpens
from antiphon.providers.budget import RetryBudget
from antiphon.providers.catalog import BASES
from antiphon.providers.credentials import Credential, Credentials
from antiphon.providers.demo import DemoModels
from antiphon.providers.egress import Egress
from antiphon.providers.fetching import Fetcher
from antiphon.providers.health import Record
from antiphon.providers.provider import Provider
from antiphon.providers.routed import RoutedModel, Target
from antiphon.providers.router import Router
from antiphon.providers.slots import Slots
from antiphon.providers.structured import structured
from antiphon.providers.transport import Endpoint, Line, Transport
from antiphon.providers.upstream import Means, UpstreamModel
from antiphon.store.sqlite import SqliteStore, open_store
from antiphon.telemetry import Level, log, set_level
from antiphon.tenancy.keys import DEFAULT_TENANT, KeyRing, digest
from antiphon.tenancy.sealing_keys import load_or_create
from antiphon.types.limits import Timeout

OLLAMA = "http://127.0.0.1:11434/v1"
RELEARN = 60.0
"""Seconds between two looks at the model lists of providers whose settings name no models."""

GRACE = 10
"""Seconds that a server takes to stop at most: what supervisors commonly wait before they kill."""
DRAIN = GRACE - 2.0
"""Seconds that runs get to end by themselves when the server stops; the rest is for writing and telling their end."""


class FolderInUse(Exception):
    """Another server works on this data folder: two would end each other's runs."""


def now() -> int:
    """Return the Unix time in whole seconds, as the API shows it."""
    return int(time.time())


class Assembly:
    """One server, put together and not yet running."""

    def __init__(self, settings: Settings, store: SqliteStore) -> None:
        self.settings = settings
        self.store = store
        self.transport = Transport()
        self.demo = DemoModels(seed=settings.demo.seed, delay=settings.demo.delay, enabled=settings.demo.enabled)
        self.fetcher = Fetcher(Egress(settings.allowed_networks))
        sealing = [key.reveal() for key in settings.sealing_keys]
        seals = load_or_create(settings.server.data, sealing, random=secrets.token_bytes, now=now)
        self._means = Means(self.fetcher, seals, strict=settings.strict_params)
        self._budget = RetryBudget(time.monotonic)
        self.router = Router(
            [self._provider(name, each) for name, each in settings.providers.items()],
            {name: [(each.model, each.weight) for each in alias.targets] for name, alias in settings.models.items()},
            demo=self.demo.find,
            demo_names=self.demo.names,
            target=self._target,
            routed=self._routed,
        )
        preparation = Preparation(
            self.router,
            store.responses,
            store.conversations,
            settings.limits,
            mint=mint,
            now=now,
            client_conversation_ids=settings.client_conversation_ids,
            strict_params=settings.strict_params,
        )
        self.runner = Runner(preparation, store.responses, now=now)
        static = {digest(settings.api_key.reveal()): DEFAULT_TENANT} if settings.api_key else {}
        services = Services(
            store=store,
            models=self.router,
            runner=self.runner,
            preparation=preparation,
            keys=KeyRing(store.keys, static, now=time.time),
            limits=settings.limits,
            pulse=Pulse(),
            mint=mint,
            now=now,
            tolerant=settings.unknown_parameters == "ignore",
        )
        self.app = App(services, self._lifespan)

    def _provider(self, name: str, given: ProviderSettings) -> Provider:
        lines: dict[Credential, Line] = {}
        keys: Sequence[Secret | None] = given.keys or [None]
        for key in keys:
            headers = given.auth_headers(key)
            endpoint = Endpoint(base_url=given.address, headers=headers, timeout=given.timeout)
            lines[Credential(key.source if key else "no key", headers)] = Line(self.transport, endpoint)
        return Provider(
            name,
            CODECS[given.wire],
            Credentials(list(lines), time.monotonic),
            lines,
            Slots(given.concurrency, given.queue),
            Record(time.monotonic, now),
            given.entry or BASES[given.wire],
            given.profile,
            given.models,
            given.queue_wait,
        )

    def _target(self, provider: Provider, model: str) -> Target:
        plain = UpstreamModel(provider, model, self._means)
        asked = plain if self.settings.strict_params else structured(plain)  # what is emulated is noted
        breaker = Breaker if self.settings.circuit_breaker else NeverOpens
        return Target(f"{provider.name}/{model}", asked, breaker(time.monotonic), time.monotonic)

    def _routed(self, targets: Sequence[Target], weights: Sequence[float] | None) -> RoutedModel:
        return RoutedModel(targets, weights, budget=self._budget, retries=self.settings.retries)

    @asynccontextmanager
    async def _lifespan(self, app: App) -> AsyncGenerator[None]:
        """Own every task and connection of the server from its start to its end."""
        if ended := await self.runner.fail_unfinished():
            log("unfinished_runs_failed", Level.WARNING, count=ended)
        async with asyncio.TaskGroup() as tasks, self.runner:
            learner = tasks.create_task(self._learn())
            try:
                yield
            finally:
                learner.cancel()
        await self.transport.close()
        self.fetcher.close()
        self.store.close()

    async def _learn(self) -> None:
        """Look for Ollama once, and for the models of providers that list them, again and again."""
        if self.settings.detect:
            await self._detect_ollama()
        while True:
            await self.router.learn()
            await asyncio.sleep(RELEARN)

    async def _detect_ollama(self) -> None:
        if "ollama" in self.settings.providers:
            return
        found = ProviderSettings(kind="ollama", format="chat", base_url=OLLAMA)
        timeout = Timeout(connect=1.0, total=1.0)
        probe = Line(self.transport, Endpoint(base_url=OLLAMA, headers={}, timeout=timeout))
        with contextlib.suppress(Exception):
            status, _ = await probe.get("/models")
            if status == 200:
                self.router.add(self._provider("ollama", found))
                log("provider_detected", provider="ollama", address=OLLAMA)


def assemble(settings: Settings) -> Assembly:
    """Open the store and put a server together; the caller runs `assembly.app`. Creates the data folder."""
    folder = settings.server.data
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    set_level(Level[settings.log_level.upper()])
    return Assembly(settings, open_store(settings.server.database))


@contextlib.contextmanager
def owning(folder: Path) -> Any:
    """Hold the data folder for one server. Raises FolderInUse."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock: IO[str]
    with (folder / "antiphon.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise FolderInUse(str(folder)) from exc
        yield


class DrainingServer(uvicorn.Server):
    """uvicorn that gives runs some time when it stops, and then ends them, so that every listener is told.

    uvicorn alone cancels what is left after `timeout_graceful_shutdown`, which must be longer: such answers break off.
    """

    def __init__(self, config: uvicorn.Config, runner: Runner, drain: float) -> None:
        super().__init__(config)
        self._runner = runner
        self._drain = drain

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop accepting, wait, end what is left."""
        timer = asyncio.get_running_loop().call_later(self._drain, self._runner.stop)
        try:
            await super().shutdown(sockets=sockets)
        finally:
            timer.cancel()


class _Server(DrainingServer):
    """The server of a process, telling when the socket is open and on which port."""

    def __init__(self, config: uvicorn.Config, runner: Runner, ready: Callable[[int], None]) -> None:
        super().__init__(config, runner, DRAIN)
        self._ready = ready

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready(self.servers[0].sockets[0].getsockname()[1])
            gc.collect()
            gc.freeze()  # what is alive now stays: the collector needn't look at it again
            gc.set_threshold(20_000, 50, 50)


def serve(assembly: Assembly, ready: Callable[[int], None]) -> None:
    """Run the server until it is told to stop; `ready` gets the port once the socket is open."""
    server = assembly.settings.server
    config = uvicorn.Config(
        assembly.app,
        host=server.host,
        port=server.port,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
    )
    _Server(config, assembly.runner, ready).run()
