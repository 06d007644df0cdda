"""What the demo models promise."""

import json
import re
from collections.abc import Sequence
from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec import Raw

from antiphon.errors import Unsupported
from antiphon.providers.demo import DemoModels
from antiphon.types.chunks import CallClosed, CallDelta, CallOpened, Chunk, Stop, Text, Used
from antiphon.types.items import Item
from antiphon.types.kept import Kept
from antiphon.types.responses import CreateResponse
from antiphon.types.tools import CustomTool, FunctionTool, NamespaceTool, Tool, ToolChoice
from antiphon.types.turns import Turn

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}
CLOCK = {"type": "function", "name": "get_time", "parameters": None}
SHELL = {"type": "custom", "name": "shell"}


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def called(name: str, output: Any) -> list[dict[str, Any]]:
    call = {"type": "function_call", "call_id": "call_1", "name": name, "arguments": "{}"}
    return [call, {"type": "function_call_output", "call_id": "call_1", "output": output}]


def a_turn(
    *items: dict[str, Any],
    model: str = "demo-chat",
    tools: Sequence[dict[str, Any]] = (),
    tool_choice: Any = "auto",
    **request: Any,
) -> Turn:
    body = {"model": model, "input": list(items), "tool_choice": tool_choice, **request}
    kept = [Kept[Item](raw := Raw(msgspec.json.encode(item)), msgspec.json.decode(raw, type=Item)) for item in items]
    return Turn(
        model=model,
        request=msgspec.json.decode(msgspec.json.encode(body), type=CreateResponse),
        items=kept,
        own=len(kept),
        tools=[a_tool(tool) for tool in tools],
        tool_choice=msgspec.convert(tool_choice, ToolChoice),
    )


def a_tool(tool: dict[str, Any]) -> Kept[Tool]:
    raw = Raw(msgspec.json.encode(tool))
    known = {"function", "custom", "namespace"}
    return Kept(
        raw, msgspec.json.decode(raw, type=FunctionTool | CustomTool | NamespaceTool) if tool["type"] in known else None
    )


