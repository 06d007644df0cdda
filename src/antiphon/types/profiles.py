"""Profiles: what a model at a provider can do and how it deviates from its wire format, as data."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

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

    files: bool = False
    """Takes files in user messages."""

    audio: bool = False
    """Takes audio in user messages."""

    tools: bool = True
    """Takes function tools at all."""

    strict_tools: bool = True
    """Takes `strict` on function tools."""

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

    logprobs: bool = True
    """Gives log probabilities."""

    effort: Literal["reasoning_effort", "none"] = "reasoning_effort"
    """How `reasoning.effort` is told; `none` means that the model knows no effort."""

    null_content: bool = True
    """Takes `content: null` beside tool calls; otherwise an empty string is sent."""

    replay_reasoning: Literal["none", "reasoning_content", "reasoning"] = "none"
    """The field in which the model wants its raw reasoning back with a turn that called tools."""

    think_tags: bool = False
    """Writes its reasoning as `<think>…</think>` at the start of the text."""

    opaque_items: bool = False
    """Takes items and hosted tools that we only pass on (a Responses upstream)."""

    hints: frozenset[Hint] = frozenset()
    """The hints that the server takes; others are left out with a note."""

    temperature: bool = True
    """Takes `temperature` and `top_p`."""

    context_window: Annotated[int, Meta(ge=1)] | None = None
    """Tokens of input and output together, where known; `truncation: auto` needs it."""
