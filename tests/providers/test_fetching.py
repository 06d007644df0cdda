"""The guarded fetcher: real transfers from loopback through an allow-list, and what it refuses."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from antiphon.errors import BadRequest, LimitReached
from antiphon.providers import fetching
from antiphon.providers.connection import Connection
from antiphon.providers.egress import Egress, Target
from antiphon.providers.fetching import Fetched, Fetcher
from antiphon.testing.upstream import Answer, Fault, ScriptedUpstream, Step, hanging_url, refusing_url
from tests.providers.spellings import FORBIDDEN, METADATA

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100
JPEG = b"\xff\xd8\xff\xe0" + b"x" * 100
GIF = b"GIF89a" + b"x" * 100
WEBP = b"RIFF\x10\x00\x00\x00WEBP" + b"x" * 100
PDF = b"%PDF-1.7\n" + b"x" * 100
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
FILES = ("application/pdf", "text/*", "application/json")
HERE = Egress(["127.0.0.0/8"])


def gives(data: Step, kind: str = "image/png", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(steps=[data], headers={"Content-Type": kind, **named}, framing="length")


def leads(place: str, status: int = 302) -> Answer:
    return Answer(status=status, headers={"Location": place}, framing="length")


@asynccontextmanager
async def site(*answers: Answer) -> AsyncIterator[tuple[ScriptedUpstream, str]]:
    """Give a server on loopback and its address."""
    async with ScriptedUpstream() as server:
        server.will(*answers)
        yield server, server.base_url.removesuffix("/v1")


async def fetched(
    url: str, fetcher: Fetcher | None = None, kinds: Sequence[str] = IMAGES, limit: int = 1000
) -> Fetched:
    return await (fetcher or Fetcher(HERE)).fetch(url, limit_bytes=limit, kinds=kinds)


async def refused(url: str, fetcher: Fetcher | None = None, kinds: Sequence[str] = IMAGES, limit: int = 1000) -> str:
    """Return the code of the refusal."""
    with pytest.raises(BadRequest) as refusal:
        await fetched(url, fetcher, kinds, limit)
    assert refusal.value.code is not None
    return refusal.value.code


class Names:
    """A resolver that a test holds; a list of lists answers one question each, the last one for ever."""

    def __init__(self, known: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self.known = {name: list(answers) for name, answers in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.known.get(host)
        if answers is None:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Watched(Fetcher):
    """A fetcher that opens nothing, but tells what it would have connected to."""

    def __init__(self, egress: Egress, resolve: fetching.Resolve | None = None) -> None:
        super().__init__(egress, resolve=resolve)
        self.connected: list[tuple[str, str]] = []

    async def _connect_to(self, address: str, target: Target) -> Connection:
        self.connected.append((address, target.host))
        raise OSError


# -- what is fetched ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind"),
    [(PNG, "image/png"), (JPEG, "image/jpeg"), (GIF, "image/gif"), (WEBP, "image/webp")],
)
async def test_an_image_is_fetched(data: bytes, kind: str) -> None:
    async with site(gives(data, kind)) as (_, url):
        assert await fetched(f"{url}/a.bin") == Fetched(data, kind)


@pytest.mark.parametrize(
    "kind", ["image/jpg", "image/png", "IMAGE/JPEG; q=1", "application/octet-stream", "binary/octet-stream", ""]
)
async def test_an_image_is_what_its_bytes_say(kind: str) -> None:
    async with site(gives(JPEG, kind)) as (_, url):
        assert await fetched(url) == Fetched(JPEG, "image/jpeg")


async def test_a_file_is_fetched() -> None:
    async with site(gives(PDF, "application/pdf"), gives(b"a,b", "text/csv"), gives(b"{}", "application/json")) as (
        _,
        url,
    ):
        assert await fetched(url, kinds=FILES) == Fetched(PDF, "application/pdf")
        assert await fetched(url, kinds=FILES) == Fetched(b"a,b", "text/csv")
        assert await fetched(url, kinds=FILES) == Fetched(b"{}", "application/json")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("né".encode(), "text/plain; charset=UTF-8"),
        ("né".encode("latin-1"), "text/plain; charset=ISO-8859-1"),
        ("né".encode("cp1252"), 'text/plain; x=y; charset="windows-1252"'),
        ("né".encode("utf-16"), "text/plain;charset=utf-16"),
        ("né".encode(), "text/plain; charset=of-my-own"),
    ],
)
async def test_text_comes_in_utf_8(data: bytes, kind: str) -> None:
    async with site(gives(data, kind)) as (_, url):
        assert await fetched(url, kinds=FILES) == Fetched("né".encode(), "text/plain")


@pytest.mark.parametrize("framing", ["chunked", "length", "eof"])
async def test_a_body_may_be_framed_in_any_way(framing: str) -> None:
    answer = Answer(steps=[PNG[:50], PNG[50:]], headers={"Content-Type": "image/png"}, framing=framing)  # type: ignore[arg-type]
    async with site(answer) as (_, url):
        assert (await fetched(url)).data == PNG


async def test_nothing_of_ours_goes_along() -> None:
    async with site(leads("/b", 301), gives(PNG, set_cookie="a=b")) as (server, url):
        await fetched(f"{url}/a?b=c#d")
        asked = [(each.method, each.path) for each in server.received]
        assert asked == [("GET", "/a?b=c"), ("GET", "/b")]
        for request in server.received:
            assert request.headers.keys() == {"host", "user-agent", "accept", "accept-encoding", "connection"}
            assert request.headers["host"] == url.removeprefix("http://")
            assert request.headers["accept-encoding"] == "identity"
            assert request.headers["connection"] == "close"


async def test_a_name_is_connected_to_by_its_address_and_called_by_its_name() -> None:
    async with site(gives(PNG)) as (server, url):
        names = Names({"pictures.example": [["127.0.0.1"]]})
        port = url.rpartition(":")[2]
        await fetched(f"http://pictures.example:{port}/a", Fetcher(HERE, resolve=names))
        assert server.last.headers["host"] == f"pictures.example:{port}"
        assert names.asked == ["pictures.example"]


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with site(gives(PNG)) as (_, url):
        names = Names({"pictures.example": [["127.0.0.9", "127.0.0.1"]]})
        port = url.rpartition(":")[2]
        assert (await fetched(f"http://pictures.example:{port}/a", Fetcher(HERE, resolve=names))).data == PNG


async def test_the_system_looks_names_up() -> None:
    async with site(gives(PNG)) as (_, url):
        fetcher = Fetcher(Egress(["127.0.0.0/8", "::1/128"]))
        port = url.rpartition(":")[2]
        assert (await fetched(f"http://localhost:{port}/a", fetcher)).data == PNG
        fetcher.close()


# -- where it doesn't go --------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", FORBIDDEN, ids=repr)
async def test_no_connection_is_opened_for_any_spelling_of_a_forbidden_address(url: str) -> None:
    async def all_inside(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    fetcher = Watched(Egress(), all_inside)
    assert await refused(url, fetcher) == "url_not_allowed"
    assert fetcher.connected == []


ELSEWHERE = [
    *METADATA,
    "http://127.0.0.2/",
    "http://[::1]/",
    "//10.0.0.1/",
    "http://user@127.0.0.1/",
    "file:///etc/passwd",
    "\\\\10.0.0.1\\x",
    "ftp://example.org/",
    "http://[",
    "/" + "a" * 9000,
]


@pytest.mark.parametrize("place", ELSEWHERE, ids=repr)
async def test_a_redirect_is_judged_as_a_new_url(place: str) -> None:
    async with site(leads(place)) as (server, url):
        server.otherwise = lambda _: gives(PNG)
        assert await refused(url, Fetcher(Egress(["127.0.0.1/32"]))) == "url_not_allowed"
        assert len(server.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_every_kind_of_redirect_is_judged(status: int) -> None:
    async with site(leads("http://169.254.169.254/", status)) as (server, url):
        assert await refused(url) == "url_not_allowed"
        assert len(server.received) == 1


async def test_a_name_that_changes_its_mind_is_judged_each_time() -> None:
    """DNS rebinding: the answer that was judged is the one that is connected to."""
    names = Names({"pictures.example": [["8.8.8.8"], ["127.0.0.1"]]})
    fetcher = Watched(Egress(), names)
    assert await refused("http://pictures.example/", fetcher) == "url_unreachable"
    assert fetcher.connected == [("8.8.8.8", "pictures.example")]
    assert names.asked == ["pictures.example"]
    assert await refused("http://pictures.example/", fetcher) == "url_not_allowed"
    assert len(fetcher.connected) == 1


async def test_a_name_is_looked_up_again_after_a_redirect_to_itself() -> None:
    async with site(leads("/again"), gives(PNG)) as (server, url):
        port = url.rpartition(":")[2]
        names = Names({"pictures.example": [["127.0.0.1"], ["169.254.169.254"]]})
        assert await refused(f"http://pictures.example:{port}/", Fetcher(HERE, resolve=names)) == "url_not_allowed"
        assert len(server.received) == 1


async def test_one_address_inside_condemns_a_name() -> None:
    fetcher = Watched(Egress(), Names({"pictures.example": [["8.8.8.8", "10.0.0.1"]]}))
    assert await refused("http://pictures.example/", fetcher) == "url_not_allowed"
    assert fetcher.connected == []


async def test_a_name_that_leads_inside_is_refused_as_one_that_does_not_exist() -> None:
    async def told(known: Mapping[str, Sequence[Sequence[str]]]) -> str:
        with pytest.raises(BadRequest) as refusal:
            await fetched("http://db.internal.example/", Watched(Egress(), Names(known)))
        return refusal.value.message

    assert await told({}) == await told({"db.internal.example": [["10.0.0.1"]]})


@pytest.mark.parametrize("error", [OSError(), UnicodeError(), TimeoutError()])
async def test_a_resolver_that_fails_is_no_fault_of_ours(error: Exception) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise error

    assert await refused("http://pictures.example/", Fetcher(Egress(), resolve=resolve)) == "url_not_allowed"


async def test_redirects_end() -> None:
    async with site(*[leads(f"/{n}") for n in range(4)], gives(PNG)) as (server, url):
        assert await refused(url) == "url_unreachable"
        assert len(server.received) == 4
    async with site(*[leads(f"/{n}") for n in range(3)], gives(PNG)) as (_, url):
        assert (await fetched(url)).data == PNG


# -- what it doesn't take -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind", "kinds"),
    [
        (b"<html>", "text/html", IMAGES),
        (b"<html>", "image/png", IMAGES),
        (b"<html>", "", IMAGES),
        (b"", "image/png", IMAGES),
        (b"<svg/>", "image/svg+xml", IMAGES),
        (PDF, "image/png", IMAGES),
        (PNG, "application/pdf", FILES),
        (PNG, "text/plain", FILES),
        (b"x", "application/pdf", FILES),
        (b"x", "application/octet-stream", FILES),
        (b"PK", "application/zip", FILES),
        (b"x", "nonsense", FILES),
        (b"x", "text", FILES),
        (b"x", "text/", IMAGES),
    ],
)
async def test_what_is_of_no_wanted_type_is_refused(data: bytes, kind: str, kinds: Sequence[str]) -> None:
    async with site(gives(data, kind)) as (_, url):
        assert await refused(url, kinds=kinds) == "unsupported_media_type"


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 407, 500, 503])
async def test_only_a_whole_answer_is_taken(status: int) -> None:
    async with site(Answer(steps=[PNG], status=status, headers={"Content-Type": "image/png"}, framing="length")) as (
        _,
        url,
    ):
        assert await refused(url) == "url_unreachable"


async def test_what_is_too_large_is_refused_by_its_announcement() -> None:
    async with site(
        Answer(
            steps=[PNG, Fault.HANG], headers={"Content-Type": "image/png", "Content-Length": "1001"}, framing="length"
        )
    ) as (_, url):
        assert await refused(url) == "file_too_large"


@pytest.mark.parametrize("framing", ["chunked", "eof"])
async def test_what_turns_out_too_large_is_refused(framing: str) -> None:
    answer = Answer(steps=[PNG, b"x" * 1000, Fault.HANG], headers={"Content-Type": "image/png"}, framing=framing)  # type: ignore[arg-type]
    async with site(answer) as (_, url):
        assert await refused(url) == "file_too_large"


async def test_the_limit_itself_is_taken() -> None:
    async with site(gives(PNG), gives(PNG)) as (_, url):
        assert len((await fetched(url, limit=len(PNG))).data) == len(PNG)
        assert await refused(url, limit=len(PNG) - 1) == "file_too_large"


@pytest.mark.parametrize(
    "steps",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 500\r\n\r\n", PNG, Fault.FIN],
        [b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", Fault.FIN],
        [b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", PNG, Fault.RST],
        [b"SSH-2.0-OpenSSH_9.2\r\n", Fault.FIN],
        [b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000],
        [Fault.FIN],
        [Fault.RST],
    ],
    ids=["short", "cut", "reset", "ssh", "endless head", "closed", "lost"],
)
async def test_an_answer_that_breaks_off_is_refused(steps: Sequence[Step]) -> None:
    async with site(Answer(steps=steps, framing="raw")) as (_, url):
        assert await refused(url) == "url_unreachable"


async def test_a_compressed_answer_is_refused() -> None:
    async with site(gives(PNG, content_encoding="gzip")) as (_, url):
        assert await refused(url) == "url_unreachable"


async def test_an_address_on_which_nothing_listens_is_unreachable() -> None:
    assert await refused(refusing_url()) == "url_unreachable"


# -- time -----------------------------------------------------------------------------------------------------


async def test_a_server_that_does_not_accept_is_given_up() -> None:
    with hanging_url() as url:
        assert await refused(url, Fetcher(HERE, connect=0.05)) == "url_unreachable"


@pytest.mark.parametrize("before", [True, False], ids=["silent", "in the middle"])
async def test_a_server_that_falls_silent_is_given_up(before: bool) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n\x89PNG"
    async with site(Answer(steps=[Fault.HANG] if before else [head, Fault.HANG], framing="raw")) as (server, url):
        assert await refused(url, Fetcher(HERE, total=0.3)) == "url_unreachable"
        await server.last.wait_left()


async def test_the_time_for_a_fetch_includes_its_redirects() -> None:
    async with site(leads("/b"), Answer(steps=[Fault.HANG], framing="raw")) as (server, url):
        assert await refused(url, Fetcher(HERE, total=0.3)) == "url_unreachable"
        assert len(server.received) == 2
        await server.last.wait_left()


async def test_a_slow_resolver_is_given_up() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    assert await refused("http://pictures.example/", Fetcher(HERE, connect=0.05, resolve=resolve)) == "url_unreachable"


# -- many at once ---------------------------------------------------------------------------------------------


async def test_all_fetches_together_hold_a_bounded_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MAX_HELD_BYTES", 150)
    go_on = asyncio.Event()
    slow = Answer(steps=[PNG, go_on], headers={"Content-Type": "image/png"}, framing="chunked")
    async with site(slow, gives(PNG), gives(PNG)) as (server, url):
        fetcher = Fetcher(HERE)
        first = asyncio.get_running_loop().create_task(fetched(url, fetcher))
        await server.wait_received(1)
        while fetcher._held_bytes < len(PNG):  # noqa: ASYNC110 # nothing tells when bytes have come
            await asyncio.sleep(0)
        with pytest.raises(LimitReached):
            await fetched(url, fetcher)
        go_on.set()
        assert (await first).data == PNG
        assert (await fetched(url, fetcher)).data == PNG
        assert fetcher._held_bytes == 0


async def test_more_than_a_number_of_fetches_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "AT_ONCE", 2)
    go_on = asyncio.Event()
    async with site() as (server, url):
        server.otherwise = lambda _: Answer(steps=[go_on, PNG], headers={"Content-Type": "image/png"})
        fetcher = Fetcher(HERE)
        tasks = [asyncio.get_running_loop().create_task(fetched(url, fetcher)) for _ in range(5)]
        await server.wait_received(2)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(server.received) == 2
        go_on.set()
        assert [each.data for each in await asyncio.gather(*tasks)] == [PNG] * 5


async def test_a_fetch_that_is_cancelled_hangs_up() -> None:
    async with site(Answer(steps=[Fault.HANG], framing="raw")) as (server, url):
        task = asyncio.get_running_loop().create_task(fetched(url))
        await server.wait_received(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.last.wait_left()


# -- TLS ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for pictures.example and 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pictures.example")])
    names = [x509.DNSName("pictures.example"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(plain + made.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def tls_site(certificate: Path) -> AsyncIterator[tuple[int, list[str | None]]]:
    """Give the port of a server that speaks TLS, and the names that it was called by."""
    called: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _, name, __: called.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(PNG) + PNG)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], called
    finally:
        server.close()


async def test_tls_is_spoken_with_the_name_though_the_address_is_connected_to(certificate: Path) -> None:
    names = Names({"pictures.example": [["127.0.0.1"]]})
    fetcher = Fetcher(HERE, resolve=names, tls=ssl.create_default_context(cafile=str(certificate)))
    async with tls_site(certificate) as (port, called):
        assert (await fetched(f"https://pictures.example:{port}/", fetcher)).data == PNG
        assert (await fetched(f"https://127.0.0.1:{port}/", fetcher)).data == PNG
    assert called == ["pictures.example", None]


@pytest.mark.parametrize("trusted", [True, False], ids=["another name", "nobody vouches for it"])
async def test_a_certificate_that_does_not_fit_is_refused(certificate: Path, trusted: bool) -> None:
    names = Names({"pictures.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]})
    context = ssl.create_default_context(cafile=str(certificate)) if trusted else None
    fetcher = Fetcher(HERE, resolve=names, tls=context)
    async with tls_site(certificate) as (port, _):
        name = "other.example" if trusted else "pictures.example"
        assert await refused(f"https://{name}:{port}/", fetcher) == "url_unreachable"
