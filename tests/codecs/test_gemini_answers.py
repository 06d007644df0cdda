"""Gemini's answers as chunks; the official client has to read each golden answer alike."""

import json
from typing import Any

import pytest
from google.genai import models, types

from antiphon.codecs.gemini import GEMINI
from antiphon.errors import ProviderBroke, ProviderBusy, ProviderError, ProviderRefused
from antiphon.types.models import ListedModel
from antiphon.types.turns import ToolName
from tests.codecs.cases import Golden, Told, goldens, parse, sse

COMPLETED = {"Stop": {"status": "completed"}}
ANSWERS = [golden for golden in goldens() if golden.path.parent.name == "gemini"]


def an_event(*parts: dict[str, Any], finish: str | None = None, **candidate: Any) -> dict[str, Any]:
    content = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    finished = {"finishReason": finish} if finish else {}
    return {"candidates": [{**content, **finished, **candidate, "index": 0}]}


def text(said: str, **part: Any) -> dict[str, Any]:
    return {"text": said, **part}


def a_call(name: str = "go", **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **fields}}


STOP = an_event(finish="STOP")


def say(*events: Any, **sent: Any) -> Told:
    """Return what the events tell as a stream; told at once as an array they have to tell the same."""
    told = parse(GEMINI, sse(*events), **sent)
    if not any(isinstance(event, str) for event in events):
        assert parse(GEMINI, json.dumps(events).encode(), streamed=False, **sent) == told
    return told


def names(told: Told) -> list[str]:
    return [name for chunk in told[0] for name in chunk]


def calls(told: Told) -> list[tuple[str, str, str]]:
    """Return id, name and arguments of every call."""
    opened = [chunk["CallOpened"] for chunk in told[0] if "CallOpened" in chunk]
    deltas = [chunk["CallDelta"]["text"] for chunk in told[0] if "CallDelta" in chunk]
    return [(call["call_id"], call["name"], delta) for call, delta in zip(opened, deltas, strict=True)]


def states(told: Told) -> list[Any]:
    return [json.loads(chunk["ThoughtState"]["encrypted_content"]) for chunk in told[0] if "ThoughtState" in chunk]


def annotations(told: Told) -> list[tuple[int, int, str]]:
    found = [chunk["Annotated"]["annotation"] for chunk in told[0] if "Annotated" in chunk]
    return [(each["start_index"], each["end_index"], each["url"]) for each in found]


# -- the official client --------------------------------------------------------------------------------------


def documents(golden: Golden) -> list[dict[str, Any]]:
    if golden.streamed:
        return [json.loads(line[6:]) for line in golden.data.splitlines() if line.startswith(b"data: {")]
    whole = json.loads(golden.data)
    return whole if isinstance(whole, list) else [whole]


@pytest.mark.parametrize("golden", ANSWERS, ids=str)
def test_the_official_client_reads_the_same(golden: Golden) -> None:
    read = [
        types.GenerateContentResponse.model_validate(models._GenerateContentResponse_from_mldev(document))
        for document in documents(golden)
        if "error" not in document
    ]
    parts = [part for each in read for part in (each.parts or ())]
    told = golden.told[0]
    assert "".join(chunk["Text"]["text"] for chunk in told if "Text" in chunk) == "".join(
        part.text or "" for part in parts if not part.thought
    )
    assert "".join(chunk["Summarized"]["text"] for chunk in told if "Summarized" in chunk) == "".join(
        part.text or "" for part in parts if part.thought
    )
    assert len(calls(golden.told)) == len([part for part in parts if part.function_call])
    for (call_id, name, arguments), call in zip(
        calls(golden.told), [part.function_call for part in parts if part.function_call], strict=True
    ):
        known = golden.made_with[0].names.get(call.name or "") or ToolName(call.name or "")
        assert (call_id, name) == (call.id or "", known.name)
        if not known.custom:
            assert json.loads(arguments) == (call.args or {})
    used = [chunk["Used"]["usage"] for chunk in told if "Used" in chunk]
    if used:
        counts = read[-1].usage_metadata
        assert counts is not None
        assert used[-1]["total_tokens"] == (counts.total_token_count or 0) + (counts.tool_use_prompt_token_count or 0)
        assert used[-1]["output_tokens_details"]["reasoning_tokens"] == (counts.thoughts_token_count or 0)
        assert used[-1]["input_tokens_details"]["cached_tokens"] == (counts.cached_content_token_count or 0)


