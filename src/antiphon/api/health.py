"""Whether the process lives and whether it can serve; no provider is asked."""

from typing import Literal

from msgspec import Struct

from antiphon import __version__
from antiphon.api.calls import Call, Endpoint, Reply


class Health(Struct, kw_only=True, frozen=True):
    """The answer of all three routes."""

    status: Literal["ok"] = "ok"
    version: str = __version__


async def live(_: Call) -> Reply:
    """Say that the loop turns."""
    return Reply(Health())


async def ready(call: Call) -> Reply:
    """Say that the database takes a write. 503 when it doesn't."""
    await call.services.store.check()
    return Reply(Health())


ROUTES = [
    Endpoint("GET", "/livez", live, reply=Health, public=True),
    Endpoint("GET", "/readyz", ready, reply=Health, public=True),
    Endpoint("GET", "/health", ready, reply=Health, public=True),
]
