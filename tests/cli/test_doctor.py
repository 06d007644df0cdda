"""What `antiphon doctor` says of providers: everything that may be wrong with one, and how to mend it."""

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from antiphon.cli import calling
from antiphon.config import Provider
from tests.cli.conftest import Cli, Fake, refusal

KEY = "sk-secret-of-the-operator"
Checks = dict[str, dict[str, str]]
Look = Callable[..., Checks]

LISTS: dict[str, tuple[str, Any]] = {
    "chat": ("/v1/models", {"data": [{"id": "small"}, {"id": "large"}]}),
    "responses": ("/v1/models", {"data": [{"id": "small"}, {"id": "large"}]}),
    "anthropic": ("/v1/models", {"data": [{"id": "small", "type": "model"}, {"id": "large", "type": "model"}]}),
    "gemini": (
        "/v1beta/models",
        {
            "models": [
                {"name": f"models/{name}", "supportedGenerationMethods": ["generateContent"]}
                for name in ("small", "large")
            ]
        },
    ),
}
ANSWERS: dict[str, tuple[str, Any]] = {
    "chat": (
        "/v1/chat/completions",
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]},
    ),
    "responses": (
        "/v1/responses",
        {
            "id": "resp_1",
            "object": "response",
            "status": "completed",
            "output": [
                {
                    "type": "message",
                    "id": "msg_1",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "ok", "annotations": []}],
                }
            ],
        },
    ),
    "anthropic": (
        "/v1/messages",
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": "ok"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 1},
        },
    ),
    "gemini": (
        "/v1beta/models/small:generateContent",
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP"}]},
    ),
}
FORMATS = pytest.mark.parametrize("wire", list(LISTS))


