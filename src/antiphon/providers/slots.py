"""The slots of a provider: how many requests it gets at once, and the queue of those that wait for theirs.

First come, first served: a slot that is given back goes to who has waited longest, before it can be taken by anyone
else. A queue that is full and a wait that is too long are errors which another target may mend (ProviderBusy), but
they say nothing of the provider's health: no breaker should hear of them.
"""

import asyncio
import math
from collections import deque

from antiphon.errors import ProviderBusy

RETRY_AFTER = 1.0
"""Seconds that a client is told to wait: slots come back with every answer that ends."""


class Slots:
    """The slots of one provider. `limit` None means any number; `queue` is how many may wait.

    A caller takes a free one (`try_take`) or waits for one, and gives it back however its work ends.
    """

    __slots__ = ("_limit", "_queue", "_waiting", "running")

    def __init__(self, limit: int | None, queue: int) -> None:
        self._limit = math.inf if limit is None else limit
        self._queue = queue
        self._waiting: deque[asyncio.Future[bool]] = deque()
        """Turns: True when a slot was handed over, False when it took too long."""
        self.running = 0
        """Slots in use."""

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def try_take(self) -> bool:
        """Take a slot if one is free; nobody can be waiting then."""
        if self.running < self._limit:
            self.running += 1
            return True
        return False

    async def wait_for_slot(self, seconds: float) -> None:
        """Wait for one that is given back, `seconds` at most, and take it. Raises ProviderBusy."""
        if len(self._waiting) >= self._queue:
            text = f"The provider is working on {self.running} requests, and {self.queued} are waiting."
            raise ProviderBusy(text, code="provider_queue_full", retry_after=RETRY_AFTER)
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(seconds, self._give_up, turn)
        try:
            is_mine = await turn
        except asyncio.CancelledError:
            self._leave_queue(turn)
            raise
        finally:
            timer.cancel()
        if not is_mine:
            text = f"The provider was busy with other requests for {seconds:g} seconds."
            raise ProviderBusy(text, code="provider_queue_timeout", retry_after=RETRY_AFTER)

    def give_back(self) -> None:
        """Hand the slot to who has waited longest, or leave it free."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else its request was cancelled, and is about to leave the queue
                turn.set_result(True)
                return
        self.running -= 1

    def _give_up(self, turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            turn.set_result(False)
            self._waiting.remove(turn)

    def _leave_queue(self, turn: asyncio.Future[bool]) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif turn.done() and not turn.cancelled() and turn.result():
            self.give_back()  # it was handed over in the very moment of the cancellation
