"""Turns as Responses bodies; every body is judged by the official client's types too."""

import json
from typing import Any

import msgspec
import pytest

from antiphon.codecs.responses import RESPONSES
from antiphon.errors import BadRequest, Unsupported
from antiphon.types.profiles import Profile
from antiphon.types.turns import ToolName, Turn, UpstreamRequest
from tests.codecs import turns
from tests.codecs.turns import a_freeform, a_function, a_turn, answered, called, gave, said

OPENAI = Profile(opaque_items=True)
FUNCTIONS_ONLY = Profile()
"""A look-alike that knows messages and functions and nothing else."""

STATE = "reasoning.encrypted_content"
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'}
SEARCHED = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "rome", "queries": ["rome"]},
}


def encoded(turn: Turn, profile: Profile = OPENAI) -> tuple[dict[str, Any], UpstreamRequest]:
    return turns.encoded(RESPONSES, turn, profile)


def told(*items: dict[str, Any] | bytes, profile: Profile = OPENAI, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encoded(a_turn(*items, **request), profile)[0]["input"]
    return found


def notes(*items: dict[str, Any], profile: Profile = OPENAI) -> list[str]:
    return list(encoded(a_turn(*items), profile)[1].notes)


def a_thought(state: str | None = "sealed", *, id: str = "rs_1", **fields: Any) -> dict[str, Any]:  # noqa: A002 # the wire's
    return {"type": "reasoning", "id": id, "summary": [], "encrypted_content": state, **fields}


def refused(turn: Turn, profile: Profile = OPENAI) -> str | None:
    """Return the `param` of the refusal."""
    with pytest.raises(Unsupported) as caught:
        RESPONSES.encode(turn, profile)
    return caught.value.param


# -- the whole ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [OPENAI, FUNCTIONS_ONLY])
def test_a_plain_request_has_nothing_that_was_not_asked_for(profile: Profile) -> None:
    body, sent = encoded(a_turn(), profile)
    assert body == {
        "model": "upstream-model",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "store": False,
        "stream": False,
        "include": [STATE],
    }
    assert (sent.path, sent.notes, sent.names, sent.summarize) == ("/responses", [], {}, False)


def test_a_full_request_says_it_all() -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    format_ = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}
    same: dict[str, Any] = {
        "instructions": "Be brief.",
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "max_output_tokens": 64,
        "max_tool_calls": 3,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_logprobs": 3,
        "truncation": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low", "summary": "auto", "context": "all_turns", "mode": "pro"},
        "text": {"format": format_, "verbosity": "low"},
        "tools": [
            a_function(strict=True, defer_loading=True),
            {"type": "web_search", "new_field": [1]},
            a_freeform(format=GRAMMAR),
        ],
        "tool_choice": {"type": "function", "name": "go"},
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "prompt_cache_options": {"mode": "explicit"},
        "service_tier": "flex",
        "context_management": [{"type": "compaction", "compact_threshold": 1000}],
        "moderation": {"model": "m"},
    }
    body, sent = encoded(a_turn(include=["message.output_text.logprobs", STATE], **same))
    assert body.pop("include") == ["message.output_text.logprobs", STATE]
    assert (body.pop("model"), body.pop("store")) == ("upstream-model", False)
    assert body.pop("input") == [said("Hi")]
    assert body == same
    assert sent.notes == []


def test_what_the_upstream_would_have_to_remember_is_never_sent() -> None:
    """A3 case 46: the state is ours."""
    body, _ = encoded(
        a_turn(
            store=True, background=True, previous_response_id="resp_1", metadata={"a": "b"}, client_metadata={"x": 1}
        )
    )
    assert body.keys() == {"model", "input", "store", "stream", "include"}
    assert body["store"] is False
    assert "conversation" not in encoded(a_turn(conversation="conv_1"))[0]


