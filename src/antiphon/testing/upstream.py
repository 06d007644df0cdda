"""A provider that says exactly what a test wants, byte by byte: also what no sane server would.

    async with ScriptedUpstream() as upstream:
        upstream.will(chat_stream("Hel", gate, "lo"), chat_stream("Hel", Fault.RST))

Each request takes the next answer of the script; when it is used up, `otherwise` answers, politely unless it is
replaced. What was asked is kept in `received`, and each request there knows whether its peer hung up on it.
Nothing here sleeps unless a script says so: a test lets an answer go on by setting an `asyncio.Event`.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Self, TypeAlias

from antiphon.types.content import JsonObject

HOST = "127.0.0.1"


class Fault(Enum):
    """Ways to stop in the middle."""

    FIN = "fin"
    """Close the connection as if all were said."""
    RST = "rst"
    """Reset the connection."""
    HANG = "hang"
    """Say nothing more, until the peer leaves."""


Step: TypeAlias = bytes | float | asyncio.Event | Fault
"""Bytes are sent, a number is that many seconds of silence, an event is waited for, a fault ends it all."""

Said: TypeAlias = str | JsonObject | Step
"""What the helpers below take: words or whole deltas (events), and steps between them."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of a script.

    `framing` says how its end is told: chunks, a length (the sum of its bytes, unless the headers give another), the
    end of the connection, or `raw`: then the steps are everything, the head included. `before` comes before the head.
    """

    steps: Sequence[Step] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    framing: Literal["chunked", "length", "eof", "raw"] = "chunked"
    before: Sequence[Step] = ()


class Received:
    """One request, as it came; `left` is set when its peer hung up before the answer's end."""

    def __init__(self, method: str, path: str, headers: Mapping[str, str], body: bytes, connection: int) -> None:
        self.method = method
        self.path = path
        self.headers = headers  # names in lower case
        self.body = body
        self.connection = connection  # the how-manieth connection it came over, from 1
        self.left = asyncio.Event()

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    async def wait_left(self, within: float = 1.0) -> None:
        """Wait until the peer has hung up on this request. Raises TimeoutError after `within` seconds."""
        async with asyncio.timeout(within):
            await self.left.wait()


