"""What only the SQLite store promises: its file, its writer, its migrations, its plans, its failures."""

import asyncio
import re
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest

from antiphon.errors import NotFound, StoreUnavailable
from antiphon.ports import ListQuery
from antiphon.store.queries import load
from antiphon.store.sqlite import SchemaMismatch, SqliteStore, open_store
from antiphon.store.sqlite.migrations import Migration, migrate, shipped
from tests.store.factories import TENANT, a_conversation, a_key, a_response, an_end
from tests.store.test_responses import chain_of


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = open_store(path, patience=0.02)
    yield opened
    opened.close()


@asynccontextmanager
async def writes_held(store: SqliteStore) -> AsyncIterator[None]:
    """Keep the writer inside an operation, so that all that comes meanwhile waits and makes one group."""
    entered, leave = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        entered.set()
        leave.wait(10)

    holding = asyncio.ensure_future(store._writer.write(hold))
    await asyncio.sleep(0)
    assert entered.wait(10)
    try:
        yield
    finally:
        leave.set()
        await holding


@contextmanager
def traced(connection: sqlite3.Connection) -> Iterator[list[str]]:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    yield statements
    connection.set_trace_callback(None)


async def in_one_group(store: SqliteStore, *writes: Callable[[], Awaitable[object]]) -> list[object]:
    """Start every write while the writer is held, and return what each gave or raised."""
    async with writes_held(store):
        tasks = [asyncio.ensure_future(write()) for write in writes]
        await asyncio.sleep(0)
    return list(await asyncio.gather(*tasks, return_exceptions=True))


# -- the file -------------------------------------------------------------------------------------------------


def test_the_file_and_its_side_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = open_store(tmp_path / "new.db")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    store.close()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


