"""A chat request in our terms."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Raw

from antiphon.dialects.chat.wire import (
    AssistantMessage,
    ChatAllowedChoice,
    ChatAudio,
    ChatCall,
    ChatCustomCall,
    ChatCustomChoice,
    ChatCustomTool,
    ChatFile,
    ChatFunctionCall,
    ChatFunctionChoice,
    ChatFunctionTool,
    ChatGrammarFormat,
    ChatImage,
    ChatMessage,
    ChatObjectFormat,
    ChatPart,
    ChatRefusal,
    ChatRequest,
    ChatSchemaFormat,
    ChatText,
    ChatTextFormat,
    ChatTool,
    DeveloperMessage,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from antiphon.dialects.entries import read_entries
from antiphon.dialects.reading import Place, Reading
from antiphon.errors import BadRequest, Unsupported
from antiphon.types.content import (
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    MessagePart,
    OutputText,
    ReasoningText,
    Refusal,
    ToolOutputPart,
)
from antiphon.types.decoding import missing
from antiphon.types.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    Message,
    Reasoning,
)
from antiphon.types.responses import (
    CreateResponse,
    Format,
    Include,
    JsonObjectFormat,
    JsonSchemaFormat,
    ReasoningOptions,
    Text,
    TextFormat,
)
from antiphon.types.tools import (
    AllowedTool,
    AllowedTools,
    CustomChoice,
    CustomTool,
    FreeFormat,
    FunctionChoice,
    FunctionTool,
    GrammarFormat,
    ToolChoice,
)

_encode = msgspec.json.Encoder().encode
_MESSAGE: msgspec.json.Decoder[ChatMessage] = msgspec.json.Decoder(ChatMessage)
_TOOL: msgspec.json.Decoder[ChatTool] = msgspec.json.Decoder(ChatTool)
_Role = Literal["system", "developer", "user", "assistant"]
_LOGPROBS: list[Include] = ["message.output_text.logprobs"]

_UNSAYABLE = ("stop", "logit_bias", "audio", "functions", "function_call", "moderation", "web_search_options")
"""Parameters that change an answer and that the Responses API doesn't have."""

_LEFT_OUT = ("seed", "prediction", "metadata")
"""Parameters that may make an answer cheaper or easier to find, and change nothing else."""

PARAMS: Mapping[str, str] = {
    "input": "messages",
    "include": "logprobs",
    "text.format": "response_format",
    "text.format.name": "response_format.json_schema.name",
    "text.format.schema": "response_format.json_schema.schema",
    "text.verbosity": "verbosity",
    "reasoning": "reasoning_effort",
}
"""Parameters of the Responses API to those of Chat Completions, where they differ (and `max_output_tokens`)."""

PARTS: Mapping[str, str] = {
    "text": "text",
    "image_url": "image_url.url",
    "detail": "image_url.detail",
    "file_data": "file.file_data",
    "file_id": "file.file_id",
    "filename": "file.filename",
    "refusal": "refusal",
}
"""Fields of a part of content to those of a part of a chat message."""

_CONTENT = {"content": "content"}
_FUNCTION = {name: f"function.{name}" for name in ("name", "description", "parameters", "strict")}
_CUSTOM = {name: f"custom.{name}" for name in ("name", "description", "format")}


def read(body: ChatRequest, notes: list[str]) -> Reading:
    """Return what `body` asks for. Raises BadRequest or Unsupported with the path in `body`."""
    _refuse(body)
    _note(body, notes)
    limit = "max_completion_tokens" if body.max_completion_tokens is not None else "max_tokens"
    reading = Reading({**PARAMS, "max_output_tokens": limit}, PARTS)
    _Messages(reading, notes).read(read_entries(body.messages, _MESSAGE, "messages", notes))
    for index, tool in enumerate(read_entries(body.tools or (), _TOOL, "tools", notes)):
        _tool(reading, tool, f"tools[{index}]")
    reading.request = CreateResponse(
        model=body.model,
        input=reading.items,
        store=False,
        stream=body.stream,
        tools=reading.tools or None,
        tool_choice=_choice(body),
        parallel_tool_calls=body.parallel_tool_calls,
        text=_text(body),
        reasoning=ReasoningOptions(effort=body.reasoning_effort) if body.reasoning_effort is not None else None,
        include=_LOGPROBS if body.logprobs else None,
        temperature=body.temperature,
        top_p=body.top_p,
        top_logprobs=body.top_logprobs,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        max_output_tokens=getattr(body, limit),
        user=body.user,
        safety_identifier=body.safety_identifier,
        prompt_cache_key=body.prompt_cache_key,
        prompt_cache_retention=body.prompt_cache_retention,
        prompt_cache_options=body.prompt_cache_options,
        service_tier=body.service_tier,
    )
    return reading


