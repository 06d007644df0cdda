"""The breaker of one model of one provider."""

import pytest

from antiphon.providers.breaker import ENOUGH, FIRST, IN_A_ROW, LONGEST, PROBE, WINDOW, Breaker
from tests.providers.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(clock: Clock, *, retry_after: float | None = None) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(IN_A_ROW):
        assert breaker.state == "closed"
        breaker.failed(retry_after)
    assert breaker.state == "open"
    return breaker


def half_opened(clock: Clock) -> Breaker:
    breaker = opened(clock)
    clock.pass_by(FIRST)
    assert breaker.state == "half_open"
    return breaker


# -- closed ---------------------------------------------------------------------------------------------------


def test_a_closed_breaker_lets_every_call_through(clock: Clock) -> None:
    breaker = Breaker(clock)
    assert all(breaker.may_try() for _ in range(100))
    assert breaker.retry_in() == 0
    assert breaker.state == "closed"


def test_failures_in_a_row_open_it_and_the_last_of_them_says_so(clock: Clock) -> None:
    breaker = Breaker(clock)
    assert [breaker.failed() for _ in range(IN_A_ROW)] == [False] * (IN_A_ROW - 1) + [True]
    assert not breaker.may_try()


def test_a_success_ends_the_row(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(3):
        for _ in range(IN_A_ROW - 1):
            breaker.failed()
        assert not breaker.succeeded()
    assert breaker.state == "closed"


def test_a_model_that_fails_every_other_time_is_found_when_enough_is_known(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(ENOUGH // 2 - 1):
        breaker.succeeded()
        breaker.failed()
    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.failed()


def test_a_model_that_fails_a_third_of_the_time_is_left_closed(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(100):
        breaker.succeeded()
        breaker.succeeded()
        breaker.failed()
    assert breaker.state == "closed"


def test_failures_of_long_ago_count_for_nothing_in_the_ratio(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(ENOUGH // 2 - 1):
        breaker.failed()
        breaker.succeeded()
    clock.pass_by(WINDOW)
    for _ in range(2):
        breaker.failed()
        breaker.succeeded()
    assert breaker.state == "closed"


# -- open -----------------------------------------------------------------------------------------------------


def test_an_open_breaker_lets_no_call_through_until_its_cool_down_is_over(clock: Clock) -> None:
    breaker = opened(clock)
    assert breaker.retry_in() == FIRST
    clock.pass_by(FIRST - 0.001)
    assert not breaker.may_try()
    clock.pass_by(0.001)
    assert breaker.retry_in() == 0
    assert breaker.may_try()


@pytest.mark.parametrize("retry_after", [2.0, 300.0])
def test_the_providers_own_cool_down_wins(clock: Clock, retry_after: float) -> None:
    assert opened(clock, retry_after=retry_after).retry_in() == retry_after


def test_a_retry_after_of_nothing_is_none(clock: Clock) -> None:
    assert opened(clock, retry_after=0.0).retry_in() == FIRST


def test_an_answer_to_a_call_from_before_does_not_close_it(clock: Clock) -> None:
    breaker = opened(clock)
    assert not breaker.succeeded()
    assert breaker.state == "open"


def test_a_failure_of_a_call_from_before_does_not_prolong_it(clock: Clock) -> None:
    breaker = opened(clock)
    clock.pass_by(FIRST / 2)
    assert not breaker.failed()
    assert breaker.retry_in() == FIRST / 2


def test_a_retry_after_of_a_call_from_before_does_prolong_it_and_never_shortens_it(clock: Clock) -> None:
    breaker = opened(clock)
    breaker.failed(FIRST * 10)
    assert breaker.retry_in() == FIRST * 10
    breaker.failed(FIRST)
    assert breaker.retry_in() == FIRST * 10


def test_failures_of_calls_from_before_do_not_keep_the_probe_away(clock: Clock) -> None:
    breaker = half_opened(clock)
    for _ in range(IN_A_ROW):
        breaker.failed()
    assert breaker.may_try()


# -- half-open ------------------------------------------------------------------------------------------------


def test_a_half_open_breaker_lets_one_probe_through_and_others_wait(clock: Clock) -> None:
    breaker = half_opened(clock)
    assert [breaker.may_try() for _ in range(10)] == [True] + [False] * 9
    assert 0 < breaker.retry_in() <= 1


def test_looking_takes_no_probe(clock: Clock) -> None:
    breaker = half_opened(clock)
    assert breaker.retry_in() == 0
    assert breaker.state == "half_open"
    assert breaker.may_try()


def test_a_probe_that_succeeds_closes_it_and_says_so(clock: Clock) -> None:
    breaker = half_opened(clock)
    assert breaker.may_try()
    assert breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.may_try()


def test_a_closed_breaker_has_forgotten_what_opened_it(clock: Clock) -> None:
    breaker = half_opened(clock)
    breaker.may_try()
    breaker.succeeded()
    for _ in range(IN_A_ROW - 1):
        assert not breaker.failed()
    assert breaker.failed()
    assert breaker.retry_in() == FIRST


def test_a_closed_breaker_has_forgotten_the_failures_that_made_the_ratio(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(ENOUGH // 2):
        breaker.succeeded()
        breaker.failed()
    clock.pass_by(FIRST)
    assert breaker.may_try()
    assert breaker.succeeded()
    for _ in range(ENOUGH // 2):
        breaker.succeeded()
    assert not breaker.failed()


def test_each_probe_that_fails_doubles_the_cool_down_up_to_a_cap(clock: Clock) -> None:
    breaker = opened(clock)
    waits = []
    for _ in range(7):
        waits.append(breaker.retry_in())
        clock.pass_by(breaker.retry_in())
        assert breaker.may_try()
        assert breaker.failed()
    assert waits == [FIRST, FIRST * 2, FIRST * 4, FIRST * 8, LONGEST, LONGEST, LONGEST]


def test_a_retry_after_that_proved_too_short_is_not_believed_again(clock: Clock) -> None:
    breaker = opened(clock, retry_after=1.0)
    clock.pass_by(1.0)
    assert breaker.may_try()
    breaker.failed(1.0)
    assert breaker.retry_in() == FIRST * 2


def test_a_probe_without_a_verdict_makes_room_for_the_next(clock: Clock) -> None:
    breaker = half_opened(clock)
    assert breaker.may_try()
    breaker.released()
    assert breaker.state == "half_open"
    assert breaker.may_try()
    assert not breaker.may_try()


def test_a_probe_that_is_never_heard_of_keeps_others_waiting_only_so_long(clock: Clock) -> None:
    breaker = half_opened(clock)
    assert breaker.may_try()
    clock.pass_by(PROBE - 0.001)
    assert not breaker.may_try()
    clock.pass_by(0.001)
    assert breaker.may_try()


def test_releasing_a_closed_breaker_changes_nothing(clock: Clock) -> None:
    breaker = Breaker(clock)
    breaker.released()
    assert breaker.state == "closed"
    assert breaker.may_try()
