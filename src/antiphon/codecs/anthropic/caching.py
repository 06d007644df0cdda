"""Where a prompt may be cached: at the end of what stays the same from one request of a client to the next.

Anthropic caches up to a marked block, and looks a prompt up at its marks. A request that says nothing about caching
gets no marks. One that gives a `prompt_cache_key` or a `prompt_cache_retention` gets three: at the end of the system
prompt (of the tools, where there is none: they come first), and at the end of the last two messages of the user, so
that the next turn finds what this one wrote. The key itself has no counterpart. `in_memory` keeps Anthropic's five
minutes, `24h` asks for its longest, an hour.
"""

from collections.abc import Sequence

from antiphon.codecs.anthropic.messages import Conversation
from antiphon.types.content import JsonObject

_MARKED_MESSAGES = 2


def mark(said: Conversation, tools: Sequence[JsonObject], retention: str | None, notes: list[str]) -> None:
    """Mark the blocks up to which a prompt is to be cached."""
    control: JsonObject = {"type": "ephemeral"}
    if retention == "24h":
        control["ttl"] = "1h"
        notes.append("prompt_cache_retention: 24h shortened to 1h, this provider's longest")
    users = [sent.content for sent in said.messages if sent.role == "user"]
    for blocks in (said.system or tools, *users[-_MARKED_MESSAGES:]):
        if blocks:
            blocks[-1]["cache_control"] = control
