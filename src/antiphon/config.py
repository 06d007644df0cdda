"""Settings: one TOML file and the environment, read once, checked whole.

What was said nearest to the start wins: flags, then the environment, then the file, then the defaults here.
Every fault is collected with its place and told at once in one `SettingsError`. Secrets are named, never
written down: a key is `env:NAME` or `file:PATH`, and what was read from there shows itself as `***`.
"""

import difflib
import hmac
import ipaddress
import math
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from antiphon.providers.catalog import AUTHS, Entry, Format, detected, entries
from antiphon.types.limits import Limits, Timeout
from antiphon.types.profiles import Profile

LogLevel = Literal["debug", "info", "warning", "error"]
Port = Annotated[int, Meta(ge=0, le=65535)]
Filled = Annotated[str, Meta(min_length=1)]

MIN_KEY_LENGTH = 24
"""Characters of ANTIPHON_API_KEY: what `openssl rand -base64 18` prints, 144 random bits."""

_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*\Z")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # a token of RFC 9110
_HEADER_VALUE = re.compile(r"[\x20-\x7e]+\Z")
_KEY_TEXT = re.compile(r"[\x21-\x7e]+\Z")
_SOURCE = re.compile(r"(env|file):(.+)\Z")
_BOUND = re.compile(r"Expected `[^`]+`(?P<length> of length)? (?P<bound>[<>]=? \S+)")
_WORDS = {"float": "a number", "int": "a whole number", "str": "text", "bool": "true or false"}


