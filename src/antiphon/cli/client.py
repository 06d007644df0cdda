"""Calls to a running server, over the standard library alone."""

import argparse
import difflib
import http.client
import ipaddress
import json
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

import msgspec

from antiphon import __version__
from antiphon.cli.keys import OWN_NAME
from antiphon.cli.setup import settings_of, with_keys
from antiphon.cli.trouble import FAILED, UNREACHABLE, USAGE, Trouble
from antiphon.config import Settings
from antiphon.tenancy.keys import DEFAULT_TENANT, digest, new_key, row

CONNECT = 10.0
PATIENCE = 30.0
LONG_PATIENCE = 3_600.0
"""Seconds for a connection, and without a byte: of a lookup, and of an answer that a model makes."""

Json = dict[str, Any]


class Client:
    """One server and the key for it."""

    def __init__(self, url: str, key: str) -> None:
        parts = _address(url)
        self.url = url
        self._parts = parts
        self._base = parts.path.rstrip("/").removesuffix("/v1")
        self._key = key

    def get(self, path: str, **query: str | None) -> Json:
        """Return the answer's document."""
        given = {name: value for name, value in query.items() if value is not None}
        with self._answer("GET", f"{path}?{urlencode(given)}" if given else path, None, PATIENCE) as answer:
            return _document(answer.read())

    def post(self, path: str, body: Json) -> Json:
        """Send a document and return the answer's."""
        with self._answer("POST", path, body, LONG_PATIENCE) as answer:
            return _document(answer.read())

    def stream(self, path: str, body: Json) -> Iterator[Json]:
        """Send a document and yield the events of the answer as they come."""
        with self._answer("POST", path, body, LONG_PATIENCE) as answer:
            for line in answer:
                field, _, data = line.partition(b":")
                data = data.strip()
                if field == b"data" and data != b"[DONE]":
                    yield _document(data)

    @contextmanager
    def _answer(
        self, method: str, path: str, body: Json | None, patience: float
    ) -> Generator[http.client.HTTPResponse]:
        """Send a request; a refusal is Trouble."""
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        headers = {"Authorization": f"Bearer {self._key}", "User-Agent": f"antiphon-cli/{__version__}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        host = self._parts.hostname or ""
        try:
            connection = kind(host, self._parts.port, timeout=CONNECT)
            try:
                connection.connect()
                connection.sock.settimeout(patience)
                data = None if body is None else json.dumps(body).encode()
                connection.request(method, self._base + path, data, headers)
                answer = connection.getresponse()
                if answer.status >= 400:
                    raise self._refusal(answer.status, answer.read(), body)
                yield answer
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as exc:
            if isinstance(exc, BrokenPipeError):
                raise
            why = f"{getattr(exc, 'strerror', None) or str(exc) or type(exc).__name__}."
            remedy = "Start it with: antiphon serve. Another address: --url or ANTIPHON_URL."
            raise Trouble(f"The server at {self.url} can't be reached.", why, remedy, status=UNREACHABLE) from exc

    def _refusal(self, status: int, data: bytes, body: Json | None) -> Trouble:
        """Return the three lines for an answer that is an error."""
        try:
            error = json.loads(data)["error"]
            message, code = str(error["message"]), error.get("code")
        except (ValueError, KeyError, TypeError):
            why = f"It answered with status {status} and no reason that can be read."
            return Trouble(f"{self.url} may not be an Antiphon server.", why, "Look at --url and ANTIPHON_URL.")
        if status == 401:
            return Trouble(
                "The server doesn't accept this key.",
                message,
                "Make one with: antiphon keys create. Then set ANTIPHON_API_KEY to it.",
            )
        if code == "model_not_found" and body is not None:
            return self._no_such_model(str(body.get("model")), message)
        return Trouble(f"The server refused the request ({status}).", message, "Try: antiphon doctor", status=FAILED)

    def _no_such_model(self, name: str, message: str) -> Trouble:
        try:
            known = [str(model["id"]) for model in self.get("/v1/models")["data"]]
        except (Trouble, KeyError, TypeError):
            return Trouble(f'Model "{name}" is not available.', message, "Try: antiphon models")
        near = difflib.get_close_matches(name, known, n=1)
        shown = f"{', '.join(known[:8])}{' and more' if len(known) > 8 else ''}" or "none"
        remedy = f"Did you mean: --model {near[0]}" if near else "Try: antiphon models"
        return Trouble(f'Model "{name}" is not available.', f"Known: {shown}.", remedy)


def connect(options: argparse.Namespace, settings: Settings | None = None) -> Client:
    """Return a client for the server that the flags, the environment and the settings point to."""
    settings = settings or settings_of(options)
    url = options.url or os.environ.get("ANTIPHON_URL") or client_url(settings.server.host, settings.server.port)
    return Client(url, _key(url, settings))


def default_model(options: argparse.Namespace, settings: Settings) -> str:
    """Return the model to ask: the one named, the settings' own, the first that a provider's settings name."""
    named = options.model or os.environ.get("ANTIPHON_MODEL") or settings.default_model
    if named:
        return str(named)
    for provider, given in settings.providers.items():
        for model in given.models or ():
            if not any(sign in model for sign in "*?["):
                return f"{provider}/{model}"
    return "demo-chat"


def client_url(host: str, port: int) -> str:
    """Return the address at which a server that listens there is reached from its own machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to reach it, not to listen
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _address(url: str) -> SplitResult:
    """Return the parts of a server's address. Raises Trouble."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # such as "http://[::1" and a port that is no number
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or " " in url:
        why = "An address is http://HOST:PORT or https://HOST."
        raise Trouble(f'"{url}" is no address of a server.', why, "Mend --url or ANTIPHON_URL.", status=USAGE)
    return parts


def _key(url: str, settings: Settings) -> str:
    """Return the key of the environment, or one made for this call where the server's database is at hand."""
    host = _address(url).hostname or ""
    if settings.api_key is not None:
        return settings.api_key.reveal()
    database = settings.server.database
    if _is_loopback(host) and os.access(database, os.R_OK | os.W_OK):
        key, now = new_key(), int(time.time())
        made = row(key, tenant=DEFAULT_TENANT, name=OWN_NAME, now=now, expires_at=now + 3_600)
        with_keys(settings, lambda keys: keys.add(made, digest(key)))
        return key
    why = f"ANTIPHON_API_KEY is not set, and {database} can't be used to make one."
    remedy = "Set ANTIPHON_API_KEY; on the server's machine: antiphon keys create"
    raise Trouble(f"There is no key for {url}.", why, remedy)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _document(data: bytes) -> Json:
    try:
        return msgspec.json.decode(data, type=Json)
    except msgspec.MsgspecError as exc:
        raise http.client.HTTPException("The answer is no JSON object") from exc
