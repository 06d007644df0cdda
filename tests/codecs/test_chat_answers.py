"""Chat Completions answers as chunks: a test for each way in which servers are known to differ."""

import json
from typing import Any

import pytest

from antiphon.codecs.chat import CHAT
from antiphon.types.profiles import Profile
from antiphon.types.turns import ToolName
from tests.codecs.cases import Told, parse, sse

COMPLETED = {"Stop": {"status": "completed"}}
STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def a_delta(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def a_call(index: int | None, **piece: Any) -> dict[str, Any]:
    function = {key: piece.pop(key) for key in ("name", "arguments") if key in piece}
    return a_delta(tool_calls=[{**({} if index is None else {"index": index}), **piece, "function": function}])


def a_finish(reason: str | None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **more}


def say(*events: Any, profile: Profile | None = None, **sent: Any) -> Told:
    return parse(CHAT, sse(*events, "[DONE]"), profile=profile, **sent)


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


# -- calls ----------------------------------------------------------------------------------------------------


def test_parallel_calls_that_all_have_index_0_stay_apart() -> None:
    """A1 case 1."""
    told = say(
        a_call(0, id="a", name="f", arguments='{"x":1}'),
        a_call(0, id="b", name="f", arguments='{"x":'),
        a_call(0, arguments="2}"),
        a_finish("tool_calls"),
    )
    assert calls(told) == [("a", "f", '{"x":1}'), ("b", "f", '{"x":2}')]


def test_a_new_id_opens_a_call_where_there_is_no_index() -> None:
    """A1 case 2."""
    told = say(
        a_call(None, id="a", name="f", arguments="{}"),
        a_call(None, id="b", name="f", arguments="{"),
        a_call(None, arguments="}"),
        a_finish("tool_calls"),
    )
    assert calls(told) == [("a", "f", "{}"), ("b", "f", "{}")]


def test_a_new_name_opens_a_call_where_there_is_neither_index_nor_id() -> None:
    """A1 case 2."""
    told = say(a_call(None, name="f", arguments="{}"), a_call(None, name="g", arguments="{}"), a_finish("stop"))
    assert calls(told) == [("", "f", "{}"), ("", "g", "{}")]


def test_pieces_of_two_calls_may_take_turns() -> None:
    """A1 case 1."""
    told = say(
        a_call(0, id="a", name="f", arguments=""),
        a_call(1, id="b", name="g", arguments=""),
        a_call(0, arguments='{"a"'),
        a_call(1, arguments='{"b"'),
        a_call(0, id="a", arguments=":1}"),
        a_call(1, id="b", arguments=":2}"),
        a_finish("tool_calls"),
    )
    assert calls(told) == [("a", "f", '{"a":1}'), ("b", "g", '{"b":2}')]


WHOLE = '{"x":1}'


@pytest.mark.parametrize(
    "again",
    [
        [a_call(1, id="a", name="f", arguments=WHOLE)],
        [a_call(1, id="a", name="f", arguments=""), a_call(2, id="a", name="f", arguments=WHOLE)],
        [a_call(1, id="a", arguments=WHOLE)],
    ],
)
@pytest.mark.parametrize("first", [WHOLE, "", None])
def test_a_call_that_comes_again_at_another_index_is_one_call(first: str | None, again: list[Any]) -> None:
    """A1 case 2: LocalAI tells the same call at several of them."""
    assert calls(say(a_call(0, id="a", name="f", arguments=first), *again, STOP)) == [("a", "f", WHOLE)]


def test_calls_that_share_an_id_stay_apart_by_what_they_say() -> None:
    """A5 case 59."""
    told = say(
        a_call(0, id="a", name="f", arguments="[1]"),
        a_call(1, id="a", name="f", arguments=""),
        a_call(1, arguments="[2"),
        a_call(1, arguments="]"),
        a_call(2, id="a", name="g", arguments=""),
        STOP,
    )
    assert calls(told) == [("a", "f", "[1]"), ("a", "f", "[2]"), ("a", "g", "")]


@pytest.mark.parametrize("arguments", ["", None])
def test_a_call_without_arguments_is_a_call(arguments: str | None) -> None:
    """A1 case 4: what its arguments are then is the emitter's rule."""
    chunks, failure = say(a_call(0, id="a", name="now", arguments=arguments), a_finish("tool_calls"))
    assert chunks == [{"CallOpened": {"key": 0, "call_id": "a", "name": "now"}}, {"CallClosed": {"key": 0}}, COMPLETED]
    assert failure is None


def test_an_empty_piece_of_arguments_says_nothing() -> None:
    """A1 case 5."""
    told = say(a_call(0, id="a", name="f", arguments="{"), a_call(0, arguments=""), a_call(0, arguments="}"), STOP)
    assert [chunk["CallDelta"]["text"] for chunk in told[0] if "CallDelta" in chunk] == ["{", "}"]


def test_the_tail_of_a_call_finds_its_call_behind_other_text() -> None:
    """A1 case 6."""
    told = say(
        a_call(0, id="a", name="f", arguments='{"x"'),
        a_delta(content="meanwhile"),
        a_delta(reasoning_content="hm"),
        a_call(0, arguments=":1}"),
        STOP,
    )
    assert calls(told) == [("a", "f", '{"x":1}')]
    assert names(told).count("CallOpened") == 1


def test_a_name_that_is_repeated_counts_once_and_arguments_stay_verbatim() -> None:
    """A1 case 7."""
    told = say(
        a_call(0, id="a", name="f", arguments='{"s": "a'),
        a_call(0, id="a", name="f", arguments='\\n  b"'),
        a_call(0, id="a", name="f", arguments=" }"),
        STOP,
    )
    assert calls(told) == [("a", "f", '{"s": "a\\n  b" }')]


def test_arguments_that_are_an_object_become_text_in_their_order() -> None:
    """A1 case 8."""
    told = say(a_call(0, id="a", name="f", arguments={"z": 1, "a": [True, None, "é"]}), STOP)
    assert calls(told) == [("a", "f", '{"z":1,"a":[true,null,"é"]}')]


def test_arguments_may_come_before_the_name() -> None:
    told = say(a_call(0, id="a", arguments='{"x"'), a_call(0, name="f", arguments=":1}"), STOP)
    assert calls(told) == [("a", "f", '{"x":1}')]


def test_arguments_that_never_get_a_name_are_no_answer() -> None:
    chunks, failure = say(a_call(0, id="a", arguments="{}"), STOP)
    assert chunks == []
    assert failure["code"] == "empty_answer"


def test_the_function_call_of_old_servers_is_a_call() -> None:
    told = say(a_delta(function_call={"name": "f", "arguments": "{"}), a_delta(function_call={"arguments": "}"}), STOP)
    assert calls(told) == [("", "f", "{}")]


def test_a_call_that_the_limit_cut_is_left_for_the_end_to_close() -> None:
    """Else it would be told as completed, and clients would act on half of its arguments."""
    told = say(a_call(0, id="a", name="f", arguments='{"x'), a_finish("length"))
    assert "CallClosed" not in names(told)
    assert told[0][-1] == {"Stop": {"status": "incomplete", "reason": "max_output_tokens"}}


# -- lowered tools --------------------------------------------------------------------------------------------

PATCH: dict[str, Any] = {"names": {"patch": ToolName("patch", custom=True)}}


def test_a_lowered_freeform_tool_comes_back_as_plain_input() -> None:
    """A5 case 63."""
    told = say(a_call(0, id="a", name="patch", arguments='{"inp'), a_call(0, arguments='ut":"a\\nb"}'), STOP, **PATCH)
    assert told[0][:2] == [
        {"CallOpened": {"key": 0, "call_id": "a", "name": "patch", "custom": True}},
        {"CallDelta": {"key": 0, "text": "a\nb"}},
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [("plain words", "plain words"), ('{"other":1}', '{"other":1}'), ("{}", ""), ('{"input":"a\\n', "a\n")],
)
def test_a_freeform_tool_gets_what_there_is_when_the_json_is_odd(arguments: str, text: str) -> None:
    told = say(a_call(0, id="a", name="patch", arguments=arguments), a_finish("length"), **PATCH)
    assert told[0][1] == {"CallDelta": {"key": 0, "text": text}}


def test_a_tool_of_a_namespace_comes_back_with_it() -> None:
    """A5 case 64."""
    sent: dict[str, Any] = {"names": {"crm__find": ToolName("find", "crm")}}
    told = say(a_call(0, id="a", name="crm__find", arguments="{}"), STOP, **sent)
    assert told[0][0] == {"CallOpened": {"key": 0, "call_id": "a", "name": "find", "namespace": "crm"}}


# -- text and reasoning ---------------------------------------------------------------------------------------


def test_text_reasoning_and_calls_come_in_the_upstream_s_order() -> None:
    """A1 case 23."""
    told = say(
        a_delta(reasoning_content="one"),
        a_delta(content="two"),
        a_delta(reasoning_content="three"),
        a_call(0, id="a", name="f", arguments="{}"),
        a_delta(content="four"),
        STOP,
    )
    order = ["Thought", "Text", "Thought", "CallOpened", "CallDelta", "Text", "CallClosed", "Stop"]
    assert names(told) == order


@pytest.mark.parametrize("nothing", [{"role": "assistant"}, {"content": ""}, {"content": None}, {}])
def test_a_chunk_without_words_says_nothing(nothing: dict[str, Any]) -> None:
    """A1 case 24."""
    assert say(a_delta(**nothing), a_delta(content="Hi"), STOP)[0] == [{"Text": {"text": "Hi"}}, COMPLETED]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "thinking"])
