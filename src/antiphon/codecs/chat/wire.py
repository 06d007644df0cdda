"""The parts of a Chat Completions answer that we read, as loosely as look-alikes write them."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from antiphon.codecs.logprobs import Token
from antiphon.types.content import JsonObject

_encode = msgspec.json.Encoder().encode


class Function(Struct, gc=False):
    name: str | None = None
    arguments: str | JsonObject | None = None


class CustomPiece(Struct, gc=False):
    name: str | None = None
    input: str | None = None


class CallPiece(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: CustomPiece | None = None


class Delta(Struct, gc=False):
    """A streamed delta, or the whole message of an answer that is not streamed: the fields are the same."""

    content: str | list[JsonObject] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    reasoning_details: list[JsonObject] | None = None
    tool_calls: list[CallPiece] | None = None
    function_call: Function | None = None
    annotations: list[JsonObject] | None = None


class Logprobs(Struct, gc=False):
    content: list[Token] | None = None


class Choice(Struct, gc=False):
    error: Any = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Document(Struct, gc=False):
    """A chunk, or the whole answer."""

    choices: list[Choice] | None = None
    usage: JsonObject | None = None
    error: Any = None
    service_tier: str | None = None


class FlatError(Struct):
    """An error without its envelope, as some servers send it in the place of a chunk."""

    object: Any = None
    type: Any = None
    message: Any = None
    code: Any = None


class OnlyText(Struct, gc=False):
    """A delta of text and nothing else: what else could be told is null or absent."""

    content: str
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    thinking: None = None
    reasoning_details: None = None
    tool_calls: None = None
    function_call: None = None
    annotations: None = None


class OneChoice(Struct, gc=False):
    delta: OnlyText
    error: None = None
    finish_reason: None = None
    logprobs: None = None


class TextDocument(Struct, gc=False):
    """A chunk that is one delta of text: nearly all of a stream, so its type does the looking."""

    choices: tuple[OneChoice]
    usage: None = None
    error: None = None


decode = msgspec.json.Decoder(Document).decode
decode_text = msgspec.json.Decoder(TextDocument).decode
decode_flat = msgspec.json.Decoder(FlatError).decode


def arguments_of(function: Function | None) -> str | None:
    """Return a piece of arguments as text; some servers send the parsed object."""
    given = function.arguments if function else None
    return _encode(given).decode() if isinstance(given, dict) else given


def annotation_of(given: JsonObject) -> Raw:
    """Return a chat annotation as the Responses API nests it: `url_citation` flat."""
    kind = given.get("type")
    inner = given.get(kind) if isinstance(kind, str) else None
    return Raw(_encode({"type": kind, **inner} if isinstance(inner, dict) else given))
