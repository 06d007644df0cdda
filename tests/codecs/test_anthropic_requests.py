"""Turns as Messages bodies; every body is judged by the official client's types too."""

import base64
import json
from typing import Any

import msgspec
import pytest

from antiphon.codecs.anthropic import ANTHROPIC
from antiphon.codecs.anthropic import state as states
from antiphon.codecs.anthropic.messages import BEGIN, CONTINUE, EMPTY, UNANSWERED
from antiphon.codecs.anthropic.thinking import DEFAULT_LIMIT
from antiphon.errors import BadRequest, Unsupported
from antiphon.providers.profiles import ANTHROPIC as PLAIN
from antiphon.types.kept import Kept
from antiphon.types.profiles import Profile
from antiphon.types.tools import FunctionTool
from antiphon.types.turns import ToolName, Turn, UpstreamRequest
from tests.codecs import turns
from tests.codecs.turns import a_freeform, a_function, a_turn, answered, called, gave, said

PNG: dict[str, Any] = {"type": "input_image", "image_url": "data:image/png;base64,aGk="}
PNG_BLOCK = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
FORMAT = {"type": "json_schema", "name": "n", "schema": SCHEMA}


def a_profile(**fields: Any) -> Profile:
    return msgspec.convert({**msgspec.to_builtins(PLAIN), **fields}, Profile)


BUDGET = a_profile(effort="budget")
MID_SYSTEM = a_profile(mid_system=True)


def encoded(turn: Turn, profile: Profile = PLAIN) -> tuple[dict[str, Any], UpstreamRequest]:
    return turns.encoded(ANTHROPIC, turn, profile)


