"""`Kept`: something we received, as its own bytes and our view of it."""

from typing import Generic, TypeVar

from msgspec import Raw

T = TypeVar("T")


class Kept(Generic[T]):
    """One received item or tool: bytes to speak, a view to act on.

    `view` is None when this version knows no such type. `raw` may be a slice of the request that brought it:
    it keeps that request's bytes alive, which are little more than the items themselves.
    """

    __slots__ = ("raw", "view")

    def __init__(self, raw: Raw, view: T | None) -> None:
        self.raw = raw
        self.view = view

    def __repr__(self) -> str:
        return f"Kept({bytes(self.raw)!r})"