def _refuse(body: ChatRequest) -> None:
    """Raise Unsupported for the first parameter that can't be had; one that says nothing is no request."""
    for name in _UNSAYABLE:
        if getattr(body, name) not in (None, "", [], {}):
            raise Unsupported(f"'{name}' is not available on this server.", param=name)
    if body.n not in {None, 1}:
        raise Unsupported("This server gives one choice; leave 'n' out.", param="n")
    if "audio" in (body.modalities or ()):
        raise Unsupported("Audio output is not available on this server.", param="modalities")
    if body.top_logprobs and not body.logprobs:
        raise BadRequest("'top_logprobs' needs 'logprobs': true.", code="invalid_value", param="top_logprobs")


def _note(body: ChatRequest, notes: list[str]) -> None:
    notes += [f"{name} left out" for name in _LEFT_OUT if getattr(body, name) is not None]
    if body.store:
        notes.append("store left out: chat completions are not stored")


# -- options --------------------------------------------------------------------------------------------------


def _text(body: ChatRequest) -> Text | None:
    if body.response_format is None and body.verbosity is None:
        return None
    chosen: Format = TextFormat()
    match body.response_format:
        case ChatSchemaFormat(json_schema=given):
            chosen = JsonSchemaFormat(
                name=given.name, description=given.description, schema=given.schema, strict=given.strict
            )
        case ChatObjectFormat():
            chosen = JsonObjectFormat()
        case ChatTextFormat() | None:
            pass
    return Text(format=chosen, verbosity=body.verbosity)


def _tool(reading: Reading, tool: ChatTool, path: str) -> None:
    match tool:
        case ChatFunctionTool(function=given):
            function = FunctionTool(
                name=given.name, description=given.description, parameters=given.parameters, strict=given.strict
            )
            reading.add_tool(function, Place(path, names=_FUNCTION))
        case ChatCustomTool(custom=given):
            shape: FreeFormat | GrammarFormat = FreeFormat()
            if isinstance(given.format, ChatGrammarFormat):
                grammar = given.format.grammar
                shape = GrammarFormat(syntax=grammar.syntax, definition=grammar.definition)
            custom = CustomTool(
                name=given.name,
                description=given.description,
                format=Raw(_encode(shape)) if given.format is not None else UNSET,
            )
            reading.add_tool(custom, Place(path, names=_CUSTOM))


def _choice(body: ChatRequest) -> ToolChoice | None:
    match body.tool_choice:
        case ChatFunctionChoice(function=tool):
            return FunctionChoice(name=tool.name)
        case ChatCustomChoice(custom=tool):
            return CustomChoice(name=tool.name)
        case ChatAllowedChoice(allowed_tools=allowed):
            return AllowedTools(mode=allowed.mode, tools=[_allowed(tool) for tool in allowed.tools])
        case "auto" | "none" if not body.tools:
            return None  # said without tools it means nothing
        case mode:
            return mode


def _allowed(tool: ChatFunctionChoice | ChatCustomChoice) -> AllowedTool:
    if isinstance(tool, ChatCustomChoice):
        return AllowedTool(type="custom", name=tool.custom.name)
    return AllowedTool(type="function", name=tool.function.name)


# -- messages -------------------------------------------------------------------------------------------------


