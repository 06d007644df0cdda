"""One conversation in four wire formats gives the same items and events, and is told to each provider alike.

The story: the model thinks, says a few words and calls two tools at once; with their results it thinks again and
answers in JSON that fits a schema. Each format has a writer of its own here, streamed and whole. Where a format tells
something otherwise, `DIFFERENCES` says so; all else is the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import msgspec
import pytest

from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import Emitter
from antiphon.providers import profiles
from antiphon.testing.judges import judge_stream
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn
from tests.codecs.cases import CODECS, chunks_of, sse
from tests.codecs.turns import a_turn, gave, said

Name = Literal["chat", "responses", "anthropic", "gemini"]
FORMATS: tuple[Name, ...] = ("chat", "responses", "anthropic", "gemini")
SIGNATURE = "c2lnbmVk"


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    city: str

    @property
    def arguments(self) -> str:
        return json.dumps({"city": self.city}, separators=(",", ":"))


@dataclass(frozen=True)
class Answer:
    """What a model says in one turn: pieces of thought and text, calls, and its tokens."""

    thought: Sequence[str]
    text: Sequence[str]
    calls: Sequence[Call] = ()
    used: int = 100
    cached: int = 40
    made: int = 30
    reasoned: int = 12


CALLS = [Call("call_a", "weather", "Oslo"), Call("call_b", "weather", "Rome")]
FIRST = Answer(["Two cities,", " two calls."], ["Let me", " look."], CALLS)
LAST = Answer(["Oslo", " is colder."], ['{"colder":', '"Oslo"}'], used=160, cached=96, made=20, reasoned=8)
SCHEMA = {
    "type": "object",
    "properties": {"colder": {"type": "string"}},
    "required": ["colder"],
    "additionalProperties": False,
}
QUESTION = "Which is colder, Oslo or Rome?"
RESULTS = {"call_a": "3 degrees", "call_b": "17 degrees"}


# -- what differs ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """How a format tells the story otherwise than the others."""

    is_raw: bool = False
    """Reasoning is raw text where no summary is asked for."""
    ends_calls_together: bool = False
    """Nothing says that a call is complete before the turn is, so calls stay open side by side."""
    signs_calls: bool = False
    """The first call of a turn is signed; with text before it, a reasoning item of its own keeps the signature."""
    keeps_thoughts: bool = True
    """The text of a thought goes back to the model."""


DIFFERENCES: dict[Name, Difference] = {
    "chat": Difference(is_raw=True, ends_calls_together=True),
    "responses": Difference(),
    "anthropic": Difference(),
    "gemini": Difference(signs_calls=True, keeps_thoughts=False),
}


# -- the story in each format ---------------------------------------------------------------------------------


def halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [text[:middle], text[middle:]]


class Chat:
    """Chat Completions, with DeepSeek's field for reasoning."""

    profile = Profile(replay_reasoning="reasoning_content")

    def usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "prompt_tokens": answer.used,
            "prompt_tokens_details": {"cached_tokens": answer.cached},
            "completion_tokens": answer.made,
            "completion_tokens_details": {"reasoning_tokens": answer.reasoned},
            "total_tokens": answer.used + answer.made,
        }

    def whole(self, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.text)}
        message["reasoning_content"] = "".join(answer.thought)
        if answer.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in answer.calls
            ]
        return {
            "choices": [{"index": 0, "message": message, "finish_reason": self.end(answer)}],
            "usage": self.usage(answer),
        }

    def streamed(self, answer: Answer) -> bytes:
        deltas: list[dict[str, Any]] = [{"role": "assistant"}]
        deltas += [{"reasoning_content": piece} for piece in answer.thought]
        deltas += [{"content": piece} for piece in answer.text]
        for index, call in enumerate(answer.calls):
            first = {
                "index": index,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": ""},
            }
            deltas.append({"tool_calls": [first]})
            deltas += [
                {"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in halves(call.arguments)
            ]
        events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": self.end(answer)}]}
        return sse(*events, end, {"choices": [], "usage": self.usage(answer)}, "[DONE]")

    def end(self, answer: Answer) -> str:
        return "tool_calls" if answer.calls else "stop"

    def heard(self, body: dict[str, Any]) -> list[Any]:
        told: list[Any] = []
        for message in body["messages"]:
            if message["role"] == "tool":
                told.append(("result", message["tool_call_id"], message["content"]))
                continue
            if thought := message.get("reasoning_content"):
                told.append(("thought", thought))
            if message["content"]:
                told.append((message["role"], message["content"]))
            told += [
                ("call", call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
                for call in message.get("tool_calls", ())
            ]
        return told

    def asked(self, body: dict[str, Any]) -> Any:
        return body["response_format"]["json_schema"]["schema"], body["tools"][0]["function"]["parameters"]


class Responses:
    """Responses itself."""

    profile = profiles.RESPONSES

    def response(self, answer: Answer) -> dict[str, Any]:
        usage = {
            "input_tokens": answer.used,
            "input_tokens_details": {"cached_tokens": answer.cached},
            "output_tokens": answer.made,
            "output_tokens_details": {"reasoning_tokens": answer.reasoned},
            "total_tokens": answer.used + answer.made,
        }
        return {
            "id": "resp_u",
            "object": "response",
            "status": "completed",
            "output": self.items(answer),
            "usage": usage,
        }

    def items(self, answer: Answer) -> list[dict[str, Any]]:
        summary = [{"type": "summary_text", "text": "".join(answer.thought)}]
        part = {"type": "output_text", "text": "".join(answer.text), "annotations": [], "logprobs": []}
        return [
            {"id": "rs_u", "type": "reasoning", "summary": summary, "encrypted_content": SIGNATURE},
            {"id": "msg_u", "type": "message", "role": "assistant", "status": "completed", "content": [part]},
            *(
                {
                    "id": f"fc_{call.id}",
                    "type": "function_call",
                    "status": "completed",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": call.arguments,
                }
                for call in answer.calls
            ),
        ]

    def whole(self, answer: Answer) -> dict[str, Any]:
        return self.response(answer)

    def streamed(self, answer: Answer) -> bytes:
        response = self.response(answer)
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": {**response, "status": "in_progress", "output": [], "usage": None}}
        ]
        for index, item in enumerate(response["output"]):
            place = {"item_id": item["id"], "output_index": index}
            match item["type"]:
                case "reasoning":
                    begun, pieces = {**item, "summary": []}, answer.thought
                    kind, where = "response.reasoning_summary_text.delta", {"summary_index": 0}
                case "message":
                    begun, pieces = {**item, "content": [], "status": "in_progress"}, answer.text
                    kind, where = "response.output_text.delta", {"content_index": 0}
                case _:
                    begun, pieces = {**item, "arguments": "", "status": "in_progress"}, halves(item["arguments"])
                    kind, where = "response.function_call_arguments.delta", {}
            events.append({"type": "response.output_item.added", "output_index": index, "item": begun})
            events += [{"type": kind, **place, **where, "delta": piece} for piece in pieces]
            events.append({"type": "response.output_item.done", "output_index": index, "item": item})
        return sse(*events, {"type": "response.completed", "response": response})

    def heard(self, body: dict[str, Any]) -> list[Any]:
        told: list[Any] = []
        for item in body["input"]:
            match item["type"]:
                case "message":
                    told.append(
                        (
                            item["role"],
                            item["content"] if isinstance(item["content"], str) else item["content"][0]["text"],
                        )
                    )
                case "reasoning":
                    assert item["encrypted_content"] == SIGNATURE
                    told.append(("thought", item["summary"][0]["text"]))
                case "function_call":
                    told.append(("call", item["call_id"], item["name"], json.loads(item["arguments"])))
                case _:
                    told.append(("result", item["call_id"], item["output"]))
        return told

    def asked(self, body: dict[str, Any]) -> Any:
        return body["text"]["format"]["schema"], body["tools"][0]["parameters"]


class Anthropic:
    """Anthropic's Messages."""

    profile = profiles.ANTHROPIC

    def blocks(self, answer: Answer) -> list[dict[str, Any]]:
        return [
            {"type": "thinking", "thinking": "".join(answer.thought), "signature": SIGNATURE},
            {"type": "text", "text": "".join(answer.text)},
            *(
                {"type": "tool_use", "id": call.id, "name": call.name, "input": {"city": call.city}}
                for call in answer.calls
            ),
        ]

    def usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "input_tokens": answer.used - answer.cached,
            "cache_read_input_tokens": answer.cached,
            "output_tokens": answer.made,
            "output_tokens_details": {"thinking_tokens": answer.reasoned},
        }

    def message(self, **more: Any) -> dict[str, Any]:
        return {"id": "msg_u", "type": "message", "role": "assistant", "model": "m", **more}

    def end(self, answer: Answer) -> str:
        return "tool_use" if answer.calls else "end_turn"

    def whole(self, answer: Answer) -> dict[str, Any]:
        return self.message(content=self.blocks(answer), stop_reason=self.end(answer), usage=self.usage(answer))

    def streamed(self, answer: Answer) -> bytes:
        usage = self.usage(answer)
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": self.message(content=[], usage={**usage, "output_tokens": 1})}
        ]
        for index, block in enumerate(self.blocks(answer)):
            match block["type"]:
                case "thinking":
                    begun: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
                    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in answer.thought]
                    deltas.append({"type": "signature_delta", "signature": SIGNATURE})
                case "text":
                    begun = {"type": "text", "text": ""}
                    deltas = [{"type": "text_delta", "text": piece} for piece in answer.text]
                case _:
                    begun = {**block, "input": {}}
                    pieces = halves(json.dumps(block["input"], separators=(",", ":")))
                    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            events.append({"type": "content_block_start", "index": index, "content_block": begun})
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        end = {"type": "message_delta", "delta": {"stop_reason": self.end(answer)}, "usage": usage}
        return sse(*events, end, {"type": "message_stop"})

    def heard(self, body: dict[str, Any]) -> list[Any]:
        told: list[Any] = []
        for message in body["messages"]:
            content = message["content"]
            blocks: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
            for block in blocks:
                match block["type"]:
                    case "text":
                        told.append((message["role"], block["text"]))
                    case "thinking":
                        assert block["signature"] == SIGNATURE
                        told.append(("thought", block["thinking"]))
                    case "tool_use":
                        told.append(("call", block["id"], block["name"], block["input"]))
                    case _:
                        [result] = block["content"]
                        told.append(("result", block["tool_use_id"], result["text"]))
        return told

    def asked(self, body: dict[str, Any]) -> Any:
        return body["output_config"]["format"]["schema"], body["tools"][0]["input_schema"]