def test_nulls_and_defaults_are_not_sent() -> None:
    nulls: dict[str, Any] = dict.fromkeys(
        ("instructions", "tools", "tool_choice", "text", "reasoning", "include", "temperature", "top_logprobs", "user")
    )
    extra: dict[str, Any] = {
        "reasoning": {"effort": None, "summary": None},
        "text": {"format": None},
        "presence_penalty": 0.0,
    }
    body, _ = encoded(a_turn(**{**nulls, **extra}))
    assert body.keys() == {"model", "input", "store", "stream", "include"}


def test_the_old_name_of_a_summary_is_told_by_the_new_one() -> None:
    assert encoded(a_turn(reasoning={"generate_summary": "concise"}))[0]["reasoning"] == {"summary": "concise"}


def test_penalties_of_open_responses_are_passed_on() -> None:
    body, _ = encoded(a_turn(presence_penalty=0.5, frequency_penalty=-0.5))
    assert (body["presence_penalty"], body["frequency_penalty"]) == (0.5, -0.5)


def test_the_same_turn_gives_the_same_bytes() -> None:
    """A6 case 74: a cached prompt stays one."""
    turn = a_turn(said("a"), called("c"), gave("c"), SEARCHED, tools=[a_function(), a_freeform()], instructions="x")
    assert RESPONSES.encode(turn, OPENAI).body == RESPONSES.encode(turn, OPENAI).body


# -- items ----------------------------------------------------------------------------------------------------


def test_items_go_along_without_ids_that_were_never_stored() -> None:
    """A3 case 46: 'Item with id rs_… not found'."""
    custom = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "patch", "input": "x"}
    items = [
        said("a", id="msg_0"),
        a_thought(),
        answered("b", phase="commentary"),
        called("c1", namespace="crm"),
        custom,
        gave("c1", id="fco_1"),
        {"type": "custom_tool_call_output", "id": "cto_1", "call_id": "c2", "output": "y"},
        SEARCHED,
        answered("c"),
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "z"},
    ]
    found = told(*items)
    assert found == [{key: value for key, value in item.items() if key != "id"} for item in items]


def test_ids_that_the_api_wants_and_that_others_name_stay() -> None:
    items = [
        said("a"),
        {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "s", "name": "t", "arguments": "{}"},
        {"type": "mcp_approval_response", "id": "mcpa_1", "approval_request_id": "mcpr_1", "approve": True},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "aGk="},
    ]
    assert [item.get("id") for item in told(*items)] == [None, "mcpr_1", None, "ig_1"]


