"""Whether the process lives, whether it can serve, and how its providers are; none of them is asked."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from antiphon import __version__
from antiphon.api.calls import Call, Endpoint, Reply
from antiphon.errors import Unauthorized
from antiphon.types.health import ProviderHealth


class Health(Struct, kw_only=True, frozen=True):
    """The answer of all three routes; `providers` is there for whoever asked for it with a key."""

    status: Literal["ok"] = "ok"
    version: str = __version__
    providers: list[ProviderHealth] | UnsetType = UNSET


class ReadyQuery(Struct, kw_only=True, frozen=True):
    """The query of `GET /readyz`; `?verbose` alone is enough."""

    verbose: bool | Literal[""] = False


async def live(_: Call) -> Reply:
    """Say that the loop turns."""
    return Reply(Health())


async def ready(call: Call) -> Reply:
    """Say that the database takes a write. 503 when it doesn't.

    With `verbose` and a key, also how the providers are: that changes no status, for an outage of a provider is not
    ours. Without a key `verbose` changes nothing.
    """
    is_verbose = call.query(ReadyQuery).verbose is not False
    await call.services.store.check()
    if not is_verbose or not await _has_key(call):
        return Reply(Health())
    return Reply(Health(providers=list(call.services.models.health())))


async def _has_key(call: Call) -> bool:
    """Say whether a caller who needs no key has one all the same."""
    try:
        call.tenant = await call.services.keys.tenant(call.authorization)
    except Unauthorized:
        return False
    return True


ROUTES = [
    Endpoint("GET", "/livez", live, reply=Health, public=True),
    Endpoint("GET", "/readyz", ready, query=ReadyQuery, reply=Health, public=True),
    Endpoint("GET", "/health", ready, query=ReadyQuery, reply=Health, public=True),
]
