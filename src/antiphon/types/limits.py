"""Limits that an operator sets and lower floors keep: plain values, read by `config`, handed on by `wiring`."""

from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one request may cost before it is refused, and the beat of streams: `[limits]`."""

    body_bytes: Count = 64 * 1024 * 1024
    """Bytes of a request's body."""

    json_depth: Count = 64
    """Levels of nesting in a request's body."""

    items: Count = 10_000
    """Items in one request's `input`."""

    string_length: Count = 10_485_760
    """Characters of one string of input; the default is the API's own limit."""

    tools: Count = 1_024
    """Tools that one request offers, those inside namespaces counted."""

    keepalive: Seconds = 10.0
    """Seconds of silence on a stream before a comment is sent to keep proxies from closing it."""

    created_within: Seconds = 0.9
    """Seconds by which a stream's first event is sent, whatever the provider does until then."""


class Timeout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a provider may take, in seconds: `[providers.NAME.timeout]`."""

    connect: Seconds = 5.0
    """For the connection, TLS included."""

    first_byte: Seconds | None = None
    """Until the answer's first byte. Absent: 120 for a streamed answer, `total` for a whole one."""

    idle: Seconds = 60.0
    """Between two bytes of an answer."""

    total: Seconds = 1800.0
    """For a whole answer, from the request to the last byte."""

    def first_byte_of(self, *, streamed: bool) -> float:
        """Return the limit for the first byte; a whole answer has its first byte at its end."""
        return self.first_byte or (120.0 if streamed else self.total)