class Pace:
    """A sleep that only counts."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


async def said(turn: Turn, seed: int = 0, pace: Pace | None = None, notes: list[str] | None = None) -> list[Chunk]:
    model = DemoModels(seed=seed, delay=0.25, sleep=pace or Pace()).find(turn.model)
    assert model is not None
    assert model.name == turn.model
    return [chunk async for chunks in model.stream(turn, [] if notes is None else notes) for chunk in chunks]


def text_of(chunks: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))


def calls_of(chunks: Sequence[Chunk]) -> list[tuple[CallOpened, str]]:
    opened = [chunk for chunk in chunks if isinstance(chunk, CallOpened)]
    return [
        (call, "".join(c.text for c in chunks if isinstance(c, CallDelta) and c.key == call.key)) for call in opened
    ]


# -- names and pace -------------------------------------------------------------------------------------------


def test_three_models_are_there_unless_they_are_disabled() -> None:
    assert list(DemoModels().names) == ["demo-chat", "demo-slow", "demo-tools"]
    assert all(DemoModels().find(name) for name in DemoModels().names)
    assert list(DemoModels(enabled=False).names) == []
    assert DemoModels(enabled=False).find("demo-chat") is None


@pytest.mark.parametrize(
    "name", ["demo", "demo-chat-2", "demo-slow-", "demo-slow-0", "demo-slow-3601", "demo-slow--1", "gpt-5"]
)
def test_other_names_are_not_demo_models(name: str) -> None:
    assert DemoModels().find(name) is None


@pytest.mark.parametrize(("name", "seconds"), [("demo-slow", 30), ("demo-slow-2", 2), ("demo-slow-0.5", 0.5)])
async def test_a_slow_model_spreads_its_pieces_evenly_over_its_time(name: str, seconds: float) -> None:
    pace = Pace()
    chunks = await said(a_turn(user("Hello"), model=name), pace=pace)
    assert sum(pace.slept) == pytest.approx(seconds)
    assert len(pace.slept) == len(chunks) - 2
    assert len(set(pace.slept)) == 1


async def test_the_delay_is_between_pieces() -> None:
    pace = Pace()
    chunks = await said(a_turn(user("Hello")), pace=pace)
    assert pace.slept == [0.25] * (len(chunks) - 2)


# -- the answer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["demo-chat", "demo-slow-1", "demo-tools"])
@pytest.mark.parametrize("seed", range(6))
async def test_every_text_says_that_it_is_a_demo_models(model: str, seed: int) -> None:
    assert "demo model" in text_of(await said(a_turn(user("Hello"), model=model), seed))


async def test_the_same_seed_and_turn_give_the_same_answer_and_others_differ() -> None:
    turn = a_turn(user("Hello"))
    assert await said(turn) == await said(turn)
    answers = {text_of(await said(turn, seed)) for seed in range(8)}
    assert len(answers) > 4
    assert text_of(await said(a_turn(user("Hello there")))) != text_of(await said(turn))


async def test_answers_show_every_kind_of_markdown_between_them() -> None:
    whole = "\n\n".join([text_of(await said(a_turn(user(f"Question {n}")))) for n in range(12)])
    for pattern in (r"^## ", r"^- ", r"^1\. ", r"^\| --- ", r"^```python$", r"\*\*.+\*\*", r"^> "):
        assert re.search(pattern, whole, re.MULTILINE), pattern


async def test_text_comes_in_pieces_of_about_a_word_and_ends_with_usage_and_stop() -> None:
    chunks = await said(a_turn(user("Hello")))
    assert all(isinstance(chunk, Text) and len(chunk.text.strip()) <= 16 for chunk in chunks[:-2])
    assert isinstance(chunks[-2], Used)
    assert chunks[-1] == Stop("completed")


async def test_usage_counts_words_in_and_pieces_out() -> None:
    chunks = await said(a_turn(user("one two three"), instructions="four five"))
    used = chunks[-2]
    assert isinstance(used, Used)
    assert used.usage.input_tokens == 5
    assert used.usage.output_tokens == len(chunks) - 2
    assert used.usage.total_tokens == 5 + len(chunks) - 2


async def test_earlier_turns_are_remembered() -> None:
    turn = a_turn(user("I am Ada"), assistant("Hi"), user("I like tea"), assistant("Ah"), user("What did I say first?"))
    answer = text_of(await said(turn))
    assert 'This is turn 3, and you said "What did I say first?".' in answer
    assert 'The first thing you said was "I am Ada".' in answer
    assert 'Before this one you said "I like tea".' in answer


async def test_instructions_and_attachments_are_mentioned() -> None:
    message = {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "Look"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
            {"type": "input_file", "filename": "report.pdf", "file_data": "AA=="},
        ],
    }
    answer = text_of(await said(a_turn(message, instructions="Be brief")))
    assert 'My instructions are "Be brief".' in answer
    assert "With it came an image, the file report.pdf" in answer


@pytest.mark.parametrize("model", ["demo-chat", "demo-tools"])
@pytest.mark.parametrize(
    ("output", "shown"),
    [("21 degrees", "21 degrees"), ({"degrees": 21}, '{"degrees":21}'), ([{"type": "input_text", "text": "21"}], "21")],
)
async def test_outputs_of_calls_are_used_in_the_answer(model: str, output: Any, shown: str) -> None:
    turn = a_turn(user("Weather?"), *called("get_weather", output), model=model, tools=[WEATHER])
    assert f'`get_weather` gave me "{shown}".' in text_of(await said(turn))


async def test_outputs_from_before_the_last_question_are_not() -> None:
    turn = a_turn(user("Weather?"), *called("get_weather", "21"), assistant("21"), user("Thanks"))
    assert "gave me" not in text_of(await said(turn))


async def test_an_answer_over_the_limit_is_cut_and_says_so() -> None:
    whole = await said(a_turn(user("Hello")))
    cut = await said(a_turn(user("Hello"), max_output_tokens=16))
    assert text_of(cut) == text_of(whole[:16])
    assert cut[-1] == Stop("incomplete", "max_output_tokens")
    assert isinstance(cut[-2], Used)
    assert cut[-2].usage.output_tokens == 16


async def test_json_object_format_gives_an_object() -> None:
    turn = a_turn(user("Hello"), text={"format": {"type": "json_object"}})
    answer = json.loads(text_of(await said(turn)))
    assert answer["prompt"] == "Hello"
    assert "demo model" in answer["note"]


@pytest.mark.parametrize("model", ["demo-chat", "demo-slow-1", "demo-tools"])
async def test_json_schema_format_gives_an_instance(model: str) -> None:
    schema = WEATHER["parameters"]
    shape = {"format": {"type": "json_schema", "name": "weather", "schema": schema}}
    answer = json.loads(text_of(await said(a_turn(user("Hello"), model=model, text=shape))))
    jsonschema.validate(answer, schema)  # type: ignore[arg-type]  # it is a schema


async def test_logprobs_come_only_when_they_are_included() -> None:
    plain = await said(a_turn(user("Hello"), top_logprobs=2))
    assert all(not chunk.logprobs for chunk in plain if isinstance(chunk, Text))
    asked = await said(a_turn(user("Hello"), top_logprobs=20, include=["message.output_text.logprobs"]))
    for chunk in asked:
        if isinstance(chunk, Text):
            (logprob,) = chunk.logprobs
            assert logprob.token == chunk.text
            assert logprob.bytes == list(chunk.text.encode())
            assert logprob.logprob < 0
            assert len(logprob.top_logprobs) == 20
            assert logprob.top_logprobs[0].logprob == max(top.logprob for top in logprob.top_logprobs)
    assert text_of(asked) == text_of(await said(a_turn(user("Hello"), include=["message.output_text.logprobs"])))


# -- tools ----------------------------------------------------------------------------------------------------


async def tool_calls(*items: dict[str, Any], **turn: Any) -> list[tuple[CallOpened, str]]:
    return calls_of(await said(a_turn(*items, model="demo-tools", **turn)))


async def test_the_first_tool_is_called_with_arguments_that_fit() -> None:
    ((call, arguments),) = await tool_calls(user("What is the weather in Paris?"), tools=[WEATHER, CLOCK])
    assert (call.name, call.custom, call.namespace, call.call_id) == ("get_weather", False, None, "")
    assert json.loads(arguments)["city"] == "Paris"
    assert json.loads(arguments)["unit"] in {"C", "F"}


async def test_every_call_is_closed_before_the_stop() -> None:
    chunks = await said(a_turn(user("Hello"), model="demo-tools", tools=[WEATHER]))
    assert isinstance(chunks[0], CallOpened)
    assert isinstance(chunks[-3], CallClosed)
    assert chunks[-1] == Stop("completed")


async def test_a_function_without_parameters_is_called_with_an_object() -> None:
    ((_, arguments),) = await tool_calls(user("Hello"), tools=[CLOCK])
    assert json.loads(arguments) == {}


async def test_functions_named_in_the_prompt_are_called_side_by_side() -> None:
    prompt = user("Use get_weather and get_time, please")
    calls = await tool_calls(prompt, tools=[WEATHER, CLOCK, SHELL])
    assert [call.name for call, _ in calls] == ["get_weather", "get_time"]
    assert len({call.key for call, _ in calls}) == 2


async def test_without_parallel_calls_only_one_is_made() -> None:
    prompt = user("Use get_time and get_weather, please")
    calls = await tool_calls(prompt, tools=[WEATHER, CLOCK], parallel_tool_calls=False)
    assert [call.name for call, _ in calls] == ["get_weather"]


async def test_choice_none_answers_in_text() -> None:
    turn = a_turn(user("Hello"), model="demo-tools", tools=[WEATHER], tool_choice="none")
    chunks = await said(turn)
    assert calls_of(chunks) == []
    assert "demo model" in text_of(chunks)


async def test_a_forced_tool_is_called() -> None:
    choice = {"type": "function", "name": "get_time"}
    ((call, _),) = await tool_calls(user("get_weather"), tools=[WEATHER, CLOCK], tool_choice=choice)
    assert call.name == "get_time"


async def test_a_freeform_tool_gets_plain_text() -> None:
    choice = {"type": "custom", "name": "shell"}
    ((call, text),) = await tool_calls(user("List files"), tools=[WEATHER, SHELL], tool_choice=choice)
    assert call.custom
    assert text == "text from a demo model: List files"


async def test_a_freeform_tool_with_a_pattern_gets_text_that_fits() -> None:
    tool = {**SHELL, "format": {"type": "grammar", "syntax": "regex", "definition": r"^\d{4}-[ab]+$"}}
    ((_, text),) = await tool_calls(user("Hello"), tools=[tool])
    assert re.search(r"^\d{4}-[ab]+$", text)


@pytest.mark.parametrize("mode", ["auto", "required"])
async def test_an_allow_list_is_kept(mode: str) -> None:
    choice = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "get_time"}]}
    ((call, _),) = await tool_calls(user("get_weather"), tools=[WEATHER, CLOCK], tool_choice=choice)
    assert call.name == "get_time"


async def test_after_the_outputs_it_answers_unless_a_call_is_required() -> None:
    items = (user("Weather?"), *called("get_weather", "21"))
    assert await tool_calls(*items, tools=[WEATHER]) == []
    assert len(await tool_calls(*items, tools=[WEATHER], tool_choice="required")) == 1


async def test_tools_of_namespaces_and_items_count_too() -> None:
    namespace = {"type": "namespace", "name": "crm", "tools": [WEATHER]}
    ((call, _),) = await tool_calls(user("Hello"), tools=[namespace])
    assert (call.namespace, call.name) == ("crm", "get_weather")
    added = {"type": "additional_tools", "role": "developer", "tools": [CLOCK]}
    ((call, _),) = await tool_calls(added, user("Hello"))
    assert call.name == "get_time"


async def test_a_cut_call_stays_open() -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string", "minLength": 400}}, "required": ["text"]}
    tool = {"type": "function", "name": "write", "parameters": schema}
    chunks = await said(a_turn(user("Hello"), model="demo-tools", tools=[tool], max_output_tokens=16))
    assert not any(isinstance(chunk, CallClosed) for chunk in chunks)
    assert chunks[-1] == Stop("incomplete", "max_output_tokens")


async def test_a_hosted_tool_is_noted_or_refused() -> None:
    notes: list[str] = []
    await said(a_turn(user("Hello"), tools=[{"type": "web_search"}]), notes=notes)
    assert "web_search" in notes[0]
    with pytest.raises(Unsupported) as caught:
        await said(a_turn(user("Hello"), tools=[{"type": "code_interpreter"}]))
    assert caught.value.param == "tools[0]"
