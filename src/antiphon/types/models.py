"""The objects of `/v1/models`, ours and the providers'."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct


class ModelCard(Struct, kw_only=True, frozen=True):
    """A model that a request can name; `owned_by` is the provider."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class ListedModel(Struct, frozen=True):
    """A model that a provider lists, with the fields of its profile that the list tells."""

    id: str
    profile: Mapping[str, object] = {}
