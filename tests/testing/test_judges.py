"""The judges: they accept a right stream, and refuse it with any one thing wrong."""

import copy
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import Emitter
from antiphon.testing.judges import (
    judge_conversation,
    judge_conversation_item,
    judge_conversation_item_list,
    judge_event,
    judge_item,
    judge_item_list,
    judge_response,
    judge_stream,
)
from antiphon.types import chunks
from antiphon.types.responses import CreateResponse, Usage

Json = dict[str, Any]

FUNCTION: Json = {"type": "function", "name": "look", "description": None, "parameters": {}, "strict": True}
SCHEMA: Json = {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True, "description": None}


def a_response() -> Json:
    snapshot = first_snapshot(
        CreateResponse(model="m"),
        response_id="resp_0a",
        created_at=1,
        conversation_id=None,
        tools=[],
    )
    return dict(msgspec.json.decode(msgspec.json.encode(snapshot)))


def a_stream() -> list[Json]:
    """One event of nearly every kind."""
    snapshot = first_snapshot(
        CreateResponse(model="m"), response_id="resp_0a", created_at=1, conversation_id=None, tools=[]
    )
    emitter = Emitter(snapshot)
    citation = {"type": "url_citation", "url": "https://a.example", "start_index": 0, "end_index": 1, "title": "A"}
    said: list[chunks.Chunk] = [
        chunks.Summarized("s"),
        chunks.Thought("t"),
        chunks.Text("Hel"),
        chunks.Text("lo"),
        chunks.Annotated(Raw(json.dumps(citation).encode())),
        chunks.Refused("no"),
        chunks.CallOpened(0, "call_0", "look"),
        chunks.CallDelta(0, '{"a":1}'),
        chunks.CallOpened(1, "call_1", "write", custom=True),
        chunks.CallDelta(1, "x"),
        chunks.Used(Usage(input_tokens=1, output_tokens=1, total_tokens=2)),
        chunks.Stop("completed"),
    ]
    return [msgspec.json.decode(msgspec.json.encode(event)) for event in emitter.add(said) + emitter.finish(2)]


def frames(events: list[Json]) -> list[bytes]:
    return [json.dumps(event).encode() for event in events]


def renumbered(events: list[Json]) -> list[Json]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


STREAM = a_stream()


def test_a_right_stream_is_accepted_and_gives_its_last_snapshot() -> None:
    assert judge_stream(frames(STREAM)) == STREAM[-1]["response"]


def test_a_stream_of_no_events_is_refused() -> None:
    with pytest.raises(AssertionError, match="no events"):
        judge_stream([])


@pytest.mark.parametrize("place", range(len(STREAM)))
def test_a_stream_that_lacks_an_event_is_refused(place: int) -> None:
    with pytest.raises(AssertionError):
        judge_stream(frames(renumbered(STREAM[:place] + STREAM[place + 1 :])))


@pytest.mark.parametrize("place", range(len(STREAM)))
def test_a_stream_that_says_an_event_twice_is_refused(place: int) -> None:
    with pytest.raises(AssertionError):
        judge_stream(frames(renumbered(STREAM[: place + 1] + STREAM[place:])))


EITHER_WAY = {"response.output_text.delta", "response.output_text.annotation.added"}
"""A text and its annotations may come in any order."""

NEIGHBOURS = [
    place
    for place, (event, following) in enumerate(itertools.pairwise(STREAM))
    if event.get("output_index") == following.get("output_index")  # calls may be told all mixed up
    and event["type"] != following["type"]
    and not {event["type"], following["type"]} <= EITHER_WAY
]
NUMBERS = ("sequence_number", "output_index", "content_index", "summary_index", "annotation_index", "item_id")
WORDS = ("delta", "text", "arguments", "input", "refusal", "part", "item", "annotation")


def places(names: Sequence[str]) -> list[tuple[int, str]]:
    return [(place, name) for place, event in enumerate(STREAM) for name in names if name in event]


@pytest.mark.parametrize("place", NEIGHBOURS)
def test_a_stream_with_two_neighbours_changed_over_is_refused(place: int) -> None:
    first, second = STREAM[place : place + 2]
    with pytest.raises(AssertionError):
        judge_stream(frames(renumbered([*STREAM[:place], second, first, *STREAM[place + 2 :]])))


@pytest.mark.parametrize(("place", "name"), places(NUMBERS))
def test_a_stream_with_a_wrong_number_or_id_is_refused(place: int, name: str) -> None:
    events = copy.deepcopy(STREAM)
    events[place][name] = "other" if name == "item_id" else events[place][name] + 1
    with pytest.raises(AssertionError):
        judge_stream(frames(events))


@pytest.mark.parametrize(("place", "name"), places(WORDS))
def test_a_stream_that_contradicts_itself_is_refused(place: int, name: str) -> None:
    events = copy.deepcopy(STREAM)
    told = events[place][name]
    if isinstance(told, str):
        events[place][name] = told + "!"
    else:
        said = next(key for key in ("id", "text", "title", "refusal") if key in told)
        told[said] += "!"
    with pytest.raises(AssertionError):
        judge_stream(frames(events))


