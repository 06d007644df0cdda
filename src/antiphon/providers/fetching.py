"""The one fetcher of addresses that come from users: images and files by URL.

What is judged is what is connected to: the name is resolved here, every address of it is judged, and the connection
goes to one of those addresses, never to the name again. A redirect is a new URL and judged as one. Nothing of ours goes
along: no credentials, no cookies, no proxy. Each exchange has its own connection, which is closed after it.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeAlias
from urllib.parse import urljoin

from msgspec import Struct

from antiphon import __version__
from antiphon.errors import BadRequest, LimitReached, ProviderBroke
from antiphon.providers.connection import Connection, Head, Lost
from antiphon.providers.egress import MAX_URL_LENGTH, Egress, Target, forbidden
from antiphon.telemetry import log

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Leads from a name and a port to its addresses; raises OSError when it has none."""

MAX_REDIRECTS = 3

AT_ONCE = 64
"""Fetches that one process has under way; more wait."""

MAX_HELD_BYTES = 256 * 1024 * 1024
"""Bytes that all of them together may have brought while they are under way."""

RESOLVERS = 4
"""Threads that look names up: of its own, so that slow names of strangers hold up no provider's."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KIND = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}\Z")
_UNSPECIFIC = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""Types that servers give what they know nothing about; then the bytes say what it is."""

_SIGNS = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"%PDF-", 0, "application/pdf"),
)
"""Bytes, where they stand, and what begins so."""


class Fetched(Struct, frozen=True):
    """What a URL led to; the type of an image or a PDF is what its bytes say, not its server."""

    data: bytes
    media_type: str


class Fetcher:
    """Fetches small documents from the public internet, and from where the operator allows it."""

    def __init__(
        self,
        egress: Egress,
        *,
        connect: float = 5.0,
        total: float = 30.0,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take limits in seconds: for one connection (its name and TLS included), and for a whole fetch."""
        self._egress = egress
        self._connect = connect
        self._total = total
        self._resolve = resolve or self._look_up
        self._tls = tls
        self._places = asyncio.Semaphore(AT_ONCE)
        self._threads: ThreadPoolExecutor | None = None
        self._held_bytes = 0

    async def fetch(self, url: str, *, limit_bytes: int, kinds: Collection[str]) -> Fetched:
        """Return what the URL leads to, if it is of a kind (`image/png`, `text/*`) and has at most `limit_bytes`.

        Raises BadRequest: `url_not_allowed`, `url_unreachable`, `file_too_large`, `unsupported_media_type`. None of
        them tells what a name resolved to; the caller adds the `param`. Raises LimitReached when too much is on its
        way already.
        """
        wanted = _Wanted(limit_bytes, kinds)
        async with self._places:
            try:
                async with asyncio.timeout(self._total):
                    return await self._follow(url, wanted)
            except TimeoutError:
                raise _unreachable(f"nothing whole came within {self._total:g} seconds") from None
            except BadRequest as refusal:
                log("fetch_refused", code=refusal.code)
                raise

    def close(self) -> None:
        """Let go of the threads."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def _follow(self, url: str, wanted: "_Wanted") -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            target = self._egress.read(url)
            connection = await self._open(target)
            try:
                head = await _ask(connection, target, wanted)
                place = head.fields.get("location")
                if head.status not in _REDIRECTS or place is None:
                    wanted.check(head)
                    return wanted.accept(head, await self._body(connection, wanted.limit_bytes))
                url = _next_url(target, place)
            except (Lost, ProviderBroke) as exc:
                raise _unreachable("its server broke off") from exc
            finally:
                connection.close()
        raise _unreachable(f"it redirects more than {MAX_REDIRECTS} times")

    async def _open(self, target: Target) -> Connection:
        """Connect to the first address that answers, all of them judged."""
        try:
            async with asyncio.timeout(self._connect):
                for address in await self._addresses(target):
                    with suppress(OSError):  # also what TLS finds wrong: the next address may be right
                        return await self._connect_to(address, target)
        except TimeoutError:
            raise _unreachable(f"its server did not answer within {self._connect:g} seconds") from None
        raise _unreachable("its server doesn't answer, or has no valid certificate")

    async def _addresses(self, target: Target) -> Sequence[str]:
        if target.address is not None:
            return [target.host]  # judged when it was read
        try:
            found = await self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as exc:
            raise forbidden() from exc
        return self._egress.judge(found, target.port)

    async def _connect_to(self, address: str, target: Target) -> Connection:
        context, name = (self._context(), target.host) if target.secure else (None, None)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            Connection, address, target.port, ssl=context, server_hostname=name
        )
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")
        return await asyncio.get_running_loop().run_in_executor(self._threads, _addresses_of, host, port)

    async def _body(self, connection: Connection, limit_bytes: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        try:
            while True:
                while not connection.has_news:
                    await connection.wait()
                piece = connection.take()
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)
                size += len(piece)
                self._held_bytes += len(piece)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                if self._held_bytes > MAX_HELD_BYTES:
                    raise LimitReached("The server fetches too much already; try again shortly.", retry_after=1)
        finally:
            self._held_bytes -= size


