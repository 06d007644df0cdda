"""Turns as Chat Completions bodies; every body is judged by the official client's types too."""

import json
from typing import Any

import msgspec
import pytest

from antiphon.codecs.chat import CHAT
from antiphon.errors import BadRequest, Unsupported
from antiphon.types.chunks import CallOpened, ThoughtState
from antiphon.types.profiles import Profile
from antiphon.types.turns import ToolName, Turn, UpstreamRequest
from tests.codecs import turns
from tests.codecs.cases import FOLDER, Golden, chunks_of
from tests.codecs.turns import a_freeform, a_function, a_turn, answered, called, gave, said

PLAIN = Profile()
RICH = Profile(
    developer_role=True,
    max_tokens_field="max_completion_tokens",
    files=True,
    audio=True,
    custom_tools=True,
    hints=frozenset(
        {"user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "verbosity"}
    ),
)
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'}
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "high"}


def encoded(turn: Turn, profile: Profile = PLAIN) -> tuple[dict[str, Any], UpstreamRequest]:
    return turns.encoded(CHAT, turn, profile)


def messages(*items: dict[str, Any] | bytes, profile: Profile = PLAIN, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encoded(a_turn(*items, **request), profile)[0]["messages"]
    return found


def a_tool_call(call_id: str, name: str = "go", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def refused(turn: Turn, profile: Profile = PLAIN) -> str | None:
    """Return the `param` of the refusal."""
    with pytest.raises(Unsupported) as caught:
        CHAT.encode(turn, profile)
    assert caught.value.http_status == 400
    return caught.value.param


# -- the whole ------------------------------------------------------------------------------------------------


def test_a_plain_request_has_nothing_that_was_not_asked_for() -> None:
    body, sent = encoded(a_turn())
    assert body == {"model": "upstream-model", "messages": [{"role": "user", "content": "Hi"}]}
    assert (sent.path, sent.notes, sent.names) == ("/chat/completions", [], {})


def test_a_full_request_says_it_all() -> None:
    """A5 case 61: a schema keeps its `$defs`."""
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {}}}
    body, sent = encoded(
        a_turn(
            instructions="Be brief.",
            stream=True,
            max_output_tokens=64,
            temperature=0.5,
            top_p=0.9,
            presence_penalty=0.25,
            frequency_penalty=-0.25,
            include=["message.output_text.logprobs"],
            top_logprobs=3,
            reasoning={"effort": "low", "summary": "auto"},
            text={
                "format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True, "description": "d"},
                "verbosity": "low",
            },
            tools=[a_function(description="Goes.", strict=True)],
            tool_choice="required",
            parallel_tool_calls=False,
            user="u",
            safety_identifier="s",
            prompt_cache_key="k",
            prompt_cache_retention="24h",
            service_tier="flex",
        ),
        RICH,
    )
    assert body == {
        "model": "upstream-model",
        "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 64,
        "temperature": 0.5,
        "top_p": 0.9,
        "presence_penalty": 0.25,
        "frequency_penalty": -0.25,
        "logprobs": True,
        "top_logprobs": 3,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": schema, "strict": True, "description": "d"},
        },
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "go",
                    "description": "Goes.",
                    "parameters": a_function()["parameters"],
                    "strict": True,
                },
            }
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "service_tier": "flex",
    }
    assert sent.notes == []
    assert sent.summarize
    assert list(body["response_format"]["json_schema"]["schema"]["properties"]) == ["b", "a"]


def test_the_same_turn_gives_the_same_bytes() -> None:
    """A6 case 74: a cached prompt stays one."""
    turn = a_turn(said("a"), called("c"), gave("c"), tools=[a_function(), a_freeform()], instructions="x")
    assert CHAT.encode(turn, PLAIN).body == CHAT.encode(turn, PLAIN).body


# -- messages -------------------------------------------------------------------------------------------------


def test_text_parts_are_one_string() -> None:
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    assert messages(said(parts)) == [{"role": "user", "content": "a\nb"}]


def test_an_item_without_a_type_is_a_message() -> None:
    assert messages({"role": "user", "content": "a"}) == [{"role": "user", "content": "a"}]


