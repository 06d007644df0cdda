"""The profiles that a wire format begins with; settings change single fields of them."""

from antiphon.types.profiles import Hint, Profile

_EVERY_HINT: frozenset[Hint] = frozenset(
    {"user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "verbosity"}
)

CHAT = Profile()
"""Any server of Chat Completions: only what nearly all of them take."""

RESPONSES = Profile(
    developer_role=True,
    max_tokens_field="max_completion_tokens",
    files=True,
    file_urls=True,
    audio=True,
    custom_tools=True,
    opaque_items=True,
    hints=_EVERY_HINT,
)
"""A server of the Responses API."""

ANTHROPIC = Profile(
    mid_system=False,
    files=True,
    file_urls=True,
    tool_images=True,
    json_object=False,
    logprobs=False,
    schema_dialect="anthropic",
    effort="adaptive",
    max_temperature=1.0,
    hints=frozenset({"user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier"}),
)
"""A server of Anthropic's Messages."""

GEMINI = Profile(
    mid_system=False,
    image_urls=False,
    files=True,
    audio=True,
    tool_images=True,
    parallel_switch=False,
    schema_dialect="gemini",
    effort="level",
)
"""A server of Gemini's generateContent."""
