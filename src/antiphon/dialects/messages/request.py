"""A request of Messages in our terms."""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct

from antiphon.dialects.entries import read_entries
from antiphon.dialects.messages.documents import Blocks
from antiphon.dialects.messages.wire import (
    AnyChoice,
    AssistantTurn,
    AutoChoice,
    CountMessages,
    MessagesRequest,
    MessagesTool,
    MessageTurn,
    NamedChoice,
    NoChoice,
    RedactedThinkingBlock,
    SystemTurn,
    TextBlock,
    ThinkingAdaptive,
    ThinkingBetweenTools,
    ThinkingBlock,
    ThinkingDisabled,
    ThinkingEnabled,
    ToolResultBlock,
    ToolUseBlock,
    UserTurn,
)
from antiphon.dialects.reading import Place, Reading
from antiphon.errors import BadRequest, Unsupported
from antiphon.types.content import MessagePart, OutputText, SummaryText
from antiphon.types.decoding import explain
from antiphon.types.items import FunctionCall, FunctionCallOutput, Message, Reasoning
from antiphon.types.responses import (
    CreateResponse,
    Effort,
    Include,
    JsonSchemaFormat,
    ReasoningOptions,
    ServiceTier,
    Text,
)
from antiphon.types.tools import FunctionChoice, FunctionTool, ToolChoice

_TURN: msgspec.json.Decoder[MessageTurn] = msgspec.json.Decoder(MessageTurn)
_TOOL = msgspec.json.Decoder(MessagesTool)
_STATE: list[Include] = ["reasoning.encrypted_content"]
_TIERS: dict[str | None, ServiceTier] = {"auto": "auto", "standard_only": "default"}

_UNSAYABLE = ("stop_sequences", "top_k", "container", "mcp_servers", "inference_geo")
"""Parameters that change an answer, or where it is made, and that the Responses API doesn't have."""

_LEFT_OUT = ("context_management", "diagnostics", "user_profile_id")
"""Parameters that make an answer cheaper or easier to explain."""

_TOOL_HINTS = ("defer_loading", "eager_input_streaming", "input_examples")

_BUDGETS: tuple[tuple[int, Effort], ...] = ((4_096, "low"), (16_384, "medium"))
"""Tokens of thinking to the effort that stands for them, ours to choose; more is `high`."""

_ANY_LENGTH = 2**53
"""The `max_tokens` of a request that has none."""

_FAILED = "The tool failed."
"""The output of a tool that failed without a word."""

PARAMS: Mapping[str, str] = {
    "input": "messages",
    "max_output_tokens": "max_tokens",
    "text.format": "output_config.format",
    "text.format.schema": "output_config.format.schema",
    "reasoning": "thinking",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "user": "metadata.user_id",
    "prompt_cache_key": "cache_control",
}
"""Parameters of the Responses API to those of Messages, where they differ."""

PARTS: Mapping[str, str] = {
    "text": "text",
    **dict.fromkeys(("image_url", "file_data", "file_url", "file_id"), "source"),
}
"""Fields of a part of content to those of a block."""

_CONTENT = {"content": "content"}
_TOOL_NAMES = {"name": "name", "description": "description", "parameters": "input_schema", "strict": "strict"}


def read(body: MessagesRequest, notes: list[str]) -> Reading:
    """Return what `body` asks for. Raises BadRequest or Unsupported with the path in `body`."""
    _refuse(body)
    notes += [f"{name} left out" for name in _LEFT_OUT if getattr(body, name) is not None]
    if body.speed == "fast":
        notes.append("speed left out")
    has_effort = body.output_config is not None and body.output_config.effort is not None
    reading = Reading({**PARAMS, "reasoning.effort": "output_config.effort" if has_effort else "thinking"}, PARTS)
    turns = _Turns(reading, notes)
    if body.system:
        turns.system(body.system, "system")
    turns.read(read_entries(body.messages, _TURN, "messages", notes))
    tools = _tools(reading, body.tools or (), notes)
    is_cached = turns.blocks.is_cached or body.cache_control is not None or any(tool.cache_control for tool in tools)
    user = body.metadata.user_id if body.metadata else None
    reading.request = CreateResponse(
        model=body.model,
        input=reading.items,
        store=False,
        stream=body.stream,
        tools=reading.tools or None,
        tool_choice=_choice(body),
        parallel_tool_calls=not getattr(body.tool_choice, "disable_parallel_tool_use", None),
        text=_text(body),
        reasoning=_reasoning(body, notes),
        include=_STATE,
        temperature=body.temperature,
        top_p=body.top_p,
        max_output_tokens=body.max_tokens,
        user=user,
        prompt_cache_key=_cache_key(user) if is_cached else None,
        service_tier=_TIERS.get(body.service_tier),
    )
    return reading