class SettingsError(Exception):
    """The settings can't be used; `faults` has one line for each reason, beginning with its place."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Secret:
    """A value that never shows itself; `source` says where it came from (a variable's name or a path)."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source

    def reveal(self) -> str:
        """Return the value, at the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(self._value)


class Server(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server listens and keeps its data: `[server]`."""

    host: Filled = "127.0.0.1"
    """The address to listen on. Anything but loopback needs TLS in front of it. ANTIPHON_HOST."""

    port: Port = 8484
    """The port to listen on; 0 takes any free one. ANTIPHON_PORT."""

    data: Path = Path("~/.local/share/antiphon")
    """The folder of the database; `$XDG_DATA_HOME/antiphon` where that is set. ANTIPHON_DATA."""

    @property
    def database(self) -> Path:
        """The database file."""
        return self.data / "antiphon.db"


class Demo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The built-in demo models: `[demo]`."""

    enabled: bool = True
    """Whether `demo-chat`, `demo-slow` and `demo-tools` can be named."""

    seed: int = 0
    """Chooses among the demo answers; the same seed and conversation give the same answer."""

    delay: Annotated[float, Meta(ge=0, le=60)] = 0.015
    """Seconds between two pieces of an answer; 0 for tests."""


class Provider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server of models: `[providers.NAME]`. What is absent comes from the catalog's entry, where there is one."""

    kind: Filled | None = None
    """The entry of the catalog that it is. Absent: the entry of this name, if there is one."""

    format: Format | None = None
    """The wire format it speaks: Chat Completions, Responses, Messages or generateContent."""

    base_url: str | None = None
    """The address before `/chat/completions`, `/responses`, `/messages` or `/models`, mostly ending in `/v1`."""

    api_key: Secret | None = None
    """Where its key is: `env:NAME` or `file:PATH`. Absent for servers that want none."""

    api_keys: Annotated[list[Secret], Meta(min_length=1)] | None = None
    """Where its keys are, when there are several: conversations are spread over them."""

    models: Annotated[list[Filled], Meta(min_length=1)] | None = None
    """Names and patterns (`gpt-*`) of the models to take from it. Absent: all that it lists."""

    timeout: Timeout = Timeout()
    """How long it may take."""

    concurrency: Annotated[int, Meta(ge=1)] | None = None
    """Requests that it gets at a time. Absent: no limit."""

    queue: Annotated[int, Meta(ge=0)] = 100
    """Requests that may wait for their turn when `concurrency` is reached; more are refused."""

    queue_wait: Annotated[float, Meta(gt=0)] = 30.0
    """Seconds that a request may wait for its turn."""

    profile: dict[str, object] = {}
    """What it can do and how it deviates: fields of a profile that replace those known of its models."""

    headers: dict[str, Secret] = {}
    """Extra headers of every request; a value may be `env:NAME` or `file:PATH`."""

    @property
    def keys(self) -> Sequence[Secret]:
        """Every key, none for servers that want none."""
        return self.api_keys or ([self.api_key] if self.api_key else [])

    @property
    def key_source(self) -> str | None:
        """Where the keys came from, to show."""
        return ", ".join(key.source for key in self.keys) or None

    @property
    def entry(self) -> Entry | None:
        """What the catalog knows of it."""
        return entries().get(self.kind) if self.kind else None

    @property
    def address(self) -> str:
        """The address, which a provider that was read always has."""
        return self.base_url or ""

    @property
    def wire(self) -> Format:
        """The wire format, which a provider that was read always has."""
        return self.format or "chat"

    def auth_headers(self, key: Secret | None) -> dict[str, str]:
        """Return what every request carries: our key there, what the catalog says, and the extra headers."""
        source = self.entry or entries().get(self.wire)
        auth = source.auth if source else AUTHS["bearer"]
        extra = {name: value.reveal() for name, value in self.headers.items()}
        return {**(source.headers if source else {}), **(auth.headers(key.reveal()) if key else {}), **extra}


class Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model that an alias leads to."""

    model: Filled
    """Its full name, `provider/model`."""

    weight: Annotated[float, Meta(gt=0)] | None = None
    """Its share of the requests. Absent for all: the first that can is asked, the others stand in for it."""


class Alias(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name of the operator's own for models: `[models.NAME]`."""

    targets: Annotated[list[Target], Meta(min_length=1)]
    """What it leads to: full names in order, or tables of `model` and `weight`."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator may decide; the keys at the top of the file."""

    default_model: Filled | None = None
    """The model that commands ask when none is named. Absent: the first in a provider's `models`, or `demo-chat`."""

    unknown_parameters: Literal["reject", "ignore"] = "reject"
    """What to do with a request's parameters that this version doesn't know."""

    strict_params: bool = False
    """Whether what would be left out with a note is refused instead."""

    client_conversation_ids: bool = True
    """Whether a request may name a conversation that doesn't exist yet, which creates it."""

    retries: Annotated[int, Meta(ge=0, le=10)] = 2
    """How often a model is asked again when its provider failed and nothing of an answer has come."""

    circuit_breaker: bool = True
    """Whether a model that keeps failing isn't asked for a while, so that its stand-in is asked at once."""

    log_level: LogLevel = "info"
    """Log lines below this level are dropped. ANTIPHON_LOG_LEVEL."""

    detect: bool = True
    """Whether to look for providers: their keys in the environment, Ollama on this machine."""

    api_key: Secret | None = None
    """A key of the default tenant beside those in the database: `env:NAME` or `file:PATH`. ANTIPHON_API_KEY."""

    sealing_keys: list[Secret] = []
    """Keys that seal reasoning state, newest first; each is `id:base64` of 32 bytes, in `env:NAME` or `file:PATH`."""

    server: Server = Server()
    """Where the server listens and keeps its data."""

    limits: Limits = Limits()
    """What one request may cost."""

    demo: Demo = Demo()
    """The built-in demo models."""

    allowed_networks: list[Filled] = []
    """Networks inside, such as `10.1.0.0/16`, from which images and files that a request names may be fetched."""

    providers: dict[str, Provider] = {}
    """The servers of models, by the names they have here."""

    models: dict[str, Alias] = {}
    """Names of the operator's own for models."""


class Flags(Struct, frozen=True, kw_only=True):
    """What was given on the command line; None is "not given"."""

    config: str | None = None
    host: str | None = None
    port: str | None = None
    data: str | None = None
    log_level: str | None = None
    detect: bool | None = None


def load(flags: Flags, environ: Mapping[str, str]) -> Settings:
    """Read the file and the environment. Raises SettingsError with every fault found."""
    config = _first(("--config", flags.config), ("ANTIPHON_CONFIG", environ.get("ANTIPHON_CONFIG")))
    table = _parse(*config) if config else {}
    folder = Path(config[1]).expanduser().absolute().parent if config else Path.cwd()
    reader = _Reader(environ, folder)
    said: Settings = reader.struct(Settings, table, "") or Settings()
    if said.server.data == Server().data:
        said = _with_server(said, data=default_data(environ))
    settings = _overlay(reader, said, flags, environ)
    settings = _with_detected(settings, environ)
    _check_targets(reader, settings)
    if reader.faults:
        raise SettingsError(reader.faults)
    return settings


def _check_targets(reader: "_Reader", settings: Settings) -> None:
    """Note targets of aliases whose provider can't be there; one that is looked for may be, some other time."""
    known = {"demo", *settings.providers, *(entries() if settings.detect else ())}
    for name, alias in settings.models.items():
        for index, target in enumerate(alias.targets):
            provider, slash, _ = target.model.partition("/")
            if not slash or provider not in known:
                why = (
                    f"no such provider{_did_you_mean(provider, sorted(known))}" if slash else "expected provider/model"
                )
                reader.note(f"models.{name}.targets[{index}]", why)


def default_data(environ: Mapping[str, str]) -> Path:
    """Return the data folder of this user; a relative XDG_DATA_HOME is ignored, as its specification says."""
    xdg = Path(environ.get("XDG_DATA_HOME") or "")
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return (xdg if xdg.is_absolute() else home / ".local" / "share") / "antiphon"


def _first(*given: tuple[str, str | None]) -> tuple[str, str] | None:
    """Return the first place that said something, and what it said; an empty variable says nothing."""
    return next(((place, value) for place, value in given if value), None)


def _parse(place: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as exc:
        raise SettingsError([f"{place}: cannot read {path}: {exc.strerror}"]) from exc
    except UnicodeDecodeError as exc:
        raise SettingsError([f"{place}: {path} is not UTF-8 text"]) from exc
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError([f"{place}: {path} is not TOML: {exc}"]) from exc


def _overlay(reader: "_Reader", settings: Settings, flags: Flags, environ: Mapping[str, str]) -> Settings:
    """Put what the flags and the environment say over what the file said."""

    def said(name: str, flag: str | None, wanted: object) -> dict[str, Any]:
        variable = f"ANTIPHON_{name.upper()}"
        given = _first((f"--{name.replace('_', '-')}", flag), (variable, environ.get(variable)))
        if given is None:
            return {}
        place, text = given
        value = int(text) if wanted is Port and re.fullmatch("[0-9]{1,9}", text) else text
        return {name: reader.attempt(place, lambda: _plain(wanted, value))}

    server = said("host", flags.host, Filled) | said("port", flags.port, Port) | said("data", flags.data, str)
    if "data" in server:
        server["data"] = Path(server["data"]).expanduser().absolute()
    changes = said("log_level", flags.log_level, LogLevel)
    if flags.detect is not None:
        changes["detect"] = flags.detect
    if own := environ.get("ANTIPHON_API_KEY"):
        changes["api_key"] = Secret(own, "ANTIPHON_API_KEY")
    changed = msgspec.structs.replace(_with_server(settings, **server), **changes)
    if key := changed.api_key:
        reader.attempt("ANTIPHON_API_KEY" if own else "api_key", lambda: _own_key(key))
    return changed


def _with_server(settings: Settings, **changes: object) -> Settings:
    return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, **changes))