class _Messages:
    """Turns messages into items; an assistant's message may be several."""

    def __init__(self, reading: Reading, notes: list[str]) -> None:
        self.reading = reading
        self.notes = notes
        self.freeform: set[str] = set()
        """Ids of the calls of freeform tools so far."""

    def read(self, messages: Sequence[ChatMessage]) -> None:
        for index, message in enumerate(messages):
            path = f"messages[{index}]"
            if message.name is not None:
                self.notes.append(f"{path}.name left out")
            match message:
                case SystemMessage():
                    self._message("system", message.content, path)
                case DeveloperMessage():
                    self._message("developer", message.content, path)
                case UserMessage():
                    self._message("user", message.content, path)
                case AssistantMessage():
                    self._assistant(message, path)
                case ToolMessage():
                    self._output(message, path)

    def _message(self, role: _Role, content: str | Sequence[ChatPart], path: str) -> None:
        if isinstance(content, str):
            self.reading.add(Message(role=role, content=content), Place(path, names=_CONTENT))
            return
        parts: list[MessagePart] = [self._part(part, f"{path}.content[{index}]") for index, part in enumerate(content)]
        self.reading.add(Message(role=role, content=parts), Place(path, _paths(path, content), _CONTENT))

    def _part(self, part: ChatPart, path: str) -> InputText | InputImage | InputAudio | InputFile:
        if part.prompt_cache_breakpoint is not None:
            self.notes.append(f"{path}.prompt_cache_breakpoint left out")
        match part:
            case ChatText(text=text):
                return InputText(text=text)
            case ChatImage(image_url=image):
                return InputImage(image_url=image.url, detail=image.detail or "auto")
            case ChatAudio(input_audio=audio):
                return InputAudio(input_audio=audio)
            case ChatFile(file=file):
                return InputFile(file_data=file.file_data, file_id=file.file_id, filename=file.filename)

    def _assistant(self, message: AssistantMessage, path: str) -> None:
        for name in ("audio", "function_call"):
            if getattr(message, name) is not None:
                raise Unsupported(f"'{name}' is not available on this server.", param=f"{path}.{name}")
        if message.reasoning_content:
            thought = Reasoning(content=[ReasoningText(text=message.reasoning_content)])
            self.reading.add(thought, Place(path, names={"content": "reasoning_content"}))
        said = self._words(message, path)
        if not said and not message.tool_calls:
            raise missing(f"{path}.content")
        for index, call in enumerate(message.tool_calls or ()):
            self._call(call, f"{path}.tool_calls[{index}]")

    def _words(self, message: AssistantMessage, path: str) -> bool:
        """Add what an assistant said, and say whether it was anything; an empty text beside calls isn't."""
        content = message.content
        if isinstance(content, str) and not message.refusal:
            if content or not message.tool_calls:
                self.reading.add(Message(role="assistant", content=content), Place(path, names=_CONTENT))
            return True
        parts: list[MessagePart] = []
        paths: list[str] = []
        if isinstance(content, str):
            parts.append(OutputText(text=content))
            paths.append(f"{path}.content")
        else:
            parts += [_told(part) for part in content or ()]
            paths += _paths(path, content or ())
        if message.refusal:
            parts.append(Refusal(refusal=message.refusal))
            paths.append(f"{path}.refusal")
        if parts:
            self.reading.add(Message(role="assistant", content=parts), Place(path, paths, _CONTENT))
        return bool(parts)

    def _call(self, call: ChatCall, path: str) -> None:
        match call:
            case ChatFunctionCall(id=identity, function=function):
                item = FunctionCall(call_id=identity, name=function.name, arguments=function.arguments)
                names = {"call_id": "id", "name": "function.name", "arguments": "function.arguments"}
                self.freeform.discard(identity)
                self.reading.add(item, Place(path, names=names))
            case ChatCustomCall(id=identity, custom=custom):
                freeform = CustomToolCall(call_id=identity, name=custom.name, input=custom.input)
                self.freeform.add(identity)
                names = {"call_id": "id", "name": "custom.name", "input": "custom.input"}
                self.reading.add(freeform, Place(path, names=names))

    def _output(self, message: ToolMessage, path: str) -> None:
        content, names = message.content, {"call_id": "tool_call_id", "output": "content"}
        output: str | list[ToolOutputPart]
        paths: Sequence[str] = ()
        if isinstance(content, str):
            output = content
        else:
            output = [self._part(part, f"{path}.content[{index}]") for index, part in enumerate(content)]
            paths = _paths(path, content)
        kind = CustomToolCallOutput if message.tool_call_id in self.freeform else FunctionCallOutput
        self.reading.add(kind(call_id=message.tool_call_id, output=output), Place(path, paths, names))


def _paths(path: str, content: Sequence[object]) -> list[str]:
    return [f"{path}.content[{index}]" for index in range(len(content))]


def _told(part: ChatText | ChatRefusal) -> OutputText | Refusal:
    return Refusal(refusal=part.refusal) if isinstance(part, ChatRefusal) else OutputText(text=part.text)
