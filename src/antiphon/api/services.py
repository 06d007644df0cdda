"""What stands behind the API: made in wiring, reached by every call."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from antiphon.api.pulse import Pulse
from antiphon.engine.preparation import Preparation
from antiphon.engine.runner import Runner
from antiphon.ids import Mint
from antiphon.ports import Models, Store
from antiphon.types.limits import Limits


class KeyRing(Protocol):
    """Who a caller is."""

    def known(self, authorization: str | None) -> str | None:
        """Return the tenant of a header that was checked a moment ago."""
        ...

    async def tenant(self, authorization: str | None) -> str:
        """Return the tenant. Raises Unauthorized."""
        ...


class Services(Struct, kw_only=True):
    """Everything that handlers use."""

    store: Store
    models: Models
    runner: Runner
    preparation: Preparation
    keys: KeyRing
    limits: Limits
    pulse: Pulse
    mint: Mint
    now: Callable[[], int]
    tolerant: bool = False
