"""Carrying a run for clients of another API: their words in, their frames and their errors out. Nothing is stored."""

from collections.abc import Callable, Generator
from contextlib import aclosing, contextmanager

from msgspec import Struct

from antiphon.api.calls import Call, Reply
from antiphon.api.leaving import WhileConnected
from antiphon.api.sse import KEEPALIVE, EventStream
from antiphon.dialects.outcome import failure
from antiphon.dialects.reading import Reading
from antiphon.errors import AntiphonError
from antiphon.types.events import Event
from antiphon.types.responses import Response


async def answer(
    call: Call,
    reading: Reading,
    *,
    whole: Callable[[Response], Struct],
    tell: Callable[[list[Event]], bytearray],
    keepalive: bytes = KEEPALIVE,
) -> Reply | None:
    """Answer with the response as `whole` makes it, or with its events as `tell` does."""
    services = call.services
    with blaming(reading):
        run = await services.runner.start(call.tenant, reading.request, call.notes)
        call.answered_by = run.answered_by
        with WhileConnected(call) as client:
            run.task = client.task
            async with aclosing(services.runner.stream(run)) as events:
                if reading.request.stream:
                    await EventStream(events, run.draft.start, tell=tell, keepalive=keepalive).send(call)
                else:
                    async for _ in events:
                        pass
        if reading.request.stream or client.has_left:
            return None
        if error := failure(run.draft.response):
            raise error
    return Reply(whole(run.draft.response))


@contextmanager
def blaming(reading: Reading) -> Generator[None]:
    """Tell errors in the terms of the client's own request."""
    try:
        yield
    except AntiphonError as error:
        raise reading.blame(error) from error.__cause__
