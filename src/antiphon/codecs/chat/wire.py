"""The parts of a Chat Completions answer that we read, as loosely as look-alikes write them."""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from antiphon.codecs.logprobs import Token
from antiphon.codecs.mending import as_list, as_object
from antiphon.codecs.usage import count
from antiphon.types.content import JsonObject

_encode = msgspec.json.Encoder().encode
_BASE64 = re.compile(r"data:image/[^;,]+;base64,(.+)\Z", re.DOTALL)


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
    extra_content: Any = None
    """Google's endpoints: what must come back beside the call."""

    @property
    def text(self) -> str:
        """The piece of arguments or input that it brings; some servers send the parsed object."""
        if self.custom is not None:
            return self.custom.input or ""
        given = self.function.arguments if self.function else None
        return _encode(given).decode() if isinstance(given, dict) else given or ""


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
    images: Any = None
    """OpenRouter: pictures that the model made."""
    audio: Any = None
    """Sound that the model spoke, and its words."""


class Logprobs(Struct, gc=False):
    content: list[Token] | None = None


class Choice(Struct, gc=False):
    error: Any = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    usage: Any = None
    """Moonshot's place for it in a stream."""


class Document(Struct, gc=False):
    """A chunk, or the whole answer."""

    choices: list[Choice] | None = None
    usage: JsonObject | None = None
    error: Any = None
    service_tier: str | None = None
    x_groq: Any = None
    """Groq's own fields, usage among them."""


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
    images: None = None
    audio: None = None


class OneChoice(Struct, gc=False):
    delta: OnlyText
    error: None = None
    finish_reason: None = None
    logprobs: None = None
    usage: None = None


class TextDocument(Struct, gc=False):
    """A chunk that is one delta of text: nearly all of a stream, so its type does the looking."""

    choices: tuple[OneChoice]
    usage: None = None
    error: None = None
    x_groq: None = None


decode = msgspec.json.Decoder(Document).decode
decode_text = msgspec.json.Decoder(TextDocument).decode
decode_flat = msgspec.json.Decoder(FlatError).decode


def annotation_of(given: JsonObject) -> Raw | None:
    """Return a chat annotation as the Responses API nests it: `url_citation` flat and whole.

    A citation that says no place in the text has an empty one at its start; one without an address is none.
    """
    kind = given.get("type")
    inner = as_object(given.get(kind)) if isinstance(kind, str) else {}
    flat = {"type": kind, **inner} if inner else given
    if kind != "url_citation":
        return Raw(_encode(flat))
    if not isinstance(flat.get("url"), str):
        return None
    for place in ("start_index", "end_index"):
        if count(flat.get(place)) is None:
            flat = {**flat, place: 0}
    return Raw(_encode(flat if isinstance(flat.get("title"), str) else {**flat, "title": ""}))


def pictures_of(given: object) -> list[Raw]:
    """Return pictures as items: those that came along as base64; another's address is nothing that lasts."""
    urls = [as_object(as_object(picture).get("image_url")).get("url") for picture in as_list(given)]
    found = [_BASE64.match(url) for url in urls if isinstance(url, str)]
    return [
        Raw(_encode({"type": "image_generation_call", "status": "completed", "result": match[1]}))
        for match in found
        if match
    ]
