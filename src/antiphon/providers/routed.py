"""A model that is asked for at one or several targets: the next one when one fails, again when that may help.

Until the first chunk was given out nobody has seen anything, so a failure may be mended: at the same target after a
while, or at the next. From then on it is the answer's. What is tried again is bought from a budget that all requests
fill, so that an outage is never met with a multiple of the calls. Only a stand-in that is well may be asked on credit:
it is no part of the outage.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from antiphon.errors import BadRequest, ProviderBusy, ProviderError, ProviderRefused
from antiphon.ports import Model
from antiphon.providers.backoff import delay
from antiphon.providers.breaker import Breaker
from antiphon.providers.budget import RetryBudget
from antiphon.providers.credentials import LIMITED
from antiphon.telemetry import Level, log
from antiphon.types.chunks import Answered, Chunk
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn

Sleep = Callable[[float], Awaitable[None]]

BEFORE_FALLING_OVER = 2
"""Calls that a target with a stand-in gets at most: a client waits for one retry, not for all of them."""

_NOT_AGAIN = frozenset({"insufficient_quota", "provider_unauthorized", "provider_queue_full", "provider_queue_timeout"})
"""Codes of failures that would be the same a moment later; another target may not have them."""
_OF_TARGET = frozenset({"model_not_found", "context_length_exceeded"})
"""Codes of refusals that say more of the target than of the request."""
_NOT_ITS_HEALTH = frozenset({"provider_unauthorized", "provider_queue_full", "provider_queue_timeout"})
"""Codes of failures that say nothing of how the model fares."""


class Target:
    """One model of one provider, and how it fares."""

    def __init__(self, name: str, model: Model, breaker: Breaker, clock: Callable[[], float]) -> None:
        """Make a target of `model`; `name` is its full name, `clock` gives monotonic seconds."""
        self.name = name
        self.model = model
        self.breaker = breaker
        self.is_well = True
        """Whether it has not failed since it answered last."""
        self._clock = clock
        self._limited_until = 0.0

    @property
    def is_limited(self) -> bool:
        """Whether its limit was reached a moment ago: a stand-in is asked at once then, where there is one."""
        return self._limited_until > self._clock()

    def answered(self) -> None:
        """An answer has begun."""
        self.is_well = True
        self.breaker.succeeded()

    def failed(self, error: ProviderError) -> None:
        """Tell the breaker of a failure; a refusal says that the model is well, a limit says nothing of it.

        A limit of one key is none of the target while it has another one.
        """
        if error.retryable:
            self.is_well = False
        if error.upstream_status == 429 and not error.has_other_key:
            self._limited_until = self._clock() + (error.retry_after or LIMITED)
        if error.code in _NOT_ITS_HEALTH or error.upstream_status == 429:
            self.breaker.released()
        elif not error.retryable:
            self.breaker.succeeded()
        elif self.breaker.failed(error.retry_after):
            log("breaker_opened", Level.WARNING, target=self.name, seconds=round(self.breaker.retry_in(), 1))

    def resting(self) -> ProviderBusy:
        """Return the error of a target that isn't asked for a while."""
        if self.is_limited:
            text, wait = "The provider's rate limit is reached.", self._limited_until - self._clock()
            return ProviderBusy(text, upstream_status=429, code="rate_limit_exceeded", retry_after=wait)
        text = "The provider failed too often and isn't asked for a while."
        return ProviderBusy(text, upstream_status=503, code="provider_resting", retry_after=self.breaker.retry_in())


