"""Bodies and queries in: bytes to Structs, within limits, complaints in the API's words and order."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec
from msgspec import Raw

from antiphon.errors import BadRequest, TooLarge
from antiphon.types.decoding import drop, explain, missing, unknown
from antiphon.types.limits import Limits
from antiphon.types.nesting import is_deeper, too_deep

T = TypeVar("T")

SMALL = 16 * 1024
"""Bytes up to which a body's nesting is told from the whole of it."""


class BodyReader(Generic[T]):
    """Reads one kind of body.

    Bad input is looked at a second time, slowly, to complain in the API's order: what is missing, then what
    is unknown, then what is wrong. With `tolerant`, unknown keys are dropped and noted.
    """

    def __init__(
        self,
        kind: type[T],
        *,
        absent: Callable[[dict[str, Any]], str | None] = lambda _: None,
        tolerant: bool = False,
    ) -> None:
        """Read `kind`; `absent` names the first required key that isn't there."""
        self._decode = msgspec.json.Decoder(kind).decode
        self._names = [field.encode_name for field in msgspec.structs.fields(kind)]  # type: ignore[arg-type] # a Struct
        self._absent = absent
        self._tolerant = tolerant

    def read(self, body: bytes, limits: Limits, notes: list[str]) -> T:
        """Return the Struct. Raises BadRequest."""
        check_text(body)
        if len(body) <= SMALL and is_deeper(body, limits.json_depth):
            raise too_deep(limits.json_depth)
        try:
            read = self._read(body, notes)
        except RecursionError:
            raise too_deep(limits.json_depth) from None
        if len(body) > SMALL:
            self._check_depth(read, limits.json_depth)
        return read

    def _read(self, body: bytes, notes: list[str]) -> T:
        try:
            return self._decode(body)
        except msgspec.ValidationError as error:
            return self._again(body, error, notes)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise unreadable(str(error)) from None

    def _check_depth(self, read: T, limit: int) -> None:
        """Look at the items and tools one by one: nearly all of a large body, and most are seen to be flat at once."""
        for name in self._names:
            value: Any = getattr(read, name)
            if type(value) is list and value and isinstance(value[0], Raw):
                for index, raw in enumerate(cast("list[Raw]", value)):  # a list[Raw] holds nothing else
                    if is_deeper(bytes(raw), limit - 2):
                        raise too_deep(limit, f"{name}[{index}]")

    def _again(self, body: bytes, error: msgspec.ValidationError, notes: list[str]) -> T:
        try:
            decoded = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as broken:
            raise unreadable(str(broken)) from None
        if not isinstance(decoded, dict):
            raise unreadable("the body must be a JSON object")
        given = cast("dict[str, Any]", decoded)  # JSON has no other keys
        self._check_keys(given)
        if not self._tolerant:
            raise explain(str(self._first(given, error)), known=self._names)
        return self._without_unknown(given, error, notes)

    def _first(self, given: dict[str, Any], error: msgspec.ValidationError) -> msgspec.ValidationError:
        """Return the error of the first bad field in the API's order; `error` is the first of the body's."""
        try:
            self._decode(msgspec.json.encode({name: given[name] for name in self._names if name in given}))
        except msgspec.ValidationError as first:
            return first
        return error

    def _check_keys(self, given: dict[str, Any]) -> None:
        if "messages" in given and "messages" not in self._names:
            text = "Unsupported parameter: 'messages'. In the Responses API, this parameter has moved to 'input'."
            raise BadRequest(text, code="unsupported_parameter")
        if name := self._absent(given):
            raise missing(name)
        if not self._tolerant:
            for name in given:
                if name not in self._names:
                    raise unknown(name, self._names)

    def _without_unknown(self, given: dict[str, Any], error: msgspec.ValidationError, notes: list[str]) -> T:
        """Drop one unknown key after the other, at any depth."""
        complaint = str(error)
        while (refusal := explain(complaint)).code == "unknown_parameter":
            if not drop(given, refusal.param or ""):
                break
            notes.append(f"unknown parameter '{refusal.param}' ignored")
            try:
                return self._decode(msgspec.json.encode(given))
            except msgspec.ValidationError as next_error:
                complaint = str(next_error)
        raise refusal


def check_text(body: bytes) -> None:
    """Raise BadRequest for bytes that are no UTF-8, or that hold half of a surrogate pair in any corner."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise unreadable(f"it is not UTF-8 at byte {error.start}") from None
    if b"\\u" in body and (b"\\ud" in body or b"\\uD" in body):
        try:
            msgspec.json.decode(body)
        except RecursionError:
            pass  # told by the reader, with the limit
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise unreadable(f"{error}; half of a surrogate pair is no text") from None


def unreadable(why: str) -> BadRequest:
    """Return the error for a body that is no JSON."""
    return BadRequest(f"We could not parse the JSON body of your request: {why}.", code="invalid_json")


def too_large(limit: int) -> TooLarge:
    """Return the error for a body over the limit."""
    text = f"The request body is larger than the limit of {limit} bytes."
    return TooLarge(text, code="request_too_large")


def read_query(kind: type[T], query: bytes) -> T:
    """Return a query string as a Struct; keys that it doesn't have are ignored, lists may be written `x[]=…`."""
    lists = {field.encode_name for field in msgspec.structs.fields(kind) if _is_list(field.type)}  # type: ignore[arg-type] # a Struct
    given: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        plain = name.removesuffix("[]")
        if plain in lists:
            given.setdefault(plain, []).append(value)
        else:
            given[plain] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise explain(str(error)) from None


def _is_list(kind: object) -> bool:
    return getattr(kind, "__origin__", None) in {list, tuple}
