"""The emitter: chunks in, events out. It alone owns ids, numbers, order and the draft.

Whatever sequence of chunks it is given, the events it returns are a legal stream:

- the first is `response.created`, the last one terminal event, nothing comes after it;
- `sequence_number` counts from 0 without a gap;
- an item is added before anything is said about it, done exactly once, and its id, type and `output_index`
  never change; indexes are given in the order of `added`;
- a part is added and done inside its item, `content_index` counts from 0, deltas add up to the done text;
- at most one message or reasoning item is open at a time; calls stay open until they are closed or the turn
  stops, because some upstreams deliver a call's tail after other text;
- an item that was cut short has status `incomplete`, is the last one opened, and ends the response: what is
  said after a turn that was cut isn't heard, but for the tokens it took;
- the final snapshot's output is the list of the done items, byte for byte.

Every finished item is encoded once; `stored` holds the bytes for the store, which differ from the ones shown
only where a provider's reasoning state was not asked for.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Raw

from antiphon.engine.open_items import OpenCall, OpenMessage, OpenPassed, OpenReasoning
from antiphon.errors import AntiphonError
from antiphon.ids import item_id
from antiphon.types import chunks, events
from antiphon.types.chunks import Chunk, Key
from antiphon.types.content import OutputText, ReasoningText, Refusal, SummaryText
from antiphon.types.events import Event, Terminal
from antiphon.types.items import PREFIXES, OutputItem, OutputMessage, Phase, Reasoning, Status
from antiphon.types.responses import IncompleteDetails, Response, ResponseError, Usage

_encode = msgspec.json.Encoder().encode
_replace = msgspec.structs.replace

_NOTHING = chunks.Text("")
_UNENDED = ResponseError(code="server_error", message="The model's answer never ended.")
_UNEXPLAINED = ResponseError(code="server_error", message="The model failed without saying why.")

NOTES_KEY = "antiphon-notes"
"""The metadata key that tells what was left out, changed or estimated; present only when something was."""

MODEL_KEY = "antiphon-model"
"""The metadata key that tells which model answered; present only when the request named an alias."""


class Emitter:
    """The draft of one response and the events that tell its story."""

    def __init__(
        self,
        response: Response,
        *,
        show_state: bool = False,
        taken_call_ids: Iterable[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Begin a draft. `notes` may grow until `start`; `taken_call_ids` are those of the context."""
        self.response = response
        self.stored: list[tuple[str, Raw]] = []
        self.stop: chunks.Stop | None = None
        self.answered_by = ""
        """The full name of the model that the request was led to, where that was told."""
        self._notes = notes
        self._show_state = show_state
        self._call_ids = set(taken_call_ids)
        self._next = 0
        self._started = False
        self._ready = False  # started, and no longer queued
        self._over = False  # the turn was cut short, or the response has ended
        self._done: list[tuple[str, Raw, Raw] | None] = []  # by output_index: id, shown, stored
        self._open: OpenMessage | OpenReasoning | None = None
        self._calls: dict[Key, OpenCall | OpenPassed] = {}
        self._renamed: dict[str, str] = {}  # call ids of passed-on items that were taken, to the ones given instead
        self._blank = _NOTHING  # white space that becomes text only when text follows
        self._phase: Phase | None = None
        self._usage: chunks.Used | None = None

    # -- the response's own life ------------------------------------------------------------------------------

    @property
    def has_started(self) -> bool:
        """Whether the first events have been given out: from then on failure is an event."""
        return self._started

    @property
    def usage(self) -> Usage | None:
        """The tokens that the upstream reported so far."""
        return self._usage.usage if self._usage else None

    @property
    def output(self) -> list[Raw]:
        """The items finished so far, as shown."""
        return [done[1] for done in self._done if done is not None]

    def start(self) -> list[Event]:
        """Return the opening events, once; later calls return none."""
        if self._started:
            return []
        self._started = True
        self._ready = self.response.status != "queued"
        self.response = self._noted(self.response)
        first = events.Created(self._number(), self.response)
        kind = events.Queued if self.response.status == "queued" else events.InProgress
        return [first, kind(self._number(), self.response)]

    def begin(self) -> list[Event]:
        """Take a queued response to in_progress; none when it is already."""
        if self.response.status != "queued":
            return []
        opening = self.start()
        self._ready = True
        self.response = _replace(self.response, status="in_progress")
        return [*opening, events.InProgress(self._number(), self.response)]

    def add(self, said: Sequence[Chunk]) -> list[Event]:
        """Return the events that `said` makes, opening events first when they are still owed."""
        if self._ready:
            out: list[Event] = []
        else:
            out = self.begin() or self.start()
        for chunk in said:
            part = self._open
            if type(chunk) is chunks.Text and type(part) is OpenMessage and part.kind == "text":
                self._more_text(chunk, part, out)  # nearly all of a stream
            elif not self._over:
                self._take(chunk, out)
            elif isinstance(chunk, chunks.Used):
                self._usage = chunk
        return out

    def finish(self, now: int, estimate: Usage | None = None) -> list[Event]:
        """End the response as its `Stop` said; `estimate` counts when the upstream reported no usage.

        This and `interrupt` return nothing for a response that has ended: the first end counts.
        """
        if self.response.is_terminal:
            return []
        out = self.start()
        stop = self.stop or chunks.Stop("failed", error=_UNENDED)
        completed = stop.status == "completed"
        self._close_all(out, cut=not completed)
        # Some upstreams say "incomplete" and no more; the limit of tokens is by far its most common reason.
        reason = stop.reason or "max_output_tokens"
        self._end(
            status=stop.status,
            completed_at=now if completed else None,
            incomplete_details=IncompleteDetails(reason=reason) if stop.status == "incomplete" else None,
            error=(stop.error or _UNEXPLAINED) if stop.status == "failed" else None,
            usage=self.usage or estimate,
        )
        kinds: dict[str, type[Terminal]] = {"completed": events.Completed, "incomplete": events.Incomplete}
        kind = kinds.get(stop.status, events.Failed)
        out.append(kind(self._number(), self.response))
        return out

    def fail(self, error: AntiphonError) -> list[Event]:
        """End the response as failed, what was said so far kept.

        An end that was made but could not be stored, and so was never shown, is taken back: the one event
        returned then takes the place and the number of its terminal event.
        """
        cause = ResponseError(code=error.response_code, message=error.message)
        if self.response.is_terminal:
            self._end(status="failed", completed_at=None, incomplete_details=None, error=cause)
            return [events.Failed(self._next - 1, self.response)]
        self.stop = chunks.Stop("failed", error=cause)
        return self.finish(now=0)

    def interrupt(self, status: Literal["incomplete", "cancelled"], estimate: Usage | None = None) -> list[Event]:
        """End the response early: `incomplete` when its client left, `cancelled` when it was called off."""
        if self.response.is_terminal:
            return []
        out = self.start()
        self._close_all(out, cut=True)
        self._end(status=status, usage=self.usage or estimate)
        kind = events.Incomplete if status == "incomplete" else events.Failed
        out.append(kind(self._number(), self.response))
        return out

    def _end(self, **changes: object) -> None:
        self._over = True
        tier = self._usage.service_tier if self._usage else None
        self.stored = [(done[0], done[2]) for done in self._done if done is not None]
        self.response = self._noted(
            _replace(self.response, output=self.output, service_tier=tier or self.response.service_tier, **changes)
        )

    def _noted(self, response: Response) -> Response:
        told: dict[str, str] = {}
        if self._notes:
            told[NOTES_KEY] = "; ".join(self._notes)[:512]
        if self.answered_by and response.model not in {self.answered_by, self.answered_by.partition("/")[2]}:
            told[MODEL_KEY] = self.answered_by[:512]
        return _replace(response, metadata={**response.metadata, **told}) if told else response

    def _number(self) -> int:
        number = self._next
        self._next += 1
        return number

    # -- chunks -----------------------------------------------------------------------------------------------

    def _take(self, chunk: Chunk, out: list[Event]) -> None:  # noqa: C901, PLR0912 # a case for each kind of chunk
        match chunk:
            case chunks.Answered(model):
                self.answered_by = model
            case chunks.Text():
                self._text(chunk, out)
            case chunks.Thought(text):
                self._thought(text, out)
            case chunks.Summarized():
                self._summarized(chunk, out)
            case chunks.CallDelta(key, text):
                self._call_delta(key, text, out)
            case chunks.CallOpened():
                self._open_call(chunk, out)
            case chunks.CallClosed(key):
                self._close_call(key, out, "completed")
            case chunks.Refused(text):
                self._refused(text, out)
            case chunks.Annotated(annotation):
                self._annotated(annotation, out)
            case chunks.ThoughtState(state):
                self._thought_state(state, out)
            case chunks.Break(whole_item, phase):
                self._break(out, whole_item=whole_item, phase=phase)
            case chunks.ItemOpened(key, item):
                self._open_passed(key, item, out)
            case chunks.ItemNews():
                self._passed_news(chunk, out)
            case chunks.ItemClosed(key, item):
                self._close_passed(key, item, out)
            case chunks.Used():
                self._usage = chunk
            case chunks.Stop():
                self.stop = chunk
                self._over = chunk.status != "completed"
                self._close_all(out, cut=self._over)

    # -- messages ---------------------------------------------------------------------------------------------

    def _text(self, chunk: chunks.Text, out: list[Event]) -> None:
        """Begin a part of text, as soon as there is more than white space to say."""
        text = chunk.text
        if self._blank is not _NOTHING:
            text = self._blank.text + text
            chunk = chunks.Text(text, [*self._blank.logprobs, *chunk.logprobs])
        if not text or text.isspace():
            self._blank = chunk
            return
        self._more_text(chunk, self._open_part("text", out), out)

    def _more_text(self, chunk: chunks.Text, message: OpenMessage, out: list[Event]) -> None:
        text, logprobs = chunk.text, chunk.logprobs
        if text or logprobs:
            message.pieces.append(text)
            if logprobs:
                message.logprobs.extend(logprobs)
            out.append(events.TextDelta(self._next, message.id, message.index, len(message.parts), text, logprobs))
            self._next += 1

    def _refused(self, text: str, out: list[Event]) -> None:
        if not text:
            return
        message = self._open
        if not isinstance(message, OpenMessage) or message.kind != "refusal":
            message = self._open_part("refusal", out)
        message.pieces.append(text)
        out.append(events.RefusalDelta(self._number(), message.id, message.index, message.content_index, text))

    def _annotated(self, annotation: Raw, out: list[Event]) -> None:
        message = self._open
        if not isinstance(message, OpenMessage) or message.kind != "text":
            message = self._open_part("text", out)
        message.annotations.append(annotation)
        out.append(
            events.AnnotationAdded(
                self._number(),
                message.id,
                message.index,
                message.content_index,
                len(message.annotations) - 1,
                annotation,
            )
        )

    def _open_part(self, kind: str, out: list[Event]) -> OpenMessage:
        """Open a part of `kind`, in the open message or a new one."""
        message = self._open
        if not isinstance(message, OpenMessage):
            self._close_open(out, "completed")
            identity, index = self._place("message")
            message = self._open = OpenMessage(identity, index, self._phase)
            self._phase = None
            self._added(
                index, OutputMessage(id=identity, status="in_progress", content=[], phase=message.phase or UNSET), out
            )
        elif message.kind is not None:
            self._end_message_part(message, out)
        self._blank = _NOTHING
        message.kind = "refusal" if kind == "refusal" else "text"
        empty = Refusal(refusal="") if kind == "refusal" else OutputText(text="", logprobs=[])
        out.append(events.PartAdded(self._number(), message.id, message.index, message.content_index, empty))
        return message

    def _end_message_part(self, message: OpenMessage, out: list[Event]) -> None:
        place = message.content_index
        part = message.end_part()
        if isinstance(part, OutputText):
            out.append(
                events.TextDone(self._number(), message.id, message.index, place, part.text, part.logprobs or [])
            )
        else:
            out.append(events.RefusalDone(self._number(), message.id, message.index, place, part.refusal))
        out.append(events.PartDone(self._number(), message.id, message.index, place, part))

    # -- reasoning --------------------------------------------------------------------------------------------

    def _thought(self, text: str, out: list[Event]) -> None:
        if not text:
            return
        thinking = self._reasoning(out)
        if thinking.kind != "text":
            self._end_reasoning_part(thinking, out)
            thinking.kind = "text"
            out.append(
                events.PartAdded(
                    self._number(), thinking.id, thinking.index, len(thinking.content), ReasoningText(text="")
                )
            )
        thinking.pieces.append(text)
        out.append(events.ReasoningDelta(self._number(), thinking.id, thinking.index, len(thinking.content), text))

    def _summarized(self, chunk: chunks.Summarized, out: list[Event]) -> None:
        if not chunk.text:
            return
        thinking = self._reasoning(out)
        if thinking.kind != "summary" or thinking.part != chunk.part:
            self._end_reasoning_part(thinking, out)
            thinking.kind, thinking.part = "summary", chunk.part
            out.append(
                events.SummaryPartAdded(
                    self._number(), thinking.id, thinking.index, len(thinking.summary), SummaryText(text="")
                )
            )
        thinking.pieces.append(chunk.text)
        out.append(events.SummaryDelta(self._number(), thinking.id, thinking.index, len(thinking.summary), chunk.text))

    def _thought_state(self, state: str, out: list[Event]) -> None:
        thinking = self._reasoning(out)
        thinking.state = state

    def _reasoning(self, out: list[Event]) -> OpenReasoning:
        thinking = self._open
        if isinstance(thinking, OpenReasoning):
            return thinking
        self._close_open(out, "completed")
        self._blank = _NOTHING
        identity, index = self._place("reasoning")
        opened = self._open = OpenReasoning(identity, index)
        self._added(index, Reasoning(id=identity), out)
        return opened

    def _end_reasoning_part(self, thinking: OpenReasoning, out: list[Event]) -> None:
        if thinking.kind is None:
            return
        part = thinking.end_part()
        if isinstance(part, SummaryText):
            place = len(thinking.summary) - 1
            out.append(events.SummaryDone(self._number(), thinking.id, thinking.index, place, part.text))
            out.append(events.SummaryPartDone(self._number(), thinking.id, thinking.index, place, part))
            return
        place = len(thinking.content) - 1
        out.append(events.ReasoningDone(self._number(), thinking.id, thinking.index, place, part.text))
        out.append(events.PartDone(self._number(), thinking.id, thinking.index, place, part))

    # -- calls ------------------------------------------------------------------------------------------------

    def _open_call(self, opened: chunks.CallOpened, out: list[Event]) -> None:
        if isinstance(self._calls.get(opened.key), OpenCall):
            return
        self._release(opened.key, out)
        self._close_open(out, "completed")
        self._blank = _NOTHING
        identity, index = self._place("custom_tool_call" if opened.custom else "function_call")
        call_id = self._free_call_id(opened.call_id, index)
        call = self._calls[opened.key] = OpenCall(identity, index, call_id, opened)
        self._added(index, call.item("in_progress"), out)

    def _free_call_id(self, wanted: str, index: int) -> str:
        """Return `wanted`, or an id of our own when there is none or a call has it already."""
        free = wanted
        if not wanted or wanted in self._call_ids:
            free = item_id("call", self.response.id, "o", index)
        self._call_ids.add(free)
        return free

    def _call_delta(self, key: Key, text: str, out: list[Event]) -> None:
        call = self._calls.get(key)
        if not text or not isinstance(call, OpenCall):
            return
        call.pieces.append(text)
        kind = events.CustomInputDelta if call.opened.custom else events.ArgumentsDelta
        out.append(kind(self._number(), call.id, call.index, text))

    def _close_call(self, key: Key, out: list[Event], status: str) -> None:
        call = self._calls.get(key)
        if not isinstance(call, OpenCall):
            return
        text = "".join(call.pieces)
        if status == "completed" and not call.opened.custom and not text.strip():
            text += "{}"
            self._call_delta(key, "{}", out)  # a call without arguments: clients parse what they get
        del self._calls[key]
        item = call.item("completed" if status == "completed" else "incomplete")
        if call.opened.custom:
            out.append(events.CustomInputDone(self._number(), call.id, call.index, text))
        else:
            out.append(events.ArgumentsDone(self._number(), call.id, call.index, call.opened.name, text))
        self._finished(call.id, call.index, Raw(_encode(item)), None, out)

    # -- items that are only passed on ------------------------------------------------------------------------

    def _open_passed(self, key: Key, item: Raw, out: list[Event]) -> OpenPassed:
        fields = msgspec.json.decode(item)
        known = self._calls.get(key)
        if isinstance(known, OpenPassed) and known.speaks_of(fields):
            return known
        self._release(key, out)
        self._close_open(out, "completed")
        self._blank = _NOTHING
        kind, call_id = fields.get("type", ""), fields.get("call_id")
        identity, index = self._place(kind)
        if isinstance(call_id, str) and kind.endswith("_call"):
            self._renamed[call_id] = self._free_call_id(call_id, index)
        passed = OpenPassed(identity, index, kind, call_id, self._renamed.get(call_id, call_id), fields)
        self._calls[key] = passed
        item = Raw(_encode(passed.ours(fields)))
        out.append(events.ItemAdded(self._number(), index, item))
        return passed

    def _passed_news(self, news: chunks.ItemNews, out: list[Event]) -> None:
        passed = self._calls.get(news.key)
        if not isinstance(passed, OpenPassed):
            return
        ours = {"type": news.type, "item_id": passed.id, "output_index": passed.index}
        body = Raw(_encode({**news.fields, **ours, "sequence_number": self._number()}))
        out.append(events.Relayed(type=news.type, body=body))

    def _close_passed(self, key: Key, item: Raw, out: list[Event]) -> None:
        passed = self._open_passed(key, item, out)
        passed.fields = msgspec.json.decode(item)
        self._end_passed(key, passed, out)

    def _end_passed(self, key: Key, passed: OpenPassed, out: list[Event]) -> None:
        del self._calls[key]
        self._finished(passed.id, passed.index, Raw(_encode(passed.ours(passed.fields))), None, out)

    def _release(self, key: Key, out: list[Event]) -> None:
        """Finish what is open under `key`, because something else begins under it."""
        match self._calls.get(key):
            case OpenCall():
                self._close_call(key, out, "completed")
            case OpenPassed() as passed:
                passed.settle("completed")
                self._end_passed(key, passed, out)
            case None:
                pass

    # -- opening and closing ----------------------------------------------------------------------------------

    def _place(self, kind: str) -> tuple[str, int]:
        """Return the id and index of the next item."""
        index = len(self._done)
        self._done.append(None)
        return item_id(PREFIXES.get(kind, "item"), self.response.id, "o", index), index

    def _added(self, index: int, item: OutputItem, out: list[Event]) -> None:
        out.append(events.ItemAdded(self._number(), index, Raw(_encode(item))))

    def _finished(self, identity: str, index: int, shown: Raw, stored: Raw | None, out: list[Event]) -> None:
        self._done[index] = (identity, shown, stored or shown)
        out.append(events.ItemDone(self._number(), index, shown))

    def _break(self, out: list[Event], *, whole_item: bool, phase: Phase | None) -> None:
        opened = self._open
        if whole_item:
            self._close_open(out, "completed")
            self._phase = phase
        elif isinstance(opened, OpenMessage) and opened.kind is not None:
            self._end_message_part(opened, out)
        elif isinstance(opened, OpenReasoning):
            self._end_reasoning_part(opened, out)

    def _close_open(self, out: list[Event], status: str) -> None:
        """Finish the open message or reasoning, if there is one."""
        opened, self._open = self._open, None
        if isinstance(opened, OpenMessage):
            if opened.kind is not None:
                self._end_message_part(opened, out)
            item = opened.item("completed" if status == "completed" else "incomplete")
            self._finished(opened.id, opened.index, Raw(_encode(item)), None, out)
        elif opened is not None:
            self._end_reasoning_part(opened, out)
            stored = Raw(_encode(opened.item(with_state=True)))
            hidden = opened.state is not None and not self._show_state
            shown = Raw(_encode(opened.item(with_state=False))) if hidden else stored
            self._finished(opened.id, opened.index, shown, stored, out)

    def _close_all(self, out: list[Event], *, cut: bool) -> None:
        """Finish everything that is open, in order of index; when `cut`, the newest item is incomplete."""
        newest = len(self._done) - 1
        self._blank = _NOTHING
        for key, call in sorted(self._calls.items(), key=lambda pair: pair[1].index):
            if self._open is not None and self._open.index < call.index:
                self._close_open(out, "completed")
            status: Status = "incomplete" if cut and call.index == newest else "completed"
            if isinstance(call, OpenCall):
                self._close_call(key, out, status)
            else:
                call.settle(status, cut=cut)
                self._end_passed(key, call, out)
        if self._open is not None:
            self._close_open(out, "incomplete" if cut and self._open.index == newest else "completed")
