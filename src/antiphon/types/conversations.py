"""The objects and requests of `/v1/conversations`."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct

from antiphon.types.responses import Metadata


class Conversation(Struct, kw_only=True, frozen=True):
    """A conversation; its items are a resource of their own."""

    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: dict[str, str] = {}


class CreateConversation(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/conversations`."""

    items: Annotated[list[Raw], Meta(max_length=20)] | None = None
    metadata: Metadata | None = None


class UpdateConversation(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/conversations/{id}`: the metadata is replaced."""

    metadata: Metadata | None


class AddItems(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/conversations/{id}/items`."""

    items: Annotated[list[Raw], Meta(min_length=1, max_length=20)]


class ItemList(Struct, kw_only=True, frozen=True):
    """Items just added, in the order given."""

    object: Literal["list"] = "list"
    data: list[Any]
    first_id: str
    last_id: str
    has_more: bool = False
