"""Text that fits a regular expression, for the subset that schemas use.

Literals, classes, groups, alternatives, quantifiers; anchors and look-arounds are passed over. The pattern is a
client's: it is read and never run, so that no pattern can keep the server busy.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

MAX_PATTERN = 1_000
MAX_TEXT = 10_000
"""Characters of a pattern, and of the text made for it: far beyond any real schema, and cheap."""

MAX_GROUPS = 30
"""Groups inside one another."""

_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_WORD = string.ascii_lowercase + string.digits + string.ascii_uppercase + "_"
_SETS = {
    "d": string.digits,
    "w": _WORD,
    "s": " ",
    "D": "".join(sorted(set(_PRINTABLE) - set(string.digits))),
    "W": "".join(sorted(set(_PRINTABLE) - set(_WORD))),
    "S": _PRINTABLE[1:],
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}

Below: TypeAlias = Callable[[int], int]
"""Gives a number from 0 to below its argument."""


class Unreadable(ValueError):
    """The pattern is outside the subset, or too large."""


@dataclass(frozen=True)
class _OneOf:
    characters: str


@dataclass(frozen=True)
class _Sequence:
    parts: list["_Node"] = field(default_factory=list)


@dataclass(frozen=True)
class _Either:
    branches: list[_Sequence]


@dataclass(frozen=True)
class _Repeat:
    part: "_Node"
    least: int
    most: int | None


_Node: TypeAlias = _OneOf | _Sequence | _Either | _Repeat


def fitting(pattern: str, below: Below, stretch: int = 0) -> str:
    """Return a text that fits; `stretch` more repetitions make it longer, -1 as short as can be.

    Raises Unreadable.
    """
    if len(pattern) > MAX_PATTERN:
        raise Unreadable("the pattern is too long")
    parser = _Parser(pattern)
    tree = parser.alternatives(0)
    if parser.rest:
        raise Unreadable("the pattern has an unbalanced )")
    return _write(tree, below, stretch, MAX_TEXT)


def _write(node: _Node, below: Below, stretch: int, room: int) -> str:
    match node:
        case _OneOf(characters):
            return characters[below(len(characters))]
        case _Sequence(parts):
            text = ""
            for part in parts:
                text += _write(part, below, stretch, room - len(text))
            return text
        case _Either(branches):
            return _write(branches[below(len(branches))], below, stretch, room)
        case _Repeat(part, least, most):
            count = least if stretch < 0 else max(least, 1) + stretch
            count = count if most is None else min(count, most)
            if count > room:
                raise Unreadable("the pattern asks for too long a text")
            text = ""
            for _ in range(count):
                text += _write(part, below, stretch, room - len(text))
            return text


class _Parser:
    def __init__(self, rest: str) -> None:
        self.rest = rest

    def take(self, *wanted: str) -> str:
        """Take the first of the texts that comes next, "" when none does."""
        found = next((text for text in wanted if self.rest.startswith(text)), "")
        self.rest = self.rest[len(found) :]
        return found

    def next(self) -> str:
        if not self.rest:
            raise Unreadable("the pattern ends too early")
        character, self.rest = self.rest[0], self.rest[1:]
        return character

    def alternatives(self, depth: int) -> _Node:
        if depth > MAX_GROUPS:
            raise Unreadable("the pattern has too many groups inside one another")
        branches = [self.sequence(depth)]
        while self.take("|"):
            branches.append(self.sequence(depth))
        return branches[0] if len(branches) == 1 else _Either(branches)

    def sequence(self, depth: int) -> _Sequence:
        sequence = _Sequence()
        while self.rest and self.rest[0] not in "|)":
            atom = self.atom(depth)
            if atom is not None:
                sequence.parts.append(self.quantified(atom))
        return sequence

    def atom(self, depth: int) -> _Node | None:
        match self.next():
            case "^" | "$":
                return None
            case "(":
                return self.group(depth)
            case "[":
                return _OneOf(self.bracket())
            case ".":
                return _OneOf(string.ascii_lowercase)
            case "\\":
                return self.escape()
            case "*" | "+" | "?":
                raise Unreadable("the pattern repeats nothing")
            case character:
                return _OneOf(character)

    def group(self, depth: int) -> _Node | None:
        looks = self.take("?=", "?!", "?<=", "?<!")
        if not looks and self.take("?"):
            self.group_name()
        inside = self.alternatives(depth + 1)
        if self.next() != ")":
            raise Unreadable("the pattern has an unbalanced (")
        return None if looks else inside

    def group_name(self) -> None:
        if self.take(":"):
            return
        if not self.take("P<", "<"):
            raise Unreadable("the pattern has a group of an unknown kind")
        while self.next() != ">":
            pass

    def escape(self) -> _Node | None:
        letter = self.next()
        if letter in "bBAZz":
            return None
        if letter in "123456789kpP":
            raise Unreadable("the pattern refers back or to Unicode properties")
        return _OneOf(self.escaped(letter))

    def escaped(self, letter: str) -> str:
        """Return the characters that an escape stands for."""
        if letter in "xu":
            length = 2 if letter == "x" else 4
            digits, self.rest = self.rest[:length], self.rest[length:]
            try:
                return chr(int(digits, 16))
            except ValueError as exc:
                raise Unreadable("the pattern has a broken escape") from exc
        return _SETS.get(letter) or _CONTROLS.get(letter) or letter

    def bracket(self) -> str:
        """Return the characters of a class."""
        negated = bool(self.take("^"))
        found = ""
        while (character := self.next()) != "]" or not found:
            first = self.escaped(self.next()) if character == "\\" else character
            if len(first) == 1 and self.rest[:1] == "-" and self.rest[1:2] not in {"]", ""}:
                self.next()
                last = self.next()
                last = self.escaped(self.next()) if last == "\\" else last
                found += "".join(map(chr, range(ord(first), min(ord(last[0]), ord(first) + 255) + 1)))
            else:
                found += first
        if negated:
            found = "".join(character for character in _PRINTABLE if character not in found)
        if not found:
            raise Unreadable("the pattern has an empty class")
        return found

    def quantified(self, atom: _Node) -> _Node:
        sign = self.take("*", "+", "?", "{")
        if not sign:
            return atom
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(sign) or self.bounds()
        self.take("?", "+")  # lazy or possessive: the same texts
        return _Repeat(atom, least, most)

    def bounds(self) -> tuple[int, int | None]:
        text, _, self.rest = self.rest.partition("}")
        low, comma, high = text.partition(",")
        if not low.isdecimal() or not (high.isdecimal() or not high) or len(text) > 12:
            raise Unreadable("the pattern has a broken quantifier")
        return int(low), (int(high) if high else None) if comma else int(low)
