"""The golden files of the codecs, and how a test reads them.

A golden file holds an upstream's bytes. Its first comment, or `from` in the expectation beside it, says where they
come from. The expectation (`<case>.chunks.json`) lists the chunks, each as its name and the fields that are not
default, and the failure; `sent` and `profile` are what the parser is made with.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from antiphon.codecs.anthropic import ANTHROPIC
from antiphon.codecs.chat import CHAT
from antiphon.codecs.gemini import GEMINI
from antiphon.codecs.responses import RESPONSES
from antiphon.errors import ProviderError
from antiphon.ports import Codec, Parser
from antiphon.types.chunks import Chunk
from antiphon.types.profiles import Profile
from antiphon.types.turns import ToolName, UpstreamRequest

FOLDER = Path(__file__).parent / "golden"
CODECS: Mapping[str, Codec] = {"anthropic": ANTHROPIC, "chat": CHAT, "gemini": GEMINI, "responses": RESPONSES}
EXPECTATION = ".chunks.json"

Told = tuple[list[Any], Any]
"""Chunks and failure, as an expectation writes them."""


@dataclass(frozen=True)
class Golden:
    """One golden file and what it should say."""

    path: Path

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"

    @cached_property
    def data(self) -> bytes:
        return self.path.read_bytes()

    @property
    def streamed(self) -> bool:
        return self.path.suffix == ".sse"

    @cached_property
    def expectation(self) -> dict[str, Any]:
        file = self.path.with_name(self.path.name + EXPECTATION)
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    @property
    def told(self) -> Told:
        return self.expectation["chunks"], self.expectation.get("failure")

    @cached_property
    def made_with(self) -> tuple[UpstreamRequest, Profile]:
        sent = self.expectation.get("sent", {})
        names = {wire: ToolName(**name) for wire, name in sent.get("names", {}).items()}
        request = UpstreamRequest(path="", body=b"", names=names, summarize=sent.get("summarize", False))
        return request, msgspec.convert(self.expectation.get("profile", {}), Profile)

    def parser(self) -> Parser:
        return CODECS[self.path.parent.name].parser(*self.made_with, streamed=self.streamed)


def goldens(*suffixes: str) -> list[Golden]:
    """Return the golden files with one of `suffixes`, all of them without."""
    found = sorted(path for path in FOLDER.glob("*/*") if not path.name.endswith(EXPECTATION))
    return [Golden(path) for path in found if not suffixes or path.suffix in suffixes]


def chunks_of(parser: Parser, pieces: Iterable[bytes]) -> list[Chunk]:
    """Feed the pieces, close, and return every chunk."""
    said: list[Chunk] = []
    for piece in pieces:
        said += parser.feed(piece)
    return said + parser.close()


def tell(parser: Parser, pieces: Iterable[bytes]) -> Told:
    """Return what a parser makes of `pieces`, as an expectation writes it."""
    said = chunks_of(parser, pieces)
    return [plain(chunk) for chunk in said], failure_of(parser.failure)


def failure_of(error: ProviderError | None) -> Any:
    """Return a failure as an expectation writes it."""
    if error is None:
        return None
    return {"kind": type(error).__name__, "code": error.code, "message": error.message}


def parse(codec: Codec, data: bytes, *, streamed: bool = True, profile: Profile | None = None, **sent: Any) -> Told:
    """Return what `codec` makes of an answer."""
    request = UpstreamRequest(path="", body=b"", **sent)
    return tell(codec.parser(request, profile or Profile(), streamed=streamed), [data])


def sse(*events: Any) -> bytes:
    """Return events as a stream; a string goes out as it is."""
    lines = (event if isinstance(event, str) else json.dumps(event) for event in events)
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def plain(chunk: Chunk) -> dict[str, Any]:
    """Return a chunk as its name and the fields that are not default."""
    fields = {}
    for field in msgspec.structs.fields(chunk):
        value = getattr(chunk, field.name)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if value != default:
            fields[field.name] = _plain(value)
    return {type(chunk).__name__: fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Raw):
        return msgspec.json.decode(value)
    if isinstance(value, Struct):
        return msgspec.to_builtins(value)
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
