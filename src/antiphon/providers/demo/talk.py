"""What a demo model understands of a turn: who said what, what was attached, what is offered. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from antiphon.providers.demo.merge import is_object
from antiphon.types.content import InputAudio, InputFile, InputImage, MessagePart, Refusal, ToolOutputPart
from antiphon.types.items import (
    AdditionalTools,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    Item,
    Message,
    Reasoning,
)
from antiphon.types.tools import AllowedTools, CustomTool, FunctionTool, NamespaceTool, Tool
from antiphon.types.turns import Turn

_TOOL: msgspec.json.Decoder[Tool] = msgspec.json.Decoder(FunctionTool | CustomTool | NamespaceTool)
_WORD = re.compile(r"\w+|[^\w\s]")


class Offer(Struct, frozen=True, kw_only=True):
    """A tool that may be called. `schema` is that of a function's arguments, `pattern` that of a text's grammar."""

    name: str
    namespace: str | None = None
    custom: bool = False
    schema: Any = None
    pattern: str | None = None


class Talk(Struct, frozen=True, kw_only=True):
    """A conversation, read. `told` is every text of it; the rest is what the last user message brought on."""

    instructions: str | None
    said: Sequence[str]
    """The user's messages, oldest first."""
    attached: Sequence[str]
    """What came with the last of them: "an image", "the file report.pdf"."""
    outputs: Sequence[tuple[str, str]]
    """Names and outputs of the calls answered since."""
    told: Sequence[str]

    @property
    def prompt(self) -> str:
        """The last thing that the user said."""
        return self.said[-1] if self.said else ""

    @property
    def words(self) -> int:
        """Words and signs of everything: what a demo model takes for tokens."""
        return max(1, sum(len(_WORD.findall(text)) for text in self.told))


def listen(turn: Turn) -> Talk:
    """Read a turn."""
    said: list[str] = []
    attached: list[str] = []
    outputs: list[tuple[str, str]] = []
    names: dict[str, str] = {}
    told = [turn.request.instructions] if turn.request.instructions else []
    for item in turn.items:
        view = item.view
        told += _texts(view)
        match view:
            case Message(role="user"):
                said.append(_joined(view.content))
                attached = [name for part in _parts(view.content) if (name := _attachment(part))]
                outputs = []
            case FunctionCall() | CustomToolCall():
                names[view.call_id] = view.name
            case FunctionCallOutput() | CustomToolCallOutput():
                outputs.append((names.get(view.call_id, "function"), _output(view.output)))
            case _:
                pass
    return Talk(instructions=turn.request.instructions, said=said, attached=attached, outputs=outputs, told=told)


def offers(turn: Turn) -> list[Offer]:
    """Return the tools that may be called, those of namespaces and of `additional_tools` too."""
    found: dict[tuple[str | None, str], Offer] = {}
    for tool in _tools(turn):
        for offer in _offers_of(tool):
            found[offer.namespace, offer.name] = offer
    if isinstance(turn.tool_choice, AllowedTools):
        allowed = {tool.name for tool in turn.tool_choice.tools if tool.name is not UNSET}
        return [offer for offer in found.values() if offer.name in allowed or offer.namespace in allowed]
    return list(found.values())


def _tools(turn: Turn) -> Iterator[Tool]:
    for tool in turn.tools:
        if tool.view is not None:
            yield tool.view
    for item in turn.items:
        if isinstance(item.view, AdditionalTools):
            for raw in item.view.tools:
                if (view := _view(raw)) is not None:
                    yield view


def _view(raw: Raw) -> Tool | None:
    try:
        return _TOOL.decode(raw)
    except msgspec.ValidationError:
        return None


def _offers_of(tool: Tool) -> list[Offer]:
    match tool:
        case FunctionTool():
            return [Offer(name=tool.name, schema=msgspec.json.decode(tool.parameters))]
        case CustomTool():
            return [Offer(name=tool.name, custom=True, pattern=_grammar(tool))]
        case NamespaceTool():
            inner = [offer for each in tool.tools for offer in _offers_of(each)]
            return [msgspec.structs.replace(offer, namespace=tool.name) for offer in inner]


def _grammar(tool: CustomTool) -> str | None:
    """Return the regular expression that a freeform tool wants its input to fit; other grammars are not read."""
    given = msgspec.json.decode(tool.format) if tool.format is not UNSET else None
    if not is_object(given):
        return None
    grammar = given.get("grammar", given)
    if not is_object(grammar) or grammar.get("syntax") != "regex":
        return None
    return str(grammar.get("definition", ""))


def _texts(view: Item | None) -> list[str]:
    match view:
        case Message():
            return [_joined(view.content)]
        case FunctionCall():
            return [view.name, view.arguments]
        case CustomToolCall():
            return [view.name, view.input]
        case FunctionCallOutput() | CustomToolCallOutput():
            return [_output(view.output)]
        case Reasoning():
            return [part.text for part in view.summary]
        case _:
            return []


def _parts(content: str | Sequence[MessagePart]) -> Sequence[MessagePart]:
    return () if isinstance(content, str) else content


def _joined(content: str | Sequence[MessagePart | ToolOutputPart]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(text for part in content if (text := _text(part)))


def _text(part: MessagePart | ToolOutputPart) -> str:
    match part:
        case InputImage() | InputFile() | InputAudio():
            return f"[{_attachment(part)}]"
        case Refusal():
            return part.refusal
        case _:
            return part.text


def _attachment(part: MessagePart | ToolOutputPart) -> str | None:
    match part:
        case InputImage():
            return "an image"
        case InputAudio():
            return "a sound"
        case InputFile():
            return f"the file {part.filename}" if part.filename else "a file"
        case _:
            return None


def _output(output: str | Sequence[ToolOutputPart] | dict[str, Any]) -> str:
    return msgspec.json.encode(output).decode() if isinstance(output, dict) else _joined(output)
