"""The keys of a provider: chosen, resting, rejected."""

from collections import Counter

import pytest

from antiphon.providers.credentials import LIMITED, LONGEST, REJECTED, STRIKES, Credential, Credentials
from tests.providers.clocks import Clock

CONVERSATIONS = range(3000)
CHOSEN = ["TWO", "TWO", "THREE", "THREE", "THREE", "TWO", "TWO", "THREE"]
"""Of ONE, TWO and THREE, for the conversations 0 to 7: a release that chose others would lose every prompt cache."""


def a_key(name: str) -> Credential:
    return Credential(f"env:{name}", {"Authorization": f"Bearer secret-{name}"})


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_key_never_shows_itself() -> None:
    shown = repr(a_key("ONE"))
    assert "env:ONE" in shown
    assert "secret" not in shown


# -- choosing -------------------------------------------------------------------------------------------------


def test_the_only_key_is_always_chosen(clock: Clock) -> None:
    key = a_key("ONE")
    assert {Credentials([key], clock).choose(sticky) for sticky in CONVERSATIONS} == {key}


def test_a_conversation_keeps_its_key(clock: Clock) -> None:
    keys = [a_key("ONE"), a_key("TWO"), a_key("THREE")]
    once, again = Credentials(keys, clock), Credentials(keys[::-1], clock)
    assert [once.choose(each) for each in CONVERSATIONS] == [again.choose(each) for each in CONVERSATIONS]


def test_the_choice_is_the_same_in_every_process_and_release(clock: Clock) -> None:
    keys = Credentials([a_key("ONE"), a_key("TWO"), a_key("THREE")], clock)
    names = [key.name.removeprefix("env:") for sticky in range(8) if (key := keys.choose(sticky))]
    assert names == CHOSEN


def test_conversations_are_spread_evenly(clock: Clock) -> None:
    keys = Credentials([a_key("ONE"), a_key("TWO"), a_key("THREE")], clock)
    counts = Counter(keys.choose(sticky) for sticky in CONVERSATIONS)
    assert len(counts) == 3
    assert all(900 < count < 1100 for count in counts.values())


@pytest.mark.parametrize("sticky", [0, -1, 2**64, -(2**70), 12345678901234567890])
def test_any_number_chooses_a_key(clock: Clock, sticky: int) -> None:
    assert Credentials([a_key("ONE"), a_key("TWO")], clock).choose(sticky) is not None


# -- resting --------------------------------------------------------------------------------------------------


def test_the_load_of_a_resting_key_is_spread_and_others_keep_theirs(clock: Clock) -> None:
    one, two, three = all_of = [a_key("ONE"), a_key("TWO"), a_key("THREE")]
    keys = Credentials(all_of, clock)
    before = {sticky: keys.choose(sticky) for sticky in CONVERSATIONS}
    keys.cool(one, 60)
    after = {sticky: keys.choose(sticky) for sticky in CONVERSATIONS}
    assert all(after[sticky] is key for sticky, key in before.items() if key is not one)
    moved = Counter(after[sticky] for sticky, key in before.items() if key is one)
    assert set(moved) == {two, three}
    assert min(moved.values()) > 0.4 * moved.total()


def test_a_rested_key_gets_its_conversations_back(clock: Clock) -> None:
    one, two = a_key("ONE"), a_key("TWO")
    keys = Credentials([one, two], clock)
    before = [keys.choose(sticky) for sticky in CONVERSATIONS]
    keys.cool(one, 60)
    assert list(keys.healthy()) == [two]
    clock.pass_by(60)
    assert [keys.choose(sticky) for sticky in CONVERSATIONS] == before
    assert list(keys.healthy()) == [one, two]
    assert keys.resting() == []


def test_a_limit_of_one_model_leaves_the_key_to_others(clock: Clock) -> None:
    key = a_key("ONE")
    keys = Credentials([key], clock)
    keys.cool(key, 60, "large")
    assert keys.choose(1, "large") is None
    assert keys.choose(1, "small") is key
    assert keys.retry_in("large") == 60
    assert keys.retry_in("small") == 0
    assert list(keys.healthy()) == [key]
    assert keys.healthy("large") == []


def test_a_limit_without_a_model_is_one_of_all(clock: Clock) -> None:
    key = a_key("ONE")
    keys = Credentials([key], clock)
    keys.cool(key, 60)
    assert keys.choose(1, "large") is None
    assert keys.retry_in("large") == 60


def test_nothing_is_chosen_when_all_rest_and_the_soonest_says_when(clock: Clock) -> None:
    one, two = a_key("ONE"), a_key("TWO")
    keys = Credentials([one, two], clock)
    keys.cool(one, 60)
    keys.cool(two, 20)
    assert keys.choose(1) is None
    assert keys.retry_in() == 20
    clock.pass_by(20)
    assert keys.choose(1) is two
    assert keys.retry_in() == 0


