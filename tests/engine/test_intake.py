"""What a request brought: items and tools are read, kept as they came, and refused with a path."""

from typing import Any, TypeAlias

import msgspec
import pytest
from msgspec import Raw

from antiphon.engine.intake import (
    check_choice,
    identify,
    keep,
    offers,
    read_input,
    read_items,
    read_tools,
    refuse_strangers,
    reread,
    storable,
    type_of,
)
from antiphon.errors import BadRequest, TooLarge
from antiphon.types.content import InputText
from antiphon.types.items import (
    PASSED_ON,
    AdditionalTools,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    Item,
    ItemReference,
    Message,
    Reasoning,
)
from antiphon.types.kept import Kept
from antiphon.types.tools import HOSTED, CustomTool, FunctionTool, NamespaceTool, ToolChoice

Json: TypeAlias = dict[str, Any]

NAMELESS = {"type": "function"}
LOOK = {"type": "function", "name": "look"}


def raw(value: Any) -> Raw:
    return Raw(value if isinstance(value, bytes) else msgspec.json.encode(value))


def read(*given: Any) -> list[Kept[Item]]:
    return read_items([raw(value) for value in given], "input")


def tools(*given: Any) -> list[Any]:
    return read_tools([raw(value) for value in given])


def refusal(*given: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read(*given)
    return caught.value


# -- items ----------------------------------------------------------------------------------------------------


def test_a_string_is_a_message_of_the_user() -> None:
    (item,) = read_input("Hi")
    assert item.view == Message(role="user", content=[InputText(text="Hi")])
    assert msgspec.json.decode(item.raw) == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
    }


def test_no_input_is_no_items() -> None:
    assert read_input(None) == read_input([]) == []


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({"type": "message", "role": "user", "content": "Hi"}, Message),
        ({"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}, FunctionCall),
        ({"type": "function_call_output", "call_id": "c", "output": "ok"}, FunctionCallOutput),
        ({"type": "custom_tool_call", "call_id": "c", "name": "write", "input": "x"}, CustomToolCall),
        ({"type": "custom_tool_call_output", "call_id": "c", "output": "ok"}, CustomToolCallOutput),
        ({"type": "reasoning", "summary": []}, Reasoning),
        ({"type": "item_reference", "id": "msg_1"}, ItemReference),
        ({"type": "additional_tools", "tools": [LOOK]}, AdditionalTools),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_an_item_that_we_act_on_has_a_view(item: Json, kind: type[Item]) -> None:
    assert isinstance(read(item)[0].view, kind)


@pytest.mark.parametrize("content", ["Hi", [{"type": "input_text", "text": "Hi"}]], ids=["string", "parts"])
@pytest.mark.parametrize("role", ["user", "assistant", "system", "developer"])
def test_an_item_with_a_role_and_no_type_is_a_message(role: str, content: Any) -> None:
    (item,) = read({"role": role, "content": content})
    assert isinstance(item.view, Message)
    assert item.view.role == role


def test_an_item_that_is_nothing_but_an_id_is_a_reference() -> None:
    assert read({"id": "msg_1"})[0].view == ItemReference(id="msg_1")


def test_a_type_that_is_null_is_none() -> None:
    """The official client's own models say so when they are dumped."""
    message, reference = read({"type": None, "role": "user", "content": "Hi"}, {"type": None, "id": "msg_1"})
    assert isinstance(message.view, Message)
    assert reference.view == ItemReference(id="msg_1")
    assert b"null" not in bytes(message.raw)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_text", "text": "Hi"},
        {"type": "input_image", "image_url": "https://a.example/b.png"},
        {"type": "input_image", "file_id": "file-1", "detail": "high"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "output_text", "text": "Hi", "annotations": []},
        {"type": "refusal", "refusal": "no"},
        {"type": "reasoning_text", "text": "hm"},
        {"type": "summary_text", "text": "hm"},
        {"type": "text", "text": "Hi"},
    ],
    ids=lambda part: part["type"] + str(len(part)),
)
def test_a_message_may_consist_of_every_part_of_the_api(part: Json) -> None:
    (item,) = read({"role": "user", "content": [part]})
    assert isinstance(item.view, Message)
    assert type(item.view.content[0]).__struct_config__.tag == part["type"]  # type: ignore[union-attr] # a part, then


