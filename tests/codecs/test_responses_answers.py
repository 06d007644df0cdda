"""Responses answers as chunks: a test for each promise of the format that servers are known to break."""

import json
from typing import Any

import pytest

from antiphon.codecs.responses import RESPONSES
from antiphon.types.profiles import Profile
from antiphon.types.turns import ToolName
from tests.codecs.cases import Told, parse, sse

COMPLETED = {"Stop": {"status": "completed"}}
HI = {"Text": {"text": "Hi"}}


def an_event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def added(place: int | None, item: dict[str, Any]) -> dict[str, Any]:
    return an_event("output_item.added", output_index=place, item=item)


def done(place: int | None, item: dict[str, Any]) -> dict[str, Any]:
    return an_event("output_item.done", output_index=place, item=item)


def text(piece: str, place: int | None = 0, item_id: str | None = "m", part: int | None = 0) -> dict[str, Any]:
    return an_event("output_text.delta", delta=piece, output_index=place, item_id=item_id, content_index=part)


def arguments(piece: Any, place: int | None = 0, item_id: str | None = "f") -> dict[str, Any]:
    return an_event("function_call_arguments.delta", delta=piece, output_index=place, item_id=item_id)


def the_end(*output: dict[str, Any], status: str = "completed", **fields: Any) -> dict[str, Any]:
    return an_event(status, response={"status": status, "output": list(output), **fields})


def a_message(*texts: str, item_id: str | None = "m", **fields: Any) -> dict[str, Any]:
    parts = [{"type": "output_text", "text": words, "annotations": []} for words in texts]
    return {"type": "message", "id": item_id, "role": "assistant", "content": parts, **fields}


def a_call(given: Any = "", call_id: str | None = "c", item_id: str | None = "f", **fields: Any) -> dict[str, Any]:
    call = {"type": "function_call", "id": item_id, "call_id": call_id, "name": "go", "arguments": given}
    return {**call, **fields}


