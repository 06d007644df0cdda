"""`antiphon keys`: straight to the data folder, also while the server runs."""

import argparse
import os
import re
import sys
import time

from msgspec.structs import asdict

from antiphon.cli.output import moment, say, show, show_json, table
from antiphon.cli.setup import settings_of, with_keys
from antiphon.cli.trouble import USAGE, Trouble
from antiphon.errors import NotFound
from antiphon.ports import KeyRow, Keys
from antiphon.tenancy.keys import digest, new_key, row
from antiphon.tenancy.sealing_keys import FILE, BadSealingKeys, rotate

OWN_NAME = "cli"
"""The name of the keys that this command line makes for itself, one for each call, good for an hour."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_TIME = re.compile(r"(\d{1,6})([smhdw])\Z")


def create(options: argparse.Namespace) -> int:
    """Make a key; stdout gets nothing but it."""
    now = int(time.time())
    key = new_key()
    until = _seconds(options.expires)
    made = row(
        key, tenant=options.tenant, name=options.name, now=now, expires_at=None if until is None else now + until
    )
    with_keys(settings_of(options), lambda keys: keys.add(made, digest(key)))
    if options.json:
        show_json({**_described(made, now), "key": key})
        return 0
    say(f"{made.id}, tenant {made.tenant}, expires {moment(made.expires_at) if made.expires_at else 'never'}.")
    say("This is the only time the key is shown:")
    show(key)
    return 0


def list_keys(options: argparse.Namespace) -> int:
    """List the keys; a key itself is nowhere to be listed."""
    now = int(time.time())
    found = with_keys(settings_of(options), _all)
    listed = [key for key in found if options.all or key.name != OWN_NAME or _state(key, now) == "valid"]
    if options.json:
        show_json([_described(key, now) for key in listed])
        return 0
    if listed:
        head = ("ID", "KEY", "TENANT", "NAME", "STATE", "CREATED", "EXPIRES")
        rows = [
            (
                key.id,
                f"{key.prefix}…",
                key.tenant,
                key.name,
                _state(key, now),
                moment(key.created_at),
                moment(key.expires_at),
            )
            for key in listed
        ]
        for line in table([head, *rows]):
            show(line)
    else:
        say("There is no key. Make one: antiphon keys create")
    if hidden := len(found) - len(listed):
        say(f"{hidden} expired key{'s' if hidden > 1 else ''} of this command line not shown; --all shows them.")
    return 0


def revoke(options: argparse.Namespace) -> int:
    """Revoke a key, after asking."""
    if not options.yes and not _agreed(options.id):
        return 1
    now = int(time.time())
    try:
        revoked = with_keys(settings_of(options), lambda keys: keys.revoke(options.id, now))
    except NotFound as exc:
        raise Trouble(f'There is no key "{options.id}".', exc.message, "Try: antiphon keys list") from exc
    if options.json:
        show_json(_described(revoked, now))
    else:
        say(f"{revoked.id} ({revoked.name}) is revoked; it works for two more seconds at most.")
    return 0


def rotate_seal(options: argparse.Namespace) -> int:
    """Make a new sealing key; those before it go on opening what they sealed."""
    folder = settings_of(options).server.data
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys = rotate(folder, random=os.urandom, now=time.time)
    except BadSealingKeys as exc:
        raise Trouble("The sealing key was not changed.", f"{exc}.", "Mend it, or restore it from a backup.") from exc
    except OSError as exc:
        why = f"{path}: {exc.strerror or exc}."
        raise Trouble("The sealing key was not changed.", why, "Mend it, or choose another: --data") from exc
    if options.json:
        show_json({"id": keys[0].id, "older": [key.id for key in keys[1:]], "file": str(path)})
        return 0
    older = len(keys) - 1
    others = f"{older} older {'key opens' if older == 1 else 'keys open'} as before"
    say(f"{keys[0].id} is the first key of {path}; {others}.")
    say("A server that runs seals with it after its next start.")
    return 0


async def _all(keys: Keys) -> list[KeyRow]:
    return await keys.all()


def _agreed(key_id: str) -> bool:
    if not sys.stdin.isatty():
        why = "What it opened stays closed, and there is no terminal to ask at."
        raise Trouble(f'"{key_id}" was not revoked.', why, f"Try: antiphon keys revoke {key_id} --yes", status=USAGE)
    sys.stderr.write(f"Revoke {key_id}? What uses it will be refused. [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _seconds(given: str | None) -> int | None:
    if given is None:
        return None
    match = _TIME.match(given)
    if match is None or int(match[1]) == 0:
        why = f'"{given}" is no length of time: a number and one of s, m, h, d, w.'
        raise Trouble("The key was not made.", why, "Try: antiphon keys create --expires 30d", status=USAGE)
    return int(match[1]) * _UNITS[match[2]]


def _state(key: KeyRow, now: int) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "valid"


def _described(key: KeyRow, now: int) -> dict[str, object]:
    return {**asdict(key), "state": _state(key, now)}