def _with_detected(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Add every provider of the catalog whose key is in the environment, unless it is configured."""
    if not settings.detect:
        return settings
    known = {provider.kind for provider in settings.providers.values()} | settings.providers.keys()
    found = {
        name: _from_entry(entries()[name], Provider(), environ)
        for name, variable in detected(environ).items()
        if name not in known and _KEY_TEXT.match(environ[variable])
    }
    return msgspec.structs.replace(settings, providers={**settings.providers, **found})


def _from_entry(entry: Entry, given: Provider, environ: Mapping[str, str]) -> Provider:
    """Return a provider with what the catalog knows in the place of what isn't given."""
    variable = entry.key_variable(environ)
    key = Secret(environ[variable], variable) if variable and not given.keys else given.api_key
    return msgspec.structs.replace(
        given, kind=entry.name, format=entry.format, base_url=given.base_url or entry.base_url, api_key=key
    )


class _Bad(Exception):
    """A value that can't be used, and why; `at` is the place inside it."""

    def __init__(self, what: str, at: str = "") -> None:
        super().__init__(what)
        self.at = at


class _Reader:
    """Turns the file's tables into Structs, field by field, so that one fault doesn't hide the next.

    A method that is given one value raises `_Bad`; those that go through a table note the faults of its fields.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self.environ = environ
        self.folder = folder  # relative paths in the file start here
        self.faults: list[str] = []

    def note(self, place: str, what: object, at: str = "") -> None:
        self.faults.append(f"{place}{at}: {what}")

    def attempt(self, place: str, make: Callable[[], Any]) -> Any:
        """Return what `make` makes; note a fault and return None when it can't."""
        try:
            return make()
        except _Bad as bad:
            self.note(place, bad, bad.at)
            return None

    def each(self, table: object, place: str, make: Callable[[str, object, str], Any]) -> dict[str, Any]:
        """Return what `make` makes of each name, value and place in a table."""
        if not _is_table(table):
            raise _Bad(f"expected a table, got {_shown(table)}")
        places = {name: f"{place}.{name}" if place else name for name in table}
        return {name: self.attempt(at, partial(make, name, table[name], at)) for name, at in places.items()}

    def struct(self, kind: type[Any], table: object, place: str) -> Any:
        """Return a `kind` made of the table, None when a fault was noted."""
        noted = len(self.faults)
        values = self.fields(kind, table, place)
        for field in msgspec.structs.fields(kind):
            if field.required and field.name not in values:
                self.note(f"{place}.{field.name}", f"is missing; expected {_wanted(field.type)}")
        return kind(**values) if len(self.faults) == noted else None

    def fields(self, kind: type[Any], table: object, place: str) -> dict[str, Any]:
        """Return the fields of `kind` that the table has, checked."""
        known = {field.name: field.type for field in msgspec.structs.fields(kind)}

        def one(name: str, value: object, at: str) -> Any:
            if name not in known:
                raise _Bad(f"no such setting{_did_you_mean(name, list(known))}")
            return self.field(kind, name, known[name], value, at)

        return self.each(table, place, one)

    def field(self, kind: type[Any], name: str, wanted: Any, value: object, place: str) -> Any:  # noqa: C901 # a table
        """Return one field's value; those that aren't plain have a reader of their own."""
        match (kind.__name__, name):
            case ("Settings", "providers"):
                return self.each(value, place, self.provider)
            case ("Settings", "models"):
                return self.each(value, place, self.alias)
            case ("Settings", "allowed_networks"):
                return _networks(_plain(wanted, value))
            case ("Alias", "targets"):
                return self.targets(value)
            case ("Provider", "api_keys"):
                return self.secrets(_plain(Annotated[list[Any], Meta(min_length=1)], value))
            case ("Settings", "sealing_keys"):
                return self.secrets(_plain(list[Any], value))
            case ("Provider", "profile"):
                return self.fields(Profile, value, place)
            case ("Provider", "headers"):
                return self.each(value, place, self.header)
            case ("Provider", "base_url"):
                return _base_url(_plain(str, value))
            case ("Settings" | "Provider", "api_key"):
                return self.secret(value, _KEY_TEXT)
            case ("Server", "data"):
                return self.folder / Path(_plain(Filled, value)).expanduser()
            case _ if isinstance(wanted, type) and issubclass(wanted, Struct):
                return self.struct(wanted, value, place)
            case _:
                return _plain(wanted, value)

    def provider(self, name: str, value: object, place: str) -> Any:
        if name == "demo":
            self.note(place, "this name belongs to the built-in demo models; choose another")
        elif not _PROVIDER_NAME.match(name):
            self.note(place, "a provider's name is a-z, 0-9, _, . and -, beginning with a letter or a digit")
        given: Provider | None = self.struct(Provider, value, place)
        entry = self.entry(name, value, place) if _is_table(value) else None
        return given and (_from_entry(entry, given, self.environ) if entry else given)

    def entry(self, name: str, table: Mapping[str, Any], place: str) -> Entry | None:
        """Return what the catalog knows of a provider, and note what is missing then."""
        kind = table.get("kind")
        entry = entries().get(kind if isinstance(kind, str) else name)
        if isinstance(kind, str) and entry is None:
            self.note(f"{place}.kind", f"not in the catalog{_did_you_mean(kind, list(entries()))}")
            return None
        if "api_key" in table and "api_keys" in table:
            self.note(f"{place}.api_keys", "api_key is given too; one of them says it all")
        if entry is not None and table.get("format", entry.format) != entry.format:
            if isinstance(kind, str):
                self.note(f"{place}.format", f'"{kind}" speaks {entry.format}; leave kind or format out')
            entry = None  # it is spoken to in another way than the catalog knows
        if entry is None and "format" not in table:
            self.note(f"{place}.format", f"is missing; expected {_wanted(Format)}, for the catalog has no '{name}'")
        if "base_url" not in table and (entry is None or entry.base_url is None):
            self.note(f"{place}.base_url", f"is missing; {f'it looks like {entry.form}' if entry else 'expected text'}")
        return entry

    def alias(self, name: str, value: object, place: str) -> Any:
        if "/" in name:
            self.note(place, "an alias has no slash: that is how a provider's models are named")
        return self.struct(Alias, value, place)

    def targets(self, value: object) -> list[Target]:
        """Return an alias's targets, of which a plain name is one without a weight."""
        if isinstance(value, list):
            each_written = cast("list[object]", value)  # TOML's lists hold anything
            value = [{"model": each} if isinstance(each, str) else each for each in each_written]
        found: list[Target] = _plain(Annotated[list[Target], Meta(min_length=1)], value)
        weighted = [target.weight is not None for target in found]
        if any(weighted) and not all(weighted):
            raise _Bad("either every target has a weight or none has")
        return found

    def header(self, name: str, value: object, place: str) -> Secret:
        """Return a header's value. What stands there may be a secret, so no message shows it."""
        if not _HEADER_NAME.match(name):
            raise _Bad("not a header's name")
        if name.lower() == "authorization":
            raise _Bad("this header is made from api_key; set that instead")
        if not isinstance(value, str) or not _HEADER_VALUE.match(value):
            raise _Bad("expected text of printable ASCII")
        return self.secret(value, _HEADER_VALUE) if _SOURCE.match(value) else Secret(value, "the file")

    def secret(self, value: object, fits: re.Pattern[str]) -> Secret:
        """Return what `env:NAME` or `file:PATH` leads to. The value itself is in no message."""
        match = _SOURCE.match(value) if isinstance(value, str) else None
        if match is None:
            raise _Bad("a key isn't written here; expected env:NAME or file:PATH")
        found = self.variable(match[2]) if match[1] == "env" else self.file(match[2])
        if not fits.match(found):
            raise _Bad(f"what {match[0]} holds can't be sent in a header: it isn't one line of printable ASCII")
        return Secret(found, match[2])

    def secrets(self, values: list[Any]) -> list[Secret]:
        return [self.secret(each, _KEY_TEXT) for each in values]

    def variable(self, name: str) -> str:
        if not (found := self.environ.get(name)):
            raise _Bad(f"the variable {name} is not set")
        return found

    def file(self, name: str) -> str:
        try:
            found = (self.folder / Path(name).expanduser()).read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise _Bad(f"cannot read {name}: {exc.strerror}") from exc
        except UnicodeDecodeError as exc:
            raise _Bad(f"cannot read {name}: not UTF-8 text") from exc
        if not found:
            raise _Bad(f"{name} is empty")
        return found


def _is_table(thing: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(thing, dict)


def _base_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise _Bad("credentials don't belong in the address; give the key as api_key")
    if not usable or re.search(r"[^\x21-\x7e]", text):
        raise _Bad(f"expected an http or https address, got {_shown(text)}")
    if "?" in text or "#" in text:
        raise _Bad("an address with a query or a fragment can't be extended; leave it out")
    return text.rstrip("/")


def _networks(given: list[str]) -> list[str]:
    for index, network in enumerate(given):
        try:
            ipaddress.ip_network(network)
        except ValueError as exc:
            raise _Bad(f"not a network: {exc}", f"[{index}]") from exc
    return given


def _own_key(key: Secret) -> Secret:
    """Return the key that clients must show to us: hard to guess, and possible to send."""
    if (length := len(key.reveal())) < MIN_KEY_LENGTH:
        raise _Bad(
            f"a key of {length} characters can be guessed; it needs {MIN_KEY_LENGTH} or more (openssl rand -base64 24)"
        )
    if not _KEY_TEXT.match(key.reveal()):
        raise _Bad("the key can't be sent in a header: it isn't one word of printable ASCII")
    return key


def _plain(wanted: Any, value: object) -> Any:
    """Return a plain value of the type that is wanted."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _Bad(f"expected {_wanted(wanted)}, got {value}")
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as exc:
        at, what = _reason(str(exc), wanted, value)
        raise _Bad(what, at) from exc


def _shown(value: object) -> str:
    """Return a value as TOML would write it, cut short."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = f'"{value}"'
        case dict():
            text = "a table"
        case list():
            text = "a list"
        case _:
            text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _did_you_mean(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"


def _wanted(kind: Any) -> str:
    """Say in words what a type takes."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return _wanted(typing.get_args(kind)[0])
    if origin is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in typing.get_args(kind))
    if origin in {typing.Union, types.UnionType}:
        return _wanted(typing.get_args(kind)[0])
    if origin in {list, frozenset}:
        return "a list"
    return _WORDS.get(getattr(kind, "__name__", ""), "a table")


def _reason(said: str, wanted: Any, value: Any) -> tuple[str, str]:
    """Return the place inside the value and the fault, in our words for msgspec's."""
    said, _, at = said.partition(" - at `$")
    for index in re.findall(r"\[(\d+)\]", at):
        value = list(value)[int(index)]
        wanted = _inside(wanted)
    bound = _BOUND.search(said)
    if bound and bound["length"]:
        return at.rstrip("`"), "is empty" if not value else f"has a length that isn't {bound['bound']}"
    limits = f" {bound['bound']}" if bound else ""
    return at.rstrip("`"), f"expected {_wanted(wanted)}{limits}, got {_shown(value)}"


def _inside(kind: Any) -> Any:
    """Return what a list type holds."""
    while typing.get_origin(kind) not in {list, frozenset}:
        kind = typing.get_args(kind)[0]
    return typing.get_args(kind)[0]
