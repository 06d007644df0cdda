"""An answer held against the schema that was asked for: the original, whatever its provider was told.

The drafts' own rules count (2020-12 unless `$schema` says otherwise), `format` is an annotation there. References stay
inside the schema; nothing is fetched. What a schema may cost is bounded, because a client wrote it and a model's
answer may be long.
"""

import re
from typing import Any

import jsonschema_rs
import msgspec
from msgspec import Struct

from antiphon.codecs.flattening import Flattening, is_object
from antiphon.codecs.mending import UNREADABLE
from antiphon.errors import BadRequest, Unsupported
from antiphon.providers.structured.cost import Cost, references
from antiphon.types.content import JsonObject
from antiphon.types.nesting import is_deeper

MAX_SCHEMA_BYTES = 256 * 1024
"""Bytes of a schema: twice what OpenAI allows for the strings in one."""

MAX_DEPTH = 64
"""Levels of JSON in an answer, as in a request."""

MAX_CHECKS = 300_000
"""Subschemas that one answer is held against: 0.3 s at worst, and five for each value of an answer of 128k tokens."""

MAX_EXPLAINED = 5_000
"""Checks up to which all errors are listed: with choices in choices, a list takes a hundred times the verdict."""

MAX_ERRORS = 10
MAX_ERROR_LENGTH = 200

BACKTRACKING = 100_000
"""Steps that one pattern may take over one string."""

_FENCE = re.compile(r"\s*```[A-Za-z0-9_+-]*[ \t]*\r?\n(?P<inside>.*?)\r?\n?[ \t]*```\s*", re.DOTALL)


class Fits(Struct, frozen=True):
    """An answer that fits: its JSON text, bare."""

    text: str


class Misfit(Struct, frozen=True):
    """An answer that doesn't: what is wrong with it, at least one sentence."""

    errors: list[str]


class Judge:
    """One schema, ready to hold answers against. Raises BadRequest for what is no schema, or one too costly."""

    def __init__(self, schema: JsonObject, param: str) -> None:
        target = Flattening(schema, param, {}, cuts=False).target
        self._cost = Cost(schema, target)
        if len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
            raise BadRequest(f"Invalid schema: it is over {MAX_SCHEMA_BYTES} bytes.", code=_INVALID, param=param)
        for ref in references(schema):
            if ref != "#" and not ref.startswith("#/"):
                text = f"Invalid schema: '$ref' '{ref[:100]}' is no pointer into the schema, such as '#/$defs/x'."
                raise Unsupported(text, param=param, code=_INVALID)
            target(ref)
        try:
            self._validator = jsonschema_rs.validator_for(
                schema,
                retriever=_nothing,
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACKING),
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            text = f"Invalid schema: {_said(error)}"
            raise BadRequest(text, code=_INVALID, param=param) from error
        if self._cost.of(None, MAX_CHECKS) == MAX_CHECKS:
            raise BadRequest("Invalid schema: it takes too long to check.", code=_INVALID, param=param)

    def hold(self, text: str) -> Fits | Misfit:
        """Return the verdict on an answer; a code fence around it is taken away.

        Models also write null for what they leave out: where only that is wrong, it is left out for them.
        """
        fenced = _FENCE.fullmatch(text)
        bare = fenced["inside"] if fenced else text
        try:
            if is_deeper(bare.encode(), MAX_DEPTH):
                return Misfit([f"It is nested more than {MAX_DEPTH} levels deep."])
            value: object = msgspec.json.decode(bare)
        except (*UNREADABLE, UnicodeError) as error:
            return Misfit([f"It is not JSON alone: {error}"])
        cost = self._cost.of(value, MAX_CHECKS)
        if cost == MAX_CHECKS:
            return Misfit(["It takes too long to check against the schema."])
        if self._validator.is_valid(value):
            return Fits(bare)
        if cost > MAX_EXPLAINED:
            return Misfit(["It does not fit the schema."])
        errors = list(self._validator.iter_errors(value))
        if _drop_nulls(value, errors) and self._validator.is_valid(value):
            return Fits(msgspec.json.encode(value).decode())
        return Misfit([f"{_pointer(error)}: {_said(error)}" for error in errors[:MAX_ERRORS]])


_INVALID = "invalid_json_schema"
"""OpenAI's own code for a schema that it doesn't take."""


def _nothing(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched")


def _drop_nulls(value: object, errors: list[jsonschema_rs.ValidationError]) -> bool:
    """Leave out of `value` the properties that should not have been null; say whether there were any."""
    is_changed = False
    for error in errors:
        holder: Any = value
        for step in error.instance_path[:-1]:
            holder = holder[step]
        if error.instance is None and error.instance_path and is_object(holder):
            name = str(error.instance_path[-1])
            is_changed = holder.pop(name, name) is None or is_changed
    return is_changed


def _pointer(error: jsonschema_rs.ValidationError) -> str:
    return "".join(f"/{step}" for step in error.instance_path) or "the whole"


def _said(error: Exception) -> str:
    words = error.message if isinstance(error, jsonschema_rs.ValidationError) else str(error)
    return words if len(words) <= MAX_ERROR_LENGTH else f"{words[:MAX_ERROR_LENGTH]}…"