def messages(*items: dict[str, Any] | bytes, profile: Profile = PLAIN, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encoded(a_turn(*items, **request), profile)[0]["messages"]
    return found


def notes(*items: dict[str, Any] | bytes, profile: Profile = PLAIN, **request: Any) -> list[str]:
    return list(encoded(a_turn(*items, **request), profile)[1].notes)


def refused(turn: Turn, profile: Profile = PLAIN, kind: type[BadRequest] = Unsupported) -> str | None:
    """Return the `param` of the refusal."""
    with pytest.raises(kind) as caught:
        ANTHROPIC.encode(turn, profile)
    assert caught.value.http_status == 400
    return caught.value.param


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def user(*content: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": "user", "content": [text(part) if isinstance(part, str) else part for part in content]}


def assistant(*content: dict[str, Any] | str) -> dict[str, Any]:
    return {**user(*content), "role": "assistant"}


def use(call_id: str, name: str = "go", given: Any = None) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given or {}}


def result(call_id: str, *content: dict[str, Any] | str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, **fields, "content": user(*content)["content"]}


def thought(words: str = "hm", signature: str = "sig==") -> dict[str, Any]:
    state = states.write(states.Thinking(words, signature))
    return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": state}


def thinking(words: str = "hm", signature: str = "sig==") -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": signature}


# -- the whole ------------------------------------------------------------------------------------------------


def test_a_plain_request_has_nothing_that_was_not_asked_for() -> None:
    body, sent = encoded(a_turn())
    assert body == {"model": "upstream-model", "max_tokens": DEFAULT_LIMIT, "messages": [user("Hi")]}
    assert (sent.path, sent.notes, sent.names) == ("/messages", [], {})


def test_a_full_request_says_it_all() -> None:
    body, sent = encoded(
        a_turn(
            instructions="Be brief.",
            stream=True,
            max_output_tokens=640,
            temperature=0.5,
            text={"format": FORMAT},
            tools=[a_function(description="Goes.")],
            tool_choice="auto",
            parallel_tool_calls=False,
            safety_identifier="s",
            service_tier="auto",
        )
    )
    assert body == {
        "model": "upstream-model",
        "max_tokens": 640,
        "tools": [{"name": "go", "description": "Goes.", "input_schema": a_function()["parameters"]}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "system": [text("Be brief.")],
        "messages": [user("Hi")],
        "temperature": 0.5,
        "output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}},
        "metadata": {"user_id": "s"},
        "service_tier": "auto",
        "stream": True,
    }
    assert sent.notes == []


def test_the_same_turn_gives_the_same_bytes() -> None:
    """A6 case 74: a cached prompt stays one."""
    turn = a_turn(said("a"), thought(), called("c"), gave("c"), tools=[a_function(), a_freeform()], instructions="x")
    assert ANTHROPIC.encode(turn, PLAIN).body == ANTHROPIC.encode(turn, PLAIN).body


def test_a_longer_conversation_begins_with_the_bytes_of_the_shorter() -> None:
    """A6 case 74."""
    first = [said("a"), thought(), answered("b"), called("c.1"), gave("c.1")]
    options: dict[str, Any] = {"tools": [a_function(), a_freeform()], "instructions": "x"}
    short = ANTHROPIC.encode(a_turn(*first, **options), PLAIN).body
    longer = ANTHROPIC.encode(a_turn(*first, answered("d"), said("e"), **options), PLAIN).body
    assert longer.startswith(short.removesuffix(b"]}"))


# -- messages -------------------------------------------------------------------------------------------------


def test_instructions_and_leading_system_messages_are_the_system_prompt() -> None:
    """A5 case 67."""
    body, _ = encoded(a_turn(said("a", "system"), said("b", "developer"), said("c"), instructions="i"))
    assert body["system"] == [text("i"), text("a"), text("b")]
    assert body["messages"] == [user("c")]


def test_a_late_system_message_is_a_marked_text_of_the_user_where_there_are_none() -> None:
    """A5 case 67."""
    found = messages(said("a"), answered("b"), said("c", "developer"), said("d", "system"), said("e"))
    assert found == [user("a"), assistant("b"), user("[developer message]\nc", "[system message]\nd", "e")]


def test_a_late_system_message_is_one_where_it_may_stand() -> None:
    """A5 case 67: behind a user's message, and last or before an answer; neighbours are joined."""
    found = messages(said("a"), said("b", "developer"), said("c", "system"), profile=MID_SYSTEM)
    assert found == [user("a"), {"role": "system", "content": [text("b"), text("c")]}]
    found = messages(said("a"), said("b", "system"), answered("c"), said("d"), profile=MID_SYSTEM)
    assert [m["role"] for m in found] == ["user", "system", "assistant", "user"]
    found = messages(said("a"), called("c"), gave("c"), said("b", "system"), profile=MID_SYSTEM)
    assert [m["role"] for m in found] == ["user", "assistant", "user", "system"]


@pytest.mark.parametrize(
    "items", [[said("a"), said("s", "system"), said("b")], [said("a"), answered("b"), said("s", "system")]]
)
def test_a_late_system_message_is_marked_where_it_may_not_stand(items: list[dict[str, Any]]) -> None:
    """A5 case 67."""
    found = messages(*items, profile=MID_SYSTEM)
    assert "system" not in [m["role"] for m in found]
    assert text("[system message]\ns") in found[-1]["content"]


def test_a_system_message_holds_text_alone() -> None:
    assert refused(a_turn(said([PNG], "system"), said("a"))) == "input[0].content[0]"
    assert refused(a_turn(said("a"), said([{"type": "input_text", "text": "b"}, PNG], "developer"))) == (
        "input[1].content[1]"
    )


def test_a_system_message_in_parts_is_as_many_texts() -> None:
    parts = [
        {"type": "input_text", "text": "s"},
        {"type": "input_text", "text": " "},
        {"type": "refusal", "refusal": "t"},
    ]
    assert encoded(a_turn(said(parts, "system"), said("a")))[0]["system"] == [text("s"), text("t")]
    assert messages(said("a"), said(parts, "developer")) == [user("a", "[developer message]\ns", "t")]
    assert messages(said("a"), said(" ", "developer")) == [user("a")]


def test_messages_of_one_role_are_one_message() -> None:
    found = messages(said("a"), said("b"), said("c", "assistant"), answered("d"), said("e"))
    assert found == [user("a", "b"), assistant("c", "d"), user("e")]


@pytest.mark.parametrize("nothing", ["", " \n\t"])
def test_text_of_white_space_is_left_out(nothing: str) -> None:
    """A5 case 58: the API refuses it, and the conversation with it for ever after."""
    parts = [{"type": "input_text", "text": nothing}, {"type": "input_text", "text": "a"}]
    assert messages(said(parts), answered(nothing), said("b")) == [user("a", "b")]
    assert messages(said("a"), answered("b"), said(nothing)) == [user("a"), assistant("b"), user(EMPTY)]
    assert messages(said("a"), said(nothing)) == [user("a")]
    assert encoded(a_turn(said("a"), instructions=nothing))[0].keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize("output", ["", "  ", [], [{"type": "input_text", "text": "\n"}]])
def test_an_empty_output_is_a_result_without_content(output: Any) -> None:
    """A5 case 58."""
    found = messages(said("a"), called("c"), gave("c", output))
    assert found[2] == {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c"}]}


def test_the_placeholder_is_no_white_space() -> None:
    """A5 case 58."""
    assert all(words.strip() for words in (EMPTY, BEGIN, CONTINUE, UNANSWERED))


def test_the_first_message_is_the_user_s() -> None:
    assert messages(answered("a"), said("b")) == [user(BEGIN), assistant("a"), user("b")]
    assert messages(said("a", "system")) == [user(BEGIN)]


def test_the_last_message_is_the_user_s() -> None:
    """Newer models refuse to go on with an answer that they are given the beginning of."""
    turn = a_turn(said("a"), answered("b"))
    assert messages(said("a"), answered("b"))[2:] == [user(CONTINUE)]
    assert encoded(turn)[1].notes == [f"input: a message '{CONTINUE}' added, this provider wants a user's message last"]


def test_parts_of_the_past_are_told_as_text_but_reasoning_never() -> None:
    """A4 case 52, A5 case 70."""
    kinds: list[dict[str, Any]] = [
        {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}]},
        {"type": "refusal", "refusal": "b"},
        {"type": "reasoning_text", "text": "c"},
        {"type": "summary_text", "text": "d"},
        {"type": "text", "text": "e"},
    ]
    assert messages(said("x"), said(kinds, "assistant"), said("y"))[1] == assistant("a", "b", "e")
    assert messages(said(kinds)) == [user("a", "b", "c", "d", "e")]


def test_items_of_other_providers_are_left_out_with_a_note() -> None:
    items = [said("a"), {"type": "web_search_call", "id": "ws_1", "status": "completed"}, answered("b"), said("c")]
    body, sent = encoded(a_turn(*items))
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
    assert sent.notes == ["input[1]: web_search_call left out, this provider has none"]


def test_references_leave_no_trace() -> None:
    assert messages(said("a"), {"type": "item_reference", "id": "msg_1"}) == [user("a")]


# -- images and files -----------------------------------------------------------------------------------------


def a_file(data: str, name: str | None = None) -> dict[str, Any]:
    return {"type": "input_file", "file_data": data, **({"filename": name} if name else {})}


def in_base64(words: str) -> str:
    return base64.b64encode(words.encode()).decode()


@pytest.mark.parametrize("kind", ["png", "gif", "webp", "jpeg", "jpg"])
def test_an_image_s_data_is_told_with_its_type(kind: str) -> None:
    """A5 case 66."""
    part = {"type": "input_image", "image_url": f"data:image/{kind};base64,aGk="}
    source = {"type": "base64", "media_type": f"image/{kind.replace('jpg', 'jpeg')}", "data": "aGk="}
    assert messages(said([part])) == [user({"type": "image", "source": source})]


def test_an_image_s_address_is_told_where_it_can_be_fetched() -> None:
    """A5 case 66."""
    part = {"type": "input_image", "image_url": "https://e.org/x.png"}
    source = {"type": "url", "url": "https://e.org/x.png"}
    assert messages(said([part])) == [user({"type": "image", "source": source})]
    assert refused(a_turn(said([part])), a_profile(image_urls=False)) == "input[0].content[0].image_url"


@pytest.mark.parametrize("detail", ["low", "high", "original"])
def test_the_detail_of_an_image_is_left_out_with_a_note(detail: str) -> None:
    part = {**PNG, "detail": detail}
    assert notes(said([part])) == ["input[0].content[0].detail left out, this provider has none"]
    assert notes(said([{**PNG, "detail": "auto"}])) == []


DOCUMENTS = [
    (a_file("data:application/pdf;base64,aGk="), {"type": "base64", "media_type": "application/pdf", "data": "aGk="}),
    (a_file("aGk=", "x.pdf"), {"type": "base64", "media_type": "application/pdf", "data": "aGk="}),
    (a_file(f"data:text/plain;base64,{in_base64('é')}"), {"type": "text", "media_type": "text/plain", "data": "é"}),
    (a_file(in_base64("a,b"), "x.csv"), {"type": "text", "media_type": "text/plain", "data": "a,b"}),
    (a_file(in_base64("# A"), "x.md"), {"type": "text", "media_type": "text/plain", "data": "# A"}),
    (
        a_file(f"data:application/json;base64,{in_base64('{}')}"),
        {"type": "text", "media_type": "text/plain", "data": "{}"},
    ),
    ({"type": "input_file", "file_url": "https://e.org/x.pdf"}, {"type": "url", "url": "https://e.org/x.pdf"}),
]


@pytest.mark.parametrize(("part", "source"), DOCUMENTS)
def test_a_file_is_a_document_with_its_name(part: dict[str, Any], source: dict[str, Any]) -> None:
    """A5 case 66."""
    title = {"title": part["filename"]} if "filename" in part else {}
    assert messages(said([part])) == [user({"type": "document", "source": source, **title})]


def test_a_file_that_is_an_image_is_an_image() -> None:
    assert messages(said([a_file("aGk=", "x.png")])) == [user(PNG_BLOCK)]


@pytest.mark.parametrize(
    ("part", "profile", "param"),
    [
        (PNG, a_profile(images=False), ""),
        (a_file("data:application/pdf;base64,aGk="), a_profile(files=False), ""),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}, PLAIN, ""),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}, a_profile(audio=True), ""),
        ({"type": "input_image", "file_id": "file_1"}, PLAIN, ".file_id"),
        ({"type": "input_image", "image_url": "data:image/tiff;base64,aGk="}, PLAIN, ".image_url"),
        ({"type": "input_file", "file_id": "file_1"}, PLAIN, ".file_id"),
        ({"type": "input_file", "file_url": "https://e.org/x.pdf"}, a_profile(file_urls=False), ".file_url"),
        ({"type": "input_file", "file_url": "ftp://e.org/x.pdf"}, PLAIN, ".file_url"),
        (a_file("aGk=", "x.docx"), PLAIN, ".file_data"),
        (a_file("aGk=", "x.png"), a_profile(images=False), ".file_data"),
        (a_file("aGk=", "x.tiff"), PLAIN, ".filename"),
    ],
)
def test_what_a_model_can_not_take_in_is_refused_by_its_place(part: Any, profile: Profile, param: str) -> None:
    parts = [{"type": "input_text", "text": "a"}, part]
    assert refused(a_turn(said("x"), said(parts)), profile, BadRequest) == f"input[1].content[1]{param}"
    assert refused(a_turn(said(parts), said("x"), own=1), profile, BadRequest) == f"input.content[1]{param}"
    output = a_turn(said("x"), called("c"), gave("c", parts))
    assert refused(output, profile, BadRequest) == f"input[2].output[1]{param}"


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_image", "image_url": "data:image/png;base64,a"}, "image_url"),
        ({"type": "input_image", "image_url": "data:image/png,aGk="}, "image_url"),
        ({"type": "input_image", "image_url": "data:text/plain;base64,aGk="}, "image_url"),
        ({"type": "input_image", "image_url": "file:///etc/passwd"}, "image_url"),
        (a_file("data:application/pdf;base64,!"), "file_data"),
        (a_file("data:text/plain;base64,/w=="), "file_data"),
        (a_file("aGk="), "filename"),
    ],
)
def test_data_that_is_none_is_the_request_s_fault(part: dict[str, Any], param: str) -> None:
    """A5 case 66: checked here, where its place is known."""
    assert refused(a_turn(said([part])), kind=BadRequest) == f"input[0].content[0].{param}"


