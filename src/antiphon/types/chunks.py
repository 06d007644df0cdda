"""Chunks: what an upstream said, in our words. No ids, numbers or order of ours; that is the emitter's.

A turn is any sequence of these that ends with `Stop`. Calls are told apart by `key`, which means something
only inside its turn.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from msgspec import Raw, Struct

from antiphon.types.content import JsonObject, Logprob
from antiphon.types.items import Phase
from antiphon.types.responses import IncompleteReason, ResponseError, Usage

Key = str | int


class Answered(Struct, frozen=True, gc=False):
    """Who speaks: the full name of the model that a request was led to. Said first, or not at all."""

    model: str


class Text(Struct, frozen=True, gc=False):
    """A piece of the answer's text."""

    text: str
    logprobs: Sequence[Logprob] = ()


class Refused(Struct, frozen=True, gc=False):
    """A piece of the model's words for declining."""

    text: str


class Annotated(Struct, frozen=True):
    """An annotation of the text part that is open, or that was last."""

    annotation: Raw


class Thought(Struct, frozen=True, gc=False):
    """A piece of raw reasoning."""

    text: str


class Summarized(Struct, frozen=True, gc=False):
    """A piece of a reasoning summary; a new `part` begins a new paragraph of it."""

    text: str
    part: int = 0


class ThoughtState(Struct, frozen=True, gc=False):
    """The provider's own state of the reasoning that is open (or stands alone), opaque to us."""

    encrypted_content: str


class Break(Struct, frozen=True, gc=False):
    """The open part ends (`whole_item` false) or the open item does: what follows is a new one.

    `phase` is that of the message that follows.
    """

    whole_item: bool = True
    phase: Phase | None = None


class CallOpened(Struct, frozen=True, gc=False):
    """A call begins. `call_id` is the upstream's, "" when it gave none."""

    key: Key
    call_id: str
    name: str
    custom: bool = False
    namespace: str | None = None


class CallDelta(Struct, frozen=True, gc=False):
    """A piece of a call's arguments, or of a freeform call's input."""

    key: Key
    text: str


class CallClosed(Struct, frozen=True, gc=False):
    """A call is complete. Calls still open at `Stop` are closed by it."""

    key: Key


class ItemOpened(Struct, frozen=True):
    """An item of a type that we only pass on begins."""

    key: Key
    item: Raw


class ItemNews(Struct, frozen=True):
    """An upstream's event about such an item; ids and numbers in `fields` are the upstream's."""

    key: Key
    type: str
    fields: JsonObject


class ItemClosed(Struct, frozen=True):
    """Such an item is finished; it may come without `ItemOpened`."""

    key: Key
    item: Raw


class Used(Struct, frozen=True, gc=False):
    """Tokens so far; the last word on them counts."""

    usage: Usage
    service_tier: str | None = None


class Stop(Struct, frozen=True, gc=False):
    """The turn is over. `reason` goes with incomplete, `error` with failed."""

    status: Literal["completed", "incomplete", "failed"]
    reason: IncompleteReason | None = None
    error: ResponseError | None = None


Chunk: TypeAlias = (
    Answered
    | Text
    | Refused
    | Annotated
    | Thought
    | Summarized
    | ThoughtState
    | Break
    | CallOpened
    | CallDelta
    | CallClosed
    | ItemOpened
    | ItemNews
    | ItemClosed
    | Used
    | Stop
)
