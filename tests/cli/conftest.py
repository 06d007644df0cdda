"""A command line on a data folder of its own, and a server that says what it is told."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from antiphon import telemetry
from antiphon.cli import main


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def trouble(self) -> list[str]:
        """The three lines of an error; nothing else was said."""
        assert self.status != 0
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 3, lines
        assert all(lines)
        return lines


Cli = Callable[..., Done]


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep every command away from this machine's own settings and data."""
    for name in ("CONFIG", "HOST", "PORT", "DATA", "API_KEY", "LOG_LEVEL", "URL", "MODEL", "JSON", "DEBUG"):
        monkeypatch.delenv(f"ANTIPHON_{name}", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(telemetry, "_threshold", telemetry.Level.INFO)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command line; `typed` is its input, from a terminal or not."""

    class Input(io.StringIO):
        is_terminal = False

        def isatty(self) -> bool:
            return self.is_terminal

    def run(*arguments: str, typed: str = "", terminal: bool = False) -> Done:
        given = Input(typed)
        given.is_terminal = terminal
        monkeypatch.setattr("sys.stdin", given)
        capsys.readouterr()
        status = main(list(arguments))
        said = capsys.readouterr()
        return Done(status, said.out, said.err)

    return run


class Fake:
    """A server whose answers are set beforehand: by method and path, a status and a body or a list of events."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self.asked: list[tuple[str, str, Any, str | None]] = []
        self.url = ""

    def answer(self, method: str, path: str, body: Any, status: int = 200) -> None:
        self.answers[method, path] = (status, body)


@pytest.fixture
def fake() -> Iterator[Fake]:
    told = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            told.asked.append((self.command, self.path, body, self.headers.get("Authorization")))
            status, answer = told.answers.get((self.command, self.path.partition("?")[0]), (404, {"error": {}}))
            if isinstance(answer, list):
                data = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in answer).encode()
                data = b": keep-alive\n" + data + b"data: [DONE]\n\n"
            else:
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the base class calls it so

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def refusal(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def a_response(text: str = "Hello!", **changes: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    usage = {"input_tokens": 2, "output_tokens": 1, "total_tokens": 3}
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_795_000_000,
        "status": "completed",
        "model": "demo-chat",
        "output": [message],
        "usage": usage,
        "error": None,
        "incomplete_details": None,
    }
    return {**response, **changes}


def a_stream(response: dict[str, Any], *pieces: str) -> list[dict[str, Any]]:
    started = {**response, "status": "in_progress", "output": []}
    kind = response["status"] if response["status"] in {"completed", "incomplete"} else "failed"
    return [
        {"type": "response.created", "sequence_number": 0, "response": started},
        *({"type": "response.output_text.delta", "sequence_number": 1, "delta": piece} for piece in pieces),
        *({"type": "response.output_item.done", "sequence_number": 2, "item": item} for item in response["output"]),
        {"type": f"response.{kind}", "sequence_number": 3, "response": response},
    ]
