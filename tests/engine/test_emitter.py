"""The emitter: any chunks make a legal stream, and each rule of it once more in the small."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import NOTES_KEY, Emitter
from antiphon.errors import LimitReached, ProviderBroke, StoreUnavailable
from antiphon.testing.judges import judge_response, judge_stream
from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.content import Logprob
from antiphon.types.events import Event, ItemDone, Relayed
from antiphon.types.responses import (
    CreateResponse,
    InputTokensDetails,
    OutputTokensDetails,
    Response,
    ResponseError,
    ResponseStatus,
    Usage,
)

encode = msgspec.json.Encoder().encode
decode = msgspec.json.decode

NOW = 1_790_000_000


def a_response(status: ResponseStatus = "in_progress", **asked: Any) -> Response:
    return first_snapshot(
        CreateResponse(model="m", **asked),
        response_id="resp_0a",
        created_at=NOW - 5,
        conversation_id=None,
        tools=[],
        status=status,
    )


def some_usage(tokens: int = 3) -> Usage:
    return Usage(
        input_tokens=tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=1),
        output_tokens=2,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=1),
        total_tokens=tokens + 2,
    )


def body(event: Event) -> bytes:
    return bytes(event.body) if isinstance(event, Relayed) else encode(event)


class Told:
    """A whole stream, judged."""

    def __init__(self, events: Sequence[Event]) -> None:
        frames = [body(event) for event in events]
        self.last = judge_stream(frames)
        self.events: list[dict[str, Any]] = [decode(frame) for frame in frames]

    @property
    def types(self) -> list[str]:
        return [event["type"].removeprefix("response.") for event in self.events]

    @property
    def output(self) -> list[dict[str, Any]]:
        return list(self.last["output"])

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == f"response.{kind}"]


def tell(*said: Chunk, emitter: Emitter | None = None) -> Told:
    """The stream of one response that says `said`, one network read each, and then ends as its Stop says."""
    emitter = emitter or Emitter(a_response())
    events = [event for chunk in said for event in emitter.add([chunk])]
    return Told(events + emitter.finish(NOW))


def completed() -> chunks.Stop:
    return chunks.Stop("completed")


def a_call(key: chunks.Key, call_id: str = "", name: str = "look", **more: Any) -> chunks.CallOpened:
    return chunks.CallOpened(key, call_id or f"call_{key}", name, **more)


# -- any chunks at all ----------------------------------------------------------------------------------------

keys = st.sampled_from([0, 1, "a"])
words = st.sampled_from(["", " ", "\n\n", "Hi", " there", "🌍", "\x00", '{"a":', "1}"]) | st.text(max_size=3)
call_ids = st.sampled_from(["", "call_1", "call_2", "taken"])
logprobs = st.lists(
    st.builds(Logprob, token=words, logprob=st.just(-0.5), bytes=st.just([72]), top_logprobs=st.just([])), max_size=2
)

PASSED: list[dict[str, Any]] = [
    {"type": "web_search_call", "id": "ws_up", "status": "in_progress", "action": {"type": "search", "query": "x"}},
    {"type": "image_generation_call", "id": "ig_up", "status": "in_progress", "result": None},
    {"type": "mcp_call", "id": "mcp_up", "arguments": "{}", "name": "n", "server_label": "s", "status": "calling"},
    {
        "type": "code_interpreter_call",
        "id": "ci_up",
        "code": "1",
        "container_id": "c",
        "outputs": None,
        "status": "interpreting",
    },
    {"type": "file_search_call", "id": "fs_up", "queries": ["q"], "status": "searching"},
    {"type": "mcp_list_tools", "id": "l", "server_label": "s", "tools": []},
    {"type": "compaction", "id": "up", "encrypted_content": "sealed"},
    {"type": "local_shell_call", "call_id": "call_1", "status": "in_progress"}
    | {"action": {"type": "exec", "command": ["ls"], "env": {}}},
    {"type": "shell_call", "call_id": "call_1", "status": "in_progress", "action": {"commands": ["ls"]}}
    | {"environment": None},
    {"type": "acme:widget", "id": "w", "status": "in_progress"},
]
passed = st.sampled_from(PASSED)
begun = passed.map(lambda item: Raw(encode(item)))
done = passed.map(lambda item: Raw(encode({**item, "status": "completed"} if "status" in item else item)))
citations = st.just(
    Raw(encode({"type": "url_citation", "url": "https://a.example", "start_index": 0, "end_index": 1, "title": "A"}))
)
stops = st.builds(
    chunks.Stop,
    st.sampled_from(["completed", "completed", "incomplete", "failed"]),
    st.sampled_from([None, "max_output_tokens", "content_filter"]),
    st.sampled_from([None, ResponseError(code="server_error", message="broke")]),
)

any_chunk: st.SearchStrategy[Chunk] = st.one_of(
    st.builds(chunks.Text, words, logprobs),
    st.builds(chunks.Text, words),
    st.builds(chunks.Refused, words),
    st.builds(chunks.Annotated, citations),
    st.builds(chunks.Thought, words),
    st.builds(chunks.Summarized, words, st.integers(0, 2)),
    st.builds(chunks.ThoughtState, words),
    st.builds(chunks.Break, st.booleans(), st.sampled_from([None, "commentary", "final_answer"])),
    st.builds(chunks.CallOpened, keys, call_ids, st.just("look"), st.booleans(), st.sampled_from([None, "ns"])),
    st.builds(chunks.CallDelta, keys, words),
    st.builds(chunks.CallClosed, keys),
    st.builds(chunks.ItemOpened, keys, begun),
    st.builds(chunks.ItemNews, keys, st.just("response.web_search_call.searching"), st.just({"item_id": "ws_up"})),
    st.builds(chunks.ItemClosed, keys, done),
    st.builds(chunks.Used, st.integers(0, 9).map(some_usage), st.sampled_from([None, "priority"])),
    stops,
)
reads = st.lists(st.lists(any_chunk, max_size=4), max_size=12)


def end_by_stop(emitter: Emitter) -> list[Event]:
    return emitter.finish(NOW, some_usage())


def end_by_failure(emitter: Emitter) -> list[Event]:
    return emitter.fail(ProviderBroke("gone"))


def end_by_leaving(emitter: Emitter) -> list[Event]:
    return emitter.interrupt("incomplete")


def end_by_cancelling(emitter: Emitter) -> list[Event]:
    return emitter.interrupt("cancelled", some_usage())


@settings(deadline=None, max_examples=100)
@given(
    said=reads,
    end=st.sampled_from([end_by_stop, end_by_failure, end_by_leaving, end_by_cancelling]),
    status=st.sampled_from(["queued", "in_progress"]),
    begins=st.booleans(),
    show_state=st.booleans(),
    notes=st.sampled_from([(), ("temperature was left out",)]),
)
def test_any_chunks_make_a_legal_stream(  # noqa: PLR0917 # given by name
    said: list[list[Chunk]],
    end: Callable[[Emitter], list[Event]],
    status: ResponseStatus,
    begins: bool,
    show_state: bool,
    notes: Sequence[str],
) -> None:
    emitter = Emitter(a_response(status), show_state=show_state, taken_call_ids=["taken"], notes=notes)
    events = emitter.begin() if begins else []
    for read in said:
        events += emitter.add(read)
    events += end(emitter)
    last = judge_stream([body(event) for event in events])
    judge_response(encode(emitter.response))
    assert decode(encode(emitter.response)) == last
    assert [identity for identity, _ in emitter.stored] == [item["id"] for item in last["output"]]
    calls = [item["call_id"] for item in last["output"] if item["type"] in {"function_call", "custom_tool_call"}]
    assert len(calls) == len(set(calls))
    assert "taken" not in calls


# -- the response's own life ----------------------------------------------------------------------------------


def test_a_stream_begins_with_created_and_in_progress_and_ends_with_one_terminal_event() -> None:
    told = tell(chunks.Text("Hi"), completed())
    assert told.types == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert told.last["status"] == "completed"
    assert told.last["completed_at"] == NOW


def test_a_turn_that_says_nothing_is_a_response_without_output() -> None:
    told = tell(completed())
    assert told.types == ["created", "in_progress", "completed"]
    assert told.output == []


def test_the_opening_events_are_given_out_once() -> None:
    emitter = Emitter(a_response())
    begun = [emitter.has_started]
    assert len(emitter.start()) == 2
    assert [*begun, emitter.has_started] == [False, True]
    assert emitter.start() == emitter.begin() == []


def test_a_queued_response_is_in_progress_before_anything_is_said() -> None:
    emitter = Emitter(a_response("queued"))
    events = emitter.start()
    assert [event.type for event in events] == ["response.created", "response.queued"]
    assert emitter.response.status == "queued"
    events += emitter.add([chunks.Text("Hi"), completed()]) + emitter.finish(NOW)
    told = Told(events)
    assert told.types[:4] == ["created", "queued", "in_progress", "output_item.added"]
    assert [event["response"]["status"] for event in told.events[:3]] == ["queued", "queued", "in_progress"]


def test_a_queued_response_can_be_cancelled_before_it_begins() -> None:
    emitter = Emitter(a_response("queued"))
    told = Told(emitter.start() + emitter.interrupt("cancelled"))
    assert told.types == ["created", "queued", "failed"]
    assert told.last["status"] == "cancelled"


def test_the_last_snapshot_holds_the_very_bytes_of_the_done_items() -> None:
    emitter = Emitter(a_response())
    events = emitter.add([chunks.Thought("t"), chunks.Text("Hi"), a_call(0), completed()]) + emitter.finish(NOW)
    items = [bytes(event.item) for event in events if isinstance(event, ItemDone)]
    assert [bytes(raw) for raw in emitter.response.output] == items
    assert [bytes(raw) for _, raw in emitter.stored] == items


def test_the_ids_of_items_come_from_the_response() -> None:
    told = tell(chunks.Thought("t"), chunks.Text("Hi"), a_call(0), a_call(1, custom=True), completed())
    assert [item["id"] for item in told.output] == ["rs_0ao0", "msg_0ao1", "fc_0ao2", "ctc_0ao3"]


def test_the_usage_is_the_last_word_on_it_also_after_the_turn_was_cut() -> None:
    told = tell(
        chunks.Used(some_usage(1)),
        chunks.Text("Hi"),
        chunks.Stop("incomplete", "max_output_tokens"),
        chunks.Used(some_usage(7), "priority"),
    )
    assert told.last["usage"]["input_tokens"] == 7
    assert told.last["service_tier"] == "priority"


def test_an_estimate_counts_only_when_no_usage_was_reported() -> None:
    for said, tokens in (([], 100), ([chunks.Used(some_usage(7))], 7)):
        emitter = Emitter(a_response())
        events = emitter.add([*said, chunks.Text("Hi"), completed()]) + emitter.finish(NOW, some_usage(100))
        assert Told(events).last["usage"]["input_tokens"] == tokens


def test_notes_stand_in_the_metadata_of_every_snapshot() -> None:
    notes = ["top_p was left out"]
    emitter = Emitter(a_response(metadata={"mine": "1"}), notes=notes)
    events = emitter.start()
    notes.append("usage is estimated")
    told = Told(events + emitter.add([chunks.Text("Hi"), completed()]) + emitter.finish(NOW))
    first, last = told.events[0]["response"]["metadata"], told.last["metadata"]
    assert first == {"mine": "1", NOTES_KEY: "top_p was left out"}
    assert last == {"mine": "1", NOTES_KEY: "top_p was left out; usage is estimated"}


def test_notes_keep_to_the_length_of_a_metadata_value() -> None:
    emitter = Emitter(a_response(), notes=["x" * 600])
    emitter.start()
    assert len(emitter.response.metadata[NOTES_KEY]) == 512


def test_a_response_without_notes_has_the_metadata_of_its_request() -> None:
    emitter = Emitter(a_response(metadata={"mine": "1"}))
    assert Told(emitter.start() + emitter.finish(NOW)).last["metadata"] == {"mine": "1"}


# -- how it ends ----------------------------------------------------------------------------------------------


def test_an_incomplete_turn_leaves_an_incomplete_last_item() -> None:
    told = tell(chunks.Text("Hi"), chunks.Break(), chunks.Text("and"), chunks.Stop("incomplete", "content_filter"))
    assert told.types[-1] == "incomplete"
    assert told.last["incomplete_details"] == {"reason": "content_filter"}
    assert [item["status"] for item in told.output] == ["completed", "incomplete"]


def test_of_several_open_items_the_last_opened_is_the_incomplete_one() -> None:
    told = tell(
        a_call(0),
        chunks.CallDelta(0, "{}"),
        a_call(1),
        chunks.CallDelta(1, '{"a'),
        chunks.Stop("incomplete", "max_output_tokens"),
    )
    assert [item["status"] for item in told.output] == ["completed", "incomplete"]
    assert told.output[1]["arguments"] == '{"a'


def test_a_turn_cut_within_its_reasoning_keeps_the_reasoning() -> None:
    told = tell(chunks.Thought("let me"), chunks.Stop("incomplete", "max_output_tokens"))
    assert told.last["status"] == "incomplete"
    assert told.output[0]["content"] == [{"type": "reasoning_text", "text": "let me"}]


def test_an_incomplete_turn_without_a_reason_gets_the_common_one() -> None:
    told = tell(chunks.Text("Hi"), chunks.Stop("incomplete"))
    assert told.last["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize("said", [[], [chunks.Stop("failed")]], ids=["no ending", "no reason"])
def test_a_failure_always_says_what_went_wrong(said: list[Chunk]) -> None:
    error = tell(*said).last["error"]
    assert error["code"] == "server_error"
    assert error["message"]


def test_a_completed_turn_has_neither_reason_nor_error() -> None:
    error = ResponseError(code="server_error", message="no")
    told = tell(chunks.Stop("completed", "max_output_tokens", error))
    assert told.last["error"] is told.last["incomplete_details"] is None


def test_what_is_said_after_a_cut_turn_is_not_heard() -> None:
    stop = chunks.Stop("incomplete", "max_output_tokens")
    told = tell(chunks.Text("Hi"), stop, chunks.Text(" there"), a_call(0), completed())
    assert told.last["status"] == "incomplete"
    assert [item["content"][0]["text"] for item in told.output] == ["Hi"]


def test_a_completed_turn_can_be_followed_by_another() -> None:
    told = tell(chunks.Text("one"), completed(), chunks.Text("two"), completed())
    assert [item["content"][0]["text"] for item in told.output] == ["one", "two"]


def test_a_failure_keeps_what_was_said_so_far() -> None:
    emitter = Emitter(a_response())
    events = emitter.add([chunks.Text("Hi"), a_call(0), chunks.CallDelta(0, '{"a')])
    told = Told(events + emitter.fail(LimitReached("slow down")))
    assert told.types[-1] == "failed"
    assert told.last["error"] == {"code": "rate_limit_exceeded", "message": "slow down"}
    assert [item["status"] for item in told.output] == ["completed", "incomplete"]


def test_a_failure_before_the_first_event_is_still_a_whole_stream() -> None:
    told = Told(Emitter(a_response()).fail(ProviderBroke("gone")))
    assert told.types == ["created", "in_progress", "failed"]
    assert told.last["completed_at"] is None


@pytest.mark.parametrize(
    ("status", "last"), [("incomplete", "incomplete"), ("cancelled", "failed")], ids=["client left", "called off"]
)
def test_an_interrupted_response_keeps_what_was_said_so_far(
    status: Literal["incomplete", "cancelled"], last: str
) -> None:
    emitter = Emitter(a_response())
    events = emitter.add([chunks.Text("Hi")])
    told = Told(events + emitter.interrupt(status, some_usage(4)))
    assert told.types[-1] == last
    assert told.last["status"] == status
    assert told.last["error"] is told.last["completed_at"] is None
    assert told.last["usage"]["input_tokens"] == 4
    assert told.output[0]["status"] == "incomplete"


def test_a_response_ends_once() -> None:
    emitter = Emitter(a_response())
    events = emitter.add([chunks.Text("Hi"), completed()]) + emitter.finish(NOW)
    for more in (emitter.add([chunks.Text("!"), completed()]), emitter.finish(NOW + 1), emitter.interrupt("cancelled")):
        assert more == []
    assert Told(events).last == decode(encode(emitter.response))


def test_an_end_that_nobody_saw_can_be_taken_back_as_a_failure() -> None:
    emitter = Emitter(a_response())
    events = emitter.add([chunks.Text("Hi"), completed()]) + emitter.finish(NOW)
    events[-1:] = emitter.fail(StoreUnavailable())
    told = Told(events)
    assert told.types[-1] == "failed"
    assert told.last["completed_at"] is None
    assert told.output[0]["content"][0]["text"] == "Hi"


# -- messages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\t"])
def test_white_space_before_a_call_makes_no_message(blank: str) -> None:
    told = tell(chunks.Text(blank), a_call(0), chunks.CallDelta(0, "{}"), chunks.Text(blank), completed())
    assert [item["type"] for item in told.output] == ["function_call"]


def test_white_space_alone_makes_no_message() -> None:
    assert tell(chunks.Text("\n"), completed()).output == []


def test_white_space_is_kept_when_text_follows() -> None:
    token = Logprob(token="x", logprob=-0.5, bytes=[120], top_logprobs=[])
    told = tell(chunks.Text("\n", [token]), chunks.Text(" "), chunks.Text("Hi", [token]), completed())
    assert told.output[0]["content"][0]["text"] == "\n Hi"
    assert len(told.output[0]["content"][0]["logprobs"]) == 2
    assert [event["delta"] for event in told.of("output_text.delta")] == ["\n Hi"]


def test_white_space_inside_a_text_comes_as_it_is_said() -> None:
    told = tell(chunks.Text("a"), chunks.Text("\n\n"), chunks.Text(""), chunks.Text("b"), completed())
    assert [event["delta"] for event in told.of("output_text.delta")] == ["a", "\n\n", "b"]


def test_log_probabilities_of_a_token_without_text_are_not_lost() -> None:
    token = Logprob(token="bytes:\\xf0", logprob=-0.5, bytes=[240], top_logprobs=[])
    told = tell(chunks.Text("a"), chunks.Text("", [token]), completed())
    assert [part["token"] for part in told.output[0]["content"][0]["logprobs"]] == ["bytes:\\xf0"]


def test_items_stand_in_the_order_they_were_said_and_are_not_merged_by_kind() -> None:
    told = tell(chunks.Thought("t"), chunks.Text("a"), chunks.Thought("u"), chunks.Text("b"), a_call(0), completed())
    assert [item["type"] for item in told.output] == ["reasoning", "message", "reasoning", "message", "function_call"]


def test_text_after_a_call_is_a_message_of_its_own() -> None:
    told = tell(chunks.Text("a"), a_call(0), chunks.Text("b"), completed())
    assert [item["type"] for item in told.output] == ["message", "function_call", "message"]


def test_a_break_ends_a_part_or_the_whole_message() -> None:
    told = tell(
        chunks.Text("a"),
        chunks.Break(whole_item=False),
        chunks.Text("b"),
        chunks.Break(),
        chunks.Text("c"),
        completed(),
    )
    assert [[part["text"] for part in item["content"]] for item in told.output] == [["a", "b"], ["c"]]


def test_a_phase_belongs_to_the_message_that_follows() -> None:
    told = tell(
        chunks.Break(phase="commentary"),
        chunks.Text("a"),
        chunks.Break(phase="final_answer"),
        chunks.Text("b"),
        chunks.Break(),
        chunks.Text("c"),
        completed(),
    )
    assert [item.get("phase") for item in told.output] == ["commentary", "final_answer", None]


def test_a_refusal_is_a_part_of_a_message() -> None:
    told = tell(chunks.Text("Well, "), chunks.Refused("I "), chunks.Refused("won't"), completed())
    (message,) = told.output
    assert message["content"][1] == {"type": "refusal", "refusal": "I won't"}
    assert [event["content_index"] for event in told.of("refusal.delta")] == [1, 1]


def test_annotations_are_kept_as_they_came_and_numbered_within_their_part() -> None:
    first = {"type": "url_citation", "url": "https://a.example", "start_index": 0, "end_index": 1, "title": "A", "x": 1}
    said = [chunks.Annotated(Raw(encode({**first, "title": title}))) for title in "AB"]
    told = tell(chunks.Text("Hi"), *said, completed())
    assert [event["annotation_index"] for event in told.of("output_text.annotation.added")] == [0, 1]
    assert told.output[0]["content"][0]["annotations"] == [first, {**first, "title": "B"}]


# -- reasoning ------------------------------------------------------------------------------------------------


def test_a_summary_has_a_part_for_each_paragraph() -> None:
    told = tell(chunks.Summarized("a"), chunks.Summarized("b"), chunks.Summarized("c", part=1), completed())
    assert [part["text"] for part in told.output[0]["summary"]] == ["ab", "c"]
    assert "content" not in told.output[0]


def test_raw_reasoning_is_never_text_of_a_message() -> None:
    told = tell(chunks.Thought("secret"), chunks.Text("Hi"), completed())
    reasoning, message = told.output
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "secret"}]
    assert reasoning["summary"] == []
    assert "secret" not in str(message)


def test_a_providers_state_is_stored_and_shown_only_when_it_was_asked_for() -> None:
    for show_state in (False, True):
        emitter = Emitter(a_response(), show_state=show_state)
        said: list[Chunk] = [chunks.Summarized("s"), chunks.ThoughtState("sealed"), chunks.Text("Hi"), completed()]
        told = Told(emitter.add(said) + emitter.finish(NOW))
        assert ("sealed" in str(told.events)) == show_state
        (_, stored), _ = emitter.stored
        assert decode(stored)["encrypted_content"] == "sealed"


def test_a_providers_state_may_stand_alone() -> None:
    told = tell(chunks.ThoughtState("sealed"), completed(), emitter=Emitter(a_response(), show_state=True))
    assert [item["encrypted_content"] for item in told.output] == ["sealed"]


# -- calls ----------------------------------------------------------------------------------------------------


def test_parallel_calls_are_told_apart_also_between_pieces_of_text() -> None:
    told = tell(
        a_call(0),
        a_call(1),
        chunks.CallDelta(0, '{"a":'),
        chunks.Text("Looking"),
        chunks.CallDelta(1, '{"b":'),
        chunks.CallDelta(0, "1}"),
        chunks.Thought("hm"),
        chunks.CallDelta(1, "2}"),
        completed(),
    )
    assert [item["type"] for item in told.output] == ["function_call", "function_call", "message", "reasoning"]
    assert [item["arguments"] for item in told.output[:2]] == ['{"a":1}', '{"b":2}']


@pytest.mark.parametrize("said", [[], [""], [" "], ["", "\n"]])
def test_a_call_without_arguments_is_a_call_with_an_empty_object(said: list[str]) -> None:
    told = tell(a_call(0), *[chunks.CallDelta(0, text) for text in said], chunks.CallClosed(0), completed())
    assert decode(told.output[0]["arguments"]) == {}
    assert told.of("function_call_arguments.delta")[-1]["delta"] == "{}"
    assert len(told.of("function_call_arguments.done")) == 1


def test_an_empty_piece_of_arguments_is_nothing() -> None:
    told = tell(a_call(0), chunks.CallDelta(0, ""), chunks.CallDelta(0, "{}"), chunks.CallDelta(0, ""), completed())
    assert [event["delta"] for event in told.of("function_call_arguments.delta")] == ["{}"]


def test_a_freeform_call_has_input_and_may_have_none() -> None:
    told = tell(
        a_call(0, custom=True, namespace="ns"),
        chunks.CallDelta(0, "ls "),
        chunks.CallDelta(0, "-l"),
        a_call(1, custom=True),
        completed(),
    )
    assert [item["type"] for item in told.output] == ["custom_tool_call", "custom_tool_call"]
    assert [item["input"] for item in told.output] == ["ls -l", ""]
    assert told.output[0]["namespace"] == "ns"


def test_a_call_id_that_was_used_before_is_replaced() -> None:
    emitter = Emitter(a_response(), taken_call_ids=["call_0"])
    said = [
        chunks.CallOpened(key, call_id, "look") for key, call_id in enumerate(["call_0", "call_1", "call_1", "", ""])
    ]
    told = tell(*said, completed(), emitter=emitter)
    given = [item["call_id"] for item in told.output]
    assert given == ["call_0ao0", "call_1", "call_0ao2", "call_0ao3", "call_0ao4"]


def test_an_open_call_that_is_opened_again_is_the_same_call() -> None:
    told = tell(a_call(0), chunks.CallDelta(0, "{"), a_call(0), chunks.CallDelta(0, "}"), completed())
    assert [item["arguments"] for item in told.output] == ["{}"]


def test_a_key_may_be_used_again_once_its_call_is_closed() -> None:
    told = tell(a_call(0), chunks.CallClosed(0), chunks.CallDelta(0, "late"), a_call(0, "call_b"), completed())
    assert [item["call_id"] for item in told.output] == ["call_0", "call_b"]
    assert [item["arguments"] for item in told.output] == ["{}", "{}"]


def test_pieces_and_ends_of_calls_that_nobody_opened_are_nothing() -> None:
    assert tell(chunks.CallDelta(0, "{}"), chunks.CallClosed(0), completed()).output == []


# -- items that are only passed on ----------------------------------------------------------------------------

SEARCH = {"type": "web_search_call", "id": "ws_up", "status": "in_progress", "action": {"type": "search", "query": "x"}}


def raw(item: dict[str, Any], **changes: Any) -> Raw:
    return Raw(encode({**item, **changes}))


def test_a_passed_on_item_has_our_id_and_index_in_all_of_its_events() -> None:
    theirs = {"item_id": "ws_up", "output_index": 9, "sequence_number": 90, "extra": "kept"}
    told = tell(
        chunks.Text("Let me see"),
        chunks.ItemOpened("k", raw(SEARCH)),
        chunks.ItemNews("k", "response.web_search_call.searching", theirs),
        chunks.ItemClosed("k", raw(SEARCH, status="completed", extra="kept")),
        completed(),
    )
    (news,) = told.of("web_search_call.searching")
    assert (news["item_id"], news["output_index"], news["extra"]) == ("ws_0ao1", 1, "kept")
    assert told.output[1] == {**SEARCH, "id": "ws_0ao1", "status": "completed", "extra": "kept"}


def test_a_passed_on_item_may_come_whole() -> None:
    told = tell(chunks.ItemClosed("k", raw(SEARCH, status="completed")), completed())
    assert told.types[2:4] == ["output_item.added", "output_item.done"]


def test_news_of_an_item_that_is_not_open_is_nothing() -> None:
    news = chunks.ItemNews("k", "response.web_search_call.searching", {})
    told = tell(news, chunks.ItemClosed("k", raw(SEARCH, status="completed")), news, completed())
    assert told.of("web_search_call.searching") == []


@pytest.mark.parametrize(
    ("kind", "stop", "status"),
    [
        ("web_search_call", completed(), "completed"),
        ("web_search_call", chunks.Stop("incomplete"), "failed"),
        ("computer_call", chunks.Stop("incomplete"), "incomplete"),
        ("apply_patch_call", chunks.Stop("incomplete"), "in_progress"),
    ],
)
def test_a_passed_on_item_that_its_upstream_never_finished_gets_a_status_of_its_type(
    kind: str, stop: chunks.Stop, status: str
) -> None:
    rest: dict[str, dict[str, Any]] = {
        "web_search_call": {},
        "computer_call": {"call_id": "c", "pending_safety_checks": [], "action": {"type": "screenshot"}},
        "apply_patch_call": {"call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
    }
    told = tell(chunks.ItemOpened("k", raw(SEARCH, type=kind, **rest[kind])), stop)
    assert told.output[0]["status"] == status


def test_a_passed_on_item_that_is_opened_twice_is_one() -> None:
    told = tell(
        chunks.ItemOpened("k", raw(SEARCH)),
        chunks.ItemOpened("k", raw(SEARCH)),
        chunks.ItemClosed("k", raw(SEARCH, status="completed")),
        completed(),
    )
    assert len(told.output) == 1


def test_an_item_that_ends_as_another_type_is_another_item() -> None:
    ended = {"type": "file_search_call", "id": "fs_up", "status": "completed", "queries": []}
    told = tell(chunks.ItemOpened("k", raw(SEARCH)), chunks.ItemClosed("k", raw(ended)), completed())
    assert [(item["type"], item["status"]) for item in told.output] == [
        ("web_search_call", "completed"),
        ("file_search_call", "completed"),
    ]


def test_a_call_and_a_passed_on_item_never_share_a_key() -> None:
    told = tell(
        a_call("k"),
        chunks.ItemOpened("k", raw(SEARCH)),
        a_call("k", "call_b"),
        chunks.CallDelta("k", "{}"),
        completed(),
    )
    assert [item["type"] for item in told.output] == ["function_call", "web_search_call", "function_call"]


def test_a_passed_on_call_never_shares_its_call_id_and_its_output_follows_it() -> None:
    call: dict[str, Any] = {"type": "shell_call", "call_id": "c", "status": "completed", "action": {"commands": ["ls"]}}
    call["environment"] = None
    output: dict[str, Any] = {"type": "shell_call_output", "call_id": "c", "status": "completed", "output": []}
    output["max_output_length"] = None
    emitter = Emitter(a_response(), taken_call_ids=["c"])
    told = tell(
        chunks.ItemClosed("a", raw(call, id="s1")),
        chunks.ItemClosed("b", raw(output, id="o1")),
        chunks.ItemClosed("c", raw(call, id="s2")),
        chunks.ItemClosed("d", raw(output, id="o2")),
        completed(),
        emitter=emitter,
    )
    given = [item["call_id"] for item in told.output]
    assert given[0] == given[1] != given[2] == given[3]
    assert "c" not in given


def test_items_of_an_extension_travel_as_they_are() -> None:
    widget = {"type": "acme:widget", "id": "w", "status": "completed", "size": 3}
    told = tell(chunks.ItemClosed("k", raw(widget)), completed())
    assert told.output == [{**widget, "id": "item_0ao0"}]