# -- calls ----------------------------------------------------------------------------------------------------


def test_calls_come_whole_with_or_without_ids_and_arguments() -> None:
    """A1 cases 1, 4 and 8."""
    told = say(
        an_event(a_call("f", id="a", args={"z": 1, "a": [True, None, "é"]}), a_call("f", args={}), a_call("g")), STOP
    )
    assert calls(told) == [("a", "f", '{"z":1,"a":[true,null,"é"]}'), ("", "f", "{}"), ("", "g", "{}")]
    assert names(told).count("CallClosed") == 3


def test_calls_decide_that_there_are_calls_and_not_the_end() -> None:
    """A2 case 27."""
    told = say(an_event(a_call()), STOP)
    assert told[0][-1] == COMPLETED


def test_text_thoughts_and_calls_come_in_the_upstream_s_order() -> None:
    """A1 case 23."""
    told = say(
        an_event(text("one", thought=True)),
        an_event(text("two")),
        an_event(text("three", thought=True), a_call(), text("four")),
        STOP,
    )
    kinds = ["Summarized", "Text", "Summarized", "CallOpened", "CallDelta", "CallClosed", "Text", "Stop"]
    assert names(told) == kinds


def test_a_call_without_a_name_is_nothing_to_act_on() -> None:
    chunks, failure = say(an_event({"functionCall": {"args": {"x": 1}}}), STOP)
    assert chunks == []
    assert failure["code"] == "empty_answer"


@pytest.mark.parametrize("piece", [{"willContinue": True}, {"partialArgs": [{"jsonPath": "$.x", "stringValue": "a"}]}])
def test_a_call_in_pieces_is_a_failure_and_never_half_a_call(piece: Any) -> None:
    """Vertex sends them only when asked to, which we don't."""
    chunks, failure = say(an_event(a_call(**piece)), STOP)
    assert chunks == []
    assert failure["kind"] == "ProviderBroke"


def test_only_the_first_call_counts_where_one_was_asked_for() -> None:
    """B4: `parallel_tool_calls: false`."""
    told = say(an_event(a_call("f"), a_call("g")), an_event(a_call("h")), STOP, one_call=True)
    assert calls(told) == [("", "f", "{}")]
    assert told[0][-1] == COMPLETED


def test_lowered_tools_come_back_as_they_were_called() -> None:
    """A5 cases 63 and 64."""
    known = {"patch": ToolName("patch", custom=True), "crm__find": ToolName("find", "crm"), "_7up": ToolName("7up")}
    told = say(
        an_event(a_call("patch", args={"input": "a\nb"}), a_call("crm__find"), a_call("_7up")), STOP, names=known
    )
    assert calls(told) == [("", "patch", "a\nb"), ("", "find", "{}"), ("", "7up", "{}")]
    assert told[0][0]["CallOpened"]["custom"]
    assert told[0][3]["CallOpened"]["namespace"] == "crm"


# -- text and thoughts ----------------------------------------------------------------------------------------


def test_empty_pieces_say_nothing() -> None:
    """A1 cases 5 and 24."""
    told = say(an_event(text("")), an_event(text("", thought=True)), an_event(text("a")), an_event(text("")), STOP)
    assert told[0] == [{"Text": {"text": "a"}}, COMPLETED]


def test_an_empty_answer_is_a_failure_that_may_be_tried_again() -> None:
    """A2 case 29."""
    for events in ([STOP], [an_event(text(" \n")), STOP], [{"candidates": [{"content": {}, "finishReason": "STOP"}]}]):
        assert say(*events)[1]["code"] == "empty_answer"


def test_a_second_candidate_is_not_heard() -> None:
    second = {"candidates": [{"content": {"parts": [text("b")]}, "index": 1, "finishReason": "SAFETY"}]}
    told = say(an_event(text("a")), second, an_event(text("c")), second, STOP)
    assert told[0] == [{"Text": {"text": "a"}}, {"Text": {"text": "c"}}, COMPLETED]


