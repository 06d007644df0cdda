"""A response is created: what the model is told, what the caller gets, what is stored — the same for both formats."""

import json
from typing import Any

import pytest

from antiphon.testing.upstream import (
    Answer,
    ScriptedUpstream,
    chat_call,
    chat_stream,
    chat_whole,
    responses_item,
    responses_stream,
    responses_whole,
)
from tests.api.calling import CHAT, RESPONSES, Api, Json, call, function, output, text_of, texts, user

BOTH = pytest.mark.parametrize("model", [CHAT, RESPONSES])
WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


async def made(api: Api, stream: bool, **fields: Any) -> Json:
    """Create a response in either way."""
    return (await api.stream(**fields)).last if stream else await api.create(**fields)


def item_types(response: Json) -> list[str]:
    return [item["type"] for item in response["output"]]


# -- the object -----------------------------------------------------------------------------------------------


@BOTH
@WAYS
async def test_what_is_answered_is_what_is_stored(api: Api, model: str, stream: bool) -> None:
    response = await made(api, stream, model=model)
    assert (response["status"], text_of(response), response["model"]) == ("completed", "Hello.", model)
    assert response["created_at"] <= response["completed_at"]
    assert await api.retrieve(response["id"]) == response


@BOTH
async def test_whole_and_streamed_answers_differ_in_nothing_but_ids_and_times(api: Api, model: str) -> None:
    def bare(response: Json) -> str:
        for name in ("id", "created_at", "completed_at"):
            response.pop(name)
        for item in response["output"]:
            item.pop("id")
        return json.dumps(response)

    fields = {"model": model, "instructions": "Be kind.", "metadata": {"a": "b"}, "temperature": 0.3}
    assert bare(await api.create(**fields)) == bare((await api.stream(**fields)).last)


@BOTH
@WAYS
async def test_the_options_of_the_request_are_echoed(api: Api, model: str, stream: bool) -> None:
    asked: Json = {
        "instructions": "Be brief.",
        "metadata": {"thread": "7"},
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 100,
        "max_tool_calls": 3,
        "parallel_tool_calls": False,
        "truncation": "disabled",
        "reasoning": {"effort": "low", "summary": "auto"},
        "tool_choice": "auto",
        "user": "u1",
        "safety_identifier": "s1",
        "prompt_cache_key": "k1",
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
    }
    response = await made(api, stream, model=model, **asked)
    shown = {name: response[name] for name in asked}
    shown["metadata"] = {name: value for name, value in shown["metadata"].items() if name != "antiphon-notes"}
    assert shown == asked
    assert response["tools"] == []


@WAYS
async def test_defaults_are_filled_in(api: Api, stream: bool) -> None:
    response = await made(api, stream)
    assert {
        name: response[name] for name in ("temperature", "top_p", "truncation", "store", "background", "metadata")
    } == {
        "temperature": 1.0,
        "top_p": 1.0,
        "truncation": "disabled",
        "store": True,
        "background": False,
        "metadata": {},
    }
    assert response["text"] == {"format": {"type": "text"}}
    assert "include" not in response


async def test_include_and_context_management_are_not_echoed(api: Api) -> None:
    response = await api.create(model=RESPONSES, include=["reasoning.encrypted_content"])
    assert not {"include", "context_management"} & response.keys()


@BOTH
@WAYS
async def test_a_function_is_echoed_with_all_of_its_keys(api: Api, model: str, stream: bool) -> None:
    response = await made(api, stream, model=model, tools=[{"type": "function", "name": "f"}])
    assert response["tools"] == [
        {"type": "function", "name": "f", "description": None, "parameters": None, "strict": None}
    ]