def test_images_files_and_sound_take_chat_s_shape() -> None:
    """A5 case 66."""
    parts: list[dict[str, Any]] = [
        {"type": "input_text", "text": "a"},
        PICTURE,
        {"type": "input_file", "file_data": "data:application/pdf;base64,aGk="},
        {"type": "input_image", "image_url": "https://e.org/x.png"},
        {"type": "input_image", "image_url": "https://e.org/x.png", "detail": "original"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,aGk=", "filename": "x.pdf"},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
    ]
    assert messages(said(parts), profile=RICH)[0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "high"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://e.org/x.png"}},
        {"type": "image_url", "image_url": {"url": "https://e.org/x.png", "detail": "high"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "x.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
    ]


@pytest.mark.parametrize(
    ("part", "profile", "param"),
    [
        (PICTURE, Profile(images=False), ""),
        ({"type": "input_file", "file_data": "x"}, PLAIN, ""),
        ({"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}, PLAIN, ""),
        ({"type": "input_image", "file_id": "file_1"}, PLAIN, ".file_id"),
        ({"type": "input_file", "file_id": "file_1"}, RICH, ".file_id"),
        ({"type": "input_file", "file_url": "https://e.org/x.pdf"}, RICH, ".file_url"),
        ({"type": "input_image", "image_url": "https://e.org/x.png"}, Profile(image_urls=False), ".image_url"),
    ],
)
def test_what_a_model_can_not_take_in_is_refused_by_its_place(part: Any, profile: Profile, param: str) -> None:
    parts = [{"type": "input_text", "text": "a"}, part]
    assert refused(a_turn(said("x"), said(parts)), profile) == f"input[1].content[1]{param}"
    assert refused(a_turn(said(parts), said("x"), own=1), profile) == f"input.content[1]{param}"
    output = a_turn(said("x"), called("c"), gave("c", parts))
    assert refused(output, profile) == f"input[2].output[1]{param}"


def test_an_address_goes_along_where_it_is_fetched() -> None:
    """A5 case 66: OpenRouter takes a file's address in the place of its data."""
    parts = [{"type": "input_file", "file_url": "https://e.org/x.pdf", "filename": "x.pdf"}]
    found = messages(said(parts), profile=Profile(files=True, file_urls=True))
    assert found[0]["content"] == [{"type": "file", "file": {"file_data": "https://e.org/x.pdf", "filename": "x.pdf"}}]
    assert messages(said([PICTURE]), profile=Profile(image_urls=False))[0]["content"][0]["type"] == "image_url"


def test_a_developer_message_is_a_system_message_where_there_are_none() -> None:
    """A5 case 67."""
    items = [said("a", "developer"), said("b", "system"), said("c"), said("d", "developer")]
    assert [m["role"] for m in messages(*items)] == ["system", "system", "user", "system"]
    assert [m["role"] for m in messages(*items, profile=RICH)] == ["developer", "system", "user", "developer"]


def test_a_late_system_message_is_a_marked_user_message_where_they_must_lead() -> None:
    """A5 case 67."""
    profile = Profile(mid_system=False, developer_role=True)
    parts = [{"type": "input_text", "text": "d"}, PICTURE]
    found = messages(
        said("a", "system"), said("b"), said("c", "developer"), said(parts, "system"), instructions="i", profile=profile
    )
    assert [(m["role"], m["content"]) for m in found[:4]] == [
        ("developer", "i"),
        ("system", "a"),
        ("user", "b"),
        ("user", "[developer message]\nc"),
    ]
    assert found[4]["content"][0] == {"type": "text", "text": "[system message]"}


def test_an_empty_answer_of_the_past_is_left_out() -> None:
    """A5 case 58: some servers refuse a message without content for ever after."""
    assert messages(said("a"), answered(""), said("b")) == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
    ]


def test_parts_of_the_past_are_told_as_text() -> None:
    kinds = [
        {"type": "text", "text": "a"},
        {"type": "output_text", "text": "b"},
        {"type": "summary_text", "text": "c"},
        {"type": "reasoning_text", "text": "d"},
        {"type": "refusal", "refusal": "e"},
    ]
    assert messages(said(kinds)) == [{"role": "user", "content": "a\nb\nc\nd\ne"}]
    assert messages(said("a", "assistant"), said([kinds[0]], "assistant"))[0]["content"] == "a\n\na"


def test_references_leave_no_trace() -> None:
    assert messages(said("a"), {"type": "item_reference", "id": "msg_1"}) == [{"role": "user", "content": "a"}]


def test_a_refusal_of_the_past_is_told_as_one() -> None:
    """A5 case 70."""
    refusal = {**answered(""), "content": [{"type": "refusal", "refusal": "No."}]}
    assert messages(said("a"), refusal)[1] == {"role": "assistant", "content": "", "refusal": "No."}


# -- calls and outputs ----------------------------------------------------------------------------------------


def test_parallel_calls_are_one_message_with_all_outputs_behind_it() -> None:
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
        {
            "role": "assistant",
            "content": "I go.",
            "tool_calls": [a_tool_call("c1", arguments='{"x":1}'), a_tool_call("c2")],
        },
        {"role": "tool", "content": "one", "tool_call_id": "c1"},
        {"role": "tool", "content": "two", "tool_call_id": "c2"},
        {"role": "user", "content": "b"},
    ]


def test_calls_that_were_answered_one_by_one_stay_so() -> None:
    found = messages(said("a"), called("c1"), gave("c1"), called("c2"), gave("c2"), answered("Done."))
    assert [m["role"] for m in found] == ["user", "assistant", "tool", "assistant", "tool", "assistant"]


def test_calls_without_text_have_null_or_empty_content() -> None:
    turn = (said("a"), called("c"), gave("c"))
    assert messages(*turn)[1]["content"] is None
    assert messages(*turn, profile=Profile(null_content=False))[1]["content"] == ""


def test_text_behind_a_call_is_a_message_of_its_own() -> None:
    found = messages(said("a"), called("c"), answered("Meanwhile."), gave("c"))
    assert [m["role"] for m in found] == ["user", "assistant", "tool", "assistant"]


def test_an_output_that_is_an_object_is_json_text() -> None:
    """A5 case 62."""
    output = {"z": 1, "a": {"$ref": "é"}}
    assert messages(said("a"), called("c"), gave("c", output))[2]["content"] == '{"z":1,"a":{"$ref":"é"}}'


def test_pictures_of_an_output_follow_in_a_user_message() -> None:
    """A5 case 65."""
    parts = [{"type": "input_text", "text": "see"}, PICTURE, {"type": "input_text", "text": "?"}]
    found = messages(said("a"), called("c1"), called("c2"), gave("c1", parts), gave("c2"))
    assert found[2:4] == [
        {"role": "tool", "content": "see\n?", "tool_call_id": "c1"},
        {"role": "tool", "content": "ok", "tool_call_id": "c2"},
    ]
    assert found[4]["role"] == "user"
    assert [part["type"] for part in found[4]["content"]] == ["text", "image_url"]


def test_pictures_of_an_output_stay_in_it_where_that_is_taken() -> None:
    """A5 case 65."""
    parts = [{"type": "input_text", "text": "see"}, PICTURE]
    sent = CHAT.encode(a_turn(said("a"), called("c"), gave("c", parts), said("b")), Profile(tool_images=True))
    found = json.loads(sent.body)["messages"]
    assert [m["role"] for m in found] == ["user", "assistant", "tool", "user"]
    assert found[2]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "high"}},
    ]
    text = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    assert messages(called("c"), gave("c", text), profile=Profile(tool_images=True))[1]["content"] == "a\nb"


