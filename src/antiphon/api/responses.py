"""`/v1/responses`: create, retrieve, cancel, delete, list, input items, token counts."""

from contextlib import aclosing
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from antiphon.api.bodies import BodyReader
from antiphon.api.calls import Call, Endpoint, Reply
from antiphon.api.leaving import WhileConnected
from antiphon.api.pages import ItemPage, Listing, ResponsePage, page_of
from antiphon.api.sse import EventStream
from antiphon.engine.context import estimate
from antiphon.engine.runner import Run
from antiphon.engine.shown import hide, shown
from antiphon.errors import Unsupported
from antiphon.ports import ResponseFilter
from antiphon.types.events import Event
from antiphon.types.responses import (
    CountInput,
    CreateResponse,
    Deleted,
    Include,
    InputTokens,
    Response,
    ResponseStatus,
)


class RetrieveQuery(Struct, kw_only=True, frozen=True):
    """The query of `GET /v1/responses/{id}`. Resuming a stream comes with durable background runs."""

    include: tuple[Include, ...] = ()
    stream: bool = False
    starting_after: int | None = None
    include_obfuscation: bool | None = None


class ItemsQuery(Listing, kw_only=True, frozen=True):
    """The query of `GET /v1/responses/{id}/input_items`."""

    include: tuple[Include, ...] = ()


class ResponsesQuery(Listing, kw_only=True, frozen=True):
    """The query of `GET /v1/responses`."""

    status: ResponseStatus | None = None
    model: str | None = None
    conversation: Annotated[str, Meta(min_length=1)] | None = None


def _absent(given: dict[str, Any]) -> str | None:
    if "model" not in given:
        return "model"
    has_state = given.get("previous_response_id") is not None or given.get("conversation") is not None
    return None if "input" in given or has_state else "input"


_CREATE = {tolerant: BodyReader(CreateResponse, absent=_absent, tolerant=tolerant) for tolerant in (False, True)}
_COUNT = BodyReader(CountInput)


async def create(call: Call) -> Reply | None:
    """Create a response: the whole object, or its stream of events with `stream: true`."""
    services = call.services
    request = await call.body(_CREATE[services.tolerant])
    run = await services.runner.start(call.tenant, request, call.notes)
    call.answered_by = run.answered_by
    if request.background:
        return await _create_in_background(call, run, streamed=bool(request.stream))
    with WhileConnected(call) as client:
        run.task = client.task
        async with aclosing(services.runner.stream(run)) as events:
            if request.stream:
                await EventStream(events, run.draft.start).send(call)
            else:
                async for _ in events:
                    pass
    return None if request.stream or client.has_left else Reply(run.draft.response)


async def _create_in_background(call: Call, run: Run, *, streamed: bool) -> Reply | None:
    """Answer with the queued response, or show the run's events; a viewer who leaves doesn't end it."""
    queued = await call.services.runner.launch(run)
    if run.feed is None or not streamed:
        return Reply(queued)
    with WhileConnected(call):
        async with aclosing(run.feed.read()) as events:
            await EventStream(events, _nothing_early).send(call)
    return None


def _nothing_early() -> list[Event]:
    return []


async def retrieve(call: Call) -> Reply:
    """Return a response."""
    query = call.query(RetrieveQuery)
    response = await call.services.store.responses.get(call.tenant, call.params["id"])
    if query.stream:
        text = "Resuming a stream is not available yet; poll without 'stream'."
        raise Unsupported(text, param="stream")
    include = frozenset(query.include)
    output = [hide(item, include) for item in response.output]
    return Reply(msgspec.structs.replace(response, output=output))


async def cancel(call: Call) -> Reply:
    """Cancel a background response; one that has ended is returned as it is."""
    return Reply(await call.services.runner.cancel(call.tenant, call.params["id"]))


async def delete(call: Call) -> Reply:
    """Delete a response."""
    await call.services.runner.delete(call.tenant, call.params["id"])
    return Reply(Deleted(id=call.params["id"], object="response"))


async def input_items(call: Call) -> Reply:
    """List what a response was given: its chain's earlier turns and its own input."""
    query = call.query(ItemsQuery)
    found, more = await call.services.store.responses.input_items(call.tenant, call.params["id"], query.page())
    include = frozenset(query.include)
    return Reply(page_of([(item.id, hide(shown(item.id, item.body), include)) for item in found], more=more))


async def list_responses(call: Call) -> Reply:
    """List responses, newest first, without their output: an extension of ours for consoles."""
    query = call.query(ResponsesQuery)
    narrow = ResponseFilter(status=query.status, model=query.model, conversation=query.conversation)
    found, more = await call.services.store.responses.page(call.tenant, narrow, query.page())
    return Reply(page_of([(response.id, response) for response in found], more=more))


async def count_input_tokens(call: Call) -> Reply:
    """Count the tokens that a request's input would have; an estimate, which a note says."""
    request = await call.body(_COUNT)
    items = await call.services.preparation.context(call.tenant, request)
    told = [item.raw for item in items] + list(request.tools or ())
    if request.instructions:
        told.append(Raw(request.instructions.encode()))
    call.notes.append("input_tokens is estimated from the length of the text")
    return Reply(InputTokens(input_tokens=sum(estimate(raw) for raw in told)))


ROUTES = [
    Endpoint("POST", "/v1/responses", create, body=CreateResponse, reply=Response, streams=True),
    Endpoint("GET", "/v1/responses", list_responses, query=ResponsesQuery, reply=ResponsePage),
    Endpoint("POST", "/v1/responses/input_tokens", count_input_tokens, body=CountInput, reply=InputTokens),
    Endpoint("GET", "/v1/responses/{id}", retrieve, query=RetrieveQuery, reply=Response),
    Endpoint("DELETE", "/v1/responses/{id}", delete, reply=Deleted),
    Endpoint("POST", "/v1/responses/{id}/cancel", cancel, reply=Response),
    Endpoint("GET", "/v1/responses/{id}/input_items", input_items, query=ItemsQuery, reply=ItemPage),
]
