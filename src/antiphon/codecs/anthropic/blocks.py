"""The content blocks of an answer as they arrive, each kind with what it says.

A block is made from its beginning, takes its deltas, and is ended once. A whole answer's blocks have it all in their
beginning.
"""

import msgspec

from antiphon.codecs.anthropic.citations import annotation
from antiphon.codecs.anthropic.state import Redacted, Thinking, write
from antiphon.codecs.anthropic.wire import Block, Piece
from antiphon.codecs.lowering import freeform_input
from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.turns import ToolName

_encode = msgspec.json.Encoder().encode


class TextBlock:
    """Text. `start` and `end` are its characters' places in the part of the message that it is in.

    Its citations wait for its end: they may come before the text that they are for.
    """

    __slots__ = ("_cited", "end", "has_words", "start")

    def __init__(self, begun: Block, start: int, out: list[Chunk]) -> None:
        self.start = self.end = start
        self.has_words = False
        self._cited = list(begun.citations or ())
        self.say(begun.text, out)

    @property
    def is_something(self) -> bool:
        return self.has_words

    def take(self, piece: Piece, out: list[Chunk]) -> None:
        if piece.type == "text_delta":
            self.say(piece.text, out)
        elif piece.type == "citations_delta" and piece.citation:
            self._cited.append(piece.citation)

    def say(self, text: str | None, out: list[Chunk]) -> None:
        if text:
            self.end += len(text)
            self.has_words = self.has_words or not text.isspace()
            out.append(chunks.Text(text))

    def finish(self, out: list[Chunk]) -> None:
        for citation in self._cited if self.has_words else ():
            found = annotation(citation, self.start, self.end)
            if found is not None:
                out.append(chunks.Annotated(found))


class ThinkingBlock:
    """Reasoning: told as a summary, and kept with its signature. Each block is a reasoning item of its own."""

    __slots__ = ("_pieces", "_signature")

    def __init__(self, begun: Block, out: list[Chunk]) -> None:
        self._pieces: list[str] = []
        self._signature = begun.signature or ""
        self._say(begun.thinking, out)

    @property
    def is_something(self) -> bool:
        return bool(self._pieces or self._signature)

    def take(self, piece: Piece, out: list[Chunk]) -> None:
        if piece.type == "thinking_delta":
            self._say(piece.thinking, out)
        elif piece.type == "signature_delta" and piece.signature:
            self._signature = piece.signature

    def _say(self, text: str | None, out: list[Chunk]) -> None:
        if text:
            self._pieces.append(text)
            out.append(chunks.Summarized(text))

    def finish(self, out: list[Chunk]) -> None:
        if self._signature:
            out.append(chunks.ThoughtState(write(Thinking("".join(self._pieces), self._signature))))
        if self.is_something:
            out.append(chunks.Break())


class RedactedBlock:
    """Reasoning that only the provider can read."""

    __slots__ = ("_data",)

    def __init__(self, begun: Block) -> None:
        self._data = begun.data or ""

    @property
    def is_something(self) -> bool:
        return bool(self._data)

    def take(self, piece: Piece, out: list[Chunk]) -> None:
        """No delta belongs to it."""

    def finish(self, out: list[Chunk]) -> None:
        if self._data:
            out += [chunks.ThoughtState(write(Redacted(self._data))), chunks.Break()]


class CallBlock:
    """A call of a tool. That it ended doesn't mean that it is whole: a limit cuts calls too, and tells so later."""

    __slots__ = ("_given", "_held", "_is_freeform", "_key", "_said")

    def __init__(self, begun: Block, key: int, tool: ToolName, out: list[Chunk]) -> None:
        self._key = key
        self._is_freeform = tool.custom
        self._given = begun.input
        self._held: list[str] = []
        self._said = False
        out.append(chunks.CallOpened(key, begun.id or "", tool.name, custom=tool.custom, namespace=tool.namespace))

    @property
    def is_something(self) -> bool:
        return True

    def take(self, piece: Piece, out: list[Chunk]) -> None:
        if piece.type == "input_json_delta":
            self._say(piece.partial_json, out)

    def _say(self, text: str | None, out: list[Chunk]) -> None:
        if not text:
            return
        self._said = True
        if self._is_freeform:
            self._held.append(text)
        else:
            out.append(chunks.CallDelta(self._key, text))

    def finish(self, out: list[Chunk]) -> None:
        """Wait: see `settle`."""

    def settle(self, out: list[Chunk], *, is_whole: bool) -> None:
        """Say what was held back; a call that isn't whole is left to `Stop`, which closes it as incomplete."""
        if not self._said and (self._given or is_whole):
            self._say(self._given if isinstance(self._given, str) else _encode(self._given or {}).decode(), out)
        if self._held:
            out.append(chunks.CallDelta(self._key, freeform_input("".join(self._held))))
        if is_whole:
            out.append(chunks.CallClosed(self._key))


class PassedBlock:
    """A block that says nothing here: of a tool that the provider carried out, or of a kind newer than we are."""

    __slots__ = ()

    @property
    def is_something(self) -> bool:
        return False

    def take(self, piece: Piece, out: list[Chunk]) -> None:
        """Nothing of it is told."""

    def finish(self, out: list[Chunk]) -> None:
        """Nothing was told."""


AnyBlock = TextBlock | ThinkingBlock | RedactedBlock | CallBlock | PassedBlock