# -- calls and outputs ----------------------------------------------------------------------------------------


def test_the_outputs_of_parallel_calls_are_one_message_results_first() -> None:
    found = messages(
        said("a"),
        answered("I go."),
        called("c1", arguments='{"x":1}'),
        called("c2"),
        gave("c2", "two"),
        gave("c1", "one"),
        said("b"),
    )
    assert found[1:] == [
        assistant("I go.", use("c1", given={"x": 1}), use("c2")),
        user(result("c1", "one"), result("c2", "two"), "b"),
    ]


def test_calls_that_were_answered_one_by_one_stay_so() -> None:
    found = messages(said("a"), called("c1"), gave("c1"), called("c2"), gave("c2"))
    assert [m["role"] for m in found] == ["user", "assistant", "user", "assistant", "user"]


def test_an_answer_keeps_the_order_of_its_parts() -> None:
    """A1 case 23."""
    found = messages(said("a"), thought("1"), answered("b"), thought("2"), called("c"), answered("d"), gave("c"))
    assert found[1] == assistant(thinking("1"), "b", thinking("2"), use("c"), "d")


def test_a_call_without_an_output_gets_one_that_says_so() -> None:
    """A3 case 45: the API refuses a call that nothing answers."""
    missing = result("c", UNANSWERED, is_error=True)
    assert messages(said("a"), called("c"), said("b"))[2] == user(missing, "b")
    assert messages(said("a"), called("c"))[2] == user(missing)


