"""Turns as the engine makes them, and the official client's types as judges of what a codec makes of them."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from anthropic.types import message_create_params as messages_params
from msgspec import Raw
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import response_create_params as responses_params
from pydantic import TypeAdapter

from antiphon.engine.intake import read_input, read_tools
from antiphon.ports import Codec
from antiphon.types.profiles import Profile
from antiphon.types.responses import CreateResponse
from antiphon.types.turns import Turn, UpstreamRequest

_KINDS: dict[str, tuple[Any, Any]] = {
    "/chat/completions": (
        chat_params.CompletionCreateParamsStreaming,
        chat_params.CompletionCreateParamsNonStreaming,
    ),
    "/responses": (
        responses_params.ResponseCreateParamsStreaming,
        responses_params.ResponseCreateParamsNonStreaming,
    ),
    "/messages": (
        messages_params.MessageCreateParamsStreaming,
        messages_params.MessageCreateParamsNonStreaming,
    ),
}
_UNTYPED = {
    "/chat/completions": {"presence_penalty", "frequency_penalty"},  # of Open Responses
    "/responses": {"presence_penalty", "frequency_penalty"},
    "/messages": {"temperature", "top_p"},  # newer models refuse them, older ones and look-alikes don't
}


def a_turn(*items: dict[str, Any] | bytes, own: int | None = None, **request: Any) -> Turn:
    """Return the turn of a request whose context is `items`; the last `own` of them are its own input."""
    stream = request.pop("stream", False)
    raws = [Raw(item if isinstance(item, bytes) else json.dumps(item).encode()) for item in items or (said("Hi"),)]
    asked = msgspec.json.decode(json.dumps({"model": "alias", **request}), type=CreateResponse)
    kept = read_input(raws)
    return Turn(
        model="upstream-model",
        request=asked,
        items=kept,
        own=len(kept) if own is None else own,
        tools=read_tools(asked.tools),
        tool_choice=asked.tool_choice or "auto",
        stream=stream,
    )


def encoded(codec: Codec, turn: Turn, profile: Profile) -> tuple[dict[str, Any], UpstreamRequest]:
    """Return body and request; the body is judged first."""
    sent = codec.encode(turn, profile)
    judge(sent)
    body: dict[str, Any] = json.loads(sent.body)
    return body, sent


def judge(sent: UpstreamRequest) -> None:
    """Raise when the official client's types don't know a body."""
    body = json.loads(sent.body)
    kind = _KINDS[sent.path][0 if body.get("stream") else 1]
    known = set(kind.__annotations__) | {key for base in kind.__mro__ for key in getattr(base, "__annotations__", {})}
    known |= _UNTYPED[sent.path]
    assert body.keys() <= known | kind.__required_keys__ | kind.__optional_keys__
    if sent.path == "/responses":
        body["input"] = [_with_id(item) for item in body["input"]]
        body["tools"] = [_with_strict(tool) for tool in body.get("tools", ())]
    judged = _exhaust(_adapter(kind).validate_python(body))
    if sent.path == "/messages":  # its types drop what they don't know, at any depth
        assert judged == {key: value for key, value in body.items() if key not in _UNTYPED[sent.path]}


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _with_id(item: dict[str, Any]) -> dict[str, Any]:
    """The types want an id here, and the API does without: the client's own Codex sends none."""
    is_answer = item["type"] == "message" and isinstance(item["content"], list) and item["role"] == "assistant"
    if is_answer or item["type"] in {"reasoning", "web_search_call"}:
        assert "id" not in item
        return {"status": "completed", **item, "id": "x_1"}
    if item["type"] == "additional_tools":
        return {**item, "tools": [_with_strict(tool) for tool in item["tools"]]}
    return item


def _with_strict(tool: dict[str, Any]) -> dict[str, Any]:
    """The types want what the API has a default for."""
    return {"strict": None, **tool} if tool["type"] == "function" else tool


def _exhaust(value: Any) -> Any:
    """Return a value whose iterables were read: they are validated only then."""
    if isinstance(value, dict):
        return {key: _exhaust(inner) for key, inner in value.items()}
    if isinstance(value, list | Iterator) or type(value).__name__ == "ValidatorIterator":
        return [_exhaust(inner) for inner in value]
    return value


def said(text: str | list[dict[str, Any]], role: str = "user", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": text, **fields}


def answered(text: str, **fields: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part], **fields}


def called(call_id: str, name: str = "go", arguments: str = "{}", **fields: Any) -> dict[str, Any]:
    item = {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name, "arguments": arguments}
    return {**item, "status": "completed", **fields}


def gave(call_id: str, output: Any = "ok", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output, **fields}


def a_function(name: str = "go", **fields: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    return {"type": "function", "name": name, "parameters": schema, **fields}


def a_freeform(name: str = "patch", **fields: Any) -> dict[str, Any]:
    return {"type": "custom", "name": name, **fields}
