"""The wait before the same target is asked again."""

import random

import pytest

from antiphon.providers.backoff import FIRST, LONGEST, PATIENCE, delay


def highest() -> float:
    return 1.0


def unused() -> float:
    raise AssertionError("a Retry-After leaves nothing to chance")


def test_the_limit_doubles_with_each_attempt_up_to_a_cap() -> None:
    limits = [delay(attempt, None, highest) for attempt in range(1, 9)]
    assert limits == [0.25, 0.5, 1, 2, 4, 8, 8, 8]
    assert (limits[0], limits[-1]) == (FIRST, LONGEST)


def test_any_attempt_has_a_limit() -> None:
    assert delay(10_000, None, highest) == LONGEST


def test_the_wait_is_anywhere_below_the_limit() -> None:
    numbers = random.Random(7)
    waits = [delay(3, None, numbers.random) or 0.0 for _ in range(1000)]
    assert min(waits) < 0.05
    assert max(waits) > 0.95
    assert sum(waits) / 1000 == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("retry_after", [0.001, 1.0, PATIENCE])
def test_a_retry_after_is_kept_to_exactly(retry_after: float) -> None:
    assert delay(1, retry_after, unused) == retry_after


def test_a_retry_after_that_is_too_long_is_not_waited_for() -> None:
    assert delay(1, PATIENCE + 0.001, unused) is None


def test_a_retry_after_of_nothing_is_none() -> None:
    assert delay(1, 0.0, highest) == FIRST
