"""Chance that follows from a seed, and the texts of known formats that it makes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

WORDS = ("harbour", "lantern", "meadow", "copper", "willow", "signal", "orchard", "violet", "granite", "echo")


class Dice:
    """Numbers that follow from a seed."""

    def __init__(self, *seed: object) -> None:
        self._seed = hashlib.sha256(repr(seed).encode()).digest()
        self._rolls = 0

    def below(self, end: int) -> int:
        """Return a number from 0 to below `end`."""
        self._rolls += 1
        rolled = hashlib.sha256(self._seed + self._rolls.to_bytes(8, "big")).digest()
        return int.from_bytes(rolled[:8], "big") % end

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.below(len(choices))]

    def shuffled(self, things: Sequence[T]) -> list[T]:
        """Return the things in another order."""
        left = list(things)
        return [left.pop(self.below(len(left))) for _ in range(len(left))]


def formatted(kind: str, dice: Dice) -> str | None:
    """Return a text of a format that JSON Schema names, None for an unknown one."""
    make = _FORMATS.get(kind)
    return make(dice) if make else None


def _day(dice: Dice) -> str:
    return f"2026-{1 + dice.below(12):02}-{1 + dice.below(28):02}"


def _clock(dice: Dice) -> str:
    return f"{dice.below(24):02}:{dice.below(60):02}:00Z"


def _email(dice: Dice) -> str:
    return f"{dice.pick(WORDS)}@example.com"


def _host(dice: Dice) -> str:
    return f"{dice.pick(WORDS)}.example.com"


def _address(dice: Dice) -> str:
    return f"https://example.com/{dice.pick(WORDS)}"


def _uuid(dice: Dice) -> str:
    digits = f"{dice.below(1 << 60):015x}{dice.below(1 << 60):015x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-8{digits[15:18]}-{digits[18:30]}"


_FORMATS: Mapping[str, Callable[[Dice], str]] = {
    "date": _day,
    "time": _clock,
    "date-time": lambda dice: f"{_day(dice)}T{_clock(dice)}",
    "duration": lambda dice: f"PT{1 + dice.below(59)}M",
    "email": _email,
    "idn-email": _email,
    "hostname": _host,
    "idn-hostname": _host,
    "uri": _address,
    "url": _address,
    "iri": _address,
    "uri-reference": _address,
    "iri-reference": _address,
    "uuid": _uuid,
    "ipv4": lambda dice: f"192.0.2.{1 + dice.below(254)}",
    "ipv6": lambda dice: f"2001:db8::{1 + dice.below(9)}",
    "json-pointer": lambda dice: f"/{dice.pick(WORDS)}",
    "regex": lambda dice: f"^{dice.pick(WORDS)}$",
}
