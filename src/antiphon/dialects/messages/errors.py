"""Errors in the shape of Messages: types by status, and no `param`, so that the message names the place."""

from typing import ClassVar, Literal

import msgspec
from msgspec import Struct

from antiphon.errors import AntiphonError, NotFound, ProviderBusy

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class MessagesErrorBody(Struct, kw_only=True, frozen=True):
    """What went wrong."""

    type: str
    message: str


class MessagesError(Struct, kw_only=True, frozen=True, tag="error"):
    """The body of every answer of Messages whose status is 400 or more, and the data of an `error` event."""

    type: ClassVar[Literal["error"]] = "error"
    error: MessagesErrorBody
    request_id: str


def refusal(error: AntiphonError, request_id: str) -> tuple[int, bytes]:
    """Return the status and the body of an error."""
    status = 529 if isinstance(error, ProviderBusy) and error.http_status == 503 else error.http_status
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    body = MessagesErrorBody(type=kind, message=_words(error))
    return status, msgspec.json.encode(MessagesError(error=body, request_id=request_id))


def _words(error: AntiphonError) -> str:
    if not error.param or error.param in error.message or isinstance(error, NotFound):
        return error.message
    return f"{error.param}: {error.message}"
