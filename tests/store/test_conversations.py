"""What every store does with conversations, and with turns that join them."""

from collections.abc import Awaitable, Callable

import pytest

from antiphon.errors import BadRequest, NotFound
from antiphon.ports import ListQuery, Store
from tests.store.conftest import Backend
from tests.store.factories import STRANGER, TENANT, a_conversation, a_response, an_end, an_item, body, ids, items_of
from tests.store.factories import the_same as same
from tests.store.test_responses import PAGES


async def start(store: Store, *items: str, tenant: str = TENANT) -> None:
    await store.conversations.create(tenant, a_conversation("conv_1"), items_of(items))


async def said(store: Store) -> list[str]:
    return ids(await store.conversations.history(TENANT, "conv_1"))


# -- the conversation -----------------------------------------------------------------------------------------


async def test_a_conversation_is_read_as_written(store: Store) -> None:
    conversation = a_conversation("conv_1", topic="tea", mood="good")
    await store.conversations.create(TENANT, conversation, items_of(["a", "b"]))
    assert await store.conversations.get(TENANT, "conv_1") == conversation
    assert await said(store) == ["a", "b"]


async def test_an_update_replaces_the_metadata_and_nothing_else(store: Store) -> None:
    await store.conversations.create(TENANT, a_conversation("conv_1", topic="tea"), items_of(["a"]))
    updated = await store.conversations.update(TENANT, "conv_1", {"mood": "good"})
    assert updated == a_conversation("conv_1", mood="good")
    assert await store.conversations.get(TENANT, "conv_1") == updated
    assert await said(store) == ["a"]


async def test_an_id_that_is_taken_is_refused(store: Store) -> None:
    await start(store, "a")
    with pytest.raises(BadRequest) as refused:
        await store.conversations.create(TENANT, a_conversation("conv_1"), items_of(["b"]))
    assert refused.value.code == "conversation_exists"
    assert await said(store) == ["a"]


async def test_an_empty_conversation_has_an_empty_history(store: Store) -> None:
    await start(store)
    assert await said(store) == []
    assert await store.conversations.items(TENANT, "conv_1", ListQuery()) == ([], False)


async def test_items_are_added_at_the_end(store: Store) -> None:
    await start(store, "a")
    await store.conversations.add(TENANT, "conv_1", items_of(["c", "b"]))
    assert await said(store) == ["a", "c", "b"]


async def test_one_item_is_read_by_id_and_of_several_the_newest(store: Store) -> None:
    await start(store, "a", "b")
    await store.conversations.add(TENANT, "conv_1", [an_item("a", "again")])
    assert (await store.conversations.item(TENANT, "conv_1", "a")).body == body("a", "again")
    assert (await store.conversations.item(TENANT, "conv_1", "b")).body == body("b")


async def test_an_item_of_elsewhere_is_not_found_in_a_conversation(store: Store) -> None:
    await start(store)
    await store.conversations.create(TENANT, a_conversation("conv_2"), items_of(["a"]))
    with pytest.raises(NotFound):
        await store.conversations.item(TENANT, "conv_1", "a")
    with pytest.raises(NotFound):
        await store.conversations.remove(TENANT, "conv_1", "a")


async def test_a_removed_item_is_gone_and_the_conversation_is_returned(store: Store, backend: Backend) -> None:
    await start(store, "a")
    assert await store.conversations.remove(TENANT, "conv_1", "a") == a_conversation("conv_1")
    with pytest.raises(NotFound):
        await store.conversations.item(TENANT, "conv_1", "a")
    with pytest.raises(NotFound):
        await store.conversations.remove(TENANT, "conv_1", "a")
    assert backend.rows_left(TENANT) == 0


async def test_removing_an_id_takes_out_every_item_that_has_it(store: Store) -> None:
    await start(store, "a", "b", "a")
    await store.conversations.remove(TENANT, "conv_1", "a")
    assert await said(store) == ["b"]


async def test_shared_bytes_outlive_the_item_that_brought_them(store: Store, backend: Backend) -> None:
    await start(store, "a")
    shared = same(await store.conversations.item(TENANT, "conv_1", "a"))
    await store.conversations.create(TENANT, a_conversation("conv_2"), [shared])
    await store.conversations.remove(TENANT, "conv_1", "a")
    assert [item.body for item in await store.conversations.history(TENANT, "conv_2")] == [body("a")]
    assert await said(store) == []
    await store.conversations.delete(TENANT, "conv_2")
    assert backend.rows_left(TENANT) == 0