def test_a_complaint_says_where_and_what() -> None:
    events = copy.deepcopy(STREAM)
    events[3]["summary_index"] = "0"
    with pytest.raises(AssertionError, match=r"event 3 \(response\.reasoning_summary_part\.added\).*summary_index"):
        judge_stream(frames(events))


LACKING = object()


def changed(changes: Json) -> bytes:
    response = {**a_response(), **changes}
    return json.dumps({name: value for name, value in response.items() if value is not LACKING}).encode()


WRONG: dict[str, Json] = {
    "a string for a number": {"created_at": "1"},
    "a string for a decimal": {"temperature": "1"},
    "an unknown status": {"status": "done"},
    "a required key missing": {"presence_penalty": LACKING},
    "usage without details": {"usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}},
    "an unknown tool_choice": {"tool_choice": {"type": "nothing"}},
    "a function without its keys": {"tools": [{"type": "function", "name": "look"}]},
    "an unknown tool": {"tools": [{"type": "hammer"}]},
    "an unknown item": {"output": [{"type": "riddle", "id": "x", "status": "completed"}]},
    "an extension without status": {"output": [{"type": "acme:riddle", "id": "x"}]},
    "a hosted call without its keys": {"output": [{"type": "web_search_call", "id": "x", "status": "done"}]},
    "a JSON schema without its keys": {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}},
    "a JSON schema that is none": {"text": {"format": {**SCHEMA, "schema": "no"}}},
}

BEYOND: dict[str, Json] = {
    "a JSON schema": {"text": {"format": SCHEMA}},
    "tools of the API": {"tools": [FUNCTION, {"type": "custom", "name": "a"}, {"type": "shell"}]},
    "a choice of the API": {"tool_choice": {"type": "custom", "name": "a"}},
    "a list of choices of the API": {
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "server_label": "s"}]}
    },
    "a newer effort": {"reasoning": {"effort": "minimal", "summary": None}},
    "an item of an extension": {"output": [{"type": "acme:riddle", "id": "x", "status": "completed"}]},
    "a freeform call": {"output": [{"type": "custom_tool_call", "id": "x", "call_id": "c", "name": "a", "input": ""}]},
}


def test_a_right_response_is_accepted() -> None:
    judge_response(changed({}))


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
def test_a_response_with_one_thing_wrong_is_refused(changes: Json) -> None:
    with pytest.raises(AssertionError):
        judge_response(changed(changes))


@pytest.mark.parametrize("changes", BEYOND.values(), ids=BEYOND.keys())
def test_what_only_the_published_schema_does_not_know_is_accepted(changes: Json) -> None:
    judge_response(changed(changes))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\xff"}'],
    ids=["nothing", "no object", "half", "a key twice", "NaN", "no UTF-8"],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(AssertionError):
        judge_response(body)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.cheered", "sequence_number": 0},
        {"type": "acme:cheered"},
        {"type": "response.output_text.delta", "sequence_number": 0, "delta": "x"},
    ],
)
def test_an_event_that_nobody_knows_or_that_lacks_something_is_refused(event: Json) -> None:
    with pytest.raises(AssertionError):
        judge_event(json.dumps(event).encode())


USER = {"type": "message", "id": "m", "role": "user", "status": "completed", "content": []}
CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "a", "arguments": "{}", "status": "completed"}


@pytest.mark.parametrize("judge", [judge_item, judge_conversation_item])
def test_an_item_is_judged_by_its_type(judge: Callable[[bytes], None]) -> None:
    for item in (USER, CALL):
        judge(json.dumps(item).encode())
    for broken in (
        {**USER, "content": "Hi"},
        {**CALL, "arguments": {}},
        {**CALL, "id": None},
        {**CALL, "type": "riddle"},
    ):
        with pytest.raises(AssertionError):
            judge(json.dumps(broken).encode())


@pytest.mark.parametrize("judge", [judge_item_list, judge_conversation_item_list])
def test_a_page_is_judged_with_its_items(judge: Callable[[bytes], None]) -> None:
    page = {"object": "list", "data": [USER, CALL], "first_id": "m", "last_id": "f", "has_more": False}
    judge(json.dumps(page).encode())
    for broken in ({**page, "first_id": None}, {**page, "data": [{**USER, "status": "done"}]}):
        with pytest.raises(AssertionError):
            judge(json.dumps(broken).encode())


def test_a_conversation_is_judged() -> None:
    conversation = {"id": "conv_1", "object": "conversation", "created_at": 1, "metadata": {}}
    judge_conversation(json.dumps(conversation).encode())
    with pytest.raises(AssertionError):
        judge_conversation(json.dumps({**conversation, "created_at": "1"}).encode())
