"""How a provider is, told from the machines that guard it."""

import asyncio
from dataclasses import dataclass, field

import msgspec
import pytest

from antiphon.errors import ProviderBroke, ProviderBusy
from antiphon.providers.breaker import FIRST, IN_A_ROW, Breaker
from antiphon.providers.credentials import Credential, Credentials
from antiphon.providers.health import WINDOW, Record, health_of
from antiphon.providers.slots import Slots
from antiphon.types.health import LastError, OpenBreaker, ProviderHealth, RestingCredential
from tests.providers.clocks import Clock

NOON = 1_795_262_400


@dataclass
class Guarded:
    """A provider with two keys, two slots and two models that were asked."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.one = Credential("env:ONE", {"Authorization": "Bearer secret"})
        self.two = Credential("env:TWO", {"Authorization": "Bearer secret"})
        self.credentials = Credentials([self.one, self.two], self.clock)
        self.slots = Slots(2, queue=2)
        self.breakers = {"large": Breaker(self.clock), "small": Breaker(self.clock)}
        self.record = Record(self.clock, lambda: NOON)

    def health(self) -> ProviderHealth:
        return health_of(
            "groq",
            record=self.record,
            slots=self.slots,
            credentials=self.credentials,
            breakers=self.breakers,
        )

    def open(self, model: str) -> None:
        for _ in range(IN_A_ROW):
            self.breakers[model].failed()


@pytest.fixture
def provider() -> Guarded:
    return Guarded()


def test_a_provider_of_which_nothing_is_known_is_ok(provider: Guarded) -> None:
    assert provider.health() == ProviderHealth(
        name="groq",
        status="ok",
        running=0,
        queued=0,
        succeeded=0,
        failed=0,
        breakers=[],
        credentials=[],
        last_error=None,
    )


def test_calls_of_the_last_minutes_are_counted(provider: Guarded) -> None:
    provider.record.succeeded()
    provider.record.succeeded()
    provider.record.failed(ProviderBroke("A page of words."))
    assert (provider.health().succeeded, provider.health().failed) == (2, 1)
    provider.clock.pass_by(WINDOW)
    assert (provider.health().succeeded, provider.health().failed) == (0, 0)


def test_the_last_error_is_told_without_its_words(provider: Guarded) -> None:
    provider.record.failed(ProviderBroke("Words of a user.", code="provider_unreachable"))
    provider.record.failed(ProviderBusy("Words of a user.", upstream_status=429, code="slow_down"))
    assert provider.health().last_error == LastError(kind="ProviderBusy", code="slow_down", time=NOON)
    assert b"Words" not in msgspec.json.encode(provider.health())


def test_a_model_that_is_not_asked_degrades_a_provider_that_answers(provider: Guarded) -> None:
    provider.record.succeeded()
    provider.open("large")
    health = provider.health()
    assert health.status == "degraded"
    assert health.breakers == [OpenBreaker(model="large", state="open", retry_in=FIRST)]


def test_looking_at_a_half_open_breaker_takes_no_probe(provider: Guarded) -> None:
    provider.open("large")
    provider.clock.pass_by(FIRST)
    assert provider.health().breakers == [OpenBreaker(model="large", state="half_open", retry_in=0.0)]
    assert provider.breakers["large"].may_try()


def test_a_provider_with_an_open_breaker_and_no_success_is_down(provider: Guarded) -> None:
    provider.open("large")
    assert provider.health().status == "down"


def test_a_resting_key_degrades_it(provider: Guarded) -> None:
    provider.credentials.cool(provider.one, 20, "large")
    provider.credentials.reject(provider.two)
    health = provider.health()
    assert health.status == "degraded"
    assert health.credentials == [
        RestingCredential(name="env:ONE", reason="limited", retry_in=20.0, model="large"),
        RestingCredential(name="env:TWO", reason="rejected", retry_in=300.0),
    ]
    assert b"secret" not in msgspec.json.encode(health)


def test_a_provider_without_a_key_to_use_is_down(provider: Guarded) -> None:
    provider.record.succeeded()
    provider.credentials.reject(provider.one)
    provider.credentials.reject(provider.two)
    assert provider.health().status == "down"


def test_slots_in_use_are_counted(provider: Guarded) -> None:
    assert provider.slots.try_take()
    assert provider.slots.try_take()
    assert (provider.health().running, provider.health().queued) == (2, 0)
    assert provider.health().status == "ok"


async def test_requests_that_wait_for_their_turn_degrade_it(provider: Guarded) -> None:
    assert provider.slots.try_take()
    assert provider.slots.try_take()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(provider.slots.wait_for_slot(30))
        await asyncio.sleep(0)
        health = provider.health()
        provider.slots.give_back()
    assert (health.status, health.running, health.queued) == ("degraded", 2, 1)
