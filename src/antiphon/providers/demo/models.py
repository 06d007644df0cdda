"""The demo models: a script each, and the pace at which it is spoken."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from antiphon.codecs.lowering import choose, lower
from antiphon.providers.demo import scripts
from antiphon.providers.demo.scripts import Script
from antiphon.types.chunks import Chunk, Used
from antiphon.types.profiles import Hint, Profile
from antiphon.types.turns import Turn

SLOW_SECONDS = 30.0
MAX_SECONDS = 3600.0

_EVERY_HINT: frozenset[Hint] = frozenset(
    {"user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "verbosity"}
)
PROFILE = Profile(
    developer_role=True,
    files=True,
    audio=True,
    custom_tools=True,
    hints=_EVERY_HINT,
    context_window=128_000,  # words; any number would do, this one lets `truncation: auto` be tried
)
_SLOW = re.compile(r"demo-slow-(\d{1,4}(?:\.\d{1,3})?)\Z")


class DemoModel:
    """One demo model. `pause` gives the seconds after a piece, from the number of pieces."""

    def __init__(
        self,
        name: str,
        script: Script,
        seed: int,
        pause: Callable[[int], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.name = name
        self.profile = PROFILE
        self._script = script
        self._seed = seed
        self._pause = pause
        self._sleep = sleep

    async def stream(self, turn: Turn, notes: list[str]) -> AsyncGenerator[list[Chunk], None]:
        """Say the script piece by piece; tools that only a provider could carry out are refused or noted."""
        box = lower(turn, self.profile)
        choose(turn, box, self.profile)
        notes.extend(box.notes)
        said = self._script(turn, self._seed)
        end = next(place for place, chunk in enumerate(said) if isinstance(chunk, Used))
        pause = self._pause(max(end, 1))
        for chunk in said[:end]:
            yield [chunk]
            await self._sleep(pause)
        yield said[end:]


class DemoModels:
    """The demo models by name; none of them when they are not `enabled`."""

    def __init__(
        self,
        *,
        seed: int = 0,
        delay: float = 0.015,
        enabled: bool = True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.names: Sequence[str] = ("demo-chat", "demo-slow", "demo-tools") if enabled else ()
        self._enabled = enabled
        self._seed = seed
        self._delay = delay
        self._sleep = sleep

    def find(self, name: str) -> DemoModel | None:
        """Return the model: one of `names`, or `demo-slow-N` that takes N seconds."""
        if not self._enabled:
            return None
        if name == "demo-chat":
            return self._model(name, scripts.chat, lambda _: self._delay)
        if name == "demo-tools":
            return self._model(name, scripts.tools, lambda _: self._delay)
        seconds = _seconds(name)
        if seconds is None:
            return None
        return self._model(name, scripts.chat, lambda pieces: seconds / pieces)

    def _model(self, name: str, script: Script, pause: Callable[[int], float]) -> DemoModel:
        return DemoModel(name, script, self._seed, pause, self._sleep)


def _seconds(name: str) -> float | None:
    """Return how long a slow model takes, None for a name that is not one's."""
    if name == "demo-slow":
        return SLOW_SECONDS
    match = _SLOW.match(name)
    seconds = float(match[1]) if match else 0.0
    return seconds if 0 < seconds <= MAX_SECONDS else None
