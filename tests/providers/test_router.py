"""What the router remembers of models, and when it looks them up anew."""

import time
from typing import Any

from antiphon.providers.breaker import Breaker
from antiphon.providers.router import Router


class Listing:
    """A provider whose list of models changes when it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.has_news = False

    def may_serve(self, model: str) -> bool:
        return True

    def serves(self, model: str) -> bool:
        return False

    async def learn(self) -> bool:
        return self.has_news

    def health(self, breakers: Any) -> Any:
        return breakers


class Way:
    def __init__(self) -> None:
        self.breaker = Breaker(time.monotonic)


def router(*providers: Any) -> Router:
    def target(provider: Any, model: str) -> Any:
        return Way()

    def routed(targets: Any, weights: Any) -> Any:
        return targets[0]

    return Router(providers, {}, demo=lambda _: None, demo_names=[], target=target, routed=routed)


async def test_news_of_one_provider_does_not_forget_how_another_fares() -> None:
    still, moving = Listing("still"), Listing("moving")
    known = router(still, moving)
    first: Any = known.find("still/m")
    other: Any = known.find("moving/m")
    moving.has_news = True
    await known.learn()
    assert known.find("still/m") is first
    assert known.find("moving/m") is not other
