"""The parts of a Responses answer that we read, as loosely as look-alikes write them."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from antiphon.codecs.logprobs import Token
from antiphon.codecs.mending import read
from antiphon.types.content import JsonObject

_encode = msgspec.json.Encoder().encode

CALLS = frozenset({"function_call", "custom_tool_call"})
READ = frozenset({"message", "reasoning", *CALLS})
"""The items that are read; any other is passed on."""


class Part(Struct, gc=False):
    """A part of a message or of reasoning."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[JsonObject] | None = None
    logprobs: list[Token] | None = None


class Item(Struct, gc=False):
    """An item that is read; of one that is passed on, type and id alone."""

    type: str = "message"
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | JsonObject | None = None
    input: str | None = None
    phase: str | None = None
    status: str | None = None
    content: str | list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None

    @property
    def is_read(self) -> bool:
        """Whether this is an item of a type that we read."""
        return self.type in READ

    @property
    def argument_text(self) -> str:
        """A call's arguments, or a freeform call's input, as text."""
        return self.input or json_text(self.arguments)


class Event(Struct, gc=False):
    """Every event in one shape: which fields count depends on `type`."""

    type: str = ""
    output_index: int | None = None
    item_id: str | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | JsonObject | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | JsonObject | None = None
    input: str | None = None
    logprobs: list[Token] | None = None
    annotation: JsonObject | None = None
    part: Part | None = None
    item: Raw = Raw()
    response: Raw = Raw()
    error: Any = None
    code: Any = None
    message: Any = None

    @property
    def words(self) -> str:
        """The piece of text that a delta brings."""
        return self.delta if isinstance(self.delta, str) else ""


class Place(Struct, gc=False):
    """What an event is about whose other fields are not ours."""

    type: str = ""
    output_index: int | None = None
    item_id: str | None = None
    error: Any = None


class Answer(Struct):
    """The response at the end; `object`, `type`, `message` and `code` are those of an error told flat."""

    status: str | None = None
    output: list[Raw] | None = None
    usage: JsonObject | None = None
    error: Any = None
    incomplete_details: JsonObject | None = None
    service_tier: str | None = None
    object: Any = None
    type: Any = None
    message: Any = None
    code: Any = None


class _Kind(Struct):
    type: str = "message"
    id: str | None = None


decode_event = msgspec.json.Decoder(Event).decode
decode_place = msgspec.json.Decoder(Place).decode
decode_answer = msgspec.json.Decoder(Answer).decode
decode_object = msgspec.json.Decoder(JsonObject).decode
_decode_item = msgspec.json.Decoder(Item).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode


def is_there(raw: Raw) -> bool:
    """Say whether an event has the object that it should have."""
    return len(raw) > 4 or bytes(raw) not in {b"", b"null"}  # the response of an end may be long


def view_of(raw: Raw) -> Item:
    """Return our view of an item. Raises Unreadable."""
    kind = read(_decode_kind, raw)
    return read(_decode_item, raw) if kind.type in READ else Item(kind.type, kind.id)


def in_order(raw: Raw) -> Raw:
    """Return an item's bytes as valid Unicode, each key once. Raises Unreadable."""
    return Raw(_encode(read(decode_object, raw)))


def json_text(given: str | JsonObject | None) -> str:
    """Return arguments as text; some servers send the parsed object."""
    return _encode(given).decode() if isinstance(given, dict) else given or ""