@pytest.mark.parametrize(
    "output",
    ["plain", "", [], [{"type": "input_text", "text": "x"}], [{"type": "output_text", "text": "x"}], {"a": [1]}, {}],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
def test_a_tools_output_may_be_text_parts_or_an_object(kind: str, output: Any) -> None:
    (item,) = read({"type": kind, "call_id": "c", "output": output})
    assert isinstance(item.view, FunctionCallOutput | CustomToolCallOutput)


def test_an_object_that_looks_like_a_part_is_still_an_object() -> None:
    (item,) = read({"type": "function_call_output", "call_id": "c", "output": {"type": "input_text", "text": "x"}})
    assert isinstance(item.view, FunctionCallOutput)
    assert item.view.output == {"type": "input_text", "text": "x"}


@pytest.mark.parametrize(
    "received",
    [
        b'{ "role":"user",  "content":"Hi", "newer": {"than": [1.50, "\\u0041"]} }',
        b'{"type":"reasoning","summary":[],"encrypted_content":"x","newer":1}',
        b'{"type":"web_search_call" , "id":"ws_1"}',
        b'{"type":"riddle","a":1,"a":2}',
    ],
)
def test_what_was_received_is_kept_byte_for_byte(received: bytes) -> None:
    assert bytes(read(received)[0].raw) == received


@pytest.mark.parametrize("kind", [*sorted(PASSED_ON), "acme:widget", "riddle"])
def test_an_item_that_we_only_pass_on_has_no_view(kind: str) -> None:
    (item,) = read({"type": kind, "id": "x"})
    assert item.view is None
    assert type_of(item.raw) == kind


def test_a_stranger_is_refused_where_nobody_can_take_it() -> None:
    refuse_strangers(read({"role": "user", "content": "Hi"}, {"type": "mcp_call"}, {"type": "acme:widget"}))
    with pytest.raises(BadRequest) as caught:
        refuse_strangers(read({"role": "user", "content": "Hi"}, {"type": "riddle"}), "items")
    assert (caught.value.code, caught.value.param) == ("invalid_value", "items[1]")


GOOD = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ("Hi", "invalid_type", ""),
        (5, "invalid_type", ""),
        (None, "invalid_type", ""),
        ([], "invalid_type", ""),
        ({}, "missing_required_parameter", ".role"),
        ({"content": "Hi"}, "missing_required_parameter", ".role"),
        ({"role": "user"}, "missing_required_parameter", ".content"),
        ({"type": 5, **GOOD}, "invalid_type", ".type"),
        ({**GOOD, "role": "boss"}, "invalid_value", ""),
        ({"type": "message", **GOOD, "role": "boss"}, "invalid_value", ""),
        ({**GOOD, "role": 5}, "invalid_type", ".role"),
        ({**GOOD, "content": 5}, "invalid_type", ".content"),
        ({**GOOD, "content": None}, "invalid_type", ".content"),
        ({**GOOD, "status": "done"}, "invalid_value", ".status"),
        ({**GOOD, "content": ["Hi"]}, "invalid_type", ".content[0]"),
        ({**GOOD, "content": [{"type": "riddle"}]}, "invalid_value", ".content[0].type"),
        ({**GOOD, "content": [{"text": "Hi"}]}, "missing_required_parameter", ".content[0].type"),
        ({**GOOD, "content": [{"type": "input_text"}]}, "missing_required_parameter", ".content[0].text"),
        ({**GOOD, "content": [{"type": "input_text", "text": 5}]}, "invalid_type", ".content[0].text"),
        ({**GOOD, "content": [{"type": "input_image", "detail": "huge"}]}, "invalid_value", ".content[0].detail"),
        ({"type": "function_call", "name": "a", "arguments": ""}, "missing_required_parameter", ".call_id"),
        ({"type": "function_call", "call_id": "c", "name": "a", "arguments": {}}, "invalid_type", ".arguments"),
        ({"type": "function_call_output", "call_id": "c"}, "missing_required_parameter", ".output"),
        ({"type": "function_call_output", "call_id": "c", "output": 5}, "invalid_type", ".output"),
        ({"type": "function_call_output", "call_id": "", "output": ""}, "string_below_min_length", ".call_id"),
        (
            {"type": "custom_tool_call_output", "call_id": "c" * 257, "output": ""},
            "string_above_max_length",
            ".call_id",
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "riddle"}]},
            "invalid_value",
            ".output[0].type",
        ),
        ({"type": "item_reference"}, "missing_required_parameter", ".id"),
        ({"type": "reasoning", "summary": [{"type": "riddle"}]}, "invalid_value", ".summary[0].type"),
        ({"type": "additional_tools", "role": "user", "tools": []}, "invalid_value", ""),
        ({"type": "additional_tools"}, "missing_required_parameter", ".tools"),
    ],
    ids=repr,
)
def test_a_bad_item_is_refused_with_a_code_and_its_path(item: Any, code: str, param: str) -> None:
    error = refusal(GOOD, item)
    assert (error.status, error.type) == (400, "invalid_request_error")
    assert (error.code, error.param) == (code, f"input[1]{param}")
    assert f"'input[1]{param}'" in error.message or param == ""


