"""The body, the answer and the events of `POST /v1/messages`, as anthropic 2.8 has them."""

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from antiphon.types.content import JsonObject
from antiphon.types.tools import Name

# -- messages in ----------------------------------------------------------------------------------------------


class TextBlock(Struct, kw_only=True, frozen=True, tag="text", forbid_unknown_fields=True):
    """Text."""

    text: str
    cache_control: JsonObject | None = None
    citations: list[JsonObject] | None = None


class Base64Source(Struct, kw_only=True, frozen=True, tag="base64", forbid_unknown_fields=True):
    """Base64 data of a media type."""

    media_type: str
    data: str


class UrlSource(Struct, kw_only=True, frozen=True, tag="url", forbid_unknown_fields=True):
    """An address."""

    url: str


class FileSource(Struct, kw_only=True, frozen=True, tag="file", forbid_unknown_fields=True):
    """An uploaded file."""

    file_id: str


class TextSource(Struct, kw_only=True, frozen=True, tag="text", forbid_unknown_fields=True):
    """A document as plain text."""

    data: str
    media_type: str = "text/plain"


class ContentSource(Struct, kw_only=True, frozen=True, tag="content", forbid_unknown_fields=True):
    """A document as texts and images of its own."""

    content: "str | list[TextBlock | ImageBlock]"


class ImageBlock(Struct, kw_only=True, frozen=True, tag="image", forbid_unknown_fields=True):
    """An image."""

    source: Base64Source | UrlSource | FileSource
    cache_control: JsonObject | None = None
    transformations: JsonObject | None = None


class DocumentBlock(Struct, kw_only=True, frozen=True, tag="document", forbid_unknown_fields=True):
    """A document."""

    source: Base64Source | UrlSource | FileSource | TextSource | ContentSource
    title: str | None = None
    context: str | None = None
    citations: JsonObject | None = None
    cache_control: JsonObject | None = None


class SearchResultBlock(Struct, kw_only=True, frozen=True, tag="search_result", forbid_unknown_fields=True):
    """Something that the client's own search found."""

    source: str
    title: str
    content: list[TextBlock]
    citations: JsonObject | None = None
    cache_control: JsonObject | None = None


class ThinkingBlock(Struct, kw_only=True, frozen=True, tag="thinking", forbid_unknown_fields=True):
    """Reasoning. `signature` is the provider's state of it, sealed by this server: a client sends it back as it is."""

    thinking: str
    signature: str = ""
    cache_control: JsonObject | None = None


class RedactedThinkingBlock(Struct, kw_only=True, frozen=True, tag="redacted_thinking", forbid_unknown_fields=True):
    """Reasoning of which there is nothing to see: the state alone."""

    data: str
    cache_control: JsonObject | None = None


class ToolUseBlock(Struct, kw_only=True, frozen=True, tag="tool_use", forbid_unknown_fields=True):
    """A model's call of a tool; `input` is a JSON object."""

    id: str
    name: str
    input: Raw
    cache_control: JsonObject | None = None
    caller: JsonObject | None = None


ResultPart: TypeAlias = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock


class ToolResultBlock(Struct, kw_only=True, frozen=True, tag="tool_result", forbid_unknown_fields=True):
    """The client's answer to a call."""

    tool_use_id: str
    content: str | list[ResultPart] | None = None
    is_error: bool | None = None
    cache_control: JsonObject | None = None


UserBlock: TypeAlias = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolResultBlock
AssistantBlock: TypeAlias = TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock


class SystemTurn(Struct, kw_only=True, frozen=True, tag_field="role", tag="system", forbid_unknown_fields=True):
    """What the operator says in the middle of a conversation."""

    content: str | list[TextBlock]


class UserTurn(Struct, kw_only=True, frozen=True, tag_field="role", tag="user", forbid_unknown_fields=True):
    """What the user says, and the results of tools."""

    content: str | list[UserBlock]