# -- pages ----------------------------------------------------------------------------------------------------


async def test_a_page_of_items_stands_between_its_cursors(store: Store) -> None:
    await start(store, *"abcde")
    for page, expected, more in PAGES:
        found, follows = await store.conversations.items(TENANT, "conv_1", ListQuery(**page))  # type: ignore[arg-type]
        assert (ids(found), follows) == (expected, more), page
        assert [item.body for item in found] == [body(item_id) for item_id in expected]


@pytest.mark.parametrize("param", ["after", "before"])
async def test_a_cursor_that_isnt_in_the_conversation_is_not_found_and_named(store: Store, param: str) -> None:
    await start(store, "a")
    await store.responses.finish(an_end(inputs=["elsewhere"]))
    with pytest.raises(NotFound) as unknown:
        await store.conversations.items(TENANT, "conv_1", ListQuery(**{param: "elsewhere"}))  # type: ignore[arg-type]
    assert unknown.value.param == param


async def test_an_id_that_stands_twice_is_listed_once_where_it_stands_last(store: Store) -> None:
    await start(store, *"abcad")
    found, _ = await store.conversations.items(TENANT, "conv_1", ListQuery(ascending=True))
    assert ids(found) == ["b", "c", "a", "d"]
    found, _ = await store.conversations.items(TENANT, "conv_1", ListQuery(after="a"))
    assert ids(found) == ["c", "b"]
    assert await said(store) == ["a", "b", "c", "a", "d"]


# -- tenancy --------------------------------------------------------------------------------------------------

STRANGE_USES: dict[str, Callable[[Store], Awaitable[object]]] = {
    "get": lambda store: store.conversations.get(STRANGER, "conv_1"),
    "update": lambda store: store.conversations.update(STRANGER, "conv_1", {"a": "b"}),
    "delete": lambda store: store.conversations.delete(STRANGER, "conv_1"),
    "history": lambda store: store.conversations.history(STRANGER, "conv_1"),
    "items": lambda store: store.conversations.items(STRANGER, "conv_1", ListQuery()),
    "item": lambda store: store.conversations.item(STRANGER, "conv_1", "a"),
    "add": lambda store: store.conversations.add(STRANGER, "conv_1", items_of(["b"])),
    "remove": lambda store: store.conversations.remove(STRANGER, "conv_1", "a"),
}


@pytest.mark.parametrize("name", STRANGE_USES)
async def test_another_tenants_conversation_is_not_found(store: Store, name: str) -> None:
    await start(store, "a")
    with pytest.raises(NotFound):
        await STRANGE_USES[name](store)
    assert await store.conversations.get(TENANT, "conv_1") == a_conversation("conv_1")
    assert await said(store) == ["a"]


async def test_two_tenants_may_have_a_conversation_of_the_same_id(store: Store) -> None:
    await start(store, "a")
    await start(store, "a", "b", tenant=STRANGER)
    assert await said(store) == ["a"]
    assert ids((await store.conversations.items(TENANT, "conv_1", ListQuery()))[0]) == ["a"]
    await store.conversations.delete(STRANGER, "conv_1")
    assert await said(store) == ["a"]
    assert not await store.conversations.was_deleted(TENANT, "conv_1")


async def test_a_turn_joins_only_a_conversation_of_its_own_tenant(store: Store) -> None:
    await start(store, "a")
    await store.responses.finish(an_end(conversation="conv_1", tenant=STRANGER))
    assert await said(store) == ["a"]
    assert ids((await store.responses.history(STRANGER, "resp_1"))[1]) == ["in_1", "out_1"]


# -- turns ----------------------------------------------------------------------------------------------------


async def test_a_turn_enters_its_conversation_with_input_and_output(store: Store) -> None:
    await start(store, "a")
    await store.responses.finish(an_end(conversation="conv_1"))
    assert await said(store) == ["a", "in_1", "out_1"]


async def test_the_items_of_a_joined_turn_are_stored_once(store: Store, backend: Backend) -> None:
    await start(store)
    await store.responses.finish(an_end(conversation="conv_1"))
    assert backend.rows_left(TENANT) == 1 + 2  # the response and its two items


async def test_a_turn_that_doesnt_join_leaves_its_conversation_alone(store: Store) -> None:
    await start(store, "a")
    await store.responses.finish(an_end(conversation="conv_1", join=False))
    assert await said(store) == ["a"]