@pytest.mark.parametrize(
    "received",
    [
        b'{"role":"user","content":"\\ud800"}',
        b'{"role":"user","content":"Hi","newer":"\\ud800"}',
        b'{"role":"user","content":"\xff"}',
        b'{"role":"user","content":"Hi","newer":NaN}',
        b'{"type":"riddle","newer":NaN}',
        b'{"role":"user","content":"Hi","newer":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type":"riddle","newer":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type":"function_call_output","call_id":"c","output":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    ],
    ids=[
        "surrogate",
        "surrogate aside",
        "no UTF-8",
        "NaN",
        "NaN in a stranger",
        "deep",
        "deep stranger",
        "deep output",
    ],
)
def test_bytes_that_can_not_be_read_are_a_bad_request_and_no_fault(received: bytes) -> None:
    assert refusal(GOOD, received).param == "input[1]"


@pytest.mark.parametrize(
    "value", [b"NaN", b'"\\ud800"', b"[" * 100_000 + b"]" * 100_000], ids=["NaN", "surrogate", "deep"]
)
@pytest.mark.parametrize("kind", [b"function", b"web_search", b"hammer"])
def test_a_tool_that_can_not_be_read_is_a_bad_request_and_no_fault(kind: bytes, value: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        tools(LOOK, b'{"type":"' + kind + b'","name":"a","newer":' + value + b"}")
    assert caught.value.param is not None
    assert caught.value.param.startswith("tools[1]")


def test_a_zero_character_is_text_like_any_other() -> None:
    (item,) = read(b'{"role":"user","content":"a\\u0000b"}')
    assert isinstance(item.view, Message)
    assert item.view.content == "a\0b"


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    (item,) = read(b'{"role":"user","content":"a","content":"b"}')
    assert isinstance(item.view, Message)
    assert item.view.content == "b"


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "user", "content": "x" * 21}, "input[0].content"),
        ({"role": "user", "content": [{"type": "input_text", "text": "x" * 21}]}, "input[0].content[0].text"),
        ({"type": "riddle", "deep": [{"er": "x" * 21}]}, "input[0].deep[0].er"),
    ],
    ids=["content", "part", "stranger"],
)
def test_a_string_that_is_too_long_is_refused_wherever_it_stands(item: Json, param: str) -> None:
    with pytest.raises(TooLarge) as caught:
        read_input([raw(item)], longest=20)
    assert (caught.value.code, caught.value.param) == ("string_above_max_length", param)


def test_the_length_of_a_string_is_counted_in_characters() -> None:
    assert len(read_input("🌍" * 20, longest=20)) == 1
    assert len(read_input([raw({"role": "user", "content": "🌍" * 20})], longest=20)) == 1
    with pytest.raises(TooLarge) as caught:
        read_input("🌍" * 21, longest=20)
    assert caught.value.param == "input"