def test_parts_of_tools_at_google_and_images_are_passed_over() -> None:
    told = say(
        an_event(
            {"executableCode": {"language": "PYTHON", "code": "1"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK"}}
        ),
        an_event({"toolCall": {"toolType": "X", "args": {}}}, {"toolResponse": {"toolType": "X", "response": {}}}),
        an_event({"inlineData": {"mimeType": "image/png", "data": "aGk="}}, {"somethingNew": 1}),
        an_event(text("a")),
        STOP,
    )
    assert told == ([{"Text": {"text": "a"}}, COMPLETED], None)


def test_log_probabilities_without_text_are_kept_for_the_text() -> None:
    """A5 case 71."""
    result = {"chosenCandidates": [{"token": "a", "logProbability": -1}]}
    told = say(an_event(text("a")), an_event(logprobsResult=result), STOP)
    assert told[0][1]["Text"]["logprobs"] == [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}]


def test_a_cut_character_is_lost_and_the_answer_is_not() -> None:
    """A1 case 19."""
    for before in ([], [an_event(text("a"))]):
        event = json.dumps(an_event(text("x"))).replace('"x"', '"\\ud83d!"')
        told = say(*before, event, STOP)
        assert told[0][-2:] == [{"Text": {"text": "\ufffd!"}}, COMPLETED]


# -- signatures -----------------------------------------------------------------------------------------------


def test_a_call_s_state_stands_before_it() -> None:
    """A4 case 54: of parallel calls only the first is signed."""
    told = say(an_event({**a_call("f"), "thoughtSignature": "c2ln"}, a_call("g")), STOP)
    assert names(told)[:2] == ["ThoughtState", "CallOpened"]
    assert states(told) == [[{"on": "call", "signature": "c2ln", "name": "f"}]]


def test_a_text_s_state_follows_its_message() -> None:
    """A4 case 54: else the message would be torn apart."""
    told = say(
        an_event(text("a", thoughtSignature="c2ln")),
        an_event(text("b")),
        an_event(text("", thoughtSignature="eHl6")),
        STOP,
    )
    assert names(told) == ["Text", "Text", "ThoughtState", "Stop"]
    first, second = states(told)[0]
    assert first == {"on": "text", "signature": "c2ln", "size": 1}
    assert second == {"on": "text", "signature": "eHl6", "start": 2}


def test_a_reasoning_item_s_state_tells_all_of_its_signatures() -> None:
    """A4 case 51: the last word on an item counts."""
    told = say(
        an_event(text("hm", thought=True, thoughtSignature="YQ=="), text("so", thought=True, thoughtSignature="Yg==")),
        an_event({**a_call("f"), "thoughtSignature": "Yw=="}),
        STOP,
    )
    assert states(told)[-1] == [
        {"on": "thought", "signature": "YQ==", "size": 2},
        {"on": "thought", "signature": "Yg==", "start": 2, "size": 2},
        {"on": "call", "signature": "Yw==", "name": "f"},
    ]


def test_a_new_reasoning_item_begins_with_no_state() -> None:
    told = say(
        an_event({**a_call("f"), "thoughtSignature": "YQ=="}, {**a_call("g"), "thoughtSignature": "Yg=="}),
        an_event(text("hm", thought=True), text("a"), text("so", thought=True, thoughtSignature="Yw==")),
        STOP,
    )
    assert [len(state) for state in states(told)] == [1, 1, 1]
    assert states(told)[2] == [{"on": "thought", "signature": "Yw==", "size": 2}]


def test_a_message_that_was_cut_stays_the_last_item() -> None:
    """Its item is told as incomplete, which a reasoning item behind it would prevent."""
    told = say(an_event(text("a", thoughtSignature="c2ln"), finish="MAX_TOKENS"))
    assert names(told) == ["Text", "Stop"]


def test_blank_text_between_thoughts_and_a_call_holds_no_signature() -> None:
    told = say(
        an_event(text("hm", thought=True)), an_event(text("\n", thoughtSignature="YQ==")), an_event(a_call()), STOP
    )
    assert states(told) == [[{"on": "text", "signature": "YQ=="}]]


def test_blank_text_behind_a_thought_does_not_hide_that_a_message_began() -> None:
    told = say(
        an_event(text("hm", thought=True, thoughtSignature="YQ==")),
        *(an_event(text(piece)) for piece in ("\n", "\n", "so", " it", " is")),
        an_event(text("", thoughtSignature="Yg=="), finish="STOP", **supports(({"startIndex": 2, "endIndex": 4}, [0]))),
    )
    assert states(told)[-1] == [{"on": "text", "signature": "Yg==", "start": 10}]
    assert annotations(told) == [(2, 4, "https://a")]


# -- citations ------------------------------------------------------------------------------------------------

WEB = {
    "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}, {"web": {"uri": "https://b", "domain": "b.org"}}]
}


def supports(*given: tuple[dict[str, Any], list[int]]) -> dict[str, Any]:
    return {
        "groundingMetadata": {
            **WEB,
            "groundingSupports": [{"segment": segment, "groundingChunkIndices": indices} for segment, indices in given],
        }
    }


def test_offsets_of_bytes_become_offsets_of_characters() -> None:
    told = say(an_event(text("é🌍 so"), finish="STOP", **supports(({"startIndex": 6, "endIndex": 9}, [0, 1]))))
    assert annotations(told) == [(2, 5, "https://a"), (2, 5, "https://b")]
    titles = [chunk["Annotated"]["annotation"]["title"] for chunk in told[0] if "Annotated" in chunk]
    assert titles == ["A", "b.org"]


def test_offsets_are_counted_from_the_part_that_is_named() -> None:
    segment = {"partIndex": 2, "startIndex": 0, "endIndex": 2, "text": "so"}
    told = say(an_event(text("hm", thought=True), text("so é "), text("so"), finish="STOP", **supports((segment, [0]))))
    assert annotations(told) == [(0, 2, "https://a")]  # the words fit the beginning of the text too
    segment = {"partIndex": 2, "startIndex": 0, "endIndex": 2}
    told = say(an_event(text("hm", thought=True), text("so é "), text("so"), finish="STOP", **supports((segment, [0]))))
    assert annotations(told) == [(5, 7, "https://a")]


def test_the_words_of_a_segment_decide_where_it_is() -> None:
    segment = {"startIndex": 50, "endIndex": 60, "text": "there"}
    told = say(an_event(text("it is there."), finish="STOP", **supports((segment, [0]))))
    assert annotations(told) == [(6, 11, "https://a")]


@pytest.mark.parametrize(
    "segment",
    [
        {},
        {"startIndex": -5, "endIndex": 99},
        {"startIndex": 9, "endIndex": 3},
        {"startIndex": 1, "endIndex": 1, "text": "gone"},
        {"partIndex": -1},
        {"partIndex": 77},
    ],
)
def test_a_citation_stays_inside_the_text(segment: Any) -> None:
    told = say(an_event(text("ä"), finish="STOP", **supports((segment, [0]))))
    ((start, end, _),) = annotations(told)
    assert 0 <= start <= end <= 1


def test_a_citation_is_told_once_and_only_with_an_address() -> None:
    segment = {"endIndex": 1, "text": "a"}
    again = supports((segment, [0, 7, -1]), (segment, [0]))
    told = say(an_event(text("a"), **again), an_event(text("b"), finish="STOP", **again))
    assert annotations(told) == [(0, 1, "https://a")]
    none = {
        "groundingMetadata": {
            "groundingChunks": [{"retrievedContext": {"title": "x"}}, {}],
        }
    }
    assert annotations(say(an_event(text("a"), finish="STOP", **none))) == []


def test_citations_without_a_message_open_none() -> None:
    given = supports(({"endIndex": 1}, [0]))
    told = say(an_event(text("hm"), a_call(), finish="STOP", **given))
    assert "Annotated" not in names(told)


@pytest.mark.parametrize("field", ["citations", "citationSources"])
def test_quotations_are_citations(field: str) -> None:
    given = {"citationMetadata": {field: [{"startIndex": 2, "endIndex": 4, "uri": "https://a"}, {"endIndex": 1}]}}
    told = say(an_event(text("é so"), finish="STOP", **given))
    assert annotations(told) == [(1, 3, "https://a")]


# -- usage ----------------------------------------------------------------------------------------------------


def used(**counts: Any) -> Any:
    told = say({**an_event(text("a"), finish="STOP"), "usageMetadata": counts})
    return next((chunk["Used"]["usage"] for chunk in told[0] if "Used" in chunk), None)


def test_thoughts_are_output_and_what_tools_gave_is_input() -> None:
    """A2 case 32."""
    assert used(
        promptTokenCount=10,
        toolUsePromptTokenCount=5,
        cachedContentTokenCount=4,
        candidatesTokenCount=3,
        thoughtsTokenCount=20,
        totalTokenCount=1,
    ) == {
        "input_tokens": 15,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 23,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 38,
    }


@pytest.mark.parametrize(
    "counts", [{}, {"promptTokenCount": None}, {"promptTokenCount": "many"}, {"totalTokenCount": 4}]
)
def test_no_counts_are_no_usage(counts: Any) -> None:
    """A2 case 33: they are estimated elsewhere then."""
    assert used(**counts) is None


def test_tokens_of_a_long_text_are_told_now_and_then_and_at_the_end() -> None:
    """A2 case 31: each count is of the whole so far, and the last word counts."""
    events = [
        {**an_event(text("a")), "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": n}} for n in range(40)
    ]
    end = {**STOP, "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 99}}
    chunks, _ = parse(GEMINI, sse(*events, end))
    told = [chunk["Used"]["usage"]["output_tokens"] for chunk in chunks if "Used" in chunk]
    assert told == [0, 15, 31, 99]
    assert len([chunk for chunk in chunks if "Text" in chunk]) == 40


# -- endings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("STOP", {"status": "completed"}),
        ("NO_IMAGE", {"status": "completed"}),
        ("MAX_TOKENS", {"status": "incomplete", "reason": "max_output_tokens"}),
        ("CONTINUATION", {"status": "incomplete", "reason": "max_output_tokens"}),
    ],
)
def test_an_ending_is_told_in_our_words(reason: str, stop: Any) -> None:
    """A2 cases 25 and 26."""
    assert say(an_event(text("a"), finish=reason)) == ([{"Text": {"text": "a"}}, {"Stop": stop}], None)


