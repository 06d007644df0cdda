"""A turn as the body of `POST /chat/completions`."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from antiphon.codecs.lowering import Toolbox, lower
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
from antiphon.types.profiles import Hint, Profile
from antiphon.types.responses import CreateResponse, JsonObjectFormat, JsonSchemaFormat, TextFormat
from antiphon.types.tools import AllowedTools, CustomChoice, FunctionChoice
from antiphon.types.turns import Turn, UpstreamRequest

_encode = msgspec.json.Encoder().encode
_LOGPROBS = "message.output_text.logprobs"


class _CalledFunction(Struct):
    name: str
    arguments: str


class _CalledCustom(Struct):
    name: str
    input: str


class _Call(Struct, omit_defaults=True):
    id: str
    function: _CalledFunction | None = None
    custom: _CalledCustom | None = None
    type: Literal["function", "custom", ""] = ""


class _Sent(Struct):
    """One chat message. `content` is always sent, also as null."""

    role: str
    content: str | list[JsonObject] | None
    tool_calls: list[_Call] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET


class _Body(Struct, omit_defaults=True):
    model: str
    messages: list[_Sent]
    stream: bool = False
    stream_options: JsonObject | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[JsonObject] | None = None
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonObject | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None


def encode(turn: Turn, profile: Profile) -> UpstreamRequest:
    """Return the request. Raises BadRequest or Unsupported with the path of what can't be said."""
    request, notes = turn.request, []
    box = lower(turn, profile)
    notes += box.notes
    body = _Body(model=turn.model, messages=_Messages(turn, profile, box, notes).all(), stream=turn.stream)
    if turn.stream and profile.stream_usage:
        body.stream_options = {"include_usage": True}
    _sampling(body, request, profile)
    _tools(body, turn, box, profile)
    _format(body, request, profile)
    _reasoning(body, request, profile)
    _hints(body, request, profile, notes)
    summarize = request.reasoning is not None and bool(request.reasoning.summary or request.reasoning.generate_summary)
    return UpstreamRequest(
        path="/chat/completions", body=_encode(body), names=box.names, notes=notes, summarize=summarize
    )


def _sampling(body: _Body, request: CreateResponse, profile: Profile) -> None:
    setattr(body, profile.max_tokens_field, request.max_output_tokens)
    if not profile.temperature and (request.temperature not in {None, 1} or request.top_p not in {None, 1}):
        param = "temperature" if request.temperature not in {None, 1} else "top_p"
        raise Unsupported(f"'{param}' is not available with this model.", param=param)
    if profile.temperature:
        body.temperature, body.top_p = request.temperature, request.top_p
    body.presence_penalty, body.frequency_penalty = request.presence_penalty, request.frequency_penalty
    wanted = _LOGPROBS in (request.include or ())
    if not profile.logprobs and (wanted or request.top_logprobs):
        param = "top_logprobs" if request.top_logprobs else "include"
        raise Unsupported("Log probabilities are not available with this model.", param=param)
    if wanted:
        body.logprobs, body.top_logprobs = True, request.top_logprobs or None


def _format(body: _Body, request: CreateResponse, profile: Profile) -> None:
    match request.text.format if request.text else None:
        case JsonSchemaFormat() as chosen:
            if not profile.json_schema:
                raise Unsupported("JSON schema output is not available with this model.", param="text.format")
            schema = {"name": chosen.name, "schema": chosen.schema}
            if chosen.strict is not None:
                schema["strict"] = chosen.strict
            if chosen.description is not None:
                schema["description"] = chosen.description
            body.response_format = {"type": "json_schema", "json_schema": schema}
        case JsonObjectFormat():
            if not profile.json_object:
                raise Unsupported("JSON output is not available with this model.", param="text.format")
            body.response_format = {"type": "json_object"}
        case TextFormat() | None:
            pass


def _reasoning(body: _Body, request: CreateResponse, profile: Profile) -> None:
    options = request.reasoning
    if options is None:
        return
    if options.mode == "pro":
        raise Unsupported("Reasoning mode 'pro' is not available with this provider.", param="reasoning.mode")
    if options.context == "all_turns":
        raise Unsupported("'all_turns' is not available with this provider.", param="reasoning.context")
    if options.effort is None:
        return
    if profile.effort == "reasoning_effort":
        body.reasoning_effort = options.effort
    elif options.effort != "none":
        raise Unsupported("This model knows no reasoning effort.", param="reasoning.effort")


def _hints(body: _Body, request: CreateResponse, profile: Profile, notes: list[str]) -> None:
    """Pass the hints that the provider takes; they change no answer's meaning, so others are left out."""
    given: dict[Hint, str | None] = {
        "user": request.user,
        "safety_identifier": request.safety_identifier,
        "prompt_cache_key": request.prompt_cache_key,
        "prompt_cache_retention": request.prompt_cache_retention,
        "service_tier": request.service_tier if request.service_tier not in {"auto", "default"} else None,
        "verbosity": request.text.verbosity if request.text else None,
    }
    for hint, value in given.items():
        if value is None:
            continue
        if hint in profile.hints:
            setattr(body, hint, value)
        else:
            notes.append(f"{'text.verbosity' if hint == 'verbosity' else hint} left out")
    if request.prompt_cache_options is not None:
        notes.append("prompt_cache_options left out")