def test_reasoning_is_found_under_each_of_its_names(field: str) -> None:
    """A4 case 56."""
    told = say(a_delta(**{field: "hm"}), a_delta(content="Hi"), STOP)
    assert told[0] == [{"Thought": {"text": "hm"}}, {"Text": {"text": "Hi"}}, COMPLETED]


def test_reasoning_details_are_read_when_nothing_else_tells_them() -> None:
    """A4 case 56."""
    told = say(
        a_delta(reasoning_details=[{"text": "a"}, {"summary": "b"}, {"data": "sealed"}]), a_delta(content="Hi"), STOP
    )
    assert told[0][0] == {"Thought": {"text": "ab"}}


def test_reasoning_that_is_told_twice_counts_once() -> None:
    """A4 case 56."""
    twice = a_delta(reasoning="hm", reasoning_content="hm", reasoning_details=[{"text": "hm"}])
    told = say(twice, twice, a_delta(content="Hi"), STOP)
    assert names(told) == ["Thought", "Thought", "Text", "Stop"]


def test_reasoning_is_a_summary_where_one_was_asked_for() -> None:
    told = say(a_delta(reasoning="hm"), a_delta(content="Hi"), STOP, summarize=True)
    assert told[0][0] == {"Summarized": {"text": "hm"}}


