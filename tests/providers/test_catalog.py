"""The catalog of providers: checked whole, and tried on a request to each."""

import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import msgspec
import pytest

from antiphon.codecs.anthropic import ANTHROPIC
from antiphon.codecs.chat import CHAT
from antiphon.codecs.gemini import GEMINI
from antiphon.codecs.responses import RESPONSES
from antiphon.errors import Unsupported
from antiphon.ports import Codec
from antiphon.providers import profiles
from antiphon.providers.catalog import AUTHS, BASES, BadCatalog, Entry, Format, detected, entries, profile_for, read
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn
from tests.codecs.turns import a_function, a_turn, answered, called, gave, said

CODECS: Mapping[Format, Codec] = {"chat": CHAT, "responses": RESPONSES, "anthropic": ANTHROPIC, "gemini": GEMINI}
REMOTE = {
    *("openai", "openai-chat", "azure", "anthropic", "gemini", "mistral", "groq", "together", "fireworks", "deepseek"),
    *("xai", "openrouter", "cerebras", "perplexity", "cohere", "bedrock", "vertex"),
}
LOCAL = {"ollama", "lmstudio", "vllm", "sglang", "llama.cpp", "localai"}


def entry(name: str) -> Entry:
    return entries()[name]


def profile(name: str, model: str) -> Profile:
    return profile_for(entry(name), model)


def encoded(name: str, model: str, turn: Turn) -> dict[str, Any]:
    """Return the body that a provider of the catalog is sent for a turn."""
    codec = CODECS[entry(name).format]
    body: dict[str, Any] = json.loads(
        codec.encode(msgspec.structs.replace(turn, model=model), profile(name, model)).body
    )
    return body


# -- the file -------------------------------------------------------------------------------------------------


def test_the_catalog_has_every_provider_that_is_promised() -> None:
    assert set(entries()) == REMOTE | LOCAL


def test_the_catalog_is_part_of_the_package() -> None:
    assert resources.files("antiphon.providers").joinpath("catalog.toml").is_file()


@pytest.mark.parametrize("name", sorted(REMOTE | LOCAL))
def test_an_entry_is_whole(name: str) -> None:
    known = entry(name)
    assert known.name == name
    assert known.format in CODECS
    assert known.auth in AUTHS.values()
    address = known.base_url or known.form
    assert address is not None
    assert not address.endswith("/")
    assert address.startswith("http://127.0.0.1:" if name in LOCAL else "https://")
    for fields in (known.fields, *(row.fields for row in known.rows)):
        assert fields.keys() <= set(Profile.__struct_fields__)
        msgspec.convert(msgspec.to_builtins(fields), Profile)


@pytest.mark.parametrize("name", sorted(REMOTE | LOCAL))
def test_no_field_repeats_what_the_format_says_already(name: str) -> None:
    base = BASES[entry(name).format]
    assert [field for field, value in entry(name).fields.items() if getattr(base, field) == value] == []


def test_keys_lie_in_variables_that_look_like_such() -> None:
    for known in entries().values():
        assert all(key.isupper() and ("KEY" in key or "TOKEN" in key) for key in known.keys)


def test_a_catalog_is_as_its_types_are() -> None:
    """What `read` makes of the file is what stands in it."""
    text = resources.files("antiphon.providers").joinpath("catalog.toml").read_text(encoding="utf-8")
    written = tomllib.loads(text)
    assert list(written) == list(entries())
    for name, table in written.items():
        assert entry(name).format == table["format"]
        assert list(entry(name).keys) == table.get("keys", [])
        assert len(entry(name).rows) >= len(table.get("models", []))