def test_the_writer_survives_the_loss_of_power_and_checks_references(store: SqliteStore) -> None:
    pragmas = ("journal_mode", "synchronous", "foreign_keys")
    values = [store._writer._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert values == ["wal", 2, 1]


def test_the_reader_cant_write(store: SqliteStore) -> None:
    with pytest.raises(StoreUnavailable):
        store._reader.rows("DELETE FROM item")


async def test_closing_leaves_one_file(path: Path) -> None:
    store = open_store(path)
    await store.responses.finish(an_end())
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


async def test_of_a_key_only_its_digest_is_kept(store: SqliteStore) -> None:
    digest = bytes(range(32))
    await store.keys.add(a_key(), digest)
    columns = [column[1] for column in store._reader.rows("PRAGMA table_info(key)")]
    assert columns == ["id", "tenant", "name", "prefix", "digest", "created_at", "expires_at", "revoked_at"]
    assert store._reader.rows("SELECT digest FROM key") == [(digest,)]


async def test_anything_but_a_sha_256_is_refused_as_digest(store: SqliteStore) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        await store.keys.add(a_key(), b"sk-the-key-itself")


# -- reading --------------------------------------------------------------------------------------------------


async def test_the_history_of_a_thousand_turns_is_one_query(store: SqliteStore) -> None:
    last = await chain_of(store, 1000)
    with traced(store._reader._connection) as statements:
        await store.responses.history(TENANT, last)
    assert len(statements) == 1


async def test_the_history_of_a_conversation_is_one_query(store: SqliteStore) -> None:
    await store.conversations.create(TENANT, a_conversation(), [])
    with traced(store._reader._connection) as statements:
        await store.conversations.history(TENANT, "conv_1")
    assert len(statements) == 1


READ_WHOLE = {"key", "chain", "wanted", "new", "CONSTANT ROW", "response USING INDEX response_unfinished"}
"""A few rows, those that the query made itself, and an index that holds only what is wanted."""


@pytest.mark.parametrize("file", ["responses", "items", "conversations", "keys"])
def test_no_query_reads_a_whole_table_or_all_of_a_tenant(store: SqliteStore, file: str) -> None:
    queries = load(file)
    for name in queries.names:
        steps = plan(store, queries[name])
        scanned = {step.removeprefix("SCAN ").split(" VIRTUAL")[0] for step in steps if step.startswith("SCAN ")}
        assert scanned <= READ_WHOLE, name
        assert not [step for step in steps if step.endswith("(tenant=?)") or "AUTOMATIC" in step], name


def plan(store: SqliteStore, sql: str) -> list[str]:
    named = dict.fromkeys(re.findall(r":(\w+)", sql))
    placed = [None] * sql.count("?")
    rows = store._reader._connection.execute(f"EXPLAIN QUERY PLAN {sql}", named or placed).fetchall()
    return [row[3] for row in rows]


# -- the writer -----------------------------------------------------------------------------------------------


async def test_what_waits_together_is_committed_together(store: SqliteStore) -> None:
    ends = [an_end(f"resp_{n}") for n in range(100)]
    with traced(store._writer._connection) as statements:
        written = await in_one_group(store, *(lambda end=end: store.responses.finish(end) for end in ends))
    assert written == [True] * 100
    assert statements.count("COMMIT") == 2  # the operation that held the writer, and the hundred


async def test_a_group_wakes_its_loop_once(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    woken: list[object] = []
    wake = loop.call_soon_threadsafe

    def counted(callback: Callable[..., object], *args: object) -> object:
        woken.append(callback)
        return wake(callback, *args)

    async with writes_held(store):
        tasks = [asyncio.ensure_future(store.responses.finish(an_end(f"resp_{n}"))) for n in range(10)]
        await asyncio.sleep(0)
        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    await asyncio.gather(*tasks)
    assert len(woken) == 2


def breaks(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO probe (one, number) VALUES (1, 77)")
    raise RuntimeError("an operation with a bug")


async def test_a_broken_operation_doesnt_harm_its_neighbours(store: SqliteStore) -> None:
    before, broken, after = await in_one_group(
        store,
        lambda: store.responses.finish(an_end("resp_1")),
        lambda: store._writer.write(breaks),
        lambda: store.responses.finish(an_end("resp_2")),
    )
    assert (before, after) == (True, True)
    assert isinstance(broken, RuntimeError)
    assert [len((await store.responses.get(TENANT, name)).output) for name in ("resp_1", "resp_2")] == [1, 1]
    assert store._reader.rows("SELECT * FROM probe") == []


async def test_a_refusal_fails_alone_and_its_group_commits_once(store: SqliteStore) -> None:
    with traced(store._writer._connection) as statements:
        before, refused, after = await in_one_group(
            store,
            lambda: store.responses.finish(an_end("resp_1")),
            lambda: store.responses.delete(TENANT, "unknown"),
            lambda: store.responses.finish(an_end("resp_2")),
        )
    assert (before, after) == (True, True)
    assert isinstance(refused, NotFound)
    assert statements.count("COMMIT") == 2


async def test_a_refusal_in_a_group_that_broke_is_still_a_refusal(store: SqliteStore) -> None:
    broken, refused, after = await in_one_group(
        store,
        lambda: store._writer.write(breaks),
        lambda: store.conversations.delete(TENANT, "unknown"),
        lambda: store.conversations.create(TENANT, a_conversation(), []),
    )
    assert isinstance(broken, RuntimeError)
    assert isinstance(refused, NotFound)
    assert after is None


async def test_a_cancelled_waiter_loses_neither_its_write_nor_its_neighbours(store: SqliteStore) -> None:
    async with writes_held(store):
        cancelled = asyncio.ensure_future(store.responses.finish(an_end("resp_1")))
        waiting = asyncio.ensure_future(store.responses.finish(an_end("resp_2")))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert await waiting
    assert (await store.responses.get(TENANT, "resp_1")).status == "completed"


async def test_a_bug_that_nobody_waits_for_is_logged(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    async with writes_held(store):
        unseen = asyncio.ensure_future(store._writer.write(breaks))
        await asyncio.sleep(0)
        unseen.cancel()
    await store.check()
    assert "write_failed_unseen" in capsys.readouterr().err


def test_one_store_serves_one_loop_after_another(store: SqliteStore) -> None:
    assert asyncio.run(store.responses.finish(an_end("resp_1")))
    assert asyncio.run(store.responses.finish(an_end("resp_2")))


# -- failures -------------------------------------------------------------------------------------------------


async def test_a_locked_file_makes_writes_unavailable_until_it_is_free(path: Path, store: SqliteStore) -> None:
    await store.responses.finish(an_end("resp_1"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable) as unavailable:
            await store.responses.finish(an_end("resp_2"))
        assert (unavailable.value.status, unavailable.value.retry_after) == (503, 1)
        assert (await store.responses.get(TENANT, "resp_1")).id == "resp_1"  # reading goes on
        other.execute("ROLLBACK")
    assert await store.responses.finish(an_end("resp_2"))


async def test_a_lock_is_waited_for_and_logged_once_by_a_whole_group(
    path: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with traced(store._writer._connection) as statements:
            failed = await asyncio.gather(
                *(store.responses.finish(an_end(f"resp_{n}")) for n in range(20)), return_exceptions=True
            )
        other.execute("ROLLBACK")
    assert all(isinstance(error, StoreUnavailable) for error in failed)
    assert len(set(map(id, failed))) == 20  # each caller raises an exception of its own
    assert statements.count("BEGIN IMMEDIATE") <= 3  # the first to arrive may have gone ahead of the rest
    assert capsys.readouterr().err.count("store_unavailable") <= 3


async def test_a_read_only_disk_makes_writes_unavailable(store: SqliteStore) -> None:
    store._writer._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable):
        await store.responses.finish(an_end())
    with pytest.raises(StoreUnavailable):
        await store.check()


async def test_a_full_disk_undoes_what_doesnt_fit_and_nothing_else(store: SqliteStore) -> None:
    connection = store._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()
    small, large = await in_one_group(
        store,
        lambda: store.responses.finish(an_end("resp_1")),
        lambda: store.responses.finish(an_end("resp_2", instructions="x" * 100_000)),
    )
    assert small is True
    assert isinstance(large, StoreUnavailable)
    with pytest.raises(NotFound):
        await store.responses.get(TENANT, "resp_2")


async def test_the_cause_of_an_outage_is_logged_and_not_told(
    store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store._writer._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable) as unavailable:
        await store.check()
    assert "readonly" in capsys.readouterr().err
    assert "readonly" not in unavailable.value.message


async def test_a_read_that_fails_is_unavailable(store: SqliteStore) -> None:
    await store.responses.finish(an_end())
    store._reader._connection.set_progress_handler(lambda: 1, 1)
    for read in (
        store.responses.get(TENANT, "resp_1"),
        store.responses.input_items(TENANT, "resp_1", ListQuery()),
        store.keys.tenant(b"d" * 32, 1),
    ):
        with pytest.raises(StoreUnavailable):
            await read
    store._reader._connection.set_progress_handler(None, 1)
    assert (await store.responses.get(TENANT, "resp_1")).id == "resp_1"


def test_a_folder_that_is_missing_or_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="missing"):
        open_store(tmp_path / "missing" / "store.db")
    text = tmp_path / "text.db"
    text.write_text("this is no database, though it is long enough to have been one" * 20)
    with pytest.raises(StoreUnavailable, match=r"text\.db.*not a database"):
        open_store(text)


# -- migrations -----------------------------------------------------------------------------------------------

FIRST = Migration(1, "first", "-- a table;\nCREATE TABLE one (a);\nINSERT INTO one VALUES ('x;y');\n")
SECOND = Migration(2, "second", "ALTER TABLE one ADD COLUMN b;")


@pytest.fixture
def bare() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def test_the_programs_migrations_are_numbered_without_gaps() -> None:
    assert [step.number for step in shipped()] == list(range(1, len(shipped()) + 1))


def test_a_fresh_database_gets_every_migration_and_a_known_one_none(bare: sqlite3.Connection) -> None:
    assert migrate(bare, [FIRST, SECOND]) == [1, 2]
    assert migrate(bare, [FIRST, SECOND]) == []
    assert bare.execute("SELECT a, b FROM one").fetchall() == [("x;y", None)]


def test_an_older_database_gets_what_is_missing(bare: sqlite3.Connection) -> None:
    migrate(bare, [FIRST])
    assert migrate(bare, [FIRST, SECOND]) == [2]


def test_what_was_applied_is_noted_with_its_checksum_and_time(bare: sqlite3.Connection) -> None:
    migrate(bare, [FIRST])
    ((number, name, sha256, applied_at),) = bare.execute("SELECT * FROM migration").fetchall()
    assert (number, name, sha256) == (1, "first", FIRST.sha256)
    assert applied_at > 1_700_000_000


def test_a_changed_migration_is_refused(bare: sqlite3.Connection) -> None:
    migrate(bare, [FIRST])
    with pytest.raises(SchemaMismatch, match=r"migration 1 \(first\) was applied with another text"):
        migrate(bare, [Migration(1, "first", FIRST.sql + "-- changed"), SECOND])


def test_a_database_newer_than_the_program_is_refused(bare: sqlite3.Connection) -> None:
    migrate(bare, [FIRST, SECOND])
    with pytest.raises(SchemaMismatch, match="newer than this program: it has 2 migrations, the program 1"):
        migrate(bare, [FIRST])


def test_a_migration_that_breaks_leaves_nothing_behind(bare: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError):
        migrate(bare, [FIRST, Migration(2, "broken", "CREATE TABLE two (a);\nALTER TABLE nothing ADD COLUMN b;")])
    assert bare.execute("SELECT name FROM sqlite_master").fetchall() == []


def test_opening_again_applies_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_store(path).close()
    assert "migration_applied" not in capsys.readouterr().err


def test_a_file_newer_than_the_program_isnt_opened(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO migration VALUES (99, 'later', 'x', 0)")
    with pytest.raises(SchemaMismatch):
        open_store(path)


async def test_rows_of_a_response_are_refused_without_it(store: SqliteStore) -> None:
    def orphan(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO item (tenant, id, response_id, side, body) VALUES ('t', 'i', 'r', 0, x'')")

    with pytest.raises(sqlite3.IntegrityError):
        await store._writer.write(orphan)
    assert await store.responses.items("t", ["i"]) == {}


async def test_unfinished_responses_are_found_after_a_restart(path: Path) -> None:
    before = open_store(path)
    await before.responses.accept(TENANT, a_response(status="in_progress"), [])
    before.close()
    after = open_store(path)
    assert [response.id for _, response in await after.responses.unfinished()] == ["resp_1"]
    after.close()
