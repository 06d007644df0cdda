"""`/v1/conversations` and their items."""

from msgspec import Raw, Struct

from antiphon.api.bodies import BodyReader
from antiphon.api.calls import Call, Endpoint, Reply
from antiphon.api.pages import ItemPage, Listing, page_of
from antiphon.engine.intake import identify, read_items, refuse_strangers, storable
from antiphon.engine.runner import locked
from antiphon.engine.shown import hide, shown
from antiphon.errors import BadRequest, NotFound
from antiphon.ports import ItemRow
from antiphon.types.conversations import AddItems, Conversation, CreateConversation, ItemList, UpdateConversation
from antiphon.types.items import Item, ItemReference
from antiphon.types.responses import Deleted, Include

_CREATE = BodyReader(CreateConversation)
_UPDATE = BodyReader(UpdateConversation, absent=lambda given: None if "metadata" in given else "metadata")
_ADD = BodyReader(AddItems, absent=lambda given: None if "items" in given else "items")


class IncludeQuery(Struct, kw_only=True, frozen=True):
    """The query of routes that show one item or those just added."""

    include: tuple[Include, ...] = ()


class ItemsQuery(Listing, kw_only=True, frozen=True):
    """The query of `GET /v1/conversations/{id}/items`."""

    include: tuple[Include, ...] = ()


async def create(call: Call) -> Reply:
    """Create a conversation, with up to 20 items."""
    request = await call.body(_CREATE) if await _has_body(call) else CreateConversation()
    identity = call.services.mint("conv")
    conversation = Conversation(id=identity, created_at=call.services.now(), metadata=request.metadata or {})
    rows = await _rows(call, request.items or [], identity)
    await call.services.store.conversations.create(call.tenant, conversation, rows)
    return Reply(conversation)


async def retrieve(call: Call) -> Reply:
    """Return a conversation."""
    return Reply(await call.services.store.conversations.get(call.tenant, call.params["id"]))


async def update(call: Call) -> Reply:
    """Replace a conversation's metadata."""
    request = await call.body(_UPDATE)
    conversations = call.services.store.conversations
    return Reply(await conversations.update(call.tenant, call.params["id"], request.metadata or {}))


async def delete(call: Call) -> Reply:
    """Delete a conversation; the responses made in it stay."""
    _refuse_busy(call)
    await call.services.store.conversations.delete(call.tenant, call.params["id"])
    return Reply(Deleted(id=call.params["id"], object="conversation.deleted"))


async def list_items(call: Call) -> Reply:
    """List a conversation's items, newest first unless asked otherwise."""
    query = call.query(ItemsQuery)
    found, more = await call.services.store.conversations.items(call.tenant, call.params["id"], query.page())
    include = frozenset(query.include)
    return Reply(page_of([(item.id, hide(shown(item.id, item.body), include)) for item in found], more=more))


async def add_items(call: Call) -> Reply:
    """Append up to 20 items and return them."""
    include = frozenset(call.query(IncludeQuery).include)
    request = await call.body(_ADD)
    identity = call.params["id"]
    _refuse_busy(call)
    await call.services.store.conversations.get(call.tenant, identity)
    rows = await _rows(call, request.items, call.services.mint("add"))
    await call.services.store.conversations.add(call.tenant, identity, rows)
    added = [(row.id, hide(shown(row.id, row.body or b""), include)) for row in rows]
    return Reply(ItemList(data=[item for _, item in added], first_id=added[0][0], last_id=added[-1][0]))


async def retrieve_item(call: Call) -> Reply:
    """Return one item of a conversation."""
    include = frozenset(call.query(IncludeQuery).include)
    found = await call.services.store.conversations.item(call.tenant, call.params["id"], call.params["item"])
    return Reply(hide(shown(found.id, found.body), include))


async def delete_item(call: Call) -> Reply:
    """Take one item out and return the conversation."""
    _refuse_busy(call)
    conversations = call.services.store.conversations
    return Reply(await conversations.remove(call.tenant, call.params["id"], call.params["item"]))


async def _has_body(call: Call) -> bool:
    """Say whether the client sent a body: creating a conversation needs none."""
    return call.header(b"content-length") not in {None, "0"} or call.header(b"transfer-encoding") is not None


def _refuse_busy(call: Call) -> None:
    if call.services.runner.is_busy(call.tenant, call.params["id"]):
        raise locked(call.params["id"])


async def _rows(call: Call, given: list[Raw], owner: str) -> list[ItemRow]:
    """Return the rows of items that a client adds; a reference becomes a copy of its item."""
    items = read_items(given, "items", call.services.limits.string_length)
    refuse_strangers(items, "items")
    wanted = [item.view.id for item in items if isinstance(item.view, ItemReference)]
    found = await call.services.store.responses.items(call.tenant, wanted) if wanted else {}
    rows: list[ItemRow] = []
    for index, item in enumerate(items):
        if isinstance(item.view, ItemReference):
            target = found.get(item.view.id)
            if target is None:
                raise NotFound(f"Item with id '{item.view.id}' not found.", param=f"items[{index}].id")
            rows.append(ItemRow(target.id, target.body))
        else:
            rows.append(ItemRow(identify(item, owner, index), storable(item)))
    if len({row.id for row in rows}) < len(rows):
        raise BadRequest("Two of the items have the same id.", param="items")
    return rows


ROUTES = [
    Endpoint("POST", "/v1/conversations", create, body=CreateConversation, reply=Conversation),
    Endpoint("GET", "/v1/conversations/{id}", retrieve, reply=Conversation),
    Endpoint("POST", "/v1/conversations/{id}", update, body=UpdateConversation, reply=Conversation),
    Endpoint("DELETE", "/v1/conversations/{id}", delete, reply=Deleted),
    Endpoint("GET", "/v1/conversations/{id}/items", list_items, query=ItemsQuery, reply=ItemPage),
    Endpoint("POST", "/v1/conversations/{id}/items", add_items, body=AddItems, query=IncludeQuery, reply=ItemList),
    Endpoint("GET", "/v1/conversations/{id}/items/{item}", retrieve_item, query=IncludeQuery, reply=Item),
    Endpoint("DELETE", "/v1/conversations/{id}/items/{item}", delete_item, reply=Conversation),
]
