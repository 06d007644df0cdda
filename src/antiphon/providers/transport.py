"""HTTP out: pooled connections to each provider, tuned for many small reads.

Redirects are not followed (credentials would go along), cookies not kept, proxies of the environment not used,
compression not asked for. A pooled connection that the peer closed while it was idle is replaced, silently:
nothing had been answered on it. Why this is ours and no library's: `docs/decisions/`.
"""

import asyncio
import email.utils
import ssl
import time
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct

from antiphon import __version__
from antiphon.errors import ProviderBroke
from antiphon.providers.connection import Connection, Lost
from antiphon.providers.deadlines import Deadline, Deadlines, late
from antiphon.types.limits import Timeout

MAX_ERROR_BYTES = 64 * 1024
MAX_LIST_BYTES = 4 * 1024 * 1024
MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""Bytes that one answer may have; an endless stream ends here."""

MAX_IDLE = 200
"""Connections kept for one provider; more are closed when their answer ends."""

KEEP_IDLE = 30.0
"""Seconds after which an idle connection isn't used again: shorter than most servers keep it."""

STALE_WITHIN = 1.0
"""Seconds within which a pooled connection that is lost counts as one that had died in the pool: a provider that
worked on the request and then failed takes longer, and must not be asked (and paid) twice."""

_PROGRAM_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"antiphon/{__version__}",
}


class Endpoint(Struct, kw_only=True, frozen=True):
    """Where a provider is and how to speak to it; made once, in wiring."""

    base_url: str
    headers: Mapping[str, str]
    timeout: Timeout


class Transport:
    """What the lines to all providers share: their deadlines and their end."""

    def __init__(self) -> None:
        self.deadlines = Deadlines()
        self._lines: list[Line] = []

    def add(self, line: "Line") -> None:
        """Close `line` with the others."""
        self._lines.append(line)

    async def close(self) -> None:
        """Close every idle connection; those in use are closed by who uses them."""
        self.deadlines.close()
        for line in self._lines:
            line.close()


class Line:
    """The way to one provider: its address, headers and limits, ready to use, and its idle connections."""

    def __init__(self, transport: Transport, endpoint: Endpoint) -> None:
        parts = urlsplit(endpoint.base_url.rstrip("/"))
        self.deadlines = transport.deadlines
        self.timeout = endpoint.timeout
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._path = parts.path
        given = {name.lower() for name in endpoint.headers}
        own = {"Host": parts.netloc, **_PROGRAM_HEADERS}
        headers = {**{name: value for name, value in own.items() if name.lower() not in given}, **endpoint.headers}
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._heads: dict[tuple[str, str], bytes] = {}
        self._idle: list[Connection] = []
        self._room = MAX_IDLE
        transport.add(self)

    def post(self, path: str, body: bytes, *, streamed: bool) -> "Answer":
        """Return the exchange that sends `body`; entering it raises ProviderBroke, whatever the status is fine."""
        return Answer(self, self._request("POST", path, body), streamed=streamed)

    async def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a small document. Raises ProviderBroke."""
        try:
            async with (
                asyncio.timeout(min(10.0, self.timeout.total)),
                Answer(self, self._request("GET", path, b""), streamed=False) as answer,
            ):
                return answer.status, await answer.beginning(MAX_LIST_BYTES)
        except TimeoutError as exc:
            raise ProviderBroke("The provider did not answer.") from exc

    async def open(self, request: bytes, deadline: Deadline, first_byte: float) -> Connection:
        """Send a request and return its connection when the answer's head is there. Raises ProviderBroke."""
        if (pooled := self._pooled()) is not None:
            asked = self.deadlines.now()
            try:
                return await self._ask(pooled, request, deadline, first_byte)
            except Lost as exc:
                if self.deadlines.now() - asked > STALE_WITHIN:
                    raise _unanswered() from exc
        connection = await self._connect()
        try:
            return await self._ask(connection, request, deadline, first_byte)
        except Lost as exc:
            raise _unanswered() from exc

    def release(self, connection: Connection) -> None:
        """Keep a connection for the next request, or close it."""
        now = self.deadlines.now()
        if connection.is_reusable() and len(self._idle) < self._room:
            connection.rest(now)
            self._idle.append(connection)
        else:
            connection.close()
        while self._idle and (self._idle[0].is_closed or self._idle[0].idle_since < now - KEEP_IDLE):
            self._idle.pop(0).close()  # the newest are used first: those of a busy hour would stay for ever

    def close(self) -> None:
        """Close the idle connections, and those in use when their answer ends."""
        self._room = 0
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _ask(self, connection: Connection, request: bytes, deadline: Deadline, first_byte: float) -> Connection:
        try:
            connection.ask(request)
            deadline.wait(connection, "first_byte", first_byte)
            while not connection.has_head:
                await connection.wait()
        except BaseException:
            connection.close()
            raise
        deadline.rest()
        return connection

    def _pooled(self) -> Connection | None:
        oldest = self.deadlines.now() - KEEP_IDLE
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        loop, context = asyncio.get_running_loop(), _tls() if self._secure else None
        limit = min(self.timeout.connect, self.timeout.total)
        try:
            async with asyncio.timeout(limit):
                _, connection = await loop.create_connection(Connection, self._host, self._port, ssl=context)
        except TimeoutError as exc:
            raise late("connect" if limit == self.timeout.connect else "total", limit) from exc
        except (OSError, UnicodeError) as exc:  # the latter: a name that no host can have
            raise ProviderBroke("The provider can't be reached.", code="provider_unreachable") from exc
        return connection

    def _request(self, method: str, path: str, body: bytes) -> bytes:
        head = self._heads.get((method, path))
        if head is None:
            start = f"{method} {self._path}{path} HTTP/1.1\r\n{self._fields}Content-Length: "
            head = self._heads[method, path] = start.encode("latin-1")
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)