def test_empty_arguments_of_the_past_are_an_object() -> None:
    assert messages(said("a"), called("c", arguments=""), gave("c"))[1]["tool_calls"] == [a_tool_call("c")]


@pytest.mark.parametrize("call_id", ["a.b:c", "x" * 41, "call_" + "0" * 60])
def test_an_id_that_a_server_would_refuse_changes_the_same_way_every_time(call_id: str) -> None:
    """A5 case 59."""
    (_, call, output), again = (
        messages(said("a"), called(call_id), gave(call_id)),
        messages(called(call_id), gave(call_id)),
    )
    wire = call["tool_calls"][0]["id"]
    assert len(wire) <= 40
    assert wire.replace("_", "").isalnum()
    assert output["tool_call_id"] == wire == again[0]["tool_calls"][0]["id"]


def test_an_id_is_nine_letters_and_digits_where_no_other_is_taken() -> None:
    """A5 case 59: 'Tool call id was call_0 but must be a-z, A-Z, 0-9, with a length of 9' (Mistral)."""
    ids = ["D681PevKs", "call_0", "call_0123456789", "D681PevKs"]
    items = [item for call_id in ids for item in (called(call_id), gave(call_id), said("b"))]
    found = messages(*items, profile=Profile(short_call_ids=True))
    wire = [m["tool_calls"][0]["id"] for m in found if "tool_calls" in m]
    assert wire == [m["tool_call_id"] for m in found if m["role"] == "tool"]
    assert wire[0] == "D681PevKs"
    assert all(len(call_id) == 9 and call_id.isalnum() for call_id in wire)
    assert len(set(wire)) == 4


def test_an_id_that_is_used_again_leads_to_its_own_output() -> None:
    """A5 case 59, A6 case 75: `call_0` in every turn."""
    found = messages(called("call_0"), gave("call_0", "one"), said("b"), called("call_0"), gave("call_0", "two"))
    assert [m["content"] for m in found if m["role"] == "tool"] == ["one", "two"]
    first, second = (m["tool_call_id"] for m in found if m["role"] == "tool")
    assert first == "call_0" != second
    assert found[3]["tool_calls"][0]["id"] == second


# -- reasoning ------------------------------------------------------------------------------------------------


