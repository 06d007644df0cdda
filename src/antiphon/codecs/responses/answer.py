"""A Responses answer as chunks: the stream, and the one object that says the same at once.

Look-alikes break nearly every promise of the format, and each is met here. What is said twice, as deltas, as `done`
and in the final snapshot, is passed on once, from whichever comes first. An event belongs to the item whose id it
bears; ids that nobody knows (some servers make a new one for every event) give way to `output_index`, that to the
newest open item of its kind, and when there is none, to an item that was never announced.

A turn ends with a terminal event. The worst of what its name, its `status`, `error` and `incomplete_details` say
counts; bytes that end without one are a failure. An answer that is `incomplete` without a reason that the API knows
gets `max_output_tokens`: a cut is what servers that name none mean, and `content_filter` would accuse without proof.
"""

from collections.abc import Callable
from typing import get_args

from antiphon.codecs.mending import UNREADABLE, Unreadable, as_object, read
from antiphon.codecs.refusals import reported
from antiphon.codecs.responses.items import Items, Known, is_passed_on
from antiphon.codecs.responses.wire import (
    Answer,
    Event,
    Part,
    Place,
    decode_answer,
    decode_event,
    decode_object,
    decode_place,
    is_there,
    json_text,
)
from antiphon.codecs.sse import NOTHING, Reader
from antiphon.codecs.usage import responses_usage
from antiphon.errors import ProviderBroke, ProviderError
from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.profiles import Profile
from antiphon.types.responses import IncompleteReason
from antiphon.types.turns import UpstreamRequest

_REASONS: dict[object, IncompleteReason] = {
    **{reason: reason for reason in get_args(IncompleteReason)},
    "safety": "content_filter",
}


class _Story:
    """What both kinds of answer share: items, and the end."""

    def __init__(self, sent: UpstreamRequest, profile: Profile) -> None:
        self.failure: ProviderError | None = None
        self._items = Items(sent.names, keeps_thoughts=profile.replay_reasoning != "none")
        self._stopped = False

    def _end(self, kind: str, answer: Answer, out: list[Chunk]) -> None:
        """Close the turn as its last event (`kind`) and the response in it say. Raises Unreadable."""
        stop = _ending(kind, answer)
        used = responses_usage(answer.usage) if answer.usage else None
        if isinstance(stop, ProviderError):
            if used and self._items.are_something:  # else nothing was shown yet, and another provider may be asked
                out.append(chunks.Used(used, answer.service_tier))
            self._fail(stop)
            return
        self._items.snapshot(answer.output or (), out, is_whole=stop.status == "completed")
        if used:
            out.append(chunks.Used(used, answer.service_tier))
        if stop.status == "completed" and not self._items.are_something:
            self._fail(ProviderBroke("The provider's answer is empty.", code="empty_answer"))
            return
        self._stopped = True
        out.append(stop)

    def _fail(self, error: ProviderError) -> None:
        """Set the failure, unless the turn is over already."""
        if not self._stopped and self.failure is None:
            self.failure = error


