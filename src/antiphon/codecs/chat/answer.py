"""A Chat Completions answer as chunks: the stream, and the one document that says the same at once.

The look-alikes differ in small ways that are all met here: calls without index or id, arguments as objects,
usage on any chunk or none, reasoning under four names, a missing `[DONE]`. What ends a turn is
`finish_reason`; without one the answer is broken, however politely the connection closed.
"""

from typing import get_args

from msgspec import Raw

from antiphon.codecs.chat.calls import Calls
from antiphon.codecs.chat.state import Details, State
from antiphon.codecs.chat.think import ThinkTags
from antiphon.codecs.chat.wire import (
    CallPiece,
    Delta,
    Document,
    Logprobs,
    annotation_of,
    decode,
    decode_flat,
    decode_text,
    pictures_of,
)
from antiphon.codecs.logprobs import logprobs
from antiphon.codecs.mending import UNREADABLE, Unreadable, as_list, as_object, read
from antiphon.codecs.refusals import reported
from antiphon.codecs.sse import NOTHING, Reader
from antiphon.codecs.usage import chat_usage
from antiphon.errors import ProviderBroke, ProviderError
from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.content import JsonObject
from antiphon.types.profiles import Profile
from antiphon.types.responses import ServiceTier
from antiphon.types.turns import UpstreamRequest

_ENDINGS: dict[str, chunks.Stop] = {
    **dict.fromkeys(
        (
            *("stop", "tool_calls", "tool_call", "function_call", "tool_use", "tooluse"),
            *("end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed"),
        ),
        chunks.Stop("completed"),
    ),
    **dict.fromkeys(
        ("length", "max_tokens", "max_output_tokens", "model_length", "max_length", "model_context_window_exceeded"),
        chunks.Stop("incomplete", "max_output_tokens"),
    ),
    **dict.fromkeys(
        (
            *("content_filter", "content_filtered", "guardrail_intervened", "sensitive", "refusal"),
            *("safety", "recitation", "blocklist", "prohibited_content", "spii", "language"),
            *("image_safety", "image_prohibited_content", "image_recitation"),
        ),
        chunks.Stop("incomplete", "content_filter"),
    ),
}
"""finish_reason in lower case to the end of a turn, look-alikes' names among them (Bedrock's, GLM's, and Gemini's own,
which its compatible endpoint passes on); any other one is a failure."""

_TIERS: dict[str, str] = {**{tier: tier for tier in get_args(ServiceTier)}, "on_demand": "default"}
"""The names of tiers that the Responses API knows, and Groq's for the default."""


