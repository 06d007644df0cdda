"""Our responses and events as messages and their stream.

Reasoning is a thinking block whose signature is the item's `encrypted_content`; each text part of a message is a
block, and so is each call. Blocks are told strictly one after the other: what comes for a later one waits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
from msgspec import UNSET, Raw

from antiphon.dialects.messages.wire import (
    BlockDelta,
    BlockOut,
    BlockStart,
    BlockStop,
    InputPiece,
    MessageDelta,
    MessageEnd,
    MessagesAnswer,
    MessagesEvent,
    MessageStart,
    MessageStop,
    MessagesUsage,
    RefusalDetails,
    SignaturePiece,
    StopReason,
    TextOut,
    TextPiece,
    ThinkingOut,
    ThinkingPiece,
    ThinkingTokens,
    ToolUseOut,
)
from antiphon.dialects.outcome import failure, item_of, items_of
from antiphon.errors import AntiphonError
from antiphon.types import events
from antiphon.types.content import OutputText, ReasoningText, Refusal
from antiphon.types.events import Event
from antiphon.types.items import CustomToolCall, FunctionCall, OutputItem, OutputMessage, Reasoning
from antiphon.types.responses import Response, Usage

_encode = msgspec.json.Encoder().encode
_encode_into = msgspec.json.Encoder().encode_into
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_EMPTY = Raw(b"{}")

GAP = "\n\n"
"""Between two parts of reasoning in one thinking block."""

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
"""What is sent into silence."""

_BEFORE_TEXT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":'
)
_AFTER_TEXT = b"}}\n\n"


# -- whole ----------------------------------------------------------------------------------------------------


def whole(response: Response) -> MessagesAnswer:
    """Return the message that a response is; one that failed is none (`outcome.failure`)."""
    items = items_of(response.output)
    end = _end(response, items)
    return MessagesAnswer(
        id=_id(response),
        model=response.model,
        content=[block for item in items for block in _blocks(item)],
        stop_reason=end.stop_reason,
        stop_details=end.stop_details,
        usage=_usage(response),
    )


def _blocks(item: OutputItem) -> Iterator[BlockOut]:
    match item:
        case Reasoning():
            thinking = GAP.join(part.text for part in [*item.summary, *(item.content or ())] if part.text)
            if thinking or item.encrypted_content:
                yield ThinkingOut(thinking=thinking, signature=item.encrypted_content or "")
        case OutputMessage(content=content):
            for part in content:
                yield TextOut(text=part.refusal if isinstance(part, Refusal) else part.text)
        case FunctionCall():
            yield ToolUseOut(id=item.call_id, name=item.name, input=_input(item.arguments))
        case CustomToolCall():
            yield ToolUseOut(id=item.call_id, name=item.name, input=_freeform(item))


def _input(arguments: str) -> Raw:
    """Return a call's arguments as an object: an empty one for a call that was cut, the text itself for no JSON."""
    try:
        _OBJECT.decode(arguments)
    except msgspec.ValidationError:
        return Raw(_encode({"_raw": arguments}))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _EMPTY
    return Raw(arguments.encode())


def _freeform(call: CustomToolCall) -> Raw:
    return Raw(_encode({"input": call.input}))


def _end(response: Response, items: Iterable[OutputItem]) -> MessageEnd:
    words: list[str] = []
    has_calls = False
    for item in items:
        has_calls = has_calls or isinstance(item, FunctionCall | CustomToolCall)
        if isinstance(item, OutputMessage):
            words += [part.refusal for part in item.content if isinstance(part, Refusal)]
    reason = response.incomplete_details.reason if response.incomplete_details else None
    stop: StopReason
    if words or reason == "content_filter":
        stop = "refusal"
    elif reason is not None:
        stop = "max_tokens"
    else:
        stop = "tool_use" if has_calls else "end_turn"
    details = RefusalDetails(explanation="".join(words) or None) if stop == "refusal" else None
    return MessageEnd(stop_reason=stop, stop_details=details)


def _usage(response: Response) -> MessagesUsage:
    usage = response.usage or Usage(input_tokens=0, output_tokens=0, total_tokens=0)
    read = usage.input_tokens_details
    return MessagesUsage(
        input_tokens=max(usage.input_tokens - read.cached_tokens - read.cache_write_tokens, 0),
        cache_creation_input_tokens=read.cache_write_tokens,
        cache_read_input_tokens=read.cached_tokens,
        output_tokens=usage.output_tokens,
        output_tokens_details=ThinkingTokens(thinking_tokens=usage.output_tokens_details.reasoning_tokens),
        service_tier="priority" if response.service_tier == "priority" else "standard",
    )


def _id(response: Response) -> str:
    return f"msg_{response.id.partition('_')[2]}"


# -- streamed -------------------------------------------------------------------------------------------------