def a_thought(*texts: str, item_id: str = "r", summary: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    content = [{"type": "reasoning_text", "text": words} for words in texts]
    shown = [{"type": "summary_text", "text": words} for words in summary]
    return {"type": "reasoning", "id": item_id, "summary": shown, "content": content, **fields}


def say(*events: Any, **sent: Any) -> Told:
    return parse(RESPONSES, sse(*events), **sent)


def say_at_once(response: Any, **sent: Any) -> Told:
    return parse(RESPONSES, json.dumps(response).encode(), streamed=False, **sent)


def calls(told: Told) -> list[tuple[str, str, str]]:
    """Return id, name and arguments of every call, in the order of their opening."""
    found: dict[int, list[str]] = {}
    for chunk in told[0]:
        if opened := chunk.get("CallOpened"):
            found[opened["key"]] = [opened["call_id"], opened["name"], ""]
        if delta := chunk.get("CallDelta"):
            found[delta["key"]][2] += delta["text"]
    return [(call_id, name, given) for call_id, name, given in found.values()]


def names(told: Told) -> list[str]:
    return [name for chunk in told[0] for name in chunk]


# -- each byte once -------------------------------------------------------------------------------------------

DELTAS = [arguments('{"x"'), arguments(":1}")]
ARGUMENTS_DONE = [an_event("function_call_arguments.done", output_index=0, item_id="f", arguments='{"x":1}')]
ITEM_DONE = [done(0, a_call('{"x":1}'))]
SNAPSHOT = [a_call('{"x":1}')]


@pytest.mark.parametrize("snapshot", [[], SNAPSHOT])
@pytest.mark.parametrize("item", [[], ITEM_DONE])
@pytest.mark.parametrize("whole", [[], ARGUMENTS_DONE])
@pytest.mark.parametrize("deltas", [[], DELTAS[:1], DELTAS])
@pytest.mark.parametrize("first", [[], [added(0, a_call())]])
def test_arguments_are_told_once_however_often_they_are_said(
    first: list[Any], deltas: list[Any], whole: list[Any], item: list[Any], snapshot: list[Any]
) -> None:
    """A1 case 3: as deltas, in `.done`, with the item, in the final snapshot, or in any of these alone."""
    told = say(*first, *deltas, *whole, *item, the_end(*snapshot))
    has_name = bool(first or item or snapshot)
    has_all = deltas == DELTAS or whole or item or snapshot
    if has_name and has_all:
        assert calls(told) == [("c", "go", '{"x":1}')]
        assert names(told)[-2:] == ["CallClosed", "Stop"]
    elif not has_name:
        assert told[0] == []
        assert told[1]["code"] == "empty_answer"


TEXT_DONE = [an_event("output_text.done", output_index=0, item_id="m", content_index=0, text="Hi there")]
PART_DONE = [
    an_event(
        "content_part.done", output_index=0, item_id="m", content_index=0, part=a_message("Hi there")["content"][0]
    )
]


@pytest.mark.parametrize("snapshot", [[], [a_message("Hi there")]])
@pytest.mark.parametrize("item", [[], [done(0, a_message("Hi there"))]])
@pytest.mark.parametrize("part", [[], PART_DONE])
@pytest.mark.parametrize("whole", [[], TEXT_DONE])
@pytest.mark.parametrize("deltas", [[text("Hi "), text("there")], [text("Hi ")], []])
def test_text_is_told_once_however_often_it_is_said(
    deltas: list[Any], whole: list[Any], part: list[Any], item: list[Any], snapshot: list[Any]
) -> None:
    """A1 cases 3 and 12."""
    told, failure = say(*deltas, *whole, *part, *item, the_end(*snapshot))
    if len(deltas) == 2 or whole or part or item or snapshot:
        assert "".join(chunk["Text"]["text"] for chunk in told if "Text" in chunk) == "Hi there"
        assert told[-1] == COMPLETED
    else:
        assert failure is None or failure["code"] == "empty_answer"


def test_what_was_said_stays_when_the_end_says_otherwise() -> None:
    told = say(text("Hi"), done(0, a_message("Ho ho")), the_end(a_message("Ha")))
    assert told == ([HI, COMPLETED], None)


def test_a_zero_argument_call_is_a_call() -> None:
    """A1 case 4: what its arguments are then is the emitter's rule."""
    told = say(added(0, a_call()), arguments(""), done(0, a_call("")), the_end())
    assert names(told) == ["CallOpened", "CallClosed", "Stop"]


@pytest.mark.parametrize("piece", ["", None])
def test_an_empty_delta_says_nothing(piece: str | None) -> None:
    """A1 case 5."""
    events = [added(0, a_call()), arguments(piece), text("", 1) | {"delta": piece}]
    assert names(say(*events, the_end())) == ["CallOpened", "CallClosed", "Stop"]


def test_arguments_that_are_an_object_become_text() -> None:
    """A1 case 8."""
    told = say(added(0, a_call(None)), done(0, a_call({"z": 1, "a": "é"})), the_end(a_call({"z": 1, "a": "é"})))
    assert calls(told) == [("c", "go", '{"z":1,"a":"é"}')]


# -- which item -----------------------------------------------------------------------------------------------


def test_parallel_calls_at_one_place_stay_apart_by_their_ids() -> None:
    """A1 case 1."""
    told = say(
        added(0, a_call(call_id="c1", item_id="f1")),
        added(0, a_call(call_id="c2", item_id="f2")),
        arguments("[1", item_id="f1"),
        arguments("[2", item_id="f2"),
        arguments("]", item_id="f1"),
        arguments("]", item_id="f2"),
        the_end(),
    )
    assert calls(told) == [("c1", "go", "[1]"), ("c2", "go", "[2]")]


def test_items_with_one_id_for_all_stay_apart_by_their_place() -> None:
    """A1 case 2."""
    told = say(
        added(0, a_call(call_id="c1", item_id="x")),
        added(1, a_call(call_id="c2", item_id="x")),
        arguments("[1]", 0, "x"),
        arguments("[2]", 1, "x"),
        the_end(),
    )
    assert calls(told) == [("c1", "go", "[1]"), ("c2", "go", "[2]")]


def test_the_tail_of_a_call_finds_its_call_behind_other_text() -> None:
    """A1 case 6."""
    told = say(
        added(0, a_call()),
        arguments('{"x"'),
        added(1, a_message()),
        text("meanwhile", 1),
        arguments(":1}"),
        done(0, a_call('{"x":1}')),
        the_end(),
    )
    assert calls(told) == [("c", "go", '{"x":1}')]
    assert names(told).count("CallOpened") == 1


def test_arguments_before_their_call_wait_for_its_name() -> None:
    """A1 case 6: never an item without a name."""
    told = say(arguments('{"x"'), arguments(":1}"), added(0, a_call()), done(0, a_call('{"x":1}')), the_end())
    assert calls(told) == [("c", "go", '{"x":1}')]


@pytest.mark.parametrize("place", [0, None])
def test_ids_that_change_with_every_event_lead_to_one_item(place: int | None) -> None:
    """A1 case 9."""
    told = say(
        added(place, a_call(item_id="f1")),
        arguments("[", place, "f2"),
        arguments("]", place, "f3"),
        done(place, a_call("[]", item_id="f4")),
        the_end(a_call("[]", item_id="f5")),
    )
    assert names(told) == ["CallOpened", "CallDelta", "CallDelta", "CallClosed", "Stop"]


def test_events_with_neither_id_nor_place_belong_to_the_newest_item() -> None:
    """A1 cases 9 and 10."""
    told = say(text("H", None, None, None), text("i", None, None, None), the_end())
    assert "".join(chunk["Text"]["text"] for chunk in told[0] if "Text" in chunk) == "Hi"
    assert "Break" not in names(told)


def test_a_place_that_is_used_again_holds_a_new_item() -> None:
    """A1 case 11: a server tool loop that counts anew in every round."""
    told = say(
        added(0, a_message(item_id="m1")),
        text("One", item_id="m1"),
        done(0, a_message("One", item_id="m1")),
        added(0, a_message(item_id="m2")),
        text("Two", item_id="m2"),
        done(0, a_message("Two", item_id="m2")),
        the_end(a_message("One", item_id="m1"), a_message("Two", item_id="m2")),
    )
    assert told[0] == [{"Text": {"text": "One"}}, {"Break": {}}, {"Text": {"text": "Two"}}, COMPLETED]


def test_calls_that_come_only_when_they_are_done_are_all_told() -> None:
    """A1 cases 2 and 3: one place for all, no ids."""
    first, second = a_call("[1]", "c1", None), a_call("[2]", "c2", None)
    told = say(done(0, first), done(0, second), done(0, second), the_end(first, second))
    assert calls(told) == [("c1", "go", "[1]"), ("c2", "go", "[2]")]


def test_a_snapshot_with_other_ids_tells_nothing_twice() -> None:
    """A1 case 12."""
    told = say(
        text("One", 0, "m1"),
        text("Two", 1, "m2"),
        the_end(a_message("One", item_id="x1"), a_message("Two", item_id="m2"), a_call("[]")),
    )
    assert "".join(chunk["Text"]["text"] for chunk in told[0] if "Text" in chunk) == "OneTwo"
    assert calls(told) == [("c", "go", "[]")]


# -- messages, parts, reasoning -------------------------------------------------------------------------------


def test_items_come_in_the_upstream_s_order_and_are_not_merged_by_kind() -> None:
    """A1 case 23."""
    thought = an_event("reasoning_text.delta", delta="hm", output_index=0, item_id="r")
    told = say(
        thought,
        text("One", 1, "m1"),
        thought | {"output_index": 2, "item_id": "r2"},
        text("Two", 3, "m2"),
        added(4, a_call()),
        done(4, a_call("{}")),
        text("Three", 5, "m3"),
        text("Four", 6, "m4"),
        the_end(),
    )
    spoken = [name for name in names(told) if name != "Break"]
    assert spoken == [
        "Thought",
        "Text",
        "Thought",
        "Text",
        "CallOpened",
        "CallDelta",
        "CallClosed",
        "Text",
        "Text",
        "Stop",
    ]
    assert names(told)[-4:-1] == ["Text", "Break", "Text"]


@pytest.mark.parametrize("place", [0, 1])
def test_a_message_without_words_says_nothing(place: int) -> None:
    """A1 case 24."""
    events = [added(0, a_message(item_id="m0")), text("", 0, "m0"), done(0, a_message("", item_id="m0"))]
    told = say(*events, added(place, a_message(item_id="m1")), text("Hi", place, "m1"), the_end())
    assert told[0] == [HI, COMPLETED]


def test_parts_of_one_message_stay_parts() -> None:
    told = say(text("One", part=0), text("Two", part=1), text("!", part=1), the_end(a_message("One", "Two!")))
    part_ends = {"Break": {"whole_item": False}}
    assert told[0][:3] == [{"Text": {"text": "One"}}, part_ends, {"Text": {"text": "Two"}}]
    assert names(told) == ["Text", "Break", "Text", "Text", "Stop"]
    assert say_at_once({"status": "completed", "output": [a_message("One", "Two!")]})[0][1] == part_ends


def test_the_phase_of_a_message_is_kept() -> None:
    told = say(
        added(0, a_message(item_id="m1", phase="commentary")),
        text("One", 0, "m1"),
        done(1, a_message("Two", item_id="m2", phase="final_answer")),
        added(2, a_message(item_id="m3", phase="musing")),
        text("Three", 2, "m3"),
        the_end(),
    )
    breaks = [chunk["Break"] for chunk in told[0] if "Break" in chunk]
    assert breaks == [{"phase": "commentary"}, {"phase": "final_answer"}, {}]


@pytest.mark.parametrize("content", ["Hi", [{"type": "text", "text": "Hi"}], [{"type": "output_text", "text": "Hi"}]])
def test_the_content_of_a_message_is_read_in_each_of_its_shapes(content: Any) -> None:
    told = say_at_once({"status": "completed", "output": [{"type": "message", "content": content}]})
    assert told[0] == [HI, COMPLETED]


def test_a_refusal_is_one() -> None:
    """A5 case 70."""
    refusal = {"type": "refusal", "refusal": "I can't"}
    deltas = [
        an_event("refusal.delta", delta=piece, output_index=0, item_id="m", content_index=0)
        for piece in ("I ", "can't")
    ]
    for events in (
        deltas,
        [],
        [an_event("refusal.done", refusal="I can't", output_index=0, item_id="m", content_index=0)],
    ):
        told, failure = say(*events, done(0, {**a_message(), "content": [refusal]}), the_end())
        assert "".join(chunk["Refused"]["text"] for chunk in told if "Refused" in chunk) == "I can't"
        assert failure is None


def test_annotations_are_told_once_and_only_with_their_part() -> None:
    cited = {"type": "url_citation", "url": "https://e.org", "start_index": 0, "end_index": 2}
    more = {"type": "file_citation", "file_id": "x", "new_field": [1]}
    news = an_event("output_text.annotation.added", output_index=0, item_id="m", content_index=0, annotation=cited)
    message = a_message("Hi")
    message["content"][0]["annotations"] = [cited, more]
    told = say(text("Hi"), news, done(0, message), the_end(message))
    assert [chunk["Annotated"]["annotation"] for chunk in told[0] if "Annotated" in chunk] == [cited, more]
    late = say(text("Hi"), added(1, a_call()), done(0, message), the_end(message))
    assert "Annotated" not in names(late)


def test_logprobs_without_bytes_get_them() -> None:
    """A5 case 71: they come when `include` asks for them."""
    given = [{"token": "é", "logprob": -1.0, "top_logprobs": [{"token": "e", "logprob": -2.0}]}]
    whole = [{**given[0], "bytes": [195, 169], "top_logprobs": [{"token": "e", "logprob": -2.0, "bytes": [101]}]}]
    assert say(text("é") | {"logprobs": given}, the_end())[0][0]["Text"]["logprobs"] == whole
    message = a_message("é")
    message["content"][0]["logprobs"] = given
    assert say(done(0, message), the_end())[0][0]["Text"]["logprobs"] == whole


@pytest.mark.parametrize("kind", ["reasoning_text", "reasoning"])
def test_raw_reasoning_is_found_under_both_of_its_names(kind: str) -> None:
    """A4 case 56: OpenAI's events and those of Open Responses."""
    where = {"output_index": 0, "item_id": "r", "content_index": 0}
    told = say(
        added(0, a_thought()),
        an_event(f"{kind}.delta", delta="h", **where),
        an_event(f"{kind}.done", text="hm", **where),
        done(0, a_thought("hm")),
        the_end(a_thought("hm"), a_message("Hi")),
    )
    assert told[0] == [{"Thought": {"text": "h"}}, {"Thought": {"text": "m"}}, {"Break": {}}, HI, COMPLETED]


def test_an_index_that_counts_up_with_every_piece_makes_no_new_parts() -> None:
    """A1 case 10: vLLM's streams of raw reasoning; a part ends when it is said to."""
    where = {"output_index": 0, "item_id": "r"}
    told = say(
        an_event("reasoning_text.delta", delta="h", content_index=0, **where),
        an_event("reasoning_text.delta", delta="m", content_index=1, **where),
        an_event("reasoning_text.done", text="hm", content_index=2, **where),
        an_event("content_part.done", part={"type": "reasoning_text", "text": "hm"}, content_index=0, **where),
        done(0, a_thought("hm")),
        the_end(a_thought("hm"), a_message("Hi")),
    )
    assert names(told) == ["Thought", "Thought", "Break", "Text", "Stop"]


def test_parts_of_raw_reasoning_stay_parts() -> None:
    where = {"output_index": 0, "item_id": "r"}
    for deltas in (True, False):
        first = an_event("reasoning_text.delta", delta="one", content_index=0, **where)
        told = say(
            *[first][:deltas],
            an_event("reasoning_text.done", text="one", content_index=0, **where),
            an_event("reasoning_text.delta", delta="two", content_index=1, **where),
            an_event("reasoning_text.done", text="two!", content_index=1, **where),
            an_event("reasoning_text.done", text="three", content_index=2, **where),
            the_end(a_thought("one", "two!", "three"), a_message("Hi")),
        )
        texts = [chunk["Thought"]["text"] for chunk in told[0] if "Thought" in chunk]
        assert texts == ["one", "two", "!", "three"]
        assert names(told).count("Break") == 3


REPLAYED = Profile(replay_reasoning="reasoning_content")


def states(told: Told) -> list[str]:
    return [chunk["ThoughtState"]["encrypted_content"] for chunk in told[0] if "ThoughtState" in chunk]


def test_raw_reasoning_is_kept_where_it_is_wanted_back_and_nobody_sealed_it() -> None:
    """A4 cases 51 and 55: for look-alikes that have no state of their own."""
    thought = an_event("reasoning_text.delta", delta="hm", output_index=0, item_id="r")
    behind: list[list[dict[str, Any]]] = [
        [text("Hi", 1, "m")],
        [done(0, a_thought("hm")), text("Hi", 1, "m")],
        [added(1, a_call()), done(1, a_call("{}"))],
        [done(1, SEARCH)],
        [],
    ]
    for events in behind:
        told = say(thought, *events, the_end(a_thought("hm")), profile=REPLAYED)
        assert states(told) == ['{"reasoning_text":"hm"}']
        assert names(told)[:2] == ["Thought", "ThoughtState"]
        assert states(say(thought, *events, the_end())) == []
    whole = say_at_once({"status": "completed", "output": [a_thought("a", "b"), a_message("Hi")]}, profile=REPLAYED)
    assert states(whole) == ['{"reasoning_text":"a\\nb"}']


def test_state_of_the_upstream_s_own_is_the_state() -> None:
    told = say(done(0, a_thought("hm", encrypted_content="sealed")), the_end(a_message("Hi")), profile=REPLAYED)
    assert states(told) == ["sealed"]


@pytest.mark.parametrize("kind", ["reasoning_summary_text", "reasoning_summary"])
def test_parts_of_a_summary_stay_parts(kind: str) -> None:
    where = {"output_index": 0, "item_id": "r"}
    told = say(
        an_event(f"{kind}.delta", delta="One", summary_index=0, **where),
        an_event(f"{kind}.done", text="One.", summary_index=0, **where),
        an_event(
            "reasoning_summary_part.done", part={"type": "summary_text", "text": "One."}, summary_index=0, **where
        ),
        an_event(f"{kind}.delta", delta="Two", summary_index=1, **where),
        done(0, a_thought(summary=("One.", "Two"))),
        the_end(a_message("Hi")),
    )
    assert told[0][:3] == [
        {"Summarized": {"text": "One"}},
        {"Summarized": {"text": "."}},
        {"Summarized": {"text": "Two", "part": 1}},
    ]
    assert names(told) == ["Summarized", "Summarized", "Summarized", "Break", "Text", "Stop"]


def test_the_state_of_reasoning_is_that_of_the_finished_item() -> None:
    told = say(
        added(0, a_thought(encrypted_content="first")),
        done(0, a_thought(encrypted_content="final")),
        added(1, a_call()),
        done(1, a_call("{}")),
        the_end(a_thought(encrypted_content="final"), a_call("{}")),
    )
    assert told[0][0] == {"ThoughtState": {"encrypted_content": "final"}}
    assert names(told).count("ThoughtState") == 1


def test_state_that_comes_too_late_makes_no_second_item() -> None:
    thought = an_event("reasoning_text.delta", delta="hm", output_index=0, item_id="r")
    told = say(thought, text("Hi", 1), the_end(a_thought("hm", encrypted_content="late"), a_message("Hi")))
    assert names(told) == ["Thought", "Break", "Text", "Stop"]


# -- calls of other kinds -------------------------------------------------------------------------------------


def test_a_freeform_call_keeps_its_input_and_namespace() -> None:
    """A5 cases 63 and 64."""
    call = {
        "type": "custom_tool_call",
        "id": "t",
        "call_id": "c",
        "name": "exec",
        "namespace": "functions",
        "input": "",
    }
    where = {"output_index": 0, "item_id": "t"}
    told = say(
        added(0, call),
        an_event("custom_tool_call_input.delta", delta="a", **where),
        an_event("custom_tool_call_input.done", input="ab", **where),
        done(0, {**call, "input": "abc"}),
        the_end(),
    )
    opened = {"key": 0, "call_id": "c", "name": "exec", "custom": True, "namespace": "functions"}
    assert told[0][0] == {"CallOpened": opened}
    assert calls(told) == [("c", "exec", "abc")]


def test_a_lowered_freeform_tool_comes_back_as_plain_input() -> None:
    """A5 case 63: for servers that know functions and nothing else."""
    sent: dict[str, Any] = {"names": {"go": ToolName("go", custom=True), "crm__find": ToolName("find", "crm")}}
    told = say(
        added(0, a_call()),
        arguments('{"input":'),
        arguments('"a\\nb"}'),
        done(0, a_call('{"input":"a\\nb"}')),
        done(1, a_call("{}", "c2", "f2", name="crm__find")),
        the_end(),
        **sent,
    )
    assert told[0][:3] == [
        {"CallOpened": {"key": 0, "call_id": "c", "name": "go", "custom": True}},
        {"CallDelta": {"key": 0, "text": "a\nb"}},
        {"CallClosed": {"key": 0}},
    ]
    assert told[0][3] == {"CallOpened": {"key": 1, "call_id": "c2", "name": "find", "namespace": "crm"}}


def test_a_call_that_the_limit_cut_is_left_for_the_end_to_close() -> None:
    """Else it would be told as completed, and clients would act on half of its arguments."""
    cut = a_call('{"x', status="incomplete")
    for events in ([added(0, a_call()), arguments('{"x'), done(0, cut)], [added(0, a_call()), arguments('{"x')], []):
        told = say(*events, the_end(cut, status="incomplete"))
        assert names(told) == ["CallOpened", "CallDelta", "Stop"]
    bare = {**cut, "status": None}
    assert "CallClosed" not in names(say(the_end(bare, status="incomplete")))


# -- items that are passed on ---------------------------------------------------------------------------------

SEARCH = {"type": "web_search_call", "id": "w", "status": "completed", "new_field": {"a": [1, 1.5, None]}}


def test_an_item_of_another_type_is_passed_on_with_its_news() -> None:
    news = an_event("web_search_call.searching", output_index=0, item_id="w", sequence_number=9)
    told = say(added(0, SEARCH), news, done(0, SEARCH), news, the_end(SEARCH))
    assert told[0] == [
        {"ItemOpened": {"key": 0, "item": SEARCH}},
        {"ItemNews": {"key": 0, "type": "response.web_search_call.searching", "fields": news}},
        {"ItemClosed": {"key": 0, "item": SEARCH}},
        COMPLETED,
    ]


def test_an_item_that_nobody_knows_is_passed_on_from_the_snapshot() -> None:
    strange = {"type": "acme:thing", "id": "t", "payload": "é"}
    assert say(the_end(strange))[0] == [{"ItemClosed": {"key": 0, "item": strange}}, COMPLETED]


def test_news_with_fields_of_other_shapes_are_passed_on() -> None:
    news = an_event("shell_call_command.delta", output_index=0, delta=["ls"], text={"a": 1}, code=[1], logprobs="none")
    told = say(added(0, {"type": "shell_call", "id": "s"}), news, the_end(a_message("Hi")))
    assert told[0][1] == {"ItemNews": {"key": 0, "type": "response.shell_call_command.delta", "fields": news}}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "keepalive"},
        {"type": "ping", "cost": "0"},
        an_event("brand_new", output_index=7),
        an_event("audio.delta", delta="aGk=", output_index=0, item_id="m"),
        an_event("in_progress", response={"status": "in_progress"}),
        an_event("output_item.added", output_index=3, item=None),
        an_event("content_part.added", output_index=0, item_id="m", part={"type": "output_text", "text": ""}),
        an_event("content_part.done", output_index=0, item_id="m", part=None),
        an_event("output_text.annotation.added", output_index=0, item_id="m", annotation=None),
    ],
)
def test_an_event_that_says_nothing_to_us_is_not_heard(event: Any) -> None:
    """A1 cases 17 and 18."""
    assert say(event, text("Hi"), event, the_end(a_message("Hi")), event)[0] == [HI, COMPLETED]