PLAIN = '[x]\nformat = "chat"\nbase_url = "https://x.example"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[x]\nbase_url = "https://x.example"', "x: .*format"),
        ('[x]\nformat = "morse"\nbase_url = "https://x.example"', "x: .*morse"),
        ('[x]\nformat = "chat"', "x: has either a base_url, or the form"),
        ('[x]\nformat = "chat"\nbase_url = "https://x.example"\nform = "https://Y.example"', "x: has either"),
        (PLAIN + 'auth = "smile"', "x: .*smile"),
        (PLAIN + "port = 1", "x: .*port"),
        (PLAIN + "profile = { of_tomorrow = true }", "x: .*of_tomorrow"),
        (PLAIN + 'profile = { tools = "yes" }', "x: .*tools"),
        (PLAIN + 'like = "y"', "x: no entry 'y' stands before it"),
        (PLAIN + "[[x.models]]\ntools = false", "x: .*match"),
        (PLAIN + "[[x.models]]\nmatch = []\ntools = false", "x: .*length >= 1"),
        (PLAIN + '[[x.models]]\nmatch = ["A*"]\ntools = false', "x: patterns are in lower case"),
        (PLAIN + '[[x.models]]\nmatch = ["a*"]', "x: .*says nothing"),
        (PLAIN + '[[x.models]]\nmatch = ["a*"]\neffort = "much"', "x: .*much"),
        (PLAIN + '[[x.models]]\nmatch = ["a*"]\noutput_limit = 0', "x: .*output_limit"),
    ],
)
def test_a_fault_of_a_catalog_is_told_with_its_entry(text: str, why: str) -> None:
    with pytest.raises(BadCatalog, match=why):
        read(text)


def test_two_entries_of_one_name_are_no_catalog() -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        read(PLAIN + PLAIN)


# -- profiles -------------------------------------------------------------------------------------------------

ROWS = """
[x]
format = "chat"
base_url = "https://x.example"
profile = { files = true, output_limit = 1, context_window = 1 }

[[x.models]]
match = ["a-*"]
output_limit = 2
tools = false

[[x.models]]
match = ["b-*", "a-big*"]
output_limit = 3

[y]
format = "chat"
base_url = "https://y.example"
like = "x"

[[y.models]]
match = ["a-big"]
output_limit = 4
"""


def test_every_row_that_matches_counts_and_the_later_one_wins() -> None:
    x = read(ROWS)["x"]
    assert profile_for(x, "c") == Profile(files=True, output_limit=1, context_window=1)
    assert profile_for(x, "a-1") == Profile(files=True, output_limit=2, context_window=1, tools=False)
    assert profile_for(x, "a-big") == Profile(files=True, output_limit=3, context_window=1, tools=False)
    assert profile_for(x, "b-1") == Profile(files=True, output_limit=3, context_window=1)


def test_names_match_whatever_their_case() -> None:
    assert profile_for(read(ROWS)["x"], "A-Big").output_limit == 3


def test_an_entry_may_know_the_models_of_another() -> None:
    y = read(ROWS)["y"]
    assert profile_for(y, "a-big") == Profile(output_limit=4, tools=False)
    assert profile_for(y, "c") == Profile()


def test_the_providers_own_list_wins_over_the_catalog_and_the_operator_over_both() -> None:
    x = read(ROWS)["x"]
    learned = {"output_limit": 10, "context_window": 10}
    assert profile_for(x, "a-1", learned).output_limit == 10
    made = profile_for(x, "a-1", learned, {"context_window": 20, "tools": True})
    assert made == Profile(files=True, output_limit=10, context_window=20, tools=True)


def test_a_provider_that_is_no_entry_begins_with_its_format() -> None:
    assert profile_for(profiles.GEMINI, "any") == profiles.GEMINI
    made = profile_for(profiles.CHAT, "any", {"context_window": 5}, {"tools": False})
    assert made == Profile(context_window=5, tools=False)


