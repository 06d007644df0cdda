"""The state of reasoning: a block as the model sent it, to be sent back unchanged.

Anthropic verifies the signature of a thinking block against its text, so both travel in the state of the reasoning
item, whatever becomes of the summary that the client is shown. The state is the block itself, as JSON:
`{"type":"thinking","thinking":…,"signature":…}` or `{"type":"redacted_thinking","data":…}`. A block without a
signature has no state: sent back, it would be refused.
"""

from typing import TypeAlias

import msgspec
from msgspec import Struct

_encode = msgspec.json.Encoder().encode


class Thinking(Struct, frozen=True, tag="thinking"):
    """A block of reasoning; its text is empty where the request asked for none."""

    thinking: str
    signature: str


class Redacted(Struct, frozen=True, tag="redacted_thinking"):
    """A block of reasoning that only the provider can read."""

    data: str


State: TypeAlias = Thinking | Redacted

_DECODER: msgspec.json.Decoder[State] = msgspec.json.Decoder(Thinking | Redacted)


def write(block: State) -> str:
    """Return the state of one reasoning item."""
    return _encode(block).decode()


def read(state: str) -> State | None:
    """Return the block of a reasoning item, None for a state that holds none."""
    try:
        return _DECODER.decode(state)
    except (msgspec.MsgspecError, RecursionError):
        return None
