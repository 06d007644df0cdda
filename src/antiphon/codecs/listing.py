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
    max_context_length: Any = None
    """Mistral: the same."""
    context_window: Any = None
    """Groq: the same."""


class _Listing(Struct):
    data: list[_Listed] = []


_DECODER: msgspec.json.Decoder[_Listing | list[_Listed]] = msgspec.json.Decoder(_Listing | list[_Listed])
"""The models are in `data`, or (Together) they are the whole document."""


def listing(body: bytes) -> list[ListedModel]:
    """Return the models of a `GET /models` document. Raises ProviderBroke."""
    try:
        found = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderBroke("The provider's list of models can't be read.") from error
    models = found if isinstance(found, list) else found.data
    return [ListedModel(model.id, _told(model)) for model in models]


def _told(model: _Listed) -> dict[str, object]:
    windows = (model.context_length, model.max_model_len, model.max_context_length, model.context_window)
    window = next((size for size in windows if type(size) is int and size > 0), None)
    return {} if window is None else {"context_window": window}
