"""The catalog of providers: `catalog.toml`, read once and checked whole.

A model's profile is put together from what is said of it, from the widest to the nearest: its wire format, its
provider's entry, the rows of the entry that match its name, what the provider's own list of models tells, and what the
operator sets. The catalog is data: an `if` on a provider's name stands nowhere.
"""

import fnmatch
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from antiphon.providers import profiles
from antiphon.types.profiles import Profile

Format: TypeAlias = Literal["chat", "responses", "anthropic", "gemini"]
Filled: TypeAlias = Annotated[str, Meta(min_length=1)]
Fields: TypeAlias = Mapping[str, object]
"""Fields of a profile by name, checked."""

_NOTHING: Fields = {}

BASES: Mapping[Format, Profile] = {
    "chat": profiles.CHAT,
    "responses": profiles.RESPONSES,
    "anthropic": profiles.ANTHROPIC,
    "gemini": profiles.GEMINI,
}
"""The profile that each wire format begins with."""


class Auth(Struct, frozen=True):
    """How a key is told: a header, and what stands before the key in it."""

    header: str
    prefix: str = ""

    def headers(self, key: str) -> dict[str, str]:
        """Return the header with the key."""
        return {self.header: f"{self.prefix}{key}"}


AuthName: TypeAlias = Literal["bearer", "x-api-key", "x-goog-api-key", "api-key"]
AUTHS: Mapping[AuthName, Auth] = {
    "bearer": Auth("Authorization", "Bearer "),
    "x-api-key": Auth("x-api-key"),
    "x-goog-api-key": Auth("x-goog-api-key"),
    "api-key": Auth("api-key"),
}


class Row(Struct, frozen=True):
    """What is known of some models of a provider, by patterns of their names in lower case."""

    match: Sequence[str]
    fields: Fields

    def holds_for(self, model: str) -> bool:
        """Say whether the model is one of them."""
        return any(fnmatch.fnmatchcase(model.lower(), pattern) for pattern in self.match)


class Entry(Struct, frozen=True, kw_only=True):
    """One provider of the catalog."""

    name: str
    format: Format
    auth: Auth
    base_url: str | None
    """Its address; None where the operator has to give it, in the form that `form` shows."""
    form: str | None
    keys: Sequence[str]
    """Variables in which its key is looked for."""
    detect: bool
    headers: Mapping[str, str]
    fields: Fields
    """Where it deviates from the profile of its format."""
    rows: Sequence[Row]

    def key_variable(self, environ: Mapping[str, str]) -> str | None:
        """Return the first of its variables that is set; an empty one is not."""
        return next((name for name in self.keys if environ.get(name)), None)

    def told(self, model: str) -> Fields:
        """Return what the catalog says of a model beyond its wire format."""
        told = dict(self.fields)
        for row in self.rows:
            if row.holds_for(model):
                told.update(row.fields)
        return told


class BadCatalog(ValueError):
    """The catalog can't be used: a fault of ours, never of an operator's."""


def entries() -> Mapping[str, Entry]:
    """Return every provider of the catalog by name. Raises BadCatalog."""
    return _shipped()


def profile_for(source: Entry | Profile, model: str, learned: Fields = _NOTHING, given: Fields = _NOTHING) -> Profile:
    """Return the profile of a model: of an entry, or of a provider that is no entry and begins with a format's profile.

    `learned` is what the provider's own list tells of the model: it is newer than the catalog and wins over it.
    `given` is what the operator sets, and wins over all. It takes some 100 µs: do it once a model.
    """
    if isinstance(source, Entry):
        return replace(BASES[source.format], **{**source.told(model), **learned, **given})
    return replace(source, **{**learned, **given})


def detected(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the providers that their key alone makes usable, with the variable that holds it.

    One's own machines are not among them: that a key is there doesn't say that a server is.
    """
    return {
        name: variable
        for name, entry in entries().items()
        if entry.detect
        and entry.base_url is not None
        and entry.base_url.startswith("https://")
        and (variable := entry.key_variable(environ)) is not None
    }


# -- reading --------------------------------------------------------------------------------------------------


class _Entry(Struct, kw_only=True, forbid_unknown_fields=True):
    """An entry as it is written."""

    format: Format
    base_url: Filled | None = None
    form: Filled | None = None
    keys: list[Filled] = []
    detect: bool = True
    auth: AuthName = "bearer"
    headers: dict[str, str] = {}
    profile: dict[str, Any] = {}
    like: str | UnsetType = UNSET
    models: list[dict[str, Any]] = []


class _Match(Struct):
    match: Annotated[list[Filled], Meta(min_length=1)]


@cache
def _shipped() -> Mapping[str, Entry]:
    text = resources.files("antiphon.providers").joinpath("catalog.toml").read_text(encoding="utf-8")
    return read(text)


def read(text: str) -> Mapping[str, Entry]:
    """Read a catalog. Raises BadCatalog for the first thing that is wrong in it."""
    made: dict[str, Entry] = {}
    for name, table in tomllib.loads(text).items():
        try:
            made[name] = _entry(name, msgspec.convert(table, _Entry), made)
        except (msgspec.ValidationError, BadCatalog) as exc:
            raise BadCatalog(f"{name}: {exc}") from exc
    return made


def _entry(name: str, written: _Entry, before: Mapping[str, Entry]) -> Entry:
    if (written.base_url is None) == (written.form is None):
        raise BadCatalog("has either a base_url, or the form of one that the operator gives")
    rows = [_row(table) for table in written.models]
    if written.like is not UNSET:
        if written.like not in before:
            raise BadCatalog(f"no entry '{written.like}' stands before it")
        rows = [*before[written.like].rows, *rows]
    return Entry(
        name=name,
        format=written.format,
        auth=AUTHS[written.auth],
        base_url=written.base_url,
        form=written.form,
        keys=tuple(written.keys),
        detect=written.detect,
        headers=written.headers,
        fields=_checked(written.profile),
        rows=tuple(rows),
    )


def _row(table: Mapping[str, Any]) -> Row:
    match = msgspec.convert(table, _Match).match
    if any(pattern != pattern.lower() for pattern in match):
        raise BadCatalog(f"patterns are in lower case, as names are when they are looked for: {match}")
    fields = {name: value for name, value in table.items() if name != "match"}
    if not fields:
        raise BadCatalog(f"the row of {match} says nothing")
    return Row(tuple(match), _checked(fields))


def _checked(fields: Mapping[str, Any]) -> Fields:
    """Return fields of a profile as a profile has them."""
    profile = msgspec.convert(fields, Profile)
    return {name: getattr(profile, name) for name in fields}