FILTERS = [
    *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER"),
]


@pytest.mark.parametrize("reason", FILTERS)
def test_a_filtered_answer_is_a_refusal_and_incomplete(reason: str) -> None:
    """A5 case 70: never an empty success."""
    for before in ([], [an_event(text("a", thoughtSignature="c2ln"))]):
        told = say(*before, an_event(finish=reason))
        refusal = told[0][len(before)]["Refused"]["text"]
        assert reason in refusal
        assert told[0][-1] == {"Stop": {"status": "incomplete", "reason": "content_filter"}}
        assert told[1] is None


BROKEN = [
    *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE", "TOO_MANY_TOOL_CALLS"),
    *("MISSING_THOUGHT_SIGNATURE", "OTHER", "PUP_LIMITED_DISABLED", "SOMETHING_NEW"),
]


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_answer_is_a_failure_with_its_tokens(reason: str) -> None:
    """A2 case 28."""
    counts = {"usageMetadata": {"promptTokenCount": 3, "thoughtsTokenCount": 4}}
    chunks, failure = say({**an_event(finish=reason, finishMessage="Sorry: key=AIzaSyD-secretsecret"), **counts})
    assert [name for chunk in chunks for name in chunk] == ["Used"]
    assert failure["kind"] == "ProviderBroke"
    assert reason in failure["message"]
    assert "secret" not in failure["message"]