def test_fields_and_items_newer_than_this_release_pass() -> None:
    strange = {"type": "acme:thing", "id": "t_1", "payload": {"b": [1, 2.5, None, "é"], "a": {}}}
    message = said(
        [{"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}], new_field={"x": 1}
    )
    raw = json.dumps(strange).encode()
    turn = a_turn(message, raw)
    body = json.loads(RESPONSES.encode(turn, OPENAI).body)
    assert body["input"] == [message, strange]


def test_a_key_that_is_given_twice_has_one_reading() -> None:
    """Else the upstream could be told what nobody here has seen."""
    twice = b'{"type":"message","role":"user","content":"seen","content":"last"}'
    tool = json.loads(json.dumps(a_function()))
    sent = RESPONSES.encode(a_turn(twice, tools=[tool]), OPENAI)
    assert sent.body.count(b'"content"') == 1
    assert json.loads(sent.body)["input"][0]["content"] == "last"


def test_nulls_in_known_items_are_left_out() -> None:
    """The API refuses `status: null`, which clients send when they dump their own objects."""
    assert told(said("a", id=None, status=None, phase=None)) == [said("a")]


def test_an_item_without_a_type_gets_one() -> None:
    assert told({"role": "user", "content": "a"}) == [said("a")]


@pytest.mark.parametrize("profile", [OPENAI, FUNCTIONS_ONLY])
def test_an_output_that_is_an_object_is_json_text(profile: Profile) -> None:
    found = told(said("a"), called("c"), gave("c", {"z": 1, "a": {"$ref": "é"}}), profile=profile)
    assert found[2]["output"] == '{"z":1,"a":{"$ref":"é"}}'


def test_pictures_of_an_output_stay_in_it() -> None:
    """A5 case 65."""
    parts = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"},
    ]
    assert told(said("a"), called("c"), gave("c", parts))[2]["output"] == parts


@pytest.mark.parametrize("call_id", ["a.b:c", "x" * 65])
def test_an_id_of_a_call_that_the_api_would_refuse_changes_on_both_sides(call_id: str) -> None:
    """A5 case 59."""
    shell = {"type": "shell_call", "call_id": call_id, "action": {"commands": ["ls"]}, "status": "completed"}
    found = told(said("a"), called(call_id), gave(call_id), shell)
    assert len({item["call_id"] for item in found[1:]}) == 1
    assert len(found[1]["call_id"]) <= 64
    assert told(called("call_1"), gave("call_1"))[0]["call_id"] == "call_1"


def test_references_leave_no_trace() -> None:
    turn = a_turn(said("a"), {"type": "item_reference", "id": "msg_1"})
    assert json.loads(RESPONSES.encode(turn, OPENAI).body)["input"] == [said("a")]


@pytest.mark.parametrize("raw", [b'{"type":"acme:thing","x":1e999}', b'{"type":"acme:thing","x":"\\ud800"}'])
def test_an_item_that_can_not_be_read_is_the_request_s_fault(raw: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        RESPONSES.encode(a_turn(said("a"), raw), OPENAI)
    assert caught.value.param == "input[1]"


# -- reasoning ------------------------------------------------------------------------------------------------


def test_reasoning_goes_along_with_its_state_and_its_pair() -> None:
    """A3 cases 46 and 47."""
    summary = [{"type": "summary_text", "text": "s"}]
    found = told(said("a"), a_thought(summary=summary, content=None, status=None), called("c"), gave("c"))
    assert found[1] == {"type": "reasoning", "summary": summary, "encrypted_content": "sealed"}
    assert [item["type"] for item in found] == ["message", "reasoning", "function_call", "function_call_output"]


@pytest.mark.parametrize("state", [None, ""])
def test_reasoning_without_state_is_left_out_and_nothing_else(state: str | None) -> None:
    """A3 case 46."""
    items = [said("a"), a_thought(state), a_thought(state, id="rs_2"), answered("b"), said("c")]
    assert [item["role"] for item in told(*items)] == ["user", "assistant", "user"]
    assert notes(*items) == ["reasoning without encrypted_content left out"]


@pytest.mark.parametrize(
    "behind",
    [
        [],
        [said("b")],
        [a_thought(id="rs_2"), said("b")],
        [{"type": "additional_tools", "role": "developer", "tools": []}, answered("b")],
        [{"type": "mcp_approval_response", "approval_request_id": "x", "approve": True}, said("b")],
    ],
)
def test_reasoning_that_lost_its_pair_is_left_out(behind: list[dict[str, Any]]) -> None:
    """A3 case 47: 'reasoning was provided without its required following item'."""
    assert "reasoning" not in {item["type"] for item in told(said("a"), a_thought(), *behind)}
    assert notes(said("a"), a_thought(), *behind) == ["reasoning that led to nothing left out"]


@pytest.mark.parametrize(
    "pair", [answered("b"), called("c"), SEARCHED, {"type": "compaction", "encrypted_content": "z"}]
)
def test_reasoning_keeps_any_pair_that_a_model_makes(pair: dict[str, Any]) -> None:
    """A3 case 47."""
    items = [said("a"), a_thought(), a_thought(id="rs_2"), pair]
    found = told(*items, *([gave("c")] if pair["type"] == "function_call" else []))
    assert [item["type"] for item in found[1:3]] == ["reasoning", "reasoning"]


def test_raw_reasoning_goes_back_where_the_profile_wants_it() -> None:
    """A4 case 55."""
    raw = a_thought(None, content=[{"type": "reasoning_text", "text": "hm"}])
    profile = Profile(replay_reasoning="reasoning_content")
    found = told(said("a"), raw, called("c"), gave("c"), profile=profile)
    assert found[1] == {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}


def test_state_alone_brings_raw_reasoning_back() -> None:
    """A4 case 55: a client may keep nothing of an item but its state; vLLM takes no state, and reads one part."""
    profile = Profile(replay_reasoning="reasoning_content")
    content = [{"type": "reasoning_text", "text": "one"}, {"type": "reasoning_text", "text": "two"}]
    back = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "one\ntwo"}]}
    for item in (
        a_thought('{"reasoning_text":"one\\ntwo"}'),
        a_thought(None, content=content),
        a_thought("s", content=content),
    ):
        assert told(said("a"), item, called("c"), gave("c"), profile=profile)[1] == back


