"""A Chat Completions answer as chunks: the stream, and the one document that says the same at once.

The look-alikes differ in small ways that are all met here: calls without index or id, arguments as objects,
usage on any chunk or none, reasoning under four names, a missing `[DONE]`. What ends a turn is
`finish_reason`; without one the answer is broken, however politely the connection closed.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw, Struct

from antiphon.codecs.chat.think import ThinkTags
from antiphon.codecs.refusals import reported
from antiphon.codecs.sse import EventTooLarge, Reader
from antiphon.codecs.usage import chat_usage
from antiphon.errors import ProviderBroke, ProviderError
from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.content import JsonObject, Logprob, TopLogprob
from antiphon.types.profiles import Profile
from antiphon.types.turns import ToolName, UpstreamRequest

_encode = msgspec.json.Encoder().encode

_ENDINGS: dict[str, chunks.Stop] = {
    **dict.fromkeys(
        ("stop", "tool_calls", "function_call", "tool_use", "toolUse", "end_turn", "stop_sequence", "eos", "complete"),
        chunks.Stop("completed"),
    ),
    **dict.fromkeys(("length", "max_tokens", "model_length"), chunks.Stop("incomplete", "max_output_tokens")),
    **dict.fromkeys(("content_filter", "safety"), chunks.Stop("incomplete", "content_filter")),
}
"""finish_reason to the end of a turn, the names of look-alikes among them; any other one is a failure."""


class _Function(Struct):
    name: str | None = None
    arguments: str | JsonObject | None = None


class _CustomPiece(Struct):
    name: str | None = None
    input: str | None = None


class _CallPiece(Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _CustomPiece | None = None


class _Delta(Struct):
    """A streamed delta, or the whole message of an answer that is not streamed: the fields are the same."""

    content: str | list[JsonObject] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    reasoning_details: list[JsonObject] | None = None
    tool_calls: list[_CallPiece] | None = None
    function_call: _Function | None = None
    annotations: list[Raw] | None = None


class _TopToken(Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Token(Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[_TopToken] | None = None


class _Logprobs(Struct):
    content: list[_Token] | None = None


class _Choice(Struct):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Document(Struct):
    choices: list[_Choice] | None = None
    usage: JsonObject | None = None
    error: Any = None
    service_tier: str | None = None


_decode = msgspec.json.Decoder(_Document).decode


@dataclass(slots=True)
class _Call:
    """One call as it arrives; it is opened when its name is known. `held` waits for the name, or for raising."""

    key: int
    id: str
    name: str = ""
    tool: ToolName | None = None
    held: list[str] = field(default_factory=list)
    is_open: bool = False


class _Answer:
    """What both kinds of answer share: one choice's story as chunks."""

    def __init__(self, sent: UpstreamRequest, profile: Profile) -> None:
        self.failure: ProviderError | None = None
        self._sent = sent
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._reasoning_field = ""
        self._tags = ThinkTags() if profile.think_tags else None
        self._finish: str | None = None
        self._said_something = False
        self._stopped = False

    def _document(self, document: _Document, out: list[Chunk]) -> None:
        if document.error:
            self.failure = reported(document.error)
            return
        for choice in document.choices or ():
            said = choice.delta or choice.message
            if said is not None:
                self._said(said, choice.logprobs, out)
            self._finish = choice.finish_reason or self._finish
        if document.usage and (used := chat_usage(document.usage)):
            out.append(chunks.Used(used, document.service_tier))

    def _said(self, said: _Delta, logprobs: _Logprobs | None, out: list[Chunk]) -> None:
        if thought := self._thought(said):
            self._reason(thought, out)
        if said.content:
            self._content(said.content, logprobs, out)
        if said.refusal:
            self._said_something = True
            out.append(chunks.Refused(said.refusal))
        if said.annotations:
            out += [chunks.Annotated(_annotation(raw)) for raw in said.annotations]
        for piece in said.tool_calls or ():
            self._call_piece(piece, out)
        if said.function_call is not None:
            self._call_piece(_CallPiece(0, None, said.function_call), out)

    # text and reasoning

    def _content(self, content: str | list[JsonObject], logprobs: _Logprobs | None, out: list[Chunk]) -> None:
        if isinstance(content, str):
            if self._tags is not None:
                for is_thought, text in self._tags.feed(content):
                    self._reason(text, out) if is_thought else self._text(text, None, out)
            else:
                self._text(content, logprobs, out)
            return
        for part in content:
            if part.get("type") == "thinking":
                inner = part.get("thinking")
                texts = inner if isinstance(inner, list) else [{"text": inner}]
                self._reason("".join(str(text.get("text") or "") for text in texts), out)
            elif isinstance(part.get("text"), str):
                self._text(part["text"], logprobs, out)

    def _text(self, text: str, logprobs: _Logprobs | None, out: list[Chunk]) -> None:
        if text and not text.isspace():
            self._said_something = True
        out.append(chunks.Text(text, _logprobs(logprobs)) if logprobs else chunks.Text(text))

    def _reason(self, text: str, out: list[Chunk]) -> None:
        if text:
            self._said_something = True
            out.append(chunks.Summarized(text) if self._sent.summarize else chunks.Thought(text))

    def _thought(self, said: _Delta) -> str:
        """Return the reasoning of one field: servers that fill two of them repeat the same text."""
        for name in ("reasoning_content", "reasoning", "thinking"):
            text: str | None = getattr(said, name)
            if text and self._reasoning_field in {"", name}:
                self._reasoning_field = name
                return text
        if said.reasoning_details and self._reasoning_field in {"", "reasoning_details"}:
            self._reasoning_field = "reasoning_details"
            return "".join(str(part.get("text") or part.get("summary") or "") for part in said.reasoning_details)
        return ""

    # calls

    def _call_piece(self, piece: _CallPiece, out: list[Chunk]) -> None:
        given = piece.function or piece.custom
        name = (given.name if given else None) or ""
        call = self._call_of(piece, name)
        self._said_something = True
        if not call.name and name:
            call.name = name
        text = piece.custom.input if piece.custom else _arguments(piece.function)
        if text:
            call.held.append(text)
        if call.name and not call.is_open:
            self._open(call, out, native=piece.custom is not None)
        if call.is_open and not (call.tool and call.tool.custom):
            out += [chunks.CallDelta(call.key, held) for held in call.held]
            call.held.clear()

    def _call_of(self, piece: _CallPiece, name: str) -> _Call:
        """Return the call that a piece belongs to: a new id or another name opens a new one."""
        call = self._by_index.get(piece.index) if piece.index is not None else None
        if call is None and piece.index is None:
            same = [known for known in self._calls if piece.id and known.id == piece.id]
            call = same[0] if same else (self._calls[-1] if self._calls and not piece.id else None)
        if call is not None:
            other_id = bool(piece.id and call.id and piece.id != call.id)
            other_name = bool(name and call.name and name != call.name)
            if other_id or other_name:
                call = next((known for known in self._calls if piece.id and known.id == piece.id), None)
        if call is None:
            call = _Call(len(self._calls), piece.id or "")
            self._calls.append(call)
        call.id = call.id or piece.id or ""
        if piece.index is not None:
            self._by_index[piece.index] = call
        return call

    def _open(self, call: _Call, out: list[Chunk], *, native: bool) -> None:
        """Open a call under the name that the request knows it by."""
        known = self._sent.names.get(call.name)
        call.is_open = True
        if known is None:
            out.append(chunks.CallOpened(call.key, call.id, call.name, custom=native))
            return
        call.tool = known
        out.append(chunks.CallOpened(call.key, call.id, known.name, custom=known.custom, namespace=known.namespace))

    # the end

    def _end(self, out: list[Chunk]) -> None:
        """Close the turn as `finish_reason` said."""
        if self._stopped or self.failure is not None:
            return
        self._stopped = True
        if self._tags is not None:
            for is_thought, text in self._tags.close():
                self._reason(text, out) if is_thought else self._text(text, None, out)
        stop = _ENDINGS.get(self._finish or "")
        if stop is None:
            how = f"ended with finish_reason '{self._finish}'" if self._finish else "never ended"
            self.failure = ProviderBroke(f"The provider's answer {how}.")
            return
        if stop.status == "completed" and not self._said_something:
            self.failure = ProviderBroke("The provider's answer is empty.", code="empty_answer")
            return
        for call in self._calls:
            self._close_call(call, out)
        out.append(stop)

    def _close_call(self, call: _Call, out: list[Chunk]) -> None:
        if not call.is_open:
            return  # arguments that never got a name: nothing that a client could act on
        if call.held:
            out.append(chunks.CallDelta(call.key, _freeform("".join(call.held))))
        out.append(chunks.CallClosed(call.key))


