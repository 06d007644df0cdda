"""The OpenAPI 3.1 document, made from the route tables, the Structs and the docstrings of both."""

import re
import sys
from collections.abc import Iterable
from types import UnionType

import msgspec
from msgspec import Struct

from antiphon.api.calls import Endpoint
from antiphon.api.schemas import Schemas, first_paragraph
from antiphon.dialects.chat import ChatRequest
from antiphon.dialects.messages import CountMessages, MessagesRequest
from antiphon.errors import (
    AntiphonError,
    BadRequest,
    Fault,
    LimitReached,
    NotFound,
    ProviderBroke,
    ProviderBusy,
    StoreUnavailable,
    TooLarge,
    Unauthorized,
    WrongMediaType,
)
from antiphon.types.content import JsonObject
from antiphon.types.conversations import AddItems, CreateConversation, UpdateConversation
from antiphon.types.responses import CountInput, CreateResponse

_ERRORS: dict[int, tuple[type[AntiphonError], ...]] = {
    400: (BadRequest,),
    401: (Unauthorized,),
    404: (NotFound,),
    413: (TooLarge,),
    415: (WrongMediaType,),
    429: (LimitReached, ProviderBusy),
    500: (Fault,),
    502: (ProviderBroke,),
    503: (StoreUnavailable, ProviderBusy),
}
_WAITS = frozenset({429, 503})
"""The statuses that may say how long to wait."""

_MESSAGE = {"type": "message", "role": "user", "content": "Say hello."}
EXAMPLES: dict[type[Struct], JsonObject] = {
    CreateResponse: {"model": "demo-chat", "input": "Say hello."},
    CountInput: {"model": "demo-chat", "input": "Say hello."},
    ChatRequest: {"model": "demo-chat", "messages": [{"role": "user", "content": "Say hello."}]},
    MessagesRequest: {
        "model": "demo-chat",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Say hello."}],
    },
    CountMessages: {"model": "demo-chat", "messages": [{"role": "user", "content": "Say hello."}]},
    CreateConversation: {"items": [_MESSAGE], "metadata": {"topic": "greetings"}},
    UpdateConversation: {"metadata": {"topic": "greetings"}},
    AddItems: {"items": [_MESSAGE]},
}
"""What a reader can send as it stands."""

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_SENTENCE = re.compile(r"(?<=\.)\s")


def document(endpoints: Iterable[Endpoint], version: str) -> bytes:
    """Return the document of every endpoint that isn't hidden, as JSON."""
    told = [endpoint for endpoint in endpoints if not endpoint.hidden]
    schemas = _schemas(told)
    paths: dict[str, JsonObject] = {}
    for endpoint in told:
        path = _PARAMETER.sub(r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    _tell_apart(paths)
    whole: JsonObject = {
        "openapi": "3.1.0",
        "info": {
            "title": "Antiphon",
            "summary": "OpenAI's Responses API in front of any model.",
            "version": version,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "./", "description": "This server."}],  # as seen from the document, also behind a prefix
        "security": [{"key": []}],
        "tags": _tags(told),
        "paths": paths,
        "components": _components(told, schemas),
    }
    return msgspec.json.encode(whole)


def _schemas(endpoints: list[Endpoint]) -> Schemas:
    """Return the schemas, with those of the bodies made: what comes after them is only ever sent by us."""
    schemas = Schemas()
    for endpoint in endpoints:
        if endpoint.body is not None:
            schemas.of(endpoint.body)
    schemas.is_sending = True
    return schemas


def _components(endpoints: list[Endpoint], schemas: Schemas) -> JsonObject:
    key = {"type": "http", "scheme": "bearer", "description": "A key of this server: `Authorization: Bearer …`."}
    seconds = {"type": "integer", "minimum": 0}
    responses: dict[str, JsonObject] = {}
    for shape in dict.fromkeys(endpoint.manners.error for endpoint in endpoints):
        error = {"application/json": {"schema": schemas.of(shape)}}
        name = _error_name(shape)
        responses |= {f"{name}{status}": _error(status, kinds, error) for status, kinds in _ERRORS.items()}
        responses[name] = {"description": "Any other failure.", "headers": _headers(), "content": error}
    return {
        "schemas": schemas.components,
        "responses": responses,
        "headers": {
            "x-request-id": {"description": "The id of the call, for its operator.", "schema": {"type": "string"}},
            "retry-after": {"description": "Seconds to wait before the next try.", "schema": seconds},
            "retry-after-ms": {"description": "The same in milliseconds, for official clients.", "schema": seconds},
        },
        "securitySchemes": {"key": key, **_other_keys(endpoints)},
    }


def _error_name(shape: type[Struct]) -> str:
    return shape.__name__.removesuffix("Reply")


def _other_keys(endpoints: list[Endpoint]) -> JsonObject:
    """Return the headers beside Authorization in which some clients send their key."""
    headers = dict.fromkeys(endpoint.manners.key_header for endpoint in endpoints if endpoint.manners.key_header)
    text = "The same key, as clients of another API send it."
    return {
        name.decode(): {"type": "apiKey", "in": "header", "name": name.decode(), "description": text}
        for name in headers
    }