@pytest.mark.parametrize("seconds", [None, 0.0])
def test_a_limit_without_a_retry_after_has_a_rest_of_its_own(clock: Clock, seconds: float | None) -> None:
    key = a_key("ONE")
    keys = Credentials([key], clock)
    keys.cool(key, seconds)
    assert keys.retry_in() == LIMITED


def test_a_longer_rest_is_not_shortened(clock: Clock) -> None:
    key = a_key("ONE")
    keys = Credentials([key], clock)
    keys.cool(key, 60)
    keys.cool(key, 1)
    assert keys.retry_in() == 60


def test_each_rest_ends_at_its_own_time(clock: Clock) -> None:
    one, two, three = a_key("ONE"), a_key("TWO"), a_key("THREE")
    keys = Credentials([one, two, three], clock)
    keys.cool(two, 10)
    keys.cool(three, 60)
    keys.cool(one, 30)
    at = []
    for seconds in (10, 20, 30):
        clock.pass_by(seconds)
        at.append(list(keys.healthy()))
    assert at == [[two], [one, two], [one, two, three]]


def test_rests_that_are_over_are_forgotten(clock: Clock) -> None:
    key = a_key("ONE")
    keys = Credentials([key], clock)
    for number in range(1000):
        keys.cool(key, 1, f"model-{number}")
        clock.pass_by(1)
    keys.cool(key, 1, "last")
    assert [rest.model for rest in keys._rests.values()] == ["last"]


# -- rejected -------------------------------------------------------------------------------------------------


def test_a_rejected_key_rests_for_every_model_and_says_why(clock: Clock) -> None:
    one, two = a_key("ONE"), a_key("TWO")
    keys = Credentials([one, two], clock)
    assert keys.reject(one)
    assert {keys.choose(sticky, "any") for sticky in CONVERSATIONS} == {two}
    [rest] = keys.resting()
    assert (rest.credential, rest.model, rest.reason, rest.until - clock()) == (one, "", "rejected", REJECTED)


def test_each_rejection_doubles_the_rest_up_to_a_cap(clock: Clock) -> None:
    key = a_key("ONE")
    keys = Credentials([key], clock)
    waits = []
    for _ in range(6):
        keys.reject(key)
        waits.append(keys.retry_in())
        clock.pass_by(keys.retry_in())
    assert waits == [REJECTED, REJECTED * 2, REJECTED * 4, REJECTED * 8, LONGEST, LONGEST]


def test_a_key_that_is_accepted_again_begins_anew(clock: Clock) -> None:
    key = a_key("ONE")
    keys = Credentials([key], clock)
    keys.reject(key)
    clock.pass_by(REJECTED)
    keys.accepted(key)
    keys.reject(key)
    assert keys.retry_in() == REJECTED


def test_one_uncertain_rejection_stops_no_key(clock: Clock) -> None:
    key = a_key("ONE")
    keys = Credentials([key], clock)
    for _ in range(10):
        assert not keys.reject(key, is_certain=False)
        keys.accepted(key)
    assert keys.choose(1) is key


def test_uncertain_rejections_in_a_row_count_as_a_certain_one(clock: Clock) -> None:
    key = a_key("ONE")
    keys = Credentials([key], clock)
    told = [keys.reject(key, is_certain=False) for _ in range(STRIKES)]
    assert told == [False] * (STRIKES - 1) + [True]
    assert keys.choose(1) is None
    assert keys.retry_in() == REJECTED


def test_a_certain_rejection_settles_the_uncertain_ones(clock: Clock) -> None:
    key = a_key("ONE")
    keys = Credentials([key], clock)
    for _ in range(STRIKES - 1):
        keys.reject(key, is_certain=False)
    keys.reject(key)
    assert not keys.reject(key, is_certain=False)


def test_keys_are_all_rejected_only_when_no_limit_is_to_blame_for_one(clock: Clock) -> None:
    one, two = a_key("ONE"), a_key("TWO")
    keys = Credentials([one, two], clock)
    keys.reject(one)
    keys.cool(one, 60, "large")
    assert not keys.are_rejected()
    keys.cool(two, 600, "large")
    assert not keys.are_rejected()
    keys.reject(two)
    assert keys.are_rejected()
    clock.pass_by(REJECTED)
    assert not keys.are_rejected()


def test_a_provider_that_wants_no_key_has_one_without_headers(clock: Clock) -> None:
    none = Credential("none", {})
    keys = Credentials([none], clock)
    assert keys.choose(1) is none
    keys.cool(none, 3)
    assert keys.retry_in() == 3
