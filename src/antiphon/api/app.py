"""The app: every route table together, and the answers for paths and methods that none of them has."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace

from starlette.exceptions import HTTPException
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from antiphon.api import chat_completions, conversations, docs, health, messages, models, responses
from antiphon.api.calls import Call, Endpoint, refuse
from antiphon.api.services import Services
from antiphon.errors import AntiphonError, NotFound, WrongMethod
from antiphon.telemetry import log, request_id

ENDPOINTS: list[Endpoint] = [
    *responses.ROUTES,
    *conversations.ROUTES,
    *chat_completions.ROUTES,
    *messages.ROUTES,
    *models.ROUTES,
    *health.ROUTES,
    *docs.ROUTES,
]


class App:
    """The ASGI app. Starlette routes; calls serve themselves, so its error middleware has nothing to do."""

    def __init__(self, services: Services, lifespan: Callable[["App"], AbstractAsyncContextManager[None]]) -> None:
        self.state = SimpleNamespace(services=services)
        self.endpoints = tuple(ENDPOINTS)
        self._plain = {(each.method, each.path): each for each in ENDPOINTS if "{" not in each.path}
        self._router = Router(
            [endpoint.route() for endpoint in ENDPOINTS],
            default=self._no_route,
            redirect_slashes=False,
            lifespan=lambda _: lifespan(self),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of whatever kind."""
        scope["app"] = self
        if scope["type"] == "http" and (endpoint := self._plain.get((scope["method"], scope["path"]))):
            scope["path_params"] = {}
            await endpoint(scope, receive, send)  # a path without parameters needs no search
            return
        try:
            await self._router(scope, receive, send)
        except HTTPException:
            text = f"Not allowed: {scope['method']} {scope['path']}."
            await self._refuse(WrongMethod(text, code="method_not_allowed"), scope, receive, send)

    async def _no_route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        text = f"Unknown request URL: {scope['method']} {scope['path']}."
        await self._refuse(NotFound(text, code="unknown_url"), scope, receive, send)

    async def _refuse(self, error: AntiphonError, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for a path or method that has no endpoint, with an id and a line in the log like any call."""
        scope.setdefault("path_params", {})
        call = Call(scope, receive, send)
        token = request_id.set(call.id)
        await refuse(call, error)
        log("request", method=scope["method"], path=None, status=call.status)
        request_id.reset(token)
