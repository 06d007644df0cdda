"""How the tests of this folder speak with the server: real HTTP, and whatever comes back goes before the judges."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from antiphon.testing import judges
from antiphon.testing.serving import Running

CHAT = "chat/m"
"""A model behind Chat Completions; its provider is the scripted upstream."""
RESPONSES = "resp/m"
"""The same behind the Responses API."""
PROVIDER_KEY = "sk-provider-SECRET-0123456789"

Json = dict[str, Any]


@dataclass
class Reply:
    """One answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def notes(self) -> str:
        return self.headers.get("antiphon-notes", "")

    def error(self, status: int) -> Json:
        """Return the error, once it is sure that it has the one shape that errors have."""
        assert self.status == status, self.body
        assert self.headers["content-type"] == "application/json"
        assert self.headers["x-request-id"].startswith("req_")
        assert self.json.keys() == {"error"}
        error: Json = self.json["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        assert error["message"]
        assert isinstance(error["type"], str)
        return error

    def refused(self, status: int, code: str | None, param: str | None) -> str:
        """Return the message of an error that has these marks."""
        error = self.error(status)
        assert (error["code"], error["param"]) == (code, param), error
        assert error["type"] == "invalid_request_error"
        return str(error["message"])


@dataclass
class Stream:
    """A stream that was read to its end."""

    raw: bytes
    headers: Mapping[str, str]
    frames: list[bytes] = field(default_factory=list)

    @property
    def events(self) -> list[Json]:
        return [json.loads(frame) for frame in self.frames]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def last(self) -> Json:
        """The final snapshot."""
        return self.events[-1]["response"]  # type: ignore[no-any-return] # JSON

    def of(self, kind: str) -> list[Json]:
        """Return the events of one type; `response.` may be left out."""
        return [event for event in self.events if event["type"] in {kind, f"response.{kind}"}]


def parse(raw: bytes, headers: Mapping[str, str] | None = None) -> Stream:
    """Take a stream apart: each frame is `event:`, `data:` and a blank line, comments stand between frames."""
    stream = Stream(raw, headers or {})
    blocks = raw.decode().split("\n\n")
    assert blocks.pop() == "", "the last frame is whole"
    for block in blocks:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        if lines == ["data: [DONE]"]:
            continue
        name, data = lines
        frame = data.removeprefix("data: ").encode()
        assert name == f"event: {json.loads(frame)['type']}"
        stream.frames.append(frame)
    return stream


def judged(raw: bytes, headers: Mapping[str, str] | None = None) -> Stream:
    """Take a stream apart that is complete and right."""
    stream = parse(raw, headers)
    assert raw.endswith(b"\n\ndata: [DONE]\n\n"), raw[-200:]
    assert raw.count(b"data: [DONE]") == 1
    judges.judge_stream(stream.frames)
    return stream


class Live:
    """A stream that is being read."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.raw = b""
        self._seen = 0

    async def until(self, kind: str, within: float = 5.0) -> Json:
        """Read until the next event of this type has come, and return it."""
        async with asyncio.timeout(within):
            while True:
                while (end := self.raw.find(b"\n\n", self._seen)) >= 0:
                    block, self._seen = self.raw[self._seen : end], end + 2
                    data = [line for line in block.split(b"\n") if line.startswith(b"data: {")]
                    if data and (event := json.loads(data[0][6:]))["type"] in {kind, f"response.{kind}"}:
                        return event  # type: ignore[no-any-return] # JSON
                more = await self.answer.content.readany()
                assert more, f"the stream ended before {kind}: {self.raw[-500:]!r}"
                self.raw += more

    async def rest(self) -> Stream:
        """Read to the end and judge all of it."""
        self.raw += await self.answer.content.read()
        return judged(self.raw, self.answer.headers)


class Api:
    """A caller with one key."""

    def __init__(self, server: Running, session: aiohttp.ClientSession, key: str | None = None) -> None:
        self.server = server
        self.key = server.api_key if key is None else key
        self._session = session

    def other(self, key: str) -> "Api":
        """Return a caller with another key."""
        return Api(self.server, self._session, key)

    @property
    def store(self) -> Any:
        return self.server.assembly.store

    def _request(self, method: str, path: str, headers: Mapping[str, str] | None, **body: Any) -> Any:
        given = {"Authorization": f"Bearer {self.key}", **(headers or {})} if self.key else dict(headers or {})
        url = f"{self.server.url}{path}" if path.startswith("/v1/") else f"{self.server.base_url}{path}"
        return self._session.request(method, url, headers=given, **body)

    async def request(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **body: Any) -> Reply:
        async with self._request(method, path, headers, **body) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def request_encoded(self, method: str, url: str) -> Reply:
        """Ask for an address exactly as it is written."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self._session.request(method, URL(url, encoded=True), headers=headers) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def get(self, path: str) -> Reply:
        return await self.request("GET", path)

    async def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return await self.request("POST", path, headers=headers, json=body)

    async def send(self, path: str, content: bytes, **headers: str) -> Reply:
        """Post bytes as they are."""
        given = {"Content_Type": "application/json", **headers}
        named = {name.replace("_", "-"): value for name, value in given.items()}
        return await self.request("POST", path, headers=named, data=content)

    async def delete(self, path: str) -> Reply:
        return await self.request("DELETE", path)

    async def try_create(self, **fields: Any) -> Reply:
        """Ask for a response, whatever comes of it."""
        return await self.post("/responses", _request_of(fields))

    async def create(self, **fields: Any) -> Json:
        """Create a response that is whole and right."""
        reply = await self.try_create(**fields)
        assert reply.status == 200, reply.body
        judges.judge_response(reply.body)
        return reply.json  # type: ignore[no-any-return] # JSON

    async def stream(self, **fields: Any) -> Stream:
        """Stream a response to its end; all of it is right."""
        async with self.streaming(**fields) as live:
            return await live.rest()

    @asynccontextmanager
    async def streaming(self, **fields: Any) -> AsyncIterator[Live]:
        """Give a stream while it goes; leaving the block before its end hangs up."""
        request = _request_of({**fields, "stream": True})
        async with self._request("POST", "/responses", None, json=request) as answer:
            assert answer.status == 200, await answer.read()
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            try:
                yield Live(answer)
            finally:
                answer.close()

    async def retrieve(self, identity: str, query: str = "") -> Json:
        reply = await self.get(f"/responses/{identity}{query}")
        assert reply.status == 200, reply.body
        judges.judge_response(reply.body)
        return reply.json  # type: ignore[no-any-return] # JSON

    async def input_items(self, identity: str, query: str = "?order=asc&limit=100") -> list[Json]:
        reply = await self.get(f"/responses/{identity}/input_items{query}")
        assert reply.status == 200, reply.body
        judges.judge_item_list(reply.body)
        return reply.json["data"]  # type: ignore[no-any-return] # JSON

    async def converse(self, *items: Json, **metadata: str) -> str:
        """Make a conversation and return its id."""
        reply = await self.post("/conversations", {"items": list(items), "metadata": metadata})
        assert reply.status == 200, reply.body
        judges.judge_conversation(reply.body)
        return reply.json["id"]  # type: ignore[no-any-return] # JSON

    async def conversation_items(self, identity: str, query: str = "?order=asc&limit=100") -> list[Json]:
        reply = await self.get(f"/conversations/{identity}/items{query}")
        assert reply.status == 200, reply.body
        judges.judge_conversation_item_list(reply.body)
        return reply.json["data"]  # type: ignore[no-any-return] # JSON

    async def wait_status(self, identity: str, *wanted: str, within: float = 5.0) -> Json:
        """Poll until a response has one of these statuses, and return it."""
        async with asyncio.timeout(within):
            while (found := await self.retrieve(identity))["status"] not in wanted:  # noqa: ASYNC110 # as clients do
                await asyncio.sleep(0.01)
            return found


def _request_of(fields: Json) -> Json:
    request = {"model": CHAT, "input": "Hi", **fields}
    return {name: value for name, value in request.items() if value is not ...}  # `...` leaves a field out


# -- short ways to say things ---------------------------------------------------------------------------------


def text_of(response: Json) -> str:
    """Return all of a response's text."""
    messages = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part.get("text", "") for item in messages for part in item["content"])


