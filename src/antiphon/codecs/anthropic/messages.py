"""A turn's items as Anthropic's messages: two roles that take turns, and the system prompt apart from them.

What the API insists on, and a list of items doesn't: a user's message comes first and last; a call is answered in the
very next message, all calls of one answer together and before anything else; an answer doesn't end in reasoning; no
message is empty. A system message inside the conversation stands behind a user's message, and at its end or before an
answer: elsewhere, and for models that take none at all, it becomes a user's text with a mark.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from antiphon.codecs.anthropic import state
from antiphon.codecs.anthropic.content import blocks, instructing, spoken, text_block, texts
from antiphon.codecs.lowering import Toolbox, short_id
from antiphon.types.content import JsonObject
from antiphon.types.items import (
    AdditionalTools,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    Item,
    ItemReference,
    Message,
    Reasoning,
)
from antiphon.types.kept import Kept
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(JsonObject).decode

_Output: TypeAlias = FunctionCallOutput | CustomToolCallOutput
_SPEAKERS = frozenset({"user", "assistant"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_ID_LENGTH = 64
"""Characters of a call's id that Anthropic takes."""

EMPTY = "(empty)"
"""Stands for a user's message without content: neither nothing nor white space is taken."""

BEGIN = "(The conversation begins here.)"
CONTINUE = "(Continue.)"
"""Stand for the user's messages that the API wants first and last."""

UNANSWERED = "The call was not answered."


class Sent(Struct, gc=False):
    """One message."""

    role: str
    content: list[JsonObject]


class Conversation(Struct):
    """What a turn says: the system prompt, and the messages."""

    system: list[JsonObject]
    messages: list[Sent]

    @property
    def resumes_unthought(self) -> bool:
        """Whether the turn goes on with calls of an answer that began without reasoning of its own."""
        answer: Sent | None = None
        for sent in reversed(self.messages):
            if sent.role == "user" and not _answers(sent):
                break
            answer = sent if sent.role == "assistant" else answer
        return answer is not None and answer.content[0]["type"] not in _THOUGHTS


def conversation(turn: Turn, profile: Profile, box: Toolbox, notes: list[str]) -> Conversation:
    """Return the conversation of a turn. Raises BadRequest or Unsupported with the path of what can't be said."""
    building = _Building(turn, profile, box, notes)
    for index, item in enumerate(turn.items):
        building.add(index, item)
    building.answer_calls()
    building.note_strays()
    return Conversation(building.system, _in_order(building.messages, profile, notes))


class _Building:
    """Messages as the items come: of the same role joined, each answer's calls answered behind it."""

    def __init__(self, turn: Turn, profile: Profile, box: Toolbox, notes: list[str]) -> None:
        self.turn = turn
        self.profile = profile
        self.box = box
        self.notes = notes
        self.system = texts(turn.request.instructions or "")
        self.messages: list[Sent] = []
        self.outputs = _outputs(turn.items)
        self.unanswered: list[tuple[str, str]] = []  # calls of the open answer: the request's id and the wire's
        self.call_ids: set[str] = set()

    def add(self, index: int, item: Kept[Item]) -> None:
        view = item.view
        if view is not None:
            _SAID[type(view)](self, index, view)
            return
        kind = msgspec.json.decode(item.raw).get("type")
        self.notes.append(f"{self.turn.path(index)}: {kind} left out, this provider has none")

    def nothing(self, index: int, view: Item) -> None:
        """The tools of an item are in the toolbox; references were resolved before."""

    def message(self, index: int, view: Message) -> None:
        if view.role == "assistant":
            self._say("assistant", spoken(view.content))
            return
        self.answer_calls()
        path = f"{self.turn.path(index)}.content"
        if view.role == "user":
            found = blocks(view.content, path, self.profile, self.notes)
            self._say("user", found or ([] if self._last_is("user") else [text_block(EMPTY)]))
        elif self.messages:
            self.messages.append(Sent(view.role, instructing(view.content, path)))
        else:
            self.system += instructing(view.content, path)

    def _say(self, role: str, content: list[JsonObject]) -> None:
        """Add to the message of `role`, a new one where another role spoke last."""
        if self._last_is(role):
            self.messages[-1].content += content
        elif content:
            self.messages.append(Sent(role, content))

    def _last_is(self, role: str) -> bool:
        return bool(self.messages) and self.messages[-1].role == role

    # calls and their outputs

    def function_call(self, index: int, view: FunctionCall) -> None:
        self._call(view.call_id, self.box.wire_name(view.name, view.namespace or None), _input(view.arguments))

    def custom_call(self, index: int, view: CustomToolCall) -> None:
        self._call(view.call_id, self.box.wire_name(view.name, view.namespace or None), {"input": view.input})

    def _call(self, call_id: str, name: str, given: Raw | JsonObject) -> None:
        wire = self._wire_id(call_id)
        self.unanswered.append((call_id, wire))
        self._say("assistant", [{"type": "tool_use", "id": wire, "name": name, "input": given}])

    def _wire_id(self, call_id: str) -> str:
        """Return an id for a call that Anthropic takes and that no call before it has."""
        wire = short_id(call_id, _ID_LENGTH)
        if wire in self.call_ids:
            wire = short_id(f"{call_id}.{len(self.call_ids)}", _ID_LENGTH)
        self.call_ids.add(wire)
        return wire

    def output(self, index: int, view: _Output) -> None:
        self.answer_calls()

    def answer_calls(self) -> None:
        """Add the results of the open answer's calls: one message, the results first, in the order of the calls."""
        calls, self.unanswered = self.unanswered, []
        results: list[JsonObject] = []
        others: list[JsonObject] = []
        for call_id, wire in calls:
            found = self.outputs.get(call_id)
            results.append(self._result(wire, *found.pop(), others) if found else _unanswered(wire))
        self._say("user", results + others)

    def _result(self, wire: str, index: int, view: _Output, others: list[JsonObject]) -> JsonObject:
        """Return a result; what only a user's message can hold goes into `others`."""
        output = _encode(view.output).decode() if isinstance(view.output, dict) else view.output
        content = blocks(output, f"{self.turn.path(index)}.output", self.profile, self.notes)
        result: JsonObject = {"type": "tool_result", "tool_use_id": wire}
        if not self.profile.tool_images and any(block["type"] != "text" for block in content):
            others += [text_block(f"[output of tool call {wire}]"), *(b for b in content if b["type"] != "text")]
            content = [block for block in content if block["type"] == "text"]
        if content:
            result["content"] = content
        return result

    def note_strays(self) -> None:
        """Note the outputs that answer no call: the API refuses them."""
        for call_id, found in self.outputs.items():
            for index, _ in reversed(found):
                self.notes.append(f"{self.turn.path(index)}: output of '{call_id}' left out, it answers no call")

    # reasoning

    def reasoning(self, index: int, view: Reasoning) -> None:
        if not view.encrypted_content:
            return  # a summary alone can't be sent back
        block = state.read(view.encrypted_content)
        if block is None:
            self.notes.append(f"{self.turn.path(index)}: reasoning left out, its state can't be read")
            return
        self._say("assistant", [msgspec.to_builtins(block)])


