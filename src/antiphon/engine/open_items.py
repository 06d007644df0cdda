"""Items that the emitter has begun and not finished yet: what was said so far, and the item that it makes."""

from dataclasses import dataclass, field
from typing import Literal

from msgspec import UNSET, Raw

from antiphon.types import chunks
from antiphon.types.content import JsonObject, Logprob, OutputPart, OutputText, ReasoningText, Refusal, SummaryText
from antiphon.types.items import CustomToolCall, FunctionCall, OutputMessage, Phase, Reasoning, Status


@dataclass(slots=True)
class OpenMessage:
    """A message: finished parts, and the one that is being written (`kind` is None between parts)."""

    id: str
    index: int
    phase: Phase | None
    parts: list[OutputPart] = field(default_factory=list)
    kind: Literal["text", "refusal"] | None = None
    pieces: list[str] = field(default_factory=list)
    logprobs: list[Logprob] = field(default_factory=list)
    annotations: list[Raw] = field(default_factory=list)

    @property
    def content_index(self) -> int:
        return len(self.parts)

    def end_part(self) -> OutputPart:
        """Finish the open part and return it."""
        text = "".join(self.pieces)
        part: OutputPart
        if self.kind == "refusal":
            part = Refusal(refusal=text)
        else:
            part = OutputText(text=text, annotations=self.annotations, logprobs=self.logprobs)
        self.parts.append(part)
        self.kind, self.pieces, self.logprobs, self.annotations = None, [], [], []
        return part

    def item(self, status: Status) -> OutputMessage:
        return OutputMessage(id=self.id, status=status, content=self.parts, phase=self.phase or UNSET)


@dataclass(slots=True)
class OpenReasoning:
    """Reasoning: summary parts, raw text, and the provider's state.

    `part` is the upstream's number of the open summary part.
    """

    id: str
    index: int
    summary: list[SummaryText] = field(default_factory=list)
    content: list[ReasoningText] = field(default_factory=list)
    kind: Literal["summary", "text"] | None = None
    part: int = 0
    pieces: list[str] = field(default_factory=list)
    state: str | None = None

    def end_part(self) -> SummaryText | ReasoningText:
        """Finish the open part and return it."""
        text = "".join(self.pieces)
        kind, self.kind, self.pieces = self.kind, None, []
        if kind == "summary":
            self.summary.append(SummaryText(text=text))
            return self.summary[-1]
        self.content.append(ReasoningText(text=text))
        return self.content[-1]

    def item(self, *, with_state: bool) -> Reasoning:
        return Reasoning(
            id=self.id,
            summary=self.summary,
            content=self.content or UNSET,
            encrypted_content=self.state if with_state and self.state is not None else UNSET,
        )


@dataclass(slots=True)
class OpenCall:
    """A call of a function or freeform tool."""

    id: str
    index: int
    call_id: str
    opened: chunks.CallOpened
    pieces: list[str] = field(default_factory=list)

    def item(self, status: Status) -> FunctionCall | CustomToolCall:
        text, namespace = "".join(self.pieces), self.opened.namespace or UNSET
        if self.opened.custom:
            return CustomToolCall(
                id=self.id,
                call_id=self.call_id,
                name=self.opened.name,
                input=text,
                namespace=namespace,
                status=status,
            )
        return FunctionCall(
            id=self.id,
            call_id=self.call_id,
            name=self.opened.name,
            arguments=text,
            status=status,
            namespace=namespace,
        )


_BUSY = frozenset({"in_progress", "searching", "interpreting", "generating", "calling"})
"""The statuses, over all types of the API (openai 3.54), of an item that isn't finished."""

_WHEN_CUT = {
    "file_search_call": "failed",
    "web_search_call": "failed",
    "code_interpreter_call": "failed",
    "image_generation_call": "failed",
    "mcp_call": "failed",
    "apply_patch_call": "in_progress",  # it has no other status that keeps a client from applying half a patch
}
"""The status of a passed-on item that was cut short, where the API has one that fits better than `incomplete`."""


@dataclass(slots=True)
class OpenPassed:
    """An upstream's item of a type that we only pass on.

    `type` and `upstream_call_id` are what it began with: they tell whether a later word speaks of the same item.
    """

    id: str
    index: int
    type: str
    upstream_call_id: str | None
    call_id: str | None
    fields: JsonObject

    def speaks_of(self, fields: JsonObject) -> bool:
        return fields.get("type", "") == self.type and fields.get("call_id") == self.upstream_call_id

    def ours(self, fields: JsonObject) -> JsonObject:
        """Return the item with our ids."""
        ours = {**fields, "id": self.id}
        if self.call_id is not None:
            ours["call_id"] = self.call_id
        return ours

    def settle(self, status: Status, *, cut: bool = False) -> None:
        """Give the item a final status, as its upstream never did."""
        if self.fields.get("status") in _BUSY:
            final = _WHEN_CUT.get(self.type, status) if cut else "completed"
            self.fields = {**self.fields, "status": final}