class Answer:
    """One request and its answer: `async with line.post(…) as answer`, entered when the head has arrived.

    Leaving the block before the answer's end closes the connection, which tells the upstream to stop.
    """

    __slots__ = ("_connection", "_deadline", "_line", "_request", "_size", "retry_after", "status", "streamed")

    def __init__(self, line: Line, request: bytes, *, streamed: bool) -> None:
        self._line = line
        self._request = request
        self._size = 0
        self.streamed = streamed
        """Whether an event stream comes: as the answer's type says, else as it was asked for."""

    async def __aenter__(self) -> Self:
        timeout = self._line.timeout
        deadline = self._deadline = self._line.deadlines.call(timeout.total)
        first_byte = timeout.first_byte_of(streamed=self.streamed)
        try:
            self._connection = await self._line.open(self._request, deadline, first_byte)
        except BaseException:
            deadline.over()
            raise
        self._read_head(self._connection.head.fields)
        if self._connection.head.fields.get("content-encoding", "identity").lower() not in {"identity", ""}:
            await self.__aexit__(None, None, None)
            raise ProviderBroke("The provider compressed its answer although it was asked not to.")
        return self

    def _read_head(self, fields: Mapping[str, str]) -> None:
        self.status = self._connection.head.status
        self.retry_after = _retry_after(fields.get("retry-after"))
        kind = fields.get("content-type", "").lower()
        self.streamed = kind.startswith("text/event-stream") or (
            self.streamed and not kind.startswith("application/json")
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.release(self._connection)
        self._deadline.over()

    async def read(self) -> bytes:
        """Return what has arrived, b"" at the end. Raises ProviderBroke."""
        connection = self._connection
        while not connection.has_news:
            self._deadline.wait(connection, "idle", self._line.timeout.idle)
            await connection.wait()
            self._deadline.rest()
        data = connection.take()
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            raise ProviderBroke("The provider's answer is too large.")
        return data

    async def beginning(self, limit: int) -> bytes:
        """Return the body, or as much of it as fits about `limit` bytes."""
        data = b""
        while len(data) < limit and (more := await self.read()):
            data += more
        return data

    async def settle(self) -> None:
        """Wait a moment for the end of an answer that is complete, so that its connection can be used again."""
        if not self._connection.is_complete:
            try:
                async with asyncio.timeout(0.05):
                    await self._connection.wait_complete()
            except (TimeoutError, ProviderBroke):
                return
        self._connection.take()


def _unanswered() -> ProviderBroke:
    return ProviderBroke("The provider closed the connection without an answer.")


@cache
def _tls() -> ssl.SSLContext:
    """Return the settings of every secure connection: the system's certificates, checked."""
    return ssl.create_default_context()


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which may be a date."""
    if not value:
        return None
    try:
        if value.replace(".", "", 1).isdigit():
            return min(float(value), 3600.0)
        moment = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(moment - time.time(), 0.0), 3600.0)