def test_every_ending_that_the_official_client_knows_is_tried_here() -> None:
    tried = {"STOP", "NO_IMAGE", "MAX_TOKENS", "CONTINUATION", *FILTERS, *BROKEN, "FINISH_REASON_UNSPECIFIED"}
    assert {reason.value for reason in types.FinishReason} == tried - {"SOMETHING_NEW"}


@pytest.mark.parametrize("reason", [None, "", "FINISH_REASON_UNSPECIFIED"])
def test_an_answer_without_an_ending_is_a_failure(reason: str | None) -> None:
    """A1 case 13."""
    chunks, failure = say(an_event(text("a"), finish=reason))
    assert chunks == [{"Text": {"text": "a"}}]
    assert "never ended" in failure["message"]


def test_an_ending_in_every_event_ends_nothing_early() -> None:
    told = say(
        an_event(text("a"), finish="STOP"), an_event(text("b"), finish="STOP"), an_event(a_call(), finish="STOP")
    )
    assert names(told) == ["Text", "Text", "CallOpened", "CallDelta", "CallClosed", "Stop"]


def test_a_stream_may_say_that_it_is_done() -> None:
    """A1 case 21: some proxies add OpenAI's mark."""
    assert say(an_event(text("a"), finish="STOP"), "[DONE]", "junk")[0][-1] == COMPLETED


