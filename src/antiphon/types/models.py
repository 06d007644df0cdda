"""The objects of `/v1/models`, ours and the providers'."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from antiphon.types.responses import Effort

Modality: TypeAlias = Literal["text", "image", "file", "audio"]


class ModelCard(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A model that a request can name; `owned_by` is the provider. What follows it is ours, where it is known."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    targets: Sequence[str] | None = None
    """The models that an alias leads to."""
    context_window: int | None = None
    """Tokens of input and output together."""
    max_output_tokens: int | None = None
    input_modalities: Sequence[Modality] | None = None
    tools: bool | None = None
    structured_output: Literal["native", "emulated"] | None = None
    reasoning_efforts: Sequence[Effort] | None = None


class ListedModel(Struct, frozen=True):
    """A model that a provider lists, with the fields of its profile that the list tells."""

    id: str
    profile: Mapping[str, object] = {}
