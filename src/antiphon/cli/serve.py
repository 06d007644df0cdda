"""`antiphon serve`: run the server, and say where it is."""

import argparse
import asyncio
import contextlib
import errno
import ipaddress
import os
import shlex
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from antiphon import __version__, wiring
from antiphon.cli.client import client_url
from antiphon.cli.keys import OWN_NAME
from antiphon.cli.output import show, show_json_line
from antiphon.cli.setup import settings_of
from antiphon.cli.trouble import Trouble
from antiphon.config import Provider, Server, Settings, default_data
from antiphon.ports import Keys
from antiphon.store.sqlite import SchemaMismatch
from antiphon.tenancy.keys import DEFAULT_TENANT, digest, new_key, row
from antiphon.tenancy.sealing_keys import BadSealingKeys


class Start(Struct, frozen=True, kw_only=True):
    """What is known once the server is up; `new_key` is shown this once."""

    port: int
    is_new: bool
    new_key: str | None
    key_count: int
    demo_models: Sequence[str]


def serve(options: argparse.Namespace) -> int:
    """Run the server until it is told to stop."""
    settings = settings_of(options)
    folder = settings.server.data
    _check_port(settings.server.host, settings.server.port)
    is_new = not settings.server.database.exists()
    try:
        with wiring.owning(folder):
            assembly = wiring.assemble(settings)
            made, count = asyncio.run(_first_key(assembly.store.keys, has_own=settings.api_key is not None))

            is_up = False

            def ready(port: int) -> None:
                nonlocal is_up
                is_up = True
                names = assembly.demo.names
                start = Start(port=port, is_new=is_new, new_key=made, key_count=count, demo_models=names)
                _announce(settings, start, as_json=options.json)

            with contextlib.suppress(KeyboardInterrupt, SystemExit):  # Ctrl+C is how it is told to stop
                wiring.serve(assembly, ready)
            if not is_up:
                raise Trouble("The server didn't start.", "The log above says why.", "Try: antiphon doctor")
    except wiring.FolderInUse as exc:
        why = "Another server works there; two would end each other's runs."
        raise Trouble(f"The data folder {folder} is in use.", why, "Stop that one, or choose another: --data") from exc
    except SchemaMismatch as exc:
        what = f"The database {settings.server.database} doesn't fit this release."
        raise Trouble(what, str(exc), "Try: antiphon doctor") from exc
    except BadSealingKeys as exc:
        what = "The sealing keys can't be used."
        raise Trouble(what, f"{exc}.", "Mend it, or restore it from a backup.") from exc
    except OSError as exc:
        what = f"The data folder {folder} can't be used."
        raise Trouble(what, f"{exc.strerror or exc}.", "Mend it, or choose another: --data") from exc
    return 0


def banner(settings: Settings, start: Start) -> str:
    """Return what to show once the server is up."""
    lines = [f"antiphon {__version__}", ""]
    lines.append(f"  API       {api_url(settings.server.host, start.port)}")
    lines.append(f"  Data      {_short(settings.server.data)}{'  (new)' if start.is_new else ''}")
    lines.append(f"  Key       {_key_line(settings, start)}")
    if not is_loopback(settings.server.host):
        lines.append(
            "  Warning   others can reach this address and nothing is encrypted: put a proxy with TLS in front"
        )
    lines += ["", *_models(settings, start), ""]
    where = _flags(settings, start.port)
    lines.append(f'  Try       antiphon chat{where} "Explain background mode in two lines"')
    lines.append(f'            antiphon responses create{where} --background --watch "Write a short report"')
    lines.append("  Stop      Ctrl+C")
    return "\n".join(lines)


def _flags(settings: Settings, port: int) -> str:
    """Return the flags with which another command finds this server, where it isn't where it would look."""
    data = settings.server.data
    place = client_url(settings.server.host, port)
    here = f" --url {place}" if place != client_url(Server().host, Server().port) else ""
    return here if data == default_data(os.environ) else f"{here} --data {shlex.quote(str(data))}"


def api_url(host: str, port: int) -> str:
    """Return the address that clients take as `base_url`."""
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


def is_loopback(host: str) -> bool:
    """Say whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key_line(settings: Settings, start: Start) -> str:
    if start.new_key is not None:
        return f"{start.new_key}  (shown once; new ones: antiphon keys create)"
    if settings.api_key is not None:
        return f"from {settings.api_key.source}"
    return f"{start.key_count} in the database; new ones: antiphon keys create"


def _models(settings: Settings, start: Start) -> list[str]:
    """Return one line for the demo models and one for each provider."""
    lines = [f"{', '.join(start.demo_models)}   built in, no network"] if start.demo_models else []
    width = max(map(len, settings.providers), default=0)
    sources = {name: _source(provider) for name, provider in settings.providers.items()}
    source_width = max(map(len, sources.values()), default=0)
    for name, provider in settings.providers.items():
        models = ", ".join(provider.models) if provider.models else "all that it lists"
        lines.append(f"{name:<{width}}  {sources[name]:<{source_width}}  {models}")
    if not settings.providers:
        start_ollama = ", start Ollama" if settings.detect else ""
        ways = f"Set a key such as OPENAI_API_KEY{start_ollama} or name one in --config"
        lines.append(f"No provider is set up. {ways}; then restart.")
    return [f"  {'Models' if not index else '':<10}{line}" for index, line in enumerate(lines)]


def _source(provider: Provider) -> str:
    return provider.key_source or "no key"


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _announce(settings: Settings, start: Start, *, as_json: bool) -> None:
    if not as_json:
        show(banner(settings, start))
        return
    show_json_line(
        {
            "version": __version__,
            "url": api_url(settings.server.host, start.port),
            "data": str(settings.server.data),
            "new": start.is_new,
            "key": start.new_key,
            "demo_models": list(start.demo_models),
            "providers": {name: _source(provider) for name, provider in settings.providers.items()},
        }
    )


async def _first_key(keys: Keys, *, has_own: bool) -> tuple[str | None, int]:
    """Return a key that was made because there is none to begin with, and the number of keys that were there."""
    found = [key for key in await keys.all() if key.name != OWN_NAME]
    if found or has_own:
        return None, len(found)
    key = new_key()
    await keys.add(row(key, tenant=DEFAULT_TENANT, name="first", now=int(time.time())), digest(key))
    return key, 0


def _check_port(host: str, port: int) -> None:
    """Raise Trouble when the address can't be listened on; a server that is up would only log it."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except PermissionError as exc:
        why = "Ports below 1024 belong to the system's administrator."
        raise Trouble(f"Port {port} can't be used.", why, "Try: antiphon serve --port 8484") from exc
    except OSError as exc:
        busy = exc.errno == errno.EADDRINUSE
        what = f"Port {port} on {host} is taken." if busy else f"{host} can't be listened on."
        why = "Another program listens there." if busy else f"{exc.strerror or exc}."
        remedy = f"Try: antiphon serve --port {port + 1 if port < 65535 else 8484}" if busy else "Mend --host."
        raise Trouble(what, why, remedy) from exc