@pytest.mark.parametrize("size", range(1, 12))
def test_think_tags_are_found_in_any_cut_of_the_text(size: int) -> None:
    """A4 case 56."""
    text = " <think>a < b</thin</think>\n\nSo: <think>no</think>"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    told = say(*(a_delta(content=piece) for piece in pieces), STOP, profile=Profile(think_tags=True))
    spoken = {kind: "".join(chunk[kind]["text"] for chunk in told[0] if kind in chunk) for kind in ("Thought", "Text")}
    assert spoken == {"Thought": "a < b</thin", "Text": "So: <think>no</think>"}


def test_think_tags_are_text_where_the_profile_does_not_say_otherwise() -> None:
    assert say(a_delta(content="<think>a</think>"), STOP)[0][0] == {"Text": {"text": "<think>a</think>"}}


def test_an_unfinished_think_tag_is_text_at_the_end() -> None:
    told = say(a_delta(content="<thin"), STOP, profile=Profile(think_tags=True))
    assert told[0][0] == {"Text": {"text": "<thin"}}


def test_a_refusal_is_one() -> None:
    """A5 case 70."""
    told = say(a_delta(refusal="I can't", content=None), STOP)
    assert told == ([{"Refused": {"text": "I can't"}}, COMPLETED], None)


def test_logprobs_without_bytes_get_them() -> None:
    """A5 case 71."""
    choice = {"delta": {"content": "é"}, "logprobs": {"content": [{"token": "é", "logprob": -1.0}]}}
    told = say({"choices": [choice]}, STOP)
    assert told[0][0]["Text"]["logprobs"] == [{"token": "é", "logprob": -1.0, "bytes": [195, 169], "top_logprobs": []}]


