"""Every failure a caller can meet.

AntiphonError            status, type, code, param: one body, made in `api/errors.py` only
├─ BadRequest 400        param is a path into the request: input[3].content[0].type
│  ├─ Unsupported        this model or server can't do that; said, never silently dropped
│  ├─ TooLarge 413       the request is over a limit; the limit is named
│  └─ WrongMediaType 415 the body is not plain JSON
├─ Unauthorized 401
├─ NotFound 404          also for another tenant's object
├─ WrongMethod 405
├─ LimitReached 429      retry_after in seconds
├─ ProviderError         provider, upstream status, retryable
│  ├─ ProviderRefused    the upstream blames the request; its words pass through
│  ├─ ProviderBusy       may be tried again, here or elsewhere, before the first visible event
│  └─ ProviderBroke 502  unreachable, late, unreadable, or an end without an ending
├─ StoreUnavailable 503  the database is locked, full or gone
├─ Stopping 503          the server ends and no longer waits for the model
└─ Fault 500             our bug: stack in the log, an id to quote for the client

`type` and `code` are the strings that OpenAI's API uses, so that a client's own handling works unchanged.
"""

import re
from typing import ClassVar

RESPONSE_CODES = frozenset(
    [
        "server_error",
        "rate_limit_exceeded",
        "invalid_prompt",
        "data_residency_mismatch",
        "bio_policy",
        "misalignment_policy_violation",
        "vector_store_timeout",
        "invalid_image",
        "invalid_image_format",
        "invalid_base64_image",
        "invalid_image_url",
        "image_too_large",
        "image_too_small",
        "image_parse_error",
        "image_content_policy_violation",
        "invalid_image_mode",
        "image_file_too_large",
        "unsupported_image_media_type",
        "empty_image_file",
        "failed_to_download_image",
        "image_file_not_found",
    ]
)
"""The closed list of `response.error.code` (openai 3.54)."""

PATH = re.compile(r"[\w.]+(?:\[\d+\][\w.]*)*")
"""A path into a request, as it stands in notes and in what providers say of it."""


class AntiphonError(Exception):
    """A failure with the four fields of the API's error body and the HTTP status that carries it."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"

    def __init__(
        self, message: str, *, code: str | None = None, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after

    @property
    def http_status(self) -> int:
        """The status of an answer that this error ends; a refusal may carry the upstream's own."""
        return self.status

    @property
    def response_code(self) -> str:
        """The code for `response.error` and error events, where the API wants one of its own closed list."""
        return "server_error"


class BadRequest(AntiphonError):
    """The request can't be understood or obeyed; `param` says where."""

    status = 400
    type = "invalid_request_error"

    @property
    def response_code(self) -> str:
        return "invalid_prompt"


class Unsupported(BadRequest):
    """The request asks for what this model, provider or server can't do."""

    def __init__(self, message: str, *, param: str, code: str = "unsupported_parameter") -> None:
        super().__init__(message, code=code, param=param)

    @classmethod
    def noted(cls, note: str) -> "Unsupported":
        """Return a note as the error that it is where nothing may be left out; it begins with what it is about."""
        param = PATH.match(note)
        return cls(f"{note} (strict_params is on).", param=param[0] if param else "model")


class TooLarge(BadRequest):
    """The request is over a size limit, which the message names."""

    status = 413


class WrongMediaType(BadRequest):
    """The body is of a kind that the API doesn't read."""

    status = 415


class Unauthorized(AntiphonError):
    """No key, or one that isn't valid; the two can't be told apart from outside."""

    status = 401
    type = "invalid_request_error"

    def __init__(self, message: str = "Incorrect API key provided.", *, code: str = "invalid_api_key") -> None:
        super().__init__(message, code=code)


class NotFound(AntiphonError):
    """No such object for this tenant."""

    status = 404
    type = "invalid_request_error"


class WrongMethod(AntiphonError):
    """The path exists, the method doesn't."""

    status = 405
    type = "invalid_request_error"


class LimitReached(AntiphonError):
    """The caller has to wait `retry_after` seconds."""

    status = 429
    type = "rate_limit_error"

    @property
    def response_code(self) -> str:
        return "rate_limit_exceeded"


class ProviderError(AntiphonError):
    """An upstream failed; `upstream_status` is None when it gave no HTTP answer at all."""

    status = 502
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        upstream_status: int | None = None,
        code: str | None = "provider_error",
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, param=param, retry_after=retry_after)
        self.provider = provider
        self.upstream_status = upstream_status
        self.has_other_key = False
        """Whether another key of the provider may do better, at once."""


class ProviderRefused(ProviderError):
    """The upstream blames the request: a 4xx whose words pass through."""

    status = 400
    type = "invalid_request_error"

    @property
    def http_status(self) -> int:
        return self.upstream_status or self.status

    @property
    def response_code(self) -> str:
        return self.code if self.code in RESPONSE_CODES else "invalid_prompt"


class ProviderBusy(ProviderError):
    """The upstream is over its limits (429) or overloaded (503, 529); trying again later may help."""

    retryable = True

    @property
    def http_status(self) -> int:
        return 429 if self.upstream_status == 429 else 503

    @property
    def response_code(self) -> str:
        return "rate_limit_exceeded" if self.upstream_status == 429 else "server_error"


class ProviderBroke(ProviderError):
    """The upstream can't be reached, is late, sends unreadable bytes, or ends without an ending."""

    retryable = True


class StoreUnavailable(AntiphonError):
    """The database can't take or give data at the moment; nothing was half-written."""

    status = 503

    def __init__(self, message: str = "The store is unavailable; try again shortly.") -> None:
        super().__init__(message, code="store_unavailable", retry_after=1)


class Stopping(AntiphonError):
    """The server is told to stop, and what it was doing took too long to wait for."""

    status = 503

    def __init__(self) -> None:
        text = "The server was stopped before the response was complete."
        super().__init__(text, code="server_stopping", retry_after=1)


class Fault(AntiphonError):
    """Our own bug. The client gets an id to quote, the log gets the stack."""
