"""`/openapi.json` and `/docs`."""

from antiphon.api.calls import Endpoint

ROUTES: list[Endpoint] = []
