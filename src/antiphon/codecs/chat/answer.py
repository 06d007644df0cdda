"""A Chat Completions answer as chunks: the stream, and the one document that says the same at once.

The look-alikes differ in small ways that are all met here: calls without index or id, arguments as objects,
usage on any chunk or none, reasoning under four names, a missing `[DONE]`. What ends a turn is
`finish_reason`; without one the answer is broken, however politely the connection closed.
"""

from dataclasses import dataclass, field

from antiphon.codecs.chat.think import ThinkTags
from antiphon.codecs.chat.wire import (
    CallPiece,
    Delta,
    Document,
    Logprobs,
    annotation_of,
    arguments_of,
    decode,
    decode_flat,
    decode_text,
)
from antiphon.codecs.logprobs import logprobs
from antiphon.codecs.lowering import freeform_input
from antiphon.codecs.mending import UNREADABLE, Unreadable, as_list, as_object, read
from antiphon.codecs.refusals import reported
from antiphon.codecs.sse import NOTHING, Reader
from antiphon.codecs.usage import chat_usage
from antiphon.errors import ProviderBroke, ProviderError
from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.content import JsonObject
from antiphon.types.profiles import Profile
from antiphon.types.turns import ToolName, UpstreamRequest

_ENDINGS: dict[str, chunks.Stop] = {
    **dict.fromkeys(
        ("stop", "tool_calls", "function_call", "tool_use", "tooluse", "end_turn", "stop_sequence", "eos", "complete"),
        chunks.Stop("completed"),
    ),
    **dict.fromkeys(("length", "max_tokens", "model_length"), chunks.Stop("incomplete", "max_output_tokens")),
    **dict.fromkeys(("content_filter", "safety"), chunks.Stop("incomplete", "content_filter")),
}
"""finish_reason in lower case to the end of a turn, look-alikes' names among them; any other one is a failure."""


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
        self._has_calls = False
        self._reasoning_field = ""
        self._tags = ThinkTags() if profile.think_tags else None
        self._finish: str | None = None
        self._said_something = False
        self._stopped = False

    def _document(self, document: Document, data: bytes, out: list[Chunk]) -> None:
        if document.error:
            self.failure = reported(document.error)
            return
        if not document.choices and document.usage is None:
            flat = read(decode_flat, data)
            if flat.object == "error" or flat.type == "error":
                self.failure = reported({"message": flat.message, "code": flat.code, "type": flat.type})
                return
        for choice in document.choices or ():
            if choice.error:
                self.failure = reported(choice.error)
                return
            said = choice.delta or choice.message
            if said is not None:
                self._said(said, choice.logprobs, out)
            self._finish = choice.finish_reason or self._finish
        if document.usage and (used := chat_usage(document.usage)):
            out.append(chunks.Used(used, document.service_tier))

    def _said(self, said: Delta, given: Logprobs | None, out: list[Chunk]) -> None:
        if thought := self._thought(said):
            self._reason(thought, out)
        if said.content:
            self._content(said.content, given, out)
        if said.refusal:
            self._said_something = True
            out.append(chunks.Refused(said.refusal))
        if said.annotations:
            out += [chunks.Annotated(annotation_of(annotation)) for annotation in said.annotations]
        for piece in said.tool_calls or ():
            self._has_calls = True
            self._call_piece(piece, out)
        if said.function_call is not None and not self._has_calls:
            # the older field; llama-cpp-python fills both with the same call (seen 2026-11-21)
            self._call_piece(CallPiece(0, None, said.function_call), out)

    # text and reasoning

    def _content(self, content: str | list[JsonObject], given: Logprobs | None, out: list[Chunk]) -> None:
        if isinstance(content, str):
            if self._tags is not None:
                for is_thought, text in self._tags.feed(content):
                    self._reason(text, out) if is_thought else self._text(text, None, out)
            else:
                self._text(content, given, out)
            return
        for part in content:
            if part.get("type") == "thinking":
                texts = [as_object(text).get("text", text) for text in as_list(part.get("thinking"))]
                self._reason("".join(text for text in texts if isinstance(text, str)), out)
            elif isinstance(part.get("text"), str):
                self._text(part["text"], None, out)

    def _text(self, text: str, given: Logprobs | None, out: list[Chunk]) -> None:
        if not self._said_something:
            self._said_something = bool(text.strip())
        out.append(chunks.Text(text, logprobs(given.content or ())) if given else chunks.Text(text))

    def _reason(self, text: str, out: list[Chunk]) -> None:
        if text:
            self._said_something = True
            out.append(chunks.Summarized(text) if self._sent.summarize else chunks.Thought(text))

    def _thought(self, said: Delta) -> str:
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

    def _call_piece(self, piece: CallPiece, out: list[Chunk]) -> None:
        given = piece.function or piece.custom
        name = (given.name if given else None) or ""
        call = self._call_of(piece, name)
        if not call.name and name:
            call.name = name
        text = piece.custom.input if piece.custom else arguments_of(piece.function)
        if text:
            call.held.append(text)
        if call.name and not call.is_open:
            self._open(call, out, native=piece.custom is not None)
        if call.is_open and not (call.tool and call.tool.custom):
            out += [chunks.CallDelta(call.key, held) for held in call.held]
            call.held.clear()

    def _call_of(self, piece: CallPiece, name: str) -> _Call:
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
        call.is_open = self._said_something = True
        if known is None:
            out.append(chunks.CallOpened(call.key, call.id, call.name, custom=native))
            return
        call.tool = known
        out.append(chunks.CallOpened(call.key, call.id, known.name, custom=known.custom, namespace=known.namespace))

    # the end

    def _break_off(self, words: str) -> None:
        """Set the failure, unless the turn is over already."""
        if not self._stopped and self.failure is None:
            self.failure = ProviderBroke(words)

    def _end(self, out: list[Chunk]) -> None:
        """Close the turn as `finish_reason` said."""
        if self._stopped or self.failure is not None:
            return
        self._stopped = True
        if self._tags is not None:
            for is_thought, text in self._tags.close():
                self._reason(text, out) if is_thought else self._text(text, None, out)
        stop = _ENDINGS.get((self._finish or "").lower())
        if stop is None:
            how = f"ended with finish_reason '{self._finish}'" if self._finish else "never ended"
            self.failure = ProviderBroke(f"The provider's answer {how}.")
            return
        if stop.status == "completed" and not self._said_something:
            self.failure = ProviderBroke("The provider's answer is empty.", code="empty_answer")
            return
        for call in self._calls:
            if call.is_open:  # arguments that never got a name are nothing that a client could act on
                self._close_call(call, out, is_whole=stop.status == "completed")
        out.append(stop)

    def _close_call(self, call: _Call, out: list[Chunk], *, is_whole: bool) -> None:
        """Say the rest of a call. Which one was cut by an early end is not known here, so `Stop` closes them then."""
        if call.held:
            out.append(chunks.CallDelta(call.key, freeform_input("".join(call.held))))
        if is_whole:
            out.append(chunks.CallClosed(call.key))


