"""A count of what happened lately."""

from hypothesis import given
from hypothesis import strategies as st

from antiphon.providers.recent import Recent
from tests.providers.clocks import Clock


def test_what_just_happened_is_counted() -> None:
    recent = Recent(Clock(), seconds=30)
    recent.add()
    recent.add()
    assert recent.total() == 2


def test_what_is_older_than_the_window_is_forgotten() -> None:
    clock = Clock()
    recent = Recent(clock, seconds=30)
    recent.add()
    clock.pass_by(30)
    assert recent.total() == 0


def test_it_is_forgotten_a_tenth_at_a_time() -> None:
    clock = Clock(time=0)
    recent = Recent(clock, seconds=30)
    for _ in range(10):
        recent.add()
        clock.pass_by(3)
    assert recent.total() == 9
    clock.pass_by(12)
    assert recent.total() == 5


def test_a_long_silence_forgets_all() -> None:
    clock = Clock()
    recent = Recent(clock, seconds=30)
    recent.add()
    clock.pass_by(1e12)
    recent.add()
    assert recent.total() == 1


def test_a_cleared_count_begins_anew() -> None:
    recent = Recent(Clock(), seconds=30)
    recent.add()
    recent.clear()
    assert recent.total() == 0
    recent.add()
    assert recent.total() == 1


@given(st.lists(st.floats(min_value=0, max_value=40, allow_nan=False), max_size=100))
def test_the_count_is_right_to_a_tenth_of_the_window(pauses: list[float]) -> None:
    clock = Clock(time=0)
    recent = Recent(clock, seconds=30)
    times: list[float] = []
    for pause in pauses:
        clock.pass_by(pause)
        recent.add()
        times.append(clock.time)
        surely = sum(clock.time - each < 27 for each in times)
        perhaps = sum(clock.time - each <= 30 for each in times)
        assert surely <= recent.total() <= perhaps
