"""`/v1/messages`: Anthropic's API, for clients that speak no other; every model answers it."""

from typing import Any

from antiphon.api.bodies import BodyReader
from antiphon.api.calls import Call, Endpoint, Manners, Reply
from antiphon.api.dialects import answer, blaming
from antiphon.dialects import messages
from antiphon.dialects.messages import (
    PING,
    CountMessages,
    MessagesAnswer,
    MessagesError,
    MessagesEvent,
    MessagesRequest,
    MessagesTokens,
)
from antiphon.engine.context import estimate
from antiphon.errors import AntiphonError
from antiphon.types.responses import CountInput

MANNERS = Manners(
    key_header=b"x-api-key",
    id_header=b"request-id",
    error=MessagesError,
    refusal=messages.refusal,
    frames=MessagesEvent,
    done=False,
)


def _absent(given: dict[str, Any]) -> str | None:
    return next((name for name in ("model", "messages", "max_tokens") if name not in given), None)


def _uncountable(given: dict[str, Any]) -> str | None:
    return next((name for name in ("model", "messages") if name not in given), None)


_CREATE = {tolerant: BodyReader(MessagesRequest, absent=_absent, tolerant=tolerant) for tolerant in (False, True)}
_COUNT = {tolerant: BodyReader(CountMessages, absent=_uncountable, tolerant=tolerant) for tolerant in (False, True)}


async def create(call: Call) -> Reply | None:
    """Create a message: the whole object, or its events with `stream: true`. Nothing is stored."""
    body = await call.body(_CREATE[call.services.tolerant])
    reading = messages.read(body, call.notes)

    def refusal(error: AntiphonError) -> bytes:
        return messages.refusal(error, call.id)[1]

    stream = messages.Stream(refusal)
    return await answer(call, reading, whole=messages.whole, tell=stream.tell, keepalive=PING)


async def count_tokens(call: Call) -> Reply:
    """Count the tokens that a message's input would have; an estimate, which a note says."""
    body = await call.body(_COUNT[call.services.tolerant])
    reading = messages.read_count(body)
    with blaming(reading):
        counted = CountInput(
            model=body.model,
            input=reading.items,
            tools=reading.tools or None,
            tool_choice=reading.request.tool_choice,
        )
        items = await call.services.preparation.context(call.tenant, counted)
    call.notes.append("input_tokens is estimated from the length of the text")
    told = [item.raw for item in items] + reading.tools
    return Reply(MessagesTokens(input_tokens=sum(estimate(raw) for raw in told)))


ROUTES = [
    Endpoint(
        "POST",
        "/v1/messages",
        create,
        body=MessagesRequest,
        reply=MessagesAnswer,
        streams=True,
        manners=MANNERS,
    ),
    Endpoint(
        "POST",
        "/v1/messages/count_tokens",
        count_tokens,
        body=CountMessages,
        reply=MessagesTokens,
        manners=MANNERS,
    ),
]