def test_a_blocked_prompt_is_the_request_s_fault() -> None:
    """A5 case 70."""
    feedback = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "No."}}
    for event in (feedback, {**feedback, "candidates": []}):
        chunks, failure = say({**event, "usageMetadata": {"promptTokenCount": 3}})
        assert names((chunks, None)) == ["Used"]
        assert failure == {
            "kind": "ProviderRefused",
            "code": "invalid_prompt",
            "message": "The provider blocked the prompt (SAFETY): No.",
        }


def test_feedback_on_a_prompt_that_was_answered_changes_nothing() -> None:
    event = {**an_event(text("a"), finish="STOP"), "promptFeedback": {"safetyRatings": []}}
    assert say(event)[0] == [{"Text": {"text": "a"}}, COMPLETED]
    assert say({"promptFeedback": {}}, event)[0] == [{"Text": {"text": "a"}}, COMPLETED]


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        ({"code": 503, "message": "m", "status": "UNAVAILABLE"}, "ProviderBusy", "server_is_overloaded"),
        ({"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}, "ProviderBusy", "rate_limit_exceeded"),
        ({"status": "RESOURCE_EXHAUSTED"}, "ProviderBusy", "rate_limit_exceeded"),
        ({"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}, "ProviderRefused", None),
        ({"code": 403, "message": "m", "status": "PERMISSION_DENIED"}, "ProviderBroke", "provider_unauthorized"),
        ({"code": 500, "message": "m", "status": "INTERNAL"}, "ProviderBroke", "provider_error"),
        ({"code": 13, "message": "m"}, "ProviderBroke", "provider_error"),
        ("words", "ProviderBroke", "provider_error"),
        ([1], "ProviderBroke", "provider_error"),
    ],
)
def test_an_error_inside_an_answer_is_a_failure_of_its_kind(error: Any, kind: str, code: str | None) -> None:
    """A1 cases 14 and 15."""
    chunks, failure = say(an_event(text("a")), {"error": error}, STOP)
    assert chunks == [{"Text": {"text": "a"}}]
    assert (failure["kind"], failure["code"]) == (kind, code)


@pytest.mark.parametrize(
    "event",
    [
        "{",
        "[]",
        '"x"',
        '{"candidates": 5}',
        '{"candidates": [{"content": {"parts": [{"text": 5}]}}]}',
        '{"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": "{}"}}]}}]}',
    ],
)
def test_an_event_that_can_not_be_read_is_a_failure(event: str) -> None:
    for before in ([], [an_event(text("a")), an_event(text("b"))]):
        chunks, failure = say(*before, event, STOP)
        assert len(chunks) == len(before)
        assert "can't be read" in failure["message"]
        assert parse(GEMINI, event.encode(), streamed=False)[1] is not None


# -- refusals -------------------------------------------------------------------------------------------------


def a_refusal(
    status: int, message: str = "m", *details: dict[str, Any], retry_after: float | None = None
) -> ProviderError:
    error = {"code": status, "message": message, "status": "X", "details": list(details)}
    as_list = GEMINI.refusal(status, json.dumps([{"error": error}]).encode(), retry_after)
    refused = GEMINI.refusal(status, json.dumps({"error": error}).encode(), retry_after)
    assert vars(as_list) == vars(refused)  # what is asked for as a stream is refused in an array
    return refused


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
PER_MINUTE = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}],
}
PER_DAY = {**PER_MINUTE, "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}


def test_a_limit_is_busy_for_as_long_as_it_says() -> None:
    """A2 case 35."""
    error = a_refusal(429, "Quota exceeded.", PER_MINUTE, RETRY)
    assert isinstance(error, ProviderBusy)
    assert (error.code, error.retry_after, error.http_status) == ("rate_limit_exceeded", 34.5, 429)
    assert a_refusal(429, "m", RETRY, retry_after=2).retry_after == 2
    assert a_refusal(429, "m", {"retryDelay": "soon"}).retry_after is None


def test_a_quota_of_the_day_is_used_up() -> None:
    assert a_refusal(429, "m", PER_MINUTE, PER_DAY, RETRY).code == "insufficient_quota"
    info = {"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit": "Gemini25ProRequestsPerDay"}}
    assert a_refusal(429, "m", info).code == "insufficient_quota"


