"""The store in one SQLite file."""

from antiphon.store.sqlite.migrations import SchemaMismatch
from antiphon.store.sqlite.store import SqliteStore, open_store

__all__ = ["SchemaMismatch", "SqliteStore", "open_store"]