class _Wanted:
    """What one fetch may bring."""

    def __init__(self, limit_bytes: int, kinds: Collection[str]) -> None:
        self.limit_bytes = limit_bytes
        self.kinds = kinds

    def check(self, head: Head) -> None:
        """Raise BadRequest for an answer whose head shows that it is not wanted."""
        if head.status != 200:
            raise _unreachable(f"its server answered with status {head.status}")
        if head.fields.get("content-encoding", "identity").lower() not in {"identity", ""}:
            raise _unreachable("its server compressed it although it was asked not to")
        told, _ = _told(head)
        may_be_image = told.startswith("image/") and any(kind.startswith("image/") for kind in self.kinds)
        if not (told in _UNSPECIFIC or may_be_image or self._takes(told)):
            raise self._unwanted(told)
        size = head.fields.get("content-length", "")
        if size.isdecimal() and int(size[:20]) > self.limit_bytes:
            raise _too_large(self.limit_bytes)

    def accept(self, head: Head, data: bytes) -> Fetched:
        """Return the body under the type that it has. Raises BadRequest when that is not wanted."""
        told, charset = _told(head)
        needs_sign = told in _UNSPECIFIC or told.startswith("image/") or told == "application/pdf"
        kind = actual_kind(data) or ("" if needs_sign else told)
        if not self._takes(kind):
            raise self._unwanted(kind)
        return Fetched(_in_utf8(data, charset) if kind.startswith("text/") else data, kind)

    def _takes(self, kind: str) -> bool:
        group = kind.partition("/")[0]
        return _KIND.match(kind) is not None and (kind in self.kinds or f"{group}/*" in self.kinds)

    def _unwanted(self, kind: str) -> BadRequest:
        known = kind if _KIND.match(kind) else "something of no known type"
        text = f"This URL leads to {known}; what is taken here is {', '.join(self.kinds)}."
        return BadRequest(text, code="unsupported_media_type")


def actual_kind(data: bytes) -> str | None:
    """Return the type of an image or a PDF as its first bytes tell it, None for anything else."""
    return next((kind for sign, at, kind in _SIGNS if data.startswith(sign, at)), None)


async def _ask(connection: Connection, target: Target, wanted: _Wanted) -> Head:
    request = (
        f"GET {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: antiphon/{__version__}\r\n"
        f"Accept: {', '.join(wanted.kinds)}\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
    connection.ask(request.encode("ascii"))
    while not connection.has_head:
        await connection.wait()
    return connection.head


def _next_url(target: Target, place: str) -> str:
    """Return where a redirect leads; its bytes are what the server sent, read as the UTF-8 that most mean."""
    place = place.encode("latin-1").decode("utf-8", "replace")
    if len(place) > MAX_URL_LENGTH:
        raise forbidden()
    try:
        return urljoin(target.url, place)
    except ValueError as exc:
        raise forbidden() from exc


def _addresses_of(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _told(head: Head) -> tuple[str, str]:
    """Return the type and the charset that a server gives, in lower case, "" for none."""
    kind, *parameters = head.fields.get("content-type", "").lower().split(";")
    named = (parameter.partition("=") for parameter in parameters)
    return kind.strip(), next((value.strip(" \"'") for name, _, value in named if name.strip() == "charset"), "")


def _in_utf8(data: bytes, charset: str) -> bytes:
    """Return text in UTF-8, which is what providers read; one whose charset isn't known is left as it is."""
    if charset in {"iso-8859-1", "latin1", "windows-1252"}:
        return data.decode("cp1252", "replace").encode()  # what browsers take all three for
    if charset in {"utf-16", "utf-16le", "utf-16be"}:
        return data.decode(charset, "replace").encode()
    return data


def _unreachable(why: str) -> BadRequest:
    return BadRequest(f"This URL can't be fetched: {why}.", code="url_unreachable")


def _too_large(limit_bytes: int) -> BadRequest:
    text = f"This URL can't be fetched: it leads to more than {limit_bytes} bytes, which is the limit."
    return BadRequest(text, code="file_too_large")
