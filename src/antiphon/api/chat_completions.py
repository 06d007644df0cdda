"""`/v1/chat/completions`: OpenAI's older API, for clients that speak no other; every model answers it."""

from typing import Any

from antiphon.api.bodies import BodyReader
from antiphon.api.calls import Call, Endpoint, Manners, Reply
from antiphon.api.dialects import answer
from antiphon.api.errors import body_of
from antiphon.dialects import chat
from antiphon.dialects.chat import ChatCompletion, ChatCompletionChunk, ChatRequest

MANNERS = Manners(frames=ChatCompletionChunk)


def _absent(given: dict[str, Any]) -> str | None:
    return next((name for name in ("model", "messages") if name not in given), None)


_CREATE = {tolerant: BodyReader(ChatRequest, absent=_absent, tolerant=tolerant) for tolerant in (False, True)}


async def create(call: Call) -> Reply | None:
    """Create a chat completion: the whole object, or its chunks with `stream: true`. Nothing is stored."""
    body = await call.body(_CREATE[call.services.tolerant])
    reading = chat.read(body, call.notes)
    options = body.stream_options
    stream = chat.Stream(body_of, usage=bool(options and options.include_usage))
    return await answer(call, reading, whole=chat.whole, tell=stream.tell)


ROUTES = [
    Endpoint(
        "POST",
        "/v1/chat/completions",
        create,
        body=ChatRequest,
        reply=ChatCompletion,
        streams=True,
        manners=MANNERS,
    ),
]