def thought(*texts: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "reasoning_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "rs_1", "summary": [], "content": content, **fields}


def sealed(**state: Any) -> dict[str, Any]:
    return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": json.dumps(state)}


REPLAYED = Profile(replay_reasoning="reasoning_content")
DETAILED = Profile(replay_reasoning="reasoning_details")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_goes_back_with_calls_where_it_is_wanted(field: Any) -> None:
    profile = Profile(replay_reasoning=field)
    found = messages(said("a"), thought("one, ", "two"), thought(" three"), called("c"), gave("c"), profile=profile)
    assert found[1] == {"role": "assistant", "content": None, "tool_calls": [a_tool_call("c")], field: "one, two three"}


def test_reasoning_is_never_told_as_text() -> None:
    """A4 case 52."""
    for profile in (PLAIN, Profile(replay_reasoning="reasoning_content")):
        found = messages(said("a"), thought("secret"), answered("Hi"), said("b"), profile=profile)
        assert found[1] == {"role": "assistant", "content": "Hi"}


def test_reasoning_that_led_to_nothing_is_not_told_with_a_later_turn() -> None:
    profile = Profile(replay_reasoning="reasoning_content")
    found = messages(said("a"), thought("old"), said("b"), called("c"), gave("c"), profile=profile)
    assert found[2]["reasoning_content"] == " "


def test_a_call_without_reasoning_has_a_blank_where_some_is_wanted() -> None:
    """A4 case 55: DeepSeek and Kimi refuse a conversation that another model began, or calls made without a thought."""
    items = [said("a"), called("c"), gave("c"), answered("Hi")]
    for profile, field in ((REPLAYED, " "), (DETAILED, None), (PLAIN, None)):
        found = messages(*items, profile=profile)
        assert [m.get("reasoning_content") for m in found] == [None, field, None, field]
    off = CHAT.encode(a_turn(*items, reasoning={"effort": "none"}), REPLAYED)
    assert b"reasoning_content" not in off.body


def test_reasoning_goes_back_with_every_message_of_a_turn_that_called() -> None:
    """A4 case 55: the last words of such a turn have their own."""
    turn = (said("a"), thought("one"), called("c"), gave("c"), thought("two"), answered("Hi"))
    found = messages(*turn, said("b"), thought("three"), answered("Ho"), said("c"), profile=REPLAYED)
    assert [m.get("reasoning_content") for m in found if m["role"] == "assistant"] == ["one", "two", None]


def test_reasoning_goes_back_with_every_message_where_tools_are_offered() -> None:
    """A4 case 55: DeepSeek wants it then, whether they were called or not (CommandCodeAI/command-code 840)."""
    found = messages(said("a"), thought("one"), answered("Hi"), said("b"), profile=REPLAYED, tools=[a_function()])
    assert found[1]["reasoning_content"] == "one"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_state_alone_brings_the_reasoning_back(field: Any) -> None:
    """A4 case 55: a client may keep nothing of an item but its state."""
    found = messages(said("a"), sealed(text="hm"), called("c"), gave("c"), profile=Profile(replay_reasoning=field))
    assert found[1][field] == "hm"


def test_reasoning_details_go_back_word_for_word() -> None:
    """A4 case 51: all of a message's, in their order."""
    signed = {"type": "reasoning.text", "text": "hm", "signature": "Et8B", "index": 0, "format": "f"}
    locked = {"type": "reasoning.encrypted", "data": "AY", "id": "c", "index": 0, "format": "g"}
    items = [said("a"), sealed(details=[signed]), answered("I go."), called("c"), sealed(details=[locked]), gave("c")]
    found = messages(*items, profile=DETAILED)
    assert found[1] == {
        "role": "assistant",
        "content": "I go.",
        "tool_calls": [a_tool_call("c")],
        "reasoning_details": [signed, locked],
    }
    assert "reasoning_details" not in json.dumps(messages(*items, profile=REPLAYED))


@pytest.mark.parametrize(
    "case", ["openrouter_signed_thinking.sse", "openrouter_gemini_call.sse", "gemini_signed_call.sse"]
)
def test_what_an_answer_left_is_what_the_next_request_tells(case: str) -> None:
    """A4 case 51: from the upstream's bytes through the state and back."""
    golden = Golden(FOLDER / "chat" / case)
    items: list[dict[str, Any]] = [said("a")]
    for chunk in chunks_of(golden.parser(), [golden.data]):
        if isinstance(chunk, ThoughtState):
            items.append({"type": "reasoning", "summary": [], "encrypted_content": chunk.encrypted_content})
        elif isinstance(chunk, CallOpened):
            items += [called(chunk.call_id, chunk.name), gave(chunk.call_id)]
    body = CHAT.encode(a_turn(*items), golden.made_with[1]).body
    signatures = [b"Et8BCmUIDxgC", b"CiIBjz1rX", b"AY89a18IwQsQ8in"]
    assert [found for found in signatures if found in body] == [found for found in signatures if found in golden.data]


def test_reasoning_without_details_goes_back_as_text() -> None:
    found = messages(said("a"), thought("hm"), called("c"), gave("c"), profile=DETAILED)
    assert found[1]["reasoning"] == "hm"


def test_what_stood_beside_a_call_stands_there_again() -> None:
    """A4 case 54."""
    extra = {"google": {"thought_signature": "AY89"}}
    found = messages(said("a"), sealed(call=extra), called("c1"), called("c2"), gave("c1"), gave("c2"))
    first, second = found[1]["tool_calls"]
    assert first == {**a_tool_call("c1"), "extra_content": extra}
    assert second == a_tool_call("c2")


def test_a_call_of_the_current_turn_without_a_signature_has_a_marker_where_one_is_wanted() -> None:
    """A4 case 54: the first of each step; earlier turns are not judged."""
    extra = {"google": {"thought_signature": "AY89"}}
    step = (called("c1"), called("c2"), gave("c1"), gave("c2"))
    items = [said("a"), called("c0"), gave("c0"), said("b"), *step, sealed(call=extra), called("c3"), gave("c3")]
    found = messages(*items, profile=Profile(signed_calls=True))
    told = [call.get("extra_content") for m in found for call in m.get("tool_calls", ())]
    assert told == [None, {"google": {"thought_signature": "skip_thought_signature_validator"}}, None, extra]
    only = messages(called("c"), gave("c"), profile=Profile(signed_calls=True))
    assert "extra_content" in only[0]["tool_calls"][0]


@pytest.mark.parametrize("state", ["gAAAAA", "{}x", '{"text":5}', '{"other":1}', "[]", "é", "[" * 2000])
@pytest.mark.parametrize("profile", [Profile(), Profile(replay_reasoning="reasoning_content")])
def test_state_that_is_none_of_ours_is_left_out_with_one_note(state: str, profile: Profile) -> None:
    """A4 case 53."""
    odd = {"type": "reasoning", "summary": [], "encrypted_content": state}
    sent = CHAT.encode(a_turn(said("a"), odd, odd, called("c"), gave("c")), profile)
    assert sent.notes == ["reasoning state that can't be read left out"]
    assert state.encode() not in sent.body


def test_reasoning_between_words_and_calls_does_not_part_them() -> None:
    """What chat told as one message goes back as one."""
    items = [
        said("a"),
        answered("One."),
        thought("hm"),
        called("c1"),
        thought("hm"),
        called("c2"),
        gave("c1"),
        gave("c2"),
    ]
    found = messages(*items)
    assert [m["role"] for m in found] == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in found[1]["tool_calls"]] == ["c1", "c2"]


