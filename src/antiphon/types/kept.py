"""`Kept`: something we received, as its own bytes and our view of it."""

from typing import Generic, TypeVar

from msgspec import Raw, Struct

T = TypeVar("T")


class Kept(Struct, Generic[T], frozen=True, eq=False, gc=False):
    """One received item or tool: bytes to speak, a view to act on.

    `view` is None when this version knows no such type. `raw` may be a slice of the request that brought it:
    it keeps that request's bytes alive, which are little more than the items themselves.
    """

    raw: Raw
    view: T | None
