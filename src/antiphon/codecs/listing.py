"""The models that an OpenAI-like server lists, and what it tells about them."""

from typing import Any

import msgspec
from msgspec import Struct

from antiphon.errors import ProviderBroke
from antiphon.types.models import ListedModel


class _Listed(Struct):
    id: str
    context_length: Any = None
    """OpenRouter, Together, LM Studio: tokens of input and output together."""
    max_model_len: Any = None
    """vLLM: the same."""


class _Listing(Struct):
    data: list[_Listed] = []


_DECODER = msgspec.json.Decoder(_Listing)


def listing(body: bytes) -> list[ListedModel]:
    """Return the models of a `GET /models` document. Raises ProviderBroke."""
    try:
        found = _DECODER.decode(body).data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderBroke("The provider's list of models can't be read.") from error
    return [ListedModel(model.id, _told(model)) for model in found]


def _told(model: _Listed) -> dict[str, object]:
    windows = (model.context_length, model.max_model_len)
    window = next((size for size in windows if type(size) is int and size > 0), None)
    return {} if window is None else {"context_window": window}
