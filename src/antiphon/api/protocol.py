"""HTTP in: uvicorn's protocol, which here writes the head of an answer together with its first bytes.

uvicorn hands the head to the transport by itself, and uvloop sends what it is handed at once: two system calls and
mostly two packets for every answer. Calls send a head only when body bytes follow in the same breath, so keeping it
until then delays nothing.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/1.1 "
_INTERIM = b"HTTP/1.1 1"


class HeadWithBody:
    """A transport that keeps the head of an answer until the next write."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send `data` with the head before it, or keep it when it is one. An interim head (1xx) goes at once."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD) and not data.startswith(_INTERIM):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send a head that no body follows."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Close when everything is sent."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: object = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)


class Protocol(HttpToolsProtocol):
    """One connection of a client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the class above
        self._kept = HeadWithBody(transport)
        super().connection_made(cast("asyncio.Transport", self._kept))

    def on_response_complete(self) -> None:
        self._kept.flush()
        super().on_response_complete()
