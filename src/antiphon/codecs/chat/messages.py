"""A turn's items as chat messages: calls grouped, each group followed by all of its outputs."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from antiphon.codecs import media
from antiphon.codecs.chat.state import Thoughts
from antiphon.codecs.demands import check_address, check_part
from antiphon.codecs.lowering import Toolbox, freeform_arguments, short_id
from antiphon.errors import Unsupported
from antiphon.types.content import (
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    JsonObject,
    MessagePart,
    OutputText,
    PlainText,
    ReasoningText,
    Refusal,
    SummaryText,
    ToolOutputPart,
)
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


class _CalledFunction(Struct, gc=False):
    name: str
    arguments: str


class _CalledCustom(Struct, gc=False):
    name: str
    input: str


class _Call(Struct, omit_defaults=True, gc=False):
    id: str
    function: _CalledFunction | None = None
    custom: _CalledCustom | None = None
    type: Literal["function", "custom", ""] = ""
    extra_content: JsonObject | None = None


class Sent(Struct, gc=False):
    """One chat message. `content` is always sent, also as null."""

    role: str
    content: str | list[JsonObject] | None
    tool_calls: list[_Call] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    reasoning_details: list[JsonObject] | UnsetType = UNSET


_Output: TypeAlias = FunctionCallOutput | CustomToolCallOutput
_SYSTEM = frozenset({"system", "developer"})
_ID_LENGTH = 40
"""Characters of a call's id that OpenAI's Chat Completions takes."""

_UNREADABLE_STATE = "reasoning state that can't be read left out"
_NINE = re.compile(r"[A-Za-z0-9]{9}\Z")
_UNSIGNED: JsonObject = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""What Google has a call say that its model never made (https://ai.google.dev/gemini-api/docs/thought-signatures)."""


