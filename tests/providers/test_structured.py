"""Structured output from models that can't promise it: how they are asked, and what becomes of their answers."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antiphon.codecs.chat import CHAT
from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import Emitter
from antiphon.errors import BadRequest, ProviderBroke, Unsupported
from antiphon.providers.structured import StructuredModel, structured
from antiphon.providers.structured.judging import MAX_CHECKS, MAX_SCHEMA_BYTES, Fits, Judge, Misfit
from antiphon.testing.judges import judge_stream
from antiphon.types.chunks import (
    Annotated,
    Break,
    CallClosed,
    CallDelta,
    CallOpened,
    Chunk,
    Refused,
    Stop,
    Summarized,
    Text,
    Thought,
    ThoughtState,
    Used,
)
from antiphon.types.content import Logprob
from antiphon.types.profiles import Profile
from antiphon.types.responses import InputTokensDetails, OutputTokensDetails, ResponseError, Usage
from antiphon.types.tools import FunctionChoice, FunctionTool
from antiphon.types.turns import Turn
from tests.codecs import turns
from tests.codecs.turns import a_function, a_turn, said

POINT = {
    "type": "object",
    "properties": {"x": {"type": "integer", "minimum": 3}, "y": {"type": "integer"}},
    "required": ["x"],
    "additionalProperties": False,
}
GOOD = '{"x": 5}'
BAD = '{"x": 1}'
DONE = Stop("completed")
FORCED = Profile(json_schema=False)
JSON_MODE = Profile(json_schema=False, forced_tools=False)
BARE = Profile(json_schema=False, json_object=False, tools=False)
REDUCED = Profile(schema_dialect="anthropic")


def a_point(schema: Any = POINT, *items: dict[str, Any], strict: bool | None = True, **request: Any) -> Turn:
    form = {"type": "json_schema", "name": "point", "schema": schema, "strict": strict}
    return a_turn(*items, text={"format": form}, **request)


def an_object(**request: Any) -> Turn:
    return a_turn(text={"format": {"type": "json_object"}}, **request)


def used(used: int, made: int, **inner: int) -> Used:
    return Used(
        Usage(
            input_tokens=used,
            input_tokens_details=InputTokensDetails(cached_tokens=inner.get("cached", 0), cache_write_tokens=1),
            output_tokens=made,
            output_tokens_details=OutputTokensDetails(reasoning_tokens=inner.get("reasoning", 0)),
            total_tokens=used + made,
        )
    )


def a_call(arguments: str, name: str = "point") -> list[Chunk]:
    return [CallOpened(0, "call_7", name), CallDelta(0, arguments[:3]), CallDelta(0, arguments[3:]), CallClosed(0)]


class Scripted:
    """A model that gives its answers one after the other, and remembers how it was asked."""

    name = "scripted"

    def __init__(self, profile: Profile, *answers: Sequence[Chunk] | Exception) -> None:
        self.profile = profile
        self.answers = list(answers)
        self.turns: list[Turn] = []

    async def stream(self, turn: Turn, notes: list[str]) -> AsyncGenerator[list[Chunk], None]:
        if self.profile.schema_dialect == "full":
            turns.judge(CHAT.encode(turn, self.profile))
        self.turns.append(turn)
        notes.append("user left out")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        for chunk in answer:
            yield [chunk]


async def told(model: Scripted, turn: Turn) -> tuple[list[Chunk], list[str]]:
    """Return all chunks, and the notes that there were at the first of them."""
    notes: list[str] = []
    seen: list[Chunk] = []
    first: list[str] | None = None
    async for chunks in StructuredModel(model).stream(turn, notes):
        first = list(notes) if first is None else first
        seen += chunks
    assert first == notes
    return seen, notes


async def answered(profile: Profile, turn: Turn, *answers: Sequence[Chunk] | Exception) -> tuple[str, Scripted]:
    """Return the text of an answer that must be complete, and the model."""
    model = Scripted(profile, *answers)
    seen, _ = await told(model, turn)
    assert seen[-1] == DONE
    return "".join(chunk.text for chunk in seen if isinstance(chunk, Text)), model


def encoded(model: Scripted, attempt: int = 0) -> dict[str, Any]:
    return turns.encoded(CHAT, model.turns[attempt], model.profile)[0]


def parameters(model: Scripted) -> Any:
    """Return the schema of the function that was offered."""
    view = model.turns[0].tools[0].view
    assert isinstance(view, FunctionTool)
    return json.loads(bytes(view.parameters))


# -- who is asked how -----------------------------------------------------------------------------------------


def test_a_model_that_takes_every_format_whole_is_not_wrapped() -> None:
    whole = Scripted(Profile())
    assert structured(whole) is whole
    for profile in (FORCED, Profile(json_object=False), REDUCED):
        wrapped = structured(Scripted(profile))
        assert isinstance(wrapped, StructuredModel)
        assert (wrapped.name, wrapped.profile) == ("scripted", profile)


@pytest.mark.parametrize(
    ("profile", "turn"),
    [
        (FORCED, a_turn()),
        (BARE, a_turn(text={"format": {"type": "text"}})),
        (FORCED, an_object()),
        (Profile(json_object=False), a_point()),
        (REDUCED, a_point({**POINT, "properties": {"x": {"type": "integer"}}})),
        (REDUCED, a_point(strict=False)),
        (REDUCED, a_point(strict=None)),
        (Profile(schema_dialect="openai"), a_point({"type": "object"}, strict=False)),
    ],
)
async def test_what_the_model_takes_whole_streams_as_it_comes(profile: Profile, turn: Turn) -> None:
    model = Scripted(profile, [Text("no"), Text(" JSON"), DONE])
    notes: list[str] = []
    seen = [chunks async for chunks in StructuredModel(model).stream(turn, notes)]
    assert seen == [[Text("no")], [Text(" JSON")], [DONE]]
    assert (model.turns, notes) == ([turn], ["user left out"])


async def test_a_function_is_forced_and_its_arguments_become_the_text() -> None:
    turn = a_point(instructions="Be brief.")
    text, model = await answered(FORCED, turn, [*a_call(GOOD), DONE])
    assert text == GOOD
    body = encoded(model)
    assert [tool["function"] for tool in body["tools"]] == [
        {"name": "point", "description": "Gives the answer.", "parameters": POINT, "strict": False}
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "point"}}
    assert body["messages"][0]["content"] == "Be brief."
    assert "response_format" not in body
    assert turn.request.text is not None


async def test_the_function_has_the_formats_description_and_the_dialect_of_its_provider() -> None:
    form = {"type": "json_schema", "name": "a point", "description": "In the plane.", "schema": POINT}
    gemini = Profile(json_schema=False, schema_dialect="gemini")
    _, model = await answered(gemini, a_turn(text={"format": form}), [*a_call(GOOD, "a point"), DONE])
    function = encoded(model)["tools"][0]["function"]
    assert function["description"] == "In the plane."
    assert function["name"].startswith("a_point_")
    assert function["parameters"] == POINT
    choice = model.turns[0].tool_choice
    assert isinstance(choice, FunctionChoice)
    assert choice.name == "a point"
    small = a_point({**POINT, "properties": {"x": {"type": "integer", "multipleOf": 5}}})
    _, model = await answered(gemini, small, [*a_call(GOOD), DONE])
    described = {"type": "integer", "description": 'It must fit {"multipleOf":5}'}
    assert parameters(model)["properties"] == {"x": described}


async def test_json_mode_is_switched_on_and_the_schema_told_where_no_function_can_be_forced() -> None:
    text, model = await answered(JSON_MODE, a_point(instructions="Be brief."), [Text('{"x":'), Text("5}"), DONE])
    assert text == '{"x":5}'
    body = encoded(model)
    assert body["response_format"] == {"type": "json_object"}
    assert "tools" not in body
    instructions = body["messages"][0]["content"]
    assert instructions.startswith("Be brief.\n\nAnswer with JSON alone")
    assert json.dumps(POINT, separators=(",", ":")) in instructions


async def test_a_model_with_neither_is_only_told() -> None:
    text, model = await answered(BARE, a_point(), [Text(GOOD), DONE])
    assert text == GOOD
    body = encoded(model)
    assert body.keys() == {"model", "messages"}
    assert "'point' and must fit this JSON schema" in body["messages"][0]["content"]


async def test_any_json_object_can_be_asked_of_a_model_without_json_mode() -> None:
    text, model = await answered(BARE, an_object(), [Text("[1]"), DONE], [Text('{"any": 1}'), DONE])
    assert text == '{"any": 1}'
    assert encoded(model)["messages"][0]["content"].endswith("The JSON is one object.")


async def test_a_turn_with_tools_of_its_own_is_left_free_to_call_them() -> None:
    turn = a_point(tools=[a_function()])
    model = Scripted(FORCED, [Text("Let me see."), *a_call("{not json", "go"), used(1, 2), DONE])
    seen, _ = await told(model, turn)
    assert seen == [Text("Let me see."), *a_call("{not json", "go"), used(1, 2), DONE]
    body = encoded(model)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["go"]
    assert not body.keys() & {"response_format", "tool_choice"}
    text, _ = await answered(FORCED, turn, [Text(BAD), DONE], [Text(GOOD), DONE])
    assert text == GOOD


async def test_tools_that_an_item_brings_count_as_tools_of_its_own() -> None:
    item = {"type": "additional_tools", "role": "developer", "tools": [a_function()]}
    _, model = await answered(FORCED, a_point(POINT, item, said("Hi")), [Text(GOOD), DONE])
    assert [tool["function"]["name"] for tool in encoded(model)["tools"]] == ["go"]


@pytest.mark.parametrize("profile", [FORCED, JSON_MODE])
async def test_an_answer_that_is_no_object_is_asked_for_in_words(profile: Profile) -> None:
    text, model = await answered(profile, a_point({"type": "array", "items": POINT}), [Text(f"[{GOOD}]"), DONE])
    assert text == f"[{GOOD}]"
    assert not encoded(model).keys() & {"response_format", "tools"}


async def test_an_object_behind_a_reference_is_an_object() -> None:
    schema = {"$ref": "#/$defs/point", "$defs": {"point": POINT}}
    _, model = await answered(FORCED, a_point(schema), [*a_call(GOOD), DONE])
    assert "tools" in encoded(model)


async def test_log_probabilities_are_those_of_text_so_no_function_is_forced() -> None:
    logprob = Logprob(token=GOOD, logprob=-1.0, bytes=[], top_logprobs=[])
    turn = a_point(include=["message.output_text.logprobs"])
    model = Scripted(FORCED, [Text(GOOD, [logprob]), DONE])
    seen, _ = await told(model, turn)
    assert seen == [Text(GOOD, [logprob]), DONE]
    assert encoded(model)["response_format"] == {"type": "json_object"}


async def test_a_provider_that_knows_a_part_of_the_schema_is_asked_as_usual_and_checked() -> None:
    text, model = await answered(REDUCED, a_point(), [Text(BAD), DONE], [Text(GOOD), DONE])
    assert text == GOOD
    assert [turn.request.text for turn in model.turns] == [a_point().request.text] * 2


async def test_a_schema_that_the_provider_has_no_words_for_is_emulated() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False}
    text, model = await answered(REDUCED, a_point(tree), [*a_call('{"next":{"next":{}}}'), DONE])
    assert text == '{"next":{"next":{}}}'
    assert parameters(model) == tree


# -- what is shown --------------------------------------------------------------------------------------------


async def test_nothing_is_shown_before_the_answer_is_known_to_fit() -> None:
    model = Scripted(BARE, [Thought("Hm."), Text('{"x"'), Text(":5}"), used(1, 2), DONE])
    seen = [chunks async for chunks in StructuredModel(model).stream(a_point(), [])]
    assert seen == [[Thought("Hm."), Text('{"x"'), Text(":5}"), used(1, 2), DONE]]


async def test_reasoning_comes_before_the_text_of_a_function() -> None:
    said_aloud: list[Chunk] = [Text("Here:"), *a_call(GOOD)]
    model = Scripted(FORCED, [Thought("Hm."), *said_aloud, ThoughtState("s"), DONE])
    seen, _ = await told(model, a_point())
    assert seen == [Thought("Hm."), ThoughtState("s"), Text(GOOD), DONE]


async def test_an_answer_that_fits_is_shown_as_it_was_said_with_its_annotations() -> None:
    chunks: list[Chunk] = [Text(" " + GOOD), Annotated(Raw(b"{}")), Break(), DONE]
    seen, _ = await told(Scripted(BARE, chunks), a_point())
    assert seen == chunks


@pytest.mark.parametrize(
    "text",
    [f"```json\n{GOOD}\n```", f"```\n{GOOD}\n```\n", f"\n ```JSON \r\n{GOOD}\r\n``` ", f"```json\n{GOOD}```"],
)
async def test_a_code_fence_around_the_answer_is_taken_away(text: str) -> None:
    shown, _ = await answered(BARE, a_point(), [Text(text), DONE])
    assert json.loads(shown) == {"x": 5}
    assert "`" not in shown


async def test_a_text_instead_of_the_forced_call_counts_too() -> None:
    text, _ = await answered(FORCED, a_point(), [Text(GOOD), DONE])
    assert text == GOOD


async def test_a_call_by_another_name_is_still_the_answer_and_never_the_clients() -> None:
    text, _ = await answered(FORCED, a_point(), [*a_call(GOOD, "point_2"), DONE])
    assert text == GOOD


async def test_of_several_calls_the_first_is_the_answer() -> None:
    second: list[Chunk] = [CallOpened(1, "call_8", "point"), CallDelta(1, '{"x": 9}')]
    text, _ = await answered(FORCED, a_point(), [*a_call(GOOD), *second, DONE])
    assert text == GOOD


async def test_null_for_what_may_be_left_out_is_left_out() -> None:
    text, model = await answered(BARE, a_point(), [Text('{"x": 5, "y": null}'), DONE])
    assert text == '{"x":5}'
    assert len(model.turns) == 1


async def test_null_that_the_schema_allows_is_kept() -> None:
    schema = {"properties": {"a": {"type": ["null", "string"]}, "b": {"type": "integer"}}}
    text, _ = await answered(BARE, a_point(schema), [Text('{"a":null,"b":null}'), DONE])
    assert text == '{"a":null}'


@pytest.mark.parametrize(
    "end",
    [
        [Text('{"x":'), Stop("incomplete", reason="max_output_tokens")],
        [Text(GOOD), Stop("incomplete", reason="content_filter")],
        [Text(GOOD), Stop("failed", error=ResponseError(code="server_error", message="Oh."))],
        [Refused("I won't."), DONE],
        [Text("{"), Refused("No."), DONE],
    ],
)
@pytest.mark.parametrize("profile", [FORCED, JSON_MODE, BARE, REDUCED])
async def test_a_refusal_and_a_cut_answer_are_passed_on_at_once(profile: Profile, end: list[Chunk]) -> None:
    model = Scripted(profile, [Thought("Hm."), *end])
    seen, _ = await told(model, a_point())
    assert seen == [Thought("Hm."), *end]


async def test_arguments_that_were_cut_are_shown_as_text_that_was_cut() -> None:
    cut = Stop("incomplete", reason="max_output_tokens")
    seen, _ = await told(Scripted(FORCED, [CallOpened(0, "c", "point"), CallDelta(0, '{"x"'), cut]), a_point())
    assert seen == [Text('{"x"'), cut]


async def test_a_provider_that_fails_fails_the_answer_at_any_attempt() -> None:
    with pytest.raises(ProviderBroke):
        await told(Scripted(BARE, ProviderBroke("gone")), a_point())
    with pytest.raises(ProviderBroke):
        await told(Scripted(BARE, [Text(BAD), DONE], ProviderBroke("gone")), a_point())


# -- corrections ----------------------------------------------------------------------------------------------


async def test_a_model_is_shown_its_answer_and_what_is_wrong_with_it() -> None:
    turn = a_point(POINT, said("First"), said("Where?"), own=1)
    _, model = await answered(BARE, turn, [Text('{"x": 1, "z": 2}'), DONE], [Text(GOOD), DONE])
    again = model.turns[1]
    assert [again.path(index) for index in range(4)] == ["input", "input[0]", "input[1]", "input[2]"]
    answer, correction = encoded(model, 1)["messages"][-2:]
    assert answer == {"role": "assistant", "content": '{"x": 1, "z": 2}'}
    assert correction["role"] == "user"
    assert "/x: 1 is less than the minimum of 3" in correction["content"]
    assert "'z' was unexpected" in correction["content"]


async def test_a_forced_function_is_told_in_its_output_what_is_wrong() -> None:
    _, model = await answered(FORCED, a_point(), [*a_call(BAD), DONE], [*a_call(GOOD), DONE])
    body = encoded(model, 1)
    call, output = body["messages"][-2:]
    assert call["tool_calls"][0]["function"] == {"name": "point", "arguments": BAD}
    assert output["tool_call_id"] == call["tool_calls"][0]["id"] == "call_7"
    assert "minimum of 3" in output["content"]
    assert body["tool_choice"]["function"]["name"] == "point"


async def test_a_call_without_an_id_is_given_one_for_the_correction() -> None:
    nameless: list[Chunk] = [CallOpened(0, "", "point"), CallDelta(0, BAD), DONE]
    _, model = await answered(FORCED, a_point(), nameless, [*a_call(GOOD), DONE])
    call, output = encoded(model, 1)["messages"][-2:]
    assert output["tool_call_id"] == call["tool_calls"][0]["id"] == "call_0"


async def test_reasoning_and_its_state_go_back_with_the_answer_in_order() -> None:
    first: list[Chunk] = [
        Summarized("One.", 0),
        Summarized("Two.", 1),
        ThoughtState("signed"),
        ThoughtState("redacted"),
        Thought("Hm"),
        Thought("."),
        Text(BAD),
        ThoughtState("of the text"),
        DONE,
    ]
    _, model = await answered(BARE, a_point(), first, [Text(GOOD), DONE])
    items = [json.loads(bytes(item.raw)) for item in model.turns[1].items]
    assert items[1:-1] == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}],
            "encrypted_content": "signed",
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "redacted"},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": BAD, "annotations": []}],
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "of the text"},
    ]


async def test_an_empty_answer_is_corrected_without_being_repeated() -> None:
    _, model = await answered(BARE, a_point(), [Text(" "), DONE], [Text(GOOD), DONE])
    assert [message["role"] for message in encoded(model, 1)["messages"]] == ["system", "user", "user"]


async def test_only_the_last_answer_is_shown_and_all_tokens_are_counted() -> None:
    model = Scripted(
        BARE,
        [Thought("First."), Text(BAD), used(10, 5, cached=2, reasoning=3), DONE],
        [Text("no JSON"), DONE],
        [Thought("Last."), Text(GOOD), Used(used(20, 7, cached=4).usage, "flex"), DONE],
    )
    seen, notes = await told(model, a_point())
    total = Usage(
        input_tokens=30,
        input_tokens_details=InputTokensDetails(cached_tokens=6, cache_write_tokens=2),
        output_tokens=12,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=3),
        total_tokens=42,
    )
    assert seen == [Thought("Last."), Text(GOOD), Used(total, "flex"), DONE]
    assert notes == [
        "text.format: emulated with instructions, checked here",
        "user left out",
        "text.format: fits after 2 retries",
    ]


@pytest.mark.parametrize(
    ("profile", "note"),
    [
        (FORCED, "text.format: emulated with a forced function, checked here"),
        (JSON_MODE, "text.format: emulated with JSON mode, checked here"),
        (BARE, "text.format: emulated with instructions, checked here"),
        (REDUCED, "text.format: checked here"),
    ],
)
async def test_notes_say_how_the_format_was_had(profile: Profile, note: str) -> None:
    _, notes = await told(Scripted(profile, [Text(BAD), DONE], [Text(GOOD), DONE]), a_point())
    assert notes == [note, "user left out", "text.format: fits after 1 retry"]


@pytest.mark.parametrize("profile", [FORCED, JSON_MODE, BARE, REDUCED])
async def test_after_two_corrections_the_answer_fails_and_says_why(profile: Profile) -> None:
    again: list[Chunk] = [Thought("Hm."), Text(BAD), used(1, 1), DONE]
    model = Scripted(profile, again, again, again)
    seen, notes = await told(model, a_point())
    assert seen[:2] == [Thought("Hm."), Text(BAD)]
    assert isinstance(seen[2], Used)
    assert seen[2].usage.total_tokens == 6
    assert seen[3] == Stop(
        "failed",
        error=ResponseError(
            code="server_error",
            message="The model's answer does not match the schema: /x: 1 is less than the minimum of 3",
        ),
    )
    assert notes[-1] == "text.format: does not fit after 2 retries"
    assert model.answers == []


@pytest.mark.parametrize("profile", [FORCED, JSON_MODE, BARE, REDUCED])
async def test_an_answer_that_fails_is_never_shown_as_a_completed_one(profile: Profile) -> None:
    again: list[Chunk] = [Thought("Hm."), Text(BAD), ThoughtState("of the text"), DONE]
    turn = a_point()
    seen, _ = await told(Scripted(profile, again, again, again), turn)
    first = first_snapshot(turn.request, response_id="resp_0a", created_at=1, conversation_id=None, tools=[])
    emitter = Emitter(first)
    shown = judge_stream([msgspec.json.encode(event) for event in emitter.add(seen) + emitter.finish(2)])
    assert shown["status"] == "failed"
    assert [item["status"] for item in shown["output"] if item["type"] == "message"] == ["incomplete"]


async def test_a_refusal_of_a_later_attempt_is_passed_on_with_the_tokens_of_all() -> None:
    model = Scripted(BARE, [Text(BAD), used(1, 1), DONE], [Refused("No."), used(2, 2), DONE])
    seen, _ = await told(model, a_point())
    assert seen[0] == Refused("No.")
    assert isinstance(seen[1], Used)
    assert seen[1].usage.total_tokens == 6


# -- the judge ------------------------------------------------------------------------------------------------


def held(schema: Any, text: str) -> Fits | Misfit:
    return Judge(schema, "p").hold(text)


def refused(schema: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        Judge(schema, "p")
    assert (caught.value.code, caught.value.param) == ("invalid_json_schema", "p")
    return caught.value


@pytest.mark.parametrize("text", ["", "{", "{} {}", "NaN", "Sure: {}", "\ud800", '"\ud800"', "[" * 100 + "]" * 100])
def test_what_is_not_json_is_a_misfit(text: str) -> None:
    verdict = held({}, text)
    assert isinstance(verdict, Misfit)
    assert len(verdict.errors) == 1


def test_an_answer_is_held_against_every_word_of_the_schema() -> None:
    schema = {
        "$defs": {"n": {"not": {"const": 3}}},
        "type": "array",
        "items": {"$ref": "#/$defs/n"},
        "uniqueItems": True,
    }
    assert held(schema, "[1, 2]") == Fits("[1, 2]")
    assert isinstance(held(schema, "[3]"), Misfit)
    assert isinstance(held(schema, "[1, 1]"), Misfit)


def test_the_draft_that_a_schema_names_is_its_own() -> None:
    tuples = {"items": [{"type": "string"}]}
    assert isinstance(held({"$schema": "http://json-schema.org/draft-07/schema#", **tuples}, "[1]"), Misfit)


def test_errors_are_few_and_short() -> None:
    verdict = held({"items": {"type": "integer"}}, json.dumps(["x" * 1000] * 50))
    assert isinstance(verdict, Misfit)
    assert len(verdict.errors) == 10
    assert max(map(len, verdict.errors)) < 220
    assert verdict.errors[0].startswith('/0: "xxx')


@pytest.mark.parametrize(
    "schema", [{"type": "objekt"}, {"pattern": "("}, {"$ref": "#/$defs/none"}, {"$schema": "https://example.com/mine"}]
)
def test_what_is_no_schema_is_a_bad_request(schema: Any) -> None:
    assert refused(schema).message.startswith("Invalid schema: ")


@pytest.mark.parametrize("ref", ["https://example.com/a.json", "file:///etc/passwd", "other.json", "#anchor"])
def test_references_never_leave_the_schema(ref: str) -> None:
    assert isinstance(refused({"properties": {"a": {"$ref": ref}}}), Unsupported)
    assert isinstance(refused({"$id": "https://example.com/", "properties": {"a": {"$dynamicRef": ref}}}), Unsupported)


def test_a_schema_is_not_longer_than_its_limit() -> None:
    assert "bytes" in refused({"description": "x" * MAX_SCHEMA_BYTES}).message


def a_doubling(levels: int, key: str) -> dict[str, Any]:
    """Return a schema that asks for 2 to the power of `levels` checks of the same value."""
    defs: dict[str, Any] = {"d0": {"type": "integer"}}
    for level in range(1, levels + 1):
        below = {"$ref": f"#/$defs/d{level - 1}"}
        defs[f"d{level}"] = {key: [below, {"title": "again", **below}]}
    return {"$ref": f"#/$defs/d{levels}", "$defs": defs}


@pytest.mark.parametrize("key", ["anyOf", "oneOf", "allOf"])
def test_a_schema_that_doubles_its_work_at_every_level_is_refused(key: str) -> None:
    assert "too long to check" in refused(a_doubling(40, key)).message


@pytest.mark.parametrize("key", ["anyOf", "oneOf"])
def test_errors_that_would_take_long_to_list_are_not_listed(key: str) -> None:
    assert held(a_doubling(14, key), '"x"') == Misfit(["It does not fit the schema."])


@pytest.mark.parametrize("key", ["anyOf", "oneOf"])
def test_an_answer_that_would_take_too_long_to_check_does_not_count_as_one_that_fits(key: str) -> None:
    twice = [
        {"properties": {"x": {"$ref": "#/$defs/a"}}},
        {"title": "again", "properties": {"x": {"$ref": "#/$defs/a"}}},
    ]
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {key: twice}}}
    assert held(schema, '{"x":' * 40 + "1" + "}" * 40) == Misfit(["It takes too long to check against the schema."])
    assert isinstance(held({"items": {}}, json.dumps([1] * MAX_CHECKS)), Misfit)


def test_a_pattern_cannot_run_for_ever() -> None:
    assert isinstance(held({"pattern": "^(?=(a+)+$)(a|aa)+$"}, json.dumps("a" * 60 + "b")), Misfit)


def test_a_schema_that_is_nothing_but_itself_is_refused() -> None:
    assert "too long to check" in refused({"$ref": "#"}).message