@WAYS
async def test_a_schema_is_echoed_and_reaches_the_model(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "name": "answer", "schema": schema, "strict": True, "description": None}
    response = await made(api, stream, text={"format": form})
    assert response["text"]["format"] == form
    sent = upstream.last.json["response_format"]
    assert sent == {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


# -- usage ----------------------------------------------------------------------------------------------------


@BOTH
@WAYS
async def test_usage_is_what_the_provider_reported(api: Api, model: str, stream: bool) -> None:
    response = await made(api, stream, model=model)
    assert response["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12,
    }
    assert "antiphon-notes" not in response["metadata"]


@WAYS
async def test_cached_and_reasoning_tokens_are_told(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }
    upstream.will(chat_stream("x", usage=usage) if stream else chat_whole("x", usage=usage))
    told = (await made(api, stream))["usage"]
    assert told["input_tokens_details"] == {"cached_tokens": 60, "cache_write_tokens": 30}
    assert told["output_tokens_details"] == {"reasoning_tokens": 40}


@WAYS
async def test_usage_that_nobody_reported_is_estimated_and_said_to_be(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.will(chat_stream("word " * 20, usage=None) if stream else chat_whole("word " * 20, usage=None))
    response = await made(api, stream)
    assert response["usage"]["output_tokens"] > 10
    assert "usage is estimated" in response["metadata"]["antiphon-notes"]
    assert await api.retrieve(response["id"]) == response


# -- state in one request -------------------------------------------------------------------------------------


@BOTH
async def test_instructions_are_not_carried_over(api: Api, upstream: ScriptedUpstream, model: str) -> None:
    first = await api.create(model=model, instructions="Speak like a pirate.")
    second = await api.create(model=model, previous_response_id=first["id"], input="And now?")
    assert b"pirate" in upstream.received[-2].body
    assert b"pirate" not in upstream.last.body
    assert second["instructions"] is None
    assert texts(await api.input_items(second["id"])) == ["Hi", "Hello.", "And now?"]


async def test_a_chat_model_is_told_the_history_in_order(api: Api, upstream: ScriptedUpstream) -> None:
    first = await api.create(input="one")
    await api.create(input="two", previous_response_id=first["id"], instructions="Be brief.")
    assert [(told["role"], told["content"]) for told in upstream.last.json["messages"]] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "Hello."),
        ("user", "two"),
    ]


async def test_a_responses_upstream_is_asked_without_any_of_its_own_state(api: Api, upstream: ScriptedUpstream) -> None:
    first = await api.create(model=RESPONSES, input="one")
    await api.create(model=RESPONSES, input="two", previous_response_id=first["id"])
    asked = upstream.last.json
    assert asked["store"] is False
    assert not {"previous_response_id", "conversation", "background", "metadata"} & asked.keys()
    assert len(asked["input"]) == 3


@BOTH
async def test_upstreams_never_see_what_is_only_ours(api: Api, upstream: ScriptedUpstream, model: str) -> None:
    await api.create(model=model, metadata={"secret-of-ours": "1"}, client_metadata={"secret-of-ours": "2"})
    assert b"secret-of-ours" not in upstream.last.body


# -- what models say ------------------------------------------------------------------------------------------