class StreamParser(_Answer):
    """The answer to `stream: true`."""

    def __init__(self, sent: UpstreamRequest, profile: Profile) -> None:
        super().__init__(sent, profile)
        self._reader = Reader()

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the chunks completed by `data`."""
        out: list[Chunk] = []
        try:
            self._read(self._reader.feed(data), out)
        except EventTooLarge:
            self.failure = ProviderBroke("The provider sent an event that is too large.")
        return out

    def close(self) -> list[Chunk]:
        """Return what was held back; a turn without its end becomes `failure`."""
        out: list[Chunk] = []
        self._read(self._reader.close(), out)
        self._end(out)
        return out

    def _read(self, events: list[bytes], out: list[Chunk]) -> None:
        for data in events:
            if self._stopped or self.failure is not None:
                return
            if data.startswith(b"[DONE]"):
                self._end(out)
                return
            if not data.strip():
                continue
            try:
                document = _decode(data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                self.failure = ProviderBroke("The provider sent an event that can't be read.")
                return
            self._document(document, out)


class WholeParser(_Answer):
    """The answer to `stream: false`: one JSON document."""

    def __init__(self, sent: UpstreamRequest, profile: Profile) -> None:
        super().__init__(sent, profile)
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[Chunk]:
        """Keep `data`; a document says nothing before its end."""
        self._pieces.append(data)
        return []

    def close(self) -> list[Chunk]:
        """Return the whole answer."""
        out: list[Chunk] = []
        try:
            document = _decode(b"".join(self._pieces))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.failure = ProviderBroke("The provider's answer can't be read.")
            return out
        self._document(document, out)
        self._end(out)
        return out


def _arguments(function: _Function | None) -> str | None:
    """Return a piece of arguments as text; some servers send the parsed object."""
    if function is None or not isinstance(function.arguments, dict):
        return function.arguments if function else None
    return _encode(function.arguments).decode()


def _freeform(arguments: str) -> str:
    """Return a freeform tool's input from the arguments of the function it was lowered to."""
    try:
        parsed = msgspec.json.decode(arguments)
    except (msgspec.MsgspecError, RecursionError):
        return arguments
    if isinstance(parsed, dict) and isinstance(parsed.get("input"), str):
        return str(parsed["input"])
    return arguments


def _logprobs(given: _Logprobs) -> list[Logprob]:
    return [
        Logprob(
            token=token.token,
            logprob=token.logprob,
            bytes=_bytes(token),
            top_logprobs=[
                TopLogprob(token=top.token, logprob=top.logprob, bytes=_bytes(top)) for top in token.top_logprobs or ()
            ],
        )
        for token in given.content or ()
    ]


def _bytes(token: _Token | _TopToken) -> list[int]:
    return token.bytes if token.bytes is not None else list(token.token.encode())


def _annotation(raw: Raw) -> Raw:
    """Return a chat annotation as the Responses API nests it: `url_citation` flat."""
    given = msgspec.json.decode(raw)
    kind = given.get("type")
    inner = given.get(kind) if isinstance(given, dict) else None
    return Raw(_encode({"type": kind, **inner})) if isinstance(inner, dict) else raw
