"""The grammar of a response's stream, written down a second time: a listener that knows nothing of the emitter.

It takes the events as parsed JSON, folds them into items as a client would, and says what and where when one
is out of place. `judges.judge_stream` asks it; the shapes of single events are the other judges' business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from antiphon.types.content import JsonObject

LIFE = frozenset({"response.created", "response.queued", "response.in_progress"})
ENDS: dict[str, frozenset[str]] = {
    "response.completed": frozenset({"completed"}),
    "response.incomplete": frozenset({"incomplete"}),
    "response.failed": frozenset({"failed", "cancelled"}),
}
MAY_CHANGE = frozenset(
    {"status", "completed_at", "error", "incomplete_details", "usage", "output", "service_tier", "metadata"}
)
"""The fields of a response that its run decides; all others stand from the first event on."""

ALONE = frozenset({"message", "reasoning"})
"""Item types of which one at most is open at a time."""

OURS = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})
"""Item types whose inside is told by events; of others only the beginning and the end are looked at."""

UNFINISHED = frozenset({"in_progress", "queued", "searching", "interpreting", "generating", "calling"})

CUT_WITHOUT_A_WORD = frozenset({"apply_patch_call"})
"""Types that the API gives no status for having been cut short: they stay as they began."""


class Broken(AssertionError):
    """A stream breaks the grammar: what, and at which event."""


@dataclass
class Part:
    """A part that is open: what it began as, and what was said of it."""

    value: JsonObject
    text: list[str] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)
    annotations: list[Any] = field(default_factory=list)
    is_said: bool = False


@dataclass
class Heard:
    """An item so far."""

    id: str
    type: str
    began: JsonObject
    content: list[JsonObject] = field(default_factory=list)
    summary: list[JsonObject] = field(default_factory=list)
    part: Part | None = None
    pieces: list[str] = field(default_factory=list)
    whole: str | None = None
    final: JsonObject | None = None


def check(events: Sequence[JsonObject]) -> JsonObject:
    """Return the last snapshot of a stream that keeps every rule. Raises Broken for one that doesn't."""
    if not events:
        raise Broken("no events at all")
    listener = _Listener(events[0])
    for number, event in enumerate(events):
        try:
            listener.hear(number, event, is_last=number == len(events) - 1)
        except Broken as error:
            raise Broken(f"event {number} ({event.get('type')}): {error}") from None
    return listener.last


def _must(claim: bool, otherwise: str) -> None:
    if not claim:
        raise Broken(otherwise)


