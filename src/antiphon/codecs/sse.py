"""Server-sent events, read: bytes in any cut to the data of whole events.

As the HTML standard says: lines end with LF, CRLF or CR, a leading BOM is dropped, comments are skipped, data
lines are joined with LF, a blank line ends an event. One deviation: what stands unfinished at the end of the
bytes is an event too, because some servers leave out the last blank line.
"""

import re

MAX_EVENT = 8 * 1024 * 1024
"""Bytes that one event may have before the stream counts as broken; the largest seen are inline images."""

NOTHING = frozenset({b"", b'""', b"null"})
"""Data of events that some servers send only to keep a connection open."""

_named = re.compile(rb"event: [^\n]*\ndata: ([^\n]*)\n\n").findall


class Reader:
    """Splits one stream into the data of its events; names and ids of events are not needed by any format."""

    __slots__ = ("_after_cr", "_at_start", "_data", "_held", "_held_size", "_size", "is_too_large")

    def __init__(self) -> None:
        self.is_too_large = False
        """An event grew past MAX_EVENT; nothing is read any more."""
        self._held: list[bytes] = []  # the pieces of a line whose end has not come
        self._held_size = 0
        self._data: list[bytes] = []
        self._size = 0  # of the lines since the last blank one
        self._at_start = True
        self._after_cr = False

    def feed(self, received: bytes) -> list[bytes]:
        """Return the data of every event that `received` completes."""
        if self._after_cr or b"\r" in received:
            received = self._plain(received)
        if not received or self.is_too_large:
            return []
        if self._at_start and not self._held and received[0] != 0xEF:
            self._at_start = False  # no BOM begins so
        if self._is_simple(received) and (events := _simple(received)):
            return events
        self._held.append(received)
        self._held_size += len(received)
        if self._at_start:
            self._drop_bom()
        lines: list[bytes] = []
        if b"\n" in received:  # a long line is joined once, however small its pieces were
            lines = b"".join(self._held).split(b"\n")
            rest = lines.pop()
            self._held, self._held_size = ([rest] if rest else []), len(rest)
        events = self._events(lines)
        self.is_too_large |= self._size + self._held_size > MAX_EVENT
        return events

    def _is_simple(self, received: bytes) -> bool:
        """Say whether a read may be whole events: the usual one by far, so it has a short way."""
        pending = self._held or self._data or self._size or self._at_start
        return not pending and received.endswith(b"\n\n") and len(received) < MAX_EVENT

    def close(self) -> list[bytes]:
        """Return the data of an event that was not closed by a blank line."""
        rest, self._held = b"".join(self._held), []
        return [] if self.is_too_large else self._events([rest, b""])

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        data = self._data
        for line in lines:
            if not line:
                if data:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
                self._size = 0
                continue
            self._size += len(line)
            if self._size > MAX_EVENT:
                return events
            if line[:5] == b"data:":
                data.append(line[6:] if line[5:6] == b" " else line[5:])
        return events

    def _drop_bom(self) -> None:
        text = b"".join(self._held)
        if len(text) < 3 and b"\xef\xbb\xbf".startswith(text):
            return
        text = text.removeprefix(b"\xef\xbb\xbf")
        self._at_start, self._held, self._held_size = False, [text], len(text)

    def _plain(self, received: bytes) -> bytes:
        """Turn CRLF and CR into LF; a CR at the end may be half of a CRLF."""
        if self._after_cr and received[:1] == b"\n":
            received = received[1:]
            self._after_cr = False
            if not received:
                return b""
        if received:
            self._after_cr = received[-1:] == b"\r"
        return received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _simple(received: bytes) -> list[bytes] | None:
    """Return the data of events that all have one line of it, alone or behind their name; None for any others."""
    if received.startswith(b"data: "):
        events = received[6:-2].split(b"\n\ndata: ")
        return events if received.count(b"\n") == 2 * len(events) else None
    if received.startswith(b"event: "):
        events = _named(received)
        return events if received.count(b"\n") == 3 * len(events) else None
    return None
