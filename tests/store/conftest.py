"""The stores under test. Another backend joins by one class here; the suite over the port stays as it is."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from antiphon.ports import Store
from antiphon.store.sqlite import open_store


class Backend(Protocol):
    """One database that outlives the store objects opened on it."""

    def open(self) -> Store: ...

    def rows_left(self, tenant: str) -> int:
        """Count the rows of responses and items; tombstones of conversations don't count."""
        ...


class Sqlite:
    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> Store:
        return open_store(self.path)

    def rows_left(self, tenant: str) -> int:
        count = (
            "SELECT (SELECT count(*) FROM response WHERE tenant = :t) + (SELECT count(*) FROM item WHERE tenant = :t)"
        )
        with closing(sqlite3.connect(self.path)) as connection:
            rows: int = connection.execute(count, {"t": tenant}).fetchone()[0]
        return rows


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh SQLite file: copying it waits for the disk less often than making one."""
    path = tmp_path_factory.mktemp("blank") / "store.db"
    open_store(path).close()
    return path


@pytest.fixture
def path(blank: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(blank, tmp_path / "store.db"))


@pytest.fixture(params=[Sqlite])
def backend(request: pytest.FixtureRequest, path: Path) -> Backend:
    made: Backend = request.param(path)
    return made


@pytest.fixture
def store(backend: Backend) -> Iterator[Store]:
    opened = backend.open()
    yield opened
    opened.close()