# -- tools ----------------------------------------------------------------------------------------------------


def _tools(body: _Body, turn: Turn, box: Toolbox, profile: Profile) -> None:
    if not box.functions and not box.custom:
        return
    if not profile.tools:
        raise Unsupported("Tools are not available with this model.", param="tools")
    body.tools = [{"type": "function", "function": function} for function in box.functions]
    for tool in box.custom:
        custom: JsonObject = {"name": tool.name}
        if tool.description is not None:
            custom["description"] = tool.description
        if tool.format is not UNSET:
            custom["format"] = _custom_format(msgspec.json.decode(tool.format))
        body.tools.append({"type": "custom", "custom": custom})
    if turn.request.parallel_tool_calls is False and profile.parallel_switch:
        body.parallel_tool_calls = False
    body.tool_choice = _choice(turn, box, profile)


def _custom_format(given: JsonObject) -> JsonObject:
    """Return a freeform tool's format in chat's nesting: a grammar stands under its own key."""
    if given.get("type") != "grammar":
        return given
    return {"type": "grammar", "grammar": {key: given[key] for key in ("syntax", "definition") if key in given}}


def _choice(turn: Turn, box: Toolbox, profile: Profile) -> str | JsonObject | None:
    choice = turn.tool_choice
    if choice == "auto":
        return None
    if choice == "none":
        return "none"
    if isinstance(choice, AllowedTools) and choice.mode == "auto":
        return None
    if not profile.forced_tools:
        raise Unsupported("This model can't be forced to call a tool.", param="tool_choice")
    if choice == "required" or isinstance(choice, AllowedTools):
        return "required"
    if isinstance(choice, CustomChoice) and any(tool.name == choice.name for tool in box.custom):
        return {"type": "custom", "custom": {"name": choice.name}}
    if isinstance(choice, FunctionChoice | CustomChoice):
        return {"type": "function", "function": {"name": _forced_name(choice.name, box)}}
    raise Unsupported(f"Tool choice '{choice.type}' is not available with this provider.", param="tool_choice")


def _forced_name(name: str, box: Toolbox) -> str:
    """Return the upstream name of a forced tool, which may stand in a namespace."""
    for (_, plain), wire in box.wire.items():
        if plain == name:
            return wire
    return name


# -- messages -------------------------------------------------------------------------------------------------

_Output: TypeAlias = FunctionCallOutput | CustomToolCallOutput