def read_count(body: CountMessages) -> Reading:
    """Return what is to be counted. Raises as `read` does; what that would leave out costs no tokens."""
    return read(MessagesRequest(max_tokens=_ANY_LENGTH, **msgspec.structs.asdict(body)), [])


def _refuse(body: MessagesRequest) -> None:
    for name in _UNSAYABLE:
        if getattr(body, name) not in (None, "", [], {}):
            raise Unsupported(f"'{name}' is not available on this server.", param=name)


def _cache_key(user: str | None) -> str:
    """Return the key under which a user's prompts are cached. Where a cache ends is the provider's business."""
    return hashlib.sha256((user or "").encode()).hexdigest()[:32]


# -- options --------------------------------------------------------------------------------------------------


def _text(body: MessagesRequest) -> Text | None:
    chosen = body.output_config.format if body.output_config else None
    return Text(format=JsonSchemaFormat(name="answer", schema=chosen.schema)) if chosen else None


def _reasoning(body: MessagesRequest, notes: list[str]) -> ReasoningOptions | None:
    """Return how much is to be reasoned, and a summary of it unless the client wants none."""
    effort: Effort | None = body.output_config.effort if body.output_config else None
    match body.thinking:
        case None:
            return ReasoningOptions(effort=effort) if effort else None
        case ThinkingDisabled():
            if effort:
                notes.append("output_config.effort left out: thinking is disabled")
            return ReasoningOptions(effort="none")
        case ThinkingBetweenTools():
            raise Unsupported("Thinking between tools alone is not available on this server.", param="thinking")
        case ThinkingEnabled(budget_tokens=budget, display=display):
            if budget >= body.max_tokens:
                text = f"Invalid 'thinking.budget_tokens': expected less than max_tokens, {body.max_tokens}."
                raise BadRequest(text, code="invalid_value", param="thinking.budget_tokens")
            if effort is None:
                effort = _effort(budget)
                notes.append(f"thinking.budget_tokens told as effort '{effort}'")
        case ThinkingAdaptive(display=display):
            if display == "omitted" and effort is None:
                display = None  # without a word on effort or summary, nothing would say that it is to think
                notes.append("thinking.display left out")
    return ReasoningOptions(effort=effort, summary=None if display == "omitted" else "auto")


def _effort(budget: int) -> Effort:
    for most, name in _BUDGETS:
        if budget <= most:
            return name
    return "high"


class _Kind(Struct):
    type: str | None = None


_KIND = msgspec.json.Decoder(_Kind)


def _tools(reading: Reading, given: Sequence[Raw], notes: list[str]) -> list[MessagesTool]:
    for index, peek in enumerate(read_entries(given, _KIND, "tools", notes)):
        if peek.type not in {None, "custom"}:
            raise Unsupported(f"Tool type '{peek.type}' is not available on this server.", param=f"tools[{index}]")
    tools = read_entries(given, _TOOL, "tools", notes)
    for index, tool in enumerate(tools):
        path = f"tools[{index}]"
        if bytes(tool.input_schema)[:1] != b"{":
            raise explain("Expected `object`", f"{path}.input_schema")
        if tool.allowed_callers not in (None, ["direct"]):
            text = "Calling a tool from a program is not available on this server."
            raise Unsupported(text, param=f"{path}.allowed_callers")
        notes += [f"{path}.{hint} left out" for hint in _TOOL_HINTS if getattr(tool, hint)]
        function = FunctionTool(
            name=tool.name, description=tool.description, parameters=tool.input_schema, strict=tool.strict
        )
        reading.add_tool(function, Place(path, names=_TOOL_NAMES))
    return tools


def _choice(body: MessagesRequest) -> ToolChoice | None:
    match body.tool_choice:
        case AnyChoice():
            return "required"
        case NamedChoice(name=name):
            return FunctionChoice(name=name)
        case NoChoice():
            return "none" if body.tools else None
        case AutoChoice() | None:
            return None


