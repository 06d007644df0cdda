"""The events of a response's stream, tagged as on the wire; numbers and ids are the emitter's business.

There is no `error` event: its two published shapes exclude each other (`docs/decisions/`), and a failure is told
by `response.failed`.

Made by position, in one order: the number, the item and its places, then what is said. A stream makes them by the
thousand, and names would cost more than the event.
"""

from collections.abc import Sequence
from typing import ClassVar, TypeAlias

from msgspec import Raw, Struct

from antiphon.types.content import Logprob, OutputText, ReasoningText, Refusal, SummaryText
from antiphon.types.responses import Response


class Created(Struct, frozen=True, gc=False, tag="response.created"):
    """The first event of every stream."""

    type: ClassVar[str] = "response.created"
    sequence_number: int
    response: Response


class Queued(Struct, frozen=True, gc=False, tag="response.queued"):
    """A background response waits for a runner."""

    type: ClassVar[str] = "response.queued"
    sequence_number: int
    response: Response


class InProgress(Struct, frozen=True, gc=False, tag="response.in_progress"):
    """The run has begun."""

    type: ClassVar[str] = "response.in_progress"
    sequence_number: int
    response: Response


class Completed(Struct, frozen=True, gc=False, tag="response.completed"):
    """The last event of a run that did what was asked."""

    type: ClassVar[str] = "response.completed"
    sequence_number: int
    response: Response


class Incomplete(Struct, frozen=True, gc=False, tag="response.incomplete"):
    """The last event of a run that was cut short."""

    type: ClassVar[str] = "response.incomplete"
    sequence_number: int
    response: Response


class Failed(Struct, frozen=True, gc=False, tag="response.failed"):
    """The last event of a run that failed, or was cancelled (then `response.status` says so)."""

    type: ClassVar[str] = "response.failed"
    sequence_number: int
    response: Response


class ItemAdded(Struct, frozen=True, gc=False, tag="response.output_item.added"):
    """An item begins; the ids it has now are final."""

    type: ClassVar[str] = "response.output_item.added"
    sequence_number: int
    output_index: int
    item: Raw


class ItemDone(Struct, frozen=True, gc=False, tag="response.output_item.done"):
    """An item is finished; these are the bytes that are stored."""

    type: ClassVar[str] = "response.output_item.done"
    sequence_number: int
    output_index: int
    item: Raw


class PartAdded(Struct, frozen=True, gc=False, tag="response.content_part.added"):
    """A content part begins, empty."""

    type: ClassVar[str] = "response.content_part.added"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: OutputText | Refusal | ReasoningText


class PartDone(Struct, frozen=True, gc=False, tag="response.content_part.done"):
    """A content part is finished, whole."""

    type: ClassVar[str] = "response.content_part.done"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: OutputText | Refusal | ReasoningText


class TextDelta(Struct, frozen=True, gc=False, tag="response.output_text.delta"):
    """A piece of text."""

    type: ClassVar[str] = "response.output_text.delta"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str
    logprobs: Sequence[Logprob] = ()


class TextDone(Struct, frozen=True, gc=False, tag="response.output_text.done"):
    """The whole text of a part."""

    type: ClassVar[str] = "response.output_text.done"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str
    logprobs: list[Logprob] = []


class AnnotationAdded(Struct, frozen=True, gc=False, tag="response.output_text.annotation.added"):
    """A citation or path belongs to a span of the text."""

    type: ClassVar[str] = "response.output_text.annotation.added"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    annotation_index: int
    annotation: Raw


class RefusalDelta(Struct, frozen=True, gc=False, tag="response.refusal.delta"):
    """A piece of a refusal."""

    type: ClassVar[str] = "response.refusal.delta"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str


class RefusalDone(Struct, frozen=True, gc=False, tag="response.refusal.done"):
    """A whole refusal."""

    type: ClassVar[str] = "response.refusal.done"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    refusal: str


class ArgumentsDelta(Struct, frozen=True, gc=False, tag="response.function_call_arguments.delta"):
    """A piece of a call's JSON text."""

    type: ClassVar[str] = "response.function_call_arguments.delta"
    sequence_number: int
    item_id: str
    output_index: int
    delta: str


class ArgumentsDone(Struct, frozen=True, gc=False, tag="response.function_call_arguments.done"):
    """A call's whole JSON text."""

    type: ClassVar[str] = "response.function_call_arguments.done"
    sequence_number: int
    item_id: str
    output_index: int
    name: str
    arguments: str


class CustomInputDelta(Struct, frozen=True, gc=False, tag="response.custom_tool_call_input.delta"):
    """A piece of a freeform call's input."""

    type: ClassVar[str] = "response.custom_tool_call_input.delta"
    sequence_number: int
    item_id: str
    output_index: int
    delta: str


class CustomInputDone(Struct, frozen=True, gc=False, tag="response.custom_tool_call_input.done"):
    """A freeform call's whole input."""

    type: ClassVar[str] = "response.custom_tool_call_input.done"
    sequence_number: int
    item_id: str
    output_index: int
    input: str


class ReasoningDelta(Struct, frozen=True, gc=False, tag="response.reasoning_text.delta"):
    """A piece of raw reasoning (Open Responses names this event `response.reasoning.delta`)."""

    type: ClassVar[str] = "response.reasoning_text.delta"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str


class ReasoningDone(Struct, frozen=True, gc=False, tag="response.reasoning_text.done"):
    """A whole part of raw reasoning."""

    type: ClassVar[str] = "response.reasoning_text.done"
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str


class SummaryPartAdded(Struct, frozen=True, gc=False, tag="response.reasoning_summary_part.added"):
    """A part of a reasoning summary begins."""

    type: ClassVar[str] = "response.reasoning_summary_part.added"
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    part: SummaryText


class SummaryPartDone(Struct, frozen=True, gc=False, tag="response.reasoning_summary_part.done"):
    """A part of a reasoning summary is finished."""

    type: ClassVar[str] = "response.reasoning_summary_part.done"
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    part: SummaryText


class SummaryDelta(Struct, frozen=True, gc=False, tag="response.reasoning_summary_text.delta"):
    """A piece of a reasoning summary."""

    type: ClassVar[str] = "response.reasoning_summary_text.delta"
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    delta: str


class SummaryDone(Struct, frozen=True, gc=False, tag="response.reasoning_summary_text.done"):
    """The whole text of a summary part."""

    type: ClassVar[str] = "response.reasoning_summary_text.done"
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    text: str


class Relayed(Struct, kw_only=True, frozen=True):
    """An upstream's own event about an item that we only pass on, its ids and numbers already ours."""

    type: str
    body: Raw


Terminal: TypeAlias = Completed | Incomplete | Failed

Event: TypeAlias = (
    Created
    | Queued
    | InProgress
    | Completed
    | Incomplete
    | Failed
    | ItemAdded
    | ItemDone
    | PartAdded
    | PartDone
    | TextDelta
    | TextDone
    | AnnotationAdded
    | RefusalDelta
    | RefusalDone
    | ArgumentsDelta
    | ArgumentsDone
    | CustomInputDelta
    | CustomInputDone
    | ReasoningDelta
    | ReasoningDone
    | SummaryPartAdded
    | SummaryPartDone
    | SummaryDelta
    | SummaryDone
    | Relayed
)
