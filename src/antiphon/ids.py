"""Ids: a prefix, eleven hex digits of time, thirty-two of randomness.

The time comes first so that inserts land on the last page of every index, the 128 random bits make an id
unguessable. Item ids are made from their response's id and a number, so one call to the system's random
source serves a whole response. `Mint` is passed in wherever ids are needed, so that a test can hold them still;
`minting.mint` is the real one.
"""

import re
from collections.abc import Callable

Mint = Callable[[str], str]
"""Gives a fresh id for a prefix: `mint("resp")` -> `resp_0193…`."""

_OURS = re.compile(r"[a-z]+_[0-9a-f]{43}(?:[io]\d+)?\Z")


def item_id(prefix: str, response_id: str, side: str, number: int) -> str:
    """Return the id of item `number` on one `side` ("i" for input, "o" for output) of a response."""
    return f"{prefix}_{response_id.partition('_')[2]}{side}{number}"


def is_ours(identifier: str) -> bool:
    """Say whether the id has the shape that a `Mint` and `item_id` give."""
    return _OURS.match(identifier) is not None