def test_an_output_without_a_call_is_left_out_with_a_note() -> None:
    """A3 case 49."""
    assert messages(said("a"), gave("c"), said("b")) == [user("a", "b")]
    assert notes(said("a"), gave("c")) == ["input[1]: output of 'c' left out, it answers no call"]
    assert notes(called("c"), gave("c"), gave("c")) == ["input[2]: output of 'c' left out, it answers no call"]


def test_an_output_keeps_its_images_and_files() -> None:
    """A5 case 65."""
    parts = [{"type": "input_text", "text": "see"}, PNG, a_file("aGk=", "x.pdf")]
    kinds = [part["type"] for part in messages(said("a"), called("c"), gave("c", parts))[2]["content"][0]["content"]]
    assert kinds == ["text", "image", "document"]


def test_images_of_an_output_follow_it_where_results_are_text() -> None:
    """A5 case 65."""
    parts = [{"type": "input_text", "text": "see"}, PNG]
    profile = a_profile(tool_images=False)
    found = messages(said("a"), called("c1"), called("c2"), gave("c1", parts), gave("c2"), profile=profile)
    assert found[2] == user(result("c1", "see"), result("c2", "ok"), "[output of tool call c1]", PNG_BLOCK)


def test_an_output_that_is_an_object_is_json_text() -> None:
    """A5 case 62."""
    output = {"z": 1, "a": {"$ref": "é"}}
    assert messages(said("a"), called("c"), gave("c", output))[2] == user(result("c", '{"z":1,"a":{"$ref":"é"}}'))


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("", {}),
        (" ", {}),
        ('{"z":1,"a":[1.0,"é"]}', {"z": 1, "a": [1.0, "é"]}),
        ("[1]", {"_raw": "[1]"}),
        ('{"x', {"_raw": '{"x'}),
        ("null", {"_raw": "null"}),
        ("[" * 5000, {"_raw": "[" * 5000}),
    ],
)
def test_arguments_of_the_past_are_an_object_whatever_they_were(arguments: str, given: Any) -> None:
    """A1 case 2: what a model wrote badly must not wedge the conversation."""
    assert messages(said("a"), called("c", arguments=arguments), gave("c"))[1] == assistant(use("c", given=given))


def test_arguments_of_the_past_keep_their_bytes() -> None:
    """A6 case 74."""
    body = ANTHROPIC.encode(a_turn(said("a"), called("c", arguments='{"b": 1.0,  "a":1e2}'), gave("c")), PLAIN).body
    assert b'"input":{"b": 1.0,  "a":1e2}' in body


@pytest.mark.parametrize("call_id", ["a.b:c", "x" * 65, "call_" + "0" * 60])
def test_an_id_that_the_api_would_refuse_changes_the_same_way_every_time(call_id: str) -> None:
    """A5 case 59."""
    (_, call, output) = messages(said("a"), called(call_id), gave(call_id))
    again = messages(said("b"), called(call_id), gave(call_id))
    wire = call["content"][0]["id"]
    assert len(wire) <= 64
    assert wire.replace("_", "").replace("-", "").isalnum()
    assert output["content"][0]["tool_use_id"] == wire == again[1]["content"][0]["id"]


def test_an_id_that_is_used_again_leads_to_its_own_output() -> None:
    """A5 case 59: `call_0` in every turn."""
    found = messages(said("a"), called("call_0"), gave("call_0", "one"), called("call_0"), gave("call_0", "two"))
    first, second = found[2]["content"][0], found[4]["content"][0]
    assert (first["content"], second["content"]) == ([text("one")], [text("two")])
    assert first["tool_use_id"] == "call_0" != second["tool_use_id"]
    assert found[3]["content"][0]["id"] == second["tool_use_id"]


# -- reasoning of the past ------------------------------------------------------------------------------------

SIGNED = 'EqQBCgIYAhIM/+=\\"é\n'


def test_reasoning_comes_back_byte_for_byte_and_in_order() -> None:
    """A4 case 51."""
    redacted = {**thought(), "encrypted_content": states.write(states.Redacted("EmwKAhgB/+="))}
    found = messages(said("a"), thought(" hm\n\u2028", SIGNED), redacted, thought(""), called("c"), gave("c"))
    assert found[1] == assistant(
        thinking(" hm\n\u2028", SIGNED),
        {"type": "redacted_thinking", "data": "EmwKAhgB/+="},
        thinking(""),
        use("c"),
    )


