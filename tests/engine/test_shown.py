"""Stored items as lists show them: whole for strict clients, hidden where not asked for, valid input again."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antiphon.engine.intake import read_items, refuse_strangers
from antiphon.engine.shown import hide, shown
from antiphon.testing.judges import judge_conversation_item, judge_item
from antiphon.types.items import Message

Json = dict[str, Any]


def show(item: Json | bytes, item_id: str = "x_1") -> Json:
    body = item if isinstance(item, bytes) else msgspec.json.encode(item)
    return dict(msgspec.json.decode(shown(item_id, body)))


def texts(*parts: Json) -> Json:
    return {"role": "user", "content": list(parts)}


CALL = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c"}
SHELL = {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}, "environment": None}
SCREEN = {"type": "computer_screenshot", "image_url": "https://a.example/b.png"}

RECEIVED: dict[str, Json] = {
    "a message without type": {"role": "user", "content": "Hi"},
    "a message of the model": {"role": "assistant", "content": "Hi", "phase": "commentary"},
    "a message of the system": {"type": "message", "role": "system", "content": "Be kind", "status": None},
    "a message of the developer": {"type": "message", "role": "developer", "content": []},
    "nulls of a dumped object": {"role": "assistant", "content": "Hi", "id": None, "status": None, "phase": None},
    "a tool search, dumped": {"type": "tool_search_call", "arguments": {}, "call_id": None, "execution": None},
    "a tool search of the client": {"type": "tool_search_output", "tools": [], "call_id": "c"},
    "a compaction, dumped": {"type": "compaction", "encrypted_content": "x", "created_by": None},
    "parts of the user": texts(
        {"type": "input_text", "text": "Hi"},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_image", "image_url": "https://a.example/b.png", "detail": None},
        {"type": "input_image", "image_url": "https://a.example/b.png", "detail": "high"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
    ),
    "parts of the model": {
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "Hi"},
            {"type": "input_text", "text": "as a user would"},
            {"type": "text", "text": "plain"},
            {"type": "refusal", "refusal": "no"},
        ],
    },
    "output parts of the user": texts({"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}),
    "a call": CALL,
    "a call with a status": {**CALL, "status": "incomplete"},
    "a freeform call": {"type": "custom_tool_call", "call_id": "c", "name": "write", "input": "x", "namespace": None},
    "text of a tool": {**OUTPUT, "output": "ok"},
    "parts of a tool": {
        **OUTPUT,
        "output": [{"type": "input_text", "text": "x"}, {"type": "output_text", "text": "y"}],
    },
    "an image of a tool": {**OUTPUT, "output": [{"type": "input_image", "image_url": "https://a.example/b.png"}]},
    "an object of a tool": {**OUTPUT, "output": {"a": [1, "ü"]}},
    "an object of a freeform tool": {"type": "custom_tool_call_output", "call_id": "c", "output": {"a": 1}},
    "reasoning": {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "x"},
    "reasoning with nothing": {"type": "reasoning"},
    "reasoning with nulls": {"type": "reasoning", "summary": [], "content": None, "encrypted_content": None},
    "additional tools": {"type": "additional_tools", "tools": [{"type": "function", "name": "look", "strict": True}]},
    "a web search": {"type": "web_search_call", "action": {"type": "search", "query": "x"}},
    "a file search": {"type": "file_search_call", "queries": ["x"], "status": "failed"},
    "a call of the shell": SHELL,
    "a screenshot": {"type": "computer_call_output", "call_id": "c", "output": SCREEN},
    "a compaction": {"type": "compaction", "encrypted_content": "x"},
    "a list of tools": {"type": "mcp_list_tools", "server_label": "s", "tools": []},
    "an approval": {"type": "mcp_approval_response", "approval_request_id": "r", "approve": True},
    "an extension": {"type": "acme:widget", "status": "completed"},
}


@pytest.mark.parametrize("item", RECEIVED.values(), ids=RECEIVED.keys())
def test_strict_clients_accept_what_is_shown(item: Json) -> None:
    told = msgspec.json.encode(show(item))
    judge_item(told)
    judge_conversation_item(told)


@pytest.mark.parametrize("item", RECEIVED.values(), ids=RECEIVED.keys())
def test_what_is_shown_is_valid_input_and_is_shown_the_same_again(item: Json) -> None:
    told = shown("x_1", msgspec.json.encode(item))
    kept = read_items([told], "input")
    refuse_strangers(kept)
    before = read_items([Raw(msgspec.json.encode(item))], "input")
    assert type(kept[0].view) is type(before[0].view)
    assert msgspec.json.decode(shown("x_1", bytes(told))) == msgspec.json.decode(told)


def test_an_item_is_shown_under_the_id_it_is_stored_under() -> None:
    assert show({"role": "user", "content": "Hi", "id": "theirs"}, "ours")["id"] == "ours"
    assert show({"type": "riddle"}, "ours") == {"type": "riddle", "id": "ours"}


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("user", {"type": "input_text", "text": "Hi"}),
        ("system", {"type": "input_text", "text": "Hi"}),
        ("developer", {"type": "input_text", "text": "Hi"}),
        ("assistant", {"type": "output_text", "text": "Hi", "annotations": []}),
    ],
)
def test_a_text_is_shown_as_a_part_of_its_side(role: str, part: Json) -> None:
    wanted = {"type": "message", "role": role, "content": [part], "id": "x_1", "status": "completed"}
    assert show({"role": role, "content": "Hi"}) == wanted
    assert show({"role": role, "content": [{"type": "input_text", "text": "Hi"}]}) == wanted


def test_a_status_that_was_given_stays_and_reasoning_gets_none() -> None:
    assert show({**CALL, "status": "incomplete"})["status"] == "incomplete"
    assert show(CALL)["status"] == "completed"
    assert "status" not in show({"type": "reasoning", "summary": []})
    assert "status" not in show({"type": "compaction", "encrypted_content": "x"})


def test_an_image_has_a_detail_and_an_address_or_null() -> None:
    told = show(texts({"type": "input_image", "file_id": "file-1"}))
    assert told["content"] == [{"type": "input_image", "file_id": "file-1", "image_url": None, "detail": "auto"}]


def test_an_object_as_output_is_shown_as_its_json_text() -> None:
    told = show(b'{"type":"function_call_output","call_id":"c","output":{"a": 1.50, "b":"\\u00fc"}}')
    assert told["output"] == '{"a": 1.50, "b":"\\u00fc"}'


def test_an_object_that_another_tool_puts_out_stays_an_object() -> None:
    assert show({"type": "computer_call_output", "call_id": "c", "output": SCREEN})["output"] == SCREEN


def test_log_probabilities_and_annotations_are_left_as_they_are() -> None:
    token = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}
    cited = {"type": "file_path", "file_id": "file-1", "index": 0}
    part = {"type": "output_text", "text": "Hi", "annotations": [cited], "logprobs": [token]}
    assert show({"role": "assistant", "content": [part]})["content"] == [part]


def test_fields_newer_than_this_release_keep_their_bytes() -> None:
    newer = b'{"x": 1.50, "y":1e999,"z":"\\u00fc"}'
    told = bytes(
        shown("x_1", b'{"role":"user","content":[{"type":"input_text","text":"Hi","n":%b}],"m":%b}' % (newer, newer))
    )
    assert told.count(newer) == 2


@pytest.mark.parametrize("kind", ["message", "function_call_output", "custom_tool_call_output", "reasoning"])
def test_an_item_that_lacks_what_it_should_have_is_shown_all_the_same(kind: str) -> None:
    assert show({"type": kind})["id"] == "x_1"


# -- hiding ---------------------------------------------------------------------------------------------------

NOTHING: frozenset[str] = frozenset()
STATE = frozenset({"reasoning.encrypted_content"})
LOGPROBS = frozenset({"message.output_text.logprobs"})


def raw(item: Json) -> Raw:
    return Raw(msgspec.json.encode(item))


def part(*logprobs: Json) -> Json:
    return {"type": "output_text", "text": "x", "annotations": [], "logprobs": list(logprobs)}


def test_a_providers_state_is_hidden_unless_it_is_included() -> None:
    item = raw({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"})
    assert msgspec.json.decode(hide(item, NOTHING)) == {"type": "reasoning", "id": "rs_1", "summary": []}
    assert hide(item, STATE) is item


def test_log_probabilities_are_hidden_unless_they_are_included() -> None:
    token = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}
    for content in ([part(token)], [part(), part(token)]):
        item = raw({"type": "message", "id": "msg_1", "role": "assistant", "content": content})
        told = msgspec.json.decode(hide(item, STATE))
        assert [one["logprobs"] for one in told["content"]] == [[]] * len(content)
        assert hide(item, LOGPROBS) is item


def test_log_probabilities_are_hidden_however_they_are_spaced() -> None:
    item = Raw(
        b'{"type":"message","role":"assistant","content":[{"type":"output_text","text":"x","logprobs" : [ {} ]}]}'
    )
    assert b"{}" not in bytes(hide(item, NOTHING))


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part(), part()]},
        {"type": "message", "id": "m", "role": "user", "content": 'say "logprobs" and "encrypted_content"'},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "mcp_call", "id": "mcp_1", "x": {"logprobs": [1], "encrypted_content": "x"}},
    ],
    ids=["logprobs []", "the words", "compaction", "no state", "another's field"],
)
def test_an_item_without_anything_to_hide_is_the_very_same(item: Json) -> None:
    given = raw(item)
    assert hide(given, NOTHING) is given


def test_what_is_hidden_leaves_all_other_bytes_as_they_are() -> None:
    item = Raw(b'{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x","newer":{"a": 1.50}}')
    assert b'{"a": 1.50}' in bytes(hide(item, NOTHING))


def test_an_item_of_the_model_is_shown_with_its_own_bytes() -> None:
    (kept,) = read_items([shown("m", b'{"role":"assistant","content":"Hi"}')], "input")
    assert isinstance(kept.view, Message)
    assert bytes(shown("m", bytes(kept.raw))) == bytes(kept.raw)
