"""The models that Gemini lists, and what the list tells about them."""

from typing import Any

import msgspec
from msgspec import Struct

from antiphon.errors import ProviderBroke
from antiphon.types.models import ListedModel


class _Listed(Struct, rename="camel"):
    name: str
    input_token_limit: Any = None
    output_token_limit: Any = None
    supported_generation_methods: list[str] | None = None
    thinking: bool | None = None


class _Listing(Struct):
    models: list[_Listed] = []


_decode = msgspec.json.Decoder(_Listing).decode


def listing(body: bytes) -> list[ListedModel]:
    """Return the models of a `GET /models` document that generate content. Raises ProviderBroke."""
    try:
        found = _decode(body).models
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderBroke("The provider's list of models can't be read.") from error
    return [ListedModel(model.name.removeprefix("models/"), _told(model)) for model in found if _talks(model)]


def _talks(model: _Listed) -> bool:
    return model.supported_generation_methods is None or "generateContent" in model.supported_generation_methods


def _told(model: _Listed) -> dict[str, object]:
    told: dict[str, object] = {}
    if _is_size(model.input_token_limit):
        told["context_window"] = model.input_token_limit
    if _is_size(model.output_token_limit):
        told["output_limit"] = model.output_token_limit
    if model.thinking is False:
        told["effort"] = "none"
    return told


def _is_size(value: object) -> bool:
    return type(value) is int and value > 0