class ScriptedUpstream:
    """An HTTP server on loopback that plays a script; an async context manager."""

    def __init__(self, *, models: Sequence[str] = ()) -> None:
        self.models = models  # what GET …/models lists; it takes nothing from the script
        self.listing: JsonObject | None = None  # what it answers instead, in another format
        self.received: list[Received] = []
        self.connections = 0  # opened so far
        self.otherwise: Callable[[Received], Answer] = polite
        self._script: list[Answer] = []
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.peers: set[_Connection] = set()  # the connections that are open

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), HOST, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        tasks = [each.abort() for each in tuple(self.peers)]
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def base_url(self) -> str:
        """The address as a provider's settings want it."""
        assert self._server is not None, "use it as a context manager"
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}/v1"

    def will(self, *answers: Answer) -> None:
        """Put answers at the end of the script."""
        self._script += answers

    def reset(self) -> None:
        """Forget the script and what was received, and hang up: the next test begins with nothing."""
        self._script.clear()
        self.received.clear()
        self.listing = None
        self.otherwise = polite
        for each in tuple(self.peers):
            each.abort()

    async def wait_received(self, count: int = 1, within: float = 5.0) -> Received:
        """Wait until `count` requests have come, and return the last of them. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while len(self.received) < count:
                self._news.clear()
                await self._news.wait()
        return self.received[count - 1]

    @property
    def last(self) -> Received:
        """The newest request."""
        return self.received[-1]

    def take(self, request: Received) -> Answer:
        """Note a request and return its answer."""
        if request.method == "GET" and request.path.partition("?")[0].endswith("/models"):
            listed = [{"id": name, "object": "model"} for name in self.models]
            return document(self.listing or {"object": "list", "data": listed})
        self.received.append(request)
        self._news.set()
        return self._script.pop(0) if self._script else self.otherwise(request)


class _Connection(asyncio.Protocol):
    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._buffer = bytearray()
        self._news = asyncio.Event()
        self._gone = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._number = 0
        self.sent = 0  # bytes of all answers so far
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._upstream.connections += 1
        self._number = self._upstream.connections
        self._upstream.peers.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._news.set()

    def eof_received(self) -> bool:
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._upstream.peers.discard(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> asyncio.Task[None]:
        self._transport.abort()
        self._end()
        return self._task

    def _end(self) -> None:
        self._gone.set()
        self._news.set()
        self._writable.set()

    async def _serve(self) -> None:
        try:
            await self._serve_all()
        finally:  # also when a test's own `otherwise` failed: its request must not hang
            self._transport.close()

    async def _serve_all(self) -> None:
        while (request := await self._request()) is not None:
            answer = self._upstream.take(request)
            if not await self._play(answer):
                if self._gone.is_set():
                    request.left.set()
                return

    async def _request(self) -> Received | None:
        """Return the next request, None when there is none."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not await self._more():
                return None
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = end + 4 + int(headers.get("content-length", 0))
        while len(self._buffer) < size:
            if not await self._more():
                return None
        body = bytes(self._buffer[end + 4 : size])
        del self._buffer[:size]
        return Received(method, path, headers, body, self._number)

    async def _more(self) -> bool:
        if self._gone.is_set():
            return False
        self._news.clear()
        await self._news.wait()
        return True

    async def _play(self, answer: Answer) -> bool:
        """Play an answer; False when the connection is over."""
        for step in answer.before:
            if not await self._step(step):
                return False
        if answer.framing != "raw":
            self._transport.write(_head(answer))
        for step in answer.steps:
            if answer.framing == "chunked" and isinstance(step, bytes):
                step = b"%x\r\n%b\r\n" % (len(step), step) if step else b""
            if not await self._step(step):
                return False
        if answer.framing == "chunked":
            self._transport.write(b"0\r\n\r\n")
        if answer.framing == "eof":
            self._transport.close()
        return answer.framing != "eof"

    async def _step(self, step: Step) -> bool:
        """Do one step; False when the connection is over."""
        match step:
            case bytes():
                if not self._gone.is_set():
                    self._transport.write(step)
                    self.sent += len(step)
                    await asyncio.sleep(0)  # so that two steps are two writes
                    await self._writable.wait()
            case asyncio.Event():
                await self._until(step)
            case Fault.FIN:
                self._transport.close()
                return False
            case Fault.RST:
                linger = struct.pack("ii", 1, 0)
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._transport.abort()
                return False
            case Fault.HANG:
                await self._gone.wait()
            case _:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(step):
                        await self._gone.wait()
        return not self._gone.is_set()

    async def _until(self, event: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        waiting = [loop.create_task(event.wait()), loop.create_task(self._gone.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()


def _head(answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} Scripted"]
    names = {name.lower() for name in answer.headers}
    if "content-type" not in names:
        lines.append("Content-Type: application/json")
    if answer.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    elif answer.framing == "length" and "content-length" not in names:
        lines.append(f"Content-Length: {sum(len(step) for step in answer.steps if isinstance(step, bytes))}")
    elif answer.framing == "eof":
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


# -- plain answers --------------------------------------------------------------------------------------------

USAGE: JsonObject = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
"""What the chat helpers report unless told otherwise; the responses helpers report the same numbers."""


def polite(request: Received) -> Answer:
    """Answer any request with "Hello." in the way that it asked for."""
    streamed = bool(request.json.get("stream"))
    if request.path.endswith("/responses"):
        return responses_stream("Hel", "lo.") if streamed else responses_whole("Hello.")
    return chat_stream("Hel", "lo.") if streamed else chat_whole("Hello.")


def document(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer that is one JSON document."""
    return Answer(steps=[json.dumps(value).encode()], status=status, headers=headers or {}, framing="length")


def refusal(
    status: int, message: str = "no", *, code: str | None = None, param: str | None = None, **headers: str
) -> Answer:
    """Return a refusal in OpenAI's shape; `retry_after="2"` makes the header Retry-After."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return document({"error": error}, status=status, headers=named)


def sse(*steps: Step, **changes: Any) -> Answer:
    """Return a stream of raw bytes with the right content type; `changes` are fields of Answer."""
    headers = {"Content-Type": "text/event-stream", **changes.pop("headers", {})}
    return Answer(steps=steps, headers=headers, **changes)


# -- Chat Completions -----------------------------------------------------------------------------------------


def chat_chunk(delta: JsonObject | None, finish: str | None = None, **more: object) -> bytes:
    """Return one event of a chat stream; without a delta it has no choices. `more` are keys of its top level."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": choices}
    return b"data: " + json.dumps({**chunk, **more}).encode() + b"\n\n"


def chat_call(name: str, arguments: str = "{}", *, index: int = 0, call_id: str | None = None) -> JsonObject:
    """Return a delta, or a message, with one whole function call."""
    called = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": call_id or f"call_{index}", "type": "function", "function": called}]}


def chat_stream(
    *said: Said, finish: str | None = "stop", usage: JsonObject | None = USAGE, done: bool = True, **changes: Any
) -> Answer:
    """Return a chat stream. Strings are text, objects whole deltas; `finish` None leaves the turn without an end."""
    steps: list[Step] = []
    for piece in said:
        match piece:
            case str():
                steps.append(chat_chunk({"content": piece}))
            case dict():
                steps.append(chat_chunk(piece))
            case _:
                steps.append(piece)
    if finish is not None:
        steps.append(chat_chunk({}, finish))
    if usage is not None:
        steps.append(chat_chunk(None, usage=usage))
    if done:
        steps.append(b"data: [DONE]\n\n")
    return sse(*steps, **changes)


def chat_whole(
    said: str | JsonObject, *, finish: str = "stop", usage: JsonObject | None = USAGE, **choice: object
) -> Answer:
    """Return a chat answer that is not streamed; `said` is its text or the fields of its message."""
    message = {"role": "assistant", "content": None, **(said if isinstance(said, dict) else {"content": said})}
    choices = [{"index": 0, "message": message, "finish_reason": finish, **choice}]
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "up", "choices": choices}
    return document(whole if usage is None else {**whole, "usage": usage})


# -- Responses ------------------------------------------------------------------------------------------------

_RESPONSES_USAGE: JsonObject = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 12,
}


def responses_object(output: Sequence[JsonObject] = (), status: str = "completed", **changes: object) -> JsonObject:
    """Return a response as an upstream tells it."""
    return {
        "id": "resp_upstream",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": "up",
        "output": list(output),
        "error": None,
        "incomplete_details": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _RESPONSES_USAGE if status == "completed" else None,
        **changes,
    }


def responses_message(text: str, identity: str = "msg_upstream", status: str = "completed") -> JsonObject:
    """Return a message as an upstream tells it."""
    content = [_part(text)] if text else []
    return {"id": identity, "type": "message", "role": "assistant", "status": status, "content": content}


def responses_item(item: JsonObject, index: int = 0) -> list[JsonObject]:
    """Return the events of an item that is said at once: added and done."""
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def responses_stream(*said: Said, finish: str | None = "completed", **changes: object) -> Answer:
    """Return a Responses stream. Strings between two objects are one message, objects whole events.

    The items that were done make the last snapshot; `changes` are fields of it. `finish` None leaves it out.
    """
    story = _Story()
    first = responses_object(status="in_progress")
    story.tell({"type": "response.created", "response": first})
    story.tell({"type": "response.in_progress", "response": first})
    for piece in said:
        match piece:
            case str():
                story.say(piece)
            case dict():
                story.end_message()
                story.tell(piece)
            case _:
                story.steps.append(piece)
    if finish is not None:
        story.end_message()
        story.tell({"type": f"response.{finish}", "response": responses_object(story.output, finish, **changes)})
    return sse(*story.steps)


def responses_whole(*said: str | JsonObject, **changes: Any) -> Answer:
    """Return a response that is not streamed: strings are messages, objects items."""
    output = [
        responses_message(item, f"msg_up{place}") if isinstance(item, str) else item for place, item in enumerate(said)
    ]
    return document(responses_object(output, **changes))


class _Story:
    """A stream being written: numbers, and the one open message."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.output: list[JsonObject] = []
        self._number = 0
        self._text: list[str] | None = None

    def tell(self, event: JsonObject) -> None:
        if event["type"] == "response.output_item.done":
            self.output.append(event["item"])
        numbered = {"sequence_number": self._number, **event}
        self._number += 1
        self.steps.append(f"event: {event['type']}\ndata: {json.dumps(numbered)}\n\n".encode())

    def say(self, piece: str) -> None:
        if self._text is None:
            self._text = []
            item = responses_message("", self._id, "in_progress")
            self.tell({"type": "response.output_item.added", "output_index": len(self.output), "item": item})
            self.tell({"type": "response.content_part.added", **self._place, "part": _part("")})
        self._text.append(piece)
        self.tell({"type": "response.output_text.delta", **self._place, "delta": piece, "logprobs": []})

    def end_message(self) -> None:
        if self._text is None:
            return
        text, self._text = "".join(self._text), None
        self.tell({"type": "response.output_text.done", **self._place, "text": text, "logprobs": []})
        self.tell({"type": "response.content_part.done", **self._place, "part": _part(text)})
        item = responses_message(text, self._id)
        self.tell({"type": "response.output_item.done", "output_index": len(self.output), "item": item})

    @property
    def _id(self) -> str:
        return f"msg_up{len(self.output)}"

    @property
    def _place(self) -> JsonObject:
        return {"item_id": self._id, "output_index": len(self.output), "content_index": 0}


def _part(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


# -- addresses where nobody answers ---------------------------------------------------------------------------


def refusing_url() -> str:
    """Return an address on which nothing listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return f"http://{HOST}:{probe.getsockname()[1]}/v1"


@contextlib.contextmanager
def hanging_url() -> Generator[str, None, None]:
    """Give an address that neither accepts nor refuses a connection: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(8):  # more than any system lets into a queue of none
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://{HOST}:{listener.getsockname()[1]}/v1"


@asynccontextmanager
async def upstream(*answers: Answer) -> AsyncGenerator[ScriptedUpstream, None]:
    """Give a running upstream with a script."""
    async with ScriptedUpstream() as scripted:
        scripted.will(*answers)
        yield scripted