def test_an_overloaded_model_is_busy() -> None:
    error = a_refusal(503, "The model is overloaded.")
    assert isinstance(error, ProviderBusy)
    assert error.code == "server_is_overloaded"


@pytest.mark.parametrize(
    ("status", "message", "details"),
    [
        (400, "API key not valid. Please pass a valid API key.", []),
        (400, "m", [{"reason": "API_KEY_INVALID", "domain": "googleapis.com"}]),
        (401, "m", []),
        (403, "m", [{"reason": "API_KEY_SERVICE_BLOCKED"}]),
    ],
)
def test_a_key_that_is_refused_is_the_operator_s_matter(status: int, message: str, details: list[Any]) -> None:
    error = a_refusal(status, message, *details)
    assert isinstance(error, ProviderBroke)
    assert error.code == "provider_unauthorized"
    assert "API key" not in error.message


def blamed(field: str) -> str | None:
    details = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": field}]}
    error = a_refusal(400, "Invalid value.", details)
    assert isinstance(error, ProviderRefused)
    assert error.message == "Invalid value."
    return error.param


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ("contents[0].parts[1].inline_data", "input"),
        ("system_instruction.parts[0]", "instructions"),
        ("tools[0].function_declarations[3].parameters", "tools"),
        ("toolConfig.functionCallingConfig", "tool_choice"),
        ("generation_config.max_output_tokens", "max_output_tokens"),
        ("generationConfig.temperature", "temperature"),
        ("generation_config.top_p", "top_p"),
        ("generation_config.response_json_schema.properties[a]", "text.format"),
        ("generation_config.thinking_config.thinking_level", "reasoning.effort"),
        ("generation_config.thinking_config", "reasoning"),
        ("generation_config.something_new", "generation_config.something_new"),
        ("", None),
    ],
)
def test_a_blamed_field_is_told_as_our_parameter(field: str, param: str | None) -> None:
    assert blamed(field) == param


def test_a_context_that_is_too_long_is_told_in_openai_s_words() -> None:
    words = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    error = a_refusal(400, words)
    assert (error.code, error.message) == ("context_length_exceeded", words)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"[]",
        b"[[]]",
        b"null",
        b'{"error": "words"}',
        b'{"error": {"details": 5}}',
        b"\xff",
        b"[" * 9999,
    ],
)
def test_any_body_makes_a_refusal_of_its_status(body: bytes) -> None:
    assert isinstance(GEMINI.refusal(400, body, None), ProviderRefused)
    assert isinstance(GEMINI.refusal(429, body, 3), ProviderBusy)
    assert isinstance(GEMINI.refusal(500, body, None), ProviderBroke)
    assert "<" not in GEMINI.refusal(500, body, None).message


@pytest.mark.parametrize("details", [5, "x", {}, [None], [[]], [{"fieldViolations": 5}], [{"violations": [None]}]])
def test_details_may_be_anything(details: Any) -> None:
    body = json.dumps({"error": {"message": "m", "details": details}}).encode()
    assert GEMINI.refusal(429, body, None).message == "m"
    assert GEMINI.refusal(400, body, None).param is None


# -- the list of models ---------------------------------------------------------------------------------------


def test_a_list_names_the_models_that_talk_and_what_they_can() -> None:
    listed = [
        {
            "name": "models/gemini-3-flash",
            "inputTokenLimit": 1048576,
            "outputTokenLimit": 65536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
            "thinking": True,
        },
        {"name": "models/embedding-001", "supportedGenerationMethods": ["embedContent"]},
        {"name": "tunedModels/mine", "supportedGenerationMethods": ["generateContent"], "thinking": False},
        {"name": "models/odd", "inputTokenLimit": "many", "outputTokenLimit": 0},
    ]
    assert GEMINI.listing(json.dumps({"models": listed}).encode()) == [
        ListedModel("gemini-3-flash", {"context_window": 1048576, "output_limit": 65536}),
        ListedModel("tunedModels/mine", {"effort": "none"}),
        ListedModel("odd"),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"models": [1]}', b'{"models": [{"name": 1}]}', b"\xff", b"[" * 9999]
)
def test_what_is_no_list_is_a_broken_provider(body: bytes) -> None:
    with pytest.raises(ProviderBroke):
        GEMINI.listing(body)
