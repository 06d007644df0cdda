"""`/v1/models`: what a request can name."""

from typing import Literal

from msgspec import Struct

from antiphon.api.calls import Call, Endpoint, Reply
from antiphon.errors import NotFound
from antiphon.types.models import ModelCard


class ModelList(Struct, kw_only=True, frozen=True):
    """Every model known by name; patterns of the settings may serve more."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


async def list_models(call: Call) -> Reply:
    """List the models known by name."""
    return Reply(ModelList(data=list(call.services.models.cards())))


async def retrieve(call: Call) -> Reply:
    """Return one model by the name that a request would use."""
    name = call.params["name"]
    for card in call.services.models.cards():
        if card.id == name:
            return Reply(card)
    raise NotFound(f"The model '{name}' does not exist.", code="model_not_found", param="model")


ROUTES = [
    Endpoint("GET", "/v1/models", list_models, reply=ModelList),
    Endpoint("GET", "/v1/models/{name:path}", retrieve, reply=ModelCard),
]
