"""Token counts as upstreams report them, made whole and non-negative."""

from math import isfinite

from antiphon.codecs.mending import as_object
from antiphon.types.content import JsonObject
from antiphon.types.responses import InputTokensDetails, OutputTokensDetails, Usage


def chat_usage(given: JsonObject) -> Usage | None:
    """Return the usage of a Chat Completions answer, None when it holds no count at all.

    Zeros everywhere are none either: LocalAI sends them with every chunk, and no answer costs nothing.
    """
    prompt, completion = count(given.get("prompt_tokens")), count(given.get("completion_tokens"))
    if not prompt and not completion:
        return None
    details = given.get("prompt_tokens_details")
    cached = _inner(details, "cached_tokens")
    reasoning = _inner(given.get("completion_tokens_details"), "reasoning_tokens")
    return _usage(
        prompt or 0,
        _made(given, prompt or 0, completion or 0, reasoning),
        # DeepSeek's name for it, and the place where Moonshot and Together have it
        cached=cached or count(given.get("prompt_cache_hit_tokens")) or count(given.get("cached_tokens")) or 0,
        written=_inner(details, "cache_write_tokens"),
        reasoning=reasoning,
    )


def _made(given: JsonObject, prompt: int, completion: int, reasoning: int) -> int:
    """Return the tokens of the answer with its reasoning, which some count beside it.

    xAI does ("counted separately from completion_tokens, but will be counted in the total_tokens", docs.x.ai, 2026-02),
    and so do translators of Gemini's counts (CLIProxyAPI 5733).
    """
    beside = reasoning and count(given.get("total_tokens")) == prompt + completion + reasoning
    return completion + reasoning if beside else completion


def responses_usage(given: JsonObject) -> Usage | None:
    """Return the usage of a Responses answer, None when it holds no count at all."""
    used, made = count(given.get("input_tokens")), count(given.get("output_tokens"))
    if used is None and made is None:
        return None
    details = given.get("input_tokens_details")
    return _usage(
        used or 0,
        made or 0,
        cached=_inner(details, "cached_tokens"),
        written=_inner(details, "cache_write_tokens"),
        reasoning=_inner(given.get("output_tokens_details"), "reasoning_tokens"),
    )


def count(value: object) -> int | None:
    """Return a whole number of tokens, None for anything that is none (null, NaN, negative, text)."""
    if type(value) is int:
        return value if value >= 0 else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        return None
    return int(value)


def _inner(details: object, name: str) -> int:
    return (count(as_object(details).get(name)) or 0) if details else 0


def _usage(used: int, made: int, *, cached: int, written: int, reasoning: int) -> Usage:
    """The total is the sum: a reported total that differs helps nobody."""
    return Usage(
        input_tokens=used,
        input_tokens_details=InputTokensDetails(cached_tokens=cached, cache_write_tokens=written),
        output_tokens=made,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=reasoning),
        total_tokens=used + made,
    )