class Messages:
    """Builds the messages of one turn: calls grouped, each group followed by all of its outputs."""

    def __init__(self, turn: Turn, profile: Profile, box: Toolbox, notes: list[str]) -> None:
        self.turn = turn
        self.profile = profile
        self.box = box
        self.notes = notes
        self.messages: list[Sent] = []
        effort = turn.request.reasoning.effort if turn.request.reasoning else None
        self.thoughts = Thoughts(profile, is_off=effort == "none")
        self.replays = profile.replay_reasoning != "none"
        self.has_tools = bool(box.functions or box.custom)
        self.has_called = False  # since the user's last word
        self.group: Sent | None = None
        self.outputs = _outputs(turn.items)
        self.call_ids: set[str] = set()
        self.signed_from = _current_turn(turn.items) if profile.signed_calls else len(turn.items)

    def all(self) -> list[Sent]:
        if self.turn.request.instructions:
            self._say(self._system_role("developer"), self.turn.request.instructions)
        for index, item in enumerate(self.turn.items):
            view = item.view
            if view is None:
                self._left_out(index, item)
            else:
                _SAID[type(view)](self, index, view)
        self._end_group()
        return self.messages

    def _left_out(self, index: int, item: Kept[Item]) -> None:
        kind = msgspec.json.decode(item.raw).get("type")
        self.notes.append(f"{self.turn.path(index)}: {kind} left out, this provider has none")

    def nothing(self, index: int, view: Item) -> None:
        """The tools of an item are in the toolbox; references were resolved before."""

    def _system_role(self, role: str) -> str:
        return role if role == "user" or (role == "developer" and self.profile.developer_role) else "system"

    def message(self, index: int, view: Message) -> None:
        if view.role == "assistant":
            self._assistant(view)
            return
        if self.group is not None:
            self._end_group()
        self.thoughts.forget()  # of a turn that ended without a word
        self.has_called = self.has_called and view.role != "user"
        role = self._system_role(view.role)
        content = self._content(view.content, index)
        if role != "user" and not self.profile.mid_system and any(sent.role not in _SYSTEM for sent in self.messages):
            role, mark = "user", f"[{view.role} message]"
            content = f"{mark}\n{content}" if isinstance(content, str) else [{"type": "text", "text": mark}, *content]
        self._say(role, content)

    def _say(self, role: str, content: str | list[JsonObject] | None) -> None:
        self.messages.append(Sent(role, content))

    # an assistant's text and the calls behind it are one message

    def _assistant(self, view: Message) -> None:
        if self.group is not None and self.group.tool_calls is not UNSET:
            self._end_group()
        text, refusal = _assistant_words(view.content)
        group = self._open_group()
        if text:
            group.content = f"{group.content}\n\n{text}" if group.content else text
        if refusal:
            group.refusal = refusal

    def _open_group(self) -> Sent:
        if self.group is None:
            self.group = Sent("assistant", None)
        return self.group

    def function_call(self, index: int, view: FunctionCall) -> None:
        wire = self.box.wire_name(view.name, view.namespace or None)
        self._call(index, _Call(view.call_id, _CalledFunction(wire, view.arguments or "{}"), None, "function"))

    def _call(self, index: int, call: _Call) -> None:
        group = self._open_group()
        if self.thoughts.call is not None:
            call.extra_content, self.thoughts.call = self.thoughts.call, None
        if group.tool_calls is UNSET:
            group.tool_calls = []
            if call.extra_content is None and index >= self.signed_from:
                call.extra_content = _UNSIGNED
        self.has_called = True
        group.tool_calls.append(call)

    def custom_call(self, index: int, view: CustomToolCall) -> None:
        if self.profile.custom_tools and not view.namespace:
            self._call(index, _Call(view.call_id, custom=_CalledCustom(view.name, view.input), type="custom"))
            return
        wire = self.box.wire_name(view.name, view.namespace or None)
        function = _CalledFunction(wire, freeform_arguments(view.input))
        self._call(index, _Call(view.call_id, function=function, type="function"))

    def output(self, index: int, view: _Output) -> None:
        if self.group is not None:
            self._end_group()  # which tells all the outputs of its calls

    def reasoning(self, index: int, view: Reasoning) -> None:
        """Gather reasoning; it stands in the message of the words and calls around it, as chat told it."""
        if not self.thoughts.add(view) and _UNREADABLE_STATE not in self.notes:
            self.notes.append(_UNREADABLE_STATE)

    def _end_group(self) -> None:
        group, self.group = self.group, None
        if group is None:
            return
        if group.content is None and (not self.profile.null_content or group.tool_calls is UNSET):
            group.content = ""
        if group.tool_calls is UNSET and group.content == "" and group.refusal is UNSET:
            return
        if self.replays and (self.has_called or self.has_tools):
            # DeepSeek: with every message of a turn that called tools, and where tools are offered
            for name, value in self.thoughts.told().items():
                setattr(group, name, value)
        self.thoughts.forget()
        self.messages.append(group)
        pictures: list[JsonObject] = []
        for call in group.tool_calls or ():
            found = self.outputs.get(call.id)
            call.id = self._wire_id(call.id)
            if found:
                pictures += self._tool_message(call.id, *found.pop())
        if pictures:
            self._say("user", pictures)

    def _wire_id(self, call_id: str) -> str:
        """Return an id for a call that the server takes and that no call before it has."""
        is_nine = self.profile.short_call_ids
        wire = _nine(call_id) if is_nine else short_id(call_id, _ID_LENGTH)
        if wire in self.call_ids:
            other = f"{call_id}.{len(self.call_ids)}"
            wire = _nine(other) if is_nine else short_id(other, _ID_LENGTH)
        self.call_ids.add(wire)
        return wire

    def _tool_message(self, call_id: str, index: int, view: _Output) -> Sequence[JsonObject]:
        """Add a tool's message and return the parts that only a user's message can hold."""
        output = view.output
        if isinstance(output, dict):
            output = _encode(output).decode()
        pictures: list[JsonObject] = []
        content: str | list[JsonObject] = output if isinstance(output, str) else ""
        if not isinstance(output, str):
            path = f"{self.turn.path(index)}.output"
            parts = [self._part(part, f"{path}[{place}]") for place, part in enumerate(output)]
            pictures = [part for part in parts if part["type"] != "text"]
            content = "\n".join(part["text"] for part in parts if part["type"] == "text")
            if pictures and self.profile.tool_images:
                content, pictures = parts, []
            elif pictures:
                pictures.insert(0, {"type": "text", "text": f"[output of tool call {call_id}]"})
        self.messages.append(Sent("tool", content, tool_call_id=call_id))
        return pictures

    # content

    def _content(self, content: str | Sequence[MessagePart], place: int) -> str | list[JsonObject]:
        """Return content as a plain string where it is all text: not every server takes a list."""
        if isinstance(content, str):
            return content
        if len(content) == 1 and isinstance(content[0], InputText):
            return content[0].text
        path = f"{self.turn.path(place)}.content"
        parts = [self._part(part, f"{path}[{index}]") for index, part in enumerate(content)]
        if all(part["type"] == "text" for part in parts):
            return "\n".join(part["text"] for part in parts)
        return parts

    def _part(self, part: MessagePart | ToolOutputPart, path: str) -> JsonObject:
        check_part(part, self.profile, path)
        check_address(part, self.profile, path)
        match part:
            case InputText(text=text) | OutputText(text=text) | PlainText(text=text):
                return {"type": "text", "text": text}
            case SummaryText(text=text) | ReasoningText(text=text):
                return {"type": "text", "text": text}
            case Refusal(refusal=text):
                return {"type": "text", "text": text}
            case InputImage():
                return self._image(part, path)
            case InputFile():
                return self._file(part, path)
            case InputAudio(input_audio=audio):
                return {"type": "input_audio", "input_audio": {"data": audio.data, "format": audio.format}}

    def _image(self, part: InputImage, path: str) -> JsonObject:
        if part.image_url is None:
            raise Unsupported("This server stores no files yet; send image_url instead.", param=f"{path}.file_id")
        if part.image_url[:5].lower() == "data:":
            media.image(part.image_url, f"{path}.image_url")
        image: JsonObject = {"url": part.image_url}
        if part.detail in {"low", "high"}:
            image["detail"] = part.detail
        elif part.detail == "original":
            image["detail"] = "high"
        return {"type": "image_url", "image_url": image}

    def _file(self, part: InputFile, path: str) -> JsonObject:
        data = part.file_data or part.file_url  # OpenRouter takes an address in the same field
        if data is None:
            raise Unsupported("This server stores no files yet; send file_data instead.", param=f"{path}.file_id")
        file: JsonObject = {"file_data": data}
        if part.filename is not None:
            file["filename"] = part.filename
        return {"type": "file", "file": file}


