"""What most commands begin with: the settings and the store."""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from antiphon.cli.trouble import Trouble
from antiphon.config import Flags, Settings, load
from antiphon.errors import StoreUnavailable
from antiphon.ports import Keys
from antiphon.store.sqlite import SchemaMismatch, open_store
from antiphon.telemetry import Level, set_level

T = TypeVar("T")


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings under the flags of this command. Raises SettingsError."""
    given = {name: getattr(options, name, None) for name in Flags.__struct_fields__}
    return load(Flags(**given), os.environ)


def with_keys(settings: Settings, work: Callable[[Keys], Awaitable[T]]) -> T:
    """Open the store, do something with its keys, and close it; the database is made if it isn't there."""
    set_level(Level.WARNING)  # a new database is no news here
    settings.server.data.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def run() -> T:
        store = open_store(settings.server.database)
        try:
            return await work(store.keys)
        finally:
            store.close()

    try:
        return asyncio.run(run())
    except SchemaMismatch as exc:
        what = f"The database {settings.server.database} doesn't fit this release."
        raise Trouble(what, str(exc), "Try: antiphon doctor") from exc
    except StoreUnavailable as exc:
        what = f"The database {settings.server.database} can't be used."
        raise Trouble(what, exc.message, "Try: antiphon doctor") from exc
