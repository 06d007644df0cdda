"""A Messages answer as chunks: the stream, and the one message that says the same at once.

A message is a list of blocks, and each becomes what it is in the order that the upstream had them in. Blocks of text
that follow each other directly are one text, cut up so that each cut can have its citations: they become one part of a
message. A text behind anything else is a part or a message of its own.

A turn ends with `message_stop` after a `stop_reason`; bytes that end without it are a failure. A turn that was paused
(`pause_turn`: the provider's own tools took too many rounds) is told as cut by a limit, which is what it is.
"""

import msgspec
from msgspec import Raw

from antiphon.codecs.anthropic.blocks import (
    AnyBlock,
    CallBlock,
    PassedBlock,
    RedactedBlock,
    TextBlock,
    ThinkingBlock,
)
from antiphon.codecs.anthropic.refusals import reported
from antiphon.codecs.anthropic.usage import Tally
from antiphon.codecs.anthropic.wire import (
    Answer,
    Block,
    Event,
    decode_answer,
    decode_block,
    decode_event,
    decode_kind,
)
from antiphon.codecs.mending import UNREADABLE, Unreadable, read
from antiphon.codecs.sse import NOTHING, Reader
from antiphon.errors import ProviderBroke, ProviderError
from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.content import JsonObject
from antiphon.types.turns import ToolName, UpstreamRequest

_CUT = chunks.Stop("incomplete", "max_output_tokens")
_ENDINGS: dict[str, chunks.Stop] = {
    **dict.fromkeys(("end_turn", "stop_sequence", "tool_use"), chunks.Stop("completed")),
    **dict.fromkeys(("max_tokens", "model_context_window_exceeded", "pause_turn"), _CUT),
    "refusal": chunks.Stop("incomplete", "content_filter"),
}
"""stop_reason to the end of a turn; any other one is a failure."""

_NO_REASON = "The model declined to answer."
_UNREADABLE_EVENT = "The provider sent an event that can't be read."


class _Story:
    """What both kinds of answer share: blocks, tokens, and the end."""

    def __init__(self, sent: UpstreamRequest) -> None:
        self.failure: ProviderError | None = None
        self._names = sent.names
        self._open: dict[int | None, AnyBlock] = {}
        self._newest: AnyBlock | None = None
        self._ended_call: CallBlock | None = None
        self._calls = 0
        self._says_something = False  # a block that has ended
        self._answers = False  # text or a call among them
        self._tally = Tally()
        self._untold = False  # tokens that were counted and not told
        self._stop_reason: str | None = None
        self._stop_details: JsonObject | None = None
        self._stopped = False

    # blocks

    def _begin(self, index: int | None, raw: Raw, out: list[Chunk]) -> AnyBlock:
        """Open a block; the call before it was whole, for the model went on. Raises Unreadable."""
        kind = read(decode_kind, raw).type if raw else ""
        self._finish(index, out)
        self._settle(out, is_whole=True)
        if kind not in _BLOCKS:
            block: AnyBlock = PassedBlock()
        else:
            block = self._made(read(decode_block, raw), out)
        self._open[index] = self._newest = block
        return block

    def _made(self, begun: Block, out: list[Chunk]) -> AnyBlock:
        match begun.type:
            case "text":
                return self._text(begun, out)
            case "thinking":
                return ThinkingBlock(begun, out)
            case "redacted_thinking":
                return RedactedBlock(begun)
            case _ if begun.name:
                self._calls += 1
                tool = self._names.get(begun.name) or ToolName(begun.name)
                return CallBlock(begun, self._calls - 1, tool, out)
            case _:
                return PassedBlock()

    def _text(self, begun: Block, out: list[Chunk]) -> TextBlock:
        before = self._newest
        if isinstance(before, TextBlock):
            return TextBlock(begun, before.end, out)
        if before is not None and not before.is_something and self._answers:
            out.append(chunks.Break(whole_item=False))
        return TextBlock(begun, 0, out)

    def _finish(self, index: int | None, out: list[Chunk]) -> None:
        block = self._open.pop(index, None)
        if block is None:
            return
        block.finish(out)
        if block.is_something:
            self._says_something = True
            self._answers = self._answers or isinstance(block, TextBlock | CallBlock)
        if isinstance(block, CallBlock):
            self._settle(out, is_whole=True)
            self._ended_call = block

    def _settle(self, out: list[Chunk], *, is_whole: bool) -> None:
        """Say the rest of the call that ended last."""
        call, self._ended_call = self._ended_call, None
        if call is not None:
            call.settle(out, is_whole=is_whole)

    @property
    def _is_something(self) -> bool:
        return self._says_something or any(block.is_something for block in self._open.values())

    # tokens

    def _count(self, usage: JsonObject | None) -> None:
        if usage:
            self._tally.add(usage)
            self._untold = True

    def _tell_tokens(self, out: list[Chunk]) -> None:
        """Tell the tokens so far, once something was shown: before that, another provider may still be asked."""
        if self._untold and self._is_something and (used := self._tally.used()):
            self._untold = False
            out.append(used)

    # the end

    def _stops(self, reason: str | None, details: JsonObject | None) -> None:
        self._stop_reason = reason or self._stop_reason
        self._stop_details = details or self._stop_details

    def _fail(self, error: ProviderError, out: list[Chunk]) -> None:
        """Set the failure, unless the turn is over already."""
        if not self._is_over():
            self._tell_tokens(out)
            self.failure = error

    def _is_over(self) -> bool:
        return self._stopped or self.failure is not None

    def _end(self, out: list[Chunk]) -> None:
        """Close the turn as `stop_reason` said."""
        stop = _ENDINGS.get(self._stop_reason or "")
        if stop is None:
            how = f"ended with stop_reason '{self._stop_reason}'" if self._stop_reason else "never ended"
            self._fail(ProviderBroke(f"The provider's answer {how}."), out)
            return
        is_whole = stop.status == "completed"
        for index in list(self._open):
            self._settle(out, is_whole=is_whole)
            self._finish(index, out)
        self._settle(out, is_whole=is_whole)
        if stop.reason == "content_filter" and not self._answers:
            self._says_something = True
            out.append(chunks.Refused(self._explanation()))
        if stop.status == "completed" and not self._says_something:
            self._fail(ProviderBroke("The provider's answer is empty.", code="empty_answer"), out)
            return
        self._says_something = True  # the end is something too: tokens are told with it
        self._tell_tokens(out)
        self._stopped = True
        out.append(stop)

    def _explanation(self) -> str:
        told = (self._stop_details or {}).get("explanation")
        return told if isinstance(told, str) and told.strip() else _NO_REASON