class _Messages:
    """Builds the messages of one turn: calls grouped, each group followed by all of its outputs."""

    def __init__(self, turn: Turn, profile: Profile, box: Toolbox, notes: list[str]) -> None:
        self.turn = turn
        self.profile = profile
        self.box = box
        self.notes = notes
        self.messages: list[_Sent] = []
        self.thought = ""
        self.group: _Sent | None = None
        self.outputs = dict(_outputs(turn.items))

    def all(self) -> list[_Sent]:
        if self.turn.request.instructions:
            self._say(self._system_role("developer"), self.turn.request.instructions)
        for index, item in enumerate(self.turn.items):
            self._item(index, item)
        self._end_group()
        return self.messages

    def _item(self, index: int, item: Kept[Item]) -> None:
        match item.view:
            case Message(role="assistant") as view:
                self._assistant(view)
            case Message() as view:
                self._end_group()
                self._message(index, view)
            case FunctionCall() as view:
                wire = self.box.wire_name(view.name, view.namespace or None)
                function = _CalledFunction(wire, view.arguments or "{}")
                self._call(_Call(view.call_id, function=function, type="function"))
            case CustomToolCall() as view:
                self._custom_call(view)
            case FunctionCallOutput() | CustomToolCallOutput():
                self._end_group()  # which tells all the outputs of its calls
            case Reasoning() as view:
                self._reasoned(view)
            case AdditionalTools() | ItemReference():
                pass  # the tools are in the toolbox; references were resolved before
            case None:
                kind = msgspec.json.decode(item.raw).get("type")
                self.notes.append(f"{self.turn.path(index)}: {kind} left out, this provider has none")

    def _system_role(self, role: str) -> str:
        return role if role == "user" or (role == "developer" and self.profile.developer_role) else "system"

    def _message(self, index: int, view: Message) -> None:
        role = self._system_role(view.role)
        content = self._content(view.content, f"{self.turn.path(index)}.content")
        if role != "user" and not self.profile.mid_system and any(sent.role != role for sent in self.messages):
            role = "user"
            content = f"[{view.role} message]\n{content}" if isinstance(content, str) else content
        self._say(role, content)

    def _say(self, role: str, content: str | list[JsonObject] | None) -> None:
        self.messages.append(_Sent(role, content))

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

    def _open_group(self) -> _Sent:
        if self.group is None:
            self.group = _Sent("assistant", None)
            if self.thought and self.profile.replay_reasoning != "none":
                setattr(self.group, self.profile.replay_reasoning, self.thought)
            self.thought = ""
        return self.group

    def _call(self, call: _Call) -> None:
        group = self._open_group()
        if group.tool_calls is UNSET:
            group.tool_calls = []
        group.tool_calls.append(call)

    def _custom_call(self, view: CustomToolCall) -> None:
        if self.profile.custom_tools and not view.namespace:
            self._call(_Call(view.call_id, custom=_CalledCustom(view.name, view.input), type="custom"))
            return
        arguments = _encode({"input": view.input}).decode()
        wire = self.box.wire_name(view.name, view.namespace or None)
        self._call(_Call(view.call_id, function=_CalledFunction(wire, arguments), type="function"))

    def _reasoned(self, view: Reasoning) -> None:
        self._end_group()
        parts = view.content or view.summary
        self.thought = "".join(part.text for part in parts)

    def _end_group(self) -> None:
        group, self.group = self.group, None
        if group is None:
            return
        if group.content is None and (not self.profile.null_content or group.tool_calls is UNSET):
            group.content = ""
        if group.tool_calls is UNSET:
            group.reasoning_content = group.reasoning = UNSET  # wanted back only with calls
            if group.content == "" and group.refusal is UNSET:
                return
        self.messages.append(group)
        pictures: list[JsonObject] = []
        for call in group.tool_calls or ():
            if found := self.outputs.get(call.id):
                pictures += self._tool_message(*found)
        if pictures:
            self._say("user", pictures)

    def _tool_message(self, index: int, view: _Output) -> Sequence[JsonObject]:
        """Add a tool's message and return the parts that only a user's message can hold."""
        output = view.output
        if isinstance(output, dict):
            output = _encode(output).decode()
        pictures: list[JsonObject] = []
        if not isinstance(output, str):
            path = f"{self.turn.path(index)}.output"
            parts = [self._part(part, f"{path}[{place}]") for place, part in enumerate(output)]
            pictures = [part for part in parts if part["type"] != "text"]
            output = "\n".join(part["text"] for part in parts if part["type"] == "text")
            if pictures:
                pictures.insert(0, {"type": "text", "text": f"[output of tool call {view.call_id}]"})
        self.messages.append(_Sent("tool", output, tool_call_id=view.call_id))
        return pictures

    # content

    def _content(self, content: str | Sequence[MessagePart], path: str) -> str | list[JsonObject]:
        """Return content as a plain string where it is all text: not every server takes a list."""
        if isinstance(content, str):
            return content
        parts = [self._part(part, f"{path}[{index}]") for index, part in enumerate(content)]
        if all(part["type"] == "text" for part in parts):
            return "\n".join(part["text"] for part in parts)
        return parts

    def _part(self, part: MessagePart | ToolOutputPart, path: str) -> JsonObject:
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
                if not self.profile.audio:
                    raise Unsupported("Audio input is not available with this model.", param=path)
                return {"type": "input_audio", "input_audio": {"data": audio.data, "format": audio.format}}

    def _image(self, part: InputImage, path: str) -> JsonObject:
        if not self.profile.images:
            raise Unsupported("Image input is not available with this model.", param=path)
        if part.image_url is None:
            raise Unsupported("This server stores no files yet; send image_url instead.", param=f"{path}.file_id")
        image: JsonObject = {"url": part.image_url}
        if part.detail in {"low", "high"}:
            image["detail"] = part.detail
        elif part.detail == "original":
            image["detail"] = "high"
        return {"type": "image_url", "image_url": image}

    def _file(self, part: InputFile, path: str) -> JsonObject:
        if not self.profile.files:
            raise Unsupported("File input is not available with this model.", param=path)
        if part.file_data is None:
            field = "file_url" if part.file_url else "file_id"
            raise Unsupported("Only file_data is available with this provider.", param=f"{path}.{field}")
        file: JsonObject = {"file_data": part.file_data}
        if part.filename is not None:
            file["filename"] = part.filename
        return {"type": "file", "file": file}


def _outputs(items: Sequence[Kept[Item]]) -> Iterator[tuple[str, tuple[int, _Output]]]:
    for index, item in enumerate(items):
        if isinstance(item.view, FunctionCallOutput | CustomToolCallOutput):
            yield item.view.call_id, (index, item.view)


def _assistant_words(content: str | Sequence[MessagePart]) -> tuple[str, str]:
    """Return text and refusal of an assistant's message."""
    if isinstance(content, str):
        return content, ""
    text = "".join(part.text for part in content if isinstance(part, OutputText | InputText | PlainText))
    return text, "".join(part.refusal for part in content if isinstance(part, Refusal))
