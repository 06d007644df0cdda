"""`/v1/messages`: Anthropic's API, for clients that speak no other; every model answers it."""

from typing import Any

from antiphon.api.bodies import BodyReader
from antiphon.api.calls import Call, Endpoint, Manners, Reply
from antiphon.api.dialects import answer
from antiphon.dialects import messages
from antiphon.dialects.messages import PING, MessagesAnswer, MessagesError, MessagesEvent, MessagesRequest
from antiphon.errors import AntiphonError

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


_CREATE = {tolerant: BodyReader(MessagesRequest, absent=_absent, tolerant=tolerant) for tolerant in (False, True)}


async def create(call: Call) -> Reply | None:
    """Create a message: the whole object, or its events with `stream: true`. Nothing is stored."""
    body = await call.body(_CREATE[call.services.tolerant])
    reading = messages.read(body, call.notes)

    def refusal(error: AntiphonError) -> bytes:
        return messages.refusal(error, call.id)[1]

    stream = messages.Stream(refusal)
    return await answer(call, reading, whole=messages.whole, tell=stream.tell, keepalive=PING)


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
]