CITED = {"type": "url_citation", "url": "https://e.org", "start_index": 0, "end_index": 2, "title": "E"}
AS_CHAT = {"type": "url_citation", "url_citation": {key: CITED[key] for key in CITED if key != "type"}}


def cited(told: Told) -> list[Any]:
    return [chunk["Annotated"]["annotation"] for chunk in told[0] if "Annotated" in chunk]


def test_annotations_become_flat_and_whole() -> None:
    bare = {"type": "url_citation", "url_citation": {"url": "https://e.org", "start_index": "x", "content": "c"}}
    told = say(a_delta(content="Hi", annotations=[AS_CHAT, bare, {"type": "odd", "x": 1}]), STOP)
    whole = {"type": "url_citation", "url": "https://e.org", "start_index": 0, "end_index": 0, "title": ""}
    assert cited(told) == [CITED, {**whole, "content": "c"}, {"type": "odd", "x": 1}]


def test_a_citation_without_an_address_is_none() -> None:
    assert cited(say(a_delta(content="Hi", annotations=[{"type": "url_citation", "url_citation": {}}]), STOP)) == []


def test_citations_that_come_before_the_text_wait_for_it() -> None:
    """Else they would open an empty message of their own."""
    early = a_delta(annotations=[AS_CHAT])
    told = say(early, a_delta(reasoning="hm"), a_delta(content="\n"), a_delta(content="Hi"), a_delta(content="!"), STOP)
    assert names(told) == ["Thought", "Text", "Text", "Annotated", "Text", "Stop"]
    behind_a_call = say(a_delta(content="Hi"), a_call(0, id="a", name="f", arguments="{}"), early, STOP)
    assert "Annotated" not in names(behind_a_call)


def test_sound_is_told_by_its_words() -> None:
    """It was not asked for; a model that speaks all the same says something."""
    pieces = [a_delta(audio={"id": "a", "transcript": "He"}), a_delta(audio={"data": "aGk=", "transcript": "y"})]
    assert say(*pieces, STOP)[0] == [{"Text": {"text": "He"}}, {"Text": {"text": "y"}}, COMPLETED]
    assert say(a_delta(content="Hi", audio={"transcript": "Hi"}), STOP)[0] == [{"Text": {"text": "Hi"}}, COMPLETED]


def test_pictures_are_items_once_each() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    away = {"type": "image_url", "image_url": {"url": "https://e.org/x.png"}}
    told = say(a_delta(content="Hi", images=[picture]), a_delta(images=[picture, away, None, 5]), STOP)
    item = {"type": "image_generation_call", "status": "completed", "result": "aGk="}
    assert told[0] == [{"Text": {"text": "Hi"}}, {"ItemClosed": {"key": "picture 0", "item": item}}, COMPLETED]
    assert say(a_delta(content=[picture]), STOP)[0] == [told[0][1], COMPLETED]