@pytest.mark.parametrize(
    ("item", "known"),
    [
        ({"role": "user", "content": "Hi"}, True),
        ({"id": "msg_1"}, True),
        ({"type": "riddle"}, False),
        ({"role": "boss", "content": "Hi"}, False),
        ({"type": "function_call", "call_id": 5}, False),
    ],
    ids=repr,
)
def test_a_stored_item_is_never_refused(item: Json, known: bool) -> None:
    body = msgspec.json.encode(item)
    kept = reread(body)
    assert bytes(kept.raw) == body
    assert (kept.view is not None) == known


@pytest.mark.parametrize(
    ("item", "identity"),
    [
        ({"role": "user", "content": "Hi", "id": "msg_mine"}, "msg_mine"),
        ({"role": "user", "content": "Hi"}, "msg_7i3"),
        ({"role": "user", "content": "Hi", "id": None}, "msg_7i3"),
        ({"role": "user", "content": "Hi", "id": ""}, "msg_7i3"),
        ({"type": "function_call_output", "call_id": "c", "output": ""}, "fco_7i3"),
        ({"type": "web_search_call", "id": "ws_mine"}, "ws_mine"),
        ({"type": "web_search_call"}, "ws_7i3"),
        ({"type": "riddle"}, "item_7i3"),
    ],
    ids=repr,
)
def test_an_item_is_stored_under_its_own_id_or_one_made_from_its_owners(item: Json, identity: str) -> None:
    assert identify(read(item)[0], "resp_7", 3) == identity


# -- tools ----------------------------------------------------------------------------------------------------


def test_tools_that_we_act_on_have_a_view_and_hosted_ones_none() -> None:
    views = [tool.view for tool in tools(LOOK, {"type": "custom", "name": "write"}, {"type": "web_search", "x": 1})]
    assert isinstance(views[0], FunctionTool)
    assert isinstance(views[1], CustomTool)
    assert views[2] is None
    (group,) = tools({"type": "namespace", "name": "ns", "tools": [LOOK, {"type": "custom", "name": "write"}]})
    assert isinstance(group.view, NamespaceTool)


@pytest.mark.parametrize("kind", sorted(HOSTED))
def test_a_hosted_tool_is_kept_byte_for_byte(kind: str) -> None:
    received = b'{ "type" : "%s", "newer": [1.0] }' % kind.encode()
    assert bytes(tools(received)[0].raw) == received


@pytest.mark.parametrize("parameters", [{}, {"type": "object"}, None])
def test_the_parameters_of_a_function_are_an_object_or_null(parameters: Any) -> None:
    (tool,) = tools({**LOOK, "parameters": parameters})
    assert msgspec.json.decode(tool.view.parameters) == parameters