# -- tools ----------------------------------------------------------------------------------------------------


def test_a_function_without_parameters_has_an_empty_schema() -> None:
    tools = [{"type": "function", "name": "now"}, {"type": "function", "name": "then", "parameters": None}]
    body, _ = encoded(a_turn(tools=tools))
    assert [tool["function"]["parameters"] for tool in body["tools"]] == [{"type": "object", "properties": {}}] * 2


def test_freeform_tools_are_told_as_they_are_where_they_are_known() -> None:
    """A5 case 63."""
    items = [
        said("a"),
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "a\nb"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
    ]
    tools = [a_freeform(format=GRAMMAR, description="d"), a_freeform("free", format={"type": "text"})]
    body, sent = encoded(a_turn(*items, tools=tools, tool_choice={"type": "custom", "name": "patch"}), RICH)
    assert body["tools"][0]["custom"] == {
        "name": "patch",
        "description": "d",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "a"'}},
    }
    assert body["tools"][1]["custom"]["format"] == {"type": "text"}
    assert body["tool_choice"] == {"type": "custom", "custom": {"name": "patch"}}
    assert body["messages"][1]["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "a\nb"}}
    ]
    assert body["messages"][2] == {"role": "tool", "content": "ok", "tool_call_id": "c"}
    assert (sent.names, sent.notes) == ({}, [])


def test_freeform_tools_are_functions_of_one_string_where_they_are_not() -> None:
    """A5 case 63: the tool, the choice, and the calls of the past."""
    items = [
        said("a"),
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'a\n"b"'},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
    ]
    body, sent = encoded(
        a_turn(
            *items, tools=[a_freeform(format=GRAMMAR, description="d")], tool_choice={"type": "custom", "name": "patch"}
        )
    )
    function = body["tools"][0]["function"]
    assert function["parameters"]["required"] == ["input"]
    assert function["description"] == 'd\n\nThe input must match this lark grammar:\nstart: "a"'
    assert body["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    assert json.loads(body["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"input": 'a\n"b"'}
    assert sent.names == {"patch": ToolName("patch", custom=True)}
    assert sent.notes == ["tools: grammar of 'patch' is described, not enforced"]


@pytest.mark.parametrize("given", [None, {"type": "text"}])
def test_a_freeform_tool_without_a_grammar_is_text(given: Any) -> None:
    for profile in (PLAIN, RICH):
        assert encoded(a_turn(tools=[a_freeform(format=given)]), profile)[1].notes == []


def test_tools_of_a_namespace_take_it_into_their_names() -> None:
    """A5 case 64."""
    space = {"type": "namespace", "name": "crm", "description": "d", "tools": [a_function("find"), a_freeform("exec")]}
    items = [said("a"), called("c", "find", namespace="crm"), gave("c")]
    for profile in (PLAIN, RICH):  # chat knows no namespaces, not even for freeform tools
        body, sent = encoded(a_turn(*items, tools=[space], tool_choice={"type": "function", "name": "find"}), profile)
        assert [tool["function"]["name"] for tool in body["tools"]] == ["crm__find", "crm__exec"]
        assert body["messages"][1]["tool_calls"][0]["function"]["name"] == "crm__find"
        assert body["tool_choice"] == {"type": "function", "function": {"name": "crm__find"}}
        assert sent.names == {"crm__find": ToolName("find", "crm"), "crm__exec": ToolName("exec", "crm", custom=True)}


def test_names_that_chat_does_not_take_are_changed_and_remembered() -> None:
    """A5 case 59."""
    names = ["with.dots", "with:colons", "x" * 65, "with.dots:"]
    body, sent = encoded(a_turn(tools=[a_function(name) for name in names]))
    wire = [tool["function"]["name"] for tool in body["tools"]]
    assert len(set(wire)) == 4
    assert all(len(name) <= 64 and name.replace("_", "").isalnum() for name in wire)
    assert [sent.names[name].name for name in wire] == names


def test_two_tools_never_share_a_name() -> None:
    space = {"type": "namespace", "name": "a", "tools": [a_function("b")]}
    body, sent = encoded(a_turn(tools=[a_function("a__b"), space]))
    first, second = (tool["function"]["name"] for tool in body["tools"])
    assert first == "a__b" != second
    assert sent.names == {second: ToolName("b", "a")}


