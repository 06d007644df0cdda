"""The runner: who carries a response from its request to its end.

A foreground run is carried by its request: its end is on disk before anyone sees it, and when its client
leaves, the upstream call is cancelled and what was said so far is kept. A background run is the same run
carried by a task of this process; who watches it or not is of no consequence.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Self

import msgspec

from antiphon.engine import loop
from antiphon.engine.context import call_ids, estimate
from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import Emitter
from antiphon.engine.feed import Feed
from antiphon.engine.preparation import Preparation, Prepared
from antiphon.errors import AntiphonError, BadRequest, Fault, Stopping, StoreUnavailable
from antiphon.ports import Finished, ItemRow, Responses
from antiphon.telemetry import log_fault
from antiphon.types.events import Event
from antiphon.types.responses import CreateResponse, Response, ResponseError, Usage

_replace = msgspec.structs.replace

KEEP_AGAIN = 1.0
"""Seconds until the end of a background run that couldn't be written is tried again."""


@dataclass(slots=True)
class Run:
    """One response on its way."""

    prepared: Prepared
    draft: Emitter
    feed: Feed | None = None
    task: asyncio.Task[None] | None = None
    is_cancelled: bool = False
    is_stopped: bool = False
    is_kept: bool = False
    holds: str | None = None
    """The conversation that is locked for it."""

    @property
    def is_visible(self) -> bool:
        """Whether events were given to someone: from then on a failure is an event, before it an HTTP status."""
        request = self.prepared.request
        return self.draft.has_started and bool(request.stream or request.background)

    def answered_by(self) -> str:
        """Return the full name of the model that was asked, "" while nobody has answered."""
        return self.draft.answered_by

    @property
    def notes(self) -> list[str]:
        """What was left out, changed or estimated."""
        return self.prepared.notes