_SAID: Mapping[type[Item], Callable[[_Building, int, Any], None]] = {
    Message: _Building.message,
    FunctionCall: _Building.function_call,
    FunctionCallOutput: _Building.output,
    CustomToolCall: _Building.custom_call,
    CustomToolCallOutput: _Building.output,
    Reasoning: _Building.reasoning,
    AdditionalTools: _Building.nothing,
    ItemReference: _Building.nothing,
}


def _outputs(items: Sequence[Kept[Item]]) -> dict[str, list[tuple[int, _Output]]]:
    """Return the outputs by call id, newest first: some clients use an id again each turn."""
    found: dict[str, list[tuple[int, _Output]]] = {}
    for index, item in enumerate(items):
        view = item.view
        if type(view) is FunctionCallOutput or type(view) is CustomToolCallOutput:
            found.setdefault(view.call_id, []).insert(0, (index, view))
    return found


def _input(arguments: str) -> Raw | JsonObject:
    """Return a call's arguments as the object that they should be; a model may have written something else."""
    if not arguments.strip():
        return {}
    try:
        _decode_object(arguments)
    except (msgspec.MsgspecError, RecursionError):
        return {"_raw": arguments}
    return Raw(arguments.encode())


def _unanswered(wire: str) -> JsonObject:
    return {"type": "tool_result", "tool_use_id": wire, "content": [text_block(UNANSWERED)], "is_error": True}


# -- the order that the API wants -----------------------------------------------------------------------------


def _in_order(said: Sequence[Sent], profile: Profile, notes: list[str]) -> list[Sent]:
    """Return the messages with every role in its place, the first and the last one a user's."""
    ordered: list[Sent] = []
    waiting: list[Sent] = []
    for sent in (*said, None):
        if sent is not None and sent.role not in _SPEAKERS:
            waiting.append(sent)
            continue
        if sent is not None and sent.role == "assistant":
            _drop_loose_thoughts(sent, notes)
            if not sent.content:
                continue
        _instruct(ordered, waiting, profile, before=sent.role if sent else None)
        waiting.clear()
        if sent is not None:
            _join(ordered, sent.role, sent.content)
    if not ordered or ordered[0].role != "user":
        ordered.insert(0, Sent("user", [text_block(BEGIN)]))
    if ordered[-1].role == "assistant":
        notes.append(f"input: a message '{CONTINUE}' added, this provider wants a user's message last")
        ordered.append(Sent("user", [text_block(CONTINUE)]))
    return ordered


def _drop_loose_thoughts(answer: Sent, notes: list[str]) -> None:
    """Take reasoning off the end of an answer: the API refuses what led to nothing."""
    while answer.content and answer.content[-1]["type"] in _THOUGHTS:
        answer.content.pop()
        notes.append("input: reasoning left out, nothing of its answer follows it")


def _instruct(ordered: list[Sent], waiting: Sequence[Sent], profile: Profile, before: str | None) -> None:
    """Add system messages that stand together: as one, or as a user's text where none may stand."""
    follows = bool(ordered) and ordered[-1].role == "user"
    is_allowed = profile.mid_system and follows and before != "user"
    for sent in waiting:
        if not sent.content:
            continue
        if is_allowed:
            _join(ordered, "system", sent.content)
        else:
            marked = text_block(f"[{sent.role} message]\n{sent.content[0]['text']}")
            _join(ordered, "user", [marked, *sent.content[1:]])


def _join(ordered: list[Sent], role: str, content: list[JsonObject]) -> None:
    if ordered and ordered[-1].role == role:
        ordered[-1].content += content
    else:
        ordered.append(Sent(role, content))


def _answers(sent: Sent) -> bool:
    """Say whether a user's message holds results alone."""
    return all(block["type"] == "tool_result" for block in sent.content)