class AssistantTurn(Struct, kw_only=True, frozen=True, tag_field="role", tag="assistant", forbid_unknown_fields=True):
    """What the model said."""

    content: str | list[AssistantBlock]


MessageTurn: TypeAlias = UserTurn | AssistantTurn | SystemTurn


# -- options in -----------------------------------------------------------------------------------------------


class MessagesTool(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A tool that the client carries out; `input_schema` is a JSON schema. Tools of the server have another `type`."""

    name: Name
    input_schema: Raw
    type: Literal["custom"] | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: JsonObject | None = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    input_examples: list[JsonObject] | None = None
    allowed_callers: list[str] | None = None


class AutoChoice(Struct, kw_only=True, frozen=True, tag="auto", forbid_unknown_fields=True):
    """The model decides."""

    disable_parallel_tool_use: bool | None = None


class AnyChoice(Struct, kw_only=True, frozen=True, tag="any", forbid_unknown_fields=True):
    """Some tool must be called."""

    disable_parallel_tool_use: bool | None = None


class NamedChoice(Struct, kw_only=True, frozen=True, tag="tool", forbid_unknown_fields=True):
    """This tool must be called."""

    name: str
    disable_parallel_tool_use: bool | None = None


class NoChoice(Struct, kw_only=True, frozen=True, tag="none", forbid_unknown_fields=True):
    """No tool may be called."""


MessagesToolChoice: TypeAlias = AutoChoice | AnyChoice | NamedChoice | NoChoice
Display = Literal["summarized", "omitted"]


class ThinkingEnabled(Struct, kw_only=True, frozen=True, tag="enabled", forbid_unknown_fields=True):
    """Thinking within a budget of tokens."""

    budget_tokens: Annotated[int, Meta(ge=1024)]
    display: Display | None = None


class ThinkingAdaptive(Struct, kw_only=True, frozen=True, tag="adaptive", forbid_unknown_fields=True):
    """As much thinking as the model finds right."""

    display: Display | None = None


class ThinkingDisabled(Struct, kw_only=True, frozen=True, tag="disabled", forbid_unknown_fields=True):
    """No thinking."""


class ThinkingBetweenTools(Struct, kw_only=True, frozen=True, tag="between_tools", forbid_unknown_fields=True):
    """Thinking after results of tools alone."""


Thinking: TypeAlias = ThinkingEnabled | ThinkingAdaptive | ThinkingDisabled | ThinkingBetweenTools


class SchemaOutput(Struct, kw_only=True, frozen=True, tag="json_schema", forbid_unknown_fields=True):
    """JSON that fits `schema`."""

    schema: JsonObject


class OutputConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How much effort an answer is worth, and its shape."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: SchemaOutput | None = None


class MessagesMetadata(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Whom the request is for."""

    user_id: str | None = None


class MessagesRequest(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/messages`; `null` means the default everywhere."""

    model: str
    messages: Annotated[list[Raw], Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)]
    stream: bool | None = None
    system: str | list[TextBlock] | None = None
    tools: list[Raw] | None = None
    tool_choice: MessagesToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    metadata: MessagesMetadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    cache_control: JsonObject | None = None
    speed: Literal["standard", "fast"] | None = None
    context_management: JsonObject | None = None
    diagnostics: JsonObject | None = None
    user_profile_id: str | None = None
    stop_sequences: list[str] | None = None
    top_k: int | None = None
    container: str | JsonObject | None = None
    mcp_servers: list[JsonObject] | None = None
    inference_geo: str | None = None


class CountMessages(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/messages/count_tokens`: what would be sent to a model, and little of how."""

    model: str
    messages: Annotated[list[Raw], Meta(min_length=1)]
    system: str | list[TextBlock] | None = None
    tools: list[Raw] | None = None
    tool_choice: MessagesToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    cache_control: JsonObject | None = None
    speed: Literal["standard", "fast"] | None = None
    context_management: JsonObject | None = None
    user_profile_id: str | None = None
    mcp_servers: list[JsonObject] | None = None


# -- answers out ----------------------------------------------------------------------------------------------


class TextOut(Struct, kw_only=True, frozen=True, tag="text"):
    """Text."""

    text: str
    citations: None = None


class ThinkingOut(Struct, kw_only=True, frozen=True, tag="thinking"):
    """What the model let see of its reasoning, maybe nothing, and the state to send back; "" when there is none."""

    thinking: str
    signature: str


class ToolUseOut(Struct, kw_only=True, frozen=True, tag="tool_use"):
    """A call for the client to carry out; `input` is a JSON object."""

    id: str
    name: str
    input: Raw


BlockOut: TypeAlias = TextOut | ThinkingOut | ToolUseOut

StopReason = Literal["end_turn", "max_tokens", "tool_use", "refusal"]


class RefusalDetails(Struct, kw_only=True, frozen=True, tag="refusal"):
    """Why the model declined, in its words."""

    category: None = None
    explanation: str | None = None


class ThinkingTokens(Struct, kw_only=True, frozen=True):
    """Of the output: spent on reasoning."""

    thinking_tokens: int = 0


class MessagesUsage(Struct, kw_only=True, frozen=True):
    """Tokens of one answer. Those read from and written to a cache aren't in `input_tokens`."""

    input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int = 0
    output_tokens_details: ThinkingTokens | UnsetType = UNSET
    service_tier: Literal["standard", "priority"] | UnsetType = UNSET


class MessagesAnswer(Struct, kw_only=True, frozen=True, tag="message"):
    """A message of the model."""

    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[BlockOut]
    stop_reason: StopReason | None = None
    stop_sequence: None = None
    stop_details: RefusalDetails | None = None
    usage: MessagesUsage


class MessageStart(Struct, kw_only=True, frozen=True, tag="message_start"):
    """The first event: the message without content."""

    message: MessagesAnswer


class BlockStart(Struct, kw_only=True, frozen=True, tag="content_block_start"):
    """A block begins, empty."""

    index: int
    content_block: BlockOut


class TextPiece(Struct, kw_only=True, frozen=True, tag="text_delta"):
    """A piece of text."""

    text: str


class ThinkingPiece(Struct, kw_only=True, frozen=True, tag="thinking_delta"):
    """A piece of reasoning."""

    thinking: str


class SignaturePiece(Struct, kw_only=True, frozen=True, tag="signature_delta"):
    """The state of the reasoning, whole."""

    signature: str


class InputPiece(Struct, kw_only=True, frozen=True, tag="input_json_delta"):
    """A piece of a call's input, JSON text."""

    partial_json: str


class BlockDelta(Struct, kw_only=True, frozen=True, tag="content_block_delta"):
    """A block goes on."""

    index: int
    delta: TextPiece | ThinkingPiece | SignaturePiece | InputPiece


class BlockStop(Struct, kw_only=True, frozen=True, tag="content_block_stop"):
    """A block is over; the next one begins after it."""

    index: int


class MessageEnd(Struct, kw_only=True, frozen=True):
    """What is known of a message only at its end."""

    stop_reason: StopReason
    stop_sequence: None = None
    stop_details: RefusalDetails | None = None


class MessageDelta(Struct, kw_only=True, frozen=True, tag="message_delta"):
    """Why the message ended, and its tokens."""

    delta: MessageEnd
    usage: MessagesUsage


class MessageStop(Struct, kw_only=True, frozen=True, tag="message_stop"):
    """The last event."""


class Ping(Struct, kw_only=True, frozen=True, tag="ping"):
    """Nothing was said for a while."""


MessagesEvent: TypeAlias = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop | Ping


class MessagesTokens(Struct, kw_only=True, frozen=True):
    """How many tokens a message's input would have."""

    input_tokens: int
