"""Messages answers as chunks, refusals as errors, and the list of models; the official client hears the same."""

import json
from functools import cache
from typing import Any

import msgspec
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import ErrorResponse, ModelInfo, RawMessageStreamEvent
from anthropic.types import Message as TheirMessage
from pydantic import TypeAdapter

from antiphon.codecs.anthropic import ANTHROPIC
from antiphon.codecs.sse import Reader
from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import Emitter
from antiphon.errors import ProviderBroke, ProviderBusy, ProviderError, ProviderRefused
from antiphon.providers.profiles import ANTHROPIC as PLAIN
from antiphon.types.profiles import Profile
from antiphon.types.responses import CreateResponse
from antiphon.types.turns import ToolName
from tests.codecs.cases import Golden, Told, chunks_of, goldens, parse, sse
from tests.codecs.turns import a_turn, gave, said

COMPLETED = {"Stop": {"status": "completed"}}
CUT = {"Stop": {"status": "incomplete", "reason": "max_output_tokens"}}


def a_start(**usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"type": "message", "content": [], "usage": usage}}


def a_delta(index: int, kind: str, value: Any) -> dict[str, Any]:
    field = {"input_json_delta": "partial_json", "citations_delta": "citation"}.get(kind, kind.removesuffix("_delta"))
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: value}}