def test_a_passed_item_has_each_key_once_and_is_unicode() -> None:
    """A key given twice can't mean one thing to us and another to a client; bad bytes never reach one."""
    raw = b'{"type":"web_search_call","id":"w","q":1,"q":"\\ud83d\xff"}'
    event = b'data: {"type":"response.output_item.done","output_index":0,"item":' + raw + b"}\n\n"
    told, _ = parse(RESPONSES, event + sse(the_end()))
    assert told[0] == {"ItemClosed": {"key": 0, "item": {"type": "web_search_call", "id": "w", "q": "\ufffd\ufffd"}}}


# -- usage ----------------------------------------------------------------------------------------------------

USAGE = {"input_tokens": 3, "output_tokens": 2}


def test_usage_without_details_gets_them() -> None:
    """A1 case 10."""
    used = say(text("Hi"), the_end(usage=USAGE, service_tier="flex"))[0][1]["Used"]
    assert used["service_tier"] == "flex"
    assert used["usage"] == {
        **USAGE,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 5,
    }


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": None}, {"input_tokens": -1, "output_tokens": "2"}])
def test_usage_that_is_none_is_not_told(usage: Any) -> None:
    """A1 case 20, A2 case 33: an estimate is the engine's, and marked as one."""
    assert names(say(text("Hi"), the_end(usage=usage))) == ["Text", "Stop"]


