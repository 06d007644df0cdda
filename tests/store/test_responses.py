"""What every store does with responses and their items."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec import Raw

from antiphon.errors import AntiphonError, NotFound
from antiphon.ports import FoundItem, ListQuery, ResponseFilter, Store
from tests.store.conftest import Backend
from tests.store.factories import (
    STRANGER,
    TENANT,
    a_conversation,
    a_response,
    an_end,
    an_item,
    body,
    ids,
    items_of,
    the_same,
)


async def chain_of(store: Store, length: int) -> str:
    """Write responses resp_0 … that each continue the one before; return the id of the last."""
    await asyncio.gather(
        *(
            store.responses.finish(
                an_end(f"resp_{n}", [f"in_{n}"], [f"out_{n}"], previous=f"resp_{n - 1}" if n else None)
            )
            for n in range(length)
        )
    )
    return f"resp_{length - 1}"


async def history_of(store: Store, response_id: str) -> list[str]:
    return ids((await store.responses.history(TENANT, response_id))[1])


# -- one response ---------------------------------------------------------------------------------------------


async def test_a_finished_response_is_read_as_written_with_its_output_in_order(store: Store) -> None:
    end = an_end(outputs=["out_b", "out_a"], instructions="Be brief.", metadata={"a": "b"})
    assert await store.responses.finish(end)
    read = await store.responses.get(TENANT, "resp_1")
    assert [bytes(item) for item in read.output] == [body("out_b"), body("out_a")]
    assert (read.instructions, read.metadata, bytes(read.text.format)) == ("Be brief.", {"a": "b"}, b'{"type":"text"}')


async def test_a_snapshot_that_carries_output_doesnt_show_it_twice(store: Store) -> None:
    await store.responses.accept(TENANT, a_response(status="in_progress", output=[Raw(body("out_1"))]), [])
    await store.responses.finish(an_end(inputs=[], outputs=["out_1"]))
    assert len((await store.responses.get(TENANT, "resp_1")).output) == 1


async def test_a_response_that_isnt_kept_leaves_nothing(store: Store, backend: Backend) -> None:
    assert await store.responses.finish(an_end(keep=False))
    assert backend.rows_left(TENANT) == 0


async def test_an_accepted_response_shows_its_snapshot_and_its_input(store: Store) -> None:
    await store.responses.accept(TENANT, a_response(status="queued"), items_of(["in_1"]))
    status, history = await store.responses.history(TENANT, "resp_1")
    assert (status, ids(history)) == ("queued", ["in_1"])
    assert (await store.responses.get(TENANT, "resp_1")).output == []


async def test_a_response_is_accepted_once(store: Store) -> None:
    await store.responses.accept(TENANT, a_response(status="queued"), items_of(["in_1"]))
    with pytest.raises(AntiphonError):
        await store.responses.accept(TENANT, a_response(status="queued"), items_of(["in_2"]))
    assert await history_of(store, "resp_1") == ["in_1"]


async def test_an_accepted_response_keeps_the_input_written_then(store: Store) -> None:
    await store.responses.accept(TENANT, a_response(status="queued"), items_of(["in_1"]))
    assert await store.responses.finish(an_end(inputs=["in_other"], outputs=["out_1"]))
    assert await history_of(store, "resp_1") == ["in_1", "out_1"]


async def test_an_update_replaces_the_snapshot_and_its_status(store: Store) -> None:
    await store.responses.accept(TENANT, a_response(status="queued"), [])
    assert await store.responses.update(TENANT, a_response(status="in_progress", metadata={"n": "2"}))
    assert (await store.responses.get(TENANT, "resp_1")).metadata == {"n": "2"}
    assert (await store.responses.history(TENANT, "resp_1"))[0] == "in_progress"


async def test_an_update_of_what_was_never_accepted_writes_nothing(store: Store) -> None:
    assert not await store.responses.update(TENANT, a_response(status="in_progress"))
    with pytest.raises(NotFound):
        await store.responses.get(TENANT, "resp_1")


@pytest.mark.parametrize("first", ["completed", "failed", "incomplete", "cancelled"])
async def test_the_first_end_counts(store: Store, first: str) -> None:
    await store.responses.accept(TENANT, a_response(status="in_progress"), items_of(["in_1"]))
    assert await store.responses.finish(an_end(status=first, outputs=["out_first"]))
    assert not await store.responses.finish(an_end(outputs=["out_second"], model="another"))
    assert not await store.responses.update(TENANT, a_response(status="in_progress"))
    assert await history_of(store, "resp_1") == ["in_1", "out_first"]
    assert (await store.responses.get(TENANT, "resp_1")).status == first


async def test_two_ends_at_once_leave_one(store: Store) -> None:
    ends = [an_end(outputs=[f"out_{n}"]) for n in range(8)]
    assert sorted(await asyncio.gather(*map(store.responses.finish, ends))) == [False] * 7 + [True]
    assert len((await store.responses.get(TENANT, "resp_1")).output) == 1


async def test_unfinished_responses_are_found_with_their_tenants(store: Store) -> None:
    await store.responses.accept(TENANT, a_response("resp_1", status="queued"), [])
    await store.responses.accept(STRANGER, a_response("resp_2", status="in_progress"), [])
    await store.responses.accept(TENANT, a_response("resp_3", status="queued"), [])
    await store.responses.accept(TENANT, a_response("resp_4", status="queued"), [])
    await store.responses.finish(an_end("resp_3", []))
    await store.responses.delete(TENANT, "resp_4")
    found = await store.responses.unfinished()
    assert [(tenant, response.id) for tenant, response in found] == [(TENANT, "resp_1"), (STRANGER, "resp_2")]


# -- tenancy --------------------------------------------------------------------------------------------------

STRANGE_READS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "get": lambda store: store.responses.get(STRANGER, "resp_1"),
    "history": lambda store: store.responses.history(STRANGER, "resp_1"),
    "input_items": lambda store: store.responses.input_items(STRANGER, "resp_1", ListQuery()),
    "delete": lambda store: store.responses.delete(STRANGER, "resp_1"),
    "page": lambda store: store.responses.page(STRANGER, ResponseFilter(), ListQuery(after="resp_1")),
}


@pytest.mark.parametrize("name", STRANGE_READS)
async def test_another_tenants_response_is_not_found(store: Store, name: str) -> None:
    await store.responses.finish(an_end())
    with pytest.raises(NotFound):
        await STRANGE_READS[name](store)
    assert await history_of(store, "resp_1") == ["in_1", "out_1"]


async def test_another_tenants_responses_and_items_are_in_no_list(store: Store) -> None:
    await store.responses.finish(an_end())
    assert await store.responses.page(STRANGER, ResponseFilter(), ListQuery()) == ([], False)
    assert await store.responses.items(STRANGER, ["in_1", "out_1"]) == {}


async def test_another_tenants_response_cant_be_updated(store: Store) -> None:
    await store.responses.accept(TENANT, a_response(status="queued"), [])
    assert not await store.responses.update(STRANGER, a_response(status="in_progress"))
    assert (await store.responses.get(TENANT, "resp_1")).status == "queued"


async def test_two_tenants_may_have_the_same_ids_and_never_meet(store: Store) -> None:
    for tenant, output in ((TENANT, "out_a"), (STRANGER, "out_b")):
        assert await store.responses.finish(an_end(inputs=["in_1"], outputs=[output], tenant=tenant))
    for tenant, output in ((TENANT, "out_a"), (STRANGER, "out_b")):
        assert ids((await store.responses.history(tenant, "resp_1"))[1]) == ["in_1", output]
        assert [bytes(item) for item in (await store.responses.get(tenant, "resp_1")).output] == [body(output)]
        assert len((await store.responses.input_items(tenant, "resp_1", ListQuery()))[0]) == 1
        assert set(await store.responses.items(tenant, ["out_a", "out_b"])) == {output}
    await store.responses.delete(STRANGER, "resp_1")
    assert await history_of(store, "resp_1") == ["in_1", "out_a"]


async def test_a_chain_ends_where_another_tenants_response_would_begin(store: Store) -> None:
    await store.responses.finish(an_end("resp_1", ["theirs"], [], tenant=STRANGER))
    await store.responses.finish(an_end("resp_2", ["mine"], [], previous="resp_1"))
    assert await history_of(store, "resp_2") == ["mine"]


async def test_another_tenants_continuation_doesnt_keep_a_response(store: Store, backend: Backend) -> None:
    await store.responses.finish(an_end("resp_1"))
    await store.responses.finish(an_end("resp_2", previous="resp_1", tenant=STRANGER))
    await store.responses.delete(TENANT, "resp_1")
    assert backend.rows_left(TENANT) == 0


async def test_the_bytes_of_another_tenants_row_cant_be_shared(store: Store) -> None:
    await store.responses.finish(an_end())
    theirs = (await store.responses.items(TENANT, ["in_1"]))["in_1"]
    await store.responses.finish(an_end("resp_2", [the_same(theirs)], [], tenant=STRANGER))
    assert (await store.responses.history(STRANGER, "resp_2"))[1] == []


# -- chains ---------------------------------------------------------------------------------------------------


async def test_history_is_oldest_first_and_in_each_response_input_before_output(store: Store) -> None:
    last = await chain_of(store, 3)
    assert await history_of(store, last) == ["in_0", "out_0", "in_1", "out_1", "in_2", "out_2"]


async def test_history_carries_the_bytes_and_growing_rows(store: Store) -> None:
    _, history = await store.responses.history(TENANT, await chain_of(store, 2))
    assert [item.body for item in history] == [body(item.id) for item in history]
    assert [item.row for item in history] == sorted({item.row for item in history})


async def test_the_order_of_a_chain_doesnt_depend_on_when_its_parts_were_written(store: Store) -> None:
    await store.responses.accept(TENANT, a_response("resp_2", status="queued", previous="resp_1"), items_of(["in_2"]))
    await store.responses.finish(an_end("resp_1", ["in_1"], ["out_1"]))
    await store.responses.finish(an_end("resp_2", [], ["out_2"]))
    assert await history_of(store, "resp_2") == ["in_1", "out_1", "in_2", "out_2"]


async def test_forks_share_what_came_before_and_nothing_after(store: Store) -> None:
    await chain_of(store, 2)
    await store.responses.finish(an_end("resp_a", ["in_a"], [], previous="resp_1"))
    await store.responses.finish(an_end("resp_b", ["in_b"], [], previous="resp_1"))
    assert await history_of(store, "resp_a") == ["in_0", "out_0", "in_1", "out_1", "in_a"]
    assert await history_of(store, "resp_b") == ["in_0", "out_0", "in_1", "out_1", "in_b"]


async def test_a_response_without_items_has_an_empty_history(store: Store) -> None:
    await store.responses.finish(an_end(inputs=[], outputs=[]))
    assert await store.responses.history(TENANT, "resp_1") == ("completed", [])


async def test_a_chain_of_a_thousand_turns_is_read_whole(store: Store) -> None:
    _, history = await store.responses.history(TENANT, await chain_of(store, 1000))
    assert ids(history) == [item for n in range(1000) for item in (f"in_{n}", f"out_{n}")]


# -- items by id ----------------------------------------------------------------------------------------------


async def test_items_are_found_by_id_in_responses_and_conversations(store: Store) -> None:
    await store.responses.finish(an_end())
    await store.conversations.create(TENANT, a_conversation(), items_of(["said"]))
    found = await store.responses.items(TENANT, ["in_1", "said", "unknown"])
    assert {item_id: item.body for item_id, item in found.items()} == {"in_1": body("in_1"), "said": body("said")}


async def test_of_items_with_one_id_the_newest_is_found(store: Store) -> None:
    await store.responses.finish(an_end("resp_1", [an_item("in_1", "old")]))
    await store.responses.finish(an_end("resp_2", [an_item("in_1", "new")]))
    assert (await store.responses.items(TENANT, ["in_1"]))["in_1"].body == body("in_1", "new")


async def test_items_of_a_deleted_response_are_found_no_more_even_while_others_continue_it(store: Store) -> None:
    await chain_of(store, 2)
    await store.responses.delete(TENANT, "resp_0")
    assert set(await store.responses.items(TENANT, ["in_0", "out_0", "in_1"])) == {"in_1"}


# -- shared bytes ---------------------------------------------------------------------------------------------


async def found_item(store: Store, item_id: str) -> FoundItem:
    return (await store.responses.items(TENANT, [item_id]))[item_id]


async def test_an_item_that_shares_bytes_reads_like_its_source_and_keeps_its_place(store: Store) -> None:
    await store.responses.finish(an_end("resp_1", ["in_1"], []))
    shared = the_same(await found_item(store, "in_1"))
    await store.responses.finish(an_end("resp_2", ["before", shared, "after"], []))
    _, history = await store.responses.history(TENANT, "resp_2")
    assert [(item.id, item.body) for item in history] == [(i, body(i)) for i in ("before", "in_1", "after")]


async def test_shared_bytes_outlive_the_response_that_brought_them(store: Store, backend: Backend) -> None:
    await store.responses.finish(an_end("resp_1", ["in_1"], ["out_1"]))
    await store.responses.finish(an_end("resp_2", [the_same(await found_item(store, "in_1"))], []))
    await store.responses.delete(TENANT, "resp_1")
    assert (await store.responses.history(TENANT, "resp_2"))[1][0].body == body("in_1")
    await store.responses.delete(TENANT, "resp_2")
    assert backend.rows_left(TENANT) == 0


async def test_sharing_what_is_shared_reaches_the_first_bytes(store: Store, backend: Backend) -> None:
    await store.responses.finish(an_end("resp_1", ["in_1"], []))
    await store.responses.finish(an_end("resp_2", [the_same(await found_item(store, "in_1"))], []))
    await store.responses.finish(an_end("resp_3", [the_same(await found_item(store, "in_1"))], []))
    await store.responses.delete(TENANT, "resp_2")
    await store.responses.delete(TENANT, "resp_1")
    assert (await store.responses.history(TENANT, "resp_3"))[1][0].body == body("in_1")
    await store.responses.delete(TENANT, "resp_3")
    assert backend.rows_left(TENANT) == 0


async def test_an_item_whose_source_was_deleted_meanwhile_is_left_out(store: Store) -> None:
    await store.responses.finish(an_end("resp_1", ["in_1"], []))
    shared = the_same(await found_item(store, "in_1"))
    await store.responses.delete(TENANT, "resp_1")
    assert await store.responses.finish(an_end("resp_2", [shared, "in_2"], ["out_2"]))
    assert await history_of(store, "resp_2") == ["in_2", "out_2"]


async def test_the_row_of_a_deleted_item_never_comes_to_mean_another(store: Store) -> None:
    await store.responses.finish(an_end("resp_1", ["in_1"], []))
    shared = the_same(await found_item(store, "in_1"))
    await store.responses.delete(TENANT, "resp_1")
    await store.responses.finish(an_end("resp_2", ["in_2"], []))
    await store.responses.finish(an_end("resp_3", [shared], []))
    assert await history_of(store, "resp_3") == []


# -- deletion -------------------------------------------------------------------------------------------------


async def test_a_deleted_response_is_gone_for_every_method(store: Store) -> None:
    await store.responses.accept(TENANT, a_response(status="in_progress"), items_of(["in_1"]))
    await store.responses.finish(an_end("resp_2", previous="resp_1"))
    await store.responses.delete(TENANT, "resp_1")
    for gone in (
        store.responses.get(TENANT, "resp_1"),
        store.responses.history(TENANT, "resp_1"),
        store.responses.input_items(TENANT, "resp_1", ListQuery()),
        store.responses.delete(TENANT, "resp_1"),
        store.responses.page(TENANT, ResponseFilter(), ListQuery(after="resp_1")),
    ):
        with pytest.raises(NotFound):
            await gone
    assert not await store.responses.update(TENANT, a_response(status="in_progress"))
    assert not await store.responses.finish(an_end("resp_1"))
    listed, _ = await store.responses.page(TENANT, ResponseFilter(), ListQuery())
    assert [response.id for response in listed] == ["resp_2"]


async def test_deleting_a_response_that_nobody_continues_leaves_nothing(store: Store, backend: Backend) -> None:
    await store.responses.finish(an_end())
    await store.responses.delete(TENANT, "resp_1")
    assert backend.rows_left(TENANT) == 0


async def test_the_history_of_a_continuation_survives_the_deletion_of_what_it_continues(store: Store) -> None:
    last = await chain_of(store, 3)
    await store.responses.delete(TENANT, "resp_1")
    await store.responses.delete(TENANT, "resp_0")
    assert await history_of(store, last) == ["in_0", "out_0", "in_1", "out_1", "in_2", "out_2"]
    with pytest.raises(NotFound):
        await store.responses.get(TENANT, "resp_1")


async def test_deleted_ancestors_go_with_the_last_response_that_continues_them(store: Store, backend: Backend) -> None:
    await chain_of(store, 3)
    await store.responses.finish(an_end("resp_fork", ["in_fork"], [], previous="resp_1"))
    for response_id in ("resp_0", "resp_1", "resp_2"):
        await store.responses.delete(TENANT, response_id)
    assert await history_of(store, "resp_fork") == ["in_0", "out_0", "in_1", "out_1", "in_fork"]
    await store.responses.delete(TENANT, "resp_fork")
    assert backend.rows_left(TENANT) == 0


async def test_a_living_ancestor_stays_when_its_continuations_go(store: Store) -> None:
    await chain_of(store, 3)
    await store.responses.delete(TENANT, "resp_1")
    await store.responses.delete(TENANT, "resp_2")
    assert await history_of(store, "resp_0") == ["in_0", "out_0"]


async def test_a_response_deleted_while_it_runs_isnt_brought_back_by_its_end_when_continued(store: Store) -> None:
    await store.responses.accept(TENANT, a_response("resp_1", status="in_progress"), items_of(["in_1"]))
    await store.responses.finish(an_end("resp_2", ["in_2"], [], previous="resp_1"))
    await store.responses.delete(TENANT, "resp_1")
    assert not await store.responses.finish(an_end("resp_1", [], ["late"]))
    assert await history_of(store, "resp_2") == ["in_1", "in_2"]


# -- input items ----------------------------------------------------------------------------------------------


async def input_ids(store: Store, response_id: str, **page: object) -> tuple[list[str], bool]:
    found, more = await store.responses.input_items(TENANT, response_id, ListQuery(**page))  # type: ignore[arg-type]
    return ids(found), more


async def test_input_items_are_the_chain_without_the_responses_own_output_newest_first(store: Store) -> None:
    last = await chain_of(store, 2)
    assert await input_ids(store, last) == (["in_1", "out_0", "in_0"], False)
    assert await input_ids(store, last, ascending=True) == (["in_0", "out_0", "in_1"], False)


async def test_input_items_carry_their_bytes_shared_or_not(store: Store) -> None:
    await store.responses.finish(an_end("resp_1", ["in_1"], []))
    await store.responses.finish(an_end("resp_2", [the_same(await found_item(store, "in_1")), "in_2"], []))
    found, _ = await store.responses.input_items(TENANT, "resp_2", ListQuery(ascending=True))
    assert [item.body for item in found] == [body("in_1"), body("in_2")]


async def test_a_response_without_input_has_no_input_items(store: Store) -> None:
    await store.responses.finish(an_end(inputs=[]))
    assert await input_ids(store, "resp_1") == ([], False)


async def test_an_id_that_stands_twice_in_a_chain_is_listed_once_where_it_stands_last(store: Store) -> None:
    await store.responses.finish(an_end("resp_1", ["a", "b"], ["c"]))
    await store.responses.finish(an_end("resp_2", ["a", "d"], [], previous="resp_1"))
    assert await input_ids(store, "resp_2", ascending=True) == (["b", "c", "a", "d"], False)
    assert await input_ids(store, "resp_2", after="a") == (["c", "b"], False)
    assert await history_of(store, "resp_2") == ["a", "b", "c", "a", "d"]


PAGES: list[tuple[dict[str, object], list[str], bool]] = [
    ({"limit": 2, "ascending": True}, ["a", "b"], True),
    ({"limit": 2, "ascending": False}, ["e", "d"], True),
    ({"limit": 5, "ascending": True}, ["a", "b", "c", "d", "e"], False),
    ({"limit": 2, "ascending": True, "after": "b"}, ["c", "d"], True),
    ({"limit": 2, "ascending": True, "after": "c"}, ["d", "e"], False),
    ({"limit": 2, "ascending": True, "after": "e"}, [], False),
    ({"limit": 2, "ascending": False, "after": "d"}, ["c", "b"], True),
    ({"limit": 2, "ascending": False, "after": "c"}, ["b", "a"], False),
    ({"limit": 2, "ascending": True, "before": "d"}, ["b", "c"], True),
    ({"limit": 2, "ascending": True, "before": "c"}, ["a", "b"], False),
    ({"limit": 2, "ascending": True, "before": "a"}, [], False),
    ({"limit": 2, "ascending": False, "before": "b"}, ["d", "c"], True),
    ({"limit": 2, "ascending": False, "before": "c"}, ["e", "d"], False),
    ({"limit": 2, "ascending": True, "after": "a", "before": "e"}, ["b", "c"], True),
    ({"limit": 3, "ascending": True, "after": "a", "before": "e"}, ["b", "c", "d"], False),
    ({"limit": 2, "ascending": False, "after": "e", "before": "a"}, ["d", "c"], True),
    ({"limit": 2, "ascending": True, "after": "d", "before": "b"}, [], False),
]


async def test_a_page_of_input_items_stands_between_its_cursors(store: Store) -> None:
    await store.responses.finish(an_end(inputs=list("abcde")))
    for page, expected, more in PAGES:
        assert await input_ids(store, "resp_1", **page) == (expected, more), page


async def test_a_page_of_responses_stands_between_its_cursors(store: Store) -> None:
    await asyncio.gather(*(store.responses.finish(an_end(name, [], [])) for name in "abcde"))
    for page, expected, more in PAGES:
        listed, follows = await store.responses.page(TENANT, ResponseFilter(), ListQuery(**page))  # type: ignore[arg-type]
        assert ([response.id for response in listed], follows) == (expected, more), page


@pytest.mark.parametrize("param", ["after", "before"])
async def test_a_cursor_that_isnt_in_the_list_is_not_found_and_named(store: Store, param: str) -> None:
    await store.responses.finish(an_end())
    query = ListQuery(**{param: "out_1"})  # type: ignore[arg-type]
    with pytest.raises(NotFound) as items_error:
        await store.responses.input_items(TENANT, "resp_1", query)
    with pytest.raises(NotFound) as responses_error:
        await store.responses.page(TENANT, ResponseFilter(), query)
    assert (items_error.value.param, responses_error.value.param) == (param, param)


# -- lists of responses ---------------------------------------------------------------------------------------


async def test_a_list_of_responses_is_newest_first_and_without_output(store: Store) -> None:
    await store.responses.finish(an_end("resp_1"))
    await store.responses.finish(an_end("resp_2"))
    listed, _ = await store.responses.page(TENANT, ResponseFilter(), ListQuery())
    assert [(response.id, response.output) for response in listed] == [("resp_2", []), ("resp_1", [])]


@pytest.mark.parametrize(
    ("narrow", "expected"),
    [
        (ResponseFilter(status="failed"), ["resp_2"]),
        (ResponseFilter(model="small"), ["resp_3", "resp_1"]),
        (ResponseFilter(conversation="conv_1"), ["resp_3"]),
        (ResponseFilter(status="completed", model="small"), ["resp_3", "resp_1"]),
        (ResponseFilter(status="failed", model="small"), []),
    ],
    ids=str,
)
async def test_a_list_of_responses_can_be_narrowed(store: Store, narrow: ResponseFilter, expected: list[str]) -> None:
    await store.conversations.create(TENANT, a_conversation(), [])
    await store.responses.finish(an_end("resp_1", model="small"))
    await store.responses.finish(an_end("resp_2", status="failed"))
    await store.responses.finish(an_end("resp_3", model="small", conversation="conv_1"))
    listed, _ = await store.responses.page(TENANT, narrow, ListQuery())
    assert [response.id for response in listed] == expected


async def test_has_more_counts_only_what_the_filter_lets_through(store: Store) -> None:
    await store.responses.finish(an_end("resp_1", status="failed"))
    await store.responses.finish(an_end("resp_2"))
    _, more = await store.responses.page(TENANT, ResponseFilter(status="completed"), ListQuery(limit=1))
    assert not more