# -- messages -------------------------------------------------------------------------------------------------


class _Turns:
    """Turns messages into items; one message may be several."""

    def __init__(self, reading: Reading, notes: list[str]) -> None:
        self.reading = reading
        self.notes = notes
        self.blocks = Blocks(notes)

    def read(self, turns: Sequence[MessageTurn]) -> None:
        for index, turn in enumerate(turns):
            path = f"messages[{index}]"
            match turn:
                case UserTurn():
                    self._user(turn, path)
                case AssistantTurn():
                    self._assistant(turn, path)
                case SystemTurn(content=content):
                    self.system(content, f"{path}.content")
        if turns and isinstance(turns[-1], AssistantTurn):
            text = "An answer that the client begins is not available on this server; end with a user message."
            raise Unsupported(text, param=f"messages[{len(turns) - 1}]")

    def system(self, content: str | Sequence[TextBlock], path: str) -> None:
        if isinstance(content, str):
            self.reading.add(Message(role="system", content=content), Place(path))
            return
        said = self.blocks.parts(content, path)
        self.reading.add(Message(role="system", content=[part for part, _ in said]), Place(path, [p for _, p in said]))

    def _user(self, turn: UserTurn, path: str) -> None:
        if isinstance(turn.content, str):
            self.reading.add(Message(role="user", content=turn.content), Place(path, names=_CONTENT))
            return
        said: list[tuple[MessagePart, str]] = []
        for index, block in enumerate(turn.content):
            place = f"{path}.content[{index}]"
            if isinstance(block, ToolResultBlock):
                self._say(said, path)
                said = []
                self._result(block, place)
            else:
                said += self.blocks.told(block, place)
        self._say(said, path)

    def _say(self, said: Sequence[tuple[MessagePart, str]], path: str) -> None:
        if said:
            content = [part for part, _ in said]
            self.reading.add(Message(role="user", content=content), Place(path, [place for _, place in said], _CONTENT))

    def _result(self, block: ToolResultBlock, path: str) -> None:
        self.blocks.see(block)
        names, content = {"call_id": "tool_use_id", "output": "content"}, block.content or ""
        if block.is_error:
            self.notes.append(f"{path}.is_error left out")
            content = content or _FAILED
        if isinstance(content, str):
            self.reading.add(FunctionCallOutput(call_id=block.tool_use_id, output=content), Place(path, names=names))
            return
        said = self.blocks.parts(content, f"{path}.content")
        output = FunctionCallOutput(call_id=block.tool_use_id, output=[part for part, _ in said])
        self.reading.add(output, Place(path, [place for _, place in said], names))

    def _assistant(self, turn: AssistantTurn, path: str) -> None:
        if isinstance(turn.content, str):
            self.reading.add(Message(role="assistant", content=turn.content), Place(path, names=_CONTENT))
            return
        said: list[MessagePart] = []
        paths: list[str] = []
        for index, block in enumerate(turn.content):
            place = f"{path}.content[{index}]"
            self.blocks.see(block)
            if isinstance(block, TextBlock):
                said.append(OutputText(text=block.text))
                paths.append(place)
                continue
            self._end_text(said, paths, path)
            said, paths = [], []
            match block:
                case ThinkingBlock(thinking=text, signature=state):
                    self._reasoned(text, state, place, "signature")
                case RedactedThinkingBlock(data=state):
                    self._reasoned("", state, place, "data")
                case ToolUseBlock():
                    self._call(block, place)
        self._end_text(said, paths, path)

    def _end_text(self, said: list[MessagePart], paths: list[str], path: str) -> None:
        if said:
            self.reading.add(Message(role="assistant", content=said), Place(path, paths, _CONTENT))

    def _reasoned(self, text: str, state: str, path: str, name: str) -> None:
        item = Reasoning(summary=[SummaryText(text=text)] if text else [], encrypted_content=state or UNSET)
        self.reading.add(item, Place(path, names={"summary": "thinking", "encrypted_content": name}))

    def _call(self, block: ToolUseBlock, path: str) -> None:
        given = bytes(block.input)
        if given[:1] != b"{":
            raise explain("Expected `object`", f"{path}.input")
        item = FunctionCall(call_id=block.id, name=block.name, arguments=given.decode())
        self.reading.add(item, Place(path, names={"call_id": "id", "name": "name", "arguments": "input"}))