def test_a_summary_is_never_sent_back() -> None:
    """A4 cases 52 and 53: reasoning of another model has no state here, and its words are nobody's text."""
    summary = [{"type": "summary_text", "text": "secret"}]
    content = [{"type": "reasoning_text", "text": "secret"}]
    for fields in ({}, {"encrypted_content": None}, {"encrypted_content": ""}):
        item = {"type": "reasoning", "id": "rs_1", "summary": summary, "content": content, **fields}
        body, sent = encoded(a_turn(said("a"), item, answered("b"), said("c")))
        assert "secret" not in json.dumps(body)
        assert sent.notes == []


@pytest.mark.parametrize(
    "state", ["x", "{}", "[]", '{"type":"thinking"}', '{"type":"thinking","thinking":1,"signature":"s"}', "[" * 9999]
)
def test_a_state_that_can_not_be_read_is_left_out_with_a_note(state: str) -> None:
    """A4 case 51."""
    item = {**thought(), "encrypted_content": state}
    body, sent = encoded(a_turn(said("a"), item, answered("b"), said("c")))
    assert body["messages"] == [user("a"), assistant("b"), user("c")]
    assert sent.notes == ["input[1]: reasoning left out, its state can't be read"]


def test_reasoning_that_led_to_nothing_is_left_out_with_a_note() -> None:
    """A2 case 25: an answer can't end in it."""
    assert messages(said("a"), thought(), said("b")) == [user("a", "b")]
    assert messages(said("a"), answered("b"), thought(), said("c")) == [user("a"), assistant("b"), user("c")]
    assert notes(said("a"), thought(), said("b")) == ["input: reasoning left out, nothing of its answer follows it"]


# -- tools ----------------------------------------------------------------------------------------------------


def test_a_function_without_parameters_has_an_empty_schema() -> None:
    tools = [{"type": "function", "name": "now"}, {"type": "function", "name": "then", "parameters": None}]
    body, _ = encoded(a_turn(tools=tools))
    assert [tool["input_schema"] for tool in body["tools"]] == [{"type": "object", "properties": {}}] * 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, {"type": "object"}),
        ({"properties": {"a": {}}}, {"properties": {"a": {}}, "type": "object"}),
        ({"type": ["object", "null"]}, {"type": "object"}),
        ({"type": None}, {"type": "object"}),
        ({"type": "string"}, {"type": "string"}),
    ],
)
def test_a_schema_is_of_an_object(given: Any, told: Any) -> None:
    assert encoded(a_turn(tools=[a_function(parameters=given)]))[0]["tools"][0]["input_schema"] == told


def test_a_schema_keeps_its_bytes() -> None:
    """A5 case 61: `$defs` too; A6 case 74."""
    schema = b'{"type": "object",  "properties":{"b":{"$ref":"#/$defs/x"},"a":{"const":1.0}},"$defs":{"x":{}}}'
    tool = Kept(msgspec.Raw(b"{}"), FunctionTool(name="go", parameters=msgspec.Raw(schema)))
    turn = msgspec.structs.replace(a_turn(tools=[a_function()]), tools=[tool])
    body = ANTHROPIC.encode(turn, PLAIN).body
    assert b'"input_schema":' + schema in body


def test_a_strict_tool_is_told_in_the_provider_s_dialect() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 1}}, "required": ["x"]}
    body, sent = encoded(a_turn(tools=[a_function(parameters=schema, strict=True), a_function("b", strict=False)]))
    first, second = body["tools"]
    assert first["strict"] is True
    assert first["input_schema"]["additionalProperties"] is False
    assert "minimum" not in first["input_schema"]["properties"]["x"]
    assert sent.notes == ["tools: not enforced by the provider: minimum"]
    assert second == {"name": "b", "input_schema": a_function()["parameters"]}


def test_freeform_tools_are_functions_of_one_string() -> None:
    """A5 case 63: the tool, the choice, and the calls of the past."""
    items = [
        said("a"),
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'a\n"b"'},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
    ]
    choice = {"type": "custom", "name": "patch"}
    for profile in (PLAIN, a_profile(custom_tools=True)):  # the format has none, whatever a profile says
        body, sent = encoded(a_turn(*items, tools=[a_freeform(description="d")], tool_choice=choice), profile)
        assert body["tools"][0]["input_schema"]["required"] == ["input"]
        assert body["tool_choice"] == {"type": "tool", "name": "patch"}
        assert body["messages"][1] == assistant(use("c", "patch", {"input": 'a\n"b"'}))
        assert body["messages"][2] == user(result("c", "ok"))
        assert sent.names == {"patch": ToolName("patch", custom=True)}


def test_tools_of_a_namespace_take_it_into_their_names() -> None:
    """A5 case 64."""
    space = {"type": "namespace", "name": "crm", "description": "d", "tools": [a_function("find"), a_freeform("exec")]}
    items = [said("a"), called("c", "find", namespace="crm"), gave("c")]
    body, sent = encoded(a_turn(*items, tools=[space], tool_choice={"type": "function", "name": "find"}))
    assert [tool["name"] for tool in body["tools"]] == ["crm__find", "crm__exec"]
    assert body["messages"][1] == assistant(use("c", "crm__find"))
    assert body["tool_choice"] == {"type": "tool", "name": "crm__find"}
    assert sent.names == {"crm__find": ToolName("find", "crm"), "crm__exec": ToolName("exec", "crm", custom=True)}


def test_additional_tools_are_offered_with_the_others() -> None:
    """A5 case 64."""
    more = {"type": "additional_tools", "role": "developer", "tools": [a_function("now"), a_freeform()]}
    body, sent = encoded(a_turn(said("a"), more))
    assert [tool["name"] for tool in body["tools"]] == ["now", "patch"]
    assert body["messages"] == [user("a")]
    assert "patch" in sent.names