class Gemini:
    """Gemini's generateContent."""

    profile = profiles.GEMINI

    def usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "promptTokenCount": answer.used,
            "cachedContentTokenCount": answer.cached,
            "candidatesTokenCount": answer.made - answer.reasoned,
            "thoughtsTokenCount": answer.reasoned,
            "totalTokenCount": answer.used + answer.made,
        }

    def calls(self, answer: Answer) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = [
            {"functionCall": {"id": call.id, "name": call.name, "args": {"city": call.city}}} for call in answer.calls
        ]
        if parts:
            parts[0]["thoughtSignature"] = SIGNATURE
        return parts

    def document(self, answer: Answer, parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        candidate = {"content": {"parts": parts, "role": "model"}, "index": 0, **more}
        return {"candidates": [candidate], "usageMetadata": self.usage(answer)}

    def whole(self, answer: Answer) -> dict[str, Any]:
        thought: dict[str, Any] = {"text": "".join(answer.thought), "thought": True}
        parts = [thought, {"text": "".join(answer.text)}, *self.calls(answer)]
        return self.document(answer, parts, finishReason="STOP")

    def streamed(self, answer: Answer) -> bytes:
        parts: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in answer.thought]
        parts += [{"text": piece} for piece in answer.text]
        events = [self.document(answer, [part]) for part in parts]
        return sse(*events, self.document(answer, self.calls(answer), finishReason="STOP"))

    def heard(self, body: dict[str, Any]) -> list[Any]:
        told: list[Any] = []
        for content in body["contents"]:
            for part in content["parts"]:
                if call := part.get("functionCall"):
                    assert part.get("thoughtSignature", SIGNATURE) == SIGNATURE
                    told.append(("call", call["id"], call["name"], call["args"]))
                elif result := part.get("functionResponse"):
                    told.append(("result", result["id"], next(iter(result["response"].values()))))
                else:
                    told.append(("assistant" if content["role"] == "model" else content["role"], part["text"]))
        return told

    def asked(self, body: dict[str, Any]) -> Any:
        schema = body["generationConfig"]["responseJsonSchema"]
        return schema, body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]