class Runner:
    """Carries runs. `async with runner:` spans its life, and owns the background ones."""

    def __init__(self, preparation: Preparation, responses: Responses, *, now: Callable[[], int]) -> None:
        self._preparation = preparation
        self._responses = responses
        self._now = now
        self._busy: set[tuple[str, str]] = set()
        self._continuing: dict[str, tuple[str, str]] = {}  # run to what it continues, which must not vanish meanwhile
        self._running: dict[str, Run] = {}
        self._background: dict[tuple[str, str], Run] = {}
        self._tasks = asyncio.TaskGroup()

    # -- the foreground ---------------------------------------------------------------------------------------

    async def start(self, tenant: str, request: CreateResponse, notes: list[str]) -> Run:
        """Return a run that can be streamed. Raises AntiphonError, and then nothing was stored.

        A conversation is locked from here until the end is stored, at the latest to the end of `stream`.
        """
        locked = self._lock(tenant, request)
        try:
            prepared = await self._preparation.prepare(tenant, request, notes)
            draft = Emitter(
                first_snapshot(
                    request,
                    response_id=prepared.response_id,
                    created_at=self._now(),
                    conversation_id=prepared.conversation_id,
                    tools=prepared.tools,
                    status="queued" if request.background else "in_progress",
                ),
                show_state="reasoning.encrypted_content" in (request.include or ()),
                taken_call_ids=call_ids(prepared.turn.items),
                notes=notes,
            )
        except BaseException:
            self._busy.discard(locked)
            raise
        run = Run(prepared, draft, holds=prepared.conversation_id)
        if request.previous_response_id is not None:
            self._continuing[prepared.response_id] = (tenant, request.previous_response_id)
        return run

    async def stream(self, run: Run) -> AsyncGenerator[list[Event], None]:
        """Carry a run to its end and yield its events, one list per network read.

        `run.task` is the task that carries it. Raises only while nobody saw an event; later failures are events.
        """
        prepared, draft = run.prepared, run.draft
        carried = loop.run(
            draft, prepared.model, prepared.turn, prepared.notes, now=self._now, estimate=lambda: self._estimated(run)
        )
        self._running[prepared.response_id] = run
        try:
            async with aclosing(carried) as batches:
                async for events in batches:
                    if draft.response.is_terminal:
                        await self._keep_or_take_back(run, events)
                    yield events
        except AntiphonError as error:
            if not run.is_visible:
                raise
            yield await self._failed(run, error)
        except Exception as error:
            if not run.is_visible:
                raise
            log_fault("run_fault", error, response=run.prepared.response_id)
            yield await self._failed(run, Fault("The server had an error while processing your request."))
        except GeneratorExit:
            await self._interrupted(run)
            raise
        except asyncio.CancelledError:
            if run.task is None or run.is_cancelled or not run.is_stopped:
                await self._interrupted(run)
                raise
            run.task.uncancel()  # the cancellation was ours, and ends here: who listens is told
            if not run.is_visible:
                raise Stopping from None
            yield await self._failed(run, Stopping())
        finally:
            self._running.pop(prepared.response_id, None)
            self._release(run)

    def stop(self) -> None:
        """End every run under way as failed, and tell its listeners: the server stops."""
        for run in self._running.values():
            if run.task is not None and not run.draft.response.is_terminal:
                run.is_stopped = True
                run.task.cancel()

    async def _keep_or_take_back(self, run: Run, events: list[Event]) -> None:
        """Write the end of a run before it is shown; an end that can't be written is shown as a failure."""
        try:
            await self._keep(run)
        except Exception as error:
            if not run.is_visible:
                raise
            if not isinstance(error, AntiphonError):
                log_fault("run_fault", error, response=run.prepared.response_id)
                error = Fault("The server had an error while processing your request.")
            events[-1:] = run.draft.fail(error)

    async def _failed(self, run: Run, error: AntiphonError) -> list[Event]:
        """End a run that had begun as failed, and keep it where that is possible."""
        events = run.draft.fail(error)
        try:
            await self._keep(run)
        except Exception as trouble:  # noqa: BLE001 # whatever it is, the caller's stream ends
            log_fault("end_not_stored", trouble, response=run.prepared.response_id)
        return events

    async def _interrupted(self, run: Run) -> None:
        """End a run that is cancelled from outside: called off, left by its client, or by a server that stops."""
        draft = run.draft
        if draft.response.is_terminal:
            return
        estimated = None if draft.usage else self._estimated(run)
        if run.is_cancelled:
            events = draft.interrupt("cancelled", estimated)
        elif run.prepared.request.background:
            events = draft.fail(Stopping())
        else:
            events = draft.interrupt("incomplete", estimated)
        await self._keep(run)
        if run.feed is not None:
            run.feed.add(events)

    async def _keep(self, run: Run) -> None:
        """Write the end of a run. Raises StoreUnavailable."""
        prepared, response = run.prepared, run.draft.response
        stores = prepared.request.store is not False
        joins = prepared.conversation_id is not None and (
            response.status == "completed" or response.incomplete_details is not None
        )
        if stores or joins:
            outputs = [ItemRow(identity, bytes(raw)) for identity, raw in run.draft.stored]
            end = Finished(
                tenant=prepared.tenant,
                response=_replace(response, output=[]),
                inputs=prepared.inputs,
                outputs=outputs,
                keep=stores,
                join=joins,
            )
            await self._responses.finish(end)
        run.is_kept = True
        self._release(run)  # before the end is shown: whoever sees it may go on with the conversation at once

    def _estimated(self, run: Run) -> Usage:
        """Count roughly what the provider didn't; the notes say so."""
        run.notes.append("usage is estimated: the provider reported none")
        used = sum(estimate(item.raw) for item in run.prepared.turn.items)
        used += len(run.prepared.request.instructions or "") // 4
        made = sum(estimate(item) for item in run.draft.output)
        return Usage(input_tokens=used, output_tokens=made, total_tokens=used + made)

    # -- the background ---------------------------------------------------------------------------------------

    async def launch(self, run: Run) -> Response:
        """Store the run as queued, hand it to a task of its own, and return the snapshot."""
        prepared = run.prepared
        opening = run.draft.start()
        try:
            await self._responses.accept(prepared.tenant, run.draft.response, prepared.inputs)
        except BaseException:
            self._release(run)
            raise
        queued = run.draft.response
        if prepared.request.stream:
            run.feed = Feed()
            run.feed.add(opening)
        self._background[prepared.tenant, prepared.response_id] = run
        run.task = self._tasks.create_task(self._work(run))
        run.task.add_done_callback(lambda _: self._leave(run))  # also when it is cancelled before its first step
        return queued

    async def _work(self, run: Run) -> None:
        """Carry a background run; nothing that happens to it may reach its siblings."""
        try:
            await self._carry(run)
        except asyncio.CancelledError:
            if not run.is_cancelled:
                raise
        except Exception as error:  # noqa: BLE001 # whatever it is, the siblings go on
            log_fault("background_run_lost", error, response=run.prepared.response_id)

    async def _carry(self, run: Run) -> None:
        try:
            self._show(run, run.draft.begin())
            with suppress(StoreUnavailable):  # the end is what counts, and that is tried until it is written
                await self._responses.update(run.prepared.tenant, run.draft.response)
            async with aclosing(self.stream(run)) as batches:
                async for events in batches:
                    self._show(run, events)
            while not run.is_kept:
                await self._keep_again(run)
        except asyncio.CancelledError:
            if not run.is_kept:
                await self._interrupted(run)
            raise

    async def _keep_again(self, run: Run) -> None:
        """Try once more, after a while, to write the end of a background run: someone polls for it."""
        await asyncio.sleep(KEEP_AGAIN)
        try:
            await self._keep(run)
        except StoreUnavailable as error:
            log_fault("end_not_stored", error, response=run.prepared.response_id)

    def _leave(self, run: Run) -> None:
        """Let go of a background run that has ended."""
        self._release(run)
        self._background.pop((run.prepared.tenant, run.prepared.response_id), None)
        if run.feed is not None:
            run.feed.end()

    def _show(self, run: Run, events: list[Event]) -> None:
        if run.feed is not None and events:
            run.feed.add(events)

    async def cancel(self, tenant: str, response_id: str) -> Response:
        """Call off a background response and return it as it ended; one that had ended is returned as it is."""
        response = await self._responses.get(tenant, response_id)
        if not response.background:
            raise BadRequest("Cannot cancel a synchronous response.", param="response_id")
        if response.is_terminal:
            return response
        await self._call_off(tenant, response)
        return await self._responses.get(tenant, response_id)

    async def delete(self, tenant: str, response_id: str) -> None:
        """Delete a response; one that is running is called off first. Raises NotFound."""
        response = await self._responses.get(tenant, response_id)
        if not response.is_terminal:
            await self._call_off(tenant, response)
        is_continued = (tenant, response_id) in self._continuing.values()
        await self._responses.delete(tenant, response_id, is_continued=is_continued)

    async def _call_off(self, tenant: str, response: Response) -> None:
        run = self._background.get((tenant, response.id))
        if run is not None and run.task is not None:
            if not run.draft.response.is_terminal:
                run.is_cancelled = True
                run.task.cancel()
            await asyncio.wait([run.task])
            if run.is_kept:
                return
        ended = _replace(response, status="cancelled", output=[])
        await self._responses.finish(Finished(tenant=tenant, response=ended, inputs=(), outputs=()))

    async def __aenter__(self) -> Self:
        self._tasks = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel every background run, which stores it as failed, and wait for them."""
        for run in self._background.values():
            if run.task is not None:
                run.task.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def fail_unfinished(self) -> int:
        """End what an earlier process left unfinished, and return how many; call before serving."""
        left = await self._responses.unfinished()
        cause = ResponseError(code="server_error", message="The server was stopped before the response was complete.")
        for tenant, response in left:
            ended = _replace(response, status="failed", error=cause, output=[])
            await self._responses.finish(Finished(tenant=tenant, response=ended, inputs=(), outputs=()))
        return len(left)

    # -- the lock of a conversation ---------------------------------------------------------------------------

    def is_busy(self, tenant: str, conversation_id: str) -> bool:
        """Say whether a response is writing to the conversation."""
        return (tenant, conversation_id) in self._busy

    def _lock(self, tenant: str, request: CreateResponse) -> tuple[str, str]:
        given = request.conversation
        name = given if isinstance(given, str) or given is None else given.id
        if name is None:
            return (tenant, "")
        if (tenant, name) in self._busy:
            raise locked(name)
        self._busy.add((tenant, name))
        return (tenant, name)

    def _release(self, run: Run) -> None:
        self._continuing.pop(run.prepared.response_id, None)
        if run.holds is not None:
            self._busy.discard((run.prepared.tenant, run.holds))
            run.holds = None


def locked(conversation_id: str) -> BadRequest:
    """Return the error for a conversation that a response is writing to."""
    text = f"Another process is currently operating on conversation '{conversation_id}'; try again when it is done."
    return BadRequest(text, code="conversation_locked", param="conversation")