@pytest.fixture
def look(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Runs the doctor on one provider, `up`, and gives what it says of providers."""
    monkeypatch.setenv("UP_KEY", KEY)
    monkeypatch.setenv("UP_KEY_2", f"{KEY}-2")

    def run(address: str, *flags: str, wire: str = "chat", more: str = "api_key = 'env:UP_KEY'") -> Checks:
        text = f"[providers.up]\nformat = '{wire}'\nbase_url = '{address}'\n{more}\n"
        (tmp_path / "a.toml").write_text(text, encoding="utf-8")
        given = ("--config", str(tmp_path / "a.toml"), "--data", str(tmp_path), "--port", "0")
        done = cli("doctor", "--json", *given, *flags)
        assert KEY not in done.out + done.err
        found: Checks = {check["name"]: check for check in done.json["checks"] if check["name"].startswith("provider")}
        for check in found.values():
            assert check["verdict"] == "ok" or check["remedy"]
        assert done.status == (1 if "fail" in [check["verdict"] for check in done.json["checks"]] else 0)
        return found

    return run


def base(fake: Fake, wire: str = "chat") -> str:
    """The right address; the list is there."""
    path, body = LISTS[wire]
    fake.answer("GET", path, body)
    return fake.url + path.removesuffix("/models")


def verdict(check: dict[str, str]) -> tuple[str, str]:
    return check["verdict"], check["found"]


# -- the list -------------------------------------------------------------------------------------------------


@FORMATS
def test_a_list_is_read_in_every_format(look: Look, fake: Fake, wire: str) -> None:
    assert verdict(look(base(fake, wire), wire=wire)["provider up"]) == ("ok", "2 models")
    assert [asked[0] for asked in fake.asked] == ["GET"]


@FORMATS
def test_a_key_that_is_not_accepted_is_named_by_its_variable(look: Look, fake: Fake, wire: str) -> None:
    address = base(fake, wire)
    status, body = (400, {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}})
    fake.answer("GET", LISTS[wire][0], body if wire == "gemini" else {"error": {}}, status if wire == "gemini" else 401)
    check = look(address, wire=wire)["provider up"]
    assert verdict(check) == ("fail", "refuses the key (UP_KEY)")
    assert "providers.up.api_key" in check["remedy"]


def test_a_provider_that_wants_a_key_and_has_none_says_so(look: Look, fake: Fake) -> None:
    fake.answer("GET", "/v1/models", {"error": {}}, 401)
    check = look(f"{fake.url}/v1", more="")["provider up"]
    assert (check["found"], check["remedy"]) == ("wants a key", "set providers.up.api_key")


def test_every_key_of_a_provider_is_looked_at(look: Look, fake: Fake) -> None:
    found = look(base(fake), more="api_keys = ['env:UP_KEY', 'env:UP_KEY_2']")
    assert list(found) == ["provider up (UP_KEY)", "provider up (UP_KEY_2)"]
    assert [asked[3] for asked in fake.asked] == [f"Bearer {KEY}", f"Bearer {KEY}-2"]


@pytest.mark.parametrize(
    ("wire", "given", "better"),
    [
        ("chat", "", "/v1"),
        ("chat", "/v1/chat/completions", "/v1"),
        ("anthropic", "", "/v1"),
        ("gemini", "", "/v1beta"),
    ],
)
def test_an_address_that_lacks_its_version_is_told_with_the_right_one(
    look: Look, fake: Fake, wire: str, given: str, better: str
) -> None:
    base(fake, wire)
    check = look(fake.url + given, wire=wire)["provider up"]
    assert verdict(check) == ("fail", f"lists no models at {fake.url}{given}, but at {fake.url}{better}")
    assert check["remedy"] == f"set providers.up.base_url to {fake.url}{better}"


def test_an_address_without_a_list_anywhere_fails_unless_its_models_are_named(look: Look, fake: Fake) -> None:
    assert verdict(look(fake.url)["provider up"]) == ("fail", "answers with 404 and lists no models")
    named = look(fake.url, more="models = ['small']")["provider up"]
    assert verdict(named) == ("warn", "answers with 404 and lists no models")


@pytest.mark.parametrize(("more", "wanted"), [("", "fail"), ("models = ['small']", "warn")])
def test_a_list_without_models_is_not_fine(look: Look, fake: Fake, more: str, wanted: str) -> None:
    fake.answer("GET", "/v1/models", {"data": []})
    assert verdict(look(f"{fake.url}/v1", more=more)["provider up"]) == (wanted, "lists no models")


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        ("models = ['smal', 'large']", "smal"),
        ("models = ['gpt-*']", "gpt-*"),
        ("[models.fast]\ntargets = ['up/smal']", "smal"),
    ],
)
def test_names_that_the_provider_does_not_list_are_told(look: Look, fake: Fake, more: str, missing: str) -> None:
    check = look(base(fake), more=more)["provider up"]
    assert verdict(check) == ("warn", f"2 models, but none is {missing}")
    assert ("did you mean small?" in check["remedy"]) == (missing == "smal")


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (429, refusal("You exceeded your quota.", "insufficient_quota"), ("fail", "has no quota left")),
        (429, refusal("Slow down."), ("warn", "its limit is reached")),
        (500, b"<html>", ("fail", "answers with 500")),
        (503, refusal("Overloaded."), ("fail", "answers with 503")),
    ],
)
def test_what_a_provider_says_of_itself_is_told(
    look: Look, fake: Fake, status: int, body: Any, wanted: tuple[str, str]
) -> None:
    fake.answer("GET", "/v1/models", body, status)
    check = look(f"{fake.url}/v1", more="models = ['small']")["provider up"]
    assert (check["verdict"], check["found"].partition(":")[0]) == wanted


# -- the way to it --------------------------------------------------------------------------------------------


def test_an_address_where_nothing_listens_fails(look: Look) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        check = look(f"http://127.0.0.1:{unused.getsockname()[1]}/v1")["provider up"]
    assert "Connection refused" in check["found"]
    assert check["remedy"] == "is it running? Mend providers.up.base_url"


def test_a_provider_that_says_nothing_is_given_up(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antiphon.cli.provider_checks.LIST_LIMIT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        check = look(f"http://127.0.0.1:{silent.getsockname()[1]}/v1")["provider up"]
    assert "nothing came for 0.05 s" in check["found"]


def test_a_host_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(calling.Unreachable, match=r"there is no host llm\.example"):
        calling.send(Provider(format="chat", base_url="http://llm.example/v1"), None, "/models", limit=1)


def test_https_where_plain_http_is_spoken_is_seen(look: Look, fake: Fake) -> None:
    check = look(f"{fake.url.replace('http:', 'https:')}/v1")["provider up"]
    assert "it speaks no TLS there" in check["found"]
    assert "http:// instead of https://" in check["remedy"]


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose certificate nobody vouches for."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("no openssl here")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    files = ["-keyout", str(key), "-out", str(certificate), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, "req", "-x509", *made, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that doesn't trust the certificate hangs up."""

    server = Quiet(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_that_nobody_vouches_for_is_told_with_the_way_out(look: Look, secure: str) -> None:
    check = look(f"https://{secure}/v1")["provider up"]
    assert "its certificate isn't accepted: self-signed certificate" in check["found"].replace(
        "self signed", "self-signed"
    )
    assert "SSL_CERT_FILE" in check["remedy"]


def test_plain_http_where_tls_is_spoken_is_seen(look: Look, secure: str) -> None:
    check = look(f"http://{secure}/v1")["provider up"]
    assert check["verdict"] == "fail"
    assert "it gives no answer in HTTP" in check["found"]
    assert "https:// instead of http://" in check["remedy"]


def test_a_clock_that_is_away_from_the_providers_is_warned_of(look: Look, fake: Fake, dated: list[str]) -> None:
    address = base(fake)
    dated.append(formatdate(1_700_000_000, usegmt=True))
    check = look(address)["provider up"]
    assert check["verdict"] == "warn"
    assert check["found"].startswith("2 models; its clock is -")
    assert check["remedy"] == "set the clock"


@pytest.fixture
def dated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The time that the provider's answers tell, once there is one in it."""
    told: list[str] = []
    plain = BaseHTTPRequestHandler.date_time_string

    def date(self: BaseHTTPRequestHandler, timestamp: Any = None) -> str:
        return told[0] if told else plain(self, timestamp)

    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", date)
    return told


# -- an answer ------------------------------------------------------------------------------------------------


@FORMATS
def test_one_model_is_asked_in_its_own_format(look: Look, fake: Fake, wire: str) -> None:
    address, (path, body) = base(fake, wire), ANSWERS[wire]
    fake.answer("POST", path, body)
    found = look(address, "--ask", wire=wire)
    assert {name: check["verdict"] for name, check in found.items()} == {"provider up": "ok", "provider up asked": "ok"}
    assert found["provider up asked"]["found"].startswith("'small' answers within ")
    (asked,) = [each for each in fake.asked if each[0] == "POST"]
    assert asked[1] == path
    assert "16" in json.dumps(asked[2])


def test_nothing_is_asked_unless_that_is_wanted(look: Look, fake: Fake) -> None:
    look(base(fake))
    assert {asked[0] for asked in fake.asked} == {"GET"}


@pytest.mark.parametrize(
    ("more", "model"),
    [
        ("", "chatty"),
        ("models = ['*']", "chatty"),
        ("models = ['l*', 'other']", "other"),
        ("models = ['large']", "large"),
        ("models = ['*']\n[models.fast]\ntargets = ['up/large']", "large"),
    ],
)
def test_the_model_that_is_asked_is_one_that_the_settings_name_or_that_can_talk(
    look: Look, fake: Fake, more: str, model: str
) -> None:
    path, body = ANSWERS["chat"]
    fake.answer("POST", path, body)
    fake.answer("GET", "/v1/models", {"data": [{"id": name} for name in ("text-embed-3", "chatty", "large", "other")]})
    look(f"{fake.url}/v1", "--ask", more=more)
    assert [asked[2]["model"] for asked in fake.asked if asked[0] == "POST"] == [model]


def test_a_provider_whose_list_failed_is_not_asked(look: Look, fake: Fake) -> None:
    fake.answer("GET", "/v1/models", {"error": {}}, 401)
    assert list(look(f"{fake.url}/v1", "--ask")) == ["provider up"]


def test_a_provider_without_a_list_is_asked_for_what_is_named(look: Look, fake: Fake) -> None:
    path, body = ANSWERS["chat"]
    fake.answer("POST", path, body)
    found = look(f"{fake.url}/v1", "--ask", more="models = ['small']")
    assert [check["verdict"] for check in found.values()] == ["warn", "ok"]


@pytest.mark.parametrize(
    ("status", "body", "found", "remedy"),
    [
        (401, {"error": {}}, "refuses the key (UP_KEY)", "providers.up.api_key"),
        (404, refusal("No such model."), "doesn't know 'small' (404): No such model.", "providers.up.format"),
        (400, refusal("No.", "model_not_found"), "doesn't know 'small' (400): No.", "providers.up.format"),
        (429, refusal("Pay.", "insufficient_quota"), "has no quota left: Pay.", "billing"),
        (400, refusal("Not a chat model."), "'small' is refused (400): Not a chat model.", "name another"),
        (502, b"<html>", "answers with 502", "status page"),
        (200, b"<html>", "'small' can't be understood: ", "providers.up.format"),
    ],
)
def test_an_answer_that_does_not_come_is_told_with_its_reason(
    *, look: Look, fake: Fake, status: int, body: Any, found: str, remedy: str
) -> None:
    address = base(fake)
    fake.answer("POST", "/v1/chat/completions", body, status)
    check = look(address, "--ask")["provider up asked"]
    assert check["verdict"] == "fail"
    assert check["found"].startswith(found)
    assert remedy in check["remedy"]


def test_a_model_that_does_not_exist_is_told_with_the_nearest(look: Look, fake: Fake) -> None:
    address = base(fake)
    fake.answer("POST", "/v1/chat/completions", refusal("No such model."), 404)
    check = look(address, "--ask", more="models = ['smal']")["provider up asked"]
    assert check["remedy"] == "did you mean small? Mend providers.up.models"


def test_secrets_in_a_refusal_are_not_shown(look: Look, fake: Fake) -> None:
    address = base(fake)
    fake.answer("POST", "/v1/chat/completions", refusal(f"The key {KEY} may not do that."), 400)
    assert "[redacted]" in look(address, "--ask")["provider up asked"]["found"]