@pytest.mark.parametrize("state", ["sealed", '{"reasoning_text":5}', "{", '{"other":"x"}'])
def test_state_that_is_none_of_ours_is_the_upstream_s(state: str) -> None:
    profile = Profile(replay_reasoning="reasoning_content")
    assert told(said("a"), a_thought(state), called("c"), gave("c"), profile=profile)[1]["encrypted_content"] == state


def test_state_of_ours_is_nothing_to_an_upstream_that_wants_no_text_back() -> None:
    """A4 case 53."""
    items = [said("a"), a_thought('{"reasoning_text":"hm"}'), answered("b")]
    assert [item["type"] for item in told(*items)] == ["message", "message"]
    assert notes(*items) == ["reasoning state that this provider doesn't read left out"]


def test_reasoning_always_has_a_summary() -> None:
    bare = {"type": "reasoning", "encrypted_content": "sealed"}
    assert told(said("a"), bare, answered("b"))[1] == {**bare, "summary": []}


# -- tools ----------------------------------------------------------------------------------------------------


def test_every_tool_goes_as_it_came() -> None:
    """A5 case 64."""
    tools = [
        a_function(parameters=None),
        a_freeform(format=GRAMMAR),
        {"type": "namespace", "name": "crm", "description": "d", "tools": [a_function("find")]},
        {"type": "mcp", "server_label": "s", "server_url": "https://e.org"},
        {"type": "web_search", "filters": {"allowed_domains": ["e.org"]}},
        {"type": "tool_search"},
    ]
    more = {"type": "additional_tools", "role": "developer", "tools": tools[:1]}
    body, sent = encoded(a_turn(said("a"), more, tools=tools, tool_choice="required"))
    assert body["tools"] == tools
    assert body["input"][1] == more
    assert (body["tool_choice"], sent.names, sent.notes) == ("required", {}, [])


@pytest.mark.parametrize(
    "choice",
    [
        "none",
        "required",
        {"type": "function", "name": "go"},
        {"type": "custom", "name": "patch"},
        {"type": "mcp", "server_label": "s"},
        {"type": "mcp", "server_label": "s", "name": "t"},
        {"type": "web_search_preview"},
        {"type": "apply_patch"},
        {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "go"}, {"type": "mcp", "server_label": "s"}],
        },
    ],
)
def test_every_choice_goes_as_it_came(choice: Any) -> None:
    assert encoded(a_turn(tools=[a_function()], tool_choice=choice))[0]["tool_choice"] == choice


def test_a_choice_without_tools_and_a_free_choice_are_not_sent() -> None:
    assert "tool_choice" not in encoded(a_turn(tool_choice="none"))[0]
    assert "tool_choice" not in encoded(a_turn(tools=[a_function()], tool_choice="auto"))[0]


