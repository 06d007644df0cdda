"""Server-sent events, read: bytes in any cut to the data of whole events.

As the HTML standard says: lines end with LF, CRLF or CR, a leading BOM is dropped, comments are skipped, data
lines are joined with LF, a blank line ends an event. One deviation: what stands unfinished at the end of the
bytes is an event too, because some servers leave out the last blank line.
"""

MAX_EVENT = 8 * 1024 * 1024
"""Bytes that one event may have before the stream counts as broken; the largest seen are inline images."""


class EventTooLarge(Exception):
    """An event grew past MAX_EVENT."""


class Reader:
    """Splits one stream into the data of its events; names and ids of events are not needed by any format."""

    __slots__ = ("_after_cr", "_data", "_first", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._first = True
        self._after_cr = False

    def feed(self, received: bytes) -> list[bytes]:
        """Return the data of every event that `received` completes. Raises EventTooLarge."""
        if self._after_cr or b"\r" in received:
            received = self._plain(received)
        text = self._rest + received if self._rest else received
        if self._first:
            if len(text) < 3 and b"\xef\xbb\xbf".startswith(text):
                self._rest = text
                return []
            text, self._first = text.removeprefix(b"\xef\xbb\xbf"), False
        lines = text.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_EVENT:
            raise EventTooLarge
        return self._events(lines)

    def close(self) -> list[bytes]:
        """Return the data of an event that was not closed by a blank line."""
        rest, self._rest = self._rest, b""
        return self._events([rest, b""])

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        data = self._data
        for line in lines:
            if line[:5] == b"data:":
                data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and data:
                events.append(data[0] if len(data) == 1 else b"\n".join(data))
                data.clear()
        if len(data) > 1 and sum(map(len, data)) > MAX_EVENT:
            raise EventTooLarge
        return events

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