class StreamParser(_Answer):
    """The answer to `stream: true`."""

    def __init__(self, sent: UpstreamRequest, profile: Profile) -> None:
        super().__init__(sent, profile)
        self._reader = Reader()
        self._is_text = False  # the last event was a delta of text

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the chunks completed by `data`."""
        out: list[Chunk] = []
        self._read(self._reader.feed(data), out)
        if self._reader.is_too_large:
            self._break_off("The provider sent an event that is too large.")
        return out

    def close(self) -> list[Chunk]:
        """Return what was held back; a turn without its end becomes `failure`."""
        out: list[Chunk] = []
        self._read(self._reader.close(), out)
        self._end(out)
        return out

    def _is_over(self) -> bool:
        return self._stopped or self.failure is not None

    def _read(self, events: list[bytes], out: list[Chunk]) -> None:
        if self._is_over():
            return
        for data in events:
            if self._is_text:
                try:
                    text = decode_text(data).choices[0].delta.content
                except UNREADABLE:
                    self._is_text = False  # something else, which the long way reads
                else:
                    if text:
                        out.append(chunks.Text(text))
                    continue
            self._read_any(data, out)
            if self._is_over():
                return

    def _read_any(self, data: bytes, out: list[Chunk]) -> None:
        before = len(out)
        try:
            document = decode(data)
        except UNREADABLE:
            self._odd_event(data, out)
            return
        self._document(document, data, out)
        if len(out) == before + 1 and self._tags is None and self._said_something:
            last = out[-1]
            self._is_text = type(last) is chunks.Text and not last.logprobs  # so is the next one, mostly

    def _odd_event(self, data: bytes, out: list[Chunk]) -> None:
        """Take the end of the stream, an event that isn't quite JSON, or one that says nothing."""
        if data.startswith(b"[DONE]"):
            self._end(out)
            return
        try:
            self._document(read(decode, data), data, out)
        except Unreadable:
            if data.strip() not in NOTHING:
                self._break_off("The provider sent an event that can't be read.")


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
        data = b"".join(self._pieces).removeprefix(b"\xef\xbb\xbf")
        try:
            document = read(decode, data)
        except Unreadable:
            self._break_off("The provider's answer can't be read.")
            return out
        self._document(document, data, out)
        self._end(out)
        return out