def test_additional_tools_alone_can_be_chosen_from() -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [a_function()]}
    body, _ = encoded(a_turn(said("a"), more, tool_choice="required"))
    assert body["tool_choice"] == "required"
    assert "tools" not in body


# -- look-alikes that know functions and nothing else ---------------------------------------------------------


def test_freeform_tools_are_functions_of_one_string_there() -> None:
    """A5 case 63: the tool, the choice, and the calls of the past."""
    items = [
        said("a"),
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "patch", "input": 'a\n"b"'},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
    ]
    turn = a_turn(*items, tools=[a_freeform(format=GRAMMAR)], tool_choice={"type": "custom", "name": "patch"})
    body, sent = encoded(turn, FUNCTIONS_ONLY)
    assert body["tools"][0]["type"] == "function"
    assert body["tools"][0]["parameters"]["required"] == ["input"]
    assert body["tool_choice"] == {"type": "function", "name": "patch"}
    call = {"type": "function_call", "call_id": "c", "name": "patch", "arguments": '{"input":"a\\n\\"b\\""}'}
    assert body["input"][1:] == [call, {"type": "function_call_output", "call_id": "c", "output": "ok"}]
    assert sent.names == {"patch": ToolName("patch", custom=True)}
    assert sent.notes == ["tools: grammar of 'patch' is described, not enforced"]


def test_freeform_tools_go_as_they_came_where_they_are_known() -> None:
    """A5 case 63."""
    items = [
        said("a"),
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
    ]
    tools = [a_freeform(format=GRAMMAR, description="d"), a_freeform("free")]
    body, _ = encoded(
        a_turn(*items, tools=tools, tool_choice={"type": "custom", "name": "patch"}), Profile(custom_tools=True)
    )
    assert body["tools"] == tools
    assert body["tool_choice"] == {"type": "custom", "name": "patch"}
    assert body["input"] == items


def test_tools_of_a_namespace_take_it_into_their_names_there() -> None:
    """A5 case 64."""
    space = {"type": "namespace", "name": "crm", "description": "d", "tools": [a_function("find"), a_freeform("exec")]}
    more = {"type": "additional_tools", "role": "developer", "tools": [a_function("now")]}
    run = {"type": "custom_tool_call", "call_id": "c2", "name": "exec", "namespace": "crm", "input": "ls"}
    items = [said("a"), more, called("c", "find", namespace="crm"), gave("c"), run]
    for profile in (FUNCTIONS_ONLY, Profile(custom_tools=True)):
        body, sent = encoded(a_turn(*items, tools=[space]), profile)
        assert [tool["name"] for tool in body["tools"]] == ["crm__find", "crm__exec", "now"]
        assert [item["name"] for item in body["input"] if "name" in item] == ["crm__find", "crm__exec"]
        assert all("namespace" not in item for item in body["input"])
        assert "additional_tools" not in {item["type"] for item in body["input"]}
        assert sent.names["crm__exec"] == ToolName("exec", "crm", custom=True)


def test_what_is_not_known_there_is_refused_or_left_out() -> None:
    """A5 case 64."""
    assert refused(a_turn(tools=[{"type": "mcp", "server_label": "s"}]), FUNCTIONS_ONLY) == "tools[0]"
    assert refused(a_turn(tools=[a_function()], tool_choice={"type": "shell"}), FUNCTIONS_ONLY) == "tool_choice"
    assert notes(said("a"), SEARCHED, answered("b"), profile=FUNCTIONS_ONLY) == [
        "input[1]: web_search_call left out, this provider has none"
    ]
    body, _ = encoded(a_turn(truncation="auto", max_tool_calls=2, service_tier="auto"), FUNCTIONS_ONLY)
    assert body.keys() == {"model", "input", "store", "stream", "include"}


def test_an_allow_list_leaves_only_its_tools_there() -> None:
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]}
    body, _ = encoded(a_turn(tools=[a_function("a"), a_function("b")], tool_choice=allowed), FUNCTIONS_ONLY)
    assert [tool["name"] for tool in body["tools"]] == ["b"]
    assert body["tool_choice"] == "required"


