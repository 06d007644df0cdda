"""Where sealing keys come from: the settings, and a file of the data folder, one `id:base64` a line, newest first.

A key's id begins with the day that it was made on. It stands in every state that the key sealed, so it is never given
to another key. Lines that are empty or begin with `#` say nothing.
"""

import base64
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from antiphon.tenancy.seals import KEY_BYTES, Randomness, SealingKey, SealRing

FILE = "sealing.keys"

Clock = Callable[[], float]
"""Gives the Unix time in seconds."""

_LINE = re.compile(r"(?P<id>[A-Za-z0-9_-]{1,32}):(?P<secret>[A-Za-z0-9+/]{43}=)")


class BadSealingKeys(Exception):
    """Sealing keys that can't be used; the message says where and why, and shows none."""


def load_or_create(folder: Path, given: Sequence[str], *, random: Randomness, now: Clock) -> SealRing:
    """Return the ring of the keys that are `given`, then those of the folder's file.

    When there are neither, the file is made with a first key. Raises BadSealingKeys, and OSError of the file.
    """
    path = folder / FILE
    keys = [key for text in given for key in read(text, "sealing_keys")]
    if not keys and not path.exists():
        _write(path, f"{_line(_fresh(random, now))}\n")
    if path.exists():
        keys += from_file(path)
    return SealRing(_each_once(keys), random)


def rotate(folder: Path, *, random: Randomness, now: Clock) -> list[SealingKey]:
    """Put a new key before those of the folder's file and return all of them; the file is made if it isn't there.

    Raises BadSealingKeys, and OSError of the file.
    """
    path = folder / FILE
    old, text = [], ""
    if path.exists():
        old, text = from_file(path), path.read_text(encoding="utf-8")
    key = _fresh(random, now)
    _write(path, f"{_line(key)}\n{text}")
    return [key, *old]


def from_file(path: Path) -> list[SealingKey]:
    """Return the keys of a file, at least one. Raises BadSealingKeys and OSError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise BadSealingKeys(f"{path} is not UTF-8 text") from exc
    keys = _each_once(read(text, str(path)))
    if not keys:
        raise BadSealingKeys(f"{path} holds no key; restore it, or remove it to begin with a new one")
    return keys


def read(text: str, place: str) -> list[SealingKey]:
    """Return the keys of a text. Raises BadSealingKeys, which begins with `place`."""
    keys: list[SealingKey] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            form = f"an id, a colon and {KEY_BYTES} bytes in base64"
            raise BadSealingKeys(f"{place}, line {number}: expected {form}")
        keys.append(SealingKey(match["id"], base64.b64decode(match["secret"])))
    return keys


def _each_once(keys: Sequence[SealingKey]) -> list[SealingKey]:
    """Return the keys without those that are there already. Raises BadSealingKeys for two keys of one id."""
    by_id: dict[str, SealingKey] = {}
    for key in keys:
        if by_id.setdefault(key.id, key) != key:
            raise BadSealingKeys(f"two sealing keys have the id {key.id}")
    return list(by_id.values())


def _fresh(random: Randomness, now: Clock) -> SealingKey:
    day = datetime.fromtimestamp(now(), UTC).strftime("%Y%m%d")
    return SealingKey(f"{day}-{random(4).hex()}", random(KEY_BYTES))


def _line(key: SealingKey) -> str:
    return f"{key.id}:{base64.b64encode(key.secret).decode('ascii')}"


def _write(path: Path, text: str) -> None:
    """Write a file for its owner alone, whole or not at all; it is on the disk before a state is sealed with it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
