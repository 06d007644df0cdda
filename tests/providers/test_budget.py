"""The share of extra calls."""

import pytest

from antiphon.providers.budget import RESERVE, WINDOW, RetryBudget
from tests.providers.clocks import Clock


@pytest.mark.parametrize("per_second", [5, 50, 1000])
def test_a_full_outage_costs_ten_percent_extra_calls_at_most(per_second: int) -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    extra = 0
    for _ in range(10_000):  # every one fails, and would be tried twice again
        budget.called()
        extra += sum(budget.take() for _ in range(2))
        clock.pass_by(1 / per_second)
    assert 0.085 * 10_000 <= extra <= 0.1 * 10_000


def test_a_server_that_has_just_started_may_retry() -> None:
    budget = RetryBudget(Clock())
    budget.called()
    assert [budget.take() for _ in range(RESERVE + 1)] == [True] * RESERVE + [False]


def test_a_quiet_server_may_retry_again_after_a_while() -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    for _ in range(5):
        budget.called()
        assert budget.take()
        clock.pass_by(WINDOW / 2)


def test_a_good_hour_does_not_pay_for_a_storm() -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    for _ in range(4 * 3600):
        budget.called()
        clock.pass_by(0.25)
    assert budget.left() == pytest.approx(0.1 * 4 * WINDOW, abs=3)


def test_what_was_not_used_is_forgotten() -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    for _ in range(1000):
        budget.called()
    assert budget.left() == 100
    clock.pass_by(WINDOW)
    assert budget.left() == RESERVE


def test_ratio_and_reserve_may_be_others() -> None:
    budget = RetryBudget(Clock(), ratio=0.5, reserve=0)
    assert not budget.take()
    for _ in range(4):
        budget.called()
    assert budget.left() == 2