@pytest.mark.parametrize("tool", [{"type": "mcp", "server_label": "s"}, {"type": "code_interpreter"}])
def test_a_tool_of_the_provider_s_own_is_refused_by_its_place(tool: Any) -> None:
    """A5 case 64."""
    assert refused(a_turn(tools=[a_function(), tool])) == "tools[1]"


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        ("auto", None),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "name": "go"}, {"type": "tool", "name": "go"}),
    ],
)
def test_a_choice_is_told_as_messages_have_it(choice: Any, wire: Any) -> None:
    assert encoded(a_turn(tools=[a_function()], tool_choice=choice))[0].get("tool_choice") == wire
    alone = encoded(a_turn(tools=[a_function()], tool_choice=choice, parallel_tool_calls=False))[0]["tool_choice"]
    assert alone == (wire if choice == "none" else {**(wire or {"type": "auto"}), "disable_parallel_tool_use": True})


def test_a_choice_without_tools_is_not_sent() -> None:
    body, _ = encoded(a_turn(tool_choice="none", parallel_tool_calls=False))
    assert body.keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(("mode", "choice"), [("auto", None), ("required", {"type": "any"})])
def test_an_allow_list_leaves_only_its_tools(mode: str, choice: Any) -> None:
    allowed = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "b"}]}
    body, _ = encoded(a_turn(tools=[a_function("a"), a_function("b"), a_freeform()], tool_choice=allowed))
    assert [tool["name"] for tool in body["tools"]] == ["b"]
    assert body.get("tool_choice") == choice


# -- reasoning, and the limit of tokens -----------------------------------------------------------------------


def reasoned(profile: Profile = PLAIN, **request: Any) -> tuple[Any, Any, int]:
    """Return `thinking`, the effort and `max_tokens`."""
    body, _ = encoded(a_turn(**request), profile)
    return body.get("thinking"), body.get("output_config", {}).get("effort"), body["max_tokens"]


@pytest.mark.parametrize("options", [None, {}, {"effort": None, "summary": None}])
def test_a_request_without_options_of_reasoning_says_nothing_of_it(options: Any) -> None:
    for profile in (PLAIN, BUDGET, a_profile(effort="none")):
        assert reasoned(profile, reasoning=options) == (None, None, DEFAULT_LIMIT)


@pytest.mark.parametrize(
    ("effort", "told"),
    [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("xhigh", "xhigh"), ("max", "max")],
)
def test_an_effort_is_told_to_a_model_that_thinks_by_itself(effort: str, told: str) -> None:
    """A4 case 57."""
    found = reasoned(reasoning={"effort": effort})
    assert found == ({"type": "adaptive", "display": "omitted"}, told, DEFAULT_LIMIT)


def test_a_summary_is_asked_for_where_one_is_wanted() -> None:
    for options in ({"summary": "auto"}, {"summary": "detailed"}, {"generate_summary": "concise"}):
        assert reasoned(reasoning=options)[:2] == ({"type": "adaptive", "display": "summarized"}, None)
        assert reasoned(BUDGET, reasoning=options)[0]["display"] == "summarized"


@pytest.mark.parametrize("profile", [PLAIN, BUDGET])
def test_no_effort_turns_thinking_off(profile: Profile) -> None:
    """A4 case 57."""
    found = reasoned(profile, reasoning={"effort": "none", "summary": "auto"})
    assert found == ({"type": "disabled"}, None, DEFAULT_LIMIT)


def test_a_model_that_does_not_think_takes_no_effort() -> None:
    """A4 case 57."""
    profile = a_profile(effort="none")
    assert reasoned(profile, reasoning={"effort": "none", "summary": "auto"}) == (None, None, DEFAULT_LIMIT)
    assert refused(a_turn(reasoning={"effort": "low"}), profile) == "reasoning.effort"


@pytest.mark.parametrize(
    ("effort", "budget"),
    [("minimal", 1024), ("low", 4096), ("medium", 8192), ("high", 16384), ("xhigh", 23808), ("max", 23808)],
)
def test_an_effort_is_a_budget_that_an_open_limit_makes_room_for(effort: str, budget: int) -> None:
    """A4 case 57."""
    found, told, limit = reasoned(BUDGET, reasoning={"effort": effort})
    assert found == {"type": "enabled", "budget_tokens": budget, "display": "omitted"}
    assert (told, limit) == (None, budget + DEFAULT_LIMIT)


@pytest.mark.parametrize(("limit", "budget"), [(1025, 1024), (1300, 1040), (4000, 3200), (40000, 16384)])
def test_a_budget_stays_below_the_limit(limit: int, budget: int) -> None:
    effort = {"effort": "high"}
    given = reasoned(BUDGET, reasoning=effort, max_output_tokens=limit)
    known = reasoned(a_profile(effort="budget", output_limit=limit), reasoning=effort)
    assert given == known == ({"type": "enabled", "budget_tokens": budget, "display": "omitted"}, None, limit)


def test_a_limit_without_room_for_a_budget_is_refused() -> None:
    turn = a_turn(reasoning={"effort": "low"}, max_output_tokens=1024)
    assert refused(turn, BUDGET) == "max_output_tokens"


