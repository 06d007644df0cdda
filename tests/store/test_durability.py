"""What every store promises about what was handed to it."""

import asyncio

import pytest

from antiphon.errors import StoreUnavailable
from antiphon.ports import Store
from tests.store.conftest import Backend
from tests.store.factories import TENANT, a_conversation, a_key, an_end, ids, items_of


async def test_all_is_there_after_a_restart(backend: Backend) -> None:
    before = backend.open()
    await before.conversations.create(TENANT, a_conversation("conv_1", topic="tea"), items_of(["a"]))
    await before.responses.finish(an_end("resp_1", conversation="conv_1"))
    await before.responses.finish(an_end("resp_2", ["in_2"], ["out_2"], previous="resp_1"))
    await before.keys.add(a_key(), b"d" * 32)
    before.close()
    after = backend.open()
    assert (await after.responses.get(TENANT, "resp_2")).previous_response_id == "resp_1"
    assert ids((await after.responses.history(TENANT, "resp_2"))[1]) == ["in_1", "out_1", "in_2", "out_2"]
    assert await after.conversations.get(TENANT, "conv_1") == a_conversation("conv_1", topic="tea")
    assert ids(await after.conversations.history(TENANT, "conv_1")) == ["a", "in_1", "out_1"]
    assert await after.keys.tenant(b"d" * 32, 200) == TENANT
    after.close()


async def test_the_rows_of_items_grow_over_a_restart_too(backend: Backend) -> None:
    before = backend.open()
    await before.responses.finish(an_end("resp_1", ["a"], []))
    first = (await before.responses.items(TENANT, ["a"]))["a"].row
    await before.responses.delete(TENANT, "resp_1")
    before.close()
    after = backend.open()
    await after.responses.finish(an_end("resp_2", ["b"], []))
    assert (await after.responses.items(TENANT, ["b"]))["b"].row > first
    after.close()


async def test_what_was_handed_over_is_written_though_nobody_waits_for_it(backend: Backend) -> None:
    store = backend.open()
    task = asyncio.create_task(store.responses.finish(an_end()))
    await asyncio.sleep(0)  # it hands over, and waits
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    store.close()
    again = backend.open()
    assert (await again.responses.get(TENANT, "resp_1")).status == "completed"
    again.close()


async def test_closing_finishes_what_was_handed_over(backend: Backend) -> None:
    store = backend.open()
    tasks = [asyncio.create_task(store.responses.finish(an_end(f"resp_{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    store.close()
    assert await asyncio.gather(*tasks) == [True] * 20


async def test_a_closed_store_takes_nothing_and_closing_it_again_is_harmless(backend: Backend) -> None:
    store = backend.open()
    store.close()
    with pytest.raises(StoreUnavailable):
        await store.responses.finish(an_end())
    store.close()


async def test_a_healthy_store_passes_its_check_again_and_again(store: Store) -> None:
    await store.check()
    await store.check()
