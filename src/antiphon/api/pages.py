"""Pages of lists: the query that asks for one, and the objects that hold it."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from antiphon.ports import ListQuery
from antiphon.types.items import Item
from antiphon.types.responses import Page, Response


class Listing(Struct, kw_only=True, frozen=True):
    """What every list takes: how many, which way, and from where."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None

    def page(self) -> ListQuery:
        """Return the query for the store."""
        return ListQuery(limit=self.limit, ascending=self.order == "asc", after=self.after, before=self.before)


class ItemPage(Page, kw_only=True, frozen=True):
    """One page of items; the ids are empty strings on an empty page."""

    data: list[Item]


class ResponsePage(Page, kw_only=True, frozen=True):
    """One page of responses; the ids are empty strings on an empty page."""

    data: list[Response]


def page_of(objects: Sequence[tuple[str, object]], *, more: bool) -> Page:
    """Return a page of (id, object); its ids are empty strings when it is empty, which strict clients want."""
    first, last = (objects[0][0], objects[-1][0]) if objects else ("", "")
    return Page(data=[thing for _, thing in objects], first_id=first, last_id=last, has_more=more)
