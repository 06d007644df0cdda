"""API keys: made once, shown once, known by their SHA-256 ever after."""

import hashlib
import secrets
from collections.abc import Callable, Mapping

from antiphon.errors import Unauthorized
from antiphon.minting import mint
from antiphon.ports import KeyRow, Keys

DEFAULT_TENANT = "default"
PREFIX = "ap_live_"
SHOWN = 12
"""Characters of a key that stay visible in lists: the prefix and four more."""

MAX_CACHED = 10_000


def new_key() -> str:
    """Return a fresh key: the prefix and 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> bytes:
    """Return what is stored of a key. Its bits are random, so a fast hash is enough."""
    return hashlib.sha256(key.encode()).digest()


def row(key: str, *, tenant: str, name: str, now: int, expires_at: int | None = None) -> KeyRow:
    """Return the row of a key; times are Unix seconds."""
    return KeyRow(id=mint("key"), tenant=tenant, name=name, prefix=key[:SHOWN], created_at=now, expires_at=expires_at)


class KeyRing:
    """Who a caller is, by the Authorization header.

    A key that was found is remembered for `ttl` seconds under its full header, so a revoked one works that
    long at most. What was not found is never remembered, and costs the same whatever is wrong with it.
    """

    def __init__(self, keys: Keys, static: Mapping[bytes, str], now: Callable[[], float], ttl: float = 2.0) -> None:
        self._keys = keys
        self._static = static
        self._now = now
        self._ttl = ttl
        self._known: dict[str, tuple[str, float]] = {}

    def known(self, authorization: str | None) -> str | None:
        """Return the tenant of a header that was checked a moment ago."""
        found = self._known.get(authorization or "")
        return found[0] if found is not None and found[1] > self._now() else None

    async def tenant(self, authorization: str | None) -> str:
        """Return the tenant of a header. Raises Unauthorized."""
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip()
        if authorization is None or scheme.lower() != "bearer" or not key:
            text = "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'."
            raise Unauthorized(text)
        hashed, now = digest(key), self._now()
        tenant = self._static.get(hashed) or await self._keys.tenant(hashed, int(now))
        if tenant is None:
            raise Unauthorized
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._known[authorization] = (tenant, now + self._ttl)
        return tenant