Format = Chat | Responses | Anthropic | Gemini
WRITERS: dict[Name, Format] = {"chat": Chat(), "responses": Responses(), "anthropic": Anthropic(), "gemini": Gemini()}


# -- what we make of it ---------------------------------------------------------------------------------------

STREAMED = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
FORMAT = pytest.mark.parametrize("name", FORMATS)

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "name": "weather", "description": "Tells the weather.", "parameters": PARAMETERS}
SHAPE = {"type": "json_schema", "name": "colder", "schema": SCHEMA, "strict": True}


def a_question(*items: dict[str, Any] | bytes, stream: bool = False, summary: str | None = "auto") -> Turn:
    """Return the turn that asks the story's question; `items` are what came of it so far."""
    reasoning = {"effort": "low", "summary": summary}
    return a_turn(said(QUESTION), *items, stream=stream, reasoning=reasoning, tools=[TOOL], text={"format": SHAPE})


@dataclass
class Told:
    """One turn as the client sees it, and its items as the store keeps them."""

    types: list[str]
    response: dict[str, Any]
    stored: list[bytes]


def told(name: Name, answer: Answer, turn: Turn, *, streamed: bool) -> Told:
    """Return what becomes of an answer to `turn`."""
    writer, codec = WRITERS[name], CODECS[name]
    parser = codec.parser(codec.encode(turn, writer.profile), writer.profile, streamed=streamed)
    data = writer.streamed(answer) if streamed else json.dumps(writer.whole(answer)).encode()
    first = first_snapshot(turn.request, response_id="resp_0a", created_at=1, conversation_id=None, tools=turn.tools)
    emitter = Emitter(first)
    events = [msgspec.json.encode(event) for event in emitter.add(chunks_of(parser, [data])) + emitter.finish(2)]
    assert parser.failure is None
    types = [json.loads(event)["type"].removeprefix("response.") for event in events]
    return Told([kind for kind, _ in groupby(types)], judge_stream(events), [bytes(raw) for _, raw in emitter.stored])


