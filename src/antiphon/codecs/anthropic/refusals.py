"""What Anthropic says of a request that it refuses, in the API's words.

Its errors have a kind and a sentence, and no code or parameter. The sentence begins with the place, and is all that
tells what was wrong; it may change at any time, and then an error keeps its kind alone. The sentences are those seen
in issue threads of clients up to 2026-11.
"""

import re

from antiphon.codecs import refusals
from antiphon.errors import ProviderBusy, ProviderError, ProviderRefused

_PLACE = re.compile(r"(?P<place>[a-z_]+(?:\.\w+)*): ")
PARAMS = {
    "messages": "input",
    "system": "instructions",
    "max_tokens": "max_output_tokens",
    "thinking": "reasoning",
    "output_config.effort": "reasoning.effort",
    "output_config": "text.format",
    "metadata": "safety_identifier",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "temperature": "temperature",
    "top_p": "top_p",
    "service_tier": "service_tier",
    "model": "model",
}
"""Parameters of Messages, or what their paths begin with, to those of the Responses API."""

_CODES = (
    (re.compile(r"prompt is too long|exceed context limit|exceeds? the .*context window"), "context_length_exceeded"),
    (re.compile(r"image exceeds .* maximum"), "image_file_too_large"),
    (re.compile(r"image dimensions exceed"), "image_too_large"),
    (re.compile(r"[Cc]ould not process image"), "image_parse_error"),
    (re.compile(r"media type, but the image appears to be"), "invalid_image_format"),
    (re.compile(r"image.*[Ii]nvalid base64|[Ii]nvalid base64.*image"), "invalid_base64_image"),
    (re.compile(r"image.*media_type"), "unsupported_image_media_type"),
    (re.compile(r"[Uu]nable to download"), "failed_to_download_image"),
)
_NO_CREDIT = "credit balance is too low"


def refusal(status: int, body: bytes, retry_after: float | None) -> ProviderError:
    """Return the error for an answer with `status` (not 200)."""
    return _named(refusals.refusal(status, body, retry_after))


def reported(error: object) -> ProviderError:
    """Return the error that was reported inside an answer that had begun with status 200."""
    return _named(refusals.reported(error))


def _named(error: ProviderError) -> ProviderError:
    """Return the error with its code and param, as far as its words tell them."""
    if not isinstance(error, ProviderRefused):
        return error
    if _NO_CREDIT in error.message:  # a 400 that is the operator's affair, not the client's
        return ProviderBusy(error.message, upstream_status=429, code="insufficient_quota")
    error.code = next((code for words, code in _CODES if words.search(error.message)), error.code)
    found = _PLACE.match(error.message)
    if error.param is None and found is not None:
        error.param = _ours(found["place"])
    return error


def _ours(place: str) -> str | None:
    """Return our name of the parameter that a path is in, None when it begins with something else."""
    first, second = f"{place}.".split(".")[:2]
    return PARAMS.get(f"{first}.{second}") or PARAMS.get(first)