# -- the end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [[], ["[DONE]"], [an_event("in_progress")], [done(0, a_message("Hi"))]])
def test_a_stream_without_its_last_event_never_ended(tail: list[Any]) -> None:
    """A1 case 13."""
    told, failure = say(text("Hi"), *tail)
    assert told == [HI]
    assert failure["message"] == "The provider's answer never ended."


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"reason": "max_output_tokens"}, "max_output_tokens"),
        ({"reason": "content_filter"}, "content_filter"),
        ({"reason": "length"}, "max_output_tokens"),
        ({"reason": "new_reason"}, "max_output_tokens"),
        ({"reason": None}, "max_output_tokens"),
        ({}, "max_output_tokens"),
        (None, "max_output_tokens"),
    ],
)
def test_an_incomplete_answer_always_has_a_reason(details: Any, reason: str) -> None:
    """A2 case 26; usage is kept."""
    response = {"incomplete_details": details, "usage": USAGE}
    told = say(text("Hi"), the_end(status="incomplete", **response))
    assert names(told) == ["Text", "Used", "Stop"]
    assert told[0][-1] == {"Stop": {"status": "incomplete", "reason": reason}}


def test_a_budget_spent_on_reasoning_is_an_incomplete_answer() -> None:
    """A2 case 25."""
    told = say(the_end(a_thought("hm"), status="incomplete"))
    assert (names(told), told[1]) == (["Thought", "Stop"], None)


