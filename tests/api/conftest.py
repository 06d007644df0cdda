"""One server, one scripted upstream and one loop for the whole folder; what needs other settings starts its own.

Tests share a tenant and tell their things apart by id; a test that counts takes a tenant of its own.
"""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from antiphon.testing.serving import Running, plain_settings, provider, running
from antiphon.testing.upstream import ScriptedUpstream, hanging_url, refusing_url
from antiphon.types.limits import Limits, Timeout
from tests.api.calling import PROVIDER_KEY, Api

_HERE = Path(__file__).parent
_numbers = itertools.count()

HASTY = Timeout(connect=0.3, first_byte=0.3, idle=0.3, total=0.8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE) and isinstance(item, pytest.Function) and not _is_plain(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def _is_plain(item: pytest.Function) -> bool:
    return not getattr(item.obj, "__code__", item.obj).co_flags & 0x80  # not a coroutine function


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scripted() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest_asyncio.fixture(loop_scope="session")
async def upstream(scripted: ScriptedUpstream) -> AsyncIterator[ScriptedUpstream]:
    """The upstream of every server here, without a script and without a past."""
    scripted.reset()
    yield scripted
    scripted.reset()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)  # the server lets go after 5
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


def providers(url: str) -> dict[str, Any]:
    return {
        "chat": provider("chat", url, key=PROVIDER_KEY),
        "resp": provider("responses", url, key=PROVIDER_KEY),
        "hasty": provider("chat", url, timeout=HASTY),
        "refusing": provider("chat", refusing_url()),
    }


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(scripted: ScriptedUpstream) -> AsyncIterator[Running]:
    """The server that most tests speak with."""
    with hanging_url() as nowhere:
        given = providers(scripted.base_url)
        given["hanging"] = provider("chat", nowhere, timeout=HASTY)
        async with running(plain_settings(providers=given)) as server:
            yield server


@pytest_asyncio.fixture(loop_scope="session")
async def api(server: Running, session: aiohttp.ClientSession, upstream: ScriptedUpstream) -> Api:
    """A caller of the default tenant."""
    return Api(server, session)


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(api: Api) -> Api:
    """A caller of a tenant that has nothing yet."""
    return api.other(await api.server.add_key(f"tenant-{next(_numbers)}"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _brisk(scripted: ScriptedUpstream) -> AsyncIterator[Running]:
    limits = Limits(keepalive=0.2, created_within=0.2)
    async with running(plain_settings(providers=providers(scripted.base_url), limits=limits)) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def brisk(_brisk: Running, session: aiohttp.ClientSession, upstream: ScriptedUpstream) -> Api:
    """A caller of a server that waits for little: streams begin after 0.2 s, and comments come as often."""
    return Api(_brisk, session)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _small(scripted: ScriptedUpstream) -> AsyncIterator[Running]:
    limits = Limits(body_bytes=64 * 1024, json_depth=16, items=50, string_length=2000, tools=5)
    async with running(plain_settings(providers=providers(scripted.base_url), limits=limits)) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def small(_small: Running, session: aiohttp.ClientSession, upstream: ScriptedUpstream) -> Api:
    """A caller of a server that takes little: 64 KiB, 16 levels, 50 items, 2000 characters, 5 tools."""
    return Api(_small, session)
