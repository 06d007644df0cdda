"""The slots of a provider, and the queue before them. Nothing here waits for time to pass but the time-out itself."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from antiphon.errors import ProviderBusy
from antiphon.providers.slots import Slots

LONG = 30.0


@asynccontextmanager
async def slot(slots: Slots, wait: float) -> AsyncIterator[None]:
    """Hold a slot as callers do."""
    if not slots.try_take():
        await slots.wait_for_slot(wait)
    try:
        yield
    finally:
        slots.give_back()


async def turn_the_loop(times: int = 3) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


@asynccontextmanager
async def waiting(slots: Slots, count: int, log: list[int]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Tasks that wait in this order and write their number into `log` when they have a slot."""

    async def one(number: int) -> None:
        async with slot(slots, wait=LONG):
            log.append(number)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    await turn_the_loop()
    yield tasks
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_without_a_limit_nobody_waits() -> None:
    slots = Slots(None, queue=0)
    for _ in range(1000):
        await slot(slots, wait=0).__aenter__()
    assert (slots.running, slots.queued) == (1000, 0)


async def test_a_slot_is_given_back_however_the_block_ends() -> None:
    slots = Slots(1, queue=0)

    async def fail() -> None:
        async with slot(slots, wait=LONG):
            assert slots.running == 1
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert slots.running == 0


async def test_a_full_queue_is_told_at_once() -> None:
    slots = Slots(1, queue=2)
    async with slot(slots, wait=LONG), waiting(slots, 2, []) as tasks:
        with pytest.raises(ProviderBusy) as caught:
            await slot(slots, wait=LONG).__aenter__()
        assert (slots.running, slots.queued) == (1, 2)
        for task in tasks:
            task.cancel()
    error = caught.value
    assert (error.code, error.http_status, error.retryable) == ("provider_queue_full", 503, True)
    assert error.retry_after is not None


async def test_a_wait_that_is_too_long_ends_and_leaves_the_queue() -> None:
    slots = Slots(1, queue=2)
    async with slot(slots, wait=LONG):
        with pytest.raises(ProviderBusy) as caught:
            await slot(slots, wait=0.001).__aenter__()
        assert slots.queued == 0
    assert (caught.value.code, caught.value.http_status) == ("provider_queue_timeout", 503)
    assert caught.value.retry_after is not None
    assert slots.running == 0


async def test_who_waits_longest_is_first() -> None:
    slots, log = Slots(1, queue=10), list[int]()
    held = slot(slots, wait=LONG)
    await held.__aenter__()
    async with waiting(slots, 10, log):
        await held.__aexit__(None, None, None)
    assert log == list(range(10))
    assert (slots.running, slots.queued) == (0, 0)


async def test_a_newcomer_does_not_overtake_a_slot_on_its_way() -> None:
    slots, log = Slots(1, queue=10), list[int]()
    held = slot(slots, wait=LONG)
    await held.__aenter__()
    async with waiting(slots, 1, log):
        await held.__aexit__(None, None, None)
        async with slot(slots, wait=LONG):
            log.append(99)
    assert log == [0, 99]


async def test_who_is_cancelled_while_waiting_leaves_the_queue() -> None:
    slots, log = Slots(1, queue=3), list[int]()
    held = slot(slots, wait=LONG)
    await held.__aenter__()
    async with waiting(slots, 3, log) as tasks:
        tasks[1].cancel()
        await turn_the_loop()
        assert slots.queued == 2
        await held.__aexit__(None, None, None)
    assert log == [0, 2]
    assert (slots.running, slots.queued) == (0, 0)


async def test_a_slot_for_who_is_cancelled_in_the_same_moment_goes_to_the_next() -> None:
    slots, log = Slots(1, queue=3), list[int]()
    held = slot(slots, wait=LONG)
    await held.__aenter__()
    async with waiting(slots, 3, log) as tasks:
        await held.__aexit__(None, None, None)  # hands it over …
        tasks[0].cancel()  # … before the task could run
    assert log == [1, 2]
    assert (slots.running, slots.queued) == (0, 0)


async def test_a_slot_is_not_lost_to_who_was_just_cancelled() -> None:
    slots, log = Slots(1, queue=3), list[int]()
    held = slot(slots, wait=LONG)
    await held.__aenter__()
    async with waiting(slots, 3, log) as tasks:
        tasks[0].cancel()
        await held.__aexit__(None, None, None)
    assert log == [1, 2]
    assert (slots.running, slots.queued) == (0, 0)


@pytest.mark.parametrize("seed", range(5))
async def test_no_wake_up_is_lost_among_many_that_come_leave_and_give_up(seed: int) -> None:
    chance, slots = random.Random(seed), Slots(7, queue=500)
    most = 0

    async def one() -> None:
        nonlocal most
        async with slot(slots, wait=LONG if chance.random() < 0.9 else 0.0):
            most = max(most, slots.running)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)

    tasks = [asyncio.create_task(one()) for _ in range(500)]
    for _ in range(50):
        await asyncio.sleep(0)
        for task in chance.sample(tasks, 3):
            task.cancel()
    ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), timeout=20)
    assert most == 7
    assert (slots.running, slots.queued) == (0, 0)
    assert ends.count(None) > 200
    assert all(end is None or isinstance(end, asyncio.CancelledError | ProviderBusy) for end in ends)