def test_the_limit_is_the_request_s_or_the_model_s_or_a_default() -> None:
    assert reasoned(a_profile(output_limit=64000), max_output_tokens=100)[2] == 100
    assert reasoned(a_profile(output_limit=64000))[2] == 64000
    assert reasoned()[2] == DEFAULT_LIMIT


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "go"}])
def test_thinking_goes_off_where_a_call_is_forced(choice: Any) -> None:
    """A5 case 69: the API refuses both together."""
    request: dict[str, Any] = {"tools": [a_function()], "tool_choice": choice}
    note = "reasoning left out: this model can't reason where tool_choice forces a call"
    for profile, config in ((PLAIN, {"type": "disabled"}), (BUDGET, None)):
        body, sent = encoded(a_turn(reasoning={"effort": "high"}, **request), profile)
        assert (body.get("thinking"), body.get("output_config")) == (config, None)
        assert sent.notes == [note]
    body, sent = encoded(a_turn(**request))  # newer models think by default, which the API refuses as well
    assert (body["thinking"], sent.notes) == ({"type": "disabled"}, [])
    assert "thinking" not in encoded(a_turn(**request), BUDGET)[0]


def test_a_call_can_not_be_forced_of_a_model_that_always_thinks() -> None:
    """A5 case 69."""
    profile = a_profile(efforts=["low", "high"])
    assert refused(a_turn(tools=[a_function()], tool_choice="required"), profile) == "tool_choice"
    assert encoded(a_turn(tools=[a_function()]), profile)[1].notes == []


def test_thinking_stays_on_where_no_tool_is_left_to_force() -> None:
    assert reasoned(tool_choice="required", reasoning={"effort": "low"})[1] == "low"


def test_a_budget_waits_for_a_turn_that_began_with_reasoning() -> None:
    """A4 case 53: calls of another model have none, and such a model refuses to begin in the middle of a turn."""
    effort: dict[str, Any] = {"reasoning": {"effort": "low"}}
    calls = [said("a"), called("c1"), gave("c1"), called("c2"), gave("c2")]
    body, sent = encoded(a_turn(*calls, **effort), BUDGET)
    assert "thinking" not in body
    assert sent.notes == ["reasoning left out: the calls that this turn goes on with came without any"]
    for items in ([calls[0], thought(), *calls[1:]], [*calls, said("b")], [*calls, answered("b"), said("c")]):
        assert "thinking" in encoded(a_turn(*items, **effort), BUDGET)[0]
    assert "thinking" in encoded(a_turn(*calls, **effort))[0]


# -- sampling -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"temperature": 0.3}, {"temperature": 0.3}),
        ({"temperature": 1}, {"temperature": 1}),
        ({"top_p": 0.3}, {"top_p": 0.3}),
        ({"temperature": 0.3, "top_p": 1}, {"temperature": 0.3}),
        ({"temperature": 1, "top_p": 0.3}, {"top_p": 0.3}),
        ({"temperature": 1, "top_p": 1}, {"temperature": 1}),
        ({"temperature": 1, "reasoning": {"effort": "low"}}, {}),
        ({"top_p": 0.95, "reasoning": {"effort": "low"}}, {"top_p": 0.95}),
        ({"temperature": 0.3, "reasoning": {"effort": "none"}}, {"temperature": 0.3}),
        ({"presence_penalty": 0, "frequency_penalty": 0}, {}),
    ],
)
def test_one_way_of_sampling_is_told(request_: dict[str, Any], told: dict[str, Any]) -> None:
    """A5 case 68: the API takes one of the two, and with thinking hardly any."""
    body, sent = encoded(a_turn(**request_))
    assert {key: body[key] for key in body.keys() & {"temperature", "top_p"}} == told
    assert sent.notes == []


# -- what a profile changes -----------------------------------------------------------------------------------

REFUSALS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"tools": False}, {"tools": [a_function()]}, "tools"),
    ({"forced_tools": False}, {"tools": [a_function()], "tool_choice": "required"}, "tool_choice"),
    ({"json_schema": False}, {"text": {"format": FORMAT}}, "text.format"),
    ({}, {"text": {"format": {"type": "json_object"}}}, "text.format"),
    ({}, {"include": ["message.output_text.logprobs"]}, "include"),
    ({}, {"top_logprobs": 2}, "top_logprobs"),
    ({}, {"temperature": 1.1}, "temperature"),
    ({}, {"temperature": 0.5, "top_p": 0.5}, "top_p"),
    ({}, {"temperature": 0.5, "reasoning": {"effort": "low"}}, "temperature"),
    ({}, {"top_p": 0.9, "reasoning": {"effort": "low"}}, "top_p"),
    ({"temperature": False}, {"temperature": 0.5}, "temperature"),
    ({"temperature": False}, {"top_p": 0.5}, "top_p"),
    ({}, {"presence_penalty": 0.5}, "presence_penalty"),
    ({}, {"frequency_penalty": -0.5}, "frequency_penalty"),
    ({"efforts": ["low"]}, {"reasoning": {"effort": "high"}}, "reasoning.effort"),
    ({"efforts": ["low"]}, {"reasoning": {"effort": "none"}}, "reasoning.effort"),
    ({}, {"reasoning": {"mode": "pro"}}, "reasoning.mode"),
    ({}, {"reasoning": {"context": "all_turns"}}, "reasoning.context"),
    ({}, {"text": {"format": {**FORMAT, "schema": {"$ref": "#"}}}}, "text.format.schema"),
]


@pytest.mark.parametrize(("profile", "request_", "param"), REFUSALS)
def test_what_a_model_does_not_have_is_refused(profile: dict[str, Any], request_: dict[str, Any], param: str) -> None:
    """A5 cases 68 and 71; B5."""
    assert refused(a_turn(**request_), a_profile(**profile), BadRequest) == param


