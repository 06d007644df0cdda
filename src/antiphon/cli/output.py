"""Data goes to stdout, talk to stderr; colour only to a terminal that wants it."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

import msgspec

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def show(text: str = "") -> None:
    """Print a line of data."""
    print(text)


def show_piece(text: str) -> None:
    """Print a piece of data at once, without ending the line."""
    sys.stdout.write(text)
    sys.stdout.flush()


def show_json(thing: object) -> None:
    """Print a document."""
    print(msgspec.json.format(msgspec.json.encode(thing), indent=2).decode())


def show_json_line(thing: object) -> None:
    """Print a document on one line, at once."""
    print(msgspec.json.encode(thing).decode(), flush=True)


def say(text: str = "") -> None:
    """Print a line of talk."""
    print(text, file=sys.stderr)


def styled(text: str, style: str, stream: TextIO) -> str:
    """Return the text in a style, or as it is where colour isn't wanted."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\033[{_STYLES[style]}m{text}\033[0m"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines with aligned columns, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def moment(seconds: float | None) -> str:
    """Return a Unix time for people, "-" for none."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
