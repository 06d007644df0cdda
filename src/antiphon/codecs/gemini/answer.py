"""An answer of generateContent as chunks: the stream of `alt=sse`, and the one document that says the same at once.

Each event is a document like the whole one, whose parts are pieces; nothing says that an event is the last, so the
turn ends with the bytes, as the last `finishReason` said. Calls come whole. Parts of tools that ran at Google
(`executableCode`, `toolCall` and their results) and images are passed over.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from antiphon.codecs.gemini import trouble
from antiphon.codecs.gemini.grounding import Citation, Citations, Grounding, grounded, quoted
from antiphon.codecs.gemini.signatures import Signing
from antiphon.codecs.gemini.usage import Counts, usage
from antiphon.codecs.logprobs import Token, TopToken, logprobs
from antiphon.codecs.lowering import freeform_input
from antiphon.codecs.mending import UNREADABLE, Unreadable, read
from antiphon.codecs.refusals import redact
from antiphon.codecs.sse import NOTHING, Reader
from antiphon.errors import ProviderBroke, ProviderError, ProviderRefused
from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.content import JsonObject, Logprob
from antiphon.types.turns import ToolName, UpstreamRequest

_encode = msgspec.json.Encoder().encode

_FILTERED = chunks.Stop("incomplete", "content_filter")
_CUT = chunks.Stop("incomplete", "max_output_tokens")
_ENDINGS: dict[str, chunks.Stop] = {
    "STOP": chunks.Stop("completed"),
    "NO_IMAGE": chunks.Stop("completed"),
    "MAX_TOKENS": _CUT,
    "CONTINUATION": _CUT,
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION"),
        _FILTERED,
    ),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER"), _FILTERED),
}
"""finishReason to the end of a turn (google-genai 3.3); any other one, a malformed call above all, is a failure."""

_UNTOLD = "FINISH_REASON_UNSPECIFIED"

_USED_EVERY = 16
"""Pieces of text between two words on the tokens so far, which each of them has: telling all would cost as much as
the text. Whoever leaves in between is charged for a little less; the end has the whole."""


class _FunctionCall(Struct, rename="camel", gc=False):
    id: str | None = None
    name: str | None = None
    args: JsonObject | None = None
    partial_args: list[Any] | None = None
    will_continue: bool | None = None


class _Part(Struct, rename="camel", gc=False):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _FunctionCall | None = None


class _Content(Struct, gc=False):
    parts: list[_Part] | None = None


class _Token(Struct, rename="camel", gc=False):
    token: str = ""
    log_probability: float = 0.0


class _TopTokens(Struct, gc=False):
    candidates: list[_Token] | None = None


class _Logprobs(Struct, rename="camel", gc=False):
    chosen_candidates: list[_Token] | None = None
    top_candidates: list[_TopTokens] | None = None


class _Candidate(Struct, rename="camel", gc=False):
    content: _Content | None = None
    index: int | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: Grounding | None = None
    citation_metadata: Citations | None = None
    logprobs_result: _Logprobs | None = None


class _Feedback(Struct, rename="camel", gc=False):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Document(Struct, rename="camel", gc=False):
    """An event, or the whole answer."""

    candidates: list[_Candidate] | None = None
    usage_metadata: Counts | None = None
    prompt_feedback: _Feedback | None = None
    error: Any = None


class _OnlyText(Struct, rename="camel", gc=False):
    """A piece of text and nothing else: what else could be told is null or absent."""

    text: str
    thought: None = None
    thought_signature: None = None
    function_call: None = None


class _TextContent(Struct, gc=False):
    parts: tuple[_OnlyText]


class _TextCandidate(Struct, rename="camel", gc=False):
    content: _TextContent
    index: Literal[0] = 0
    finish_reason: None = None
    grounding_metadata: None = None
    citation_metadata: None = None
    logprobs_result: None = None


class _TextDocument(Struct, rename="camel", gc=False):
    """An event that is one piece of text: nearly all of a stream, so its type does the looking."""

    candidates: tuple[_TextCandidate]
    usage_metadata: Counts | None = None
    prompt_feedback: None = None
    error: None = None


_decode = msgspec.json.Decoder(_Document).decode
_decode_text = msgspec.json.Decoder(_TextDocument).decode
_WHOLE: msgspec.json.Decoder[_Document | list[_Document]] = msgspec.json.Decoder(_Document | list[_Document])


class _Answer:
    """What both kinds of answer share: one candidate's story as chunks."""

    def __init__(self, sent: UpstreamRequest) -> None:
        self.failure: ProviderError | None = None
        self._sent = sent
        self._signing = Signing()
        self._calls = 0
        self._cited: set[Citation] = set()
        self._finish = ""
        self._finish_words = ""
        self._said_something = False
        self._stopped = False

    def _is_over(self) -> bool:
        return self._stopped or self.failure is not None

    def _document(self, document: _Document, out: list[Chunk]) -> None:
        if document.error:
            self.failure = trouble.reported(document.error)
            return
        for candidate in document.candidates or ():
            if not candidate.index and self.failure is None:  # never more than one is asked for
                self._candidate(candidate, out)
        self._used(document.usage_metadata, out)
        feedback = document.prompt_feedback
        if feedback is not None and feedback.block_reason and not document.candidates:
            self._blocked(feedback.block_reason, feedback.block_reason_message)

    def _candidate(self, candidate: _Candidate, out: list[Chunk]) -> None:
        tokens = _logprobs(candidate.logprobs_result) if candidate.logprobs_result else []
        starts: list[int] = []  # of each part, in the message
        for part in (candidate.content and candidate.content.parts) or ():
            starts.append(sum(map(len, self._signing.message)) if candidate.grounding_metadata else 0)
            if part.function_call is not None:
                self._call(part.function_call, part.thought_signature, out)
            elif part.thought:
                self._thought(part.text or "", part.thought_signature, out)
            elif part.text is not None or part.thought_signature:
                self._text(part.text or "", tokens, part.thought_signature, out)
                tokens = []
        if tokens:
            self._text("", tokens, None, out)
        self._cite(candidate, starts, out)
        if candidate.finish_reason and candidate.finish_reason != _UNTOLD:
            self._finish, self._finish_words = candidate.finish_reason, candidate.finish_message or ""

    def _used(self, counts: Counts | None, out: list[Chunk]) -> None:
        if counts is not None and (used := usage(counts)):
            out.append(chunks.Used(used))

    def _blocked(self, reason: str, words: str | None) -> None:
        text = f"The provider blocked the prompt ({redact(reason)}){': ' + redact(words) if words else '.'}"
        self.failure = ProviderRefused(text, upstream_status=400, code="invalid_prompt")

    # text, thoughts and calls

    def _text(self, text: str, tokens: list[Logprob], signature: str | None, out: list[Chunk]) -> None:
        self._signing.text(text, signature)
        if not self._said_something:
            self._said_something = bool(text.strip())
        if tokens:
            out.append(chunks.Text(text, tokens))
        elif text:
            out.append(chunks.Text(text))

    def _thought(self, text: str, signature: str | None, out: list[Chunk]) -> None:
        if self._signing.is_in_message:
            _tell(self._signing.end_message(), out)
        if text:
            self._said_something = True
            out.append(chunks.Summarized(text))
        _tell(self._signing.thought(text, signature), out)

    def _call(self, call: _FunctionCall, signature: str | None, out: list[Chunk]) -> None:
        if call.partial_args is not None or call.will_continue:
            self.failure = ProviderBroke("The provider sent a call in pieces, which it was not asked for.")
            return
        if not call.name:
            return
        key = self._calls
        self._calls += 1
        if key and self._sent.one_call:
            return
        self._said_something = True
        _tell(self._signing.end_message(), out)
        _tell(self._signing.call(call.name, signature), out)
        known = self._sent.names.get(call.name) or ToolName(call.name)
        out.append(chunks.CallOpened(key, call.id or "", known.name, custom=known.custom, namespace=known.namespace))
        arguments = _encode(call.args or {}).decode()
        out.append(chunks.CallDelta(key, freeform_input(arguments) if known.custom else arguments))
        out.append(chunks.CallClosed(key))

    def _cite(self, candidate: _Candidate, starts: list[int], out: list[Chunk]) -> None:
        """Annotate the message that is open; each citation once, as some streams repeat them."""
        grounding, citations = candidate.grounding_metadata, candidate.citation_metadata
        if (grounding is None and citations is None) or not self._signing.is_in_message:
            return
        text = "".join(self._signing.message)
        if text.isspace():
            return
        found = [
            *(grounded(grounding, text, starts) if grounding else ()),
            *(quoted(citations, text) if citations else ()),
        ]
        for citation in found:
            if citation not in self._cited:
                self._cited.add(citation)
                out.append(chunks.Annotated(citation.raw()))

    # the end

    def _break_off(self, words: str) -> None:
        """Set the failure, unless the turn is over already."""
        if not self._is_over():
            self.failure = ProviderBroke(words)

    def _end(self, out: list[Chunk]) -> None:
        """Close the turn as `finishReason` said."""
        if self._is_over():
            return
        self._stopped = True
        stop = _ENDINGS.get(self._finish)
        if stop is None:
            how = f"ended with finishReason '{redact(self._finish)}'" if self._finish else "never ended"
            words = f": {redact(self._finish_words)}" if self._finish_words else "."
            self.failure = ProviderBroke(f"The provider's answer {how}{words}")
            return
        if stop.status == "completed" and not self._said_something:
            self.failure = ProviderBroke("The provider's answer is empty.", code="empty_answer")
            return
        if stop is _FILTERED:
            out.append(
                chunks.Refused(redact(self._finish_words) or f"The provider stopped this answer: {self._finish}.")
            )
        if stop is not _CUT:  # a message that was cut must stay the last item, which is told as incomplete
            _tell(self._signing.end_message(), out)
        out.append(stop)