class Stream:
    """Tells one response's events as server-sent events. `refusal` gives the body of an error."""

    def __init__(self, refusal: Callable[[AntiphonError], bytes]) -> None:
        self._refusal = refusal
        self._item = 0  # output_index of the item that is being told
        self._waiting: dict[int, list[Event]] = {}  # what came for later ones
        self._block = 0  # number of the block that is open, or will be
        self._is_open = False
        self._before_text = b""  # what a frame of the open block's text begins with
        self._gap = ""  # owed before the next piece of reasoning

    def tell(self, told: Sequence[Event]) -> bytearray:
        """Return the frames of some events, one after the other."""
        out = bytearray()
        for event in told:
            if type(event) is events.TextDelta and event.output_index == self._item:  # nearly all of a stream
                out += self._before_text
                _encode_into(event.delta, out, -1)
                out += _AFTER_TEXT
            else:
                self._take(event, out)
        return out

    def _take(self, event: Event, out: bytearray) -> None:
        match event:
            case events.Created(response=response):
                message = MessagesAnswer(id=_id(response), model=response.model, content=[], usage=_usage(response))
                _write("message_start", MessageStart(message=message), out)
            case events.Completed(response=response) | events.Incomplete(response=response):
                end = _end(response, items_of(response.output))
                usage = msgspec.structs.replace(_usage(response), service_tier=UNSET)  # told with the start
                _write("message_delta", MessageDelta(delta=end, usage=usage), out)
                _write("message_stop", MessageStop(), out)
            case events.Failed(response=response):
                error = failure(response)
                out += b"event: error\ndata: %b\n\n" % self._refusal(error) if error else b""
            case events.Queued() | events.InProgress() | events.Relayed():
                pass
            case _ if event.output_index == self._item:
                self._tell(event, out)
                while waiting := self._waiting.pop(self._item, None):
                    for later in waiting:
                        self._tell(later, out)
            case _:
                self._waiting.setdefault(event.output_index, []).append(event)

    def _tell(self, event: Event, out: bytearray) -> None:
        """Tell an event about the item whose turn it is."""
        match event:
            case events.ItemAdded(item=raw):
                item = item_of(raw)
                if isinstance(item, FunctionCall):
                    self._open(ToolUseOut(id=item.call_id, name=item.name, input=_EMPTY), out)
            case events.PartAdded(part=OutputText() | Refusal()):
                self._open(TextOut(text=""), out)
            case events.TextDelta(delta=text) | events.RefusalDelta(delta=text):
                self._go_on(TextPiece(text=text), out)
            case events.SummaryPartAdded() | events.PartAdded(part=ReasoningText()):
                self._gap = GAP if self._is_open else ""
            case events.SummaryDelta(delta=text) | events.ReasoningDelta(delta=text):
                self._think(text, out)
            case events.ArgumentsDelta(delta=text):
                self._go_on(InputPiece(partial_json=text), out)
            case events.PartDone(part=OutputText() | Refusal()):
                self._close(out)
            case events.ItemDone(item=raw):
                self._finish(item_of(raw), out)
            case _:
                pass

    def _think(self, text: str, out: bytearray) -> None:
        if not self._is_open:
            self._open(ThinkingOut(thinking="", signature=""), out)
        self._go_on(ThinkingPiece(thinking=self._gap + text), out)
        self._gap = ""

    def _finish(self, item: OutputItem | None, out: bytearray) -> None:
        """End an item: the turn is the next one's."""
        if isinstance(item, Reasoning) and item.encrypted_content:
            if not self._is_open:
                self._open(ThinkingOut(thinking="", signature=""), out)
            self._go_on(SignaturePiece(signature=item.encrypted_content), out)
        if isinstance(item, CustomToolCall):
            self._open(ToolUseOut(id=item.call_id, name=item.name, input=_EMPTY), out)
            self._go_on(InputPiece(partial_json=bytes(_freeform(item)).decode()), out)
        if self._is_open:
            self._close(out)
        self._item += 1
        self._gap = ""

    def _open(self, block: BlockOut, out: bytearray) -> None:
        self._is_open = True
        self._before_text = _BEFORE_TEXT % self._block
        _write("content_block_start", BlockStart(index=self._block, content_block=block), out)

    def _go_on(self, piece: TextPiece | ThinkingPiece | SignaturePiece | InputPiece, out: bytearray) -> None:
        _write("content_block_delta", BlockDelta(index=self._block, delta=piece), out)

    def _close(self, out: bytearray) -> None:
        _write("content_block_stop", BlockStop(index=self._block), out)
        self._is_open = False
        self._block += 1


def _write(name: str, event: MessagesEvent, out: bytearray) -> None:
    out += b"event: %b\ndata: " % name.encode()
    _encode_into(event, out, -1)
    out += b"\n\n"