def _same(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise Broken(f"{what} is {found!r}, should be {wanted!r}")


class _Listener:
    def __init__(self, first: JsonObject) -> None:
        self.last: JsonObject = first.get("response") or {}
        self._items: list[Heard] = []
        self._lives: list[str] = []
        self._hearers: dict[str, Callable[[JsonObject], None]] = {
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "response.content_part.added": self._part_added,
            "response.content_part.done": self._part_done,
            "response.reasoning_summary_part.added": self._part_added,
            "response.reasoning_summary_part.done": self._part_done,
            "response.output_text.delta": self._delta,
            "response.output_text.done": self._said,
            "response.output_text.annotation.added": self._annotation,
            "response.refusal.delta": self._delta,
            "response.refusal.done": self._said,
            "response.reasoning_text.delta": self._delta,
            "response.reasoning_text.done": self._said,
            "response.reasoning_summary_text.delta": self._delta,
            "response.reasoning_summary_text.done": self._said,
            "response.function_call_arguments.delta": self._call_delta,
            "response.function_call_arguments.done": self._call_said,
            "response.custom_tool_call_input.delta": self._call_delta,
            "response.custom_tool_call_input.done": self._call_said,
        }

    def hear(self, number: int, event: JsonObject, *, is_last: bool) -> None:
        kind = event["type"]
        _same(event["sequence_number"], number, "sequence_number")
        _same(kind in ENDS, is_last, "being terminal")
        if kind in LIFE:
            self._life(number, event)
        elif kind in ENDS:
            self._end(event)
        else:
            _same(self._lives[-1:], ["response.in_progress"], "the last word on the response's life")
            self._hearers.get(kind, self._news)(event)

    # the response

    def _life(self, number: int, event: JsonObject) -> None:
        kind, status = event["type"], event["response"]["status"]
        _same(kind == "response.created", number == 0, "being the first")
        _must(kind not in self._lives, "said twice")
        _must(not self._items, "comes after items")
        before = self.last["status"]
        if kind == "response.created":
            _must(status in {"queued", "in_progress"}, f"a response can't begin as {status}")
        else:
            _same(status, kind.removeprefix("response."), "status")
            _must(number == 1 or before == "queued", "goes back")
        _must(number != 1 or status == before, f"{status} follows {before} without a word")
        _same(event["response"]["output"], [], "output")
        self._snapshot(event["response"])
        self._lives.append(kind)

    def _end(self, event: JsonObject) -> None:
        response = event["response"]
        _must(len(self._lives) > 1, "comes before the response is queued or in progress")
        _must(response["status"] in ENDS[event["type"]], f"status is {response['status']}")
        open_ones = [item.id for item in self._items if item.final is None]
        _same(open_ones, [], "the list of items never done")
        _same(response["output"], [item.final for item in self._items], "output")
        for place, item in enumerate(response["output"]):
            if item.get("status") == "incomplete":
                _same(place, len(self._items) - 1, f"the place of the incomplete item {item['id']}")
                _must(response["status"] != "completed", f"completed, with the incomplete item {item['id']}")
        _same(response["completed_at"] is not None, response["status"] == "completed", "having completed_at")
        _same(response["error"] is not None, response["status"] == "failed", "having an error")
        _must(response["incomplete_details"] is None or response["status"] == "incomplete", "has incomplete_details")
        self._snapshot(response)

    def _snapshot(self, response: JsonObject) -> None:
        for name in self.last.keys() | response.keys():
            if name not in MAY_CHANGE:
                _same(response.get(name), self.last.get(name), f"response.{name}")
        self.last = response

    # items

    def _item(self, event: JsonObject) -> Heard:
        """Return the open item that an event speaks of."""
        index: int = event["output_index"]
        _must(0 <= index < len(self._items), f"output_index {index} was never added")
        item = self._items[index]
        _must(item.final is None, f"item {item.id} is done already")
        _same(event.get("item_id", item.id), item.id, "item_id")
        return item

    def _item_added(self, event: JsonObject) -> None:
        item = event["item"]
        _same(event["output_index"], len(self._items), "output_index")
        _must(bool(item["id"]), "an item without id")
        _must(all(known.id != item["id"] for known in self._items), f"id {item['id']} is taken")
        if item["type"] in ALONE:
            others = [known.id for known in self._items if known.final is None and known.type in ALONE]
            _same(others, [], "the list of open messages and reasoning items")
        if item["type"] in OURS:
            said = [name for name in ("content", "summary", "arguments", "input") if item.get(name)]
            _same(said, [], "the list of what it says already")
        _must(item.get("status", "in_progress") in UNFINISHED or item["type"] not in ALONE, "status is final")
        self._items.append(Heard(item["id"], item["type"], item))

    def _item_done(self, event: JsonObject) -> None:
        heard, item = self._item(event), event["item"]
        for name in ("id", "type", "call_id", "name", "namespace", "role", "phase"):
            if heard.type in OURS or name in {"id", "type"}:
                _same(item.get(name), heard.began.get(name), f"item.{name}")
        _must(heard.part is None, "a part of it is still open")
        finished = item.get("status") not in UNFINISHED or heard.type in CUT_WITHOUT_A_WORD
        _must(finished, f"done with status {item.get('status')}")
        match heard.type:
            case "message":
                _same(item["content"], heard.content, "content")
            case "reasoning":
                _same(item["summary"], heard.summary, "summary")
                _same(item.get("content") or [], heard.content, "content")
            case "function_call":
                _same(item["arguments"], heard.whole, "arguments")
            case "custom_tool_call":
                _same(item["input"], heard.whole, "input")
            case _:
                pass
        heard.final = item

    def _news(self, event: JsonObject) -> None:
        """An event of an item that is only passed on: it must speak of an open one."""
        item = self._item(event)
        _must(item.type not in OURS, f"about a {item.type}")

    # parts

    def _part_added(self, event: JsonObject) -> None:
        item, part = self._item(event), event["part"]
        _must(item.part is None, "the part before is still open")
        _same(_place(event), len(_shelf(item, event)), "index")
        allowed = {"message": {"output_text", "refusal"}, "reasoning": {"reasoning_text", "summary_text"}}
        _must(part["type"] in allowed.get(item.type, set()), f"a {part['type']} part in a {item.type}")
        _same(part["type"] == "summary_text", "summary_index" in event, "being a part of the summary")
        _same(part.get("text", part.get("refusal")), "", "text")
        _same(part.get("annotations", []), [], "annotations")
        item.part = Part(part)

    def _open_part(self, event: JsonObject) -> Part:
        item = self._item(event)
        if item.part is None:
            raise Broken("no part is open")
        _same(_place(event), len(_shelf(item, event)), "index")
        return item.part

    def _speaking(self, event: JsonObject) -> Part:
        part = self._open_part(event)
        _must(not part.is_said, "comes after the part was said to be done")
        kind = event["type"].split(".")[1].replace("reasoning_summary_text", "summary_text")
        _same(part.value["type"], kind, "type of the open part")
        return part

    def _delta(self, event: JsonObject) -> None:
        part = self._speaking(event)
        part.text.append(event["delta"])
        part.logprobs += event.get("logprobs", [])
        _must(bool(event["delta"] or event.get("logprobs")), "says nothing")

    def _annotation(self, event: JsonObject) -> None:
        part = self._speaking(event)
        _same(event["annotation_index"], len(part.annotations), "annotation_index")
        part.annotations.append(event["annotation"])

    def _said(self, event: JsonObject) -> None:
        part = self._speaking(event)
        _same(event.get("text", event.get("refusal")), "".join(part.text), "text")
        _same(event.get("logprobs", []), part.logprobs, "logprobs")
        part.is_said = True

    def _part_done(self, event: JsonObject) -> None:
        item, part = self._item(event), self._open_part(event)
        _must(part.is_said, "comes before its text is done")
        key = "refusal" if part.value["type"] == "refusal" else "text"
        whole = {**part.value, key: "".join(part.text)}
        if part.value["type"] == "output_text":
            whole |= {"annotations": part.annotations, "logprobs": part.logprobs}
        _same(event["part"], whole, "part")
        _shelf(item, event).append(whole)
        item.part = None

    # calls

    def _call(self, event: JsonObject) -> Heard:
        item = self._item(event)
        kind = "function_call" if "function_call" in event["type"] else "custom_tool_call"
        _same(item.type, kind, "type of the item")
        _must(item.whole is None, "comes after the call was said to be done")
        return item

    def _call_delta(self, event: JsonObject) -> None:
        item = self._call(event)
        _must(bool(event["delta"]), "says nothing")
        item.pieces.append(event["delta"])

    def _call_said(self, event: JsonObject) -> None:
        item = self._call(event)
        item.whole = event.get("arguments", event.get("input"))
        _same(item.whole, "".join(item.pieces), "the whole of it")
        if item.type == "function_call":
            _same(event["name"], item.began["name"], "name")


def _place(event: JsonObject) -> int:
    return int(event["summary_index"] if "summary_index" in event else event["content_index"])


def _shelf(item: Heard, event: JsonObject) -> list[JsonObject]:
    """Return the finished parts among which an event's part will stand."""
    return item.summary if "summary_index" in event else item.content