class StreamParser(_Story):
    """The answer to `stream: true`."""

    def __init__(self, sent: UpstreamRequest, profile: Profile) -> None:
        super().__init__(sent, profile)
        self._reader = Reader()

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the chunks completed by `data`."""
        out: list[Chunk] = []
        self._read(self._reader.feed(data), out)
        if self._reader.is_too_large:
            self._fail(ProviderBroke("The provider sent an event that is too large."))
        return out

    def close(self) -> list[Chunk]:
        """Return what was held back; a turn without its end becomes `failure`."""
        out: list[Chunk] = []
        self._read(self._reader.close(), out)
        self._fail(ProviderBroke("The provider's answer never ended."))
        return out

    def _read(self, events: list[bytes], out: list[Chunk]) -> None:
        items = self._items
        for data in events:
            if self._stopped or self.failure is not None:
                return
            try:
                event = decode_event(data)
            except UNREADABLE:
                self._read_odd(data, out)
                continue
            if event.type == "response.output_text.delta" and (text := items.more_text(event)):
                out.append(chunks.Text(text))
            else:
                self._take(event, data, out)

    def _read_odd(self, data: bytes, out: list[Chunk]) -> None:
        """Read an event that is no proper JSON, or that uses our field names for something else."""
        if data.strip() in NOTHING or data.startswith(b"[DONE]"):
            return
        try:
            place = read(decode_place, data)
            if place.type in _OURS:
                self._take(read(decode_event, data), data, out)
            else:
                self._news(place, data, out)
        except Unreadable:
            self._fail(ProviderBroke("The provider sent an event that can't be read."))

    def _take(self, event: Event, data: bytes, out: list[Chunk]) -> None:
        handler = _HANDLERS.get(event.type)
        try:
            if handler is not None:
                handler(self._items, event, out)
            elif event.type in _ENDINGS:
                answer = read(decode_answer, event.response) if is_there(event.response) else Answer()
                answer.error = answer.error or event.error
                self._end(_ENDINGS[event.type], answer, out)
            elif event.type in _ERRORS or (event.error and not event.type):
                self._fail(reported(event.error or {"message": event.message, "code": event.code}))
            else:
                self._news(Place(event.type, event.output_index, event.item_id), data, out)
        except Unreadable:
            self._fail(ProviderBroke("The provider sent an event that can't be read."))

    def _news(self, place: Place, data: bytes, out: list[Chunk]) -> None:
        """Pass on an event about an item that is passed on; other events that are unknown say nothing to us."""
        item = self._items.find(place.item_id, place.output_index)
        if item is not None and is_passed_on(item):
            out.append(chunks.ItemNews(item.key, place.type, read(decode_object, data)))


class WholeParser(_Story):
    """The answer to `stream: false`: one response object."""

    def __init__(self, sent: UpstreamRequest, profile: Profile) -> None:
        super().__init__(sent, profile)
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[Chunk]:
        """Keep `data`; an object says nothing before its end."""
        self._pieces.append(data)
        return []

    def close(self) -> list[Chunk]:
        """Return the whole answer."""
        out: list[Chunk] = []
        try:
            answer = read(decode_answer, b"".join(self._pieces).removeprefix(b"\xef\xbb\xbf"))
            if answer.object == "error" or answer.type == "error":
                answer.error = answer.error or {"message": answer.message, "code": answer.code}
            self._end(answer.status or ("completed" if answer.output else "nothing"), answer, out)
        except Unreadable:
            self._fail(ProviderBroke("The provider's answer can't be read."))
        return out


def _ending(kind: str, answer: Answer) -> chunks.Stop | ProviderError:
    """Return how a turn ended: the worst of all that is said about it counts."""
    told = {kind, answer.status}
    if "failed" in told or _is_error(answer.error):
        return reported(answer.error)
    if "cancelled" in told:
        return ProviderBroke("The provider cancelled its answer.")
    reason = answer.incomplete_details.get("reason") if answer.incomplete_details else None
    if "incomplete" in told or reason:
        known = _REASONS.get(reason) if isinstance(reason, str) else None
        return chunks.Stop("incomplete", known or "max_output_tokens")
    if kind != "completed":
        return ProviderBroke("The provider's answer never ended.")
    return chunks.Stop("completed")


def _is_error(error: object) -> bool:
    """Say whether something is said under `error`: some servers send an object of nulls with every answer."""
    return any(as_object(error).values()) or (bool(error) and not isinstance(error, dict))


# -- events ---------------------------------------------------------------------------------------------------


def _item(items: Items, event: Event, kind: str) -> tuple[Known, int]:
    """Return the item of `kind` that an event is about, and the part of it."""
    index = event.summary_index if event.content_index is None else event.content_index
    return items.of(kind, event.item_id, event.output_index), index or 0


def _added(items: Items, event: Event, out: list[Chunk]) -> None:
    if is_there(event.item):
        items.begin(event.item, event.output_index, out)


def _done(items: Items, event: Event, out: list[Chunk]) -> None:
    if is_there(event.item):
        items.end(event.item, event.output_index, out)


def _part_done(items: Items, event: Event, out: list[Chunk]) -> None:
    if event.part is None:
        return
    if event.part.type == "reasoning_text":
        items.thought_whole(*_item(items, event, "reasoning"), event.part.text, out)
    else:
        items.part(*_item(items, event, "message"), event.part, out)


def _text_done(items: Items, event: Event, out: list[Chunk]) -> None:
    items.part(*_item(items, event, "message"), Part("output_text", event.text, logprobs=event.logprobs), out)


def _text_delta(items: Items, event: Event, out: list[Chunk]) -> None:
    item, index = _item(items, event, "message")
    items.text(item, index, event.words, event.logprobs, out)


def _annotation_added(items: Items, event: Event, out: list[Chunk]) -> None:
    if event.annotation:
        items.cite(*_item(items, event, "message"), event.annotation, out)


def _refusal_delta(items: Items, event: Event, out: list[Chunk]) -> None:
    items.refused(*_item(items, event, "message"), event.words, out)


def _refusal_done(items: Items, event: Event, out: list[Chunk]) -> None:
    items.part(*_item(items, event, "message"), Part("refusal", event.text, event.refusal), out)


def _thought_delta(items: Items, event: Event, out: list[Chunk]) -> None:
    items.thought_delta(*_item(items, event, "reasoning"), event.words, out)


def _thought_done(items: Items, event: Event, out: list[Chunk]) -> None:
    items.thought_whole(*_item(items, event, "reasoning"), event.text, out)


def _summary_delta(items: Items, event: Event, out: list[Chunk]) -> None:
    items.summarized(*_item(items, event, "reasoning"), event.words, out)


def _summary_done(items: Items, event: Event, out: list[Chunk]) -> None:
    text = event.text if event.part is None else event.part.text
    items.summarized_whole(*_item(items, event, "reasoning"), text, out)


def _arguments_delta(items: Items, event: Event, out: list[Chunk]) -> None:
    items.argue(_item(items, event, "function_call")[0], json_text(event.delta), out)


def _arguments_done(items: Items, event: Event, out: list[Chunk]) -> None:
    items.argue_whole(_item(items, event, "function_call")[0], json_text(event.arguments), out)


def _input_delta(items: Items, event: Event, out: list[Chunk]) -> None:
    items.argue(_item(items, event, "custom_tool_call")[0], event.words, out)


def _input_done(items: Items, event: Event, out: list[Chunk]) -> None:
    items.argue_whole(_item(items, event, "custom_tool_call")[0], event.input, out)


_HANDLERS: dict[str, Callable[[Items, Event, list[Chunk]], None]] = {
    "response.output_item.added": _added,
    "response.output_item.done": _done,
    "response.content_part.done": _part_done,
    "response.output_text.delta": _text_delta,
    "response.output_text.done": _text_done,
    "response.output_text.annotation.added": _annotation_added,
    "response.refusal.delta": _refusal_delta,
    "response.refusal.done": _refusal_done,
    "response.reasoning_text.delta": _thought_delta,
    "response.reasoning_text.done": _thought_done,
    "response.reasoning.delta": _thought_delta,  # the name in Open Responses
    "response.reasoning.done": _thought_done,
    "response.reasoning_summary_text.delta": _summary_delta,
    "response.reasoning_summary_text.done": _summary_done,
    "response.reasoning_summary_part.done": _summary_done,
    "response.reasoning_summary.delta": _summary_delta,  # the name in OpenAI's first releases
    "response.reasoning_summary.done": _summary_done,
    "response.function_call_arguments.delta": _arguments_delta,
    "response.function_call_arguments.done": _arguments_done,
    "response.custom_tool_call_input.delta": _input_delta,
    "response.custom_tool_call_input.done": _input_done,
}
_ENDINGS = {f"response.{kind}": kind for kind in ("completed", "incomplete", "failed", "cancelled")}
_ERRORS = frozenset({"error", "response.error"})
_OURS = frozenset({*_HANDLERS, *_ENDINGS, *_ERRORS, ""})