def test_parts_of_content_are_read_each_by_its_kind() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Hi"},
        {"type": "reference", "reference_ids": [1]},
        {"type": "refusal", "refusal": "No."},
    ]
    told = say(a_delta(content=parts), STOP)
    assert told[0] == [{"Thought": {"text": "hm"}}, {"Text": {"text": "Hi"}}, {"Refused": {"text": "No."}}, COMPLETED]


# -- reasoning that is wanted back ----------------------------------------------------------------------------

REPLAYED = Profile(replay_reasoning="reasoning_content")
DETAILED = Profile(replay_reasoning="reasoning_details")


def states(told: Told) -> list[Any]:
    return [json.loads(chunk["ThoughtState"]["encrypted_content"]) for chunk in told[0] if "ThoughtState" in chunk]


def a_detail(index: int | None = 0, kind: str = "text", **fields: Any) -> dict[str, Any]:
    return {"type": f"reasoning.{kind}", "format": "anthropic-claude-v1", "index": index, **fields}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_raw_reasoning_is_kept_where_it_is_wanted_back(field: str) -> None:
    """A4 cases 51 and 55: also for a client that keeps nothing of an item but its state."""
    events = [a_delta(**{field: "h"}), a_delta(**{field: "m"}), a_delta(content="Hi"), a_delta(content="!"), STOP]
    told = say(*events, profile=REPLAYED)
    assert names(told) == ["Thought", "Thought", "ThoughtState", "Text", "Text", "Stop"]
    assert states(told) == [{"text": "hm"}]
    assert states(say(*events)) == []


def test_state_belongs_to_the_reasoning_before_it() -> None:
    """A1 case 23, A4 case 51."""
    told = say(
        a_delta(reasoning_content="one"),
        a_delta(content="\n"),
        a_delta(reasoning_content=", two"),
        a_delta(content="\n"),
        a_delta(content="Hi"),
        a_delta(reasoning_content="three"),
        a_call(0, id="a", name="f", arguments="{}"),
        a_delta(reasoning_content="four"),
        a_delta(refusal="No."),
        a_delta(reasoning_content="five"),
        STOP,
        profile=REPLAYED,
    )
    assert states(told) == [{"text": "one, two"}, {"text": "three"}, {"text": "four"}, {"text": "five"}]
    order = [name for name in names(told) if name not in {"Thought", "CallDelta", "CallClosed"}]
    assert order == [
        *("Text", "Text", "ThoughtState", "Text", "ThoughtState", "CallOpened"),
        *("ThoughtState", "Refused", "ThoughtState", "Stop"),
    ]


def test_think_tags_are_kept_too() -> None:
    profile = Profile(think_tags=True, replay_reasoning="reasoning")
    assert states(say(a_delta(content="<think>hm</think>Hi"), STOP, profile=profile)) == [{"text": "hm"}]


def test_pieces_of_a_reasoning_detail_become_one_block_again() -> None:
    """A4 case 51: 'Invalid `signature` in `thinking` block', where they came back apart."""
    told = say(
        a_delta(reasoning="Let", reasoning_details=[a_detail(text="Let")]),
        a_delta(reasoning=" me", reasoning_details=[a_detail(text=" me", signature=None)]),
        a_delta(reasoning_details=[a_detail(signature="Et8B", text=None), a_detail(0, "encrypted", data="AY", id="a")]),
        a_call(0, id="a", name="f", arguments="{}"),
        a_delta(reasoning_details=[a_detail(0, "encrypted", data="BZ", id="b")]),
        STOP,
        profile=DETAILED,
    )
    first, second = states(told)
    assert first == {
        "details": [a_detail(text="Let me", signature="Et8B"), a_detail(0, "encrypted", data="AY", id="a")],
    }
    assert second == {"details": [a_detail(0, "encrypted", data="BZ", id="b")]}
    assert names(told)[:4] == ["Thought", "Thought", "ThoughtState", "CallOpened"]


