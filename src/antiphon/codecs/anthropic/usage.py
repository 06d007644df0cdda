"""Tokens as Messages counts them: cumulative, told in pieces, and cached input apart from the rest."""

from antiphon.codecs.mending import as_object
from antiphon.codecs.usage import count
from antiphon.types.chunks import Used
from antiphon.types.content import JsonObject
from antiphon.types.responses import InputTokensDetails, OutputTokensDetails, Usage

_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
_TIERS = {"standard": "default", "priority": "priority"}
"""Anthropic's names of service tiers to OpenAI's; `batch` has none here."""


class Tally:
    """The highest count of each kind: every report is of the whole turn so far, and may leave kinds out."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._reasoning = 0
        self._tier: str | None = None

    def add(self, reported: JsonObject) -> None:
        """Take one report."""
        for name in _COUNTS:
            told = count(reported.get(name))
            if told is not None:
                self._counts[name] = max(told, self._counts.get(name, 0))
        details = as_object(reported.get("output_tokens_details"))
        self._reasoning = max(self._reasoning, count(details.get("thinking_tokens")) or 0)
        tier = reported.get("service_tier")
        if isinstance(tier, str):
            self._tier = _TIERS.get(tier, self._tier)

    def used(self) -> Used | None:
        """Return the tokens so far, None when no count was reported. Input includes what a cache held."""
        if not self._counts:
            return None
        fresh, read, written, made = (self._counts.get(name, 0) for name in _COUNTS)
        usage = Usage(
            input_tokens=fresh + read + written,
            input_tokens_details=InputTokensDetails(cached_tokens=read, cache_write_tokens=written),
            output_tokens=made,
            output_tokens_details=OutputTokensDetails(reasoning_tokens=self._reasoning),
            total_tokens=fresh + read + written + made,
        )
        return Used(usage, self._tier)
