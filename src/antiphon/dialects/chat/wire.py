"""The body, the answer and the chunks of `POST /v1/chat/completions`, as openai 3.51 has them."""

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from antiphon.types.content import AudioData, Detail, JsonObject, Logprob
from antiphon.types.responses import Effort, Metadata, ServiceTier, Verbosity
from antiphon.types.tools import Name, ToolMode

# -- messages in ----------------------------------------------------------------------------------------------


class ChatText(Struct, kw_only=True, frozen=True, tag="text", forbid_unknown_fields=True):
    """Text."""

    text: str
    prompt_cache_breakpoint: JsonObject | None = None


class ChatImageUrl(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An address, also a data URL."""

    url: str
    detail: Detail | None = None


class ChatImage(Struct, kw_only=True, frozen=True, tag="image_url", forbid_unknown_fields=True):
    """An image."""

    image_url: ChatImageUrl
    prompt_cache_breakpoint: JsonObject | None = None


class ChatAudio(Struct, kw_only=True, frozen=True, tag="input_audio", forbid_unknown_fields=True):
    """A sound."""

    input_audio: AudioData
    prompt_cache_breakpoint: JsonObject | None = None


class ChatFileData(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A file as base64 data, or by id."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class ChatFile(Struct, kw_only=True, frozen=True, tag="file", forbid_unknown_fields=True):
    """A file."""

    file: ChatFileData
    prompt_cache_breakpoint: JsonObject | None = None


class ChatRefusal(Struct, kw_only=True, frozen=True, tag="refusal", forbid_unknown_fields=True):
    """The model's words for declining."""

    refusal: str


ChatPart: TypeAlias = ChatText | ChatImage | ChatAudio | ChatFile


class SystemMessage(Struct, kw_only=True, frozen=True, tag_field="role", tag="system", forbid_unknown_fields=True):
    """What the operator says."""

    content: str | list[ChatText]
    name: str | None = None


class DeveloperMessage(
    Struct, kw_only=True, frozen=True, tag_field="role", tag="developer", forbid_unknown_fields=True
):
    """What the developer says."""

    content: str | list[ChatText]
    name: str | None = None


class UserMessage(Struct, kw_only=True, frozen=True, tag_field="role", tag="user", forbid_unknown_fields=True):
    """What the user says."""

    content: str | list[ChatPart]
    name: str | None = None


class CalledFunction(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A function and its arguments, JSON text as the model wrote it."""

    name: str
    arguments: str


class CalledCustom(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A freeform tool and its input."""

    name: str
    input: str


class ChatFunctionCall(Struct, kw_only=True, frozen=True, tag="function", forbid_unknown_fields=True):
    """A call of a function."""

    id: str
    function: CalledFunction
    index: int | UnsetType | None = UNSET


class ChatCustomCall(Struct, kw_only=True, frozen=True, tag="custom", forbid_unknown_fields=True):
    """A call of a freeform tool."""

    id: str
    custom: CalledCustom
    index: int | UnsetType | None = UNSET


ChatCall: TypeAlias = ChatFunctionCall | ChatCustomCall


class AssistantMessage(
    Struct, kw_only=True, frozen=True, tag_field="role", tag="assistant", forbid_unknown_fields=True
):
    """What the model said. `reasoning_content` is an extension of ours and of many servers."""

    content: str | list[ChatText | ChatRefusal] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ChatCall] | None = None
    function_call: JsonObject | None = None
    audio: JsonObject | None = None
    annotations: list[JsonObject] | None = None
    name: str | None = None


class ToolMessage(Struct, kw_only=True, frozen=True, tag_field="role", tag="tool", forbid_unknown_fields=True):
    """The client's answer to a call. Images and files in it are an extension of ours."""

    content: str | list[ChatText | ChatImage | ChatFile]
    tool_call_id: str
    name: str | None = None


ChatMessage: TypeAlias = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


# -- options in -----------------------------------------------------------------------------------------------


class ChatFunction(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A function that the client carries out. `parameters` is a JSON schema or null."""

    name: Name
    description: str | None = None
    parameters: Raw = Raw(b"null")
    strict: bool | None = None


class ChatFunctionTool(Struct, kw_only=True, frozen=True, tag="function", forbid_unknown_fields=True):
    """A function tool."""

    function: ChatFunction


class ChatGrammar(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A grammar."""

    syntax: Literal["lark", "regex"]
    definition: str


class ChatFreeFormat(Struct, kw_only=True, frozen=True, tag="text", forbid_unknown_fields=True):
    """Any text."""


class ChatGrammarFormat(Struct, kw_only=True, frozen=True, tag="grammar", forbid_unknown_fields=True):
    """Text of a grammar."""

    grammar: ChatGrammar


class ChatCustom(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A freeform tool's properties."""

    name: Name
    description: str | None = None
    format: ChatFreeFormat | ChatGrammarFormat | None = None


class ChatCustomTool(Struct, kw_only=True, frozen=True, tag="custom", forbid_unknown_fields=True):
    """A freeform tool."""

    custom: ChatCustom


ChatTool: TypeAlias = ChatFunctionTool | ChatCustomTool


class ToolByName(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A tool by name."""

    name: str


class ChatFunctionChoice(Struct, kw_only=True, frozen=True, tag="function", forbid_unknown_fields=True):
    """This function must be called."""

    function: ToolByName


class ChatCustomChoice(Struct, kw_only=True, frozen=True, tag="custom", forbid_unknown_fields=True):
    """This freeform tool must be called."""

    custom: ToolByName


class ChatAllowed(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The tools that may be called."""

    mode: Literal["auto", "required"]
    tools: list[ChatFunctionChoice | ChatCustomChoice]


class ChatAllowedChoice(Struct, kw_only=True, frozen=True, tag="allowed_tools", forbid_unknown_fields=True):
    """Only these tools may be called."""

    allowed_tools: ChatAllowed


ChatToolChoice: TypeAlias = ToolMode | ChatFunctionChoice | ChatCustomChoice | ChatAllowedChoice


class ChatSchema(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A JSON schema for the answer."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    schema: JsonObject
    description: str | None = None
    strict: bool | None = None


class ChatTextFormat(Struct, kw_only=True, frozen=True, tag="text", forbid_unknown_fields=True):
    """Plain text."""


class ChatObjectFormat(Struct, kw_only=True, frozen=True, tag="json_object", forbid_unknown_fields=True):
    """Any JSON object."""


class ChatSchemaFormat(Struct, kw_only=True, frozen=True, tag="json_schema", forbid_unknown_fields=True):
    """JSON that fits a schema."""

    json_schema: ChatSchema


class ChatStreamOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Options of a stream."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/chat/completions`; `null` means the default everywhere."""

    model: str
    messages: Annotated[list[Raw], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: ChatStreamOptions | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: list[Raw] | None = None
    tool_choice: ChatToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ChatTextFormat | ChatObjectFormat | ChatSchemaFormat | None = None
    reasoning_effort: Effort | None = None
    verbosity: Verbosity | None = None
    user: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=128)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in-memory", "in_memory", "24h"] | None = None
    prompt_cache_options: JsonObject | None = None
    service_tier: ServiceTier | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    seed: int | None = None
    prediction: JsonObject | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    n: Annotated[int, Meta(ge=1)] | None = None
    stop: str | list[str] | None = None
    logit_bias: JsonObject | None = None
    audio: JsonObject | None = None
    functions: list[JsonObject] | None = None
    function_call: str | JsonObject | None = None
    moderation: JsonObject | None = None
    web_search_options: JsonObject | None = None


# -- answers out ----------------------------------------------------------------------------------------------


class UrlCitation(Struct, kw_only=True, frozen=True):
    """Where a piece of the text is from; the indexes count characters of the message's content."""

    start_index: int
    end_index: int
    title: str
    url: str


class ChatAnnotation(Struct, kw_only=True, frozen=True, tag="url_citation"):
    """A citation."""

    url_citation: UrlCitation


class ChatAnswer(Struct, kw_only=True, frozen=True):
    """The message of an answer. `reasoning_content` is an extension: what the model let see of its reasoning."""

    role: Literal["assistant"] = "assistant"
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ChatFunctionCall | ChatCustomCall] | UnsetType = UNSET
    annotations: list[ChatAnnotation] | UnsetType = UNSET


class ChatLogprobs(Struct, kw_only=True, frozen=True):
    """The log probabilities of the content's tokens."""

    content: list[Logprob] | None
    refusal: None = None


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class ChatChoice(Struct, kw_only=True, frozen=True):
    """The one choice of an answer."""

    index: int = 0
    message: ChatAnswer
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason


class PromptDetails(Struct, kw_only=True, frozen=True):
    """Of the prompt: read from and written to a prompt cache."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class CompletionDetails(Struct, kw_only=True, frozen=True):
    """Of the completion: spent on reasoning."""

    reasoning_tokens: int = 0


class ChatUsage(Struct, kw_only=True, frozen=True):
    """Tokens of one answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class ChatCompletion(Struct, kw_only=True, frozen=True):
    """A chat completion."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


class FunctionDelta(Struct, kw_only=True, frozen=True):
    """A piece of a call: the name with the first, then arguments."""

    name: str | UnsetType = UNSET
    arguments: str


class CustomDelta(Struct, kw_only=True, frozen=True):
    """A piece of a freeform call: the name with the first, then input."""

    name: str | UnsetType = UNSET
    input: str


class ChatCallDelta(Struct, kw_only=True, frozen=True):
    """A piece of the call with this number; id and type come with the first."""

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function", "custom"] | UnsetType = UNSET
    function: FunctionDelta | UnsetType = UNSET
    custom: CustomDelta | UnsetType = UNSET


class ChatDelta(Struct, kw_only=True, frozen=True):
    """What is new."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    refusal: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ChatCallDelta] | UnsetType = UNSET
    annotations: list[ChatAnnotation] | UnsetType = UNSET


class ChatChunkChoice(Struct, kw_only=True, frozen=True):
    """The one choice of a chunk."""

    index: int = 0
    delta: ChatDelta
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None


class ChatCompletionChunk(Struct, kw_only=True, frozen=True):
    """The `data` of one server-sent event. With `include_usage` all have `usage`, which only the last one fills."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: ChatUsage | UnsetType | None = UNSET
    service_tier: str
    system_fingerprint: str | None = None