MARK = {"cache_control": {"type": "ephemeral"}}
DEVIATIONS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"temperature": False}, {"temperature": 1, "top_p": 1.0}, {}),
    (
        {"json_object": True},
        {"text": {"format": {"type": "json_object"}}},
        {"output_config": {"format": {"type": "json_object"}}},
    ),
    (
        {"schema_dialect": "full"},
        {"text": {"format": FORMAT}},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    ({}, {"text": {"format": {"type": "text"}}}, {}),
    ({}, {"safety_identifier": "s"}, {"metadata": {"user_id": "s"}}),
    ({}, {"user": "u"}, {"metadata": {"user_id": "u"}}),
    ({}, {"service_tier": "auto"}, {"service_tier": "auto"}),
    ({}, {"service_tier": "default"}, {"service_tier": "standard_only"}),
    ({"hints": []}, {"service_tier": "default"}, {}),
]


@pytest.mark.parametrize(("profile", "request_", "fields"), DEVIATIONS)
def test_a_deviation_changes_the_body_and_nothing_else(
    profile: dict[str, Any], request_: dict[str, Any], fields: dict[str, Any]
) -> None:
    turn = a_turn(**request_)
    sent = ANTHROPIC.encode(turn, a_profile(**profile))
    body = json.loads(sent.body)
    assert {key: body[key] for key in body.keys() - {"model", "messages", "max_tokens"}} == fields
    assert sent.notes == []


NOTED: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"strict_tools": False}, {"tools": [a_function(strict=True)]}, ["tools: strict of 'go' left out"]),
    (
        {"parallel_switch": False},
        {"tools": [a_function()], "parallel_tool_calls": False},
        ["parallel_tool_calls left out: this provider can't be told to make one call at a time"],
    ),
    ({}, {"text": {"verbosity": "low"}}, ["text.verbosity left out"]),
    ({"hints": ["verbosity"]}, {"text": {"verbosity": "low"}}, ["text.verbosity left out"]),
    ({}, {"service_tier": "flex"}, ["service_tier left out"]),
    ({}, {"prompt_cache_options": {"mode": "x"}}, ["prompt_cache_options left out"]),
    ({"hints": []}, {"user": "u", "prompt_cache_key": "k"}, ["user left out", "prompt_cache_key left out"]),
    ({"removed": ["tool_choice"]}, {"tools": [a_function()], "tool_choice": "none"}, ["tool_choice left out"]),
]


@pytest.mark.parametrize(("profile", "request_", "found"), NOTED)
def test_a_hint_that_is_not_taken_is_left_out_with_a_note(
    profile: dict[str, Any], request_: dict[str, Any], found: list[str]
) -> None:
    body, sent = encoded(a_turn(**request_), a_profile(**profile))
    assert sent.notes == found
    assert body.keys() <= {"model", "messages", "max_tokens", "tools"}
    assert "strict" not in json.dumps(body)


def test_two_names_of_a_user_are_one() -> None:
    body, sent = encoded(a_turn(user="u", safety_identifier="s"))
    assert body["metadata"] == {"user_id": "s"}
    assert sent.notes == ["user left out, safety_identifier is told in its place"]


def test_a_parameter_goes_by_the_provider_s_own_name() -> None:
    profile = a_profile(renamed={"max_tokens": "limit"}, removed=["thinking"])
    body = json.loads(ANTHROPIC.encode(a_turn(reasoning={"effort": "low"}), profile).body)
    assert body["limit"] == DEFAULT_LIMIT
    assert body.keys().isdisjoint({"max_tokens", "thinking"})


# -- caching --------------------------------------------------------------------------------------------------


def marks(body: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return where a body is marked, and with what."""
    places = [("tools", tool) for tool in body.get("tools", ())] + [
        ("system", block) for block in body.get("system", ())
    ]
    places += [(str(at), block) for at, sent in enumerate(body["messages"]) for block in sent["content"]]
    return [(place, block["cache_control"]) for place, block in places if "cache_control" in block]


TALK = [said("a"), answered("b"), said("c"), called("d"), gave("d"), answered("e"), said("f")]
SHORT, LONG = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


def test_a_prompt_is_cached_only_when_that_is_asked_for() -> None:
    assert marks(encoded(a_turn(*TALK, instructions="i", tools=[a_function()]))[0]) == []


@pytest.mark.parametrize(
    ("request_", "mark"),
    [
        ({"prompt_cache_key": "k"}, SHORT),
        ({"prompt_cache_retention": "in_memory"}, SHORT),
        ({"prompt_cache_key": "k", "prompt_cache_retention": "24h"}, LONG),
    ],
)
def test_a_prompt_is_cached_up_to_its_system_prompt_and_the_user_s_last_messages(
    request_: dict[str, Any], mark: Any
) -> None:
    """B3: prompt_cache_key and retention."""
    body, sent = encoded(a_turn(*TALK, instructions="i", tools=[a_function()], **request_))
    assert marks(body) == [("system", mark), ("4", mark), ("6", mark)]
    shortened = "prompt_cache_retention: 24h shortened to 1h, this provider's longest"
    assert sent.notes == ([shortened] if mark is LONG else [])


def test_tools_are_cached_where_there_is_no_system_prompt() -> None:
    body, _ = encoded(a_turn(said("a"), tools=[a_function("x"), a_function("y")], prompt_cache_key="k"))
    assert marks(body) == [("tools", SHORT), ("0", SHORT)]
    assert "cache_control" in body["tools"][1]
    assert marks(encoded(a_turn(said("a"), prompt_cache_key="k"))[0]) == [("0", SHORT)]
