"""Items: rows that a response, a conversation, or both hold.

The functions here run inside an operation of the writer. A row is deleted when nothing holds it and no other row shares
its bytes; that is looked at whenever a holder lets go.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby

from antiphon.ports import FoundItem, ItemRow
from antiphon.store.queries import load
from antiphon.store.sqlite.database import Row

INPUT, OUTPUT = 0, 1

_SQL = load("items")
_INSERT = _SQL["insert_item"]
_INSERT_SAME = _SQL["insert_same_item"]
_HELD_BY_RESPONSE = _SQL["held_by_response"]
_LEAVE_RESPONSE = _SQL["leave_response"]
_HELD_BY_CONVERSATION = _SQL["held_by_conversation"]
_LEAVE_CONVERSATION = _SQL["leave_conversation"]
_HELD_UNDER_ID = _SQL["held_under_id"]
_LEAVE_UNDER_ID = _SQL["leave_under_id"]
_DELETE_UNHELD = _SQL["delete_unheld"]

Values = tuple[str, str, str | None, int | None, str | None, int | None, bytes | None]
"""The values of both inserts: tenant, id, response, side, conversation, shared row, bytes."""


def values(
    tenant: str, items: Sequence[ItemRow], *, response: str | None, side: int, conversation: str | None
) -> list[Values]:
    """Return what is to be inserted for items of one side of a response, of a conversation, or of both."""
    place = None if response is None else side
    return [(tenant, item.id, response, place, conversation, item.same_as, item.body) for item in items]


def insert(connection: sqlite3.Connection, rows: Iterable[Values]) -> None:
    """Append items in order. One that shares the bytes of a row deleted meanwhile is left out: deletion wins."""
    for shares, group in groupby(rows, key=_shares):
        connection.executemany(_INSERT_SAME if shares else _INSERT, group)


def _shares(row: Values) -> bool:
    return row[5] is not None


def leave_response(connection: sqlite3.Connection, tenant: str, response_id: str) -> None:
    """Take all items out of a response."""
    _leave(connection, _HELD_BY_RESPONSE, _LEAVE_RESPONSE, {"tenant": tenant, "response_id": response_id})


def leave_conversation(connection: sqlite3.Connection, tenant: str, conversation_id: str) -> None:
    """Take all items out of a conversation."""
    names = {"tenant": tenant, "conversation_id": conversation_id}
    _leave(connection, _HELD_BY_CONVERSATION, _LEAVE_CONVERSATION, names)


def leave_under_id(connection: sqlite3.Connection, tenant: str, conversation_id: str, item_id: str) -> bool:
    """Take every item of an id out of a conversation; False, and nothing written, when there is none."""
    names = {"tenant": tenant, "conversation_id": conversation_id, "item_id": item_id}
    return _leave(connection, _HELD_UNDER_ID, _LEAVE_UNDER_ID, names)


def _leave(connection: sqlite3.Connection, held_sql: str, leave_sql: str, names: dict[str, str]) -> bool:
    held: list[tuple[int, int | None]] = connection.execute(held_sql, names).fetchall()
    if not held:
        return False
    connection.execute(leave_sql, names)
    touched = {row for pair in held for row in pair if row is not None}
    # A row shares only what is older than itself: from the newest down, who shares goes before what is shared.
    connection.executemany(_DELETE_UNHELD, [{"row": row} for row in sorted(touched, reverse=True)])
    return True


def found(rows: Iterable[Row]) -> list[FoundItem]:
    """Return the items of rows (row, id, bytes); an outer join may have left the only one empty."""
    return [FoundItem(row, item_id, body) for row, item_id, body in rows if row is not None]