class StreamParser(_Answer):
    """The answer to streamGenerateContent."""

    def __init__(self, sent: UpstreamRequest) -> None:
        super().__init__(sent)
        self._reader = Reader()
        self._is_text = False  # the last event was a piece of text

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

    def _read(self, events: list[bytes], out: list[Chunk]) -> None:
        if self._is_over():
            return
        message = self._signing.message
        for data in events:
            if self._is_text:
                try:
                    document = _decode_text(data)
                except UNREADABLE:
                    self._is_text = data in NOTHING  # or something else, which the long way reads
                else:
                    text = document.candidates[0].content.parts[0].text
                    if text:
                        message.append(text)
                        out.append(chunks.Text(text))
                        if not len(message) % _USED_EVERY:
                            self._used(document.usage_metadata, out)
                    continue
            self._read_any(data, out)
            if self._is_over():
                return

    def _read_any(self, data: bytes, out: list[Chunk]) -> None:
        before = len(out)
        try:
            document = _decode(data)
        except UNREADABLE:
            self._odd_event(data, out)
            return
        self._document(document, out)
        is_text = len(out) > before and type(out[before]) is chunks.Text
        self._is_text = is_text and self._said_something and self._signing.is_in_message  # so is the next, mostly

    def _odd_event(self, data: bytes, out: list[Chunk]) -> None:
        """Take the end of a stream that says so, an event that isn't quite JSON, or one that says nothing."""
        if data.startswith(b"[DONE]"):
            self._end(out)
            return
        try:
            self._document(read(_decode, data), out)
        except Unreadable:
            if data.strip() not in NOTHING:
                self._break_off("The provider sent an event that can't be read.")


class WholeParser(_Answer):
    """The answer to generateContent: one JSON document, or the array that a stream without `alt=sse` is."""

    def __init__(self, sent: UpstreamRequest) -> None:
        super().__init__(sent)
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
            found = read(_WHOLE.decode, data)
        except Unreadable:
            self._break_off("The provider's answer can't be read.")
            return out
        for document in found if isinstance(found, list) else [found]:
            if not self._is_over():
                self._document(document, out)
        self._end(out)
        return out


def _tell(state: str | None, out: list[Chunk]) -> None:
    if state is not None:
        out.append(chunks.ThoughtState(state))


def _logprobs(given: _Logprobs) -> list[Logprob]:
    """Return log probabilities; Gemini lists the chosen tokens and the alternatives apart."""
    tops = [top.candidates or [] for top in given.top_candidates or ()]
    chosen = given.chosen_candidates or []
    tops += [[]] * (len(chosen) - len(tops))
    return logprobs(
        Token(token.token, token.log_probability, None, [TopToken(one.token, one.log_probability) for one in top])
        for token, top in zip(chosen, tops, strict=False)
    )
