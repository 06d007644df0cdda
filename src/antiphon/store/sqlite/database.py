"""Connections to the database file, and what its errors mean to a caller.

The file is in WAL mode, so reading and writing don't wait for each other; `synchronous=FULL` makes a commit survive
the loss of power. There is one connection that writes (owned by the writer's thread) and one that reads.
"""

import os
import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from antiphon.errors import StoreUnavailable
from antiphon.telemetry import Level, log

Row = tuple[Any, ...]
"""A row as the database gives it; the query beside the call says what is in it."""

READ_PATIENCE = 0.1
"""Seconds a read may wait for a lock. In WAL mode it meets one only while another process recovers the file, and it
waits on the event loop's own thread."""

MAX_WAL_BYTES = 64 * 1024 * 1024
"""What is left of the write-ahead log after a checkpoint; without a limit it keeps the size of its worst hour."""

_STATEMENTS = 256
"""Prepared statements kept for each connection: more than there are queries."""


def create(path: Path) -> None:
    """Make the file if it isn't there, readable by its owner alone; SQLite gives its side files the same mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """Open a connection that waits `patience` seconds for a lock and leaves transactions to us."""
    connection = sqlite3.connect(
        path, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def connect_writer(path: Path, patience: float) -> sqlite3.Connection:
    """Open the connection that writes."""
    connection = connect(path, patience)
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {MAX_WAL_BYTES}").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def is_outage(error: BaseException) -> bool:
    """Whether it is the database that fails (locked, full, read-only, damaged), and not a statement of ours."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def log_outage(error: BaseException) -> None:
    """Write why the database fails; callers are only told that it does."""
    log("store_unavailable", Level.ERROR, cause=str(error), code=getattr(error, "sqlite_errorname", None))


class Reader:
    """The connection that reads, on the thread that asks: a point read takes less than handing it to another."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, READ_PATIENCE)
        self._connection.execute("PRAGMA query_only = ON")

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return all rows. Raises StoreUnavailable."""
        try:
            return self._connection.execute(sql, parameters or {}).fetchall()
        except sqlite3.Error as error:
            if is_outage(error):
                log_outage(error)
                raise StoreUnavailable from error
            raise

    def row(self, sql: str, parameters: Mapping[str, object] | None = None) -> Row | None:
        """Return the first row. It reads all: a statement left half-way would hold its moment for later reads."""
        return next(iter(self.rows(sql, parameters)), None)

    @contextmanager
    def one_moment(self) -> Generator[None]:
        """Let every read inside see the same state."""
        self.rows("BEGIN")
        try:
            yield
        finally:
            self.rows("ROLLBACK")

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()