@pytest.mark.parametrize(
    ("tool", "code", "param"),
    [
        ("look", "invalid_type", ""),
        ({"type": "function", "function": {"name": "look"}}, "missing_required_parameter", ".name"),
        (NAMELESS, "missing_required_parameter", ".name"),
        ({"name": "look"}, "missing_required_parameter", ".type"),
        ({"type": "hammer"}, "invalid_value", ".type"),
        ({"type": 5}, "invalid_type", ".type"),
        ({**LOOK, "name": ""}, "string_below_min_length", ".name"),
        ({**LOOK, "name": "x" * 129}, "string_above_max_length", ".name"),
        ({**LOOK, "strict": "yes"}, "invalid_type", ".strict"),
        ({**LOOK, "parameters": "{}"}, "invalid_type", ".parameters"),
        ({**LOOK, "parameters": []}, "invalid_type", ".parameters"),
        ({**LOOK, "parameters": True}, "invalid_type", ".parameters"),
        ({**LOOK, "parameters": 5}, "invalid_type", ".parameters"),
        ({"type": "namespace", "name": "ns"}, "missing_required_parameter", ".tools"),
        ({"type": "namespace", "name": "ns", "tools": [NAMELESS]}, "missing_required_parameter", ".tools[0].name"),
        (
            {"type": "namespace", "name": "ns", "tools": [{**LOOK, "parameters": 5}]},
            "invalid_type",
            ".tools[0].parameters",
        ),
        ({"type": "namespace", "name": "ns", "tools": [{"type": "shell"}]}, "invalid_value", ".tools[0].type"),
    ],
    ids=repr,
)
def test_a_bad_tool_is_refused_with_a_code_and_its_path(tool: Any, code: str, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        tools(LOOK, tool)
    assert (caught.value.code, caught.value.param) == (code, f"tools[1]{param}")


def test_what_came_instead_of_parameters_is_named() -> None:
    for given, name in ([], "an array"), ("{}", "a string"), (True, "a boolean"), (-1, "a number"):
        with pytest.raises(BadRequest, match=f"got {name}"):
            tools({**LOOK, "parameters": given})


def test_tools_of_additional_tools_are_offered_after_those_of_the_request() -> None:
    more = keep(AdditionalTools(tools=[raw({**LOOK, "name": "later"}), raw({"type": "shell"})]))
    offered = offers(tools(LOOK, {"type": "web_search"}), [more])
    assert [tool.name if tool else None for tool in offered] == ["look", None, "later", None]


def test_a_bad_tool_of_additional_tools_is_refused_with_its_path() -> None:
    with pytest.raises(BadRequest) as caught:
        read({"role": "user", "content": "Hi"}, {"type": "additional_tools", "tools": [NAMELESS]})
    assert caught.value.param == "input[1].tools[0].name"


# -- tool_choice ----------------------------------------------------------------------------------------------


def choice(given: Any) -> ToolChoice:
    return msgspec.convert(given, ToolChoice)  # type: ignore[no-any-return] # a union is a type to msgspec


def allowed(*given: Json) -> Json:
    return {"type": "allowed_tools", "mode": "auto", "tools": list(given)}


GROUP = {"type": "namespace", "name": "ns", "tools": [{**LOOK, "name": "inner"}]}


@pytest.mark.parametrize(
    ("given", "offered"),
    [
        (None, []),
        ("auto", []),
        ("none", []),
        ("required", [LOOK]),
        ({"type": "function", "name": "look"}, [LOOK]),
        ({"type": "function", "name": "inner"}, [GROUP]),
        ({"type": "custom", "name": "write"}, [{"type": "custom", "name": "write"}]),
        ({"type": "mcp", "server_label": "s"}, [{"type": "mcp", "server_label": "s"}]),
        (allowed({"type": "function", "name": "look"}), [LOOK]),
        (allowed({"type": "web_search"}), [{"type": "web_search"}]),
    ],
    ids=repr,
)
def test_a_choice_of_what_is_offered_is_accepted(given: Any, offered: list[Json]) -> None:
    check_choice(None if given is None else choice(given), tools(*offered), [])


@pytest.mark.parametrize(
    ("given", "offered", "code", "param"),
    [
        ("required", [], None, "tool_choice"),
        ({"type": "function", "name": "look"}, [], None, "tool_choice"),
        ({"type": "function", "name": "other"}, [LOOK], None, "tool_choice"),
        ({"type": "custom", "name": "other"}, [LOOK], None, "tool_choice"),
        ({"type": "function", "name": "ns"}, [GROUP], None, "tool_choice"),
        (allowed(), [LOOK], "missing_required_parameter", "tool_choice.tools"),
        (allowed(LOOK, {"type": "function", "name": "other"}), [LOOK], None, "tool_choice.tools[1]"),
    ],
    ids=repr,
)
def test_a_choice_of_what_is_not_offered_is_refused(
    given: Any, offered: list[Json], code: str | None, param: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        check_choice(choice(given), tools(*offered), [])
    assert (caught.value.code, caught.value.param) == (code, param)


def test_a_choice_among_additional_tools_is_accepted() -> None:
    items = read({"type": "additional_tools", "tools": [LOOK]})
    check_choice("required", [], items)
    check_choice(choice({"type": "function", "name": "look"}), [], items)


def test_credentials_of_additional_tools_are_never_stored() -> None:
    tool = b'{"type":"mcp","server_label":"x","server_url":"https://x","authorization":"s3cret","headers":{"a":"b"}}'
    (item,) = read_items([Raw(b'{"type":"additional_tools","role":"developer","tools":[%b]}' % tool)], "input")
    assert b"s3cret" in bytes(item.raw)  # what is sent on
    assert msgspec.json.decode(storable(item))["tools"] == [
        {"type": "mcp", "server_label": "x", "server_url": "https://x"}
    ]
