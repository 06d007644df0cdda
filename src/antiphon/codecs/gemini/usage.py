"""Token counts as Gemini reports them, each for the whole answer so far."""

from typing import Any

from msgspec import Struct

from antiphon.codecs.usage import count
from antiphon.types.responses import InputTokensDetails, OutputTokensDetails, Usage


class Counts(Struct, rename="camel", gc=False):
    """`usageMetadata`; its total is not read, as it is the sum."""

    prompt_token_count: Any = None
    tool_use_prompt_token_count: Any = None
    cached_content_token_count: Any = None
    candidates_token_count: Any = None
    thoughts_token_count: Any = None


def usage(given: Counts) -> Usage | None:
    """Return the usage, None when it holds no count at all.

    What tools gave is input beside `promptTokenCount`, and thoughts are output beside `candidatesTokenCount`.
    """
    prompt, made = count(given.prompt_token_count), count(given.candidates_token_count)
    thoughts = count(given.thoughts_token_count)
    if prompt is None and made is None and thoughts is None:
        return None
    used = (prompt or 0) + (count(given.tool_use_prompt_token_count) or 0)
    output = (made or 0) + (thoughts or 0)
    return Usage(
        input_tokens=used,
        input_tokens_details=InputTokensDetails(cached_tokens=count(given.cached_content_token_count) or 0),
        output_tokens=output,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=thoughts or 0),
        total_tokens=used + output,
    )
