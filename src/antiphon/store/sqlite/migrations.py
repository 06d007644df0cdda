"""The schema's history: numbered files, applied in order, forward only.

`store/migrations/0001_first.sql` is number 1 with the name `first`. What was applied stands in the table `migration`
with the SHA-256 of its text, so a file that changed afterwards is found, and so is a database that a newer program has
already moved on. All of it runs in one transaction that keeps other processes out.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources

from msgspec import Struct

from antiphon.store.queries import load
from antiphon.telemetry import log

_FILE = re.compile(r"(\d{4})_(\w+)\.sql\Z")

_SQL = load("database")
_CREATE = _SQL["create_migrations"]
_APPLIED = _SQL["migrations"]
_NOTE = _SQL["note_migration"]


class SchemaMismatch(RuntimeError):
    """The database and this program don't fit; the message says what to do."""


class Migration(Struct, frozen=True):
    """One numbered step."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The checksum that says whether it is the text that was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def shipped() -> list[Migration]:
    """Return the migrations of this program in order."""
    files = resources.files("antiphon.store").joinpath("migrations").iterdir()
    found = [
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in files
        if (match := _FILE.match(file.name))
    ]
    return sorted(found, key=lambda step: step.number)


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration]) -> list[int]:
    """Apply the steps that the database has not seen and return their numbers. Raises SchemaMismatch."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_CREATE)
        seen: list[tuple[int, str, str]] = connection.execute(_APPLIED).fetchall()
        _compare(seen, steps)
        waiting = [step for step in steps if step.number > len(seen)]
        for step in waiting:
            _apply(connection, step)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise
    return [step.number for step in waiting]


def _compare(seen: Sequence[tuple[int, str, str]], steps: Sequence[Migration]) -> None:
    if len(seen) > len(steps):
        raise SchemaMismatch(
            f"the database is newer than this program: it has {len(seen)} migrations, the program {len(steps)}; "
            "run the release that wrote it, or a later one"
        )
    for (number, name, sha256), step in zip(seen, steps, strict=False):
        if (number, sha256) != (step.number, step.sha256):
            raise SchemaMismatch(
                f"migration {number} ({name}) was applied with another text than the program's "
                f"{step.number:04}_{step.name}.sql; install an unchanged release, or restore the database that fits it"
            )


def _apply(connection: sqlite3.Connection, step: Migration) -> None:
    for statement in _statements(step.sql):
        connection.execute(statement)
    connection.execute(_NOTE, {"number": step.number, "name": step.name, "sha256": step.sha256})
    log("migration_applied", number=step.number, name=step.name)


def _statements(sql: str) -> Iterator[str]:
    """Yield the statements, each of which ends its line: `executescript` would commit what is open before it begins."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
