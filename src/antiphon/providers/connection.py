"""One HTTP/1.1 connection to an upstream: a request goes out, its answer comes in, then the next.

httptools reads the wire; what is here is the state between two of its callbacks. A network read wakes the
reader once, with all that it brought. When the reader is slow the connection stops reading.
"""

import asyncio
from typing import cast

import httptools

from antiphon.errors import ProviderBroke

MAX_HEAD_BYTES = 64 * 1024
"""Bytes of header fields that an answer may have, and bytes that may come without any of a body: header or trailer
fields, or extensions of chunks, that don't end."""

HIGH_WATER = 256 * 1024
"""Bytes that may wait for a slow reader before the connection stops reading."""


class Lost(Exception):
    """The connection ended before the first byte of an answer."""


class Head:
    """Status and header fields of an answer; names in lower case."""

    __slots__ = ("fields", "status")

    def __init__(self) -> None:
        self.status = 0
        self.fields: dict[str, str] = {}


class Connection(asyncio.Protocol):
    """A connection that one exchange at a time uses."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._paused = False
        self._head_bytes = 0
        self._bare_bytes = 0
        self._error: Exception | None = None
        self._asked = False
        self._heard = False
        self._stays = False
        self.head = Head()
        self.has_head = False
        self.is_complete = False
        self.is_closed = False
        self.idle_since = 0.0

    # -- for the exchange -------------------------------------------------------------------------------------

    def ask(self, request: bytes) -> None:
        """Send a request; the connection must be idle. Raises Lost when it has ended already."""
        if self.is_closed:
            raise Lost
        self._asked, self._heard = True, False
        self.has_head = self.is_complete = False
        self.head, self._head_bytes, self._bare_bytes = Head(), 0, 0
        if self._transport is not None:
            self._transport.write(request)

    async def wait(self) -> None:
        """Wait for news. Raises what ended the connection: Lost before an answer, ProviderBroke within one."""
        self._raise_unless_news()
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            self._waiter = None
        self._raise_unless_news()

    async def wait_complete(self) -> None:
        """Wait for the end of an answer, whose last bytes nobody needs. Raises as `wait` does."""
        while not self.is_complete:
            self.take()
            await self.wait()

    def _raise_unless_news(self) -> None:
        if self._error is not None and not self.has_news:
            raise self._error

    @property
    def has_news(self) -> bool:
        """Whether `take` has something to give, or the end to tell."""
        return bool(self._pieces) or self.is_complete

    def take(self) -> bytes:
        """Return the body's bytes that have arrived, b"" when none have."""
        pieces = self._pieces
        if not pieces:
            return b""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._waiting_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            if not self.is_closed:
                self._transport.resume_reading()
        return data

    def is_reusable(self) -> bool:
        """Say whether another request may follow: this one is sent, its answer whole and read, and the peer stays."""
        whole = self.is_complete and not self._pieces
        stays = self._stays and not self.is_closed and self._error is None
        return whole and stays and self._transport is not None and not self._transport.get_write_buffer_size()

    def rest(self, now: float) -> None:
        """The exchange is over; whatever comes now was not asked for."""
        self._asked = False
        self.idle_since = now

    def give_up(self, error: ProviderBroke) -> None:
        """Raise `error` in the exchange that waits; news that it is about to take come first."""
        if self._waiter is not None and not self._waiter.done():
            self._fail(error)
            self.close()
            self._wake()

    def close(self) -> None:
        """End the connection at once."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    # -- for the event loop -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        if not self._asked:
            self.close()
            return
        self._heard = True
        self._bare_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse()
        if self._bare_bytes > MAX_HEAD_BYTES and not self.is_complete:
            self._refuse()
        elif self._waiting_bytes > HIGH_WATER and not (self._paused or self.is_closed) and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if not self._asked or self.is_complete or self._error is not None:
            return
        if not self._heard:
            self._fail(Lost())
        elif self.has_head and exc is None and not self._has_length():
            self.is_complete = True  # a body without a length ends with its connection
        else:
            self._fail(ProviderBroke("The provider's answer broke off."))
        self._wake()

    # -- for the parser ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise ValueError("an answer that was not asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("header fields are too large")
        if self.has_head:  # a trailer: what it could say comes too late
            return
        self.head.fields[name.decode("latin-1").lower()] = value.strip().decode("latin-1")

    def on_headers_complete(self) -> None:
        self.head.status = self._parser.get_status_code()
        self.has_head = self.head.status >= 200
        self._stays = self._parser.should_keep_alive()  # the parser forgets it with the end of the message

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)
        self._waiting_bytes += len(data)
        self._bare_bytes = 0

    def on_message_complete(self) -> None:
        if self.has_head:
            self.is_complete = True
        else:  # 1xx: the answer itself is still to come
            self.head, self._head_bytes = Head(), 0

    def _has_length(self) -> bool:
        fields = self.head.fields
        last = fields.get("transfer-encoding", "").rpartition(",")[2]
        return "content-length" in fields or last.strip().lower() == "chunked"

    def _refuse(self) -> None:
        self._fail(ProviderBroke("The provider's answer is no HTTP that can be read."))
        self.close()

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
