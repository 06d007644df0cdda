"""`antiphon doctor`: looks for what may be wrong, and changes nothing."""

import argparse
import http.client
import importlib.metadata
import json
import os
import platform
import re
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import asdict

from antiphon import __version__
from antiphon.cli.checks import Check, Verdict
from antiphon.cli.output import show, show_json, styled
from antiphon.cli.provider_checks import check_provider
from antiphon.cli.setup import settings_of
from antiphon.config import Settings, SettingsError
from antiphon.errors import StoreUnavailable
from antiphon.store.queries import load
from antiphon.store.sqlite.database import Reader
from antiphon.store.sqlite.migrations import shipped
from antiphon.telemetry import Level, set_level
from antiphon.tenancy.sealing_keys import FILE, BadSealingKeys, from_file

OUR_LIMIT = 1.0
"""Seconds that a server of ours may take to say that it lives."""

BUILT = 1_767_225_600
"""The beginning of 2026: no clock that is right shows less."""

_WORSE: Sequence[Verdict] = ("ok", "warn", "fail")


def doctor(options: argparse.Namespace) -> int:
    """Look at everything, show it, and fail when something failed."""
    set_level(Level.ERROR)
    checks: list[Check] = []
    for check in _checks(options):
        checks.append(check)
        if not options.json:
            _show(check)
    worst = _WORSE[max(_WORSE.index(check.verdict) for check in checks)]
    if options.json:
        show_json({"verdict": worst, "checks": [asdict(check) for check in checks]})
    return 1 if worst == "fail" else 0


def _show(check: Check) -> None:
    style = {"ok": "green", "warn": "yellow", "fail": "red"}[check.verdict]
    show(f"{styled(f'{check.verdict:<5}', style, sys.stdout)} {check.name:<22} {check.found}")
    if check.remedy:
        show(f"{'':<29}{check.remedy}")


def _checks(options: argparse.Namespace) -> Iterator[Check]:
    yield _python()
    yield _packages()
    yield _clock()
    try:
        settings = settings_of(options)
    except SettingsError as exc:
        for fault in exc.faults:
            yield Check("settings", "fail", fault, "docs/configuration.md describes every setting")
        return
    yield Check("settings", "ok", options.config or os.environ.get("ANTIPHON_CONFIG") or "no file, all defaults")
    yield _folder(settings.server.data)
    yield _schema(settings.server.database)
    yield _seals(settings.server.data / FILE)
    yield _port(settings)
    if not settings.providers:
        yield Check("providers", "warn", "none is set up", "set OPENAI_API_KEY, or name one in a settings file")
    for name in settings.providers:
        yield from check_provider(name, settings, ask=options.ask)


def _python() -> Check:
    found = f"{platform.python_version()} ({platform.system()} {platform.machine()})"
    return Check("python", "ok", found)


def _packages() -> Check:
    """Compare what is installed with what this release asks for."""
    missing: list[str] = []
    found = [f"antiphon {__version__}"]
    for name in _required():
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("packages", "fail", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Check("packages", "ok", ", ".join(found))


def _required() -> list[str]:
    try:
        lines = importlib.metadata.requires("antiphon") or []
    except importlib.metadata.PackageNotFoundError:
        lines = ["httptools", "msgspec", "starlette", "uvicorn"]  # run from a checkout
    return [match[0] for line in lines if (match := re.match(r"[\w.-]+", line)) and "sys_platform" not in line]


def _clock() -> Check:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < BUILT:
        return Check("clock", "fail", shown, "set the clock: ids, expiry and TLS need it")
    return Check("clock", "ok", shown)


def _folder(folder: Path) -> Check:
    """Look whether the data folder, or the one that it will be made in, takes files."""
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Check("data folder", "fail", f"{nearest} can't be written", "choose another with --data, or its rights")
    if nearest != folder:
        return Check("data folder", "ok", f"{folder} will be made")
    if folder.stat().st_mode & 0o077:
        return Check("data folder", "warn", f"{folder} is open to other users", f"chmod 700 {folder}")
    return Check("data folder", "ok", str(folder))


def _schema(database: Path) -> Check:
    if not database.exists():
        return Check("database", "ok", "none yet; the first start makes it")
    if not os.access(database, os.R_OK | os.W_OK):
        return Check(
            "database", "fail", f"{database} can't be read and written", "mend its rights, or choose another --data"
        )
    ours = [(step.number, step.sha256) for step in shipped()]
    try:
        reader = Reader(database)
        try:
            rows = reader.rows(load("database")["migrations"])
        finally:
            reader.close()
    except StoreUnavailable:
        return Check(
            "database", "fail", f"{database} can't be read", "restore it from a backup, or choose another --data"
        )
    theirs = [(number, sha256) for number, _, sha256 in rows]
    if theirs == ours:
        return Check("database", "ok", f"schema {len(ours)}, current")
    if theirs == ours[: len(theirs)]:
        return Check(
            "database", "warn", f"schema {len(theirs)} of {len(ours)}", "the next start brings it up; back it up first"
        )
    return Check("database", "fail", "its schema is another release's", "run the release that wrote it, or a later one")


def _seals(path: Path) -> Check:
    """Look at the keys that seal reasoning; the day that one was made on stands in its id."""
    if not path.exists():
        return Check("sealing keys", "ok", "no file; a start without keys of its own makes it")
    try:
        keys = from_file(path)
    except (BadSealingKeys, OSError) as exc:
        return Check("sealing keys", "fail", str(exc), "mend it, or restore it from a backup")
    found = f"{len(keys)} in {path.name}, the newest is {keys[0].id}"
    if path.stat().st_mode & 0o077:
        return Check("sealing keys", "warn", f"{path} is open to other users", f"chmod 600 {path}")
    return Check("sealing keys", "ok", found)


def _port(settings: Settings) -> Check:
    host, port = settings.server.host, settings.server.port
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to reach it, not to listen
    place = f"{host}:{port}"
    if port == 0:
        return Check("port", "ok", "any free one")
    connection = http.client.HTTPConnection(reached, port, timeout=OUR_LIMIT)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        said = json.loads(answer.read())
        if answer.status == 200 and isinstance(said, dict) and "version" in said:
            return Check("port", "ok", f"an Antiphon server ({said['version']}) answers on {place}")
    except (ConnectionRefusedError, socket.gaierror):
        return _free(host, port)
    except (OSError, http.client.HTTPException, ValueError):
        pass
    finally:
        connection.close()
    return Check("port", "fail", f"another program listens on {place}", f"antiphon serve --port {port % 65535 + 1}")


def _free(host: str, port: int) -> Check:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        return Check("port", "fail", f"{host}:{port}: {exc.strerror or exc}", "choose others with --host and --port")
    return Check("port", "ok", f"{host}:{port} is free")
