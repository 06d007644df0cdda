"""The objects of `/v1/models`."""

from typing import Literal

from msgspec import Struct


class ModelCard(Struct, kw_only=True, frozen=True):
    """A model that a request can name; `owned_by` is the provider."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str
