"""What official clients hear of an answer: their own types, strictly, and their own accumulators."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from antiphon.api.errors import body_of
from antiphon.dialects import chat, messages
from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import Emitter
from antiphon.types.chunks import Chunk
from antiphon.types.events import Event
from antiphon.types.responses import CreateResponse, Response, Usage

Json = dict[str, Any]

NOW = 1_790_000_000
_COMPLETION = TypeAdapter(ChatCompletion)
_CHUNK = TypeAdapter(ChatCompletionChunk)
_MESSAGE = TypeAdapter(Message)
_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def ended(*reads: Sequence[Chunk], model: str = "m") -> tuple[list[list[Event]], Response]:
    """The events of a response that says `reads`, a list per network read, and the response at its end."""
    request = CreateResponse(model=model, include=["reasoning.encrypted_content"])
    first = first_snapshot(request, response_id="resp_0a", created_at=NOW, conversation_id=None, tools=[])
    emitter = Emitter(first, show_state=True)
    batches = [emitter.add(read) for read in reads]
    batches.append(emitter.finish(NOW, Usage(input_tokens=3, output_tokens=2, total_tokens=5)))
    return batches, emitter.response


# -- Chat Completions -----------------------------------------------------------------------------------------


def chunks_of(batches: Sequence[list[Event]], *, usage: bool = False) -> list[Json]:
    """The `data` of each frame of a chat stream, the last one `[DONE]` left out."""
    stream = chat.Stream(body_of, usage=usage)
    raw = b"".join(bytes(stream.tell(batch)) for batch in batches).decode()
    blocks = raw.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") for block in blocks)
    datas = [block.removeprefix("data: ") for block in blocks]
    if "error" not in json.loads(datas[-1] if datas[-1] != "[DONE]" else "{}"):
        assert datas.pop() == "[DONE]"
    assert "[DONE]" not in datas
    return [json.loads(data) for data in datas]


def heard_by_openai(chunks: Sequence[Json]) -> Json:
    """The message and the end that the official client's accumulator hears, as `completion` gives them."""
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks:
        has_custom = any(
            "custom" in call for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", [])
        )
        if not has_custom:  # which its type of a chunk doesn't have, though its type of a message does
            _CHUNK.validate_json(json.dumps(chunk), strict=True)
        state.handle_chunk(
            ChatCompletionChunk.construct(**chunk) if has_custom else ChatCompletionChunk.model_validate(chunk)
        )
    return _plain(state.current_completion_snapshot.to_dict(warnings=False))


def completion(response: Response) -> Json:
    """The whole answer, once the official client's type accepts it."""
    body = msgspec.json.encode(chat.whole(response))
    _COMPLETION.validate_json(body, strict=True)
    return _plain(json.loads(body))


def _plain(completion: Json) -> Json:
    """What both tell: nulls and numbers of calls left out."""
    (choice,) = completion["choices"]
    message = _bare(choice["message"])
    for call in message.get("tool_calls", []):
        call.pop("index", None)
    probs = choice.get("logprobs")
    return {
        "message": message,
        "finish_reason": choice["finish_reason"],
        "logprobs": probs["content"] if probs else None,
        "id": completion["id"],
        "model": completion["model"],
        "created": completion["created"],
    }


def _bare(value: Any) -> Any:
    """A JSON value without keys that hold null."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if isinstance(value, dict):
        return {name: _bare(each) for name, each in value.items() if each is not None}
    return value


# -- Messages -------------------------------------------------------------------------------------------------


def _refusal(error: Any) -> bytes:
    return messages.refusal(error, "req_1")[1]


def events_of(batches: Sequence[list[Event]]) -> list[Json]:
    """The `data` of each frame of a message stream."""
    stream = messages.Stream(_refusal)
    raw = b"".join(bytes(stream.tell(batch)) for batch in batches).decode()
    blocks = raw.split("\n\n")
    assert blocks.pop() == ""
    found: list[Json] = []
    for block in blocks:
        name, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def heard_by_anthropic(events: Sequence[Json]) -> Json:
    """The message that the official client's accumulator hears; blocks come strictly one after the other."""
    open_block, blocks, snapshot, buffers = None, 0, None, dict[int, bytes]()
    for event in events:
        match event["type"]:
            case "content_block_start":
                assert (open_block, event["index"]) == (None, blocks)
                open_block, blocks = blocks, blocks + 1
            case "content_block_delta":
                assert event["index"] == open_block
            case "content_block_stop":
                assert event["index"] == open_block
                open_block = None
            case _:
                assert open_block is None
        built = _EVENT.validate_json(json.dumps(event), strict=True)
        snapshot = accumulate_event(event=built, current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    return _bare(snapshot.to_dict(warnings=False))  # type: ignore[no-any-return] # JSON


def message(response: Response) -> Json:
    """The whole answer, once the official client's type accepts it."""
    body = msgspec.json.encode(messages.whole(response))
    _MESSAGE.validate_json(body, strict=True)
    return _bare(json.loads(body))  # type: ignore[no-any-return] # JSON