@pytest.mark.parametrize(
    ("kind", "fields", "ending"),
    [
        ("completed", {"status": "completed"}, "completed"),
        ("completed", {"status": None}, "completed"),
        ("completed", {"status": "in_progress"}, "completed"),
        ("completed", {"status": "completed", "error": {"code": None, "message": None}}, "completed"),
        ("completed", {"status": "completed", "incomplete_details": {"reason": None}}, "completed"),
        ("completed", {"status": "incomplete"}, "incomplete"),
        ("completed", {"status": "completed", "incomplete_details": {"reason": "max_output_tokens"}}, "incomplete"),
        ("incomplete", {"status": "completed"}, "incomplete"),
        ("completed", {"status": "failed"}, "failure"),
        ("completed", {"status": "cancelled"}, "failure"),
        ("completed", {"status": "completed", "error": {"message": "No."}}, "failure"),
        ("completed", {"status": "completed", "error": "No."}, "failure"),
        ("failed", {"status": "completed"}, "failure"),
        ("cancelled", {"status": "completed"}, "failure"),
        ("cancelled", {"status": "cancelled"}, "failure"),
    ],
)
def test_the_worst_that_is_said_about_an_end_counts(kind: str, fields: dict[str, Any], ending: str) -> None:
    """R2: never a false `completed`."""
    told, failure = say(text("Hi"), an_event(kind, response=fields))
    assert (told[-1]["Stop"]["status"] if "Stop" in told[-1] else "failure") == ending
    assert (failure is not None) == (ending == "failure")


