"""`Conversations` over SQLite."""

import sqlite3
from collections.abc import Sequence
from functools import partial

import msgspec

from antiphon.errors import BadRequest, NotFound
from antiphon.ports import FoundItem, ItemRow, ListQuery
from antiphon.store.queries import load
from antiphon.store.sqlite import items
from antiphon.store.sqlite.database import Reader, Row
from antiphon.store.sqlite.items import found
from antiphon.store.sqlite.paging import span
from antiphon.store.sqlite.writer import Writer
from antiphon.types.conversations import Conversation

_SQL = load("conversations")
_INSERT = _SQL["insert_conversation"]
_GET = _SQL["conversation"]
_IS_DELETED = _SQL["conversation_deleted"]
_UPDATE = _SQL["update_conversation"]
_BURY = _SQL["bury_conversation"]
_ITEMS = _SQL["conversation_items"]
_ITEM = _SQL["conversation_item"]
_UP = _SQL["conversation_items_up"]
_DOWN = _SQL["conversation_items_down"]

_BEYOND_ROWS = 2**63 - 1
"""Greater than every row number: the largest that SQLite has, and it gives out none that large."""

_encode = msgspec.json.Encoder().encode
_decode_metadata = msgspec.json.Decoder(dict[str, str]).decode

Columns = dict[str, object]


class SqliteConversations:
    """Conversations and their items; the rules stand at the port."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def create(self, tenant: str, conversation: Conversation, items: Sequence[ItemRow]) -> None:
        columns: Columns = {
            "tenant": tenant,
            "id": conversation.id,
            "created_at": conversation.created_at,
            "metadata": _encode(conversation.metadata),
        }
        await self._writer.write(partial(_create, tenant=tenant, columns=columns, added=items))

    async def get(self, tenant: str, conversation_id: str) -> Conversation:
        return self._get(tenant, conversation_id)

    async def update(self, tenant: str, conversation_id: str, metadata: dict[str, str]) -> Conversation:
        columns: Columns = {"tenant": tenant, "id": conversation_id, "metadata": _encode(metadata)}
        return await self._writer.write(partial(_update, columns=columns, conversation_id=conversation_id))

    async def delete(self, tenant: str, conversation_id: str) -> None:
        await self._writer.write(partial(_delete, tenant=tenant, conversation_id=conversation_id))

    async def history(self, tenant: str, conversation_id: str) -> list[FoundItem]:
        rows = self._reader.rows(_ITEMS, {"tenant": tenant, "id": conversation_id})
        if not rows:
            raise _unknown(conversation_id)
        return found(rows)

    async def items(self, tenant: str, conversation_id: str, page: ListQuery) -> tuple[list[FoundItem], bool]:
        with self._reader.one_moment():
            self._get(tenant, conversation_id)
            here = span(page, 0, _BEYOND_ROWS, partial(self._place, tenant, conversation_id))
            names: Columns = {"tenant": tenant, "id": conversation_id}
            names |= {"low": here.low, "high": here.high, "limit": here.limit + 1}
            return here.cut(found(self._reader.rows(_UP if here.up else _DOWN, names)))

    async def item(self, tenant: str, conversation_id: str, item_id: str) -> FoundItem:
        with self._reader.one_moment():
            self._get(tenant, conversation_id)
            row = self._reader.row(_ITEM, {"tenant": tenant, "id": conversation_id, "item_id": item_id})
        if row is None:
            raise _unknown_item(item_id)
        return FoundItem(*row)

    async def add(self, tenant: str, conversation_id: str, items: Sequence[ItemRow]) -> None:
        await self._writer.write(partial(_add, tenant=tenant, conversation_id=conversation_id, added=items))

    async def remove(self, tenant: str, conversation_id: str, item_id: str) -> Conversation:
        return await self._writer.write(
            partial(_remove, tenant=tenant, conversation_id=conversation_id, item_id=item_id)
        )

    async def was_deleted(self, tenant: str, conversation_id: str) -> bool:
        return self._reader.row(_IS_DELETED, {"tenant": tenant, "id": conversation_id}) == (1,)

    def _get(self, tenant: str, conversation_id: str) -> Conversation:
        return _conversation(conversation_id, self._reader.row(_GET, {"tenant": tenant, "id": conversation_id}))

    def _place(self, tenant: str, conversation_id: str, item_id: str) -> int | None:
        row = self._reader.row(_ITEM, {"tenant": tenant, "id": conversation_id, "item_id": item_id})
        return None if row is None else row[0]


def exists(connection: sqlite3.Connection, tenant: str, conversation_id: str) -> bool:
    """Say inside an operation whether the conversation is there."""
    return connection.execute(_GET, {"tenant": tenant, "id": conversation_id}).fetchone() is not None


def _create(connection: sqlite3.Connection, *, tenant: str, columns: Columns, added: Sequence[ItemRow]) -> None:
    if connection.execute(_INSERT, columns).rowcount == 0:
        (deleted,) = connection.execute(_IS_DELETED, columns).fetchone()
        raise _taken(columns["id"], deleted=bool(deleted))
    _append(connection, tenant, str(columns["id"]), added)


def _update(connection: sqlite3.Connection, *, columns: Columns, conversation_id: str) -> Conversation:
    if connection.execute(_UPDATE, columns).rowcount == 0:
        raise _unknown(conversation_id)
    return _conversation(conversation_id, connection.execute(_GET, columns).fetchone())


def _delete(connection: sqlite3.Connection, *, tenant: str, conversation_id: str) -> None:
    if connection.execute(_BURY, {"tenant": tenant, "id": conversation_id}).rowcount == 0:
        raise _unknown(conversation_id)
    items.leave_conversation(connection, tenant, conversation_id)


def _add(connection: sqlite3.Connection, *, tenant: str, conversation_id: str, added: Sequence[ItemRow]) -> None:
    if not exists(connection, tenant, conversation_id):
        raise _unknown(conversation_id)
    _append(connection, tenant, conversation_id, added)


def _remove(connection: sqlite3.Connection, *, tenant: str, conversation_id: str, item_id: str) -> Conversation:
    row = connection.execute(_GET, {"tenant": tenant, "id": conversation_id}).fetchone()
    conversation = _conversation(conversation_id, row)
    if not items.leave_under_id(connection, tenant, conversation_id, item_id):
        raise _unknown_item(item_id)
    return conversation


def _append(connection: sqlite3.Connection, tenant: str, conversation_id: str, added: Sequence[ItemRow]) -> None:
    rows = items.values(tenant, added, response=None, side=items.INPUT, conversation=conversation_id)
    items.insert(connection, rows)


def _conversation(conversation_id: str, row: Row | None) -> Conversation:
    if row is None:
        raise _unknown(conversation_id)
    created_at, metadata = row
    return Conversation(id=conversation_id, created_at=created_at, metadata=_decode_metadata(metadata))


def _unknown(conversation_id: str) -> NotFound:
    return NotFound(f"Conversation with id '{conversation_id}' not found.")


def _unknown_item(item_id: str) -> NotFound:
    return NotFound(f"Item with id '{item_id}' not found.")


def _taken(conversation_id: object, *, deleted: bool) -> BadRequest:
    if deleted:
        message = f"Conversation with id '{conversation_id}' was deleted; its id can't be used again."
        return BadRequest(message, code="conversation_deleted")
    return BadRequest(f"Conversation with id '{conversation_id}' exists already.", code="conversation_exists")
