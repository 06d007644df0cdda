"""Logs: events with fields, one line each, once per fact, at the place that knows most.

A line is JSON, unless stderr is a terminal. The id of the request being served is added by itself. No content
of users' messages and no secret is ever a field. Lines are written a moment later, many in one write; those of
trouble are written at once.
"""

import asyncio
import atexit
import contextlib
import sys
import time
import traceback
from collections import deque
from contextvars import ContextVar
from enum import IntEnum

import msgspec

request_id: ContextVar[str] = ContextVar("request_id", default="")


class Level(IntEnum):
    """How much a line matters."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


_threshold = Level.INFO
_encode = msgspec.json.Encoder(enc_hook=str).encode
_names = {level: level.name.lower() for level in Level}
_for_people = sys.stderr is not None and sys.stderr.isatty()
HOLD = 0.02
"""Seconds that a line may wait for others to be written with."""

_held: deque[bytes] = deque()
_flusher: asyncio.AbstractEventLoop | None = None
"""The loop that has been asked to write what is held."""


def set_level(level: Level) -> None:
    """Drop lines below `level` from now on."""
    global _threshold  # noqa: PLW0603 - one process, one log
    _threshold = level


def log(event: str, level: Level = Level.INFO, **fields: object) -> None:
    """Write one line: time, level, event, request id, then `fields`."""
    if level < _threshold:
        return
    line: dict[str, object] = {"time": round(time.time(), 3), "level": _names[level], "event": event}
    if current := request_id.get():
        line["request_id"] = current
    line.update(fields)
    _held.append(_plain(line).encode() if _for_people else _encode(line) + b"\n")
    if level >= Level.WARNING or not _flush_soon():
        flush()


def _flush_soon() -> bool:
    """Have the running loop write what is held; False when there is none, as in the store's thread."""
    global _flusher  # noqa: PLW0603 - one process, one log
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    if loop is not _flusher:
        loop.call_later(HOLD, flush)
        _flusher = loop
    return True


@atexit.register
def flush() -> None:
    """Write the lines that are held; where nobody reads them (any more), serving goes on without."""
    global _flusher  # noqa: PLW0603 - one process, one log
    _flusher = None
    lines: list[bytes] = []
    with contextlib.suppress(IndexError):  # another thread took the last one
        while _held:
            lines.append(_held.popleft())
    if lines and sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.buffer.write(b"".join(lines))
            sys.stderr.buffer.flush()


def _plain(line: dict[str, object]) -> str:
    """Return a line for a terminal."""
    shown = " ".join(f"{key}={value}" for key, value in line.items() if key not in {"time", "level", "event"})
    return f"{line['level']!s:<8}{line['event']}  {shown}\n"


def log_fault(event: str, error: BaseException, **fields: object) -> None:
    """Write an error with its stack."""
    log(event, Level.ERROR, **fields, stack="".join(traceback.format_exception(error)))
