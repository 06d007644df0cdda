"""The request and the object of `/v1/responses`, as openai 3.54 and Open Responses 2026-04-24 have them."""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from antiphon.types.content import JsonObject
from antiphon.types.tools import ToolChoice

Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Summary = Literal["auto", "concise", "detailed"]
Verbosity = Literal["low", "medium", "high"]
Truncation = Literal["auto", "disabled"]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"]
ResponseStatus = Literal["queued", "in_progress", "completed", "failed", "incomplete", "cancelled"]
IncompleteReason = Literal["max_output_tokens", "max_messages", "content_filter", "steered"]

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=16, description="Up to 16 pairs; keys up to 64 characters, values up to 512."),
]

MAX_TEXT = 10_485_760
"""Characters that one string of input may have (Open Responses 2026-04-24)."""

TERMINAL: frozenset[ResponseStatus] = frozenset({"completed", "failed", "incomplete", "cancelled"})


class TextFormat(Struct, kw_only=True, frozen=True, tag="text"):
    """Plain text."""

    type: ClassVar[str] = "text"


class JsonObjectFormat(Struct, kw_only=True, frozen=True, tag="json_object"):
    """Any JSON object."""

    type: ClassVar[str] = "json_object"


class JsonSchemaFormat(Struct, kw_only=True, frozen=True, tag="json_schema", forbid_unknown_fields=True):
    """JSON that fits `schema`."""

    type: ClassVar[str] = "json_schema"
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    description: str | None = None
    schema: JsonObject
    strict: bool | None = None


Format: TypeAlias = TextFormat | JsonObjectFormat | JsonSchemaFormat


class Text(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the answer's text is shaped."""

    format: Format | None = TextFormat()
    verbosity: Verbosity | None = None


class ReasoningOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How much a model reasons, and how much of it is shown."""

    effort: Effort | None = None
    summary: Summary | None = None
    generate_summary: Summary | UnsetType | None = UNSET
    context: Literal["auto", "current_turn", "all_turns"] | UnsetType | None = UNSET
    mode: Literal["standard", "pro"] | UnsetType | None = UNSET


class StreamOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Options of a stream."""

    include_obfuscation: bool | None = None


class ConversationRef(Struct, kw_only=True, frozen=True):
    """A conversation by id."""

    id: str


class CreateResponse(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/responses`.

    `model` and `input` may be left out only where the order of checks says so; `null` means the default
    everywhere. `client_metadata` is sent by Codex, is in no published type, and is accepted and ignored.
    """

    model: str
    input: Annotated[str, Meta(max_length=MAX_TEXT)] | list[Raw] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | ConversationRef | None = None
    store: bool | None = True
    background: bool | None = False
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    tools: list[Raw] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = True
    max_tool_calls: Annotated[int, Meta(ge=1)] | None = None
    text: Text | None = None
    reasoning: ReasoningOptions | None = None
    include: list[Include] | None = None
    metadata: Metadata | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    truncation: Truncation | None = None
    user: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=128)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in-memory", "in_memory", "24h"] | None = None
    prompt_cache_options: JsonObject | None = None
    service_tier: ServiceTier | None = None
    prompt: JsonObject | None = None
    context_management: list[JsonObject] | None = None
    moderation: JsonObject | None = None
    image: JsonObject | None = None
    access_programs: JsonObject | None = None
    client_metadata: JsonObject | None = None


class IncompleteDetails(Struct, kw_only=True, frozen=True):
    """Why a response is incomplete."""

    reason: IncompleteReason


class ResponseError(Struct, kw_only=True, frozen=True):
    """Why a response failed; `code` is one of the API's closed list."""

    code: str
    message: str
    param: str | UnsetType | None = UNSET


class InputTokensDetails(Struct, kw_only=True, frozen=True):
    """Of the input: read from and written to a prompt cache."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(Struct, kw_only=True, frozen=True):
    """Of the output: spent on reasoning."""

    reasoning_tokens: int = 0


class Usage(Struct, kw_only=True, frozen=True):
    """Tokens of one response; whole non-negative numbers."""

    input_tokens: int
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    output_tokens: int
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int


class ReasoningEcho(Struct, kw_only=True, frozen=True):
    """The reasoning options of a response; both keys are always sent."""

    effort: Effort | None = None
    summary: Summary | None = None
    context: str | UnsetType | None = UNSET
    mode: str | UnsetType | None = UNSET


class TextEcho(Struct, kw_only=True, frozen=True):
    """The text options of a response, encoded once: a JSON schema can be long."""

    format: Raw
    verbosity: Verbosity | UnsetType = UNSET


class Response(Struct, kw_only=True, frozen=True):
    """A response as every route, event and row shows it.

    `output`, `tools` and `text.format` hold encoded JSON: each item is encoded once, and those bytes are the
    item in its `done` event, in the final snapshot, in the reply and in the store.
    """

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: ResponseStatus
    background: bool = False
    completed_at: int | None = None
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    output: list[Raw] = []
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    conversation: ConversationRef | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | UnsetType | None = UNSET
    reasoning: ReasoningEcho = ReasoningEcho()
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool = True
    temperature: float = 1.0
    text: TextEcho
    tool_choice: ToolChoice = "auto"
    tools: Raw = Raw(b"[]")
    top_logprobs: int = 0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    truncation: Truncation = "disabled"
    usage: Usage | None = None
    user: str | None = None
    metadata: dict[str, str] = {}

    @property
    def is_terminal(self) -> bool:
        """Whether the response has reached a status that it can't leave."""
        return self.status in TERMINAL


class Deleted(Struct, kw_only=True, frozen=True):
    """The receipt of a deletion."""

    id: str
    object: str
    deleted: Literal[True] = True


class InputTokens(Struct, kw_only=True, frozen=True):
    """The answer of `POST /v1/responses/input_tokens`."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


class CountInput(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/responses/input_tokens`: what would be sent to a model, and nothing of how."""

    model: str | None = None
    input: Annotated[str, Meta(max_length=MAX_TEXT)] | list[Raw] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | ConversationRef | None = None
    tools: list[Raw] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    reasoning: ReasoningOptions | None = None
    truncation: Truncation | None = None
    personality: str | None = None


class Page(Struct, kw_only=True, frozen=True):
    """One page of a list, newest first unless asked otherwise; the ids are empty strings on an empty page.

    The official client's type wants strings there (`null` fails its strict validation).
    """

    object: Literal["list"] = "list"
    data: list[Any]
    first_id: str
    last_id: str
    has_more: bool
