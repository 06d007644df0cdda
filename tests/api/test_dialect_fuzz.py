"""Bodies of other APIs that no client should send: refused in that API's shape and by name, or answered rightly."""

import copy
import json
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from pydantic import TypeAdapter

from antiphon.testing.upstream import ScriptedUpstream
from tests.api.calling import CHAT, RESPONSES, Api, Json
from tests.api.test_fuzz import fuzz, places, spoil

pytestmark = pytest.mark.asyncio(loop_scope="session")  # Hypothesis hides that these are coroutines

PIXEL = "data:image/png;base64,iVBORw0KGgo="
SCHEMA: Json = {"type": "object", "properties": {"a": {"type": "string"}}}

CHAT_MESSAGES: list[list[Json]] = [
    [{"role": "user", "content": "Hi", "name": "ada"}],
    [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, {"role": "developer", "content": "d"}],
    [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}]}],
    [{"role": "user", "content": [{"type": "file", "file": {"file_data": "AAAA", "filename": "a"}}]}],
    [{"role": "assistant", "content": "a", "refusal": None, "reasoning_content": "r", "audio": None}],
    [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                {"id": "k1", "type": "custom", "custom": {"name": "patch", "input": "i"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "o"}]},
        {"role": "tool", "tool_call_id": "k1", "content": "o"},
    ],
]
CHAT_FIELDS: Json = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "tools": [
        {"type": "function", "function": {"name": "look", "parameters": SCHEMA, "strict": None}},
        {"type": "custom", "custom": {"name": "patch", "format": {"type": "text"}}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    "reasoning_effort": "low",
    "verbosity": "low",
    "max_tokens": 50,
    "temperature": 0.5,
    "logprobs": True,
    "top_logprobs": 1,
    "stop": None,
    "n": 1,
    "seed": 3,
    "user": "u",
    "metadata": {"a": "b"},
}
TURNS: list[list[Json]] = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, {"role": "user", "content": "Hi"}],
    [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "source": {"type": "text", "data": "x", "media_type": "text/plain"}, "title": "t"},
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]},
            ],
        }
    ],
    [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "a", "citations": None},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c1",
                    "is_error": False,
                    "content": [{"type": "text", "text": "o"}],
                },
                {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
            ],
        },
    ],
]
MESSAGES_FIELDS: Json = {
    "stream": True,
    "system": [{"type": "text", "text": "Be kind."}],
    "tools": [{"name": "look", "input_schema": SCHEMA, "type": "custom"}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
    "metadata": {"user_id": "u"},
    "temperature": 0.5,
    "stop_sequences": [],
    "service_tier": "auto",
}


@st.composite
def bodies(draw: Any, messages: list[list[Json]], fields: Json, first: Json) -> Json:
    told = [each for some in draw(st.lists(st.sampled_from(messages), min_size=1, max_size=3)) for each in some]
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), max_size=5, unique=True))
    body = {"model": draw(st.sampled_from([CHAT, RESPONSES, "demo-chat"])), **first, "messages": told}
    body = copy.deepcopy({**body, **{name: fields[name] for name in chosen}})
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 4]))):
        if places(body):
            spoil(draw, body)
    return body


@fuzz(200)
@given(body=bodies(CHAT_MESSAGES, CHAT_FIELDS, {}))
async def test_any_spoilt_chat_request_is_refused_by_name_or_answered_rightly(
    api: Api, upstream: ScriptedUpstream, body: Json
) -> None:
    reply = await api.post("/chat/completions", body)
    if reply.status != 200:
        assert reply.status < 500, reply.body
        param = reply.error(reply.status)["param"]
        assert param is None or param.split(".")[0].split("[")[0] in {*body, "model", "messages"}, param
    elif reply.headers["content-type"].startswith("text/event-stream"):
        assert reply.body.endswith(b"data: [DONE]\n\n")
        assert [json.loads(block[6:]) for block in reply.body.split(b"\n\n")[:-2] if not block.startswith(b":")]
    else:
        TypeAdapter(ChatCompletion).validate_json(reply.body, strict=True)


@fuzz(200)
@given(body=bodies(TURNS, MESSAGES_FIELDS, {"max_tokens": 2048}))
async def test_any_spoilt_request_of_messages_is_refused_or_answered_rightly(
    api: Api, upstream: ScriptedUpstream, body: Json
) -> None:
    reply = await api.post("/messages", body)
    if reply.status != 200:
        assert reply.status < 500, reply.body
        assert reply.json.keys() == {"type", "error", "request_id"}
        assert reply.json["error"]["message"]
    elif reply.headers["content-type"].startswith("text/event-stream"):
        assert reply.body.endswith(b'data: {"type":"message_stop"}\n\n')
    else:
        TypeAdapter(Message).validate_json(reply.body, strict=True)
