"""Our responses and events as chat completions and their chunks.

An answer has one message, so what stands in several of ours is told in one: texts of messages and of reasoning
are parted by a blank line, whole and streamed alike.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct

from antiphon.dialects.chat.wire import (
    CalledCustom,
    CalledFunction,
    ChatAnnotation,
    ChatAnswer,
    ChatCall,
    ChatCallDelta,
    ChatChoice,
    ChatChunkChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCustomCall,
    ChatDelta,
    ChatFunctionCall,
    ChatLogprobs,
    ChatUsage,
    CompletionDetails,
    CustomDelta,
    FinishReason,
    FunctionDelta,
    PromptDetails,
    UrlCitation,
)
from antiphon.dialects.outcome import failure, item_of, items_of
from antiphon.errors import AntiphonError
from antiphon.types import events
from antiphon.types.content import Logprob, OutputText, ReasoningText
from antiphon.types.events import Event
from antiphon.types.items import CustomToolCall, FunctionCall, OutputItem, OutputMessage, Reasoning
from antiphon.types.responses import Response, Usage

_encode_into = msgspec.json.Encoder().encode_into

GAP = "\n\n"
"""Between two messages of ours in one of theirs, and between two parts of reasoning."""

DONE = b"data: [DONE]\n\n"

_CONTENT = b'"content":'
_NO_TEXT = _CONTENT + b'""'


class _Citation(Struct):
    """An annotation; only those of type `url_citation` have a counterpart."""

    type: str
    url: str = ""
    title: str | None = None
    start_index: int = 0
    end_index: int = 0


_CITATION = msgspec.json.Decoder(_Citation)


# -- whole ----------------------------------------------------------------------------------------------------


def whole(response: Response) -> ChatCompletion:
    """Return the chat completion that a response is; one that failed is none (`outcome.failure`)."""
    items = items_of(response.output)
    messages = [item for item in items if isinstance(item, OutputMessage)]
    content, annotations = _content(messages)
    refusal = "".join(part.refusal for item in messages for part in item.content if not isinstance(part, OutputText))
    calls = [_call(item) for item in items if isinstance(item, FunctionCall | CustomToolCall)]
    answer = ChatAnswer(
        content=content or None,
        refusal=refusal or None,
        reasoning_content=GAP.join(_thoughts(items)) or UNSET,
        tool_calls=calls or UNSET,
        annotations=annotations or UNSET,
    )
    logprobs = _logprobs([prob for item in messages for part in item.content for prob in _probs(part)])
    choice = ChatChoice(message=answer, logprobs=logprobs, finish_reason=_finish_reason(response, bool(calls)))
    return ChatCompletion(
        id=_id(response),
        created=response.created_at,
        model=response.model,
        choices=[choice],
        usage=_usage(response.usage),
        service_tier=response.service_tier,
    )


def _content(messages: Iterable[OutputMessage]) -> tuple[str, list[ChatAnnotation]]:
    """Return the text of all messages, and the citations in it."""
    content, annotations = "", list[ChatAnnotation]()
    for message in messages:
        gap = GAP if content else ""
        for part in message.content:
            if isinstance(part, OutputText):
                annotations += _annotations(part.annotations, len(content) + len(gap))
                if part.text:
                    content, gap = content + gap + part.text, ""
    return content, annotations


def _annotations(given: Iterable[Raw], start: int) -> list[ChatAnnotation]:
    """Return the citations of a part that begins at character `start` of the content."""
    found: list[ChatAnnotation] = []
    for raw in given:
        try:
            told = _CITATION.decode(raw)
        except msgspec.ValidationError:
            continue  # of another kind, or odd: chat has citations of addresses and no others
        if told.type == "url_citation":
            cited = UrlCitation(
                start_index=start + told.start_index,
                end_index=start + told.end_index,
                title=told.title or "",
                url=told.url,
            )
            found.append(ChatAnnotation(url_citation=cited))
    return found


def _thoughts(items: Iterable[OutputItem]) -> list[str]:
    reasoning = [item for item in items if isinstance(item, Reasoning)]
    return [part.text for item in reasoning for part in [*item.summary, *(item.content or ())] if part.text]


def _call(item: FunctionCall | CustomToolCall) -> ChatCall:
    if isinstance(item, CustomToolCall):
        return ChatCustomCall(id=item.call_id, custom=CalledCustom(name=item.name, input=item.input))
    return ChatFunctionCall(id=item.call_id, function=CalledFunction(name=item.name, arguments=item.arguments))


def _probs(part: object) -> Sequence[Logprob]:
    return (part.logprobs or ()) if isinstance(part, OutputText) else ()


def _logprobs(given: Sequence[Logprob]) -> ChatLogprobs | None:
    return ChatLogprobs(content=list(given)) if given else None


def _finish_reason(response: Response, has_calls: bool) -> FinishReason:  # one of two facts
    if response.incomplete_details is not None:
        return "content_filter" if response.incomplete_details.reason == "content_filter" else "length"
    return "tool_calls" if has_calls else "stop"


def _usage(usage: Usage | None) -> ChatUsage | None:
    if usage is None:
        return None
    read, made = usage.input_tokens_details, usage.output_tokens_details
    return ChatUsage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=PromptDetails(
            cached_tokens=read.cached_tokens, cache_write_tokens=read.cache_write_tokens
        ),
        completion_tokens_details=CompletionDetails(reasoning_tokens=made.reasoning_tokens),
    )


def _id(response: Response) -> str:
    return f"chatcmpl-{response.id.partition('_')[2]}"


# -- streamed -------------------------------------------------------------------------------------------------


class Stream:
    """Tells one response's events as server-sent events.

    `refusal` gives the body of an error; with `usage`, the tokens come in a last chunk without choices. Citations
    come with the end, all at once: official clients can't add up lists whose entries have no number.
    """

    def __init__(self, refusal: Callable[[AntiphonError], bytes], *, usage: bool) -> None:
        self._refusal = refusal
        self._with_usage = usage
        self._response: Response | None = None
        self._before_text = self._after_text = b""  # what a frame of text is made of
        self._calls: dict[int, int] = {}  # output_index to the number of the call
        self._annotations: list[ChatAnnotation] = []
        self._length = 0  # characters of content so far
        self._message: int = -1  # output_index of the message that is being told
        self._part = 0  # the character of content at which its part begins
        self._gap = ""  # owed before the next text
        self._thought_gap = ""
        self._has_thought = False

    def tell(self, told: Sequence[Event]) -> bytearray:
        """Return the frames of some events, one after the other."""
        out = bytearray()
        for event in told:
            if type(event) is events.TextDelta:  # nearly all of a stream
                self._text(event, out)
            else:
                self._piece(event, out)
        return out

    def _text(self, event: events.TextDelta, out: bytearray) -> None:
        text = event.delta
        if text and self._gap:
            text, self._gap = self._gap + text, ""
        self._length += len(text)
        if event.logprobs:
            self._say(ChatDelta(content=text or UNSET), out, event.logprobs)
            return
        out += self._before_text
        _encode_into(text, out, -1)
        out += self._after_text

    def _piece(self, event: Event, out: bytearray) -> None:
        """Tell a piece of anything else."""
        match event:
            case events.ArgumentsDelta(output_index=index, delta=text):
                delta = ChatCallDelta(index=self._calls[index], function=FunctionDelta(arguments=text))
                self._say(ChatDelta(tool_calls=[delta]), out)
            case events.CustomInputDelta(output_index=index, delta=text):
                delta = ChatCallDelta(index=self._calls[index], custom=CustomDelta(input=text))
                self._say(ChatDelta(tool_calls=[delta]), out)
            case events.ReasoningDelta(delta=text) | events.SummaryDelta(delta=text):
                text, self._thought_gap, self._has_thought = self._thought_gap + text, "", True
                self._say(ChatDelta(reasoning_content=text), out)
            case events.RefusalDelta(delta=text):
                self._say(ChatDelta(refusal=text), out)
            case _:
                self._turn(event, out)

    def _turn(self, event: Event, out: bytearray) -> None:
        """Tell that something begins or ends."""
        match event:
            case events.Created(response=response):
                self._begin(response, out)
            case events.ItemAdded(output_index=index, item=raw):
                self._open(index, item_of(raw), out)
            case events.PartAdded(part=OutputText()):
                if event.output_index != self._message:
                    self._message, self._gap = event.output_index, GAP if self._length else ""
                self._part = self._length + len(self._gap)
            case events.PartAdded(part=ReasoningText()) | events.SummaryPartAdded():
                self._thought_gap = GAP if self._has_thought else ""
            case events.AnnotationAdded(annotation=raw):
                self._annotations += _annotations([raw], self._part)
            case events.Completed(response=response) | events.Incomplete(response=response):
                self._end(response, out)
            case events.Failed(response=response):
                error = failure(response)
                out += b"data: %b\n\n" % self._refusal(error) if error else b""
            case _:
                pass

    def _begin(self, response: Response, out: bytearray) -> None:
        self._response = response
        self._say(ChatDelta(role="assistant", content=None, refusal=None), out)
        frame = bytearray()
        self._say(ChatDelta(content=""), frame)
        before, self._after_text = bytes(frame).split(_NO_TEXT)  # it stands there once: quotes in a name are escaped
        self._before_text = before + _CONTENT

    def _open(self, index: int, item: OutputItem | None, out: bytearray) -> None:
        if not isinstance(item, FunctionCall | CustomToolCall):
            return
        number = self._calls[index] = len(self._calls)
        if isinstance(item, FunctionCall):
            function = FunctionDelta(name=item.name, arguments="")
            delta = ChatCallDelta(index=number, id=item.call_id, type="function", function=function)
        else:
            custom = CustomDelta(name=item.name, input="")
            delta = ChatCallDelta(index=number, id=item.call_id, type="custom", custom=custom)
        self._say(ChatDelta(tool_calls=[delta]), out)

    def _end(self, response: Response, out: bytearray) -> None:
        self._response = response
        delta = ChatDelta(annotations=self._annotations or UNSET)
        self._say(delta, out, finish=_finish_reason(response, bool(self._calls)))
        if self._with_usage:
            self._write([], _usage(response.usage), out)
        out += DONE

    def _say(
        self,
        delta: ChatDelta,
        out: bytearray,
        logprobs: Sequence[Logprob] = (),
        finish: FinishReason | None = None,
    ) -> None:
        choice = ChatChunkChoice(delta=delta, logprobs=_logprobs(logprobs), finish_reason=finish)
        self._write([choice], None, out)

    def _write(self, choices: list[ChatChunkChoice], usage: ChatUsage | None, out: bytearray) -> None:
        response = self._response
        if response is None:
            return
        chunk = ChatCompletionChunk(
            id=_id(response),
            created=response.created_at,
            model=response.model,
            choices=choices,
            usage=usage if self._with_usage else UNSET,
            service_tier=response.service_tier,
        )
        out += b"data: "
        _encode_into(chunk, out, -1)
        out += b"\n\n"