def test_additional_tools_are_offered_with_the_others() -> None:
    """A5 case 64: the newest Codex sends no `tools` at all."""
    more = {"type": "additional_tools", "role": "developer", "tools": [a_function("now"), a_freeform()]}
    body, sent = encoded(a_turn(said("a"), more, tool_choice={"type": "function", "name": "now"}))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["now", "patch"]
    assert body["messages"] == [{"role": "user", "content": "a"}]
    assert "patch" in sent.names


def test_a_tool_that_is_offered_again_replaces_the_first() -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [a_function(description="new")]}
    body, _ = encoded(a_turn(said("a"), more, tools=[a_function(description="old")]))
    assert [tool["function"]["description"] for tool in body["tools"]] == ["new"]


@pytest.mark.parametrize(
    "tool", [{"type": "mcp", "server_label": "s"}, {"type": "code_interpreter"}, {"type": "shell"}]
)
def test_a_tool_of_the_provider_s_own_is_refused_by_its_place(tool: Any) -> None:
    """A5 case 64."""
    assert refused(a_turn(tools=[a_function(), tool])) == "tools[1]"
    more = {"type": "additional_tools", "role": "developer", "tools": [tool]}
    assert refused(a_turn(said("a"), more)) == "input[1].tools[0]"


@pytest.mark.parametrize("tool", [5, {}, {"type": "function"}, {"type": "nonsense"}])
def test_an_additional_tool_that_is_none_is_the_request_s_fault(tool: Any) -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [tool]}
    with pytest.raises(BadRequest) as caught:
        CHAT.encode(a_turn(said("a"), more), PLAIN)
    assert (caught.value.param or "").startswith("input[1].tools[0]")


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview", "tool_search"])
def test_a_tool_that_clients_offer_on_every_turn_is_left_out_with_a_note(kind: str) -> None:
    body, sent = encoded(a_turn(tools=[{"type": kind}]))
    assert "tools" not in body
    assert sent.notes == [f"tools: {kind} left out, this provider has none"]


def test_items_of_other_providers_are_left_out_with_a_note() -> None:
    items = [said("a"), {"type": "web_search_call", "id": "ws_1", "status": "completed"}, answered("b"), said("c")]
    body, sent = encoded(a_turn(*items))
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
    assert sent.notes == ["input[1]: web_search_call left out, this provider has none"]


@pytest.mark.parametrize(("mode", "choice"), [("auto", None), ("required", "required")])
def test_an_allow_list_leaves_only_its_tools(mode: str, choice: str | None) -> None:
    allowed = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "b"}]}
    for profile in (PLAIN, RICH):
        body, _ = encoded(a_turn(tools=[a_function("a"), a_function("b"), a_freeform()], tool_choice=allowed), profile)
        assert [tool["function"]["name"] for tool in body["tools"]] == ["b"]
        assert body.get("tool_choice") == choice


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        ("auto", None),
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "name": "go"}, {"type": "function", "function": {"name": "go"}}),
    ],
)
def test_a_choice_is_told_as_chat_has_it(choice: Any, wire: Any) -> None:
    assert encoded(a_turn(tools=[a_function()], tool_choice=choice))[0].get("tool_choice") == wire


def test_a_choice_without_tools_is_not_sent() -> None:
    assert "tool_choice" not in encoded(a_turn(tool_choice="none"))[0]


@pytest.mark.parametrize("choice", [{"type": "mcp", "server_label": "s"}, {"type": "shell"}, {"type": "file_search"}])
def test_a_choice_of_a_provider_s_own_tool_is_refused(choice: Any) -> None:
    assert refused(a_turn(tools=[a_function()], tool_choice=choice)) == "tool_choice"


# -- what a profile changes -----------------------------------------------------------------------------------

SCHEMA = {"type": "json_schema", "name": "n", "schema": {}}
OPEN = {"type": "object", "properties": {"x": {"type": "integer"}}}
CLOSED = {
    "type": "object",
    "properties": {"x": {"type": ["integer", "null"]}},
    "required": ["x"],
    "additionalProperties": False,
}
LOOSE = {"type": "json_schema", "name": "n", "schema": {"type": "object", "additionalProperties": True}, "strict": True}
LOGPROBS = {"include": ["message.output_text.logprobs"]}
REFUSALS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"tools": False}, {"tools": [a_function()]}, "tools"),
    ({"forced_tools": False}, {"tools": [a_function()], "tool_choice": "required"}, "tool_choice"),
    (
        {"forced_tools": False},
        {"tools": [a_function()], "tool_choice": {"type": "function", "name": "go"}},
        "tool_choice",
    ),
    ({"json_schema": False}, {"text": {"format": SCHEMA}}, "text.format"),
    ({"json_object": False}, {"text": {"format": {"type": "json_object"}}}, "text.format"),
    ({"logprobs": False}, LOGPROBS, "include"),
    ({"logprobs": False}, {"top_logprobs": 2}, "top_logprobs"),
    ({"effort": "none"}, {"reasoning": {"effort": "high"}}, "reasoning.effort"),
    ({"temperature": False}, {"temperature": 0.5}, "temperature"),
    ({"temperature": False}, {"top_p": 0.5}, "top_p"),
    ({"max_temperature": 1.0}, {"temperature": 1.5}, "temperature"),
    ({"efforts": ["none", "high"]}, {"reasoning": {"effort": "low"}}, "reasoning.effort"),
    ({"schema_dialect": "openai"}, {"text": {"format": LOOSE}}, "text.format.schema"),
    ({}, {"reasoning": {"mode": "pro"}}, "reasoning.mode"),
    ({}, {"reasoning": {"context": "all_turns"}}, "reasoning.context"),
]


