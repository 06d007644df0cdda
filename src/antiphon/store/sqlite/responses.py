"""`Responses` over SQLite."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from antiphon.errors import Fault, NotFound
from antiphon.ports import Finished, FoundItem, ItemRow, ListQuery, ResponseFilter
from antiphon.store.queries import load
from antiphon.store.sqlite import items
from antiphon.store.sqlite.conversations import exists
from antiphon.store.sqlite.database import Reader
from antiphon.store.sqlite.items import INPUT, OUTPUT, found
from antiphon.store.sqlite.paging import span
from antiphon.store.sqlite.writer import Writer
from antiphon.types.responses import Response, ResponseStatus

_SQL = load("responses")
_INSERT = _SQL["insert_response"]
_REPLACE = _SQL["replace_response"]
_JOIN_INPUTS = _SQL["join_inputs"]
_RESPONSE_AND_OUTPUT = _SQL["response_and_output"]
_CHAIN_ITEMS = _SQL["chain_items"]
_CHAIN_INPUTS = _SQL["chain_inputs"]
_HAS = _SQL["has_response"]
_UP = _SQL["responses_up"]
_DOWN = _SQL["responses_down"]
_UNFINISHED = _SQL["unfinished"]
_LINKS = _SQL["response_links"]
_MARK_DELETED = _SQL["mark_response_deleted"]
_DELETE = _SQL["delete_response"]

_ITEMS = load("items")
_NEWEST = _ITEMS["newest_items"]
_BYTES = _ITEMS["item_bytes"]

_BEYOND_IDS = "\U0010ffff"
"""Greater than every id."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Response).decode

Columns = dict[str, object]


class SqliteResponses:
    """Responses and their items; the rules stand at the port."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def accept(self, tenant: str, response: Response, inputs: Sequence[ItemRow]) -> None:
        columns = _columns(tenant, response)
        rows = items.values(tenant, inputs, response=response.id, side=INPUT, conversation=None)
        await self._writer.write(partial(_accept, columns=columns, rows=rows))

    async def update(self, tenant: str, response: Response) -> bool:
        columns = _columns(tenant, response)
        return await self._writer.write(lambda connection: connection.execute(_REPLACE, columns).rowcount == 1)

    async def finish(self, end: Finished) -> bool:
        if end.keep:
            return await self._writer.write(partial(_finish, end=end, columns=_columns(end.tenant, end.response)))
        if end.join:
            await self._writer.write(partial(_join_only, end=end))
        return True

    async def get(self, tenant: str, response_id: str) -> Response:
        rows = self._reader.rows(_RESPONSE_AND_OUTPUT, {"tenant": tenant, "id": response_id})
        if not rows or rows[0][0] != 0:  # row 0 is the response itself; its output may outlive it for a while
            raise _unknown(response_id)
        return replace(_decode(rows[0][1]), output=[Raw(body) for _, body in rows[1:]])

    async def history(self, tenant: str, response_id: str) -> tuple[ResponseStatus, list[FoundItem]]:
        rows = self._reader.rows(_CHAIN_ITEMS, {"tenant": tenant, "id": response_id})
        if not rows:
            raise _unknown(response_id)
        return rows[0][0], [FoundItem(row, item_id, body) for _, row, item_id, body in rows if row is not None]

    async def items(self, tenant: str, ids: Sequence[str]) -> dict[str, FoundItem]:
        rows = self._reader.rows(_NEWEST, {"tenant": tenant, "ids": _encode(ids).decode()})
        return {item.id: item for item in found(rows)}

    async def input_items(self, tenant: str, response_id: str, page: ListQuery) -> tuple[list[FoundItem], bool]:
        with self._reader.one_moment():
            chain = self._reader.rows(_CHAIN_INPUTS, {"tenant": tenant, "id": response_id})
            if not chain:
                raise _unknown(response_id)
            listed = _once_each([(row, item_id) for row, item_id in chain if row is not None])
            wanted, more = _cut(listed, page)
            return [self._found(row, item_id) for row, item_id in wanted], more

    async def page(self, tenant: str, narrow: ResponseFilter, page: ListQuery) -> tuple[list[Response], bool]:
        here = span(page, "", _BEYOND_IDS, partial(self._place, tenant))
        rows = self._reader.rows(
            _UP if here.up else _DOWN,
            {
                "tenant": tenant,
                "low": here.low,
                "high": here.high,
                "limit": here.limit + 1,
                "status": narrow.status,
                "model": narrow.model,
                "conversation": narrow.conversation,
            },
        )
        return here.cut([_decode(body) for (body,) in rows])

    async def delete(self, tenant: str, response_id: str, *, is_continued: bool = False) -> None:
        delete = partial(_delete, tenant=tenant, response_id=response_id, is_continued=is_continued)
        await self._writer.write(delete)

    async def unfinished(self) -> list[tuple[str, Response]]:
        return [(tenant, _decode(body)) for tenant, body in self._reader.rows(_UNFINISHED)]

    def _found(self, row: int, item_id: str) -> FoundItem:
        ((body,),) = self._reader.rows(_BYTES, {"row": row})
        return FoundItem(row, item_id, body)

    def _place(self, tenant: str, response_id: str) -> str | None:
        """Return where a response stands in the list of all: its id, which begins with its time."""
        return response_id if self._reader.row(_HAS, {"tenant": tenant, "id": response_id}) else None


def _columns(tenant: str, response: Response) -> Columns:
    """Return the row of a response; its output is left to the items."""
    conversation = response.conversation
    return {
        "tenant": tenant,
        "id": response.id,
        "created_at": response.created_at,
        "status": response.status,
        "model": response.model,
        "previous_id": response.previous_response_id,
        "conversation_id": None if conversation is None else conversation.id,
        "body": _encode(replace(response, output=[]) if response.output else response),
    }


def _accept(connection: sqlite3.Connection, *, columns: Columns, rows: Sequence[items.Values]) -> None:
    if connection.execute(_INSERT, columns).rowcount == 0:
        raise Fault(f"response '{columns['id']}' was written before it was accepted")
    items.insert(connection, rows)


def _finish(connection: sqlite3.Connection, *, end: Finished, columns: Columns) -> bool:
    """Write an end: nearly always of a response that nobody has seen, so that is tried first."""
    tenant, response_id, inputs = end.tenant, end.response.id, end.inputs
    joined = _joined(connection, end)
    if connection.execute(_INSERT, columns).rowcount == 0:
        if connection.execute(_REPLACE, columns).rowcount == 0:
            return False
        inputs = ()
        if joined is not None:
            names = {"tenant": tenant, "response_id": response_id, "conversation_id": joined}
            connection.execute(_JOIN_INPUTS, names)
    rows = items.values(tenant, inputs, response=response_id, side=INPUT, conversation=joined)
    rows += items.values(tenant, end.outputs, response=response_id, side=OUTPUT, conversation=joined)
    items.insert(connection, rows)
    return True


def _join_only(connection: sqlite3.Connection, *, end: Finished) -> None:
    """Write the turn of a response that isn't kept into its conversation."""
    if (joined := _joined(connection, end)) is not None:
        turn = [*end.inputs, *end.outputs]
        items.insert(connection, items.values(end.tenant, turn, response=None, side=INPUT, conversation=joined))


