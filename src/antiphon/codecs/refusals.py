"""An upstream's refusal: its status and body to the error that our client meets.

Who is to blame decides: a 4xx about the request is the client's and keeps its words; 401 and 403 are about the
operator's key and must not look like the client's (SDKs would blame the user's key); 429 and overload may be
tried again; the rest is a broken provider. A page of markup is never passed on.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.codecs.mending import Unreadable, as_list, as_object, read
from antiphon.errors import RESPONSE_CODES, ProviderBroke, ProviderBusy, ProviderError, ProviderRefused

_SECRETS = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|r8|nvapi|pplx|fw|sess)[-_][A-Za-z0-9_\-*]{6,}"  # by their prefixes, masked ones too
    r"|\bkey[-_](?=\S*\d)[A-Za-z0-9_\-*]{6,}"
    r"|\bAIza[A-Za-z0-9_\-]{10,}"
    r"|\bBearer\s+\S+"
    r"|\bhttps?://(?:[^\s/]*@|[^\s/.]+(?=[:/\s]|$)|\d[\d.]*(?=[:/\s]|$)|\[)\S*"  # with a password, or inside addresses
    r"|(?<=[?&])(?:api[-_]?key|key|token|sig)=[^\s&]+"
)
_MAX_WORDS = 500
_BLAMES_REQUEST = frozenset({400, 404, 405, 409, 413, 415, 422})
_OVERLOADED = frozenset({503, 529})
_NO_CREDENTIALS = "The provider refused this server's credentials; its operator has to look at the key."

_OF_CREDENTIALS = frozenset({"401", "403", "authentication_error", "invalid_api_key", "permission_error"})
_OF_LIMITS = frozenset({"429", "rate_limit_exceeded", "rate_limit_error", "insufficient_quota", "slow_down"})
_OF_OVERLOAD = frozenset({"503", "529", "overloaded", "overloaded_error", "server_is_overloaded", "server_overloaded"})
_OF_REQUEST = frozenset(
    {
        "400",
        "413",
        "422",
        "invalid_request_error",
        "BadRequestError",
        "context_length_exceeded",
        "content_policy_violation",
    }
    | (RESPONSE_CODES - {"server_error", "rate_limit_exceeded", "vector_store_timeout"})
)


class _Body(Struct):
    error: Any = None
    message: Any = None
    detail: Any = None


_BODY = msgspec.json.Decoder(_Body | list[_Body])


def refusal(
    status: int, body: bytes, retry_after: float | None, *, params: Mapping[str, str] | None = None
) -> ProviderError:
    """Return the error for an answer with `status` (not 200).

    `params` leads from the upstream's names of parameters to ours; without it they are the same.
    """
    words, code, param = _words(body)
    if status in {401, 403}:
        return ProviderBroke(_NO_CREDENTIALS, upstream_status=status, code="provider_unauthorized")
    if status == 429:
        text = words or "The provider's rate limit is reached."
        known = code if code in {"insufficient_quota", "slow_down"} else "rate_limit_exceeded"
        return ProviderBusy(text, upstream_status=429, code=known, retry_after=retry_after)
    if status in _OVERLOADED:
        text = words or "The provider is overloaded."
        return ProviderBusy(text, upstream_status=status, code="server_is_overloaded", retry_after=retry_after)
    if status in _BLAMES_REQUEST:
        shown = 400 if status in {404, 405} else status  # a 404 of ours would mean that our object is missing
        text = words or f"The provider refused the request with status {status}."
        return ProviderRefused(text, upstream_status=shown, code=code, param=_ours(param, params))
    text = words if words and status >= 500 else f"The provider answered with status {status}."
    return ProviderBroke(text, upstream_status=status)


def reported(error: object) -> ProviderError:
    """Return the error that an upstream reported inside an answer that had begun with status 200."""
    words, code, _ = _words_of(error)
    text = words or "The provider reported an error without a message."
    if code in _OF_CREDENTIALS:
        return ProviderBroke(_NO_CREDENTIALS, code="provider_unauthorized")
    if code in _OF_LIMITS:
        known = code if code in {"insufficient_quota", "slow_down"} else "rate_limit_exceeded"
        return ProviderBusy(text, upstream_status=429, code=known)
    if code in _OF_OVERLOAD:
        return ProviderBusy(text, upstream_status=503, code="server_is_overloaded")
    if code in _OF_REQUEST:
        return ProviderRefused(text, upstream_status=400, code=None if code.isdecimal() else code)
    return ProviderBroke(text)


def redact(words: str) -> str:
    """Return `words` without anything that looks like a credential or an inside address, shortened."""
    return _SECRETS.sub("[redacted]", words)[:_MAX_WORDS]


def _ours(param: str | None, params: Mapping[str, str] | None) -> str | None:
    """Return our name of an upstream's parameter: by the whole of it, or by what it begins with."""
    if param is None or params is None:
        return param
    return params.get(param) or params.get(re.split(r"[.\[]", param, maxsplit=1)[0], param)


def _words(body: bytes) -> tuple[str, str | None, str | None]:
    try:
        decoded = read(_BODY.decode, body)
    except Unreadable:
        text = body[:_MAX_WORDS].decode("utf-8", "replace").strip()
        is_none = text.startswith("<") or text == "null" or not text.isprintable()
        return ("" if is_none else redact(text)), None, None
    first = decoded if isinstance(decoded, _Body) else next(iter(decoded), _Body())  # Google sends a list of one
    return _words_of(first.error or first.message or first.detail)


def _words_of(error: object) -> tuple[str, str | None, str | None]:
    """Return message, code and param of what stands under `error`: an object, or just a string."""
    first = as_list(error)[:1]
    if first and isinstance(first[0], str):
        return redact(first[0]), None, None
    fields = as_object(first[0]) if first else {}
    message, param = fields.get("message") or fields.get("msg"), fields.get("param")
    code = fields.get("code") or fields.get("type")
    return (
        redact(message) if isinstance(message, str) else "",
        str(code) if isinstance(code, str | int) else None,
        param if isinstance(param, str) else None,
    )