class RoutedModel:
    """One or several targets under one name."""

    def __init__(
        self,
        targets: Sequence[Target],
        weights: Sequence[float] | None,
        *,
        budget: RetryBudget,
        retries: int,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Ask the first target that can answer or, with `weights`, each with that share of the requests.

        A target is asked `retries` times more where that may help; `sleep` waits for seconds.
        """
        self.name = targets[0].model.name
        self._targets = targets
        self._weights = weights
        self._budget = budget
        self._tries = retries + 1
        self._sleep = sleep

    @property
    def profile(self) -> Profile:
        """What the first target can do; the others refuse what they can't."""
        return self._targets[0].model.profile

    async def stream(self, turn: Turn, notes: list[str]) -> AsyncGenerator[list[Chunk], None]:
        """Ask; see the port. Raises BadRequest too, for what can't be said to the first target."""
        self._budget.called()
        route = _Route(self._in_order(), self._tries, self._budget, self._sleep)
        while True:
            target = await route.next()
            told: list[str] = []
            is_heard = False
            try:
                async with aclosing(target.model.stream(turn, told)) as said:
                    async for chunks in said:
                        if is_heard:
                            yield chunks
                        else:
                            is_heard = True
                            target.answered()  # at once: others wait for what a probe finds
                            notes += told
                            yield [Answered(target.name), *chunks]
                return
            except ProviderError as error:
                target.failed(error)
                if is_heard:
                    raise
                route.failure = error
            except BaseException as error:
                if not is_heard:
                    target.breaker.released()  # nobody knows how it would have gone
                if is_heard or not isinstance(error, BadRequest) or route.failure is None:
                    raise
                route.go_on()  # a stand-in that can't do this

    def _in_order(self) -> Sequence[Target]:
        """Return the targets as this request tries them."""
        if self._weights is None:
            return self._targets
        first = random.choices(self._targets, self._weights)[0]  # noqa: S311 - a share, no secret
        return [first, *(target for target in self._targets if target is not first)]


class _Route:
    """The way of one request through the targets; `failure` is how the last one failed."""

    def __init__(self, targets: Sequence[Target], tries: int, budget: RetryBudget, sleep: Sleep) -> None:
        self.failure: ProviderError | None = None
        self._targets = targets
        self._tries = tries
        self._budget = budget
        self._sleep = sleep
        self._place = 0
        self._attempts = 0  # at the target of this place
        self._is_extra = False  # whether the next call is
        self._asked: Target | None = None

    def go_on(self) -> None:
        """Leave the target."""
        self._place += 1
        self._attempts = 0

    async def next(self) -> Target:
        """Return the target to ask now, when it is time. Raises the failure that can't be mended."""
        if self.failure is not None and self._attempts:
            await self._mend(self.failure)
        while self._place < len(self._targets):
            target = self._targets[self._place]
            if self._may_ask(target) and target.breaker.may_try():
                self._asked = target
                if self._is_extra:
                    self._budget.take()
                self._is_extra = True
                self._attempts += 1
                return target
            self._pass_over(target.resting())
            self.go_on()
        raise self.failure or self._targets[0].resting()

    def _may_ask(self, target: Target) -> bool:
        """Say whether the budget and the target's limit let it be asked."""
        is_again = target is self._asked
        if self._is_extra and self._budget.left() < 1 and (is_again or not target.is_well):
            return False
        return is_again or not target.is_limited or len(self._targets) == 1

    def _pass_over(self, resting: ProviderBusy) -> None:
        """Remember why a target isn't asked, unless one failed; of several the one that may be asked first counts."""
        is_sooner = self.failure is not None and (resting.retry_after or 0) < (self.failure.retry_after or 0)
        if self.failure is None or (is_sooner and not self._is_extra):
            self.failure = resting

    async def _mend(self, failure: ProviderError) -> None:
        """Wait for the same target, or go on to the next. Raises what another target would refuse too."""
        is_last = self._place == len(self._targets) - 1
        tries = self._tries if is_last else min(self._tries, BEFORE_FALLING_OVER)
        is_for_stand_in = not is_last and failure.upstream_status == 429 and not failure.has_other_key
        may_wait = self._attempts < tries and self._budget.left() >= 1 and not is_for_stand_in
        wait = _wait(failure, self._attempts) if may_wait else None
        if wait is not None:
            await self._sleep(wait)
        elif _may_fall_over(failure):
            self.go_on()
        else:
            raise failure


def _wait(failure: ProviderError, attempt: int) -> float | None:
    """Return the seconds after which the same target may be asked again, None when that helps nobody."""
    if failure.has_other_key:
        return 0.0
    is_late = (failure.code or "").startswith("provider_timeout_") and failure.code != "provider_timeout_connect"
    if not failure.retryable or is_late or failure.code in _NOT_AGAIN:
        return None
    return delay(attempt, failure.retry_after, random.random)


def _may_fall_over(failure: ProviderError) -> bool:
    """Say whether another target may do what this one didn't."""
    return failure.retryable or (isinstance(failure, ProviderRefused) and failure.code in _OF_TARGET)
