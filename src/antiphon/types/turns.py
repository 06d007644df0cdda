"""A turn: one request to a model inside a run, as a codec gets it; and what goes out for it."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from antiphon.types.items import Item
from antiphon.types.kept import Kept
from antiphon.types.responses import CreateResponse
from antiphon.types.tools import Tool, ToolChoice


class Turn(Struct, kw_only=True, frozen=True):
    """Everything a model is told: `items` is the whole context, oldest first, references resolved.

    `own` is the number of items at the end that the request itself brought, so that an error can name its
    place in them; `tool_choice` is already freed of lists that allow everything. `tenant` is who asks.
    """

    model: str
    request: CreateResponse
    items: Sequence[Kept[Item]]
    own: int
    tools: Sequence[Kept[Tool]] = ()
    tool_choice: ToolChoice = "auto"
    stream: bool = True
    tenant: str = ""

    def path(self, index: int) -> str:
        """Return the request's path of item `index`, or `input` when it came from history."""
        place = index - (len(self.items) - self.own)
        return f"input[{place}]" if place >= 0 else "input"


class ToolName(Struct, frozen=True):
    """What a tool is called in the request, against the name it was lowered to."""

    name: str
    namespace: str | None = None
    custom: bool = False


class UpstreamRequest(Struct, kw_only=True, frozen=True):
    """One HTTP request to a provider: no address, no credentials.

    `names` leads from lowered tool names back to the request's own; `notes` says what was left out or changed.
    """

    path: str
    body: bytes
    names: Mapping[str, ToolName] = {}
    notes: Sequence[str] = ()
    summarize: bool = False
    """Reasoning that the upstream tells raw is asked for as a summary."""

    one_call: bool = False
    """Of an answer's calls only the first counts: the upstream can't be told to make one at a time."""
