"""The HTTP client against raw servers on loopback: pools, deadlines, addresses, certificates."""

import asyncio
import contextlib
import gc
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from antiphon.errors import ProviderBroke
from antiphon.providers import deadlines
from antiphon.providers import transport as module
from antiphon.providers.connection import HIGH_WATER
from antiphon.providers.transport import Endpoint, Line, Transport
from antiphon.testing.upstream import hanging_url, refusing_url
from antiphon.types.limits import Timeout

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

Handler: TypeAlias = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection as its server sees it."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number  # from 1
        self.reader = reader
        self.writer = writer

    async def request(self) -> tuple[str, bytes]:
        """Return the next request's head and body. Raises IncompleteReadError when the client has gone."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        size = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
        return head, await self.reader.readexactly(size)

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def wait_gone(self) -> None:
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


class Site:
    """A server that lets a test play its part; `heads` are the requests so far."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.gone = asyncio.Queue[int]()  # numbers of connections that are over

    async def answer(self, peer: Peer, data: bytes = OK) -> None:
        head, body = await peer.request()
        self.heads.append(head)
        self.bodies.append(body)
        await peer.say(data)


@asynccontextmanager
async def site(handle: Handler, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    played, running = Site(), set[asyncio.Task[None]]()
    failed: list[Exception] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        played.connections += 1
        number = played.connections
        try:
            await handle(Peer(number, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001 # told at the end
            failed.append(error)
        finally:
            writer.close()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await writer.wait_closed()
            played.gone.put_nowait(number)
            running.discard(task)

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    played.port = server.sockets[0].getsockname()[1]
    try:
        yield played
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert failed == []


def answering(given: list[Site], data: bytes = OK) -> Handler:
    """Answer every request on every connection; the site is put into `given` once it is there."""

    async def handle(peer: Peer) -> None:
        while True:
            await given[0].answer(peer, data)

    return handle


@asynccontextmanager
async def answers(data: bytes = OK, **more: Any) -> AsyncIterator[Site]:
    given: list[Site] = []
    async with site(answering(given, data), **more) as played:
        given.append(played)
        yield played


@pytest.fixture
async def lines(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Line]]:
    """Make lines, and see that nothing of them stays."""
    monkeypatch.setattr(deadlines, "SWEEP", 0.02)
    before = sockets()
    transport = Transport()

    def make(address: int | str, timeout: Timeout | None = None, headers: dict[str, str] | None = None) -> Line:
        url = address if isinstance(address, str) else f"http://127.0.0.1:{address}/v1"
        return Line(transport, Endpoint(base_url=url, headers=headers or {}, timeout=timeout or Timeout()))

    yield make
    await transport.close()
    async with asyncio.timeout(2):
        while sockets() > before:
            gc.collect()
            await asyncio.sleep(0)
    assert not transport.deadlines._calls


def sockets() -> int:
    """Count the open sockets of this process."""
    count, opened = 0, Path("/proc/self/fd")
    for each in opened.iterdir() if opened.exists() else []:
        with contextlib.suppress(OSError):
            count += str(each.readlink()).startswith("socket:")
    return count


async def ask(line: Line, body: bytes = b"{}", *, streamed: bool = False) -> bytes:
    async with line.post("/x", body, streamed=streamed) as answer:
        return await answer.beginning(1 << 30)


async def code_of(line: Line, *, streamed: bool = False) -> str | None:
    with pytest.raises(ProviderBroke) as caught:
        await ask(line, streamed=streamed)
    return caught.value.code


# -- requests -------------------------------------------------------------------------------------------------


async def test_a_request_is_plain_http(lines: Callable[..., Line]) -> None:
    async with answers() as played:
        line = lines(f"http://127.0.0.1:{played.port}/some/path/", headers={"Authorization": "Bearer k"})
        assert await ask(line, b'{"a":1}') == b"ok"
        assert await line.get("/models") == (200, b"ok")
    first, second = (head.split("\r\n") for head in played.heads)
    assert first[0] == "POST /some/path/x HTTP/1.1"
    assert second[0] == "GET /some/path/models HTTP/1.1"
    assert {f"Host: 127.0.0.1:{played.port}", "Content-Length: 7", "Authorization: Bearer k"} <= set(first)
    assert played.bodies == [b'{"a":1}', b""]


async def test_a_header_of_the_settings_replaces_ours_whatever_its_case(lines: Callable[..., Line]) -> None:
    async with answers() as played:
        await ask(lines(played.port, headers={"user-agent": "mine", "HOST": "inside"}))
    fields = [line.partition(": ")[::2] for line in played.heads[0].split("\r\n")]
    assert [value for name, value in fields if name.lower() == "user-agent"] == ["mine"]
    assert [value for name, value in fields if name.lower() == "host"] == ["inside"]


async def test_a_large_body_arrives_whole(lines: Callable[..., Line]) -> None:
    body = bytes(range(256)) * 8192
    async with answers() as played:
        line = lines(played.port)
        assert await ask(line, body) == b"ok"
        assert await ask(line) == b"ok"
    assert (played.bodies == [body, b"{}"], played.connections) == (True, 1)


async def test_an_address_may_be_an_ipv6_literal(lines: Callable[..., Line]) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        async with answers(host="::1") as played:
            assert await ask(lines(f"http://[::1]:{played.port}/v1")) == b"ok"
    except OSError:
        pytest.skip("no IPv6 here")
    assert f"\r\nHost: [::1]:{played.port}\r\n" in played.heads[0]


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")], ids=["gai", "idna"])
async def test_a_host_that_can_t_be_found_is_unreachable(
    lines: Callable[..., Line], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert await code_of(lines("http://nothing.invalid/v1")) == "provider_unreachable"


async def test_a_port_where_nobody_listens_is_unreachable(lines: Callable[..., Line]) -> None:
    assert await code_of(lines(refusing_url())) == "provider_unreachable"


async def test_a_compressed_answer_is_refused(lines: Callable[..., Line]) -> None:
    for name, good in (("gzip", False), ("Identity", True)):
        async with answers(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: 2\r\n\r\nok" % name.encode()
        ) as it:
            if good:
                assert await ask(lines(it.port)) == b"ok"
            else:
                with pytest.raises(ProviderBroke, match="compressed"):
                    await ask(lines(it.port))


# -- the pool -------------------------------------------------------------------------------------------------


async def test_a_connection_is_used_again(lines: Callable[..., Line]) -> None:
    async with answers() as played:
        line = lines(played.port)
        for _ in range(5):
            assert await ask(line) == b"ok"
        assert played.connections == 1


@pytest.mark.parametrize("comes", [True, False], ids=["comes", "never comes"])
async def test_a_connection_is_used_again_when_the_end_comes_a_moment_later(
    lines: Callable[..., Line], comes: bool
) -> None:
    given, read = list[Site](), asyncio.Event()

    async def handle(peer: Peer) -> None:
        while True:
            await given[0].answer(peer, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
            await read.wait()
            await peer.say(b"1\r\nx\r\n")
            if comes:
                await peer.say(b"0\r\n\r\n")

    async with site(handle) as played:
        given.append(played)
        line = lines(played.port)
        for _ in range(2):
            read.clear()
            async with line.post("/x", b"", streamed=True) as answer:
                assert await answer.read() == b"ok"
                read.set()
                await answer.settle()
        assert played.connections == (1 if comes else 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ],
    ids=["1.0", "close", "more than asked for"],
)
async def test_a_connection_that_is_done_for_is_not_used_again(lines: Callable[..., Line], answer: bytes) -> None:
    async with answers(answer) as played:
        line = lines(played.port)
        assert [await ask(line), await ask(line)] == [b"ok", b"ok"]
        assert played.connections == 2


async def test_bytes_on_an_idle_connection_are_nobody_s_answer(lines: Callable[..., Line]) -> None:
    given, idle = list[Site](), asyncio.Event()

    async def handle(peer: Peer) -> None:
        await given[0].answer(peer)
        if peer.number == 1:
            await idle.wait()
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await peer.wait_gone()

    async with site(handle) as played:
        given.append(played)
        line = lines(played.port)
        await ask(line)
        idle.set()
        assert await played.gone.get() == 1
        assert await ask(line) == b"ok"
        assert played.connections == 2


async def test_a_pooled_connection_that_died_is_replaced_once(lines: Callable[..., Line]) -> None:
    given = list[Site]()

    async def handle(peer: Peer) -> None:
        if peer.number == 1:
            await given[0].answer(peer)
        await peer.request()  # taken, and hung up on

    async with site(handle) as played:
        given.append(played)
        line = lines(played.port)
        await ask(line)
        with pytest.raises(ProviderBroke, match="without an answer"):
            await ask(line)
        assert played.connections == 2


async def test_a_pooled_connection_that_was_closed_is_replaced_unseen(lines: Callable[..., Line]) -> None:
    given = list[Site]()

    async def handle(peer: Peer) -> None:
        await given[0].answer(peer)

    async with site(handle) as played:
        given.append(played)
        line = lines(played.port)
        for number in range(1, 4):
            assert await ask(line) == b"ok"
            assert await played.gone.get() == number
        assert len(played.heads) == 3


async def test_a_provider_that_worked_on_a_request_is_not_asked_again(
    lines: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALE_WITHIN", -1.0)  # as if more than a second had passed
    given = list[Site]()

    async def handle(peer: Peer) -> None:
        await given[0].answer(peer)
        await peer.request()

    async with site(handle) as played:
        given.append(played)
        line = lines(played.port)
        await ask(line)
        with pytest.raises(ProviderBroke, match="without an answer"):
            await ask(line)
        assert played.connections == 1


@pytest.mark.parametrize("read", [True, False])
async def test_a_fresh_connection_that_dies_is_not_replaced(lines: Callable[..., Line], read: bool) -> None:
    async def handle(peer: Peer) -> None:
        if read:
            await peer.request()

    async with site(handle) as played:
        with pytest.raises(ProviderBroke, match="without an answer"):
            await ask(lines(played.port))
        assert played.connections == 1


async def test_an_answer_that_broke_off_is_not_asked_for_again(lines: Callable[..., Line]) -> None:
    given = list[Site]()

    async def handle(peer: Peer) -> None:
        await given[0].answer(peer)
        await given[0].answer(peer, HEAD[:20])

    async with site(handle) as played:
        given.append(played)
        line = lines(played.port)
        await ask(line)
        with pytest.raises(ProviderBroke, match="broke off"):
            await ask(line)
        assert played.connections == 1


async def test_only_so_many_idle_connections_are_kept(
    lines: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_IDLE", 2)
    together, given = asyncio.Barrier(5), list[Site]()

    async def handle(peer: Peer) -> None:
        await peer.request()
        await together.wait()
        await peer.say(OK)
        await peer.wait_gone()

    async with site(handle) as played:
        given.append(played)
        line = lines(played.port)
        assert await asyncio.gather(*(ask(line) for _ in range(5))) == [b"ok"] * 5
        for _ in range(3):
            await played.gone.get()
        assert (played.connections, len(line._idle)) == (5, 2)


async def test_a_connection_that_rested_too_long_is_not_used_again(
    lines: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with answers() as played:
        line = lines(played.port)
        await ask(line)
        monkeypatch.setattr(module, "KEEP_IDLE", -1.0)
        await ask(line)
        assert played.connections == 2
        assert line._idle == []


async def test_a_line_that_was_closed_keeps_nothing(lines: Callable[..., Line]) -> None:
    async with answers() as played:
        line = lines(played.port)
        async with line.post("/x", b"", streamed=False) as answer:
            line.close()
            assert await answer.beginning(10) == b"ok"
        assert await played.gone.get() == 1
        assert line._idle == []


# -- leaving, and reading slowly ------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + b"hel"], ids=["before the head", "after it", "within the body"])
async def test_a_cancelled_exchange_closes_its_connection(lines: Callable[..., Line], said: bytes) -> None:
    here = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)
        here.set()
        await peer.wait_gone()

    async with site(handle) as played:
        task = asyncio.create_task(ask(lines(played.port)))
        await here.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await played.gone.get() == 1


async def test_leaving_before_the_end_closes_the_connection(lines: Callable[..., Line]) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + b"hel")
        await peer.wait_gone()

    async with site(handle) as played:
        async with lines(played.port).post("/x", b"", streamed=False) as answer:
            assert answer.status == 200
        assert await played.gone.get() == 1


async def test_a_slow_reader_slows_the_provider(lines: Callable[..., Line]) -> None:
    size, stuck, sent = 32 * 1024 * 1024, asyncio.Event(), 0

    async def handle(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            peer.writer.write(b"x" * 65536)
            sent += 65536
            try:
                async with asyncio.timeout(0.2):
                    await peer.writer.drain()
            except TimeoutError:
                stuck.set()
                await peer.writer.drain()
        await peer.wait_gone()

    async with site(handle) as played:
        async with lines(played.port).post("/x", b"", streamed=False) as answer:
            await stuck.wait()
            assert sent < size
            assert answer._connection._waiting_bytes <= HIGH_WATER + 512 * 1024
            read = 0
            while data := await answer.read():
                assert len(data) <= HIGH_WATER + 512 * 1024
                read += len(data)
        assert read == size


async def test_an_answer_without_end_is_cut(lines: Callable[..., Line], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 100_000)

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.say(b"x" * 10_000)

    async with site(handle) as played:
        with pytest.raises(ProviderBroke, match="too large"):
            await ask(lines(played.port))
        assert await played.gone.get() == 1


# -- deadlines ------------------------------------------------------------------------------------------------


async def test_a_provider_that_does_not_accept_is_late(lines: Callable[..., Line]) -> None:
    with hanging_url() as url:
        assert await code_of(lines(url, Timeout(connect=0.05))) == "provider_timeout_connect"


async def test_a_provider_that_never_shakes_hands_is_late(lines: Callable[..., Line]) -> None:
    async with site(Peer.wait_gone) as played:
        line = lines(f"https://127.0.0.1:{played.port}/v1", Timeout(connect=0.05))
        assert await code_of(line) == "provider_timeout_connect"
        assert await played.gone.get() == 1


@pytest.mark.parametrize(
    ("said", "timeout", "phase"),
    [
        (b"", Timeout(first_byte=0.05), "first_byte"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Timeout(first_byte=0.05), "first_byte"),
        (HEAD + b"hel", Timeout(idle=0.05), "idle"),
        (b"", Timeout(total=0.05), "total"),
        (HEAD + b"hel", Timeout(total=0.05), "total"),
    ],
    ids=["first byte", "first byte after 1xx", "idle", "total before the head", "total within the body"],
)
async def test_a_provider_that_is_late_is_hung_up_on(
    lines: Callable[..., Line], said: bytes, timeout: Timeout, phase: str
) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)
        await peer.wait_gone()

    async with site(handle) as played:
        assert await code_of(lines(played.port, timeout)) == f"provider_timeout_{phase}"
        assert await played.gone.get() == 1


async def test_a_slow_consumer_is_not_late(lines: Callable[..., Line]) -> None:
    go = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + b"hel")
        await go.wait()
        await peer.say(b"lo")
        await peer.wait_gone()

    async with site(handle) as played:
        line = lines(played.port, Timeout(first_byte=5, idle=0.05, total=5))
        async with line.post("/x", b"", streamed=True) as answer:
            assert await answer.read() == b"hel"
            go.set()
            await asyncio.sleep(0.15)  # several sweeps, and the limit of silence, pass
            assert [await answer.read(), await answer.read()] == [b"lo", b""]


# -- TLS ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate for 127.0.0.1 that nobody vouches for, and its key."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("no openssl here")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-out", made, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


@pytest.fixture
def own_trust() -> Iterator[None]:
    """Let the settings of secure connections be made anew, before and after."""
    module._tls.cache_clear()
    yield
    module._tls.cache_clear()


def server_side(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    lines: Callable[..., Line], certificate: tuple[Path, Path], own_trust: None
) -> None:
    async with answers(tls=server_side(certificate)) as played:
        with pytest.raises(ProviderBroke) as caught:
            await ask(lines(f"https://127.0.0.1:{played.port}/v1"))
        assert caught.value.code == "provider_unreachable"
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        assert played.heads == []


async def test_a_certificate_of_ssl_cert_file_is_trusted(
    lines: Callable[..., Line], certificate: tuple[Path, Path], own_trust: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
    async with answers(big, tls=server_side(certificate)) as played:
        line = lines(f"https://127.0.0.1:{played.port}/v1")
        for _ in range(2):
            assert len(await ask(line, b"y" * 500_000)) == 1_000_000
        assert (played.connections, len(played.bodies[1])) == (1, 500_000)


async def test_a_certificate_for_another_name_is_refused(
    lines: Callable[..., Line], certificate: tuple[Path, Path], own_trust: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    async with answers(tls=server_side(certificate)) as played:
        assert await code_of(lines(f"https://localhost:{played.port}/v1")) == "provider_unreachable"


async def test_plain_http_where_tls_was_expected_is_unreachable(lines: Callable[..., Line]) -> None:
    async def handle(peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.wait_gone()

    async with site(handle) as played:
        assert await code_of(lines(f"https://127.0.0.1:{played.port}/v1")) == "provider_unreachable"


# -- small print ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("", None), ("3", 3.0), ("0.5", 0.5), ("99999999", 3600.0), ("soon", None), ("-1", None), ("²", None),
        ("1.²", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None), ("1,,,", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_with_care(value: str | None, seconds: float | None) -> None:
    assert module._retry_after(value) == seconds


def test_a_retry_after_before_all_clocks_is_no_fault() -> None:
    assert module._retry_after("Mon, 01 Jan 0001 00:00:00 -0000") in {None, 0.0}  # as far back as the system's clock