def texts(items: Sequence[Json]) -> list[str]:
    """Return the text of each message among items."""
    return ["".join(part.get("text", "") for part in item["content"]) for item in items if item["type"] == "message"]


def user(text: str, **more: Any) -> Json:
    return {"role": "user", "content": text, **more}


def function(name: str = "weather", **more: Any) -> Json:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "name": name, "description": "d", "parameters": schema, "strict": False, **more}


def output(call_id: str, value: Any = "sunny", **more: Any) -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": value, **more}


def call(call_id: str, name: str = "weather", arguments: str = "{}", **more: Any) -> Json:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, **more}


async def raw_exchange(port: int, request: bytes, *, reads: int | None = None) -> list[bytes]:
    """Send bytes on a socket of their own and return what each read gave, to the end or `reads` of them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    pieces: list[bytes] = []
    try:
        async with asyncio.timeout(10):
            while (reads is None or len(pieces) < reads) and (piece := await reader.read(1 << 20)):
                pieces.append(piece)
    finally:
        writer.close()
    return pieces


def raw_post(api: Api, body: bytes, path: str = "/v1/responses", **headers: str) -> bytes:
    """Return a request as bytes, its connection closed by the server at the end."""
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Authorization: Bearer {api.key}", "Connection: close"]
    given = {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in given.items() if value]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
