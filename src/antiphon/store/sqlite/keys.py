"""`Keys` over SQLite."""

import sqlite3
from functools import partial

from msgspec.structs import asdict

from antiphon.errors import NotFound
from antiphon.ports import KeyRow
from antiphon.store.queries import load
from antiphon.store.sqlite.database import Reader, Row
from antiphon.store.sqlite.writer import Writer

_SQL = load("keys")
_INSERT = _SQL["insert_key"]
_TENANT = _SQL["tenant_of_key"]
_ALL = _SQL["keys"]
_GET = _SQL["key"]
_REVOKE = _SQL["revoke_key"]


class SqliteKeys:
    """API keys; the rules stand at the port."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def add(self, key: KeyRow, digest: bytes) -> None:
        columns: dict[str, object] = {**asdict(key), "digest": digest}
        await self._writer.write(partial(_add, columns=columns))

    async def tenant(self, digest: bytes, now: int) -> str | None:
        row = self._reader.row(_TENANT, {"digest": digest, "now": now})
        return None if row is None else row[0]

    async def all(self) -> list[KeyRow]:
        return [_key(row) for row in self._reader.rows(_ALL)]

    async def revoke(self, key_id: str, now: int) -> KeyRow:
        return await self._writer.write(partial(_revoke, key_id=key_id, now=now))


def _add(connection: sqlite3.Connection, *, columns: dict[str, object]) -> None:
    connection.execute(_INSERT, columns)


def _revoke(connection: sqlite3.Connection, *, key_id: str, now: int) -> KeyRow:
    if connection.execute(_REVOKE, {"id": key_id, "now": now}).rowcount == 0:
        raise NotFound(f"Key with id '{key_id}' not found.")
    return _key(connection.execute(_GET, {"id": key_id}).fetchone())


def _key(row: Row) -> KeyRow:
    key_id, tenant, name, prefix, created_at, expires_at, revoked_at = row
    return KeyRow(
        id=key_id,
        tenant=tenant,
        name=name,
        prefix=prefix,
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
    )