_SAID: Mapping[type[Item], Callable[[Messages, int, Any], None]] = {
    Message: Messages.message,
    FunctionCall: Messages.function_call,
    FunctionCallOutput: Messages.output,
    CustomToolCall: Messages.custom_call,
    CustomToolCallOutput: Messages.output,
    Reasoning: Messages.reasoning,
    AdditionalTools: Messages.nothing,
    ItemReference: Messages.nothing,
}
"""What each kind of item adds; a look into a table costs a third of what a `match` over the kinds does."""


def _outputs(items: Sequence[Kept[Item]]) -> dict[str, list[tuple[int, _Output]]]:
    """Return the outputs by call id, newest first: some clients use an id again each turn."""
    found: dict[str, list[tuple[int, _Output]]] = {}
    for index, item in enumerate(items):
        view = item.view
        if type(view) is FunctionCallOutput or type(view) is CustomToolCallOutput:
            if view.call_id in found:
                found[view.call_id].insert(0, (index, view))
            else:
                found[view.call_id] = [(index, view)]
    return found


def _nine(call_id: str) -> str:
    """Return an id of nine letters and digits; one that is that is left, the others always change alike."""
    return call_id if _NINE.match(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _current_turn(items: Sequence[Kept[Item]]) -> int:
    """Return the place of the user's last message, where the current turn begins."""
    places = (index for index in range(len(items) - 1, -1, -1) if _is_user(items[index].view))
    return next(places, 0)


def _is_user(view: Item | None) -> bool:
    return isinstance(view, Message) and view.role == "user"


def _assistant_words(content: str | Sequence[MessagePart]) -> tuple[str, str]:
    """Return text and refusal of an assistant's message."""
    if isinstance(content, str):
        return content, ""
    text = "".join(part.text for part in content if isinstance(part, OutputText | InputText | PlainText))
    return text, "".join(part.refusal for part in content if isinstance(part, Refusal))
