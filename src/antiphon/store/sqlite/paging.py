"""Pages of a list, as bounds for a query that reads up or down.

A page begins after `after` and ends before `before`. With `before` alone it is the page that ends there, and more
"follow" on its far side: that is what a way back needs. One object more than asked for says whether there are more.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from antiphon.errors import NotFound
from antiphon.ports import ListQuery

T = TypeVar("T")
P = TypeVar("P")


Find: TypeAlias = Callable[[str], P | None]
"""Returns where an id stands in the list, or None."""


class Span(Struct, Generic[P], frozen=True):
    """What to read: the places between `low` and `high`, `up` or down, and whether to turn it round afterwards."""

    low: P
    high: P
    up: bool
    turned: bool
    limit: int

    def cut(self, found: Sequence[T]) -> tuple[list[T], bool]:
        """Return the page out of what was read with `limit + 1`, and whether more follow."""
        page = list(found[: self.limit])
        if self.turned:
            page.reverse()
        return page, len(found) > self.limit


def span(page: ListQuery, low: P, high: P, find: Find[P]) -> Span[P]:
    """Return what to read of a list that stands between `low` and `high`. Raises NotFound for an unknown cursor."""
    after = _place("after", page.after, find)
    before = _place("before", page.before, find)
    first, last = (after, before) if page.ascending else (before, after)
    turned = after is None and before is not None
    return Span(
        low=low if first is None else first,
        high=high if last is None else last,
        up=page.ascending is not turned,
        turned=turned,
        limit=page.limit,
    )


def _place(param: str, cursor: str | None, find: Find[P]) -> P | None:
    if cursor is None:
        return None
    if (place := find(cursor)) is None:
        raise NotFound(f"No object with id '{cursor}' is in this list.", param=param)
    return place
