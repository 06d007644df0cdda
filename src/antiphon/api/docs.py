"""`/openapi.json`, and `/docs`: Swagger UI from files of ours, which asks no other host for anything."""

from functools import cache
from importlib import resources

from antiphon import __version__
from antiphon.api.calls import Call, Endpoint, Headers, Reply
from antiphon.api.openapi import document
from antiphon.errors import NotFound

ASSETS: dict[str, tuple[str, bytes]] = {
    "docs.js": ("docs.js", b"text/javascript; charset=utf-8"),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", b"text/javascript; charset=utf-8"),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", b"text/css; charset=utf-8"),
}
"""What the page is made of: name in its address to file and type. Nothing else is read, whatever a path says."""

_POLICY = (
    b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; "
    b"script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)
_SAFE: Headers = [
    (b"content-security-policy", _POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_FRESH = (b"cache-control", b"no-cache")
_KEPT = (b"cache-control", b"public, max-age=86400")


async def describe(call: Call) -> Reply:
    """Return the OpenAPI document of this server."""
    return Reply(_document(call.scope["app"].endpoints), headers=[*_SAFE, _FRESH])


async def page(_: Call) -> Reply:
    """Return the page that shows the document and tries it out."""
    return Reply(_file("docs.html"), headers=[*_SAFE, _FRESH], kind=b"text/html; charset=utf-8")


async def asset(call: Call) -> Reply:
    """Return a file that the page is made of."""
    name = call.params["asset"]
    if name not in ASSETS:
        raise NotFound(f"Unknown request URL: GET {call.scope['path']}.", code="unknown_url")
    path, kind = ASSETS[name]
    return Reply(_file(path), headers=[*_SAFE, _KEPT], kind=kind)


@cache
def _document(endpoints: tuple[Endpoint, ...]) -> bytes:
    return document(endpoints, __version__)


@cache
def _file(path: str) -> bytes:
    return (resources.files("antiphon.api") / "assets" / path).read_bytes()


ROUTES = [
    Endpoint("GET", "/openapi.json", describe, public=True, hidden=True),
    Endpoint("GET", "/docs", page, public=True, hidden=True),
    Endpoint("GET", "/docs/{asset}", asset, public=True, hidden=True),
]