def body_of(name: Name, turn: Turn) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(CODECS[name].encode(turn, WRITERS[name].profile).body)
    return body


def story(answer: Answer, difference: Difference) -> list[dict[str, Any]]:
    """Return the items that the answer is."""
    part = {"type": "output_text", "text": "".join(answer.text), "annotations": [], "logprobs": []}
    summary = [{"type": "summary_text", "text": "".join(answer.thought)}]
    items: list[dict[str, Any]] = [
        {"type": "reasoning", "summary": summary},
        {"type": "message", "status": "completed", "role": "assistant", "content": [part]},
    ]
    if difference.signs_calls and answer.calls:
        items.append({"type": "reasoning", "summary": []})
    for call in answer.calls:
        fields = {"call_id": call.id, "name": call.name, "arguments": call.arguments, "status": "completed"}
        items.append({"type": "function_call", **fields})
    prefixes = {"reasoning": "rs", "message": "msg", "function_call": "fc"}
    return [{**item, "id": f"{prefixes[item['type']]}_0ao{place}"} for place, item in enumerate(items)]


def types_of(answer: Answer, difference: Difference) -> list[str]:
    """Return the types of the events, a run of deltas as one."""
    thinking = ["part.added", "text.delta", "text.done", "part.done"]
    speaking = ["content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
    types = ["created", "in_progress", "output_item.added", *(f"reasoning_summary_{kind}" for kind in thinking)]
    types += ["output_item.done", "output_item.added", *speaking, "output_item.done"]
    if difference.signs_calls and answer.calls:
        types += ["output_item.added", "output_item.done"]
    begun, ended = (
        ["output_item.added", "function_call_arguments.delta"],
        ["function_call_arguments.done", "output_item.done"],
    )
    if difference.ends_calls_together:
        types += begun * len(answer.calls) + ended * len(answer.calls)
    else:
        types += (begun + ended) * len(answer.calls)
    return [*types, "completed"]


def continued(name: Name) -> Turn:
    """Return the second turn: the first one's items as the store kept them, then the results."""
    first = told(name, FIRST, a_question(), streamed=False)
    return a_question(*first.stored, *(gave(call_id, output) for call_id, output in RESULTS.items()))


@FORMAT
@STREAMED
@pytest.mark.parametrize("answer", [FIRST, LAST], ids=["calls", "answer"])
def test_the_same_story_makes_the_same_items_and_events(name: Name, streamed: bool, answer: Answer) -> None:
    seen = told(name, answer, a_question(stream=streamed), streamed=streamed)
    assert seen.response["output"] == story(answer, DIFFERENCES[name])
    assert seen.types == types_of(answer, DIFFERENCES[name])


@FORMAT
@STREAMED
def test_the_same_tokens_are_counted(name: Name, streamed: bool) -> None:
    seen = told(name, FIRST, a_question(stream=streamed), streamed=streamed)
    assert seen.response["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 0},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 12},
        "total_tokens": 130,
    }


@FORMAT
def test_a_whole_answer_is_stored_as_a_streamed_one_is(name: Name) -> None:
    stored = [told(name, FIRST, a_question(stream=way), streamed=way).stored for way in (True, False)]
    assert stored[0] == stored[1]


@FORMAT
def test_the_first_turn_goes_back_with_its_results_in_order(name: Name) -> None:
    wanted: list[Any] = [("user", QUESTION), ("thought", "Two cities, two calls."), ("assistant", "Let me look.")]
    wanted += [("call", call.id, call.name, {"city": call.city}) for call in CALLS]
    wanted += [("result", call_id, output) for call_id, output in RESULTS.items()]
    if not DIFFERENCES[name].keeps_thoughts:
        wanted = [part for part in wanted if part[0] != "thought"]
    assert WRITERS[name].heard(body_of(name, continued(name))) == wanted


@FORMAT
def test_the_state_of_the_first_turn_goes_back_to_the_byte(name: Name) -> None:
    sent = CODECS[name].encode(continued(name), WRITERS[name].profile)
    assert sent.body.count(SIGNATURE.encode()) == (0 if name == "chat" else 1)
    assert sent.notes == []


@FORMAT
def test_the_same_schemas_are_asked_for(name: Name) -> None:
    assert WRITERS[name].asked(body_of(name, a_question())) == (SCHEMA, PARAMETERS)


@FORMAT
def test_the_last_answer_is_json_that_fits(name: Name) -> None:
    seen = told(name, LAST, continued(name), streamed=True)
    assert json.loads(seen.response["output"][-1]["content"][0]["text"]) == {"colder": "Oslo"}
    assert seen.response["text"]["format"]["schema"] == SCHEMA


@FORMAT
def test_reasoning_is_raw_only_where_it_is_told_raw_and_no_summary_is_asked_for(name: Name) -> None:
    seen = told(name, LAST, a_question(stream=True, summary=None), streamed=True)
    thinking = seen.response["output"][0]
    if DIFFERENCES[name].is_raw:
        assert thinking["content"] == [{"type": "reasoning_text", "text": "Oslo is colder."}]
        assert "reasoning_text.delta" in seen.types
        assert thinking["summary"] == []
    else:
        assert thinking["summary"] == [{"type": "summary_text", "text": "Oslo is colder."}]
        assert "content" not in thinking