async def test_an_accepted_turn_enters_its_conversation_when_it_ends(store: Store) -> None:
    await start(store)
    await store.responses.accept(TENANT, a_response(status="queued", conversation="conv_1"), items_of(["in_1", "in_2"]))
    assert await said(store) == []
    await store.responses.finish(an_end(inputs=[], conversation="conv_1"))
    assert await said(store) == ["in_1", "in_2", "out_1"]


async def test_an_end_that_doesnt_count_doesnt_join(store: Store) -> None:
    await start(store)
    await store.responses.finish(an_end(conversation="conv_1"))
    assert not await store.responses.finish(an_end(outputs=["late"], conversation="conv_1"))
    assert await said(store) == ["in_1", "out_1"]


async def test_a_response_that_isnt_kept_still_leaves_its_turn_in_the_conversation(store: Store) -> None:
    await start(store)
    assert await store.responses.finish(an_end(conversation="conv_1", keep=False))
    assert await said(store) == ["in_1", "out_1"]
    with pytest.raises(NotFound):
        await store.responses.get(TENANT, "resp_1")


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_response_outlives_the_deletion_of_its_conversation_while_it_ran(store: Store, accepted: bool) -> None:
    await start(store)
    if accepted:
        response = a_response(status="in_progress", conversation="conv_1")
        await store.responses.accept(TENANT, response, items_of(["in_1"]))
    await store.conversations.delete(TENANT, "conv_1")
    assert await store.responses.finish(an_end(conversation="conv_1"))
    assert ids((await store.responses.history(TENANT, "resp_1"))[1]) == ["in_1", "out_1"]
    with pytest.raises(NotFound):
        await store.conversations.history(TENANT, "conv_1")


async def test_a_turn_that_isnt_kept_vanishes_with_its_conversation(store: Store, backend: Backend) -> None:
    await start(store)
    await store.conversations.delete(TENANT, "conv_1")
    assert await store.responses.finish(an_end(conversation="conv_1", keep=False))
    assert backend.rows_left(TENANT) == 0


async def test_deleting_a_response_leaves_its_turn_in_the_conversation(store: Store, backend: Backend) -> None:
    await start(store)
    await store.responses.finish(an_end(conversation="conv_1"))
    await store.responses.delete(TENANT, "resp_1")
    assert await said(store) == ["in_1", "out_1"]
    assert set(await store.responses.items(TENANT, ["in_1"])) == {"in_1"}
    await store.conversations.delete(TENANT, "conv_1")
    assert backend.rows_left(TENANT) == 0


async def test_removing_an_item_leaves_it_in_its_response(store: Store) -> None:
    await start(store)
    await store.responses.finish(an_end(conversation="conv_1"))
    await store.conversations.remove(TENANT, "conv_1", "in_1")
    assert await said(store) == ["out_1"]
    assert ids((await store.responses.history(TENANT, "resp_1"))[1]) == ["in_1", "out_1"]


# -- deletion -------------------------------------------------------------------------------------------------


async def test_deleting_a_conversation_leaves_responses_their_items(store: Store, backend: Backend) -> None:
    await start(store, "a")
    await store.responses.finish(an_end(conversation="conv_1"))
    await store.conversations.delete(TENANT, "conv_1")
    assert ids((await store.responses.history(TENANT, "resp_1"))[1]) == ["in_1", "out_1"]
    assert backend.rows_left(TENANT) == 1 + 2


async def test_a_deleted_conversation_is_not_found_also_the_second_time(store: Store) -> None:
    await start(store, "a")
    await store.conversations.delete(TENANT, "conv_1")
    for use in STRANGE_USES.values():
        with pytest.raises(NotFound):
            await use(store)
    with pytest.raises(NotFound):
        await store.conversations.get(TENANT, "conv_1")
    with pytest.raises(NotFound):
        await store.conversations.delete(TENANT, "conv_1")


async def test_the_id_of_a_deleted_conversation_is_remembered_and_refused(store: Store) -> None:
    assert not await store.conversations.was_deleted(TENANT, "conv_1")
    await start(store, "a")
    assert not await store.conversations.was_deleted(TENANT, "conv_1")
    await store.conversations.delete(TENANT, "conv_1")
    assert await store.conversations.was_deleted(TENANT, "conv_1")
    assert not await store.conversations.was_deleted(STRANGER, "conv_1")
    with pytest.raises(BadRequest) as refused:
        await start(store, "b")
    assert refused.value.code == "conversation_deleted"
