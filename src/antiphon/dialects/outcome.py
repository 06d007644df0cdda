"""What a response came to, for APIs whose answers can't say that they failed."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from antiphon.errors import AntiphonError, ProviderBroke, ProviderBusy, ProviderRefused
from antiphon.types.items import CustomToolCall, FunctionCall, OutputItem, OutputMessage, Reasoning
from antiphon.types.responses import Response

_ITEM: msgspec.json.Decoder[OutputItem] = msgspec.json.Decoder(
    OutputMessage | FunctionCall | CustomToolCall | Reasoning
)
_OURS = frozenset({OutputMessage.type, FunctionCall.type, CustomToolCall.type, Reasoning.type})


class _Kind(Struct):
    type: str


_KIND = msgspec.json.Decoder(_Kind)


def item_of(raw: Raw) -> OutputItem | None:
    """Return an item that a model made; None for one that is only passed on, which no other API has."""
    return _ITEM.decode(raw) if _KIND.decode(raw).type in _OURS else None


def items_of(output: Sequence[Raw]) -> list[OutputItem]:
    """Return the items of an output that a model made."""
    return [item for raw in output if (item := item_of(raw)) is not None]


def failure(response: Response) -> AntiphonError | None:
    """Return the error that a failed response is as an answer of its own; None for any other response."""
    if response.status != "failed":
        return None
    error = response.error
    if error is None:
        return ProviderBroke("The model failed without saying why.")
    match error.code:
        case "rate_limit_exceeded":
            return ProviderBusy(error.message, upstream_status=429, code=error.code)
        case "server_error" | "vector_store_timeout":
            return ProviderBroke(error.message)
        case _:
            return ProviderRefused(error.message, code=error.code)
