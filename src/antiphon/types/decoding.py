"""What msgspec says of bad input, in the API's words: code, `param` as a path, and a sentence.

The codes are OpenAI's (`unknown_parameter`, `invalid_type`, `integer_below_min_value`, …).
"""

import difflib
import re
from collections.abc import Iterable
from typing import cast

from antiphon.errors import BadRequest

_WHERE = re.compile(r" - at (?:`key` in )?`\$(?P<path>[^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`\Z", re.DOTALL)
_CHOICE = re.compile(r"Invalid (?:enum )?value (?P<value>.+)")
_LENGTH = re.compile(r"Expected `(?P<kind>\w+)` of length (?P<sign>[<>]=) (?P<limit>\d+)")
_RANGE = re.compile(r"Expected `(?P<kind>\w+)` (?P<sign>[<>]=) (?P<limit>[-\d.]+)")
_TYPE = re.compile(r"Expected `(?P<want>[^`]+)`(?:, got `(?P<got>\w+)`)?")
_KEY_STEP = re.compile(r"([^.\[]*)\.?")
_LIST_STEP = re.compile(r"\[(\d+)\]\.?")

_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_SIZED = {"str": ("string", "length"), "array": ("array", "length"), "object": ("object", "properties")}
_COUNTED = {"str": "characters", "array": "entries", "object": "pairs"}
_NUMBERS = {"int": "integer", "float": "decimal"}


def explain(complaint: str, prefix: str = "", known: Iterable[str] = ()) -> BadRequest:
    """Return the BadRequest for msgspec's `complaint` about the value at `prefix`.

    `known` are the top-level names that an unknown one is compared with.
    """
    where = _WHERE.search(complaint)
    path = _join(prefix, where["path"] if where else "")
    said = complaint[: where.start()] if where else complaint
    if found := _MISSING.match(said):
        return missing(_join(path, f".{found['name']}"))
    if found := _UNKNOWN.match(said):
        return unknown(_join(path, f".{found['name']}"), known)
    if found := _CHOICE.match(said):
        return BadRequest(f"Invalid value: {found['value']} at '{path}'.", code="invalid_value", param=path)
    if found := _LENGTH.match(said):
        return _wrong_length(path, found["kind"], found["sign"], found["limit"])
    if found := _RANGE.match(said):
        return _out_of_range(path, found["kind"], found["sign"], found["limit"])
    if found := _TYPE.match(said):
        want = " or ".join(_NAMES.get(name, name) for name in found["want"].split(" | "))
        got = f", but got {_NAMES.get(found['got'], found['got'])} instead" if found["got"] else ""
        place = f" for '{path}'" if path else ""
        return BadRequest(f"Invalid type{place}: expected {want}{got}.", code="invalid_type", param=path or None)
    return BadRequest(f"Invalid value at '{path}': {said}.", code="invalid_value", param=path or None)


def missing(path: str) -> BadRequest:
    """Return the BadRequest for a required parameter that isn't there."""
    return BadRequest(f"Missing required parameter: '{path}'.", code="missing_required_parameter", param=path)


def unknown(path: str, known: Iterable[str] = ()) -> BadRequest:
    """Return the BadRequest for a parameter that the API doesn't have; a near miss is suggested."""
    near = () if "." in path else difflib.get_close_matches(path, known, n=1, cutoff=0.7)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return BadRequest(f"Unknown parameter: '{path}'.{hint}", code="unknown_parameter", param=path)


def drop(given: object, path: str) -> bool:
    """Remove what stands at a path such as `tools[0].format.foo`, and say whether it was found: a key may hold dots."""
    place = given
    while isinstance(place, dict | list):
        if isinstance(place, list):
            entries = cast("list[object]", place)
            step = _LIST_STEP.match(path)
            if step is None or int(step[1]) >= len(entries):
                return False
            place, path = entries[int(step[1])], path[step.end() :]
            continue
        inner = cast("dict[str, object]", place)
        if path in inner:
            del inner[path]
            return True
        key = _KEY_STEP.match(path)
        if key is None or key[1] not in inner:
            return False
        place, path = inner[key[1]], path[key.end() :]
    return False


def _join(prefix: str, path: str) -> str:
    joined = prefix + path.replace("[...]", "")
    return joined.removeprefix(".")


def _wrong_length(path: str, kind: str, sign: str, limit: str) -> BadRequest:
    noun, unit = _SIZED[kind]
    side, words = ("above_max", "at most") if sign == "<=" else ("below_min", "at least")
    text = f"Invalid '{path}': expected {words} {limit} {_COUNTED[kind]}."
    return BadRequest(text, code=f"{noun}_{side}_{unit}", param=path)


def _out_of_range(path: str, kind: str, sign: str, limit: str) -> BadRequest:
    noun = _NUMBERS.get(kind, "decimal")
    side, words = ("above_max", "at most") if sign == "<=" else ("below_min", "at least")
    text = f"Invalid '{path}': expected a value of {words} {limit}."
    return BadRequest(text, code=f"{noun}_{side}_value", param=path)