@pytest.mark.parametrize(("profile", "request_", "param"), REFUSALS)
def test_what_a_model_does_not_have_is_refused(profile: dict[str, Any], request_: dict[str, Any], param: str) -> None:
    """A4 case 57, A5 cases 68 and 71."""
    assert refused(a_turn(**request_), msgspec.convert(profile, Profile)) == param


DEVIATIONS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (
        {"schema_in_object": True},
        {"text": {"format": SCHEMA}},
        {"response_format": {"type": "json_object", "schema": {}}},
    ),
    ({"max_tokens_field": "max_completion_tokens"}, {"max_output_tokens": 16}, {"max_completion_tokens": 16}),
    ({"max_tokens_field": "max_tokens"}, {"max_output_tokens": 16}, {"max_tokens": 16}),
    ({"stream_usage": False}, {"stream": True}, {}),
    ({"temperature": False}, {"temperature": 1, "top_p": 1.0}, {}),
    ({"effort": "none"}, {"reasoning": {"effort": "none"}}, {}),
    ({"effort": "reasoning_effort"}, {"reasoning": {"effort": "none"}}, {"reasoning_effort": "none"}),
    ({"logprobs": False}, {"top_logprobs": 0}, {}),
    ({}, {"top_logprobs": 3}, {}),
    ({}, LOGPROBS, {"logprobs": True}),
    (
        {},
        {"text": {"format": SCHEMA}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
    ),
    ({}, {"text": {"format": {"type": "text"}}}, {}),
    ({}, {"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
    (
        {"schema_in_object": True},
        {"text": {"format": SCHEMA}},
        {"response_format": {"type": "json_object", "schema": {}}},
    ),
    ({"context_window": 10, "opaque_items": False, "think_tags": True}, {}, {}),
]


VENDORS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"effort": "reasoning"}, {"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low"}}),
    (
        {"effort": "reasoning"},
        {"reasoning": {"effort": "none", "summary": "auto"}},
        {"reasoning": {"effort": "none", "summary": "auto"}},
    ),
    ({"effort": "reasoning"}, {"reasoning": {}}, {}),
    ({"effort": "thinking"}, {"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}),
    ({"effort": "thinking"}, {"reasoning": {"summary": "auto"}}, {}),
    (
        {"effort": "thinking", "efforts": ["none", "high"]},
        {"reasoning": {"effort": "high"}},
        {"thinking": {"type": "enabled"}},
    ),
    (
        {"effort": "thinking", "efforts": ["none", "high", "max"]},
        {"reasoning": {"effort": "max"}},
        {"thinking": {"type": "enabled"}, "reasoning_effort": "max"},
    ),
    ({"effort": "enable_thinking"}, {"reasoning": {"effort": "none"}}, {"enable_thinking": False}),
    (
        {"effort": "enable_thinking", "efforts": ["high"]},
        {"reasoning": {"effort": "high"}},
        {"enable_thinking": True},
    ),
    (
        {"effort": "template"},
        {"reasoning": {"effort": "none"}},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ),
    (
        {"effort": "template", "efforts": ["high"]},
        {"reasoning": {"effort": "high"}},
        {"chat_template_kwargs": {"enable_thinking": True}},
    ),
    ({"efforts": ["low"]}, {"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
    ({"efforts": []}, {"reasoning": {"summary": "auto"}}, {}),
    ({"max_temperature": 1.0}, {"temperature": 1.0}, {"temperature": 1.0}),
    (
        {"renamed": {"seed": "random_seed", "top_p": "p"}},
        {"top_p": 0.5, "temperature": 0},
        {"p": 0.5, "temperature": 0},
    ),
    ({"removed": ["stream_options", "stop"]}, {"stream": True}, {}),
]
"""What the official client's types know nothing of."""


@pytest.mark.parametrize(("profile", "request_", "fields"), VENDORS)
def test_a_vendor_s_own_words_are_used_in_the_place_of_the_format_s(
    profile: dict[str, Any], request_: dict[str, Any], fields: dict[str, Any]
) -> None:
    """A4 case 57: an effort is told as the vendor has it, or refused."""
    sent = CHAT.encode(a_turn(**request_), msgspec.convert(profile, Profile))
    body = json.loads(sent.body)
    assert {key: body[key] for key in body.keys() - {"model", "messages", "stream"}} == fields
    assert sent.notes == []


@pytest.mark.parametrize(
    ("dialect", "strict"), [("openai", True), ("gemini", False), ("openai", False), ("full", True)]
)
def test_a_schema_is_told_in_the_provider_s_dialect(dialect: Any, strict: bool) -> None:
    """OpenAI's is that of strict schemas alone; the note says what is not enforced."""
    chosen = {"type": "json_schema", "name": "n", "schema": OPEN, "strict": strict}
    turn = a_turn(tools=[a_function(strict=strict)], text={"format": chosen})
    body, sent = encoded(turn, Profile(schema_dialect=dialect))
    told = [body["tools"][0]["function"]["parameters"], body["response_format"]["json_schema"]["schema"]]
    is_narrowed = dialect == "openai" and strict
    assert told == [CLOSED if is_narrowed else OPEN] * 2
    assert len(sent.notes) == (2 if is_narrowed else 0)
    assert {note.partition(":")[0] for note in sent.notes} <= {"tools", "text.format.schema"}


def test_a_refused_effort_names_those_that_are_taken() -> None:
    with pytest.raises(Unsupported, match=r"'low', only 'none', 'high', 'max'") as caught:
        CHAT.encode(a_turn(reasoning={"effort": "low"}), Profile(efforts=frozenset({"max", "high", "none"})))
    assert caught.value.param == "reasoning.effort"


@pytest.mark.parametrize(("profile", "request_", "fields"), DEVIATIONS)
def test_a_deviation_changes_the_body_and_nothing_else(
    profile: dict[str, Any], request_: dict[str, Any], fields: dict[str, Any]
) -> None:
    body, sent = encoded(a_turn(**request_), msgspec.convert(profile, Profile))
    assert {key: body[key] for key in body.keys() - {"model", "messages", "stream"}} == fields
    assert sent.notes == []


ONLY_ON = "reasoning.effort: only on and off can be told, not '{}'"
NOTED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"strict_tools": False}, {"tools": [a_function(strict=True)]}, "tools: strict of 'go' left out"),
    (
        {"parallel_switch": False},
        {"tools": [a_function()], "parallel_tool_calls": False},
        "parallel_tool_calls left out: this provider can't be told to make one call at a time",
    ),
    ({"effort": "thinking"}, {"reasoning": {"effort": "low"}}, ONLY_ON.format("low")),
    ({"effort": "enable_thinking"}, {"reasoning": {"effort": "max"}}, ONLY_ON.format("max")),
    ({"effort": "template"}, {"reasoning": {"effort": "high"}}, ONLY_ON.format("high")),
    ({"effort": "adaptive"}, {"reasoning": {"effort": "low"}}, "reasoning.effort left out"),
    ({"removed": ["max_tokens"]}, {"max_output_tokens": 16}, "max_output_tokens left out"),
    ({"removed": ["top_p"]}, {"top_p": 0.5}, "top_p left out"),
    ({}, {"user": "u"}, "user left out"),
    ({}, {"safety_identifier": "s"}, "safety_identifier left out"),
    ({}, {"prompt_cache_key": "k"}, "prompt_cache_key left out"),
    ({}, {"prompt_cache_retention": "24h"}, "prompt_cache_retention left out"),
    ({}, {"prompt_cache_options": {"mode": "x"}}, "prompt_cache_options left out"),
    ({}, {"service_tier": "flex"}, "service_tier left out"),
    ({}, {"text": {"verbosity": "low"}}, "text.verbosity left out"),
]


