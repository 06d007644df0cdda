"""HTTP out: one aiohttp session for all providers, tuned for many small reads.

Redirects are not followed (credentials would go along), cookies not kept, proxies of the environment not used,
compression not asked for. Connections are pooled per host; one that the peer closed while it was idle is
replaced once, silently.
"""

import asyncio
import email.utils
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from antiphon import __version__
from antiphon.errors import ProviderBroke
from antiphon.providers.deadlines import Deadlines, late
from antiphon.types.limits import Timeout

MAX_ERROR_BYTES = 64 * 1024
MAX_LIST_BYTES = 4 * 1024 * 1024
MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""Bytes that one answer may have; an endless stream ends here."""

STALE_WITHIN = 1.0
"""Seconds within which a lost connection counts as one that had died in the pool: a provider that worked on
the request and then failed takes longer, and must not be asked (and paid) twice."""

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


class Answer:
    """One request and its answer: `async with line.post(…) as answer`, entered when the head has arrived.

    Leaving the block before the answer's end closes the connection, which tells the upstream to stop.
    """

    __slots__ = (
        "_deadline",
        "_line",
        "_response",
        "_size",
        "_timeout",
        "body",
        "path",
        "retry_after",
        "status",
        "streamed",
    )

    def __init__(self, line: "Line", path: str, body: bytes, *, streamed: bool) -> None:
        self._line = line
        self._timeout = line.timeout
        self._size = 0
        self.path = path
        self.body = body
        self.streamed = streamed
        """Whether an event stream comes: as the answer's type says, else as it was asked for."""

    async def __aenter__(self) -> Self:
        deadline = self._deadline = self._line.deadlines.call(self._timeout.total)
        deadline.wait("first_byte", self._timeout.first_byte_of(streamed=self.streamed))
        try:
            response = await self._line.open("POST", self.path, self.body)
        except BaseException as error:
            ended = deadline.over(error)
            if ended is error:
                raise
            raise ended from None
        deadline.rest()
        self._response = response
        self.status = response.status
        headers = response.headers
        self.retry_after = _retry_after(headers.get("Retry-After"))
        kind = headers.get("Content-Type", "")
        self.streamed = kind.startswith("text/event-stream") or (
            self.streamed and not kind.startswith("application/json")
        )
        if headers.get("Content-Encoding", "identity") not in {"identity", ""}:
            await self.__aexit__(None, None, None)
            raise ProviderBroke("The provider compressed its answer although it was asked not to.")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        response = self._response
        if response.content.at_eof():
            response.release()
        else:
            response.close()
        if error is None:
            self._deadline.over(None)
        elif (ended := self._deadline.over(error)) is not error:
            raise ended from None

    async def read(self) -> bytes:
        """Return what has arrived, b"" at the end. Raises ProviderBroke."""
        deadline = self._deadline
        deadline.wait("idle", self._timeout.idle)
        try:
            data: bytes = await self._response.content.readany()
        except aiohttp.ClientError as exc:
            raise ProviderBroke("The provider's answer broke off.") from exc
        deadline.rest()
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            raise ProviderBroke("The provider's answer is too large.")
        return data

    async def head(self) -> bytes:
        """Return the first bytes of an error's body."""
        data = b""
        while len(data) < MAX_ERROR_BYTES and (more := await self.read()):
            data += more
        return data

    async def settle(self) -> None:
        """Wait a moment for the end of an answer that is complete, so that its connection can be used again."""
        if not self._response.content.at_eof():
            try:
                async with asyncio.timeout(0.05):
                    while await self._response.content.readany():
                        pass
            except (TimeoutError, aiohttp.ClientError):
                return


class Transport:
    """The way out. Create and close it inside the running loop."""

    def __init__(self) -> None:
        self.deadlines = Deadlines()
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        """Return the one session, made on first use."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30, ttl_dns_cache=60)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        self.deadlines.close()
        if self._session is not None:
            await self._session.close()
            self._session = None


class Line:
    """The way to one provider: its address, headers and limits, ready to use."""

    def __init__(self, transport: Transport, endpoint: Endpoint) -> None:
        self._transport = transport
        self.deadlines = transport.deadlines
        self.timeout = endpoint.timeout
        self._base = endpoint.base_url.rstrip("/")
        self._urls: dict[str, URL] = {}
        self._headers = CIMultiDict({**_PROGRAM_HEADERS, **endpoint.headers})
        self._limits = aiohttp.ClientTimeout(total=None, sock_connect=endpoint.timeout.connect)

    def post(self, path: str, body: bytes, *, streamed: bool) -> Answer:
        """Return the exchange that sends `body`; entering it raises ProviderBroke, whatever the status is fine."""
        return Answer(self, path, body, streamed=streamed)

    async def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a small document. Raises ProviderBroke."""
        try:
            async with asyncio.timeout(min(10.0, self.timeout.total)):
                response = await self.open("GET", path, None)
                try:
                    return response.status, await response.content.read(MAX_LIST_BYTES)
                finally:
                    response.close()
        except (TimeoutError, aiohttp.ClientError) as exc:
            raise ProviderBroke("The provider did not answer.") from exc

    async def open(self, method: str, path: str, body: bytes | None) -> aiohttp.ClientResponse:
        """Return the answer's head; a connection that had died in the pool is replaced once. Raises ProviderBroke."""
        began = time.monotonic()
        try:
            return await self._request(method, path, body)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as exc:
            connected = not isinstance(exc, aiohttp.ClientConnectorError)
            if not connected or time.monotonic() - began > STALE_WITHIN:
                raise self._broke(exc) from exc
        except (aiohttp.ClientError, ValueError) as exc:
            raise self._broke(exc) from exc
        try:
            return await self._request(method, path, body)
        except (aiohttp.ClientError, ValueError) as exc:
            raise self._broke(exc) from exc

    async def _request(self, method: str, path: str, body: bytes | None) -> aiohttp.ClientResponse:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base + path, encoded=True)
        options: Any = {"data": body, "headers": self._headers, "timeout": self._limits, "allow_redirects": False}
        return await self._transport.session().request(method, url, **options)

    def _broke(self, exc: Exception) -> ProviderBroke:
        """Return the error for a request that got no answer; addresses stay in the log."""
        if isinstance(exc, aiohttp.ConnectionTimeoutError):
            return late("connect", self.timeout.connect)
        if isinstance(exc, aiohttp.ClientConnectorError):
            return ProviderBroke("The provider can't be reached.", code="provider_unreachable")
        if isinstance(exc, aiohttp.ServerDisconnectedError):
            return ProviderBroke("The provider closed the connection without an answer.")
        return ProviderBroke("The provider's answer is no HTTP that can be read.")


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which may be a date."""
    if not value:
        return None
    if value.replace(".", "", 1).isdigit():
        return min(float(value), 3600.0)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return min(max(moment.timestamp() - time.time(), 0.0), 3600.0)
