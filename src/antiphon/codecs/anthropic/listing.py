"""The models that Anthropic lists, and what it tells about them.

It tells much: limits, kinds of input, how a model is asked to think. Look-alikes tell less or nothing, and what is odd
counts as not told.
"""

from typing import Any

import msgspec
from msgspec import Struct

from antiphon.codecs.mending import as_object
from antiphon.errors import ProviderBroke
from antiphon.types.content import JsonObject
from antiphon.types.models import ListedModel
from antiphon.types.responses import Effort

_LEVELS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")


class _Listed(Struct):
    id: str
    max_input_tokens: Any = None
    max_tokens: Any = None
    capabilities: Any = None


class _Listing(Struct):
    data: list[_Listed] = []


_decode = msgspec.json.Decoder(_Listing).decode


def listing(body: bytes) -> list[ListedModel]:
    """Return the models of a `GET /models` document. Raises ProviderBroke."""
    try:
        found = _decode(body).data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderBroke("The provider's list of models can't be read.") from error
    return [ListedModel(model.id, _told(model)) for model in found]


def _told(model: _Listed) -> dict[str, object]:
    able = as_object(model.capabilities)
    limits = {"context_window": model.max_input_tokens, "output_limit": model.max_tokens}
    learned: dict[str, object] = {name: size for name, size in limits.items() if type(size) is int and size > 0}
    for name, capability in (("images", "image_input"), ("files", "pdf_input")):
        if (has := _has(able, capability)) is not None:
            learned[name] = has
    if (has := _has(able, "structured_outputs")) is not None:
        learned["json_schema"] = learned["strict_tools"] = has
    return learned | _reasoning(able)


def _reasoning(able: JsonObject) -> dict[str, object]:
    """Return how a model is asked to think, and the efforts it takes."""
    thinking, levels = as_object(able.get("thinking")), as_object(able.get("effort"))
    types = as_object(thinking.get("types"))
    if _has(able, "thinking") is False:
        return {"effort": "none"}
    if not _has(types, "adaptive"):
        return {"effort": "budget"} if _has(types, "enabled") else {}
    efforts: list[Effort] = [level for level in _LEVELS if _has(levels, level)]
    if not efforts:
        return {"effort": "adaptive"}
    if "low" in efforts:
        efforts.insert(0, "minimal")  # told as low
    if _has(types, "disabled"):
        efforts.insert(0, "none")
    return {"effort": "adaptive", "efforts": frozenset(efforts)}


def _has(capabilities: JsonObject, name: str) -> bool | None:
    """Say whether a capability is there, None when that isn't told."""
    told = as_object(capabilities.get(name)).get("supported")
    return told if isinstance(told, bool) else None