def _error(status: int, kinds: tuple[type[AntiphonError], ...], content: JsonObject) -> JsonObject:
    waits = ("retry-after", "retry-after-ms") if status in _WAITS else ()
    text = " Or: ".join(first_paragraph(kind) for kind in kinds)
    return {"description": text, "headers": _headers(*waits), "content": content}


def _headers(*more: str) -> JsonObject:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("x-request-id", *more)}


def _tags(endpoints: list[Endpoint]) -> list[JsonObject]:
    modules = dict.fromkeys(endpoint.handler.__module__ for endpoint in endpoints)
    return [{"name": _resource(name), "description": first_paragraph(sys.modules[name])} for name in modules]


def _resource(module: str) -> str:
    return module.rpartition(".")[2]


def _operation(endpoint: Endpoint, schemas: Schemas) -> JsonObject:
    resource = _resource(endpoint.handler.__module__)
    summary, *rest = _SENTENCE.split(first_paragraph(endpoint.handler), maxsplit=1)
    operation: JsonObject = {
        "operationId": f"{resource}_{getattr(endpoint.handler, '__name__', endpoint.method.lower())}",
        "summary": summary.removesuffix(".").replace("`", ""),  # shown as it is; only descriptions are Markdown
        "tags": [resource],
    }
    if rest:
        operation["description"] = rest[0]
    if endpoint.public:
        operation["security"] = []
    elif endpoint.manners.key_header is not None:
        operation["security"] = [{"key": []}, {endpoint.manners.key_header.decode(): []}]
    if parameters := _path_parameters(endpoint) + _query_parameters(endpoint, schemas):
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = _body(endpoint.body, schemas)
    operation["responses"] = {str(endpoint.status): _reply(endpoint, schemas), **_refusals(endpoint)}
    return operation


def _tell_apart(paths: dict[str, JsonObject]) -> None:
    """Add the path's end to the id of an operation whose handler serves another path already."""
    taken: set[str] = set()
    for path, operations in paths.items():
        for operation in operations.values():
            if operation["operationId"] in taken:
                operation["operationId"] += f"_{path.rpartition('/')[2].strip('{}')}"
            taken.add(operation["operationId"])


def _path_parameters(endpoint: Endpoint) -> list[JsonObject]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(endpoint.path)
    ]


def _query_parameters(endpoint: Endpoint, schemas: Schemas) -> list[JsonObject]:
    if endpoint.query is None:
        return []
    query = schemas.inline(endpoint.query)
    return [
        {"name": name, "in": "query", "required": name in query["required"], "schema": _without_null(schema)}
        for name, schema in query["properties"].items()
    ]


def _without_null(schema: JsonObject) -> JsonObject:
    """Return the schema of a parameter: a query string has no null, only what is left out."""
    if not isinstance(schema.get("type"), list):
        return schema
    plain = {**schema, "type": schema["type"][0]}
    return plain | ({"enum": [value for value in schema["enum"] if value is not None]} if "enum" in schema else {})


def _body(kind: type[Struct], schemas: Schemas) -> JsonObject:
    """Return a request's body; one in which nothing is required may be left out."""
    media: JsonObject = {"schema": schemas.of(kind)}
    if kind in EXAMPLES:
        media["example"] = EXAMPLES[kind]
    is_required = any(field.required for field in msgspec.structs.fields(kind))
    return {"required": is_required, "content": {"application/json": media}}


def _reply(endpoint: Endpoint, schemas: Schemas) -> JsonObject:
    text, content = "Done.", {}
    if endpoint.reply is not None:
        text = "One of these." if isinstance(endpoint.reply, UnionType) else first_paragraph(endpoint.reply)
        content["application/json"] = {"schema": schemas.of(endpoint.reply)}
    if endpoint.streams:
        last = ", the last one `[DONE]`" if endpoint.manners.done else ""
        text += f" With `stream: true`, server-sent events, each with one of these as its `data`{last}."
        frames = endpoint.manners.frames
        content["text/event-stream"] = {"schema": schemas.of(frames) if frames else schemas.open_union("Event")}
    return {"description": text, "headers": _headers(), **({"content": content} if content else {})}


def _refusals(endpoint: Endpoint) -> JsonObject:
    """Return the errors that a call may meet: those of its body, key, path and query, and `default` for the rest."""
    statuses = {500, 503}
    if endpoint.body is not None:
        statuses |= _ERRORS.keys()
    if endpoint.query is not None:
        statuses.add(400)
    if "{" in endpoint.path:
        statuses.add(404)
    statuses = statuses - {401} if endpoint.public else statuses | {401}
    name = f"#/components/responses/{_error_name(endpoint.manners.error)}"
    return {**{str(status): {"$ref": f"{name}{status}"} for status in sorted(statuses)}, "default": {"$ref": name}}
