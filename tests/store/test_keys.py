"""What every store does with API keys."""

from hashlib import sha256

import pytest

from antiphon.errors import NotFound
from antiphon.ports import Store
from tests.store.factories import TENANT, a_key

DIGEST = sha256(b"sk-abcdefgh").digest()


async def test_a_key_tells_its_tenant(store: Store) -> None:
    await store.keys.add(a_key(), DIGEST)
    assert await store.keys.tenant(DIGEST, 200) == TENANT


async def test_an_unknown_key_tells_nothing(store: Store) -> None:
    await store.keys.add(a_key(), DIGEST)
    assert await store.keys.tenant(sha256(b"another").digest(), 200) is None


async def test_a_key_is_good_until_the_second_it_expires(store: Store) -> None:
    await store.keys.add(a_key(expires_at=300), DIGEST)
    assert await store.keys.tenant(DIGEST, 299) == TENANT
    assert await store.keys.tenant(DIGEST, 300) is None


async def test_a_revoked_key_is_good_no_more(store: Store) -> None:
    await store.keys.add(a_key(), DIGEST)
    assert await store.keys.revoke("key_1", 200) == a_key(revoked_at=200)
    assert await store.keys.tenant(DIGEST, 201) is None


async def test_revoking_twice_keeps_the_first_time(store: Store) -> None:
    await store.keys.add(a_key(), DIGEST)
    await store.keys.revoke("key_1", 200)
    assert (await store.keys.revoke("key_1", 300)).revoked_at == 200


async def test_revoking_an_unknown_key_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.keys.revoke("key_1", 200)


async def test_all_keys_are_listed_oldest_first_with_what_they_were_made_with(store: Store) -> None:
    older, newer = a_key("key_2", created_at=50, expires_at=900), a_key("key_1", created_at=60)
    await store.keys.add(newer, sha256(b"newer").digest())
    await store.keys.add(older, sha256(b"older").digest())
    assert await store.keys.all() == [older, newer]