def test_developer_messages_are_system_messages_where_there_are_none() -> None:
    """A5 case 67."""
    items = [said("a", "developer"), said("b"), said("c", "developer")]
    assert [item["role"] for item in told(*items)] == ["developer", "user", "developer"]
    assert [item["role"] for item in told(*items, profile=FUNCTIONS_ONLY)] == ["system", "user", "system"]
    assert told(*items, profile=Profile(developer_role=True)) == items
    parts = said([{"type": "input_text", "text": "d"}], "system")
    late = told(*items, parts, profile=Profile(mid_system=False))
    assert late[2] == said("[developer message]\nc")
    assert late[3] == said([{"type": "input_text", "text": "[system message]"}, {"type": "input_text", "text": "d"}])
    assert late[0] == said("a", "system")


# -- what a profile changes -----------------------------------------------------------------------------------

FILE = said([{"type": "input_file", "file_data": "data:application/pdf;base64,aGk=", "filename": "x.pdf"}])
SOUND = said([{"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}])
IMAGE = said([{"type": "input_image", "image_url": "https://e.org/x.png", "detail": "auto"}])


@pytest.mark.parametrize(
    ("item", "field"),
    [(FILE, "files"), (SOUND, "audio"), (IMAGE, "images")],
)
def test_what_a_model_can_not_take_in_is_refused_by_its_place(item: dict[str, Any], field: str) -> None:
    without = msgspec.convert({field: False}, Profile)
    assert refused(a_turn(said("a"), item), without) == "input[1].content[0]"
    output = a_turn(said("a"), called("c"), gave("c", item["content"]))
    assert refused(output, without) == "input[2].output[0]"
    for profile in (OPENAI, msgspec.convert({field: True}, Profile)):
        assert json.loads(RESPONSES.encode(a_turn(item), profile).body)["input"] == [item]


@pytest.mark.parametrize("is_opaque", [True, False])
@pytest.mark.parametrize(
    ("profile", "request_", "param"),
    [
        ({"images": False}, {}, None),
        ({"tools": False}, {"tools": [a_function()]}, "tools"),
        (
            {"json_schema": False},
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}},
            "text.format",
        ),
        ({"json_object": False}, {"text": {"format": {"type": "json_object"}}}, "text.format"),
        ({"logprobs": False}, {"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": False}, {"include": ["message.output_text.logprobs"]}, "include"),
        ({"effort": "none"}, {"reasoning": {"effort": "high"}}, "reasoning.effort"),
        ({"temperature": False}, {"temperature": 0.5}, "temperature"),
        ({"temperature": False}, {"top_p": 0.5}, "top_p"),
        ({"max_temperature": 1.0}, {"temperature": 1.5}, "temperature"),
        ({"efforts": ["low"]}, {"reasoning": {"effort": "max"}}, "reasoning.effort"),
    ],
)
def test_what_a_profile_says_is_missing_is_refused(
    profile: dict[str, Any], request_: dict[str, Any], param: str | None, is_opaque: bool
) -> None:
    made = msgspec.convert({**profile, "opaque_items": is_opaque}, Profile)
    if param is None:
        encoded(a_turn(**request_), made)
    else:
        assert refused(a_turn(**request_), made) == param


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
    ],
)
def test_what_only_a_whole_api_has_is_refused_elsewhere(request_: dict[str, Any], param: str) -> None:
    assert refused(a_turn(**request_), FUNCTIONS_ONLY) == param
    assert encoded(a_turn(**request_))[0]["reasoning"] == request_["reasoning"]


def test_defaults_of_what_is_missing_are_not_sent() -> None:
    profile = Profile(opaque_items=True, temperature=False, effort="none")
    body, _ = encoded(a_turn(temperature=1, top_p=1, reasoning={"effort": "none"}), profile)
    assert body.keys() == {"model", "input", "store", "stream", "include"}