@pytest.mark.parametrize("event", [an_event("completed"), an_event("completed", response=None)])
def test_an_end_may_come_without_its_response(event: Any) -> None:
    """A2 case 34."""
    assert say(text("Hi"), event)[0] == [HI, COMPLETED]


def test_an_empty_answer_is_a_failure() -> None:
    """A2 case 29: it may be asked for once more, so not even its usage is told."""
    for output in ([], [a_message()], [a_message(" \n")]):
        told, failure = say(the_end(*output, usage=USAGE))
        assert failure["code"] == "empty_answer"
        assert "Stop" not in names((told, None))


def test_usage_of_a_failed_answer_counts_once_something_was_shown() -> None:
    """A2 case 28; before that another provider may still be asked."""
    failed = the_end(status="failed", usage=USAGE, error={"code": "server_error", "message": "No."})
    assert names(say(text("Hi"), failed)) == ["Text", "Used"]
    assert names(say(failed)) == []


# -- errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "No.", "param": None}, "ProviderBusy", "No."),
        ({"type": "error", "error": {"code": "rate_limit_exceeded", "message": "No."}}, "ProviderBusy", "No."),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "No."}}, "ProviderBusy", "No."),
        ({"type": "error", "error": None, "message": "No."}, "ProviderBroke", "No."),
        ({"type": "error", "error": None}, "ProviderBroke", "The provider reported an error without a message."),
        ({"type": "error", "error": "No."}, "ProviderBroke", "No."),
        ({"type": "response.error", "error": {"message": "No."}}, "ProviderBroke", "No."),
        ({"error": {"message": "No.", "code": 503}}, "ProviderBusy", "No."),
        (the_end(status="failed", error={"code": "server_error", "message": "No."}), "ProviderBroke", "No."),
        (the_end(status="failed", error={"code": "invalid_prompt", "message": "No."}), "ProviderRefused", "No."),
        (the_end(status="failed", error=None), "ProviderBroke", "The provider reported an error without a message."),
        (an_event("failed", error={"message": "No."}), "ProviderBroke", "No."),
        (
            {"type": "error", "error": {"code": "invalid_api_key", "message": "sk-1"}},
            "ProviderBroke",
            "The provider refused this server's credentials; its operator has to look at the key.",
        ),
    ],
)
def test_an_error_in_the_stream_is_a_failure_with_its_words(event: Any, kind: str, message: str) -> None:
    """A1 cases 14 and 15."""
    for before in ([], [text("Hi")]):
        told, failure = say(*before, event, the_end(a_message("Hi")))
        assert (failure["kind"], failure["message"]) == (kind, message)
        assert told == [HI for _ in before]


