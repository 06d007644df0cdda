r"""JSON that isn't quite: what some upstreams send as text is no Unicode.

A server that cuts a character in two sends bytes that are no UTF-8, or one half of a surrogate pair (`\ud83d`) as an
escape. Everything else about such an event is sound, so the character is lost and the answer is not.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Raw

from antiphon.types.content import JsonObject

T = TypeVar("T")

_ESCAPES = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


class Unreadable(Exception):
    """Bytes that are not the JSON that was expected."""


UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes that are not the JSON it expects."""


def read(decode: Callable[[bytes | Raw], T], data: bytes | Raw) -> T:
    """Return what `decode` makes of `data`, of the mended data when need be. Raises Unreadable."""
    try:
        return decode(data)
    except RecursionError as exc:
        raise Unreadable from exc
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        return decode(mended(bytes(data)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise Unreadable from exc


def as_object(value: object) -> JsonObject:
    """Return a decoded object; an empty one for anything else."""
    return cast(JsonObject, value) if isinstance(value, dict) else {}  # JSON has no other keys than strings


def as_list(value: object) -> list[Any]:
    """Return a decoded list; for anything else a list of it alone."""
    items: list[Any] = cast(Any, value) if isinstance(value, list) else [value]
    return items


def mended(data: bytes) -> bytes:
    """Return `data` with a replacement character for whatever is no Unicode."""
    text = data.decode("utf-8", "replace")
    return _ESCAPES.sub(lambda found: found[0] if len(found[0]) in {2, 12} else "\\ufffd", text).encode()
