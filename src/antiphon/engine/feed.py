"""The events of a background run for those who watch it from its beginning, while it lives in this process."""

import asyncio
from collections.abc import AsyncGenerator

from antiphon.types.events import Event


class Feed:
    """A growing list of event batches with any number of readers; `end` lets them go."""

    def __init__(self) -> None:
        self._batches: list[list[Event]] = []
        self._ended = False
        self._news = asyncio.Event()

    def add(self, events: list[Event]) -> None:
        """Show `events` to every reader."""
        self._batches.append(events)
        self._wake()

    def end(self) -> None:
        """No more events."""
        self._ended = True
        self._wake()

    async def read(self) -> AsyncGenerator[list[Event], None]:
        """Yield every batch from the first one on, until the end."""
        place = 0
        while True:
            news = self._news
            while place < len(self._batches):
                yield self._batches[place]
                place += 1
            if self._ended:
                return
            await news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
