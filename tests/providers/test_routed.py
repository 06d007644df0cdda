"""One name, several targets: which is asked, when again, when another, and what can't be mended. No time passes here."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest

from antiphon.errors import BadRequest, ProviderBroke, ProviderBusy, ProviderError, ProviderRefused, Unsupported
from antiphon.providers.backoff import FIRST, PATIENCE
from antiphon.providers.breaker import FIRST as COOL_DOWN
from antiphon.providers.breaker import IN_A_ROW, Breaker, NeverOpens
from antiphon.providers.budget import RATIO, RESERVE, RetryBudget
from antiphon.providers.routed import BEFORE_FALLING_OVER, RoutedModel, Target
from antiphon.types.chunks import Answered, Chunk, Stop, Text
from antiphon.types.profiles import Profile
from tests.codecs.turns import a_turn
from tests.providers.clocks import Clock

DONE = Stop("completed")
TURN = a_turn()

Step = Sequence[Chunk] | Exception | asyncio.Event
"""Chunks of one read, a failure, or something to wait for."""

GOOD: Sequence[Step] = [[Text("Hello."), DONE]]


class Scripted:
    """A model that follows a script, an answer a call; then it goes on with the last one."""

    name = "m"
    profile = Profile()

    def __init__(self, *answers: Sequence[Step], notes: Sequence[str] = ()) -> None:
        self.answers: list[Sequence[Step]] = list(answers) or [GOOD]
        self.notes = notes
        self.calls = 0
        self.closed = 0

    async def stream(self, turn: Any, notes: list[str]) -> AsyncGenerator[list[Chunk], None]:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        notes += self.notes
        try:
            for step in answer:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield list(step)
        finally:
            self.closed += 1


@dataclass
class House:
    """A clock, a budget, targets named by letters, and the waits between calls."""

    models: Sequence[Scripted]
    weights: Sequence[float] | None = None
    retries: int = 0
    breaker: type[Breaker] = Breaker
    reserve: int = 1000
    clock: Clock = field(default_factory=Clock)
    waits: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        names = "abcdefgh"[: len(self.models)]
        self.targets = [
            Target(name, model, self.breaker(self.clock), self.clock)
            for name, model in zip(names, self.models, strict=True)
        ]
        self.budget = RetryBudget(self.clock, reserve=self.reserve)
        self.routed = RoutedModel(
            self.targets, self.weights, budget=self.budget, retries=self.retries, sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.pass_by(seconds)

    async def ask(self, notes: list[str] | None = None, said: list[Chunk] | None = None) -> list[Chunk]:
        """Return all chunks of an answer; those that came before a failure are in `said`."""
        said = [] if said is None else said
        async for chunks in self.routed.stream(TURN, [] if notes is None else notes):
            said += chunks
        return said

    async def fails(self) -> ProviderError:
        """Return the failure of a request."""
        with pytest.raises(ProviderError) as caught:
            await self.ask()
        return caught.value

    @property
    def calls(self) -> list[int]:
        return [model.calls for model in self.models]


def failing(*errors: Exception) -> Scripted:
    """Return a model that fails so, a failure a call, and the last for ever."""
    return Scripted(*[[error] for error in errors])


def broke(code: str = "provider_error", status: int | None = 500) -> ProviderBroke:
    return ProviderBroke("It broke.", code=code, upstream_status=status)


def limited(retry_after: float | None = None, code: str = "rate_limit_exceeded") -> ProviderBusy:
    return ProviderBusy("Slow down.", upstream_status=429, code=code, retry_after=retry_after)


def refused(code: str | None = None) -> ProviderRefused:
    return ProviderRefused("Your fault.", upstream_status=400, code=code)


def with_other_key(error: ProviderError) -> ProviderError:
    error.has_other_key = True
    return error


# -- order ----------------------------------------------------------------------------------------------------


async def test_the_first_target_answers_and_says_who_it_is() -> None:
    house = House([Scripted(), Scripted()])
    assert await house.ask() == [Answered("a"), Text("Hello."), DONE]
    assert house.calls == [1, 0]


async def test_targets_are_tried_in_their_order() -> None:
    house = House([failing(broke()), failing(broke()), Scripted()])
    assert (await house.ask())[0] == Answered("c")
    assert house.calls == [1, 1, 1]
    assert house.waits == []


async def test_the_last_failure_is_told_when_all_fail() -> None:
    house = House([failing(broke("one")), failing(broke("two"))])
    assert (await house.fails()).code == "two"


async def test_weights_are_shares_of_the_requests() -> None:
    house = House([Scripted(), Scripted(), Scripted()], weights=[6, 3, 1])
    state = random.getstate()
    random.seed(7)
    for _ in range(5000):
        await house.ask()
    random.setstate(state)
    assert house.calls == pytest.approx([3000, 1500, 500], abs=120)


async def test_a_weighted_target_that_fails_is_stood_in_for_by_the_others_in_order() -> None:
    house = House([failing(broke()), Scripted(), Scripted()], weights=[1, 1e-9, 1e-9])
    assert (await house.ask())[0] == Answered("b")


async def test_every_target_of_a_weighted_name_is_tried_once() -> None:
    house = House([failing(broke()) for _ in range(4)], weights=[1, 1, 1, 1])
    await house.fails()
    assert house.calls == [1, 1, 1, 1]


# -- the same target again ------------------------------------------------------------------------------------


async def test_a_failure_is_tried_again_after_a_random_wait_that_may_double() -> None:
    house = House([failing(broke())], retries=3)
    await house.fails()
    assert house.calls == [4]
    assert all(0 <= wait <= FIRST * 2**place for place, wait in enumerate(house.waits))
    assert len(house.waits) == 3


async def test_trying_again_mends_a_failure_that_passes() -> None:
    house = House([Scripted([broke()], [broke()], GOOD)], retries=2)
    assert (await house.ask())[0] == Answered("a")
    assert house.calls == [3]


async def test_with_a_stand_in_one_retry_is_enough() -> None:
    house = House([failing(broke()), failing(broke())], retries=3)
    await house.fails()
    assert house.calls == [BEFORE_FALLING_OVER, 4]


async def test_a_limit_is_not_waited_for_where_there_is_a_stand_in() -> None:
    house = House([failing(limited(3.0)), Scripted()], retries=2)
    assert (await house.ask())[0] == Answered("b")
    assert (house.calls, house.waits) == ([1, 1], [])


async def test_a_retry_after_is_waited_for_exactly() -> None:
    house = House([Scripted([limited(3.0)], GOOD)], retries=2)
    await house.ask()
    assert house.waits == [3.0]


async def test_a_retry_after_that_is_too_long_leads_to_the_next_at_once() -> None:
    house = House([failing(limited(PATIENCE + 1)), Scripted()], retries=2)
    assert (await house.ask())[0] == Answered("b")
    assert (house.calls, house.waits) == ([1, 1], [])


async def test_a_retry_after_that_is_too_long_is_the_client_s_where_there_is_no_other() -> None:
    house = House([failing(limited(60.0))], retries=2)
    assert (await house.fails()).retry_after == 60.0
    assert (house.calls, house.waits) == ([1], [])


@pytest.mark.parametrize(
    "error",
    [
        limited(code="insufficient_quota"),
        broke("provider_unauthorized", 401),
        ProviderBusy("Full.", code="provider_queue_full"),
        ProviderBusy("Late.", code="provider_queue_timeout"),
        broke("provider_timeout_first_byte", None),
        broke("provider_timeout_idle", None),
        broke("provider_timeout_total", None),
    ],
    ids=lambda error: error.code,
)
async def test_what_would_be_the_same_again_goes_to_the_next_at_once(error: ProviderError) -> None:
    house = House([failing(error), Scripted()], retries=2)
    assert (await house.ask())[0] == Answered("b")
    assert (house.calls, house.waits) == ([1, 1], [])


async def test_a_connection_that_took_too_long_is_tried_again() -> None:
    house = House([Scripted([broke("provider_timeout_connect", None)], GOOD)], retries=2)
    await house.ask()
    assert house.calls == [2]


async def test_another_key_is_tried_without_a_wait() -> None:
    house = House([Scripted([with_other_key(limited(30.0))], GOOD), Scripted()], retries=1)
    assert (await house.ask())[0] == Answered("a")
    assert house.waits == [0.0]


async def test_a_limit_of_one_key_is_none_of_the_target() -> None:
    house = House([Scripted([with_other_key(limited(30.0))], GOOD), Scripted()], retries=1)
    await house.ask()
    assert not house.targets[0].is_limited
    assert (await house.ask())[0] == Answered("a")


# -- refusals -------------------------------------------------------------------------------------------------


async def test_a_refusal_is_neither_tried_again_nor_asked_of_another() -> None:
    house = House([failing(refused()), Scripted()], retries=2)
    assert isinstance(await house.fails(), ProviderRefused)
    assert house.calls == [1, 0]


@pytest.mark.parametrize("code", ["model_not_found", "context_length_exceeded"])
async def test_a_refusal_that_is_the_target_s_alone_leads_to_the_next(code: str) -> None:
    house = House([failing(refused(code)), Scripted()], retries=2)
    assert (await house.ask())[0] == Answered("b")
    assert house.calls == [1, 1]


async def test_refusals_keep_a_breaker_closed() -> None:
    house = House([failing(refused())])
    for _ in range(3 * IN_A_ROW):
        await house.fails()
    assert house.targets[0].breaker.state == "closed"


async def test_what_can_t_be_said_to_the_first_target_is_the_client_s() -> None:
    house = House([failing(Unsupported("no", param="tools[0]")), Scripted()])
    with pytest.raises(Unsupported):
        await house.ask()
    assert house.calls == [1, 0]


async def test_a_stand_in_that_can_t_be_told_does_not_hide_the_first_failure() -> None:
    house = House([failing(broke("first")), failing(BadRequest("no audio here"))])
    assert (await house.fails()).code == "first"


async def test_a_stand_in_that_can_t_be_told_is_passed_over() -> None:
    house = House([failing(broke()), failing(BadRequest("no audio here")), Scripted()], retries=1)
    assert (await house.ask())[0] == Answered("c")
    assert house.calls == [2, 1, 1]


# -- after the first chunk ------------------------------------------------------------------------------------


async def test_nothing_is_mended_after_the_first_chunk() -> None:
    house = House([Scripted([[Text("Hel")], broke()]), Scripted()], retries=2)
    said: list[Chunk] = []
    with pytest.raises(ProviderBroke):
        await house.ask(said=said)
    assert said == [Answered("a"), Text("Hel")]
    assert (house.calls, house.waits) == ([1, 0], [])


async def test_a_stand_in_that_breaks_after_its_first_chunk_is_told_so() -> None:
    house = House([failing(broke("first")), Scripted([[Text("Hel")], BadRequest("odd")]), Scripted()])
    with pytest.raises(BadRequest):
        await house.ask()
    assert house.calls == [1, 1, 0]


async def test_answers_that_always_break_off_open_the_breaker() -> None:
    house = House([Scripted([[Text("Hel")], broke()])])
    while house.targets[0].breaker.state == "closed":
        await house.fails()
        assert house.calls[0] <= 20
    assert (await house.fails()).code == "provider_resting"


async def test_only_the_notes_of_the_target_that_answered_are_told() -> None:
    first, second = failing(broke()), Scripted(notes=["b leaves it out"])
    first.notes = ["a leaves it out"]
    notes = ["of the request"]
    await House([first, second], retries=1).ask(notes)
    assert notes == ["of the request", "b leaves it out"]


async def test_notes_are_there_with_the_first_chunk() -> None:
    notes: list[str] = []
    async with aclosing(House([Scripted(notes=["left out"])]).routed.stream(TURN, notes)) as said:
        await anext(said)
        assert notes == ["left out"]


# -- breaker and limits ---------------------------------------------------------------------------------------


async def test_a_target_whose_breaker_is_open_is_stood_in_for_without_a_call() -> None:
    house = House([failing(broke()), Scripted()])
    for _ in range(IN_A_ROW):
        await house.ask()
    assert house.calls == [IN_A_ROW, IN_A_ROW]
    before = house.budget.left()
    assert (await house.ask())[0] == Answered("b")
    assert house.calls == [IN_A_ROW, IN_A_ROW + 1]
    assert house.budget.left() == before, "it was a first call, no extra one"


async def test_a_target_that_rests_alone_is_told_with_the_time_to_wait() -> None:
    house = House([failing(broke())])
    for _ in range(IN_A_ROW):
        await house.fails()
    house.clock.pass_by(1)
    error = await house.fails()
    assert (error.code, error.http_status, error.retry_after) == ("provider_resting", 503, COOL_DOWN - 1)
    assert house.calls == [IN_A_ROW]


async def test_one_request_probes_after_the_cool_down_and_the_others_go_past_it() -> None:
    gate = asyncio.Event()
    house = House([Scripted(*([broke()],) * IN_A_ROW, [gate, *GOOD]), Scripted()])
    for _ in range(IN_A_ROW):
        await house.ask()
    house.clock.pass_by(COOL_DOWN)
    probe = asyncio.create_task(house.ask())
    await asyncio.sleep(0)
    assert (await house.ask())[0] == Answered("b")
    gate.set()
    assert (await probe)[0] == Answered("a")
    assert (await house.ask())[0] == Answered("a")


async def test_a_probe_that_fails_opens_the_breaker_for_longer() -> None:
    house = House([failing(broke()), Scripted()])
    for _ in range(IN_A_ROW):
        await house.ask()
    house.clock.pass_by(COOL_DOWN)
    assert (await house.ask())[0] == Answered("b")
    assert house.calls[0] == IN_A_ROW + 1
    assert house.targets[0].breaker.retry_in() == 2 * COOL_DOWN


async def test_a_limit_is_no_failure_of_the_target_s_health() -> None:
    house = House([failing(limited(0.5))])
    for _ in range(3 * IN_A_ROW):
        await house.fails()
        house.clock.pass_by(1)
    assert (house.targets[0].breaker.state, house.calls) == ("closed", [3 * IN_A_ROW])


async def test_a_limited_target_is_passed_over_until_its_limit_is_over() -> None:
    house = House([Scripted([limited(60.0)], GOOD), Scripted()])
    for _ in range(3):
        assert (await house.ask())[0] == Answered("b")
    assert house.calls == [1, 3]
    house.clock.pass_by(60)
    assert (await house.ask())[0] == Answered("a")


async def test_a_limited_target_without_another_is_asked_all_the_same() -> None:
    house = House([Scripted([limited(60.0)], GOOD)])
    await house.fails()
    assert (await house.ask())[0] == Answered("a")


async def test_when_all_are_limited_the_shortest_wait_is_told() -> None:
    house = House([failing(limited(60.0)), failing(limited(30.0))])
    await house.fails()
    house.clock.pass_by(10)
    error = await house.fails()
    assert (error.http_status, error.retry_after) == (429, 20.0)
    assert house.calls == [1, 1]


# -- budget ---------------------------------------------------------------------------------------------------


async def test_a_full_outage_makes_a_tenth_more_calls_and_no_more() -> None:
    house = House([failing(broke()), failing(broke())], retries=2, breaker=NeverOpens, reserve=RESERVE)
    house.clock.time = 0.0
    for _ in range(10_000):
        await house.fails()
        house.waits.clear()
    assert sum(house.calls) - 10_000 <= RATIO * 10_000 + RESERVE + 1, "one that nothing bad was known of"


async def test_in_a_full_outage_with_breakers_hardly_anything_is_called() -> None:
    house = House([failing(broke()), failing(broke())], retries=2, reserve=RESERVE)
    for _ in range(10_000):
        await house.fails()
    assert sum(house.calls) < 100


async def test_without_a_budget_nothing_is_waited_for() -> None:
    house = House([failing(broke())], retries=2, reserve=0)
    await house.fails()
    assert (house.calls, house.waits) == ([1], [])


async def test_requests_that_go_well_fill_the_budget() -> None:
    house = House([Scripted(*[GOOD] * 20, [broke()], GOOD)], retries=1, reserve=0)
    for _ in range(21):
        await house.ask()
    assert len(house.waits) == 1


async def test_a_stand_in_that_is_well_is_asked_without_a_budget_too() -> None:
    house = House([failing(broke()), Scripted()], retries=2, reserve=0)
    for _ in range(3):
        assert (await house.ask())[0] == Answered("b")
    assert (house.calls, house.waits) == ([3, 3], [])


async def test_a_stand_in_that_failed_is_not_asked_without_a_budget() -> None:
    house = House([failing(broke("first")), failing(broke("second"))], reserve=0, breaker=NeverOpens)
    assert [(await house.fails()).code for _ in range(3)] == ["second", "first", "first"]
    assert house.calls == [3, 1]


async def test_a_stand_in_that_is_well_is_found_behind_one_that_is_not() -> None:
    house = House([failing(broke()), failing(broke()), Scripted()], reserve=0)
    for _ in range(3):
        assert (await house.ask())[0] == Answered("c")
    assert house.calls == [3, 1, 3]


async def test_a_dead_target_with_a_stand_in_costs_no_request_its_answer() -> None:
    """With all defaults, on a quiet server, through every phase of the breaker."""
    house = House([failing(broke()), Scripted()], retries=2, reserve=RESERVE)
    for _ in range(100):
        assert (await house.ask())[0] == Answered("b")
        house.clock.pass_by(1)


# -- clients that leave ---------------------------------------------------------------------------------------


async def test_a_client_that_leaves_closes_the_model_s_answer() -> None:
    house = House([Scripted([[Text("Hel")], [Text("lo"), DONE]])])
    said = house.routed.stream(TURN, [])
    await anext(said)
    await said.aclose()
    assert house.models[0].closed == 1
    assert house.targets[0].breaker.state == "closed"


async def test_a_client_that_leaves_before_the_first_chunk_lets_the_next_be_the_probe() -> None:
    house = House([Scripted(*([broke()],) * IN_A_ROW, [asyncio.Event()], GOOD)])
    for _ in range(IN_A_ROW):
        await house.fails()
    house.clock.pass_by(COOL_DOWN)
    probe = asyncio.create_task(house.ask())
    await asyncio.sleep(0)
    assert (await house.fails()).code == "provider_resting"
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert house.models[0].closed == house.calls[0]
    assert (await house.ask())[0] == Answered("a")


async def test_a_client_that_leaves_during_a_wait_is_let_go() -> None:
    house = House([failing(broke())], retries=2)
    began = asyncio.Event()

    async def long_sleep(_: float) -> None:
        began.set()
        await asyncio.Event().wait()

    house.routed = RoutedModel(house.targets, None, budget=house.budget, retries=2, sleep=long_sleep)
    asking = asyncio.create_task(house.ask())
    await began.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert house.calls == [1]


async def test_a_bug_in_a_model_is_no_reason_to_ask_another() -> None:
    house = House([failing(ZeroDivisionError()), Scripted()], retries=2)
    with pytest.raises(ZeroDivisionError):
        await house.ask()
    assert house.calls == [1, 0]
