"""The entries of a request's lists: each is read by itself, so that what is wrong with one has its path.

A key that the dialect doesn't have is left out with a note: clients send back what they were told, and whatever
their own library put beside it. The options of a request are stricter; `api.bodies` reads those.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import Raw

from antiphon.errors import BadRequest
from antiphon.types.decoding import drop, explain

T = TypeVar("T")

MOST_UNKNOWN = 16
"""Unknown keys of one entry that are left out; with more of them it is refused, since each costs another reading."""


def read_entries(given: Sequence[Raw], decoder: msgspec.json.Decoder[T], name: str, notes: list[str]) -> list[T]:
    """Return the entries, typed. Raises BadRequest with a path such as `messages[3].content[0].text`."""
    found: list[T] = []
    for index, raw in enumerate(given):
        path = f"{name}[{index}]"
        try:
            found.append(decoder.decode(raw))
        except msgspec.ValidationError as error:
            found.append(_without_unknown(raw, decoder, path, error, notes))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _unreadable(path, error) from None
    return found


def _without_unknown(
    raw: Raw, decoder: msgspec.json.Decoder[T], path: str, error: msgspec.ValidationError, notes: list[str]
) -> T:
    complaint, given = str(error), _parsed(raw, path)
    for _ in range(MOST_UNKNOWN):
        refusal = explain(complaint, path)
        inside = (refusal.param or "").removeprefix(path).removeprefix(".")
        if refusal.code != "unknown_parameter" or not drop(given, inside):
            raise refusal
        notes.append(f"{refusal.param} left out")
        try:
            return decoder.decode(msgspec.json.encode(given))
        except msgspec.ValidationError as again:
            complaint = str(again)
    raise explain(complaint, path)


def _parsed(raw: Raw, path: str) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: Exception) -> BadRequest:
    why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return BadRequest(f"Invalid '{path}': {why}.", param=path)
