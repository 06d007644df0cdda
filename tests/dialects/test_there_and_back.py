"""A request of another API that reaches a provider of the same API: what the provider gets is what the client sent."""

import json
from typing import Any

import msgspec

from antiphon.codecs.anthropic import ANTHROPIC
from antiphon.codecs.chat import CHAT
from antiphon.dialects import chat, messages
from antiphon.dialects.chat import ChatRequest
from antiphon.dialects.messages import MessagesRequest
from antiphon.dialects.reading import Reading
from antiphon.engine.context import build
from antiphon.engine.intake import check_choice, read_input, read_tools
from antiphon.ports import Codec
from antiphon.providers import profiles
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn

Json = dict[str, Any]
PIXEL = "iVBORw0KGgo="
SCHEMA: Json = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def sent(reading: Reading, codec: Codec, profile: Profile) -> Json:
    """The body that a provider gets for a request that was read."""
    asked = reading.request
    own, tools = read_input(asked.input), read_tools(asked.tools)
    check_choice(asked.tool_choice, tools, own)
    turn = Turn(
        model=asked.model,
        request=asked,
        items=build([], own),
        own=len(own),
        tools=tools,
        tool_choice=asked.tool_choice or "auto",
        stream=bool(asked.stream),
    )
    return json.loads(codec.encode(turn, profile).body)  # type: ignore[no-any-return] # JSON


def test_a_chat_request_reaches_a_chat_provider_as_it_was() -> None:
    body: Json = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See."},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
                ],
            },
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"city": "Oslo"}'}},
                    {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
            {"role": "tool", "content": "rainy", "tool_call_id": "c2"},
            {"role": "user", "content": "So?"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "description": "d", "parameters": SCHEMA}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
        "temperature": 0.5,
        "max_tokens": 50,
        "reasoning_effort": "low",
    }
    reading = chat.read(msgspec.json.decode(msgspec.json.encode(body), type=ChatRequest), [])
    told = sent(reading, CHAT, profiles.CHAT)
    assert {name: told[name] for name in body} == body


def test_a_request_of_messages_reaches_its_provider_as_it_was() -> None:
    body: Json = {
        "model": "m",
        "max_tokens": 4096,
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See."},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me see."},
                    {"type": "tool_use", "id": "c1", "name": "look", "input": {"city": "Oslo"}},
                    {"type": "tool_use", "id": "c2", "name": "look", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "sunny"}]},
                    {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "rainy"}]},
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
        "tools": [{"name": "look", "description": "d", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high"},
        "metadata": {"user_id": "u"},
    }
    reading = messages.read(msgspec.json.decode(msgspec.json.encode(body), type=MessagesRequest), [])
    told = sent(reading, ANTHROPIC, profiles.ANTHROPIC)
    assert {name: told[name] for name in body} == body


def test_a_wish_to_cache_reaches_a_provider_of_messages() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    body: Json = {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "Be kind.", **mark}],
        "messages": [{"role": "user", "content": "Hi"}],
    }
    reading = messages.read(msgspec.json.decode(msgspec.json.encode(body), type=MessagesRequest), [])
    assert sent(reading, ANTHROPIC, profiles.ANTHROPIC)["system"] == body["system"]
