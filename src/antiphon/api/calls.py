"""A call: one HTTP request to us, from its first byte to its answer's last.

`Endpoint` is both the row of a route table and the ASGI app of its route: it makes the call's id, checks the
key unless the row says `public`, runs the handler, and turns whatever is raised into the one error body. Who
may call is thus declared with the route; no path is ever compared for it.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from antiphon.api import errors
from antiphon.api.bodies import BodyReader, read_query, too_large
from antiphon.errors import AntiphonError, Stopping, WrongMediaType
from antiphon.telemetry import Level, log, log_fault, request_id

if TYPE_CHECKING:
    from antiphon.api.services import Services

T = TypeVar("T")
Headers = list[tuple[bytes, bytes]]

_encode = msgspec.json.Encoder().encode
_JSON = (b"content-type", b"application/json")
_IN_HEADER = bytes(byte if 0x20 <= byte < 0x7F else ord("?") for byte in range(256))
"""Makes any bytes fit to stand in a header: notes hold names that callers chose."""
_numbers = itertools.count()
_process = secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class Manners:
    """What clients of one API expect around every answer: declared with a route, as everything about it is.

    `key_header` is where a key is found when there is no Authorization, `id_header` a second name of the call's id.
    `refusal` gives the status and the body of an error in a call of that id; `error` is that body's type. `frames` is
    the type of what a stream's frames hold (our events, where it is None), `done` whether `[DONE]` comes after them.
    """

    key_header: bytes | None = None
    id_header: bytes | None = None
    error: type[Struct] = errors.ErrorReply
    refusal: Callable[[AntiphonError, str], tuple[int, bytes]] = errors.refusal
    frames: object = None
    done: bool = True


PLAIN = Manners()
"""The manners of OpenAI's API."""


