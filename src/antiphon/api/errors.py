"""Errors as bodies: the one place where an error becomes JSON."""

import msgspec
from msgspec import Struct

from antiphon.errors import AntiphonError, Fault, ProviderBusy


class ErrorBody(Struct, kw_only=True, frozen=True):
    """What went wrong; all four keys are always there."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(Struct, kw_only=True, frozen=True):
    """The body of every answer whose status is 400 or more."""

    error: ErrorBody


def body_of(error: AntiphonError) -> bytes:
    """Return the JSON body of an error."""
    inner = ErrorBody(message=error.message, type=error.type, param=error.param, code=error.code)
    return msgspec.json.encode(ErrorReply(error=inner))


def refusal(error: AntiphonError, _: str) -> tuple[int, bytes]:
    """Return the status and the body of an error; the call's id stands in a header alone."""
    return error.http_status, body_of(error)


def headers_of(error: AntiphonError) -> list[tuple[bytes, bytes]]:
    """Return what official clients read beside the body: how long to wait."""
    wait = error.retry_after
    if wait is None and isinstance(error, ProviderBusy) and error.http_status == 503:
        wait = 1.0  # an overload is over sooner or later; clients that are told nothing come back at once
    if wait is None:
        return []
    seconds = max(wait, 0.0)
    return [
        (b"retry-after", str(int(seconds + 0.999)).encode()),
        (b"retry-after-ms", str(int(seconds * 1000)).encode()),
    ]


def fault(request_id: str) -> Fault:
    """Return the error for a bug of ours; the id finds its stack in the log."""
    return Fault(f"The server had an error while processing your request; quote {request_id} to its operator.")
