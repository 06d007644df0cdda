"""Keys: how they are made, and how a server knows them."""

import hashlib
import re
from collections.abc import Mapping

import pytest

from antiphon.errors import Unauthorized
from antiphon.ports import KeyRow
from antiphon.tenancy import keys
from antiphon.tenancy.keys import KeyRing, digest, new_key, row


class FakeKeys:
    """The port, over a dictionary that counts how often it is asked."""

    def __init__(self, tenants: Mapping[bytes, str]) -> None:
        self.tenants = dict(tenants)
        self.asked = 0

    async def add(self, key: KeyRow, digest: bytes) -> None:
        self.tenants[digest] = key.tenant

    async def tenant(self, digest: bytes, now: int) -> str | None:
        self.asked += 1
        return self.tenants.get(digest)

    async def all(self) -> list[KeyRow]:
        return []

    async def revoke(self, key_id: str, now: int) -> KeyRow:
        raise NotImplementedError


class Clock:
    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


def a_ring(*given: str, static: str | None = None) -> tuple[KeyRing, FakeKeys, Clock]:
    store, clock = FakeKeys({digest(key): "ada" for key in given}), Clock()
    return KeyRing(store, {digest(static): "default"} if static else {}, clock), store, clock


def test_a_key_has_256_random_bits_behind_its_prefix() -> None:
    assert re.fullmatch(r"ap_live_[\w-]{43}", new_key())
    assert len({new_key() for _ in range(100)}) == 100


def test_what_is_stored_of_a_key_is_its_sha256_and_its_beginning() -> None:
    key = new_key()
    stored = row(key, tenant="ada", name="laptop", now=5, expires_at=9)
    assert digest(key) == hashlib.sha256(key.encode()).digest()
    assert (stored.tenant, stored.name, stored.created_at, stored.expires_at) == ("ada", "laptop", 5, 9)
    assert stored.prefix == key[:12]
    assert stored.id.startswith("key_")
    assert key not in repr(stored)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_known_key_opens_its_tenant_in_any_spelling_of_bearer(scheme: str) -> None:
    ring, _, _ = a_ring("secret")
    assert await ring.tenant(f"{scheme} secret") == "ada"


async def test_a_key_of_the_settings_opens_its_tenant_without_the_store() -> None:
    ring, store, _ = a_ring(static="from the settings")
    assert await ring.tenant("Bearer from the settings") == "default"
    assert store.asked == 0


@pytest.mark.parametrize(
    "header",
    [None, "", "secret", "Bearer", "Bearer ", "Basic secret", "Bearer wrong", "Bearersecret", "Bearer\tsecret"],
)
async def test_anything_else_is_refused(header: str | None) -> None:
    ring, _, _ = a_ring("secret")
    with pytest.raises(Unauthorized) as caught:
        await ring.tenant(header)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    assert "secret" not in caught.value.message


async def test_a_key_is_remembered_for_two_seconds() -> None:
    ring, store, clock = a_ring("secret")
    assert ring.known("Bearer secret") is None
    await ring.tenant("Bearer secret")
    assert ring.known("Bearer secret") == "ada"
    clock.time += 1.9
    assert ring.known("Bearer secret") == "ada"
    clock.time += 0.2
    assert ring.known("Bearer secret") is None
    assert store.asked == 1


async def test_a_revoked_key_is_refused_once_it_is_forgotten() -> None:
    ring, store, clock = a_ring("secret")
    await ring.tenant("Bearer secret")
    store.tenants.clear()
    clock.time += 2.1
    assert ring.known("Bearer secret") is None
    with pytest.raises(Unauthorized):
        await ring.tenant("Bearer secret")


async def test_a_miss_is_never_remembered() -> None:
    ring, store, _ = a_ring()
    with pytest.raises(Unauthorized):
        await ring.tenant("Bearer secret")
    store.tenants[digest("secret")] = "ada"
    assert await ring.tenant("Bearer secret") == "ada"


async def test_the_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_CACHED", 3)
    given = [f"key{number}" for number in range(10)]
    ring, _, _ = a_ring(*given)
    for key in given:
        assert await ring.tenant(f"Bearer {key}") == "ada"
    assert sum(ring.known(f"Bearer {key}") is not None for key in given) <= 3
