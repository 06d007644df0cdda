"""Answers of both dialects: streamed and whole they say the same, and official clients understand every one."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from antiphon.types import chunks
from antiphon.types.chunks import Chunk
from antiphon.types.content import Logprob, TopLogprob
from antiphon.types.responses import InputTokensDetails, OutputTokensDetails, ResponseError, Usage
from tests.dialects.hearing import (
    Json,
    chunks_of,
    completion,
    ended,
    events_of,
    heard_by_anthropic,
    heard_by_openai,
    message,
)

DONE = chunks.Stop("completed")
CUT = chunks.Stop("incomplete", "max_output_tokens")
FILTERED = chunks.Stop("incomplete", "content_filter")
USED = chunks.Used(
    Usage(
        input_tokens=100,
        input_tokens_details=InputTokensDetails(cached_tokens=60, cache_write_tokens=30),
        output_tokens=20,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=7),
        total_tokens=120,
    )
)


def a_call(key: int = 0, name: str = "look", custom: bool = False) -> chunks.CallOpened:
    return chunks.CallOpened(key, f"call_{key}", name, custom)


def a_citation(start: int = 0, end: int = 2) -> chunks.Annotated:
    fields = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": start, "end_index": end}
    return chunks.Annotated(Raw(json.dumps(fields).encode()))


def chat_of(*said: Chunk) -> Json:
    """The chat completion of what was said, streamed and whole, which are the same."""
    batches, response = ended(*[[chunk] for chunk in said])
    whole = completion(response)
    assert heard_by_openai(chunks_of(batches)) == whole
    return whole


def message_of(*said: Chunk) -> Json:
    """The message of what was said, streamed and whole, which are the same."""
    batches, response = ended(*[[chunk] for chunk in said])
    whole = message(response)
    assert heard_by_anthropic(events_of(batches)) == whole
    return whole


# -- any chunks at all ----------------------------------------------------------------------------------------

words = st.sampled_from(["", " ", "\n\n", "Hi", " there", "🌍", "\x00"]) | st.text(max_size=3)
pieces = st.one_of(
    st.builds(chunks.Text, words),
    st.builds(chunks.Text, words, st.just([Logprob(token="H", logprob=-0.5, bytes=[72], top_logprobs=[])])),
    st.builds(chunks.Refused, words),
    st.just(a_citation()),
    st.builds(chunks.Summarized, words, st.integers(0, 2)),
    st.builds(chunks.ThoughtState, words),
    st.builds(chunks.Break, st.booleans()),
    st.builds(a_call, st.integers(0, 2)),
    st.builds(chunks.CallDelta, st.integers(0, 2), st.just("{}")),
    st.builds(chunks.CallClosed, st.integers(0, 2)),
    st.just(chunks.ItemOpened(7, Raw(b'{"type":"web_search_call","id":"ws_up","status":"in_progress"}'))),
    st.just(USED),
)
stops = st.sampled_from([DONE, CUT, FILTERED])
reads = st.lists(st.lists(pieces, max_size=4), max_size=10)


@settings(deadline=None, max_examples=150, derandomize=True, database=None)
@given(said=reads, stop=stops)
def test_a_chat_stream_says_what_the_whole_completion_says(said: list[list[Chunk]], stop: Chunk) -> None:
    batches, response = ended(*said, [stop])
    assert heard_by_openai(chunks_of(batches, usage=True)) == completion(response)


@settings(deadline=None, max_examples=150, derandomize=True, database=None)
@given(said=reads, stop=stops)
def test_a_message_stream_says_what_the_whole_message_says(said: list[list[Chunk]], stop: Chunk) -> None:
    batches, response = ended(*said, [stop])
    heard, whole = heard_by_anthropic(events_of(batches)), message(response)
    for block in [*heard["content"], *whole["content"]]:
        if block["type"] == "tool_use":
            block["input"] = {}  # arguments here are no object when they come in several pieces
    assert heard == whole


# -- Chat Completions -----------------------------------------------------------------------------------------


def test_a_completion_has_text_finish_and_an_id_of_its_response() -> None:
    told = chat_of(chunks.Text("Hel"), chunks.Text("lo"), DONE)
    assert told["message"] == {"role": "assistant", "content": "Hello"}
    assert (told["finish_reason"], told["id"], told["model"]) == ("stop", "chatcmpl-0a", "m")


def test_a_completion_without_text_has_content_null() -> None:
    _, response = ended([a_call(), DONE])
    assert "content" not in completion(response)["message"]


def test_calls_are_numbered_in_their_order_and_end_the_turn() -> None:
    told = chat_of(
        a_call(0),
        chunks.CallDelta(0, '{"a":'),
        a_call(1, "ask"),
        chunks.CallDelta(1, "{}"),
        chunks.CallDelta(0, "1}"),
        DONE,
    )
    assert told["finish_reason"] == "tool_calls"
    assert told["message"]["tool_calls"] == [
        {"id": "call_0", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}},
        {"id": "call_1", "type": "function", "function": {"name": "ask", "arguments": "{}"}},
    ]


def test_a_freeform_call_has_plain_input() -> None:
    told = chat_of(a_call(0, "patch", custom=True), chunks.CallDelta(0, "*** "), chunks.CallDelta(0, "Begin"), DONE)
    assert told["message"]["tool_calls"] == [
        {"id": "call_0", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}
    ]


def test_a_refusal_has_a_field_of_its_own() -> None:
    told = chat_of(chunks.Refused("I can't "), chunks.Refused("help."), DONE)
    assert (told["message"]["refusal"], told["finish_reason"]) == ("I can't help.", "stop")
    assert "content" not in told["message"]


@pytest.mark.parametrize(("stop", "finish"), [(CUT, "length"), (FILTERED, "content_filter")])
def test_what_was_cut_says_why(stop: Chunk, finish: str) -> None:
    assert chat_of(chunks.Text("Hel"), stop)["finish_reason"] == finish
    assert chat_of(a_call(), chunks.CallDelta(0, '{"a'), stop)["finish_reason"] == finish


@pytest.mark.parametrize("kind", [chunks.Thought, chunks.Summarized])
def test_reasoning_stands_beside_the_content(kind: Any) -> None:
    told = chat_of(kind("Let me "), kind("see."), chunks.Text("Yes."), DONE)
    assert told["message"] == {"role": "assistant", "content": "Yes.", "reasoning_content": "Let me see."}


def test_parts_of_a_summary_and_several_messages_are_parted_by_a_blank_line() -> None:
    told = chat_of(
        chunks.Summarized("One.", 0),
        chunks.Summarized("Two.", 1),
        chunks.Text("A"),
        chunks.Break(),
        chunks.Text("B"),
        chunks.Break(whole_item=False),
        chunks.Text("C"),
        DONE,
    )
    assert told["message"]["reasoning_content"] == "One.\n\nTwo."
    assert told["message"]["content"] == "A\n\nBC"


def test_citations_count_the_characters_of_the_whole_content() -> None:
    told = chat_of(chunks.Text("See A."), chunks.Break(), chunks.Text("And B."), a_citation(4, 5), DONE)
    (annotation,) = told["message"]["annotations"]
    cited = annotation["url_citation"]
    assert told["message"]["content"][cited["start_index"] : cited["end_index"]] == "B"
    assert (annotation["type"], cited["title"]) == ("url_citation", "A")


def test_a_citation_of_another_kind_is_left_out() -> None:
    odd = [Raw(b'{"type":"file_citation","file_id":"f","index":0}'), Raw(b'{"type":"url_citation","url":7}')]
    told = chat_of(chunks.Text("See."), *[chunks.Annotated(each) for each in odd], DONE)
    assert "annotations" not in told["message"]


def test_log_probabilities_come_with_their_text() -> None:
    prob = Logprob(
        token="Hi",
        logprob=-0.1,
        bytes=[72, 105],
        top_logprobs=[TopLogprob(token="Hi", logprob=-0.1, bytes=[72, 105])],
    )
    assert chat_of(chunks.Text("Hi", [prob]), DONE)["logprobs"][0]["top_logprobs"][0]["token"] == "Hi"


def test_usage_is_a_last_chunk_of_its_own_when_it_is_asked_for() -> None:
    batches, _ = ended([chunks.Text("Hi"), USED, DONE])
    *others, last = chunks_of(batches, usage=True)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    assert [chunk["usage"] for chunk in others] == [None] * len(others)
    assert all("usage" not in chunk for chunk in chunks_of(batches))


def test_a_chat_stream_that_fails_ends_with_its_error() -> None:
    error = ResponseError(code="rate_limit_exceeded", message="slow down")
    batches, _ = ended([chunks.Text("Hel"), chunks.Stop("failed", error=error)])
    *_, last = chunks_of(batches)
    assert last["error"]["message"] == "slow down"
    assert last["error"]["code"] == "rate_limit_exceeded"


# -- Messages -------------------------------------------------------------------------------------------------


def test_a_message_has_blocks_a_stop_reason_and_an_id_of_its_response() -> None:
    told = message_of(chunks.Text("Hel"), chunks.Text("lo"), DONE)
    assert told["content"] == [{"type": "text", "text": "Hello"}]
    assert (told["stop_reason"], told["id"], told["model"], told["role"]) == ("end_turn", "msg_0a", "m", "assistant")


def test_thinking_carries_the_state_as_its_signature() -> None:
    told = message_of(
        chunks.Summarized("One.", 0),
        chunks.Summarized("Two.", 1),
        chunks.ThoughtState("sealed=="),
        chunks.Text("Yes."),
        DONE,
    )
    assert told["content"][0] == {"type": "thinking", "thinking": "One.\n\nTwo.", "signature": "sealed=="}


def test_a_state_without_a_word_is_a_thinking_block_without_text() -> None:
    told = message_of(chunks.ThoughtState("sealed=="), chunks.Text("Yes."), DONE)
    assert told["content"][0] == {"type": "thinking", "thinking": "", "signature": "sealed=="}


def test_reasoning_with_neither_words_nor_state_is_no_block() -> None:
    told = message_of(chunks.ThoughtState(""), chunks.Text("Yes."), DONE)
    assert [block["type"] for block in told["content"]] == ["text"]


def test_raw_reasoning_is_thinking_too() -> None:
    told = message_of(chunks.Thought("Hm."), chunks.Text("Yes."), DONE)
    assert told["content"][0] == {"type": "thinking", "thinking": "Hm.", "signature": ""}


def test_calls_that_are_told_crosswise_are_blocks_one_after_the_other() -> None:
    told = message_of(
        chunks.Text("Let me see."),
        a_call(0),
        chunks.CallDelta(0, '{"a":'),
        a_call(1, "ask"),
        chunks.CallDelta(1, '{"b":2}'),
        chunks.CallDelta(0, "1}"),
        DONE,
    )
    assert told["stop_reason"] == "tool_use"
    assert told["content"][1:] == [
        {"type": "tool_use", "id": "call_0", "name": "look", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_1", "name": "ask", "input": {"b": 2}},
    ]


def test_text_behind_a_call_that_is_still_open_waits_for_its_end() -> None:
    told = message_of(a_call(0), chunks.Text("Meanwhile."), chunks.CallDelta(0, '{"a":1}'), DONE)
    assert [block["type"] for block in told["content"]] == ["tool_use", "text"]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert message_of(a_call(), DONE)["content"][0]["input"] == {}


def test_a_call_that_was_cut_has_no_input() -> None:
    told = message_of(a_call(), chunks.CallDelta(0, '{"ci'), CUT)
    assert (told["content"][0]["input"], told["stop_reason"]) == ({}, "max_tokens")


def test_arguments_that_are_no_object_are_kept_as_text() -> None:
    _, response = ended([a_call(), chunks.CallDelta(0, "[1]"), DONE])
    assert message(response)["content"][0]["input"] == {"_raw": "[1]"}


@pytest.mark.parametrize(("stop", "reason"), [(CUT, "max_tokens"), (FILTERED, "refusal")])
def test_a_message_that_was_cut_says_why(stop: Chunk, reason: str) -> None:
    assert message_of(chunks.Text("Hel"), stop)["stop_reason"] == reason


def test_a_refusal_stops_the_message_and_is_explained() -> None:
    told = message_of(chunks.Refused("I can't "), chunks.Refused("help."), DONE)
    assert told["stop_reason"] == "refusal"
    assert told["stop_details"]["explanation"] == "I can't help."
    assert told["content"][0]["text"] == "I can't help."


def test_input_tokens_of_a_message_leave_out_what_came_from_a_cache() -> None:
    usage = message_of(chunks.Text("Hi"), USED, DONE)["usage"]
    assert usage == {
        "input_tokens": 10,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 7},
        "service_tier": "standard",
    }


def test_a_message_stream_that_fails_ends_with_an_error_event() -> None:
    error = ResponseError(code="rate_limit_exceeded", message="slow down")
    batches, _ = ended([chunks.Text("Hel"), chunks.Stop("failed", error=error)])
    *_, last = events_of(batches)
    assert last == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "slow down"},
        "request_id": "req_1",
    }


def test_items_that_are_only_passed_on_have_no_place_in_either() -> None:
    search = Raw(b'{"type":"web_search_call","id":"ws_up","status":"completed"}')
    said: list[Chunk] = [chunks.ItemClosed(1, search), chunks.Text("Found."), DONE]
    assert chat_of(*said)["message"]["content"] == "Found."
    assert [block["type"] for block in message_of(*said)["content"]] == ["text"]


def test_a_name_full_of_quotes_breaks_no_frame() -> None:
    batches, _ = ended([chunks.Text("Hi"), DONE], model='a"content":""b')
    told = chunks_of(batches)
    assert {chunk["model"] for chunk in told} == {'a"content":""b'}
    assert heard_by_openai(told)["message"]["content"] == "Hi"