@pytest.mark.parametrize(
    ("name", "model", "fields"),
    [
        ("openai", "gpt-4o", {"temperature": True, "effort": "none", "file_urls": True, "context_window": 128_000}),
        ("openai", "gpt-3.5-turbo", {"json_schema": False, "images": False}),
        ("openai", "o3", {"temperature": False, "logprobs": False, "efforts": {"low", "medium", "high"}}),
        ("openai", "o3-mini-2025-01-31", {"temperature": False, "images": False}),
        ("openai", "gpt-5-mini", {"temperature": False, "efforts": {"minimal", "low", "medium", "high"}}),
        ("openai", "gpt-5-pro", {"temperature": False, "efforts": {"high"}, "output_limit": 272_000}),
        ("openai", "gpt-5-chat-latest", {"temperature": True, "efforts": None}),
        ("openai", "gpt-5.2", {"temperature": True, "efforts": {"none", "low", "medium", "high", "xhigh"}}),
        ("openai", "gpt-5.2-chat-latest", {"context_window": 128_000, "efforts": None}),
        ("openai", "of-tomorrow", {"temperature": True, "efforts": None, "context_window": None}),
        ("openai-chat", "gpt-5", {"temperature": False, "developer_role": True, "custom_tools": True}),
        ("azure", "gpt-5", {"temperature": True, "opaque_items": True}),
        ("anthropic", "claude-3-haiku-20240307", {"effort": "none", "output_limit": 4096, "json_schema": False}),
        (
            "anthropic",
            "claude-3-7-sonnet-latest",
            {"effort": "budget", "output_limit": 64_000, "family": "claude-3-7-sonnet"},
        ),
        ("anthropic", "claude-opus-4-1-20250805", {"effort": "budget", "output_limit": 32_000, "temperature": True}),
        ("anthropic", "claude-sonnet-4-5", {"effort": "budget", "json_schema": True, "family": "claude-sonnet-4-5"}),
        ("anthropic", "claude-sonnet-4-5-20250929", {"family": "claude-sonnet-4-5"}),
        ("anthropic", "claude-opus-4-6", {"effort": "adaptive", "temperature": True, "output_limit": 128_000}),
        ("anthropic", "claude-opus-4-7", {"effort": "adaptive", "temperature": False, "context_window": 1_000_000}),
        ("anthropic", "claude-opus-5", {"forced_tools": True, "temperature": False}),
        ("anthropic", "claude-opus-5-5", {"forced_tools": False, "temperature": False}),
        ("anthropic", "claude-of-tomorrow", {"effort": "adaptive", "temperature": True, "efforts": None}),
        ("gemini", "gemini-2.0-flash", {"effort": "none", "signed_calls": False}),
        ("gemini", "gemini-2.5-flash", {"effort": "budget", "signed_calls": False, "efforts": None}),
        ("gemini", "gemini-3-pro-preview", {"effort": "level", "signed_calls": True, "efforts": {"low", "high"}}),
        ("gemini", "gemini-pro-latest", {"effort": "level", "signed_calls": True}),
        ("mistral", "mistral-large-latest", {"stream_usage": False, "effort": "none", "short_call_ids": True}),
        ("mistral", "mistral-small-latest", {"efforts": {"none", "high"}, "images": True}),
        ("groq", "llama-3.3-70b-versatile", {"json_schema": False, "logprobs": False}),
        ("groq", "openai/gpt-oss-120b", {"json_schema": True, "efforts": {"low", "medium", "high"}}),
        ("together", "zai-org/GLM-5.1", {"replay_reasoning": "reasoning_content"}),
        ("fireworks", "accounts/fireworks/models/deepseek-v4-pro", {"replay_reasoning": "reasoning_content"}),
        ("deepseek", "deepseek-v4-pro", {"effort": "thinking", "json_schema": False, "context_window": 1_000_000}),
        ("xai", "grok-4", {"effort": "none", "removed": {"presence_penalty", "frequency_penalty"}}),
        ("xai", "grok-4.3", {"effort": "reasoning_effort"}),
        ("openrouter", "any/thing", {"effort": "reasoning", "replay_reasoning": "reasoning_details"}),
        ("cohere", "command-a-plus-05-2026", {"stream_usage": False}),
        ("ollama", "llama3", {"image_urls": False}),
        ("llama.cpp", "any.gguf", {"image_urls": False, "schema_in_object": True, "null_content": False}),
        ("lmstudio", "any", {"json_object": False, "image_urls": False}),
    ],
)
def test_what_is_known_of_a_model(name: str, model: str, fields: Mapping[str, object]) -> None:
    made = profile(name, model)
    assert {field: getattr(made, field) for field in fields} == fields


