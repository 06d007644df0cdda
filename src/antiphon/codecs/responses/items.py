"""The items of one answer as they arrive, told as chunks: each byte once, whichever event brings it first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec
from msgspec import Raw

from antiphon.codecs.logprobs import Token, logprobs
from antiphon.codecs.lowering import freeform_input
from antiphon.codecs.responses.state import kept
from antiphon.codecs.responses.wire import CALLS, READ, Event, Item, Part, in_order, view_of
from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.content import JsonObject
from antiphon.types.items import Phase
from antiphon.types.turns import ToolName

_encode = msgspec.json.Encoder().encode
_PHASES: dict[str | None, Phase] = {phase: phase for phase in get_args(Phase)}

_Said = Literal["text", "refusal", "thought", "summary"]


@dataclass(slots=True)
class Known:
    """One item: what was told of it. `pieces` are those of the part that is being said, or of a call's text."""

    key: int
    kind: str
    id: str = ""
    call_id: str = ""
    name: str = ""
    namespace: str | None = None
    phase: Phase | None = None
    tool: ToolName | None = None
    said: dict[tuple[_Said, int], list[str]] = field(default_factory=dict)
    thoughts: dict[int, int] = field(default_factory=dict)
    ended: int = 0  # parts of raw reasoning, to which `thoughts` leads from the upstream's index
    cited: dict[int, int] = field(default_factory=dict)
    place: int | None = None
    part: tuple[_Said, int] | None = None
    pieces: list[str] = field(default_factory=list)
    has_state: bool = False
    is_open: bool = False  # a call or an item that is passed on, once it was told
    is_done: bool = False

    @property
    def is_something(self) -> bool:
        """Whether a client gets anything of it."""
        return self.is_open or self.has_state or any(map(str.strip, map("".join, self.said.values())))

    def whole(self, kind: _Said, index: int) -> str:
        """Return what was said of a part."""
        return "".join(self.said.get((kind, index), ()))

    def rest(self, kind: _Said, index: int, whole: str | None) -> str:
        """Return what of a whole part was not said."""
        return rest_of(self.said.get((kind, index), ()), whole)