class Reply:
    """An answer that is there at once: a Struct, or bytes of a type."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, content: object, *, status: int = 200, headers: Headers | None = None, kind: bytes = b""
    ) -> None:
        self.body: bytes = content if isinstance(content, bytes) else _encode(content)
        self.status = status
        self.headers: Headers = [(b"content-type", kind) if kind else _JSON, *(headers or ())]

    async def send(self, call: "Call") -> None:
        """Send the answer."""
        await call.begin(self.status, [*self.headers, (b"content-length", str(len(self.body)).encode())])
        await call.send({"type": "http.response.body", "body": self.body})


class Call:
    """What a handler gets: the request, who makes it, and the services behind the API."""

    __slots__ = (
        "answered_by",
        "headers",
        "id",
        "is_answered",
        "manners",
        "notes",
        "params",
        "receive",
        "scope",
        "send",
        "services",
        "status",
        "tenant",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, manners: Manners = PLAIN) -> None:
        self.manners = manners
        self.id = f"req_{_process}{next(_numbers):012x}"
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.receive = receive
        self.send = send
        self.services: Services = scope["app"].state.services
        self.params: Mapping[str, str] = scope["path_params"]
        self.tenant = ""
        self.status = 0
        self.is_answered = False  # the last byte of the answer has been sent
        self.notes: list[str] = []
        self.answered_by: Callable[[], str] | None = None  # the model that the request was led to, once it is known

    @property
    def authorization(self) -> str | None:
        """The Authorization header, or what it would be with the key that clients of this API send elsewhere."""
        given = self.header(b"authorization")
        if given is None and self.manners.key_header is not None:
            key = self.header(self.manners.key_header)
            return None if key is None else f"Bearer {key}"
        return given

    @property
    def has_begun(self) -> bool:
        """Whether the answer's head was sent."""
        return self.status != 0

    def header(self, name: bytes) -> str | None:
        """Return a header of the request; `name` is in lower case."""
        value = self.headers.get(name)
        return None if value is None else str(value, "latin-1")

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the head of the answer."""
        self.status = status
        headers.append((b"x-request-id", self.id.encode()))
        if self.manners.id_header is not None:
            headers.append((self.manners.id_header, self.id.encode()))
        if self.notes:
            told = "; ".join(self.notes).encode("ascii", "replace").translate(_IN_HEADER)
            headers.append((b"antiphon-notes", told[:1024]))
        if self.answered_by is not None and (model := self.answered_by()):
            headers.append((b"antiphon-model", model.encode("ascii", "replace").translate(_IN_HEADER)[:512]))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, reader: BodyReader[T]) -> T:
        """Return the body as its Struct. Raises BadRequest; a body over the limit is refused before it is read."""
        return reader.read(await self.bytes(), self.services.limits, self.notes)

    async def bytes(self) -> bytes:
        """Return the body. Raises TooLarge and WrongMediaType."""
        limit = self.services.limits.body_bytes
        if (length := self.header(b"content-length")) and length.isdigit() and int(length) > limit:
            raise too_large(limit)
        if self.header(b"content-encoding") not in {None, "identity"}:
            raise WrongMediaType("A compressed body is not read; send plain JSON.", code="unsupported_content_encoding")
        if not (self.header(b"content-type") or "application/json").lower().startswith("application/json"):
            raise WrongMediaType("The body must be application/json.", code="unsupported_content_type")
        message = await self.receive()
        body: bytes = message.get("body", b"")
        if len(body) <= limit and not message.get("more_body"):
            return body
        pieces, size = [body], len(body)
        while size <= limit and message.get("more_body"):
            message = await self.receive()
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
        if size > limit:
            raise too_large(limit)
        return b"".join(pieces)

    def query(self, kind: type[T]) -> T:
        """Return the query string as its Struct. Raises BadRequest."""
        return read_query(kind, self.scope["query_string"])


Handler = Callable[[Call], Awaitable[Any]]


class Endpoint:
    """One row of a route table: method, path, handler, and what the documents say of it."""

    def __init__(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        body: type[Struct] | None = None,
        query: type[Struct] | None = None,
        reply: type[Struct] | UnionType | None = None,
        status: int = 200,
        public: bool = False,
        streams: bool = False,
        hidden: bool = False,
        manners: Manners = PLAIN,
    ) -> None:
        self.method = method
        self.path = path
        self.handler = handler
        self.body = body
        self.query = query
        self.reply = reply
        self.status = status
        self.public = public
        self.streams = streams
        self.hidden = hidden
        self.manners = manners

    def route(self) -> Route:
        """Return the Starlette route that this row is."""
        return Route(self.path, self, methods=[self.method])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        call, began = Call(scope, receive, send, self.manners), time.perf_counter()
        token = request_id.set(call.id)
        try:
            await self._serve(call)
        finally:
            log(
                "request",
                method=scope["method"],
                path=self.path,
                status=call.status,
                tenant=call.tenant,
                ms=round((time.perf_counter() - began) * 1000, 2),
            )
            request_id.reset(token)

    async def _serve(self, call: Call) -> None:
        try:
            if not self.public:
                keys, header = call.services.keys, call.authorization
                call.tenant = keys.known(header) or await keys.tenant(header)
            reply = await self.handler(call)
            if reply is not None:
                await reply.send(call)
        except AntiphonError as error:
            await refuse(call, error)
        except asyncio.CancelledError:  # the server stops, and waits no longer
            await refuse(call, Stopping())
        except Exception as error:  # noqa: BLE001 - a bug of ours is an answer too
            log_fault("fault", error)
            await refuse(call, errors.fault(call.id))


async def refuse(call: Call, error: AntiphonError) -> None:
    """Answer with an error; an answer that has begun can only be cut off."""
    if call.has_begun:
        log("answer_cut_off", Level.ERROR, cause=error.message)
        return
    if error.status >= 500:
        log("refused", Level.WARNING, status=error.http_status, code=error.code, cause=error.message)
    status, body = call.manners.refusal(error, call.id)
    await Reply(body, status=status, headers=errors.headers_of(error)).send(call)
