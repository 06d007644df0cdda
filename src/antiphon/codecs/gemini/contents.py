"""A turn's items as Gemini's contents: two sides that take turns, outputs in one content behind their calls."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from antiphon.codecs.gemini import signatures
from antiphon.codecs.gemini.parts import part_of
from antiphon.codecs.gemini.signatures import Signed
from antiphon.codecs.gemini.tools import leading_letter
from antiphon.codecs.gemini.wire import Called, Content, MediaPart, Part, Responded
from antiphon.codecs.lowering import Toolbox, freeform_arguments
from antiphon.types.content import InputText, JsonObject, MessagePart, OutputText, PlainText, Refusal
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
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode

_Output: TypeAlias = FunctionCallOutput | CustomToolCallOutput

_NOTHING = "[nothing said]"
"""What stands where Gemini wants words of the user's and there are none."""

_IN_RESPONSES = ("image/", "application/pdf", "text/plain")
"""Media types that may stand inside a function's response (ai.google.dev, "Function calling", read 2026-11)."""


class Contents:
    """Builds the contents of one turn, and the system's instruction before them."""

    def __init__(self, turn: Turn, profile: Profile, box: Toolbox, notes: list[str]) -> None:
        self.instruction: list[Part] = []
        self._turn = turn
        self._profile = profile
        self._box = box
        self._notes = notes
        self._contents: list[Content] = []
        self._outputs = _outputs(turn.items)
        self._calls: list[tuple[str, Called]] = []  # those not answered yet, by their ids in the request
        self._ids: set[str] = set()
        self._awaited: list[tuple[int, Signed]] = []  # signatures of calls that are still to come
        self._told: Part | None = None  # the text of the message before, which may be signed yet
        self._asked = -1  # the content in which the user spoke last

    def all(self) -> list[Content]:
        """Return the contents, of which there is at least one, and the first is the user's."""
        if self._turn.request.instructions:
            self.instruction.append(Part(self._turn.request.instructions))
        for index, item in enumerate(self._turn.items):
            view = item.view
            if view is None:
                self._left_out(index, item)
            else:
                _SAID[type(view)](self, index, view)
        self._end_calls()
        if not self._contents or self._contents[0].role == "model":
            self._notes.append(f"input: begins with '{_NOTHING}', as this provider wants words of the user's first")
            self._contents.insert(0, Content("user", [Part(_NOTHING)]))
            self._asked += 1
        if self._profile.signed_calls:
            self._sign_strangers()
        return self._contents

    def _left_out(self, index: int, item: Kept[Item]) -> None:
        kind = msgspec.json.decode(item.raw).get("type")
        self._notes.append(f"{self._turn.path(index)}: {kind} left out, this provider has none")

    def nothing(self, index: int, view: Item) -> None:
        """The tools of an item are in the toolbox; references were resolved before."""

    # the two sides

    def _model(self, part: Part) -> None:
        self._add("model", part)

    def _add(self, role: str, part: Part) -> None:
        self._told = None
        if self._contents and self._contents[-1].role == role:
            self._contents[-1].parts.append(part)
        else:
            self._contents.append(Content(role, [part]))

    def message(self, index: int, view: Message) -> None:
        if view.role == "assistant":
            self._assistant(view)
            return
        self._end_calls()
        parts = self._parts(view.content, index)
        if view.role != "user":
            if not self._contents and all(part.text is not None for part in parts):
                self.instruction += parts
                return
            parts.insert(0, Part(f"[{view.role} message]\n"))
        for part in parts:
            self._add("user", part)
        if parts:
            self._asked = len(self._contents) - 1

    def _parts(self, content: str | Sequence[MessagePart], index: int) -> list[Part]:
        if isinstance(content, str):
            return [Part(content)] if content else []
        path = f"{self._turn.path(index)}.content"
        parts = [part_of(part, self._profile, f"{path}[{place}]", self._notes) for place, part in enumerate(content)]
        return [part for part in parts if part.text != ""]  # an empty text is refused

    def _assistant(self, view: Message) -> None:
        text, refusal = _assistant_words(view.content)
        if refusal:
            self._model(Part(refusal))
        if text:
            told = Part(text)
            self._model(told)
            self._told = told

    # calls and their outputs

    def function_call(self, index: int, view: FunctionCall) -> None:
        self._call(view.call_id, self._wire_name(view.name, view.namespace or None), _args(view.arguments))

    def custom_call(self, index: int, view: CustomToolCall) -> None:
        args = Raw(freeform_arguments(view.input).encode())
        self._call(view.call_id, self._wire_name(view.name, view.namespace or None), args)

    def output(self, index: int, view: _Output) -> None:
        """The first output tells those of all the calls before."""
        if self._calls:
            self._end_calls()

    def _wire_name(self, name: str, namespace: str | None) -> str:
        return leading_letter(self._box.wire_name(name, namespace))

    def _call(self, call_id: str, name: str, args: Raw) -> None:
        call = Called(self._wire_id(call_id), name, args)
        signature = self._signature_of(name) if self._awaited else None
        self._model(Part(function_call=call, thought_signature=signature))
        self._calls.append((call_id, call))

    def _wire_id(self, call_id: str) -> str:
        """Return an id that no call before has: some clients use one again each turn."""
        wire = f"{call_id}.{len(self._ids)}" if call_id in self._ids else call_id
        self._ids.add(wire)
        return wire

    def _end_calls(self) -> None:
        """Tell the outputs of the open calls, in the order of the calls; what they hold besides follows them all."""
        for index, _ in self._awaited:
            self._forget(index)
        self._awaited.clear()
        if not self._calls:
            return
        calls, self._calls = self._calls, []
        following: list[Part] = []
        for call_id, call in calls:
            found = self._outputs.get(call_id)
            if found:
                following += self._response(call, *found.pop())
        for part in following:
            self._add("user", part)

    def _response(self, call: Called, index: int, view: _Output) -> list[Part]:
        """Add a call's response and return the parts that can't stand inside it."""
        output = view.output
        if isinstance(output, dict):
            output = _encode(output).decode()
        inside: list[MediaPart] = []
        behind: list[Part] = []
        if not isinstance(output, str):
            path = f"{self._turn.path(index)}.output"
            parts = [part_of(part, self._profile, f"{path}[{place}]", self._notes) for place, part in enumerate(output)]
            output = "\n".join(part.text for part in parts if part.text is not None)
            for part in parts:
                if part.text is None:
                    if self._profile.tool_images and _fits_inside(part):
                        inside.append(MediaPart(part.inline_data, part.file_data))
                    else:
                        behind.append(part)
        if behind:
            behind.insert(0, Part(f"[output of tool call {call.id}]"))
        response = Responded(call.id, call.name, {"result": output}, inside or None)
        self._add("user", Part(function_response=response))
        return behind

    # signatures

    def reasoned(self, index: int, view: Reasoning) -> None:
        state = view.encrypted_content
        if not state:
            return
        signed = signatures.read(state)
        if signed is None:
            self._forget(index)
            return
        texts = [one for one in signed if one.on == "text"]
        if texts:
            self._sign_text(index, texts)
        thoughts = [one for one in signed if one.on == "thought"]
        if thoughts:
            self._sign_thoughts(index, thoughts, "".join(part.text for part in view.summary))
        self._awaited += [(index, one) for one in signed if one.on == "call"]

    def _sign_text(self, index: int, signed: Sequence[Signed]) -> None:
        told = self._told
        pieces = signatures.cut(told.text or "" if told else "", signed)
        if pieces is None:
            self._forget(index)
            return
        if told is not None:
            self._contents[-1].parts.pop()
        for text, signature in pieces:
            self._model(Part(text, thought_signature=signature))

    def _sign_thoughts(self, index: int, signed: Sequence[Signed], summary: str) -> None:
        pieces = signatures.cut(summary, signed)
        if pieces is None:
            self._forget(index)
            return
        for text, signature in pieces:
            if signature is not None:
                self._model(Part(text, thought=True, thought_signature=signature))

    def _signature_of(self, name: str) -> str | None:
        """Return the signature that a call of this name came with, once."""
        found = next((awaited for awaited in self._awaited if awaited[1].name == name), None)
        if found is None:
            return None
        self._awaited.remove(found)
        return found[1].signature

    def _forget(self, index: int) -> None:
        note = f"{self._turn.path(index)}: reasoning state left out, what it belongs to is not there"
        if note not in self._notes:
            self._notes.append(note)

    def _sign_strangers(self) -> None:
        """Mark the calls that Gemini 3 would refuse: the first of each content since the user spoke, if unsigned."""
        for content in self._contents[self._asked + 1 :]:
            first = next((part for part in content.parts if part.function_call is not None), None)
            if first is not None and first.thought_signature is None:
                first.thought_signature = signatures.SKIP