def test_details_without_an_index_stay_apart() -> None:
    details = [a_detail(None, text="a"), a_detail(None, text="b")]
    told = say(a_delta(reasoning_details=details), a_delta(content="Hi"), STOP, profile=DETAILED)
    assert states(told)[0]["details"] == details


def test_details_of_a_whole_answer_stay_as_they_came() -> None:
    details = [a_detail(text="a", signature="s"), a_detail(text="b", signature="t")]
    message = {"content": "Hi", "reasoning": "ab", "reasoning_details": details}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    assert states(parse(CHAT, body, streamed=False, profile=DETAILED))[0]["details"] == details


def test_what_stands_beside_a_call_is_kept_in_front_of_it() -> None:
    """A4 case 54: Gemini's compatible endpoint signs the first of parallel calls there."""
    extra = {"google": {"thought_signature": "AY89"}}
    signed = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}
    plain = {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}
    told = say(a_delta(tool_calls=[signed, plain]), STOP)
    assert states(told) == [{"call": extra}]
    assert names(told)[:4] == ["ThoughtState", "CallOpened", "CallDelta", "CallOpened"]


# -- usage ----------------------------------------------------------------------------------------------------

HI = a_delta(content="Hi")
USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


@pytest.mark.parametrize(
    "events",
    [
        [HI, a_finish("stop", usage=USAGE)],
        [HI, a_finish("stop"), {"usage": USAGE}],
        [HI, a_finish("stop", usage=None), {"choices": [], "usage": USAGE}],
        [HI, a_finish("stop"), {"choices": None, "usage": USAGE}],
        [{**HI, "usage": {"prompt_tokens": 3, "completion_tokens": 0}}, a_finish("stop", usage=USAGE)],
        [HI, {"choices": [{"delta": {}, "finish_reason": "stop", "usage": USAGE}]}],
        [HI, {"choices": [{"delta": {"content": "!"}, "usage": USAGE}]}, a_finish("stop")],
        [HI, a_finish("stop", x_groq={"id": "req_1", "usage": USAGE})],
    ],
)
def test_usage_is_taken_from_wherever_it_stands(events: list[Any]) -> None:
    """A1 case 20: the last word counts."""
    used = [chunk["Used"]["usage"] for chunk in say(*events)[0] if "Used" in chunk][-1]
    assert (used["input_tokens"], used["output_tokens"], used["total_tokens"]) == (3, 2, 5)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": None},
        {"prompt_tokens": -1, "completion_tokens": "2"},
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    ],
)
def test_usage_that_is_none_is_not_told(usage: Any) -> None:
    """A2 case 33: an estimate is the engine's, and marked as one; zeros would be a lie."""
    assert names(say(HI, a_finish("stop", usage=usage))) == ["Text", "Stop"]


@pytest.mark.parametrize(
    ("more", "cached", "written", "reasoning", "output"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1}}, 2, 1, 0, 2),
        ({"prompt_cache_hit_tokens": 2, "prompt_cache_miss_tokens": 1}, 2, 0, 0, 2),
        ({"cached_tokens": 2}, 2, 0, 0, 2),
        ({"completion_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 5}, 0, 0, 1, 2),
        ({"completion_tokens_details": {"reasoning_tokens": 7}, "total_tokens": 12}, 0, 0, 7, 9),
    ],
)
def test_every_vendor_s_details_of_usage_are_read(
    more: dict[str, Any], cached: int, written: int, reasoning: int, output: int
) -> None:
    """A2 cases 30 to 32: OpenRouter, DeepSeek, Moonshot, and xAI, which counts reasoning beside the answer."""
    used = say(HI, a_finish("stop", usage={**USAGE, **more}))[0][1]["Used"]["usage"]
    assert used["input_tokens_details"] == {"cached_tokens": cached, "cache_write_tokens": written}
    assert used["output_tokens_details"] == {"reasoning_tokens": reasoning}
    assert (used["output_tokens"], used["total_tokens"]) == (output, 3 + output)


