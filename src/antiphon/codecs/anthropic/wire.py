"""The parts of a Messages answer that we read; what else stands there is passed over."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from antiphon.types.content import JsonObject


class Piece(Struct, gc=False):
    """The `delta` of an event: of a block, or of the message at its end."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: JsonObject | None = None
    stop_reason: str | None = None
    stop_details: JsonObject | None = None


class Event(Struct, gc=False):
    """Every event in one shape: which fields count depends on `type`."""

    type: str = ""
    index: int | None = None
    delta: Piece | None = None
    content_block: Raw = Raw()
    message: Raw = Raw()
    usage: JsonObject | None = None
    error: Any = None


class Block(Struct):
    """A content block: whole, or as it begins."""

    type: str = ""
    text: str | None = None
    citations: list[JsonObject] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None


class Answer(Struct):
    """The whole message; at the beginning of a stream only its usage counts."""

    type: str | None = None
    content: str | list[Raw] | None = None
    stop_reason: str | None = None
    stop_details: JsonObject | None = None
    usage: JsonObject | None = None
    error: Any = None


class Kind(Struct, gc=False):
    """What something is whose other fields may be of any shape."""

    type: str = ""


decode_event = msgspec.json.Decoder(Event).decode
decode_block = msgspec.json.Decoder(Block).decode
decode_answer = msgspec.json.Decoder(Answer).decode
decode_kind = msgspec.json.Decoder(Kind).decode