def _fits_inside(part: Part) -> bool:
    kind = part.inline_data.mime_type if part.inline_data else part.file_data.mime_type if part.file_data else None
    return kind is None or kind.startswith(_IN_RESPONSES)


def _args(arguments: str) -> Raw:
    """Return a call's arguments as the object that they are, or as one that holds them."""
    if not arguments.strip():
        return Raw(b"{}")
    given = arguments.encode("utf-8", "replace")
    try:
        _decode_object(given)
    except (msgspec.MsgspecError, RecursionError):
        wrapped: JsonObject = {"_raw": arguments}
        return Raw(_encode(wrapped))
    return Raw(given)


def _outputs(items: Sequence[Kept[Item]]) -> dict[str, list[tuple[int, _Output]]]:
    """Return the outputs by call id, newest first: some clients use an id again each turn."""
    found: dict[str, list[tuple[int, _Output]]] = {}
    for index, item in enumerate(items):
        view = item.view
        if type(view) is FunctionCallOutput or type(view) is CustomToolCallOutput:
            found.setdefault(view.call_id, []).insert(0, (index, view))
    return found


def _assistant_words(content: str | Sequence[MessagePart]) -> tuple[str, str]:
    """Return text and refusal of an assistant's message."""
    if isinstance(content, str):
        return content, ""
    if len(content) == 1 and type(content[0]) is OutputText:
        return content[0].text, ""
    text = "".join(part.text for part in content if isinstance(part, OutputText | InputText | PlainText))
    return text, "".join(part.refusal for part in content if isinstance(part, Refusal))


_SAID: dict[type[Item], Callable[[Contents, int, Any], None]] = {
    Message: Contents.message,
    FunctionCall: Contents.function_call,
    FunctionCallOutput: Contents.output,
    CustomToolCall: Contents.custom_call,
    CustomToolCallOutput: Contents.output,
    Reasoning: Contents.reasoned,
    AdditionalTools: Contents.nothing,
    ItemReference: Contents.nothing,
}
"""What each kind of item adds; a table, as matching costs more than what is then done."""