@pytest.mark.parametrize(("tier", "ours"), [("flex", "flex"), ("on_demand", "default"), ("performance", None)])
def test_a_tier_is_told_by_the_api_s_own_name(tier: str, ours: str | None) -> None:
    told = say({**HI, "service_tier": tier}, a_finish("stop", usage=USAGE))
    assert told[0][1]["Used"].get("service_tier") == ours


# -- the end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason", ["stop", "tool_calls", "function_call", "toolUse", "end_turn", "STOP", "eos", "COMPLETE"]
)
def test_an_end_is_an_end_under_any_of_its_names(reason: str) -> None:
    """A2 case 27: the reason never decides whether there are calls."""
    told = say(a_call(0, id="a", name="f", arguments="{}"), a_finish(reason))
    assert calls(told) == [("a", "f", "{}")]
    assert told[0][-1] == COMPLETED


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("length", "max_output_tokens"),
        ("max_tokens", "max_output_tokens"),
        ("content_filter", "content_filter"),
        ("MAX_TOKENS", "max_output_tokens"),
        ("model_length", "max_output_tokens"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("sensitive", "content_filter"),
        ("guardrail_intervened", "content_filter"),
    ],
)
def test_an_early_end_says_why(reason: str, ours: str) -> None:
    """A2 case 26; usage is kept."""
    told = say(HI, a_finish(reason, usage=USAGE))
    assert names(told) == ["Text", "Used", "Stop"]
    assert told[0][-1] == {"Stop": {"status": "incomplete", "reason": ours}}


def test_a_budget_spent_on_reasoning_is_an_incomplete_answer() -> None:
    """A2 case 25."""
    told = say(a_delta(reasoning_content="hm"), a_finish("length", usage=USAGE))
    assert told[1] is None
    assert names(told) == ["Thought", "Used", "Stop"]


@pytest.mark.parametrize("reason", ["error", "malformed_function_call", "abort", "insufficient_system_resource"])
def test_an_end_that_nobody_knows_is_a_failure_and_usage_is_kept(reason: str) -> None:
    """A2 case 28."""
    told, failure = say(HI, a_finish(reason, usage=USAGE))
    assert [*told[-1]] == ["Used"]
    assert failure["kind"] == "ProviderBroke"
    assert reason in failure["message"]


def test_an_empty_answer_is_a_failure() -> None:
    """A2 case 29: it may be asked for once more."""
    assert say(a_delta(role="assistant", content=""), STOP)[1]["code"] == "empty_answer"
    assert say(a_delta(content=" \n"), STOP)[1]["code"] == "empty_answer"


@pytest.mark.parametrize("ending", [[], ["[DONE]"], [a_finish(None), "[DONE]"]])
def test_an_answer_without_a_finish_never_ended(ending: list[Any]) -> None:
    """A1 case 13."""
    told, failure = parse(CHAT, sse(HI, *ending))
    assert told == [{"Text": {"text": "Hi"}}]
    assert failure["message"] == "The provider's answer never ended."


def test_a_finish_is_enough_where_done_is_missing() -> None:
    """A1 case 21."""
    assert parse(CHAT, sse(HI, a_finish("stop")))[0][-1] == COMPLETED


