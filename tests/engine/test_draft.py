"""The first snapshot: what was asked for, with every default filled in, right for both judges."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antiphon.engine.draft import first_snapshot
from antiphon.engine.intake import read_tools
from antiphon.testing.judges import judge_response
from antiphon.types.responses import CreateResponse, ResponseStatus

Json = dict[str, Any]

SCHEMA: Json = {"type": "json_schema", "name": "a", "schema": {"type": "object"}}
LOOK: Json = {"type": "function", "name": "look"}


def snapshot(status: ResponseStatus = "in_progress", conversation: str | None = None, **asked: Any) -> Json:
    request = msgspec.json.decode(msgspec.json.encode({"model": "m", **asked}), type=CreateResponse)
    tools = read_tools([Raw(msgspec.json.encode(tool)) for tool in asked.get("tools", ())])
    response = first_snapshot(
        request, response_id="resp_0a", created_at=7, conversation_id=conversation, tools=tools, status=status
    )
    body = msgspec.json.encode(response)
    judge_response(body)
    return dict(msgspec.json.decode(body))


def test_every_default_is_filled_in() -> None:
    told = snapshot()
    assert told == {
        "id": "resp_0a",
        "object": "response",
        "created_at": 7,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": "m",
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "conversation": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"temperature": None}, {"temperature": 1.0}),
        ({"store": False}, {"store": False}),
        ({"store": None}, {"store": True}),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"parallel_tool_calls": None}, {"parallel_tool_calls": True}),
        ({"metadata": None}, {"metadata": {}}),
        ({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}),
        ({"truncation": "auto"}, {"truncation": "auto"}),
        ({"previous_response_id": "resp_1"}, {"previous_response_id": "resp_1", "conversation": None}),
        ({"instructions": "Be kind", "user": "u"}, {"instructions": "Be kind", "user": "u"}),
        ({"max_output_tokens": 16, "max_tool_calls": 1}, {"max_output_tokens": 16, "max_tool_calls": 1}),
        ({"prompt_cache_key": "k", "safety_identifier": "s"}, {"prompt_cache_key": "k", "safety_identifier": "s"}),
        ({"prompt_cache_retention": "24h"}, {"prompt_cache_retention": "24h"}),
        ({"reasoning": {"effort": "minimal"}}, {"reasoning": {"effort": "minimal", "summary": None}}),
        ({"reasoning": {"generate_summary": "auto"}}, {"reasoning": {"effort": None, "summary": "auto"}}),
        (
            {"reasoning": {"context": "auto", "mode": "pro"}},
            {"reasoning": {"effort": None, "summary": None, "context": "auto", "mode": "pro"}},
        ),
        ({"text": {"verbosity": "low"}}, {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
        ({"text": {"format": None}}, {"text": {"format": {"type": "text"}}}),
        ({"text": {"format": {"type": "json_object"}}}, {"text": {"format": {"type": "json_object"}}}),
        ({"text": {"format": SCHEMA}}, {"text": {"format": {**SCHEMA, "description": None, "strict": False}}}),
        (
            {"text": {"format": {**SCHEMA, "strict": True, "description": "d"}}},
            {"text": {"format": {**SCHEMA, "description": "d", "strict": True}}},
        ),
        ({"tool_choice": None}, {"tool_choice": "auto"}),
        ({"tool_choice": {"type": "function", "name": "look"}}, {"tool_choice": {"type": "function", "name": "look"}}),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [LOOK]}},
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [LOOK]}},
        ),
    ],
    ids=repr,
)
def test_what_was_asked_for_is_told(asked: Json, told: Json) -> None:
    whole = snapshot(**asked)
    assert {name: whole[name] for name in told} == told


def test_what_concerns_the_answer_alone_is_not_told() -> None:
    whole = snapshot(include=["reasoning.encrypted_content"], context_management=[], stream=True, input="Hi")
    assert not {"include", "context_management", "stream", "input"} & whole.keys()


def test_a_conversation_is_told_by_its_id() -> None:
    assert snapshot(conversation="conv_1")["conversation"] == {"id": "conv_1"}


def test_a_background_response_begins_queued() -> None:
    whole = snapshot("queued", background=True)
    assert (whole["status"], whole["background"]) == ("queued", True)


def test_a_function_is_told_with_all_of_its_keys_and_those_newer_than_this_release() -> None:
    (tool,) = snapshot(tools=[{**LOOK, "newer": [1]}])["tools"]
    assert tool == {**LOOK, "description": None, "parameters": None, "strict": None, "newer": [1]}


@pytest.mark.parametrize(
    "tool",
    [
        {**LOOK, "description": "d", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "write", "format": {"type": "text"}},
        {"type": "namespace", "name": "ns", "description": "d", "tools": [LOOK]},
        {"type": "web_search", "search_context_size": "low"},
        {"type": "mcp", "server_label": "s", "server_url": "https://a.example", "require_approval": "never"},
        {"type": "shell"},
    ],
    ids=lambda tool: tool["type"],
)
def test_a_tool_is_told_as_it_was_asked_for(tool: Json) -> None:
    assert snapshot(tools=[tool])["tools"] == [tool]


def test_credentials_of_an_mcp_server_are_never_told() -> None:
    server: Json = {"type": "mcp", "server_label": "s", "server_url": "https://a.example"}
    asked = {**server, "authorization": "secret", "headers": {"X-Key": "secret"}}
    assert snapshot(tools=[asked])["tools"] == [server]
