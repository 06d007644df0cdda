"""Gemini's errors: a `google.rpc.Status`, as the body of a refusal or inside an answer that had begun."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.codecs import refusals
from antiphon.codecs.mending import Unreadable, as_list, as_object, read
from antiphon.errors import ProviderError
from antiphon.types.content import JsonObject

_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""The names of google.rpc.Code that Gemini uses, as HTTP statuses."""

_PARAMS = {
    "contents": "input",
    "systeminstruction": "instructions",
    "tools": "tools",
    "toolconfig": "tool_choice",
    "generationconfig.maxoutputtokens": "max_output_tokens",
    "generationconfig.temperature": "temperature",
    "generationconfig.topp": "top_p",
    "generationconfig.presencepenalty": "presence_penalty",
    "generationconfig.frequencypenalty": "frequency_penalty",
    "generationconfig.logprobs": "top_logprobs",
    "generationconfig.responselogprobs": "include",
    "generationconfig.responsejsonschema": "text.format",
    "generationconfig.responseschema": "text.format",
    "generationconfig.responsemimetype": "text.format",
    "generationconfig.thinkingconfig": "reasoning",
    "generationconfig.thinkingconfig.thinkinglevel": "reasoning.effort",
    "generationconfig.thinkingconfig.thinkingbudget": "reasoning.effort",
    "generationconfig.thinkingconfig.includethoughts": "reasoning.summary",
    "servicetier": "service_tier",
    "model": "model",
}
"""Fields of the body, in small letters and without underscores, to the parameters that they came from."""

_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s\Z")
_TOO_LONG = re.compile(r"token count.{0,40}exceeds", re.IGNORECASE)


class _Envelope(Struct):
    error: Any = None


_BODY: msgspec.json.Decoder[_Envelope | list[_Envelope]] = msgspec.json.Decoder(_Envelope | list[_Envelope])


def refusal(status: int, body: bytes, retry_after: float | None) -> ProviderError:
    """Return the error for an answer with `status` (not 200)."""
    try:
        found = read(_BODY.decode, body)
    except Unreadable:
        return refusals.refusal(status, body, retry_after)
    first = found if isinstance(found, _Envelope) else next(iter(found), _Envelope())
    fields = as_object(first.error)
    return _error(status, fields, retry_after) if fields else refusals.refusal(status, body, retry_after)


def reported(error: object) -> ProviderError:
    """Return the error that stood inside an answer."""
    fields = as_object(error)
    code = fields.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else _STATUSES.get(str(fields.get("status")), 500)
    return _error(status, fields, None)


def _error(status: int, fields: JsonObject, retry_after: float | None) -> ProviderError:
    details = [as_object(detail) for detail in as_list(fields.get("details"))]
    message = fields.get("message")
    words = message if isinstance(message, str) else ""
    if any(str(detail.get("reason")).startswith("API_KEY_") for detail in details) or "API key not valid" in words:
        status = 401  # Gemini blames the request for our key
    plain: JsonObject = {"message": words, "code": _code(status, words, details), "param": _param(details)}
    return refusals.refusal(status, msgspec.json.encode({"error": plain}), retry_after or _delay(details), params={})


def _code(status: int, words: str, details: list[JsonObject]) -> str | None:
    if status == 429 and any("PerDay" in quota for quota in _quotas(details)):
        return "insufficient_quota"  # waiting for seconds won't help
    if status == 400 and _TOO_LONG.search(words):
        return "context_length_exceeded"
    return None


def _quotas(details: list[JsonObject]) -> list[str]:
    """Return the names of the quotas that are used up."""
    violations = [as_object(one) for detail in details for one in as_list(detail.get("violations"))]
    metadata = [as_object(detail.get("metadata")).get("quota_limit") for detail in details]
    return [str(name) for name in [*(one.get("quotaId") for one in violations), *metadata]]


def _delay(details: list[JsonObject]) -> float | None:
    """Return the seconds to wait, where they are told."""
    for detail in details:
        if found := _SECONDS.match(str(detail.get("retryDelay"))):
            return float(found[1])
    return None


def _param(details: list[JsonObject]) -> str | None:
    """Return our parameter for the first field that is blamed; of places inside it only the index would differ."""
    for detail in details:
        for violation in as_list(detail.get("fieldViolations")):
            field = as_object(violation).get("field")
            if isinstance(field, str) and field:
                return _ours(field)
    return None


def _ours(field: str) -> str:
    plain = re.sub(r"\[[^\]]*\]|_", "", field).lower()
    while plain and plain not in _PARAMS:
        plain = plain.rpartition(".")[0]
    return _PARAMS.get(plain, field)