_BLOCKS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})


class StreamParser(_Story):
    """The answer to `stream: true`."""

    def __init__(self, sent: UpstreamRequest) -> None:
        super().__init__(sent)
        self._reader = Reader()

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the chunks completed by `data`."""
        out: list[Chunk] = []
        self._read(self._reader.feed(data), out)
        if self._reader.is_too_large:
            self._fail(ProviderBroke("The provider sent an event that is too large."), out)
        return out

    def close(self) -> list[Chunk]:
        """Return what was held back; a turn without its end becomes `failure`."""
        out: list[Chunk] = []
        self._read(self._reader.close(), out)
        self._fail(ProviderBroke("The provider's answer never ended."), out)
        return out

    def _read(self, events: list[bytes], out: list[Chunk]) -> None:
        if self._is_over():
            return
        for data in events:
            try:
                event = decode_event(data)
            except UNREADABLE:
                self._odd_event(data, out)
            else:
                piece = event.delta
                if piece is not None and piece.type == "text_delta":
                    block = self._open.get(event.index)
                    if type(block) is TextBlock and block.has_words and (text := piece.text):
                        block.end += len(text)
                        out.append(chunks.Text(text))  # nearly all of a stream
                        continue
                self._take(event, out)
            if self._is_over():
                return

    def _odd_event(self, data: bytes, out: list[Chunk]) -> None:
        """Read an event that is no proper JSON, says nothing, or is of a kind that isn't ours."""
        if data.strip() in NOTHING or data.startswith(b"[DONE]"):
            return
        try:
            if read(decode_kind, data).type in _EVENTS:
                self._take(read(decode_event, data), out)
        except Unreadable:
            self._fail(ProviderBroke(_UNREADABLE_EVENT), out)

    def _take(self, event: Event, out: list[Chunk]) -> None:
        try:
            match event.type:
                case "content_block_delta":
                    self._more(event, out)
                case "content_block_start":
                    self._begin(event.index, event.content_block, out)
                case "content_block_stop":
                    self._finish(event.index, out)
                case "message_start":
                    self._count(read(decode_answer, event.message).usage if event.message else None)
                case "message_delta":
                    self._closing(event, out)
                case "message_stop":
                    self._end(out)
                case "error":
                    self._fail(reported(event.error), out)
                case _ if event.error:
                    self._fail(reported(event.error), out)
                case _:
                    pass  # a ping, or an event newer than we are
        except Unreadable:
            self._fail(ProviderBroke(_UNREADABLE_EVENT), out)

    def _more(self, event: Event, out: list[Chunk]) -> None:
        """Take a delta of a block; text and thinking that were never announced are taken as well."""
        piece = event.delta
        if piece is None:
            return
        block = self._open.get(event.index)
        if block is None:
            raw = _UNANNOUNCED.get(piece.type)
            if raw is None:
                return
            block = self._begin(event.index, raw, out)
        block.take(piece, out)

    def _closing(self, event: Event, out: list[Chunk]) -> None:
        if event.delta is not None:
            self._stops(event.delta.stop_reason, event.delta.stop_details)
        self._count(event.usage)
        stop = _ENDINGS.get(self._stop_reason or "")
        if stop is not None:
            self._settle(out, is_whole=stop.status == "completed")
        self._tell_tokens(out)


_EVENTS = frozenset(
    {
        "content_block_delta",
        "content_block_start",
        "content_block_stop",
        "message_start",
        "message_delta",
        "message_stop",
        "error",
    }
)
_UNANNOUNCED = {"text_delta": Raw(b'{"type":"text"}'), "thinking_delta": Raw(b'{"type":"thinking"}')}


class WholeParser(_Story):
    """The answer to `stream: false`: one message."""

    def __init__(self, sent: UpstreamRequest) -> None:
        super().__init__(sent)
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[Chunk]:
        """Keep `data`; a message says nothing before its end."""
        self._pieces.append(data)
        return []

    def close(self) -> list[Chunk]:
        """Return the whole answer."""
        out: list[Chunk] = []
        try:
            self._tell(read(decode_answer, b"".join(self._pieces).removeprefix(b"\xef\xbb\xbf")), out)
        except Unreadable:
            self._fail(ProviderBroke("The provider's answer can't be read."), out)
        return out

    def _tell(self, answer: Answer, out: list[Chunk]) -> None:
        if answer.error or answer.type == "error":
            self._fail(reported(answer.error), out)
            return
        content = answer.content or ()
        if isinstance(content, str):
            content = [Raw(msgspec.json.encode({"type": "text", "text": content}))]
        for index, raw in enumerate(content):
            self._begin(index, raw, out)
            self._finish(index, out)
        self._count(answer.usage)
        self._stops(answer.stop_reason, answer.stop_details)
        self._end(out)