def _joined(connection: sqlite3.Connection, end: Finished) -> str | None:
    """Return the conversation that the turn enters, unless it was deleted while the model was answering."""
    if not end.join or end.response.conversation is None:
        return None
    conversation_id = end.response.conversation.id
    return conversation_id if exists(connection, end.tenant, conversation_id) else None


class _Links(NamedTuple):
    """How a response hangs together with others; `deleted` and `continued` are 0 or 1."""

    previous_id: str | None
    deleted: int
    continued: int


def _links(connection: sqlite3.Connection, tenant: str, response_id: str) -> _Links | None:
    row = connection.execute(_LINKS, {"tenant": tenant, "id": response_id}).fetchone()
    return None if row is None else _Links(*row)


def _delete(connection: sqlite3.Connection, *, tenant: str, response_id: str, is_continued: bool) -> None:
    links = _links(connection, tenant, response_id)
    if links is None or links.deleted:
        raise _unknown(response_id)
    if links.continued or is_continued:
        connection.execute(_MARK_DELETED, {"tenant": tenant, "id": response_id})
        return
    _delete_for_good(connection, tenant, response_id)
    while (previous_id := links.previous_id) is not None:
        links = _links(connection, tenant, previous_id)
        if links is None or not links.deleted or links.continued:
            return  # it went earlier, is alive, or somebody else continues it
        _delete_for_good(connection, tenant, previous_id)


def _delete_for_good(connection: sqlite3.Connection, tenant: str, response_id: str) -> None:
    items.leave_response(connection, tenant, response_id)
    connection.execute(_DELETE, {"tenant": tenant, "id": response_id})


def _once_each(chain: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the items of a chain, each id once, where it stands last: so a cursor names one place."""
    last_by_id: dict[str, int] = {}
    for place, (_, item_id) in enumerate(chain):
        last_by_id[item_id] = place
    return [chain[place] for place in sorted(last_by_id.values())]


def _cut(listed: Sequence[tuple[int, str]], page: ListQuery) -> tuple[list[tuple[int, str]], bool]:
    places: dict[str, int] = {item_id: place for place, (_, item_id) in enumerate(listed)}
    here = span(page, -1, len(listed), places.get)
    between = listed[here.low + 1 : here.high]
    return here.cut(between if here.up else between[::-1])


def _unknown(response_id: str) -> NotFound:
    return NotFound(f"Response with id '{response_id}' not found.")
