"""An upstream's refusal: its status and body to the error that our client meets.

Who is to blame decides: a 4xx about the request is the client's and keeps its words; 401 and 403 are about the
operator's key and must not look like the client's (SDKs would blame the user's key); 429 and overload may be
tried again; the rest is a broken provider. A page of markup is never passed on.
"""

import re
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.errors import ProviderBroke, ProviderBusy, ProviderError, ProviderRefused

_KEYISH = re.compile(r"\b(?:sk|pk|rk|key|gsk|xai|AIza)[-_][A-Za-z0-9_\-*]{6,}|Bearer\s+\S+")
_MAX_WORDS = 500
_BLAMES_REQUEST = frozenset({400, 404, 405, 409, 413, 415, 422})
_OVERLOADED = frozenset({503, 529})


class _Body(Struct):
    error: Any = None
    message: Any = None
    detail: Any = None


_BODY = msgspec.json.Decoder(_Body)


def refusal(status: int, body: bytes, retry_after: float | None) -> ProviderError:
    """Return the error for an answer with `status` (not 200)."""
    words, code, param = _words(body)
    if status in {401, 403}:
        text = "The provider refused this server's credentials; its operator has to look at the key."
        return ProviderBroke(text, upstream_status=status, code="provider_unauthorized")
    if status == 429:
        text = words or "The provider's rate limit is reached."
        known = code if code in {"insufficient_quota", "slow_down"} else "rate_limit_exceeded"
        return ProviderBusy(text, upstream_status=429, code=known, retry_after=retry_after)
    if status in _OVERLOADED:
        text = words or "The provider is overloaded."
        return ProviderBusy(text, upstream_status=status, code="server_is_overloaded", retry_after=retry_after or 1)
    if status in _BLAMES_REQUEST:
        shown = 400 if status in {404, 405} else status  # a 404 of ours would mean that our object is missing
        text = words or f"The provider refused the request with status {status}."
        return ProviderRefused(text, upstream_status=shown, code=code, param=param)
    text = words if words and status >= 500 else f"The provider answered with status {status}."
    return ProviderBroke(text, upstream_status=status)


def reported(error: object) -> ProviderError:
    """Return the error that an upstream reported inside a stream that had begun with status 200."""
    words, code, _ = _words_of(error)
    text = words or "The provider reported an error without a message."
    if code in {"rate_limit_exceeded", "429", "rate_limit_error"}:
        return ProviderBusy(text, upstream_status=429, code="rate_limit_exceeded")
    if code in {"503", "529", "overloaded_error", "server_is_overloaded"}:
        return ProviderBusy(text, upstream_status=503, code="server_is_overloaded")
    return ProviderBroke(text)


def redact(words: str) -> str:
    """Return `words` without anything that looks like a credential, shortened."""
    return _KEYISH.sub("[redacted]", words)[:_MAX_WORDS]


def _words(body: bytes) -> tuple[str, str | None, str | None]:
    try:
        decoded = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = body[:_MAX_WORDS].decode("utf-8", "replace").strip()
        return ("", None, None) if text.startswith("<") or not text.isprintable() else (redact(text), None, None)
    return _words_of(decoded.error or decoded.message or decoded.detail)


def _words_of(error: object) -> tuple[str, str | None, str | None]:
    """Return message, code and param of what stands under `error`: an object, or just a string."""
    if isinstance(error, str):
        return redact(error), None, None
    if not isinstance(error, dict):
        return "", None, None
    message, code, param = error.get("message"), error.get("code") or error.get("type"), error.get("param")
    return (
        redact(message) if isinstance(message, str) else "",
        str(code) if isinstance(code, str | int) else None,
        param if isinstance(param, str) else None,
    )