def begins(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def ends(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def a_text(index: int, *pieces: str, cites: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    deltas = [a_delta(index, "text_delta", piece) for piece in pieces]
    return [
        begins(index, type="text", text=""),
        *(a_delta(index, "citations_delta", cite) for cite in cites),
        *deltas,
        ends(index),
    ]


def a_thought(index: int, words: str, signature: str = "") -> list[dict[str, Any]]:
    signed = [a_delta(index, "signature_delta", signature)] if signature else []
    return [
        begins(index, type="thinking", thinking="", signature=""),
        a_delta(index, "thinking_delta", words),
        *signed,
        ends(index),
    ]


def a_call(index: int, call_id: str = "c", name: str = "f", *pieces: str, given: Any = None) -> list[dict[str, Any]]:
    deltas = [a_delta(index, "input_json_delta", piece) for piece in pieces]
    return [begins(index, type="tool_use", id=call_id, name=name, input=given or {}), *deltas, ends(index)]


def stops(reason: str | None = "end_turn", details: Any = None, **usage: Any) -> dict[str, Any]:
    delta = {"stop_reason": reason, "stop_sequence": None, "stop_details": details}
    return {"type": "message_delta", "delta": delta, "usage": usage or None}


OVER = {"type": "message_stop"}


def say(*events: Any, reason: str | None = "end_turn", **sent: Any) -> Told:
    """Return what a stream says; lists among `events` are flattened, and its end is added."""
    flat = [inner for event in events for inner in (event if isinstance(event, list) else [event])]
    return parse(ANTHROPIC, sse(*flat, stops(reason), OVER), **sent)


def calls(told: Told) -> list[tuple[str, str, str]]:
    """Return id, name and arguments of every call, in the order of their opening."""
    found: dict[int, list[str]] = {}
    for chunk in told[0]:
        if opened := chunk.get("CallOpened"):
            found[opened["key"]] = [opened["call_id"], opened["name"], ""]
        if delta := chunk.get("CallDelta"):
            found[delta["key"]][2] += delta["text"]
    return [(call_id, name, text) for call_id, name, text in found.values()]


def names(told: Told) -> list[str]:
    return [name for chunk in told[0] for name in chunk]


def spoken(told: Told) -> str:
    return "".join(chunk["Text"]["text"] for chunk in told[0] if "Text" in chunk)


def states(told: Told) -> list[Any]:
    return [json.loads(chunk["ThoughtState"]["encrypted_content"]) for chunk in told[0] if "ThoughtState" in chunk]


# -- the official client --------------------------------------------------------------------------------------

OURS_ALONE = {"lookalike.sse", "error_at_once.sse", "error_with_200.json"}
"""What no Anthropic sends, and errors: their client raises those."""


@cache
def their_events() -> TypeAdapter[Any]:
    return TypeAdapter(RawMessageStreamEvent)


def their_event(event: dict[str, Any]) -> Any:
    return their_events().validate_python(event)


def heard_by_their_client(golden: Golden) -> TheirMessage:
    """Return the message that the official client makes of a golden file, errors left out."""
    if not golden.streamed:
        return TheirMessage.model_validate_json(golden.data, strict=True)
    reader = Reader()
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for data in reader.feed(golden.data) + reader.close():
        event = json.loads(data)
        if event["type"] in {"ping", "error"}:
            continue
        snapshot = accumulate_event(event=their_event(event), current_snapshot=snapshot, json_bufs=buffers)
    found: TheirMessage = snapshot
    return found


@pytest.mark.parametrize(
    "golden",
    [case for case in goldens() if str(case).startswith("anthropic/") and case.path.name not in OURS_ALONE],
    ids=str,
)
def test_the_official_client_hears_the_same(golden: Golden) -> None:
    theirs, told = heard_by_their_client(golden), golden.told
    blocks = [block.model_dump() for block in theirs.content]
    assert "".join(block["text"] for block in blocks if block["type"] == "text") == spoken(told)
    their_calls = [(block["id"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    if "lowered" not in str(golden) and theirs.stop_reason != "max_tokens":
        assert [(call_id, json.loads(text)) for call_id, _, text in calls(told)] == their_calls
    assert [call_id for call_id, _, _ in calls(told)] == [call_id for call_id, _ in their_calls]
    signed = [block for block in blocks if block.get("signature") or block["type"] == "redacted_thinking"]
    assert states(told) == signed
    used = [chunk["Used"]["usage"] for chunk in told[0] if "Used" in chunk][-1]
    usage = theirs.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    assert used["input_tokens"] == usage.input_tokens + read + written
    assert used["input_tokens_details"] == {"cached_tokens": read, "cache_write_tokens": written}
    assert used["output_tokens"] == usage.output_tokens
    thought = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0
    assert used["output_tokens_details"]["reasoning_tokens"] == thought


@pytest.mark.parametrize(
    "name", ["text", "thinking_and_call", "parallel_calls", "redacted_thinking", "web_search", "refusal"]
)
def test_a_whole_answer_says_what_its_stream_says(name: str) -> None:
    """A1 case 22: the same chunks, when the pieces of a stream are put together."""
    streamed, whole = (
        joined(case.told) for case in goldens() if str(case) in {f"anthropic/{name}.sse", f"anthropic/{name}.json"}
    )
    assert [kind for kind, _ in streamed] == [kind for kind, _ in whole]
    for (kind, one), (_, other) in zip(streamed, whole, strict=True):
        assert one == other or (kind == "CallDelta" and json.loads(one["text"]) == json.loads(other["text"]))


def joined(told: Told) -> list[tuple[str, Any]]:
    """Return the chunks, neighbours of a kind that only bring more text as one."""
    found: list[tuple[str, Any]] = []
    for chunk in told[0]:
        ((kind, fields),) = chunk.items()
        if found and kind == found[-1][0] and kind in {"Text", "Summarized", "CallDelta"}:
            found[-1] = (kind, {**fields, "text": found[-1][1]["text"] + fields["text"]})
        else:
            found.append((kind, fields))
    return found


# -- calls ----------------------------------------------------------------------------------------------------


def test_each_call_keeps_its_own_pieces() -> None:
    """A1 case 1: pieces of two calls may even take turns."""
    first, second = a_call(0, "a", "f", '{"x":', "1}"), a_call(1, "b", "g", '{"y":', "2}")
    assert calls(say(first, second)) == [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')]
    mixed = [first[0], second[0], first[1], second[1], first[2], second[2], first[3], second[3]]
    told = say(mixed)
    assert calls(told) == [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')]
    assert names(told).count("CallClosed") == 2


def test_the_tail_of_a_call_finds_its_call_behind_other_words() -> None:
    """A1 case 6."""
    first, head, tail, last = a_call(0, "a", "f", '{"x"', ":1}")
    told = say(first, head, a_thought(1, "hm"), a_text(2, "meanwhile"), tail, last)
    assert calls(told) == [("a", "f", '{"x":1}')]
    assert names(told).count("CallOpened") == names(told).count("CallClosed") == 1


def test_an_index_that_is_used_again_is_another_call() -> None:
    """A1 cases 1 and 2."""
    assert calls(say(a_call(0, "a", "f", "{}"), a_call(0, "b", "f", "{}"))) == [("a", "f", "{}"), ("b", "f", "{}")]
    assert calls(say(a_call(0, "a", "f", '{"x":')[:2], a_call(0, "b", "f", "{}"))) == [
        ("a", "f", '{"x":'),
        ("b", "f", "{}"),
    ]


@pytest.mark.parametrize("pieces", [(), ("",), ("", "")])
def test_a_call_without_arguments_has_an_empty_object(pieces: tuple[str, ...]) -> None:
    """A1 cases 4 and 5."""
    told = say(a_call(0, "a", "now", *pieces))
    assert calls(told) == [("a", "now", "{}")]
    assert names(told) == ["CallOpened", "CallDelta", "CallClosed", "Stop"]


@pytest.mark.parametrize("given", [{"z": 1, "a": [True, None, "é"]}, '{"z":1,"a":[true,null,"é"]}'])
def test_arguments_may_come_whole_with_the_call(given: Any) -> None:
    """A1 cases 3 and 8: their order is kept, and what comes in pieces counts where both are told."""
    assert calls(say(a_call(0, "a", "f", given=given))) == [("a", "f", '{"z":1,"a":[true,null,"é"]}')]
    assert calls(say(a_call(0, "a", "f", "{}", given=given))) == [("a", "f", "{}")]


@pytest.mark.parametrize("name", ["", None])
def test_a_call_without_a_name_is_nothing(name: Any) -> None:
    told, failure = say([begins(0, type="tool_use", id="a", name=name, input={}), ends(0)])
    assert told == []
    assert failure["code"] == "empty_answer"


def test_a_call_that_the_limit_cut_is_left_for_the_end_to_close() -> None:
    """Else it would be told as completed, and clients would act on half of its arguments."""
    for call in (a_call(0, "a", "f", '{"x'), a_call(0, "a", "f", '{"x')[:-1], a_call(0, "a", "f")):
        told = say(call, reason="max_tokens")
        assert "CallClosed" not in names(told)
        assert told[0][-1] == CUT
    told = say(a_call(0, "a", "f", "{}"), a_call(1, "b", "f", '{"x'), reason="max_tokens")
    assert [chunk["CallClosed"]["key"] for chunk in told[0] if "CallClosed" in chunk] == [0]


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (('{"inp', 'ut":"a\\nb"}'), "a\nb"),
        (("plain words",), "plain words"),
        (('{"other":1}',), '{"other":1}'),
        ((), ""),
        (('{"input":"a\\n',), "a\n"),
    ],
)
def test_a_lowered_freeform_tool_comes_back_as_plain_input(pieces: tuple[str, ...], text: str) -> None:
    """A5 case 63."""
    told = say(a_call(0, "a", "patch", *pieces), names={"patch": ToolName("patch", custom=True)})
    assert told[0][0] == {"CallOpened": {"key": 0, "call_id": "a", "name": "patch", "custom": True}}
    assert calls(told) == [("a", "patch", text)]


def test_a_tool_of_a_namespace_comes_back_with_it() -> None:
    """A5 case 64."""
    told = say(a_call(0, "a", "crm__find"), names={"crm__find": ToolName("find", "crm")})
    assert told[0][0] == {"CallOpened": {"key": 0, "call_id": "a", "name": "find", "namespace": "crm"}}


# -- text and reasoning ---------------------------------------------------------------------------------------


def test_blocks_come_in_the_upstream_s_order() -> None:
    """A1 case 23."""
    told = say(
        a_thought(0, "1"), a_text(1, "2"), a_thought(2, "3"), a_call(3, "c", "f", "{}"), a_text(4, "4"), a_text(5, "5")
    )
    order = ["Summarized", "Break", "Text", "Summarized", "Break", "CallOpened", "CallDelta", "CallClosed"]
    assert names(told) == [*order, "Text", "Text", "Stop"]


def test_each_block_of_thinking_is_an_item_with_its_own_state() -> None:
    """A4 cases 51 and 56."""
    told = say(
        a_thought(0, "one", "s1"),
        [begins(1, type="redacted_thinking", data="sealed"), ends(1)],
        a_thought(2, "two", "s2"),
        a_text(3, "Hi"),
    )
    once = ["Summarized", "ThoughtState", "Break"]
    assert names(told) == [*once, "ThoughtState", "Break", *once, "Text", "Stop"]
    assert states(told) == [
        {"type": "thinking", "thinking": "one", "signature": "s1"},
        {"type": "redacted_thinking", "data": "sealed"},
        {"type": "thinking", "thinking": "two", "signature": "s2"},
    ]


def test_thinking_without_a_signature_has_no_state() -> None:
    """A4 case 51: sent back, it would be refused."""
    assert names(say(a_thought(0, "hm"), a_text(1, "Hi"))) == ["Summarized", "Break", "Text", "Stop"]


@pytest.mark.parametrize("nothing", [a_text(0), a_text(0, ""), [begins(0, type="thinking", thinking=""), ends(0)]])
def test_an_empty_block_says_nothing(nothing: list[dict[str, Any]]) -> None:
    """A1 case 24."""
    assert say(nothing, a_text(1, "Hi"))[0] == [{"Text": {"text": "Hi"}}, COMPLETED]


def test_words_that_were_never_announced_are_heard() -> None:
    told = say(
        a_delta(0, "thinking_delta", "hm"), ends(0), a_delta(1, "text_delta", "Hi"), a_delta(1, "text_delta", "!")
    )
    assert names(told) == ["Summarized", "Break", "Text", "Text", "Stop"]
    assert say(a_delta(0, "input_json_delta", "{}"))[1]["code"] == "empty_answer"


@pytest.mark.parametrize(
    "odd", [a_delta(0, "thinking_delta", "x"), a_delta(0, "input_json_delta", "x"), a_delta(0, "new_delta", "x")]
)
def test_a_delta_that_is_not_its_block_s_says_nothing(odd: dict[str, Any]) -> None:
    first, *rest = a_text(0, "Hi")
    assert say([first, odd, *rest])[0] == [{"Text": {"text": "Hi"}}, COMPLETED]


def test_blocks_of_the_provider_s_own_tools_are_passed_over() -> None:
    """A1 case 11: their rounds are one lifecycle; what they did is not told yet."""
    search = [
        begins(1, type="server_tool_use", id="s", name="web_search", input={}),
        a_delta(1, "input_json_delta", "{"),
    ]
    found = begins(2, type="web_search_tool_result", tool_use_id="s", content=[{"type": "web_search_result"}])
    told = say(a_text(0, "a"), search, ends(1), found, ends(2), a_text(3, "b"))
    assert names(told) == ["Text", "Break", "Text", "Stop"]
    assert told[0][1] == {"Break": {"whole_item": False}}


# -- citations ------------------------------------------------------------------------------------------------

PAGE = {"type": "web_search_result_location", "url": "https://e.org", "title": "E", "cited_text": "x"}


def annotations(told: Told) -> list[Any]:
    return [chunk["Annotated"]["annotation"] for chunk in told[0] if "Annotated" in chunk]


def test_a_citation_is_for_the_characters_of_its_block() -> None:
    told = say(a_text(0, "Ünd "), a_text(1, "😀 a", "b", cites=(PAGE,)), a_text(2, "."), a_text(3, "c", cites=(PAGE,)))
    cited = {"type": "url_citation", "url": "https://e.org", "title": "E"}
    assert annotations(told) == [
        {**cited, "start_index": 4, "end_index": 8},
        {**cited, "start_index": 9, "end_index": 10},
    ]


def test_a_text_behind_something_else_counts_from_its_own_beginning() -> None:
    passed = [begins(1, type="server_tool_use", id="s", name="web_search", input={}), ends(1)]
    for between in (passed, a_thought(1, "hm"), a_call(1)):
        told = say(a_text(0, "before"), between, a_text(2, "ab", cites=(PAGE,)))
        assert (annotations(told)[0]["start_index"], annotations(told)[0]["end_index"]) == (0, 2)


@pytest.mark.parametrize(
    "citation",
    [
        {"type": "char_location", "document_index": 0, "document_title": "T", "file_id": None},
        {"type": "search_result_location", "source": "kb/1"},
        {"type": "web_search_result_location", "url": None},
        {"type": "web_search_result_location", "url": "javascript:x"},
        {"type": "new_location", "url": "https://e.org"},
        {"type": ["x"]},
        {"x": 1},
    ],
)
def test_a_citation_of_nothing_that_can_be_looked_up_is_passed_over(citation: Any) -> None:
    assert names(say(a_text(0, "a", cites=(citation,)))) == ["Text", "Stop"]


def test_a_citation_of_no_words_is_passed_over() -> None:
    assert names(say(a_text(0, " ", cites=(PAGE,)), a_text(1, "a"))) == ["Text", "Text", "Stop"]


@pytest.mark.parametrize("kind", ["char_location", "page_location", "content_block_location"])
def test_a_citation_of_a_stored_file_names_it(kind: str) -> None:
    told = say(a_text(0, "abc", cites=({"type": kind, "file_id": "file_1", "document_title": "x.pdf"},)))
    assert annotations(told) == [{"type": "file_citation", "file_id": "file_1", "filename": "x.pdf", "index": 3}]


# -- usage ----------------------------------------------------------------------------------------------------


def used(*events: Any) -> Any:
    told = parse(ANTHROPIC, sse(*events))[0]
    return [chunk["Used"] for chunk in told if "Used" in chunk][-1]


HI = a_text(0, "Hi")


def test_input_includes_what_the_cache_held() -> None:
    """A2 case 30."""
    start = a_start(input_tokens=3, cache_read_input_tokens=20, cache_creation_input_tokens=100, output_tokens=1)
    usage = used(start, *HI, stops(output_tokens=7), OVER)["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (123, 7, 130)
    assert usage["input_tokens_details"] == {"cached_tokens": 20, "cache_write_tokens": 100}


def test_counts_are_cumulative_and_never_added_up() -> None:
    """A2 case 31."""
    start = a_start(input_tokens=3, output_tokens=1, cache_read_input_tokens=5)
    more = stops(None, input_tokens=3, output_tokens=5)
    last = stops(input_tokens=9, output_tokens=7, output_tokens_details={"thinking_tokens": 4})
    usage = used(start, *HI, more, last, OVER)["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (14, 7)
    assert usage["output_tokens_details"] == {"reasoning_tokens": 4}


@pytest.mark.parametrize(
    ("tier", "ours"), [("standard", "default"), ("priority", "priority"), ("batch", None), (5, None)]
)
def test_the_tier_is_told_in_our_words(tier: Any, ours: str | None) -> None:
    assert used(a_start(input_tokens=1, service_tier=tier), *HI, stops(), OVER).get("service_tier") == ours


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": None}, {"input_tokens": -1, "output_tokens": "2"}])
def test_usage_that_is_none_is_not_told(usage: Any) -> None:
    """A2 case 33: an estimate is the engine's; zeros would be a lie."""
    start = {"type": "message_start", "message": {"usage": usage}}
    assert names(parse(ANTHROPIC, sse(start, *HI, {**stops(), "usage": usage}, OVER))) == ["Text", "Stop"]


def test_tokens_of_a_turn_that_broke_are_told_once_something_was_shown() -> None:
    """A1 case 15: before that, another provider may still be asked."""
    error = {"type": "error", "error": {"type": "api_error", "message": "No."}}
    assert names(parse(ANTHROPIC, sse(a_start(input_tokens=3), error))) == []
    assert names(parse(ANTHROPIC, sse(a_start(input_tokens=3), *HI, error))) == ["Text", "Used"]
    assert names(parse(ANTHROPIC, sse(a_start(input_tokens=3), *HI))) == ["Text", "Used"]


# -- the end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "tool_use"])
def test_an_end_is_an_end_whatever_it_is_called(reason: str) -> None:
    """A2 case 27: the reason never decides whether there are calls."""
    told = say(a_call(0, "a", "f", "{}"), reason=reason)
    assert calls(told) == [("a", "f", "{}")]
    assert told[0][-1] == COMPLETED


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "pause_turn"])
def test_an_early_end_says_why(reason: str) -> None:
    """A2 cases 25 and 26."""
    for said_before in (HI, a_thought(0, "hm"), a_thought(0, "hm")[:2], []):
        told = say(a_start(input_tokens=3), said_before, reason=reason)
        assert told[1] is None
        assert told[0][-1] == CUT
        assert names(told).count("Used") == 1


@pytest.mark.parametrize("reason", ["error", "compaction", "MAX_TOKENS"])
def test_an_end_that_nobody_knows_is_a_failure_and_usage_is_kept(reason: str) -> None:
    """A2 case 28."""
    told, failure = say(a_start(input_tokens=3), HI, reason=reason)
    assert [*told[-1]] == ["Used"]
    assert failure["kind"] == "ProviderBroke"
    assert reason in failure["message"]


def test_an_empty_answer_is_a_failure() -> None:
    """A2 case 29: it may be asked for once more."""
    for nothing in ([], a_text(0), a_text(0, " \n")):
        assert say(nothing)[1]["code"] == "empty_answer"


def test_a_refusal_has_the_provider_s_words() -> None:
    """A5 case 70."""
    end = {"Stop": {"status": "incomplete", "reason": "content_filter"}}
    details = {"type": "refusal", "category": "bio", "explanation": "It could harm."}
    assert parse(ANTHROPIC, sse(stops("refusal", details), OVER))[0] == [{"Refused": {"text": "It could harm."}}, end]
    for untold in (None, {"explanation": None}, {"explanation": 5}):
        told = parse(ANTHROPIC, sse(*a_thought(0, "hm"), stops("refusal", untold), OVER))
        assert told[0][-2:] == [{"Refused": {"text": "The model declined to answer."}}, end]


def test_a_refusal_behind_words_cuts_them() -> None:
    """A5 case 70: it is never a success."""
    told = say(HI, reason="refusal")
    assert told[0] == [{"Text": {"text": "Hi"}}, {"Stop": {"status": "incomplete", "reason": "content_filter"}}]


@pytest.mark.parametrize("ending", [[], [stops()], [stops(None), OVER], [OVER], ["[DONE]"]])
def test_an_answer_without_its_end_never_ended(ending: list[Any]) -> None:
    """A1 cases 13 and 21: both a reason and `message_stop` are needed."""
    told, failure = parse(ANTHROPIC, sse(*HI, *ending))
    assert told == [{"Text": {"text": "Hi"}}]
    assert failure["message"] == "The provider's answer never ended."


def test_a_block_that_never_ended_ends_with_the_message() -> None:
    told = say(a_thought(0, "hm", "s")[:-1])
    assert names(told) == ["Summarized", "ThoughtState", "Break", "Stop"]


# -- errors in an answer --------------------------------------------------------------------------------------

ERRORS = [
    ({"type": "overloaded_error", "message": "Overloaded"}, "ProviderBusy", "server_is_overloaded", "Overloaded"),
    ({"type": "rate_limit_error", "message": "Slow."}, "ProviderBusy", "rate_limit_exceeded", "Slow."),
    ({"type": "invalid_request_error", "message": "No."}, "ProviderRefused", "invalid_request_error", "No."),
    (
        {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"},
        "ProviderRefused",
        "context_length_exceeded",
        "prompt is too long: 9 tokens > 8 maximum",
    ),
    ({"type": "api_error", "message": "Oops."}, "ProviderBroke", "provider_error", "Oops."),
    ({"type": "timeout_error", "message": "Late."}, "ProviderBroke", "provider_error", "Late."),
    (None, "ProviderBroke", "provider_error", "The provider reported an error without a message."),
    ("No.", "ProviderBroke", "provider_error", "No."),
]


@pytest.mark.parametrize(("error", "kind", "code", "message"), ERRORS)
def test_an_error_in_an_answer_is_a_failure_with_its_words(error: Any, kind: str, code: str, message: str) -> None:
    """A1 cases 14 and 15."""
    event = {"type": "error", "error": error}
    failure = {"kind": kind, "code": code, "message": message}
    for before in ([], HI):
        told = say(before, event)
        assert told == ([{"Text": {"text": "Hi"}} for _ in before[:1]], failure)
    assert parse(ANTHROPIC, json.dumps(event).encode(), streamed=False) == ([], failure)


def test_an_error_without_a_type_is_one() -> None:
    assert say({"error": {"type": "overloaded_error", "message": "No."}})[1]["kind"] == "ProviderBusy"


@pytest.mark.parametrize("event", [{"type": "ping"}, {"type": "future", "delta": 5, "index": "x"}, {"type": ""}, {}])
def test_an_event_that_is_not_ours_says_nothing(event: Any) -> None:
    assert say(event, HI, event)[0] == [{"Text": {"text": "Hi"}}, COMPLETED]


@pytest.mark.parametrize(
    "data",
    [
        "{",
        '"words"',
        "[1]",
        '{"type":5}',
        '{"type":"content_block_delta","index":"x"}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":5}}',
        '{"type":"content_block_start","index":1,"content_block":[]}',
        '{"type":"content_block_start","index":1,"content_block":{"type":"text","text":5}}',
        '{"type":"message_start","message":5}',
        '{"type":"message_delta","delta":[]}',
    ],
)
def test_an_event_that_can_not_be_read_is_a_failure(data: str) -> None:
    told, failure = say(HI, data)
    assert told == [{"Text": {"text": "Hi"}}]
    assert failure["message"] == "The provider sent an event that can't be read."


def test_bytes_that_are_no_unicode_cost_a_character_and_not_the_answer() -> None:
    """A1 case 19."""
    data = sse(*HI, *a_call(1, "c", "f", '{"a":"Hi"}'), stops(), OVER).replace(b"Hi", b"H\xff\xc3")
    told = parse(ANTHROPIC, data)
    assert spoken(told) == "H\ufffd\ufffd"
    assert calls(told) == [("c", "f", '{"a":"H\ufffd\ufffd"}')]


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"[]", b"data: {}\n\n", b'{"content":[5]}'])
def test_a_whole_answer_that_can_not_be_read_is_a_failure(body: bytes) -> None:
    told, failure = parse(ANTHROPIC, body, streamed=False)
    assert told == []
    assert failure["message"] == "The provider's answer can't be read."


@pytest.mark.parametrize(
    "body", [{}, {"content": None}, {"content": []}, {"content": [{"type": "text", "text": "Hi"}]}]
)
def test_a_whole_answer_without_an_end_is_a_failure(body: Any) -> None:
    told = parse(ANTHROPIC, json.dumps(body).encode(), streamed=False)
    assert told[1]["message"] == "The provider's answer never ended."


def test_a_whole_answer_may_be_a_plain_string() -> None:
    body = json.dumps({"content": "Hi", "stop_reason": "end_turn"}).encode()
    assert parse(ANTHROPIC, body, streamed=False)[0] == [{"Text": {"text": "Hi"}}, COMPLETED]


def test_nulls_stand_for_nothing() -> None:
    """A2 case 34."""
    nulls = dict.fromkeys(("text", "thinking", "signature", "citations", "input", "id", "name", "data"))
    told = say(
        [begins(0, **nulls, type="text"), ends(0)],
        [begins(1, **nulls, type="thinking"), ends(1)],
        [begins(2, **{**nulls, "type": "tool_use", "name": "f"}), ends(2)],
        [
            {"type": "message_delta", "delta": None, "usage": None, "error": None},
            {"type": "content_block_delta", "index": 0, "delta": None},
        ],
    )
    assert calls(told) == [("", "f", "{}")]
    assert told[1] is None


# -- there and back -------------------------------------------------------------------------------------------


def items_of(answer: bytes) -> list[dict[str, Any]]:
    """Return the items that an answer becomes, states in clear."""
    request = CreateResponse(model="m")
    snapshot = first_snapshot(request, response_id="resp_1", created_at=1, conversation_id=None, tools=[])
    draft = Emitter(snapshot, show_state=True)
    draft.add(chunks_of(ANTHROPIC.parser(ANTHROPIC.encode(a_turn(), PLAIN), PLAIN, streamed=True), [answer]))
    draft.finish(now=2)
    return [msgspec.json.decode(item) for item in draft.response.output]


def test_an_answer_comes_back_block_for_block_over_several_turns() -> None:
    """A4 case 51: reasoning byte for byte and in its place, whatever stands between."""
    signature = 'EqQB+/=\u00e9\\"\n'
    first = sse(
        *a_thought(0, " hm\u2028", signature),
        *[begins(1, type="redacted_thinking", data="sealed=="), ends(1)],
        *a_text(2, "Let me look."),
        *a_call(3, "c1", "f", '{"x":1}'),
        *a_call(4, "c2", "g"),
        stops("tool_use"),
        OVER,
    )
    second = sse(*a_thought(0, "", "s2"), *a_text(1, "Done."), stops(), OVER)
    turn = a_turn(said("a"), *items_of(first), gave("c2", "2"), gave("c1", "1"), *items_of(second), said("b"))
    messages = json.loads(ANTHROPIC.encode(turn, PLAIN).body)["messages"]
    assert messages[1]["content"] == [
        {"type": "thinking", "thinking": " hm\u2028", "signature": signature},
        {"type": "redacted_thinking", "data": "sealed=="},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
    ]
    assert [block["tool_use_id"] for block in messages[2]["content"]] == ["c1", "c2"]
    assert messages[3]["content"] == [
        {"type": "thinking", "thinking": "", "signature": "s2"},
        {"type": "text", "text": "Done."},
    ]


# -- refusals -------------------------------------------------------------------------------------------------


def a_refusal(status: int, message: str, kind: str = "invalid_request_error") -> ProviderError:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}
    ErrorResponse.model_validate(body, strict=True)
    return ANTHROPIC.refusal(status, json.dumps(body).encode(), 7.0)


@pytest.mark.parametrize(
    ("status", "kind", "type_", "code"),
    [
        (400, ProviderRefused, "invalid_request_error", "invalid_request_error"),
        (401, ProviderBroke, "authentication_error", "provider_unauthorized"),
        (402, ProviderBroke, "billing_error", "provider_error"),
        (403, ProviderBroke, "permission_error", "provider_unauthorized"),
        (404, ProviderRefused, "not_found_error", "not_found_error"),
        (413, ProviderRefused, "invalid_request_error", "invalid_request_error"),
        (429, ProviderBusy, "rate_limit_error", "rate_limit_exceeded"),
        (500, ProviderBroke, "api_error", "provider_error"),
        (504, ProviderBroke, "timeout_error", "provider_error"),
        (529, ProviderBusy, "overloaded_error", "server_is_overloaded"),
    ],
)
def test_a_refusal_s_status_says_who_is_to_blame(status: int, kind: type[ProviderError], type_: str, code: str) -> None:
    """A2 case 35."""
    error = a_refusal(status, "No.", type_)
    assert type(error) is kind
    assert error.code == code
    assert error.retry_after == (7.0 if kind is ProviderBusy else None)


WORDS = [
    ("prompt is too long: 207368 tokens > 200000 maximum", "context_length_exceeded", None),
    (
        "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
        "context_length_exceeded",
        None,
    ),
    (
        "messages.2.content.0.image.source.base64: image exceeds 5 MB maximum: 8259148 bytes > 5242880 bytes",
        "image_file_too_large",
        "input",
    ),
    (
        "messages.7.content.2.image.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels",
        "image_too_large",
        "input",
    ),
    ("Could not process image", "image_parse_error", None),
    (
        "messages.0.content.0.image.source.base64.data: Image was specified using the image/jpeg media type, but the image appears to be a image/png image",
        "invalid_image_format",
        "input",
    ),
    ("messages.0.content.0.image.source.base64.data: invalid base64 data", "invalid_base64_image", "input"),
    ("Unable to download the file. Please verify the URL and try again.", "failed_to_download_image", None),
    ("max_tokens: 70000 > 64000, which is the maximum", "invalid_request_error", "max_output_tokens"),
    ("tools.0.custom.input_schema: JSON schema is invalid", "invalid_request_error", "tools"),
    ("output_config.format.schema: bad", "invalid_request_error", "text.format"),
    ("output_config.effort: 'max' is not supported", "invalid_request_error", "reasoning.effort"),
    ("system.0.text: bad", "invalid_request_error", "instructions"),
    ("thinking: bad", "invalid_request_error", "reasoning"),
    ("temperature: range: 0..1", "invalid_request_error", "temperature"),
    ("model: claude-nope", "invalid_request_error", "model"),
    ("`temperature` is deprecated for this model.", "invalid_request_error", None),
    ("something: else", "invalid_request_error", None),
]


@pytest.mark.parametrize(("words", "code", "param"), WORDS)
def test_the_words_of_a_refusal_tell_its_code_and_our_name_of_its_place(
    words: str, code: str, param: str | None
) -> None:
    """Reliability 3a: what a client can act on."""
    error = a_refusal(400, words)
    assert (error.message, error.code, error.param) == (words, code, param)


def test_an_empty_purse_is_the_operator_s_affair() -> None:
    """The API tells it as a bad request."""
    words = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
    error = a_refusal(400, words)
    assert isinstance(error, ProviderBusy)
    assert (error.http_status, error.code) == (429, "insufficient_quota")


# -- the list of models ---------------------------------------------------------------------------------------


def capable(**changes: Any) -> dict[str, Any]:
    """Return the capabilities of a new model, as the API tells them."""
    yes, no = {"supported": True}, {"supported": False}
    told: dict[str, Any] = {
        **dict.fromkeys(
            ("batch", "citations", "code_execution", "image_input", "pdf_input", "structured_outputs"), yes
        ),
        "context_management": {
            "supported": True,
            **dict.fromkeys(("clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112"), yes),
        },
        "effort": {"supported": True, **dict.fromkeys(("low", "medium", "high", "xhigh", "max"), yes)},
        "server_tools": {"supported": True, "web_search": yes, "code_execution": yes},
        "thinking": {
            "supported": True,
            "types": {"adaptive": yes, "enabled": no, "disabled": yes, "between_tools": no},
        },
    }
    return told | changes


def a_model(**fields: Any) -> dict[str, Any]:
    return {
        "id": "claude-opus-5",
        "type": "model",
        "display_name": "Claude Opus 5",
        "created_at": "2026-07-24T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
        **fields,
    }


def learned(**fields: Any) -> dict[str, Any]:
    """Return what a list of one model tells, once it fitted a profile."""
    body = {"data": [a_model(**fields)], "has_more": False, "first_id": None, "last_id": None}
    (model,) = ANTHROPIC.listing(json.dumps(body).encode())
    msgspec.convert(dict(model.profile), Profile)
    return dict(model.profile)


def types(*supported: str) -> dict[str, Any]:
    kinds = ("adaptive", "enabled", "disabled", "between_tools")
    return {"supported": True, "types": {kind: {"supported": kind in supported} for kind in kinds}}


def test_a_list_tells_what_its_models_can_do() -> None:
    ModelInfo.model_validate(a_model(capabilities=capable()))
    assert learned(capabilities=capable()) == {
        "context_window": 1_000_000,
        "output_limit": 128_000,
        "images": True,
        "files": True,
        "json_schema": True,
        "strict_tools": True,
        "effort": "adaptive",
        "efforts": frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"}),
    }


def test_a_model_that_always_thinks_takes_every_effort_but_none() -> None:
    found = learned(capabilities=capable(thinking=types("adaptive")))
    assert "none" not in found["efforts"]


def test_an_older_model_has_a_budget_and_one_that_does_not_think_no_effort() -> None:
    older = learned(capabilities=capable(thinking=types("enabled", "disabled")))
    assert (older["effort"], "efforts" in older) == ("budget", False)
    assert learned(capabilities=capable(thinking={"supported": False}))["effort"] == "none"


def test_a_model_without_levels_of_effort_still_thinks_by_itself() -> None:
    found = learned(capabilities=capable(effort={"supported": False}))
    assert (found["effort"], "efforts" in found) == ("adaptive", False)


def test_what_a_model_lacks_is_learned_too() -> None:
    lacking = {name: {"supported": False} for name in ("image_input", "pdf_input", "structured_outputs")}
    found = learned(capabilities=capable(**lacking))
    assert [found[name] for name in ("images", "files", "json_schema", "strict_tools")] == [False] * 4


@pytest.mark.parametrize(
    "capabilities", [None, 5, [], {}, {"thinking": 5}, {"thinking": {"types": 5}, "image_input": {"supported": "yes"}}]
)
def test_what_is_odd_in_a_list_counts_as_not_told(capabilities: Any) -> None:
    assert learned(capabilities=capabilities, max_tokens="many", max_input_tokens=0) == {}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"data": [1]}', b'{"data": [{"id": 1}]}', b"\xff", b"[" * 9999]
)
def test_what_is_no_list_is_a_broken_provider(body: bytes) -> None:
    with pytest.raises(ProviderBroke):
        ANTHROPIC.listing(body)
