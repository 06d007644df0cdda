"""`SqliteStore`: the store's ports over one file."""

import sqlite3
from pathlib import Path

from antiphon.errors import StoreUnavailable
from antiphon.ports import Conversations, Keys, Responses
from antiphon.store.queries import load
from antiphon.store.sqlite import database
from antiphon.store.sqlite.conversations import SqliteConversations
from antiphon.store.sqlite.database import Reader
from antiphon.store.sqlite.keys import SqliteKeys
from antiphon.store.sqlite.migrations import migrate, shipped
from antiphon.store.sqlite.responses import SqliteResponses
from antiphon.store.sqlite.writer import Writer

WRITE_PATIENCE = 5.0
"""Seconds a write waits for another process that holds the file, a backup say, before callers are told."""

_SQL = load("database")
_WRITE_PROBE = _SQL["write_probe"]
_PROBE = _SQL["probe"]


class SqliteStore:
    """Responses, conversations and keys in one SQLite file. Used and closed on one thread."""

    responses: Responses
    conversations: Conversations
    keys: Keys

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader
        self.responses = SqliteResponses(writer, reader)
        self.conversations = SqliteConversations(writer, reader)
        self.keys = SqliteKeys(writer, reader)

    async def check(self) -> None:
        await self._writer.write(_write_probe)
        if self._reader.row(_PROBE) is None:
            raise StoreUnavailable

    def close(self) -> None:
        self._writer.close()
        self._reader.close()


def open_store(path: Path | str, *, patience: float = WRITE_PATIENCE) -> SqliteStore:
    """Open the file, made and brought up to this program's schema where that is needed; its folder must exist.

    `patience` is how many seconds a write waits for a lock. Raises SchemaMismatch, or StoreUnavailable with the cause.
    """
    path = Path(path)
    try:
        database.create(path)
        connection = database.connect_writer(path, patience)
        try:
            migrate(connection, shipped())
            reader = Reader(path)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"can't open the database {path}: {error}") from error
    return SqliteStore(Writer(connection), reader)


def _write_probe(connection: sqlite3.Connection) -> None:
    connection.execute(_WRITE_PROBE)
