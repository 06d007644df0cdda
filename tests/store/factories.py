"""Plain makers of what a store is given, with good defaults."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Raw

from antiphon.ports import Finished, FoundItem, ItemRow, KeyRow
from antiphon.types.conversations import Conversation
from antiphon.types.responses import ConversationRef, Response, ResponseStatus, TextEcho

TENANT = "tenant_a"
STRANGER = "tenant_b"


def body(item_id: str, text: str = "") -> bytes:
    return json.dumps({"id": item_id, "text": text or item_id}).encode()


def an_item(item_id: str, text: str = "") -> ItemRow:
    return ItemRow(item_id, body(item_id, text))


def the_same(found: FoundItem) -> ItemRow:
    return ItemRow(found.id, None, same_as=found.row)


def items_of(what: Sequence[str | ItemRow]) -> list[ItemRow]:
    return [an_item(item) if isinstance(item, str) else item for item in what]


def a_response(
    response_id: str = "resp_1",
    *,
    status: ResponseStatus = "completed",
    previous: str | None = None,
    conversation: str | None = None,
    **fields: Any,
) -> Response:
    return Response(
        id=response_id,
        created_at=1_700_000_000,
        status=status,
        model=fields.pop("model", "a-model"),
        previous_response_id=previous,
        conversation=None if conversation is None else ConversationRef(id=conversation),
        text=TextEcho(format=Raw(b'{"type":"text"}')),
        **fields,
    )


def an_end(
    response_id: str = "resp_1",
    inputs: Sequence[str | ItemRow] = ("in_1",),
    outputs: Sequence[str | ItemRow] = ("out_1",),
    *,
    tenant: str = TENANT,
    keep: bool = True,
    join: bool | None = None,
    **fields: Any,
) -> Finished:
    """The end of a run; it joins its conversation when it has one."""
    response = a_response(response_id, **fields)
    return Finished(
        tenant=tenant,
        response=response,
        inputs=items_of(inputs),
        outputs=items_of(outputs),
        keep=keep,
        join=response.conversation is not None if join is None else join,
    )


def a_conversation(conversation_id: str = "conv_1", **metadata: str) -> Conversation:
    return Conversation(id=conversation_id, created_at=1_700_000_000, metadata=metadata)


def a_key(key_id: str = "key_1", **fields: Any) -> KeyRow:
    return KeyRow(id=key_id, tenant=TENANT, name="a key", prefix="sk-ab", **({"created_at": 100} | fields))


def ids(found: Sequence[FoundItem]) -> list[str]:
    return [item.id for item in found]


@dataclass
class Turn:
    """A response as the simple model of the store remembers it."""

    items: list[tuple[str, bytes]]
    previous: str | None
    deleted: bool = False


@dataclass
class Model:
    """What a store should hold, in dicts."""

    turns: dict[str, Turn] = field(default_factory=dict)
    conversations: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)

    @property
    def living(self) -> list[str]:
        return [response_id for response_id, turn in self.turns.items() if not turn.deleted]

    def history(self, response_id: str | None) -> list[tuple[str, bytes]]:
        if response_id is None:
            return []
        turn = self.turns[response_id]
        return self.history(turn.previous) + turn.items