@pytest.mark.parametrize(("profile", "request_", "note"), NOTED)
def test_a_hint_that_is_not_taken_is_left_out_with_a_note(
    profile: dict[str, Any], request_: dict[str, Any], note: str
) -> None:
    sent = CHAT.encode(a_turn(**request_), msgspec.convert(profile, Profile))
    body = json.loads(sent.body)
    assert sent.notes == [note]
    switches = {"thinking", "enable_thinking", "chat_template_kwargs"}
    assert body.keys() - switches <= {"model", "messages", "stream", "tools"}
    assert "strict" not in json.dumps(body)


@pytest.mark.parametrize("tier", ["auto", "default"])
def test_a_tier_that_is_had_anyway_needs_no_note(tier: str) -> None:
    assert encoded(a_turn(service_tier=tier))[1].notes == []


def test_every_field_of_a_profile_has_a_case_here() -> None:
    tried = {name for table in (REFUSALS, DEVIATIONS, VENDORS, NOTED) for row in table for name in row[0]}
    by_hand = {
        "developer_role",
        "mid_system",
        "images",
        "image_urls",
        "tool_images",
        "files",
        "file_urls",
        "audio",
        "short_call_ids",
        "custom_tools",
        "null_content",
        "replay_reasoning",
        "signed_calls",
        "hints",
    }
    of_others = {"output_limit", "family"}
    assert {field.name for field in msgspec.structs.fields(Profile)} == tried | by_hand | of_others


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,@@@", "data:text/plain;base64,aGk=", "data:image/png,x", "DATA:"]
)
def test_a_data_url_that_is_no_image_is_refused_with_its_place(url: str) -> None:
    with pytest.raises(BadRequest) as caught:
        CHAT.encode(
            a_turn(said([{"type": "input_text", "text": "?"}, {"type": "input_image", "image_url": url}])), PLAIN
        )
    assert caught.value.param == "input[0].content[1].image_url"