# -- errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        ({"error": {"message": "No.", "code": 429}}, "ProviderBusy", "No."),
        ({"error": {"message": "No.", "type": "overloaded_error"}}, "ProviderBusy", "No."),
        ({"error": "No."}, "ProviderBroke", "No."),
        ({"error": {"code": None}}, "ProviderBroke", "The provider reported an error without a message."),
        ({"error": {"message": "Bad.", "code": "context_length_exceeded"}}, "ProviderRefused", "Bad."),
        ({"object": "error", "message": "Bad.", "code": 400}, "ProviderRefused", "Bad."),
        ({"type": "error", "message": "No."}, "ProviderBroke", "No."),
        ({"choices": [{"error": {"message": "No.", "code": 503}}]}, "ProviderBusy", "No."),
    ],
)
def test_an_error_in_the_stream_is_a_failure_with_its_words(event: Any, kind: str, message: str) -> None:
    """A1 cases 14 and 15."""
    for before in ([], [HI]):
        told, failure = say(*before, event, STOP)
        assert (failure["kind"], failure["message"]) == (kind, message)
        assert [*told] == [{"Text": {"text": "Hi"}} for _ in before]


@pytest.mark.parametrize("event", [{"error": None}, {"error": {}}, {"choices": [{"error": None, "delta": None}]}])
def test_an_error_that_is_null_is_none(event: Any) -> None:
    """A1 case 14."""
    assert say(event, HI, STOP)[0] == [{"Text": {"text": "Hi"}}, COMPLETED]


@pytest.mark.parametrize("data", ["{", '"words"', "[1]", '{"choices":5}', '{"choices":[{"delta":{"content":5}}]}'])
def test_an_event_that_can_not_be_read_is_a_failure(data: str) -> None:
    told, failure = say(HI, data, STOP)
    assert told == [{"Text": {"text": "Hi"}}]
    assert failure["message"] == "The provider sent an event that can't be read."


def test_bytes_that_are_no_unicode_cost_a_character_and_not_the_answer() -> None:
    data = sse(HI, STOP).replace(b"Hi", b"H\xff\xc3")
    assert parse(CHAT, data)[0] == [{"Text": {"text": "H\ufffd\ufffd"}}, COMPLETED]


def test_half_a_surrogate_pair_costs_a_character_and_not_the_answer() -> None:
    data = sse(HI, STOP).replace(b"Hi", rb"\ud83d \\ud83d \ud83d\ude00 \ude00")
    assert parse(CHAT, data)[0][0] == {"Text": {"text": "\ufffd \\ud83d \U0001f600 \ufffd"}}


# -- the whole answer -----------------------------------------------------------------------------------------


def test_a_whole_answer_says_what_its_stream_says() -> None:
    """A1 case 22."""
    message = {
        "content": "Hi",
        "reasoning_content": "hm",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    whole = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": USAGE}
    streamed = say(
        a_delta(reasoning_content="hm"),
        a_delta(content="Hi"),
        a_call(0, id="a", name="f", arguments="{}"),
        a_finish("tool_calls", usage=USAGE),
    )
    assert parse(CHAT, json.dumps(whole).encode(), streamed=False) == streamed


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"[]", b"data: {}\n\n"])
def test_a_whole_answer_that_can_not_be_read_is_a_failure(body: bytes) -> None:
    told, failure = parse(CHAT, body, streamed=False)
    assert told == []
    assert failure["message"] == "The provider's answer can't be read."


@pytest.mark.parametrize(
    "body", [{}, {"choices": None}, {"choices": []}, {"choices": [{"message": {"content": "Hi"}}]}]
)
def test_a_whole_answer_without_an_end_is_a_failure(body: Any) -> None:
    assert parse(CHAT, json.dumps(body).encode(), streamed=False)[1]["message"] == "The provider's answer never ended."


def test_nulls_stand_for_nothing() -> None:
    """A2 case 34."""
    fields = ("content", "refusal", "reasoning", "reasoning_details", "tool_calls", "function_call", "annotations")
    nulls: dict[str, Any] = dict.fromkeys(fields)
    event = {"id": None, "created": None, "usage": None, "error": None, "service_tier": None}
    told = say({**event, "choices": [{"delta": nulls, "logprobs": None}]}, HI, STOP)
    assert told[0] == [{"Text": {"text": "Hi"}}, COMPLETED]
