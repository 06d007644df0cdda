"""Profiles: what a model at a provider can do and how it deviates from its wire format, as data."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from antiphon.types.responses import Effort

Hint = Literal["user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "verbosity"]


class Profile(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One set of answers for a codec. The defaults are those of a plain Chat Completions server.

    Every field is a deviation seen in the wild; `docs/configuration.md` lists them for operators, who may
    set any of them per provider under `profile`.
    """

    developer_role: bool = False
    """Takes `developer` messages; otherwise they are sent as `system`."""

    mid_system: bool = True
    """Takes system messages after the first turn; otherwise they are sent as marked user messages."""

    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    """The name of the output limit."""

    stream_usage: bool = True
    """Takes `stream_options.include_usage`."""

    images: bool = True
    """Takes images in user messages."""

    image_urls: bool = True
    """Fetches images by their address; otherwise they are fetched here and sent along."""

    tool_images: bool = False
    """Takes images and files in a tool's output; otherwise a user message with them follows it."""

    files: bool = False
    """Takes files in user messages."""

    file_urls: bool = False
    """Fetches files by their address; otherwise they are fetched here and sent along."""

    audio: bool = False
    """Takes audio in user messages."""

    tools: bool = True
    """Takes function tools at all."""

    strict_tools: bool = True
    """Takes `strict` on function tools."""

    short_call_ids: bool = False
    """Takes only ids of calls that are nine letters and digits (Mistral)."""

    custom_tools: bool = False
    """Takes freeform tools; otherwise they are lowered to functions of one string."""

    forced_tools: bool = True
    """Takes `tool_choice` `required` or a named function."""

    parallel_switch: bool = True
    """Takes `parallel_tool_calls`."""

    json_schema: bool = True
    """Takes `response_format` `json_schema`."""

    schema_in_object: bool = False
    """Takes a JSON schema as `{"type": "json_object", "schema": …}` instead (llama-cpp-python)."""

    json_object: bool = True
    """Takes `response_format` `json_object`."""

    schema_dialect: Literal["full", "openai", "anthropic", "gemini"] = "full"
    """The part of JSON Schema that it knows; a schema is converted down to that, answers are held to the original."""

    logprobs: bool = True
    """Gives log probabilities."""

    effort: Literal[
        "reasoning_effort",
        "reasoning",
        "thinking",
        "enable_thinking",
        "template",
        "adaptive",
        "budget",
        "level",
        "none",
    ] = "reasoning_effort"
    """How `reasoning.effort` is told: a parameter of that name or an object `reasoning` (chat), a switch `thinking`,
    `enable_thinking` or one of the chat template (chat), `adaptive` thinking (anthropic), a `budget` of tokens
    (anthropic, gemini), a `level` (gemini). `none` means that the model knows no effort. Beside a switch,
    `reasoning_effort` tells how much where `efforts` names more than one level."""

    efforts: frozenset[Effort] | None = None
    """The efforts that it takes, where known; others are refused."""

    null_content: bool = True
    """Takes `content: null` beside tool calls; otherwise an empty string is sent."""

    replay_reasoning: Literal["none", "reasoning_content", "reasoning", "reasoning_details"] = "none"
    """The field in which the model wants its raw reasoning back with turns that call tools, or may."""

    signed_calls: bool = False
    """Refuses a call of the current turn that has no signature of its own (Gemini 3): a marker stands in for it."""

    think_tags: bool = False
    """Writes its reasoning as `<think>…</think>` at the start of the text."""

    opaque_items: bool = False
    """Takes items and hosted tools that we only pass on (a Responses upstream)."""

    hints: frozenset[Hint] = frozenset()
    """The hints that the server takes; others are left out with a note."""

    temperature: bool = True
    """Takes `temperature` and `top_p`."""

    max_temperature: float = 2.0
    """The highest `temperature`."""

    output_limit: Annotated[int, Meta(ge=1)] | None = None
    """Tokens that an answer may have; sent where the wire format wants a limit and the request has none."""

    removed: frozenset[str] = frozenset()
    """Parameters, as the wire names them, that it refuses although its format has them; left out with a note."""

    renamed: dict[str, str] = {}
    """Parameters that it calls otherwise: the wire's name to its own."""

    family: str | None = None
    """The models that read each other's reasoning state; absent: the model alone."""

    context_window: Annotated[int, Meta(ge=1)] | None = None
    """Tokens of input and output together, where known; `truncation: auto` needs it."""