class Items:
    """All items of one answer; `names` leads from lowered tools back to the request's own.

    `keeps_thoughts` says that raw reasoning without state of the upstream's becomes state itself.
    """

    def __init__(self, names: Mapping[str, ToolName], *, keeps_thoughts: bool = False) -> None:
        self._names = names
        self._keeps_thoughts = keeps_thoughts
        self._all: list[Known] = []
        self._by_id: dict[str | None, Known | None] = {}
        self._by_place: dict[int | None, Known] = {}
        self._current: Known | None = None  # the item that chunks without a key belong to

    @property
    def are_something(self) -> bool:
        """Whether a client gets anything of this answer."""
        return any(item.is_something for item in self._all)

    # -- which item -------------------------------------------------------------------------------------------

    def find(self, item_id: str | None, place: int | None) -> Known | None:
        """Return the item by its id, else by its `output_index`."""
        return self._by_id.get(item_id) or self._by_place.get(place)

    def of(self, kind: str, item_id: str | None, place: int | None) -> Known:
        """Return the item of `kind` that an event is about: the newest open one at need, or one never announced."""
        found = self.find(item_id, place)
        if found is not None and found.kind == kind:
            return found
        newest = self._newest(kind) if found is not None or place is None else None
        return newest or self._new(kind, item_id, place)

    def _newest(self, kind: str) -> Known | None:
        return next((item for item in reversed(self._all) if item.kind == kind and not item.is_done), None)

    def _new(self, kind: str, item_id: str | None, place: int | None, phase: str | None = None) -> Known:
        item = Known(len(self._all), kind, item_id or "", phase=_PHASES.get(phase), place=place)
        self._all.append(item)
        if item_id:
            self._by_id[item_id] = None if item_id in self._by_id else item  # an id given twice tells nothing
        if place is not None:
            self._by_place[place] = item
        return item

    def _until_now(self, view: Item, place: int | None) -> Known | None:
        """Return what a finished item was until now: by call id, id or place, else the only one still open."""
        by_call = [item for item in self._all if view.call_id and item.call_id == view.call_id]
        by_place = self._by_place.get(place)
        for item in (*by_call, self._by_id.get(view.id), by_place):
            if item is not None and item.kind == view.type and not (item.is_done and _differs(item, view)):
                return item
        return self._newest(view.type) if place is None or by_place is not None else None

    # -- items that begin and end -----------------------------------------------------------------------------

    def begin(self, raw: Raw, place: int | None, out: list[Chunk]) -> None:
        """Take the announcement of an item. Raises Unreadable."""
        view = view_of(raw)
        item = self._by_place.get(place) if place is not None else self._by_id.get(view.id)
        if item is None or item.kind != view.type or item.is_done or (view.id and item.id not in {"", view.id}):
            item = self._new(view.type, view.id, place)
        item.phase = _PHASES.get(view.phase)
        if item.kind in CALLS:
            self._learn(item, view, out)
        elif not view.is_read and not item.is_open:
            self._leave(out)
            item.is_open, self._current = True, item
            out.append(chunks.ItemOpened(item.key, in_order(raw)))

    def end(self, raw: Raw, place: int | None, out: list[Chunk]) -> None:
        """Take a finished item. Raises Unreadable."""
        view = view_of(raw)
        item = self._until_now(view, place) or self._new(view.type, view.id, place, view.phase)
        self._finish(item, view, raw, out, is_whole=view.status != "incomplete")

    def snapshot(self, output: Iterable[Raw], out: list[Chunk], *, is_whole: bool) -> None:
        """Say what the final list of items has and no event had; `is_whole` when nothing was cut. Raises Unreadable."""
        listed = [(view_of(raw), raw) for raw in output]
        left = list(self._all)
        same = [_take(left, view) for view, _ in listed]
        for (view, raw), known in zip(listed, same, strict=True):
            item = known or next((item for item in left if item.kind == view.type), None)
            if item is None:
                item = self._new(view.type, view.id, None, view.phase)
            elif known is None:
                left.remove(item)
            whole = view.status == "completed" or (is_whole and view.status != "incomplete")
            self._finish(item, view, raw, out, is_whole=whole)
        for item in self._all:
            if item.kind in CALLS and not item.is_done:
                self._end_call(item, out, is_whole=is_whole)
        self._leave(out)

    def _finish(self, item: Known, view: Item, raw: Raw, out: list[Chunk], *, is_whole: bool) -> None:
        """Say what a finished item has and was not said."""
        if item.is_done:
            return
        match item.kind:
            case "message":
                parts = [Part("output_text", view.content)] if isinstance(view.content, str) else view.content
                for index, part in enumerate(parts or ()):
                    self.part(item, index, part, out)
            case "reasoning":
                self._end_reasoning(item, view, out)
            case "function_call" | "custom_tool_call":
                self._learn(item, view, out)
                self.argue_whole(item, view.argument_text, out)
                self._end_call(item, out, is_whole=is_whole)
            case _:
                self._leave(out)
                item.is_open, self._current = True, item
                out.append(chunks.ItemClosed(item.key, in_order(raw)))
        item.is_done = True

    def _end_reasoning(self, item: Known, view: Item, out: list[Chunk]) -> None:
        for index, part in enumerate(view.summary or ()):
            self.summarized_whole(item, index, part.text, out)
        for index, part in enumerate(view.content if isinstance(view.content, list) else ()):
            self.part(item, index, part, out)
        if view.encrypted_content and (item is self._current or not item.said):
            self._enter(item, out)
            item.has_state = True
            out.append(chunks.ThoughtState(view.encrypted_content))
        elif item is self._current:
            self._leave(out)

    # -- text, refusals, reasoning ----------------------------------------------------------------------------

    def more_text(self, event: Event) -> str | None:
        """Note a piece of the very text that came last, and return it: nearly all of a stream. None for all else."""
        text, item = event.delta, self._current
        if type(text) is not str or not text or event.logprobs or item is None or item.is_done:
            return None
        if item.id != event.item_id or item.place != event.output_index or item.part != ("text", event.content_index):
            return None
        item.pieces.append(text)
        return text

    def text(self, item: Known, index: int, text: str, given: list[Token] | None, out: list[Chunk]) -> None:
        """Say a piece of text."""
        if self._say(item, "text", index, text, out):
            out.append(chunks.Text(text, logprobs(given)) if given else chunks.Text(text))

    def refused(self, item: Known, index: int, text: str, out: list[Chunk]) -> None:
        """Say a piece of a refusal."""
        if self._say(item, "refusal", index, text, out):
            out.append(chunks.Refused(text))

    def thought(self, item: Known, index: int, text: str, out: list[Chunk]) -> None:
        """Say a piece of raw reasoning."""
        if self._say(item, "thought", index, text, out):
            out.append(chunks.Thought(text))

    def thought_delta(self, item: Known, index: int, text: str, out: list[Chunk]) -> None:
        """Say a piece of the part of raw reasoning that is open: vLLM counts `content_index` up with each (35184)."""
        self.thought(item, item.thoughts.get(index, item.ended), text, out)

    def thought_whole(self, item: Known, index: int, text: str | None, out: list[Chunk]) -> None:
        """Say what of a part of raw reasoning was not said, and end it."""
        place = item.thoughts.get(index)
        if place is None:
            is_repeated = ("thought", item.ended) not in item.said and text == item.whole("thought", item.ended - 1)
            place = item.ended - is_repeated  # the last one again, under another index
            item.ended += not is_repeated
            item.thoughts[index] = place
        self.thought(item, place, item.rest("thought", place, text), out)

    def summarized(self, item: Known, index: int, text: str, out: list[Chunk]) -> None:
        """Say a piece of a reasoning summary."""
        if self._say(item, "summary", index, text, out):
            out.append(chunks.Summarized(text, index))

    def summarized_whole(self, item: Known, index: int, text: str | None, out: list[Chunk]) -> None:
        """Say what of a summary part was not said."""
        self.summarized(item, index, item.rest("summary", index, text), out)

    def part(self, item: Known, index: int, part: Part, out: list[Chunk]) -> None:
        """Say what a finished part has and was not said; citations only while the part is the current one."""
        if item.kind == "reasoning":
            self.thought(item, index, item.rest("thought", index, part.text), out)
        elif part.type == "refusal":
            self.refused(item, index, item.rest("refusal", index, part.refusal or part.text), out)
        else:
            given = part.logprobs if ("text", index) not in item.said else None
            self.text(item, index, item.rest("text", index, part.text), given, out)
            if part.annotations and self._is_at(item, "text", index) and not item.is_done:
                for annotation in part.annotations[item.cited.get(index, 0) :]:
                    self.cite(item, index, annotation, out)

    def cite(self, item: Known, index: int, annotation: JsonObject, out: list[Chunk]) -> None:
        """Say an annotation of a text part."""
        if item.is_done:
            return
        if not self._is_at(item, "text", index):
            self._turn_to(item, "text", index, out)
        item.cited[index] = item.cited.get(index, 0) + 1
        out.append(chunks.Annotated(Raw(_encode(annotation))))

    def _say(self, item: Known, kind: _Said, index: int, text: str, out: list[Chunk]) -> bool:
        """Note a piece of a part, which becomes the current one; False when there is nothing to say."""
        if not text or item.is_done:
            return False
        if not self._is_at(item, kind, index):
            self._turn_to(item, kind, index, out)
        item.pieces.append(text)
        return True

    def _is_at(self, item: Known, kind: _Said, index: int) -> bool:
        return item is self._current and item.part == (kind, index)

    def _turn_to(self, item: Known, kind: _Said, index: int, out: list[Chunk]) -> None:
        is_new = item is not self._current
        self._enter(item, out)
        if not is_new and item.part is not None and item.part[0] == kind != "summary":
            out.append(chunks.Break(whole_item=False))
        item.part = (kind, index)
        item.pieces = item.said.setdefault(item.part, [])

    def _leave(self, out: list[Chunk]) -> None:
        """Tell the state of the reasoning that ends, where its text is all that there is of it."""
        item = self._current
        if not self._keeps_thoughts or item is None or item.has_state:
            return
        told = ["".join(pieces) for (kind, _), pieces in sorted(item.said.items()) if kind == "thought"]
        if any(told):
            item.has_state = True
            out.append(chunks.ThoughtState(kept("\n".join(told))))

    def _enter(self, item: Known, out: list[Chunk]) -> None:
        """Make a message or reasoning the current item."""
        if item is not self._current:
            self._leave(out)
            if self._current is not None or item.phase is not None:
                out.append(chunks.Break(phase=item.phase))
            self._current = item

    # -- calls ------------------------------------------------------------------------------------------------

    def argue(self, item: Known, text: str, out: list[Chunk]) -> None:
        """Say a piece of a call's arguments, or of a freeform call's input."""
        if not text or item.is_done:
            return
        item.pieces.append(text)
        if not self._is_held(item):
            out.append(chunks.CallDelta(item.key, text))

    def argue_whole(self, item: Known, whole: str | None, out: list[Chunk]) -> None:
        """Say what of them was not said."""
        self.argue(item, rest_of(item.pieces, whole), out)

    def _learn(self, item: Known, view: Item, out: list[Chunk]) -> None:
        """Note what is known of a call; it is told as soon as it has a name."""
        item.call_id, item.name = item.call_id or view.call_id or "", item.name or view.name or ""
        item.namespace = item.namespace or view.namespace or None
        if item.is_open or not item.name:
            return
        self._leave(out)
        item.is_open, self._current = True, item
        item.tool = self._names.get(item.name)
        tool = item.tool or ToolName(item.name, item.namespace, item.kind == "custom_tool_call")
        out.append(chunks.CallOpened(item.key, item.call_id, tool.name, custom=tool.custom, namespace=tool.namespace))
        if not self._is_held(item):
            out += [chunks.CallDelta(item.key, piece) for piece in item.pieces]

    def _is_held(self, item: Known) -> bool:
        """Say whether a call's text waits: for a name, or for the end of JSON that holds a freeform tool's input."""
        return not item.is_open or (item.tool is not None and item.tool.custom and item.kind == "function_call")

    def _end_call(self, item: Known, out: list[Chunk], *, is_whole: bool) -> None:
        """Say what was held; a call that was cut is left to `Stop`, which closes it as incomplete."""
        item.is_done = True
        if not item.is_open:
            return  # arguments that never got a name are nothing that a client could act on
        if self._is_held(item) and item.pieces:
            out.append(chunks.CallDelta(item.key, freeform_input("".join(item.pieces))))
        if is_whole:
            out.append(chunks.CallClosed(item.key))


def rest_of(said: Iterable[str], whole: str | None) -> str:
    """Return what of `whole` was not said yet; nothing when it is something else than what was said."""
    if not whole:
        return ""
    begun = "".join(said)
    return whole[len(begun) :] if whole.startswith(begun) else ""


def is_passed_on(item: Known) -> bool:
    """Say whether news about an item are passed on with it."""
    return item.kind not in READ and not item.is_done


def _differs(item: Known, view: Item) -> bool:
    """Say whether a finished item and another of its type at its place are two: by call id, else by id."""
    if item.call_id and view.call_id:
        return item.call_id != view.call_id
    return bool(item.id and view.id and item.id != view.id)


def _take(left: list[Known], view: Item) -> Known | None:
    """Take the item out of `left` that has the call id or the id of `view`."""
    for item in left:
        is_same_call = view.call_id and item.call_id == view.call_id
        if item.kind == view.type and (is_same_call or (view.id and item.id == view.id)):
            left.remove(item)
            return item
    return None