@pytest.mark.parametrize(
    "data",
    [
        "{",
        '"words"',
        "[1]",
        '{"type":5}',
        '{"type":"response.output_item.done","item":5}',
        '{"type":"response.output_item.done","item":{"type":"message","content":5}}',
        '{"type":"response.output_text.delta","delta":[1]}',
        '{"type":"response.completed","response":{"output":5}}',
        '{"type":"response.completed","response":{"output":[{"type":"message","content":5}]}}',
    ],
)
def test_an_event_that_can_not_be_read_is_a_failure(data: str) -> None:
    told, failure = say(text("Hi"), data, the_end())
    assert told == [HI]
    assert failure["message"] == "The provider sent an event that can't be read."


def test_bytes_that_are_no_unicode_cost_a_character_and_not_the_answer() -> None:
    stream = sse(text("Hi"), done(0, a_message("Hi, there")), the_end()).replace(b"Hi", b"H\xff\\ud83d")
    assert parse(RESPONSES, stream)[0] == [
        {"Text": {"text": "H\ufffd\ufffd"}},
        {"Text": {"text": ", there"}},
        COMPLETED,
    ]


# -- the whole answer -----------------------------------------------------------------------------------------


def test_a_whole_answer_says_what_its_stream_says() -> None:
    """A1 case 22."""
    output = [a_thought("hm", encrypted_content="s"), a_message("Hi"), a_call("{}"), SEARCH]
    whole = say_at_once({"object": "response", "status": "completed", "output": output, "usage": USAGE})
    assert say(the_end(*output, usage=USAGE)) == whole
    assert say(*(done(place, item) for place, item in enumerate(output)), the_end(usage=USAGE)) == whole


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "No."}}, "No."),
        ({"object": "error", "message": "No.", "code": 500}, "No."),
        ({"type": "error", "error": {"message": "No."}}, "No."),
        ({"object": "response", "status": "failed", "error": {"message": "No."}}, "No."),
        ({"object": "response", "status": "cancelled", "output": []}, "The provider cancelled its answer."),
        ({"object": "response", "status": "queued", "output": None, "id": None}, "The provider's answer never ended."),
        (
            {"object": "response", "status": "in_progress", "output": [a_message("Hi")]},
            "The provider's answer never ended.",
        ),
        ({}, "The provider's answer never ended."),
        ({"choices": []}, "The provider's answer never ended."),
        ({"status": "completed", "output": []}, "The provider's answer is empty."),
    ],
)
def test_a_whole_answer_that_is_none_is_a_failure(body: Any, message: str) -> None:
    """A1 case 15, A2 cases 29 and 34."""
    assert say_at_once(body)[1]["message"] == message


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"[]", b'{"output":5}', b"data: {}\n\n"])
def test_a_whole_answer_that_can_not_be_read_is_a_failure(body: bytes) -> None:
    told, failure = parse(RESPONSES, body, streamed=False)
    assert told == []
    assert failure["message"] == "The provider's answer can't be read."
