"""Thought signatures, and the state in which they travel.

A Gemini model signs parts of its answers: a call (of parallel ones only the first), a piece of text (often an empty
one, the last of a stream), a piece of a thought. A signature has to come back on the part that it came with, or the
model answers worse; Gemini 3 then even refuses a call of the current turn. Responses items have no place for that, so
the signatures travel as the state of reasoning items: a JSON list of `Signed`, which names the part of each.

- `call`: the next call of that name, behind the reasoning item. The item stands before its call.
- `text`: the characters from `start`, `size` of them, of the message before the item. Nothing is said of the parts
  that a message came in, so a signed one is cut out of it again. An empty part has no message to stand in at times.
- `thought`: the same of the item's own summary. Thoughts without a signature are not sent back.

What doesn't fit any more, because a client changed, moved or dropped items, is left out; that is never an error.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

SKIP = "skip_thought_signature_validator"
"""Stands in for the signature of a call that the model never made (Google: "Thought signatures", read 2026-11)."""


class Signed(Struct, frozen=True, omit_defaults=True, gc=False):
    """One signature and its part. `name` is the call's, as the wire has it."""

    on: Literal["call", "text", "thought"]
    signature: str
    name: str = ""
    start: int = 0
    size: int = 0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Signed]).decode


def write(signed: Sequence[Signed]) -> str:
    """Return signatures as the state of one reasoning item."""
    return _encode(signed).decode()


def read(state: str) -> list[Signed] | None:
    """Return the signatures of a reasoning item, None for a state that isn't one."""
    try:
        return _decode(state)
    except (msgspec.MsgspecError, RecursionError):
        return None


def cut(text: str, signed: Sequence[Signed]) -> list[tuple[str, str | None]] | None:
    """Return `text` in the pieces that were signed and those between, None when they don't fit it."""
    pieces: list[tuple[str, str | None]] = []
    place = 0
    for one in signed:
        end = one.start + one.size
        if one.size < 0 or not place <= one.start <= end <= len(text):
            return None
        if one.start > place:
            pieces.append((text[place : one.start], None))
        pieces.append((text[one.start : end], one.signature))
        place = end
    if place < len(text):
        pieces.append((text[place:], None))
    return pieces


class Signing:
    """Follows what an answer says, so that its signatures can name their parts.

    `message` and `thoughts` are the pieces of the message and of the summary that are open.
    """

    def __init__(self) -> None:
        self.message: list[str] = []
        self.thoughts: list[str] = []
        self._states: list[Signed] = []  # of the reasoning item that is open: its state tells all of them
        self._held: list[Signed] = []  # of the open message, whose item must end before a reasoning item
        self._is_reasoning = False

    def text(self, text: str, signature: str | None) -> None:
        """Take a piece of text; white space alone opens no message, as the emitter has it."""
        if self._is_reasoning and text and not text.isspace():
            self._end_reasoning()
        if signature:
            start = sum(map(len, self.message))
            self._held.append(Signed("text", signature, start=start, size=len(text)))
        if text:
            self.message.append(text)

    def end_message(self) -> str | None:
        """The message is over: return the state that follows it."""
        held, self._held = self._held, []
        if held and "".join(self.message).isspace():
            held = [Signed("text", one.signature) for one in held]  # that white space is never shown
        self.message.clear()
        return self._state(held) if held else None

    def thought(self, text: str, signature: str | None) -> str | None:
        """Take a piece of a thought; return the state that follows it."""
        start = sum(map(len, self.thoughts)) if signature else 0
        if text:
            self._is_reasoning = True
            self.thoughts.append(text)
        return self._state([Signed("thought", signature, start=start, size=len(text))]) if signature else None

    def call(self, name: str, signature: str | None) -> str | None:
        """Take a call; return the state that goes before it."""
        state = self._state([Signed("call", signature, name=name)]) if signature else None
        self._end_reasoning()
        return state

    @property
    def is_in_message(self) -> bool:
        """Whether a message is open."""
        return bool(self.message) and not self._is_reasoning

    def _state(self, signed: Sequence[Signed]) -> str:
        self._is_reasoning = True
        self._states += signed
        return write(self._states)

    def _end_reasoning(self) -> None:
        self._is_reasoning = False
        self._states.clear()
        self.thoughts.clear()
