"""The loop: from a turn to the terminal event of a response.

A response is one turn today: no tool is the server's own yet, so a model's calls go to the client. Tools of
ours enter here, between one turn and the next, and nowhere else.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from antiphon.engine.emitter import Emitter
from antiphon.ports import Model
from antiphon.types.events import Event
from antiphon.types.responses import Usage
from antiphon.types.turns import Turn


async def run(
    draft: Emitter,
    model: Model,
    turn: Turn,
    notes: list[str],
    *,
    now: Callable[[], int],
    estimate: Callable[[], Usage],
) -> AsyncGenerator[list[Event], None]:
    """Carry one response to its terminal event, a list of events per network read; the last list ends with it.

    `estimate` is asked only when the provider reported no usage. Raises ProviderError.
    """
    async with aclosing(model.stream(turn, notes)) as said:
        async for chunks in said:
            events = draft.add(chunks)
            if draft.stop is not None:
                events += draft.finish(now(), None if draft.usage else estimate())
            yield events