def test_parameters_are_left_out_or_renamed_as_the_profile_says() -> None:
    """'Encrypted content is not supported with this model': look-alikes and older models refuse `include`."""
    removed = frozenset({"include", "store", "top_p"})
    turn = a_turn(top_p=0.5, max_output_tokens=16)
    sent = RESPONSES.encode(turn, Profile(removed=removed, renamed={"max_output_tokens": "max_tokens"}))
    assert json.loads(sent.body).keys() == {"model", "input", "stream", "max_tokens"}
    assert sent.notes == ["top_p left out"]


@pytest.mark.parametrize("is_opaque", [True, False])
@pytest.mark.parametrize("strict", [True, False])
def test_a_strict_schema_is_told_in_the_provider_s_dialect(strict: bool, is_opaque: bool) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    chosen = {"type": "json_schema", "name": "n", "schema": schema, "strict": strict}
    tools = [a_function(strict=strict), a_function("bare", parameters=None, strict=strict), a_freeform()]
    turn = a_turn(tools=tools, text={"format": chosen})
    body, sent = encoded(turn, Profile(schema_dialect="openai", opaque_items=is_opaque))
    found = [body["tools"][0]["parameters"], body["text"]["format"]["schema"]]
    assert [shown.get("additionalProperties") for shown in found] == [False if strict else None] * 2
    assert any(note.startswith("text.format.schema: ") for note in sent.notes) == strict
    assert RESPONSES.encode(turn, OPENAI).notes == []


def test_an_address_that_nobody_fetched_is_refused_by_its_place() -> None:
    """A5 case 66."""
    away = said([{"type": "input_file", "file_url": "https://e.org/x.pdf"}])
    assert refused(a_turn(away), Profile(opaque_items=True)) == "input[0].content[0].file_url"
    assert refused(a_turn(IMAGE), Profile(image_urls=False)) == "input[0].content[0].image_url"
    assert told(away, profile=Profile(opaque_items=True, file_urls=True)) == [away]


def test_one_call_at_a_time_is_asked_for_where_that_can_be_done() -> None:
    turn = a_turn(tools=[a_function()], parallel_tool_calls=False)
    assert encoded(turn)[0]["parallel_tool_calls"] is False
    body, sent = encoded(turn, Profile(opaque_items=True, parallel_switch=False))
    assert "parallel_tool_calls" not in body
    assert sent.notes == ["parallel_tool_calls left out: this provider can't be told to make one call at a time"]


def test_a_model_that_can_not_be_forced_is_not_there() -> None:
    turn = a_turn(tools=[a_function()], tool_choice="required")
    assert refused(turn, Profile(forced_tools=False)) == "tool_choice"


HINTS: dict[str, Any] = {
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "service_tier": "flex",
}


def test_hints_are_all_taken_by_a_whole_api() -> None:
    body, sent = encoded(a_turn(**HINTS, text={"verbosity": "low"}, prompt_cache_options={"mode": "implicit"}))
    assert {key: body[key] for key in HINTS} == HINTS
    assert body["text"] == {"verbosity": "low"}
    assert body["prompt_cache_options"] == {"mode": "implicit"}
    assert sent.notes == []


def test_elsewhere_the_profile_says_which_hints_are_taken() -> None:
    turn = a_turn(**HINTS, text={"verbosity": "low"}, prompt_cache_options={"mode": "implicit"})
    body, sent = encoded(turn, Profile(hints=frozenset({"user", "verbosity"})))
    assert body["user"] == "u"
    assert body["text"] == {"verbosity": "low"}
    assert body.keys().isdisjoint(HINTS.keys() - {"user"})
    assert sent.notes == [
        "safety_identifier left out",
        "prompt_cache_key left out",
        "prompt_cache_retention left out",
        "service_tier left out",
        "prompt_cache_options left out",
    ]