@WAYS
async def test_reasoning_is_an_item_with_a_summary_list(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    thought = {"reasoning_content": "Let me think."}
    upstream.will(chat_stream(thought, "42") if stream else chat_whole({**thought, "content": "42"}))
    response = await made(api, stream)
    reasoning, message = response["output"]
    assert (reasoning["type"], reasoning["summary"]) == ("reasoning", [])
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Let me think."}]
    assert message["content"][0]["text"] == "42"


@WAYS
async def test_reasoning_is_told_as_a_summary_where_one_was_asked_for(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    thought = {"reasoning_content": "Let me think."}
    upstream.will(chat_stream(thought, "42") if stream else chat_whole({**thought, "content": "42"}))
    response = await made(api, stream, reasoning={"summary": "auto"})
    assert response["output"][0]["summary"] == [{"type": "summary_text", "text": "Let me think."}]


REASONING: Json = {
    "id": "rs_up",
    "type": "reasoning",
    "summary": [],
    "encrypted_content": "SEALED",
    "status": "completed",
}


@WAYS
async def test_sealed_reasoning_is_shown_only_where_it_was_asked_for_and_kept_always(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    answers = [responses_stream(*responses_item(REASONING), "42"), responses_whole(REASONING, "42")]
    upstream.will(answers[0 if stream else 1], answers[0 if stream else 1])
    asked = ["reasoning.encrypted_content"]
    shown = await made(api, stream, model=RESPONSES, include=asked)
    hidden = await made(api, stream, model=RESPONSES)
    assert shown["output"][0]["encrypted_content"]
    assert "encrypted_content" not in hidden["output"][0]
    again = await api.retrieve(hidden["id"], "?include[]=reasoning.encrypted_content")
    assert again["output"][0]["encrypted_content"]
    assert "encrypted_content" not in (await api.retrieve(hidden["id"]))["output"][0]
    await api.create(model=RESPONSES, previous_response_id=hidden["id"], input="go on")
    told = [item for item in upstream.last.json["input"] if item["type"] == "reasoning"]
    assert [item["encrypted_content"] for item in told] == ["SEALED"]


async def test_sealed_reasoning_round_trips_without_any_state(api: Api, upstream: ScriptedUpstream) -> None:
    upstream.will(responses_whole(REASONING, "42"))
    asked: Json = {"model": RESPONSES, "store": False, "include": ["reasoning.encrypted_content"]}
    first = await api.create(**asked)
    await api.create(**asked, input=[user("Hi"), *first["output"], user("go on")])
    told = [item for item in upstream.last.json["input"] if item["type"] == "reasoning"]
    assert [item["encrypted_content"] for item in told] == ["SEALED"]
    assert all(item.get("id", "").startswith("rs_") is False for item in told)  # nothing that it would look up


LOGPROB: Json = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}


@WAYS
async def test_logprobs_are_told_where_they_were_asked_for(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    told: Json = {"content": [{**LOGPROB, "top_logprobs": [{"token": "Ho", "logprob": -2.0, "bytes": [72, 111]}]}]}
    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": None, "logprobs": told}
    chunk = (
        b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    )
    upstream.will(chat_stream(chunk) if stream else chat_whole("Hi", logprobs=told))
    response = await made(api, stream, include=["message.output_text.logprobs"], top_logprobs=1)
    assert (upstream.last.json["logprobs"], upstream.last.json["top_logprobs"]) == (True, 1)
    (logprob,) = response["output"][0]["content"][0]["logprobs"]
    assert logprob == told["content"][0]


@WAYS
async def test_a_refusal_is_a_part_of_a_message(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    said = {"refusal": "I can't help with that."}
    upstream.will(chat_stream(said) if stream else chat_whole(said))
    response = await made(api, stream)
    assert response["status"] == "completed"
    assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "I can't help with that."}]


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
@WAYS
async def test_an_answer_that_was_cut_is_incomplete_with_its_reason(
    api: Api, upstream: ScriptedUpstream, finish: str, reason: str, stream: bool
) -> None:
    upstream.will(chat_stream("Hel", finish=finish) if stream else chat_whole("Hel", finish=finish))
    response = await made(api, stream)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert (text_of(response), response["output"][0]["status"]) == ("Hel", "incomplete")
    assert response["completed_at"] is None
    assert response["usage"]["output_tokens"] == 5
    assert await api.retrieve(response["id"]) == response


@WAYS
async def test_reasoning_that_used_up_all_tokens_is_kept(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    said = {"reasoning_content": "Hmm"}
    upstream.will(chat_stream(said, finish="length") if stream else chat_whole(said, finish="length"))
    response = await made(api, stream)
    assert (response["status"], item_types(response)) == ("incomplete", ["reasoning"])


# -- tools ----------------------------------------------------------------------------------------------------


@WAYS
async def test_a_tool_loop_over_stored_responses(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    said = chat_call("weather", '{"city":"Oslo"}', call_id="call_a")
    finish = "tool_calls"
    upstream.will(chat_stream(said, finish=finish) if stream else chat_whole(said, finish=finish))
    first = await made(api, stream, tools=[function()])
    (asked,) = first["output"]
    assert (asked["name"], asked["arguments"], asked["status"]) == ("weather", '{"city":"Oslo"}', "completed")
    last = await made(
        api, stream, previous_response_id=first["id"], input=[output(asked["call_id"], "sunny")], tools=[function()]
    )
    assert last["status"] == "completed"
    told = upstream.last.json["messages"]
    assert [message["role"] for message in told] == ["user", "assistant", "tool"]
    assert told[1]["tool_calls"][0]["id"] == told[2]["tool_call_id"] == asked["call_id"]
    assert told[2]["content"] == "sunny"


@WAYS
async def test_parallel_calls_are_items_of_their_own(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    calls = chat_call("a", '{"n":1}')["tool_calls"] + chat_call("b", '{"n":2}', index=1)["tool_calls"]
    said: list[Any] = [{"tool_calls": [each]} for each in calls] if stream else [{"tool_calls": calls}]
    finish = "tool_calls"
    upstream.will(chat_stream(*said, finish=finish) if stream else chat_whole(said[0], finish=finish))
    response = await made(api, stream, tools=[function("a"), function("b")])
    assert [(item["name"], item["arguments"]) for item in response["output"]] == [("a", '{"n":1}'), ("b", '{"n":2}')]
    assert len({item["call_id"] for item in response["output"]}) == 2


@WAYS
async def test_a_call_without_arguments_is_told_with_an_empty_object(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    said = chat_call("now", "")
    upstream.will(chat_stream(said, finish="tool_calls") if stream else chat_whole(said, finish="tool_calls"))
    response = await made(api, stream, tools=[function("now")])
    assert response["output"][0]["arguments"] == "{}"


@WAYS
async def test_call_ids_that_a_provider_uses_again_are_made_unique(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    said = chat_call("weather", call_id="call_0")
    answer = chat_stream(said, finish="tool_calls") if stream else chat_whole(said, finish="tool_calls")
    upstream.will(answer, answer)
    first = await made(api, stream, tools=[function()])
    answered = [output(first["output"][0]["call_id"])]
    second = await made(api, stream, tools=[function()], previous_response_id=first["id"], input=answered)
    assert first["output"][0]["call_id"] != second["output"][0]["call_id"]


@BOTH
@pytest.mark.parametrize("value", [{"city": "Oslo", "degrees": 3}, "plain", [{"type": "input_text", "text": "part"}]])
async def test_a_function_s_output_may_be_text_parts_or_an_object(
    api: Api, upstream: ScriptedUpstream, model: str, value: Any
) -> None:
    response = await api.create(model=model, input=[user("Hi"), call("c1"), output("c1", value)])
    assert response["status"] == "completed"
    if model == CHAT:
        told = upstream.last.json["messages"][-1]["content"]
        assert (json.loads(told) if isinstance(value, dict) else told) in (value, "part")
    await api.input_items(response["id"])
    assert (await api.create(model=model, previous_response_id=response["id"]))["status"] == "completed"


@BOTH
async def test_allowed_tools_are_a_hard_constraint(api: Api, upstream: ScriptedUpstream, model: str) -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]}
    response = await api.create(model=model, tools=[function("a"), function("b")], tool_choice=choice)
    assert response["tool_choice"] == choice
    assert [tool["name"] for tool in response["tools"]] == ["a", "b"]
    if model == CHAT:
        assert [tool["function"]["name"] for tool in upstream.last.json["tools"]] == ["b"]
        assert upstream.last.json["tool_choice"] == "required"
    else:
        assert upstream.last.json["tool_choice"] == choice


async def test_a_forced_function_beside_a_schema_is_accepted(api: Api, upstream: ScriptedUpstream) -> None:
    form = {"type": "json_schema", "name": "x", "schema": {"type": "object"}}
    choice = {"type": "function", "name": "weather"}
    await api.create(tools=[function()], tool_choice=choice, text={"format": form})
    assert upstream.last.json["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


async def test_images_reach_the_model_as_they_came(api: Api, upstream: ScriptedUpstream) -> None:
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content = [{"type": "input_text", "text": "What?"}, {"type": "input_image", "image_url": pixel, "detail": "low"}]
    response = await api.create(input=[{"role": "user", "content": content}])
    assert upstream.last.json["messages"][0]["content"] == [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": pixel, "detail": "low"}},
    ]
    (item,) = await api.input_items(response["id"])
    assert item["content"][1]["type"] == "input_image"
    await api.create(model=RESPONSES, input=[{"role": "user", "content": content}])
    assert upstream.last.json["input"][0]["content"] == content


# -- Codex ----------------------------------------------------------------------------------------------------

PATCH = '*** Begin Patch\n*** Update File: a.py\n@@\n-x = 1\n+x = "2"\n*** End Patch\n'


def codex_request() -> Json:
    """What Codex sends for a known model: freeform patches, a namespace, web search, its own ids and metadata."""
    return {
        "instructions": "You are a coding agent.",
        "input": [
            {"type": "message", "id": "msg_0b1c", "role": "developer", "content": [{"type": "input_text", "text": "env"}]},
            {"type": "message", "id": "msg_0b1d", "role": "user", "content": [{"type": "input_text", "text": "fix it"}]},
        ],
        "tools": [
            function("shell", strict=False),
            {"type": "custom", "name": "apply_patch", "description": "Edit files.", "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}},
            {"type": "namespace", "name": "agents", "description": "Others.", "tools": [function("spawn"), {"type": "custom", "name": "say", "description": "Say."}]},
            {"type": "web_search", "external_web_access": False},
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0b1c",
        "text": {"verbosity": "low"},
        "client_metadata": {"x-codex-installation-id": "1"},
    }  # fmt: skip


def lowered(upstream: ScriptedUpstream, ending: str) -> str:
    """Return the name under which the model was offered a tool."""
    names: list[str] = [tool["function"]["name"] for tool in upstream.last.json["tools"]]
    return next(name for name in names if name.endswith(ending))


@WAYS
async def test_a_codex_patch_is_raised_as_plain_input(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    said = chat_call("apply_patch", json.dumps({"input": PATCH}))
    upstream.will(chat_stream(said, finish="tool_calls") if stream else chat_whole(said, finish="tool_calls"))
    response = await made(api, stream, **codex_request())
    (patch,) = response["output"]
    assert (patch["type"], patch["name"], patch["input"]) == ("custom_tool_call", "apply_patch", PATCH)
    assert "web_search left out" in response["metadata"]["antiphon-notes"]
    assert response["store"] is False
    assert lowered(upstream, "apply_patch") == "apply_patch"
    again = codex_request()
    again["input"] += [patch, {"type": "custom_tool_call_output", "call_id": patch["call_id"], "output": "Done!"}]
    last = await made(api, stream, **again)
    assert last["status"] == "completed"
    told = upstream.last.json["messages"]
    assert json.loads(told[-2]["tool_calls"][0]["function"]["arguments"]) == {"input": PATCH}
    assert (told[-1]["role"], told[-1]["content"]) == ("tool", "Done!")


async def test_a_codex_patch_arrives_in_pieces_as_plain_input(api: Api, upstream: ScriptedUpstream) -> None:
    arguments = json.dumps({"input": PATCH})
    first = chat_call("apply_patch", "")
    rest = [{"tool_calls": [{"index": 0, "function": {"arguments": letter}}]} for letter in arguments]
    upstream.will(chat_stream(first, *rest, finish="tool_calls"))
    stream = await api.stream(**codex_request())
    assert "".join(event["delta"] for event in stream.of("custom_tool_call_input.delta")) == PATCH
    assert stream.last["output"][0]["input"] == PATCH


@WAYS
async def test_a_call_of_a_namespace_comes_back_with_its_namespace(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.otherwise = lambda request: _call_of(request.json, "spawn", '{"city":"x"}')
    (spawned,) = (await made(api, stream, **codex_request()))["output"]
    assert (spawned["type"], spawned["namespace"], spawned["name"]) == ("function_call", "agents", "spawn")
    upstream.otherwise = lambda request: _call_of(request.json, "say", '{"input":"hello"}')
    (said,) = (await made(api, stream, **codex_request()))["output"]
    assert (said["type"], said["namespace"], said["name"], said["input"]) == (
        "custom_tool_call",
        "agents",
        "say",
        "hello",
    )


def _call_of(request: Json, ending: str, arguments: str) -> Answer:
    """Answer with a call of the tool whose offered name ends so."""
    names = [tool["function"]["name"] for tool in request["tools"]]
    said = chat_call(next(name for name in names if name.endswith(ending)), arguments)
    return chat_stream(said, finish="tool_calls") if request.get("stream") else chat_whole(said, finish="tool_calls")


@WAYS
async def test_tools_of_an_additional_tools_item_are_offered(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    """The newest Codex sends no `tools` at all; the item brings a freeform tool that takes code."""
    inner = {"type": "namespace", "name": "functions", "description": "d", "tools": [{"type": "custom", "name": "exec", "description": "Run."}]}  # fmt: skip
    request = codex_request()
    request["tools"] = ...
    request["input"].insert(0, {"type": "additional_tools", "role": "developer", "tools": [inner]})
    upstream.otherwise = lambda asked: _call_of(asked.json, "exec", '{"input":"1 + 1"}')
    response = await made(api, stream, **request)
    (asked,) = response["output"]
    assert (asked["type"], asked["namespace"], asked["name"], asked["input"]) == ("custom_tool_call", "functions", "exec", "1 + 1")  # fmt: skip


@WAYS
async def test_a_codex_request_reaches_a_responses_upstream_with_its_tools(
    api: Api, upstream: ScriptedUpstream, stream: bool
) -> None:
    patch = {"id": "ctc_up", "type": "custom_tool_call", "call_id": "call_p", "name": "apply_patch", "input": PATCH, "status": "completed"}  # fmt: skip
    upstream.will(responses_stream(*responses_item(patch)) if stream else responses_whole(patch))
    request = codex_request()
    response = await made(api, stream, model=RESPONSES, **request)
    assert upstream.last.json["tools"] == request["tools"]
    assert "client_metadata" not in upstream.last.json
    assert (response["output"][0]["type"], response["output"][0]["input"]) == ("custom_tool_call", PATCH)


async def test_hints_that_the_provider_does_not_take_are_noted(api: Api, upstream: ScriptedUpstream) -> None:
    reply = await api.try_create(text={"verbosity": "low"}, prompt_cache_key="k", service_tier="flex")
    told = reply.json["metadata"]["antiphon-notes"]
    for hint in ("text.verbosity", "prompt_cache_key", "service_tier"):
        assert f"{hint} left out" in told
    assert not {"verbosity", "prompt_cache_key", "service_tier"} & upstream.last.json.keys()


@WAYS
async def test_a_note_cannot_break_the_head_of_the_answer(api: Api, upstream: ScriptedUpstream, stream: bool) -> None:
    """Notes name what the caller sent, whatever that is, and stand in a header."""
    odd = {"type": "x:\r\nSet-Cookie: evil=1\r\n\r\n\0\x7f\u2028"}
    reply = await api.try_create(input=[odd, user("x")], stream=stream)
    assert reply.status == 200
    assert "Set-Cookie" not in reply.headers
    assert reply.notes.isprintable()
    assert "left out" in reply.notes


# -- the rest of the front door -------------------------------------------------------------------------------


async def test_input_tokens_are_counted_without_asking_anyone(api: Api, upstream: ScriptedUpstream) -> None:
    reply = await api.post(
        "/responses/input_tokens", {"model": CHAT, "input": "word " * 100, "instructions": "Be kind."}
    )
    assert reply.status == 200
    assert reply.json["object"] == "response.input_tokens"
    assert 80 < reply.json["input_tokens"] < 200
    assert "estimated" in reply.notes
    assert upstream.received == []


async def test_input_tokens_count_the_history_too(api: Api) -> None:
    first = await api.create(input="word " * 1000)
    reply = await api.post("/responses/input_tokens", {"previous_response_id": first["id"], "input": "x"})
    assert reply.json["input_tokens"] > 800


async def test_models_are_listed_by_the_names_that_a_request_uses(api: Api) -> None:
    reply = await api.get("/models")
    names = [model["id"] for model in reply.json["data"]]
    assert (reply.json["object"], names[0]) == ("list", "demo-chat")
    for name in names:
        assert (await api.get(f"/models/{name}")).json["id"] == name


async def test_health_needs_no_key(api: Api) -> None:
    for path in ("/livez", "/readyz", "/health"):
        async with api._session.get(api.server.url + path) as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "ok")
