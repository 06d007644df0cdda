"""Items: what a conversation consists of, as the API names them.

The Structs here are *views*: typed enough to act on. What a client or an upstream sent is spoken again from
its own bytes (`Kept`), so a field that is missing here is not lost. Fields that the API always sends have
values; those that may be absent are UNSET. They hold nothing that could hold them, hence `gc=False`.
"""

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from antiphon.types.content import (
    JsonObject,
    MessagePart,
    OutputPart,
    ReasoningText,
    SummaryText,
    ToolOutputPart,
)

Status = Literal["in_progress", "completed", "incomplete"]
Phase = Literal["commentary", "final_answer"]
CallId = Annotated[str, Meta(min_length=1, max_length=256)]


class Message(Struct, kw_only=True, frozen=True, tag="message", gc=False):
    """A message as clients send it; `content` may be a plain string."""

    type: ClassVar[str] = "message"
    id: str | UnsetType | None = UNSET
    status: Status | UnsetType | None = UNSET
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[MessagePart]
    phase: Phase | UnsetType | None = UNSET


class OutputMessage(Struct, kw_only=True, frozen=True, tag="message", gc=False):
    """A message as we send it."""

    type: ClassVar[str] = "message"
    id: str
    status: Status
    role: Literal["assistant"] = "assistant"
    content: list[OutputPart]
    phase: Phase | UnsetType = UNSET


class FunctionCall(Struct, kw_only=True, frozen=True, tag="function_call", gc=False):
    """A model's call of a function tool; `arguments` is JSON text, as the model wrote it."""

    type: ClassVar[str] = "function_call"
    id: str | UnsetType | None = UNSET
    call_id: CallId
    name: str
    arguments: str
    status: Status | UnsetType | None = UNSET
    namespace: str | UnsetType | None = UNSET


class FunctionCallOutput(Struct, kw_only=True, frozen=True, tag="function_call_output", gc=False):
    """The client's answer to a function call. An object is accepted and reaches the model as JSON text."""

    type: ClassVar[str] = "function_call_output"
    id: str | UnsetType | None = UNSET
    call_id: CallId
    output: str | list[ToolOutputPart] | JsonObject
    status: Status | UnsetType | None = UNSET


class CustomToolCall(Struct, kw_only=True, frozen=True, tag="custom_tool_call", gc=False):
    """A model's call of a freeform tool; `input` is plain text."""

    type: ClassVar[str] = "custom_tool_call"
    id: str | UnsetType | None = UNSET
    call_id: CallId
    name: str
    input: str
    namespace: str | UnsetType | None = UNSET
    status: Status | UnsetType | None = UNSET


class CustomToolCallOutput(Struct, kw_only=True, frozen=True, tag="custom_tool_call_output", gc=False):
    """The client's answer to a freeform call."""

    type: ClassVar[str] = "custom_tool_call_output"
    id: str | UnsetType | None = UNSET
    call_id: CallId
    output: str | list[ToolOutputPart] | JsonObject


class Reasoning(Struct, kw_only=True, frozen=True, tag="reasoning", gc=False):
    """A model's reasoning: a summary to show, raw text where a model gives it, state to send back."""

    type: ClassVar[str] = "reasoning"
    id: str | UnsetType | None = UNSET
    summary: list[SummaryText] = []
    content: list[ReasoningText] | UnsetType | None = UNSET
    encrypted_content: str | UnsetType | None = UNSET
    status: Status | UnsetType | None = UNSET


class ItemReference(Struct, kw_only=True, frozen=True, tag="item_reference", gc=False):
    """Stands for an item of any stored response or conversation of the tenant."""

    type: ClassVar[str] = "item_reference"
    id: str


class AdditionalTools(Struct, kw_only=True, frozen=True, tag="additional_tools", gc=False):
    """Tools that are offered from this item on."""

    type: ClassVar[str] = "additional_tools"
    id: str | UnsetType | None = UNSET
    role: Literal["developer"] = "developer"
    tools: list[Raw]


Item: TypeAlias = (
    Message
    | FunctionCall
    | FunctionCallOutput
    | CustomToolCall
    | CustomToolCallOutput
    | Reasoning
    | ItemReference
    | AdditionalTools
)
"""The items we act on; others travel as bytes."""

OutputItem: TypeAlias = OutputMessage | FunctionCall | CustomToolCall | Reasoning
"""The items we make."""

PASSED_ON = frozenset(
    {
        "file_search_call",
        "computer_call",
        "computer_call_output",
        "web_search_call",
        "image_generation_call",
        "code_interpreter_call",
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
        "shell_call_output",
        "apply_patch_call",
        "apply_patch_call_output",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "tool_search_call",
        "tool_search_output",
        "configuration_update",
        "compaction",
        "compaction_trigger",
        "program",
        "program_output",
    }
)
"""Item types of the API (openai 3.54) that we keep and hand to a Responses upstream without a view of our own."""

PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "cto",
    "web_search_call": "ws",
    "file_search_call": "fs",
    "code_interpreter_call": "ci",
    "image_generation_call": "ig",
    "mcp_call": "mcp",
    "mcp_list_tools": "mcpl",
    "mcp_approval_request": "mcpr",
    "compaction": "cmp",
}
"""Item type to id prefix; any other type takes `item`."""