class _Answer:
    """What both kinds of answer share: one choice's story as chunks."""

    def __init__(self, sent: UpstreamRequest, profile: Profile) -> None:
        self.failure: ProviderError | None = None
        self._summarize = sent.summarize
        self._calls = Calls(sent.names)
        self._has_calls = False
        self._reasoning_field = ""
        self._tags = ThinkTags() if profile.think_tags else None
        self._replays = profile.replay_reasoning != "none"
        self._wants_details = profile.replay_reasoning == "reasoning_details"
        self._thoughts: list[str] = []  # what was reasoned since its state was last told, where it's wanted back
        self._details = Details()
        self._cited: list[Raw] = []  # annotations that came before the text
        self._is_at_text = False
        self._pictures: set[bytes] = set()
        self._tier: str | None = None
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
        usage = document.usage
        for choice in document.choices or ():
            if choice.error:
                self.failure = reported(choice.error)
                return
            said = choice.delta or choice.message
            if said is not None:
                self._said(said, choice.logprobs, out)
            self._finish = choice.finish_reason or self._finish
            if choice.usage is not None:
                usage = usage or as_object(choice.usage)
        if document.service_tier is not None:
            self._tier = _TIERS.get(document.service_tier, self._tier)
        if document.x_groq is not None:
            usage = usage or as_object(as_object(document.x_groq).get("usage"))
        if usage and (used := chat_usage(usage)):
            out.append(chunks.Used(used, self._tier))

    def _said(self, said: Delta, given: Logprobs | None, out: list[Chunk]) -> None:
        if thought := self._thought(said):
            self._reason(thought, out)
        if said.content:
            self._content(said.content, given, out)
        elif said.audio is not None and isinstance(words := as_object(said.audio).get("transcript"), str):
            self._text(words, None, out)
        if said.refusal:
            self._speak(out)
            out.append(chunks.Refused(said.refusal))
        if said.annotations:
            self._cite(said.annotations, out)
        for piece in said.tool_calls or ():
            self._has_calls = True
            self._call_piece(piece, out)
        if said.function_call is not None and not self._has_calls:
            # the older field; llama-cpp-python fills both with the same call (seen 2026-11-21)
            self._call_piece(CallPiece(0, None, said.function_call), out)
        if said.images is not None:
            self._picture(pictures_of(said.images), out)

    # text, citations, pictures

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
            elif isinstance(part.get("refusal"), str):
                self._speak(out)
                out.append(chunks.Refused(part["refusal"]))
            elif part.get("type") == "image_url":
                self._picture(pictures_of(part), out)

    def _text(self, text: str, given: Logprobs | None, out: list[Chunk]) -> None:
        if not text:
            return
        is_blank = text.isspace()
        if not is_blank:
            self._speak(out)
            self._is_at_text = True
        out.append(chunks.Text(text, logprobs(given.content or ())) if given else chunks.Text(text))
        if self._cited and not is_blank:
            out += [chunks.Annotated(annotation) for annotation in self._cited]
            self._cited.clear()

    def _cite(self, given: list[JsonObject], out: list[Chunk]) -> None:
        """Say annotations of the text; those that come before it wait for it."""
        found = [annotation for annotation in map(annotation_of, given) if annotation is not None]
        if self._is_at_text:
            out += [chunks.Annotated(annotation) for annotation in found]
        else:
            self._cited += found

    def _picture(self, items: list[Raw], out: list[Chunk]) -> None:
        """Say pictures that came along, each once."""
        for item in items:
            if bytes(item) not in self._pictures:
                self._speak(out)
                out.append(chunks.ItemClosed(f"picture {len(self._pictures)}", item))
                self._pictures.add(bytes(item))

    # reasoning

    def _reason(self, text: str, out: list[Chunk]) -> None:
        if text:
            self._said_something = True
            self._is_at_text = False
            if self._replays:
                self._thoughts.append(text)
            out.append(chunks.Summarized(text) if self._summarize else chunks.Thought(text))

    def _speak(self, out: list[Chunk], call: JsonObject | None = None) -> None:
        """Begin something else than reasoning, whose state is told first: it belongs to the item that ends here."""
        self._said_something, self._is_at_text = True, False
        self._tell_state(out, call)

    def _tell_state(self, out: list[Chunk], call: JsonObject | None = None) -> None:
        if self._owes_state or call:
            details = self._details.take()
            state = State("" if details else "".join(self._thoughts), details, call or None)
            self._thoughts.clear()
            if written := state.written():
                out.append(chunks.ThoughtState(written))

    @property
    def _owes_state(self) -> bool:
        return bool(self._thoughts or self._details)

    def _thought(self, said: Delta) -> str:
        """Return the reasoning of one field: servers that fill two of them repeat the same text."""
        if self._wants_details and said.reasoning_details:
            self._details.add(said.reasoning_details)
        for name in ("reasoning_content", "reasoning", "thinking"):
            text: str | None = getattr(said, name)
            if text and self._reasoning_field in {"", name}:
                self._reasoning_field = name
                return text
        if said.reasoning_details and self._reasoning_field in {"", "reasoning_details"}:
            self._reasoning_field = "reasoning_details"
            return "".join(str(part.get("text") or part.get("summary") or "") for part in said.reasoning_details)
        return ""

    def _call_piece(self, piece: CallPiece, out: list[Chunk]) -> None:
        before = len(out)
        self._calls.take(piece, out)
        if len(out) > before and type(out[before]) is chunks.CallOpened:
            opened = out[before:]
            del out[before:]
            self._speak(out, as_object(piece.extra_content))
            out += opened

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
        self._tell_state(out)
        out += self._calls.end(is_whole=stop.status == "completed")
        out.append(stop)


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
        if len(out) == before + 1 and type(last := out[-1]) is chunks.Text and not last.logprobs:
            is_plain = self._tags is None and self._said_something and not (self._owes_state or self._cited)
            self._is_text = is_plain  # so is the next one, mostly

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
        self._details = Details(are_whole=True)

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