@pytest.mark.parametrize("name", sorted(LOCAL))
def test_no_server_of_ones_own_is_left_to_fetch_a_strangers_url(name: str) -> None:
    made = profile(name, "any")
    assert not made.image_urls
    assert not made.file_urls


def test_a_look_alike_of_a_known_model_elsewhere_is_not_taken_for_it() -> None:
    assert profile("openrouter", "openai/gpt-5").temperature
    assert profile("azure", "o3").temperature


# -- a request to each ----------------------------------------------------------------------------------------

RESPONSES_KEYS = {"model", "input", "instructions", "store", "include", "max_output_tokens", "tools", "reasoning"}
TYPICAL = {
    "openai": ("gpt-5.2", RESPONSES_KEYS),
    "openai-chat": ("gpt-5.2", {"model", "messages", "max_completion_tokens", "tools", "reasoning_effort"}),
    "azure": ("my-gpt", RESPONSES_KEYS),
    "anthropic": ("claude-opus-5", {"model", "messages", "system", "max_tokens", "tools", "thinking", "output_config"}),
    "gemini": ("gemini-3-flash-preview", {"contents", "systemInstruction", "tools", "generationConfig"}),
    "mistral": ("mistral-small-latest", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
    "groq": ("openai/gpt-oss-120b", {"model", "messages", "max_completion_tokens", "tools", "reasoning_effort"}),
    "together": ("openai/gpt-oss-20b", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
    "fireworks": (
        "accounts/fireworks/models/gpt-oss-120b",
        {"model", "messages", "max_tokens", "tools", "reasoning_effort"},
    ),
    "deepseek": ("deepseek-v4-pro", {"model", "messages", "max_tokens", "tools", "thinking", "reasoning_effort"}),
    "xai": ("grok-4.3", {"model", "messages", "max_completion_tokens", "tools", "reasoning_effort"}),
    "openrouter": ("anthropic/claude-opus-4.7", {"model", "messages", "max_tokens", "tools", "reasoning"}),
    "cerebras": ("gpt-oss-120b", {"model", "messages", "max_completion_tokens", "tools", "reasoning_effort"}),
    "perplexity": (
        "perplexity/sonar",
        RESPONSES_KEYS,
    ),
    "cohere": ("command-a-plus-05-2026", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
    "bedrock": ("openai.gpt-oss-120b-1:0", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
    "vertex": ("google/gemini-2.5-flash", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
    "ollama": ("gpt-oss:20b", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
    "lmstudio": ("openai/gpt-oss-20b", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
    "vllm": ("Qwen/Qwen3-8B", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
    "sglang": ("Qwen/Qwen3-8B", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
    "llama.cpp": ("any.gguf", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
    "localai": ("any", {"model", "messages", "max_tokens", "tools", "reasoning_effort"}),
}
"""A model of each provider, and the keys of the body that it gets for one and the same request."""


def a_request(**fields: Any) -> Turn:
    history = (
        said("Hi"),
        answered("Hello."),
        called("call_0123456789abcdef"),
        gave("call_0123456789abcdef"),
        said("Go on"),
    )
    return a_turn(
        *history,
        instructions="Be kind.",
        tools=[a_function()],
        max_output_tokens=4096,
        reasoning={"effort": "high"},
        **fields,
    )


@pytest.mark.parametrize("name", sorted(REMOTE | LOCAL))
def test_a_request_to_each_provider_has_what_it_takes(name: str) -> None:
    model, keys = TYPICAL[name]
    body = encoded(name, model, a_request())
    assert body.keys() - {"stream"} == keys - {"stream"}


def test_every_entry_has_a_typical_model() -> None:
    assert TYPICAL.keys() == entries().keys()


@pytest.mark.parametrize("name", ["mistral", "cohere"])
def test_no_stream_options_go_where_they_are_refused(name: str) -> None:
    assert "stream_options" not in encoded(name, TYPICAL[name][0], a_request(stream=True))
    assert "stream_options" in encoded("groq", TYPICAL["groq"][0], a_request(stream=True))


def test_mistral_gets_ids_of_calls_that_it_takes() -> None:
    messages = encoded("mistral", "mistral-small-latest", a_request())["messages"]
    ids = {message["tool_call_id"] for message in messages if message["role"] == "tool"}
    assert all(len(each) == 9 and each.isalnum() for each in ids)


def test_deepseek_is_switched_to_think() -> None:
    body = encoded("deepseek", "deepseek-v4-pro", a_request())
    assert (body["thinking"], body["reasoning_effort"]) == ({"type": "enabled"}, "high")


def test_openrouter_is_told_the_effort_in_an_object() -> None:
    assert encoded("openrouter", "any/thing", a_request())["reasoning"]["effort"] == "high"


@pytest.mark.parametrize(
    ("name", "model", "request_fields", "param"),
    [
        ("openai-chat", "gpt-5", {"temperature": 0.5}, "temperature"),
        ("anthropic", "claude-opus-4-7", {"temperature": 0.5}, "temperature"),
        ("anthropic", "claude-opus-5-5", {"tool_choice": "required"}, "tool_choice"),
        ("groq", "groq/compound", {}, "tools"),
        ("xai", "grok-4", {}, "reasoning.effort"),
    ],
)
def test_what_a_model_is_known_not_to_take_is_refused_by_its_name(
    name: str, model: str, request_fields: dict[str, Any], param: str
) -> None:
    turn = a_request(**request_fields)
    if param == "tools":
        turn = a_turn(tools=[a_function()])
    with pytest.raises(Unsupported) as refused:
        encoded(name, model, turn)
    assert refused.value.param == param


# -- keys -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("openai", {"Authorization": "Bearer k"}),
        ("anthropic", {"x-api-key": "k"}),
        ("gemini", {"x-goog-api-key": "k"}),
        ("azure", {"api-key": "k"}),
    ],
)
def test_a_key_is_told_in_the_providers_own_header(name: str, headers: dict[str, str]) -> None:
    assert entry(name).auth.headers("k") == headers


def test_anthropic_is_told_the_version_of_its_api() -> None:
    assert entry("anthropic").headers == {"anthropic-version": "2023-06-01"}


def test_the_first_variable_that_is_set_has_the_key() -> None:
    gemini = entry("gemini")
    assert gemini.key_variable({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}) == "GEMINI_API_KEY"
    assert gemini.key_variable({"GEMINI_API_KEY": "", "GOOGLE_API_KEY": "b"}) == "GOOGLE_API_KEY"
    assert gemini.key_variable({}) is None


def test_a_key_alone_makes_a_remote_provider_usable() -> None:
    every = {key: "k" for known in entries().values() for key in known.keys}
    assert detected(every) == {
        "openai": "OPENAI_API_KEY",
        "anthropic": "ANTHROPIC_API_KEY",
        "gemini": "GEMINI_API_KEY",
        "mistral": "MISTRAL_API_KEY",
        "groq": "GROQ_API_KEY",
        "together": "TOGETHER_API_KEY",
        "fireworks": "FIREWORKS_API_KEY",
        "deepseek": "DEEPSEEK_API_KEY",
        "xai": "XAI_API_KEY",
        "openrouter": "OPENROUTER_API_KEY",
        "cerebras": "CEREBRAS_API_KEY",
        "perplexity": "PERPLEXITY_API_KEY",
        "cohere": "COHERE_API_KEY",
    }
    assert detected({}) == {}


def test_a_key_adds_neither_what_has_no_address_nor_ones_own_machine() -> None:
    assert detected({"AZURE_OPENAI_API_KEY": "k", "AWS_BEARER_TOKEN_BEDROCK": "k", "VLLM_API_KEY": "k"}) == {}
