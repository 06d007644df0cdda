"""The commands that talk to a server, against one that says what it is told."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from antiphon.store.sqlite import open_store
from tests.cli.conftest import Cli, Fake, a_response, a_stream, refusal

KEY = "k" * 32
MODELS = {
    "object": "list",
    "data": [
        {"id": "demo-chat", "object": "model", "created": 0, "owned_by": "demo"},
        {"id": "local/gpt-5", "object": "model", "created": 0, "owned_by": "local"},
    ],
}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "get_weather", "arguments": '{"city":"Paris"}'}


@pytest.fixture(autouse=True)
def _with_key(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    monkeypatch.setenv("ANTIPHON_API_KEY", KEY)
    monkeypatch.setenv("ANTIPHON_URL", fake.url)
    fake.answer("GET", "/v1/models", MODELS)


def body(fake: Fake) -> Any:
    return fake.asked[-1][2]


# -- address and key ------------------------------------------------------------------------------------------


def test_the_key_and_the_address_come_from_the_environment(cli: Cli, fake: Fake) -> None:
    assert cli("models").status == 0
    assert fake.asked == [("GET", "/v1/models", None, f"Bearer {KEY}")]


def test_an_address_may_end_in_v1(cli: Cli, fake: Fake) -> None:
    assert cli("models", "--url", f"{fake.url}/v1/").status == 0
    assert fake.asked[0][1] == "/v1/models"


def test_without_an_address_the_settings_say_where_the_server_is(
    cli: Cli, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTIPHON_URL")
    monkeypatch.setenv("ANTIPHON_HOST", "0.0.0.0")
    monkeypatch.setenv("ANTIPHON_PORT", fake.url.rpartition(":")[2])
    assert cli("models").status == 0


def test_beside_the_database_a_key_is_made_for_the_call(
    cli: Cli, fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ANTIPHON_API_KEY")
    cli("keys", "list", "--data", str(tmp_path))  # makes the database
    done = cli("models", "--data", str(tmp_path))
    assert done.status == 0
    sent = fake.asked[0][3]
    assert sent is not None
    assert sent.startswith("Bearer ap_live_")
    assert sent.removeprefix("Bearer ") not in done.out + done.err

    async def rows() -> list[tuple[str, int]]:
        store = open_store(tmp_path / "antiphon.db")
        try:
            return [(key.name, (key.expires_at or 0) - key.created_at) for key in await store.keys.all()]
        finally:
            store.close()

    assert asyncio.run(rows()) == [("cli", 3_600)]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_without_a_key_and_a_database_the_error_says_how_to_get_one(
    cli: Cli, fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, elsewhere: bool
) -> None:
    monkeypatch.delenv("ANTIPHON_API_KEY")
    if elsewhere:
        cli("keys", "list", "--data", str(tmp_path))
    done = cli("models", "--data", str(tmp_path), "--url", "http://antiphon.example" if elsewhere else fake.url)
    assert done.status == 1
    assert "antiphon keys create" in done.trouble[2]
    assert fake.asked == []


def test_a_server_that_cannot_be_reached_is_exit_code_3(cli: Cli) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = cli("models", "--url", url)
    assert done.status == 3
    assert done.trouble == [
        f"The server at {url} can't be reached.",
        "Connection refused.",
        "Start it with: antiphon serve. Another address: --url or ANTIPHON_URL.",
    ]


@pytest.mark.parametrize(
    "url", ["localhost:8484", "x", "ftp://x", "http://", "http://[::1", "http://h:99999", "http://a b"]
)
@pytest.mark.parametrize("with_key", [True, False])
def test_an_address_that_is_none_is_usage(cli: Cli, monkeypatch: pytest.MonkeyPatch, url: str, with_key: bool) -> None:
    if not with_key:
        monkeypatch.delenv("ANTIPHON_API_KEY")
    done = cli("models", "--url", url)
    assert done.status == 2
    assert done.trouble[0] == f'"{url}" is no address of a server.'


# -- refusals -------------------------------------------------------------------------------------------------


def test_a_refused_key_says_how_to_get_another(cli: Cli, fake: Fake) -> None:
    fake.answer("GET", "/v1/models", refusal("Incorrect API key provided.", "invalid_api_key"), 401)
    done = cli("models")
    assert done.status == 1
    assert done.trouble[1] == "Incorrect API key provided."


def test_an_unknown_model_is_told_with_those_that_are_known(cli: Cli, fake: Fake) -> None:
    fake.answer("POST", "/v1/responses", refusal("The model 'demo-chta' does not exist.", "model_not_found"), 400)
    done = cli("chat", "--model", "demo-chta", "Hello")
    assert done.status == 1
    assert done.trouble == [
        'Model "demo-chta" is not available.',
        "Known: demo-chat, local/gpt-5.",
        "Did you mean: --model demo-chat",
    ]


def test_any_other_refusal_keeps_the_servers_words(cli: Cli, fake: Fake) -> None:
    fake.answer("GET", "/v1/responses/resp_x", refusal("Response with id 'resp_x' not found."), 404)
    done = cli("responses", "show", "resp_x")
    assert done.status == 1
    assert done.trouble[:2] == ["The server refused the request (404).", "Response with id 'resp_x' not found."]


def test_a_server_of_another_kind_is_noticed(cli: Cli, fake: Fake) -> None:
    fake.answer("GET", "/v1/models", b"<html>", 502)
    assert "may not be an Antiphon server" in cli("models").trouble[0]
    fake.answer("GET", "/v1/models", b"<html>")
    assert cli("models").status == 3


# -- commands -------------------------------------------------------------------------------------------------


def test_models_are_listed_with_their_provider(cli: Cli) -> None:
    assert cli("models").out == "MODEL        PROVIDER\ndemo-chat    demo\nlocal/gpt-5  local\n"
    assert cli("models", "--json").json == MODELS


def test_models_are_shown_with_what_they_can_do(cli: Cli, fake: Fake) -> None:
    large = {
        "id": "local/large",
        "object": "model",
        "created": 0,
        "owned_by": "local",
        "context_window": 131_072,
        "max_output_tokens": 8_192,
        "input_modalities": ["text", "image"],
        "tools": True,
        "structured_output": "native",
        "reasoning_efforts": ["high", "low"],
    }
    small = {**large, "id": "local/small", "tools": False, "structured_output": "emulated", "reasoning_efforts": None}
    alias = {"id": "fast", "object": "model", "created": 0, "owned_by": "alias", "targets": ["local/small", "up/x"]}
    listed = {"object": "list", "data": [alias, large, small]}
    fake.answer("GET", "/v1/models", listed)
    rows = [line.split() for line in cli("models", "--verbose").out.splitlines()]
    assert rows == [
        ["MODEL", "PROVIDER", "CONTEXT", "OUTPUT", "TAKES", "TOOLS", "STRUCTURED", "EFFORTS", "TARGETS"],
        ["fast", "alias", "-", "-", "-", "-", "-", "-", "local/small,up/x"],
        ["local/large", "local", "131,072", "8,192", "text,image", "yes", "native", "high,low", "-"],
        ["local/small", "local", "131,072", "8,192", "text,image", "no", "emulated", "-", "-"],
    ]
    assert cli("models", "--verbose", "--json").json == listed


def test_a_response_is_created_and_its_text_shown(cli: Cli, fake: Fake) -> None:
    fake.answer("POST", "/v1/responses", a_response())
    done = cli("responses", "create", "--instructions", "Be kind", "Hello")
    assert (done.status, done.out, done.err) == (0, "Hello!\n", "")
    assert body(fake) == {"model": "demo-chat", "input": "Hello", "instructions": "Be kind"}
    assert cli("responses", "create", "Hello", "--json").json == a_response()


def test_a_prompt_may_come_from_the_input(cli: Cli, fake: Fake) -> None:
    fake.answer("POST", "/v1/responses", a_response())
    assert cli("responses", "create", "-", typed="From a file\n").status == 0
    assert body(fake)["input"] == "From a file\n"


def test_a_stream_is_shown_as_it_comes(cli: Cli, fake: Fake) -> None:
    fake.answer("POST", "/v1/responses", a_stream(a_response(), "Hel", "lo!"))
    done = cli("responses", "create", "--stream", "Hello")
    assert (done.status, done.out) == (0, "Hello!\n")
    assert body(fake)["stream"] is True
    lines = cli("responses", "create", "--stream", "--json", "Hello").out.splitlines()
    assert [json.loads(line)["type"] for line in lines] == [
        "response.created",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_item.done",
        "response.completed",
    ]


def test_a_call_is_shown_with_its_arguments(cli: Cli, fake: Fake) -> None:
    response = a_response(output=[CALL])
    fake.answer("POST", "/v1/responses", a_stream(response))
    assert cli("chat", "Weather?").out == 'get_weather({"city":"Paris"})\n'
    fake.answer("POST", "/v1/responses", response)
    assert cli("responses", "create", "Weather?").out == 'get_weather({"city":"Paris"})\n'


def test_a_background_response_gives_its_id(cli: Cli, fake: Fake) -> None:
    fake.answer("POST", "/v1/responses", a_response(status="queued", output=[]))
    done = cli("responses", "create", "--background", "Hello")
    assert (done.status, done.out) == (0, "resp_1\n")
    assert "antiphon responses show resp_1" in done.err
    assert body(fake)["background"] is True


def test_a_background_response_can_be_watched(cli: Cli, fake: Fake) -> None:
    fake.answer("POST", "/v1/responses", a_stream(a_response(), "Hello!"))
    done = cli("responses", "create", "--background", "--watch", "Hello")
    assert (done.status, done.out, done.err) == (0, "Hello!\n", "resp_1 runs on the server.\n")
    assert (body(fake)["background"], body(fake)["stream"]) == (True, True)
    assert cli("responses", "create", "--background", "--watch", "--json", "Hello").json == a_response()


def test_a_failed_response_is_exit_code_1(cli: Cli, fake: Fake) -> None:
    failed = a_response(status="failed", output=[], error={"code": "server_error", "message": "It broke."})
    fake.answer("POST", "/v1/responses", a_stream(failed))
    done = cli("chat", "Hello")
    assert done.status == 1
    assert done.trouble == ["The response failed.", "It broke.", "See: antiphon responses show resp_1 --json"]


def test_an_incomplete_response_says_so(cli: Cli, fake: Fake) -> None:
    cut = a_response("Hel", status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    fake.answer("POST", "/v1/responses", a_stream(cut, "Hel"))
    done = cli("chat", "Hello")
    assert (done.status, done.out, done.err) == (0, "Hel\n", "The answer is incomplete: max_output_tokens.\n")


def test_a_stream_without_an_end_is_told(cli: Cli, fake: Fake) -> None:
    fake.answer("POST", "/v1/responses", a_stream(a_response(), "Hel")[:-1])
    done = cli("chat", "Hello")
    assert done.status == 1
    assert done.err.splitlines()[0] == "The answer broke off."


def test_a_response_is_shown_with_its_facts(cli: Cli, fake: Fake) -> None:
    fake.answer("GET", "/v1/responses/resp_1", a_response())
    done = cli("responses", "show", "resp_1")
    assert "status   completed" in done.out
    assert "tokens   2 in, 1 out" in done.out
    assert done.out.endswith("\n\nHello!\n")
    assert cli("responses", "show", "resp_1", "--json").json == a_response()


def test_responses_are_listed_by_what_is_asked(cli: Cli, fake: Fake) -> None:
    page = {"object": "list", "data": [a_response()], "first_id": "resp_1", "last_id": "resp_1", "has_more": True}
    fake.answer("GET", "/v1/responses", page)
    done = cli("responses", "list", "--status", "completed", "--model", "demo-chat", "--limit", "1")
    assert fake.asked[0][1] == "/v1/responses?status=completed&model=demo-chat&limit=1"
    assert "resp_1  completed  demo-chat" in done.out
    assert "There are more" in done.err
    assert cli("responses", "list", "--json").json == page
    fake.answer("GET", "/v1/responses", {**page, "data": []})
    assert cli("responses", "list").out == ""


def test_a_conversation_goes_on_from_the_answer_before(cli: Cli, fake: Fake) -> None:
    fake.answer("POST", "/v1/responses", a_stream(a_response(), "Hello!"))
    done = cli("chat", typed="One\n\nTwo\n")
    assert (done.status, done.out) == (0, "Hello!\nHello!\n")
    bodies = [asked[2] for asked in fake.asked]
    assert [each["input"].strip() for each in bodies] == ["One", "Two"]
    assert [each.get("previous_response_id") for each in bodies] == [None, "resp_1"]
    lines = cli("chat", "--json", typed="One\nTwo\n").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["resp_1", "resp_1"]


def test_one_answer_as_json_is_the_whole_response(cli: Cli, fake: Fake) -> None:
    fake.answer("POST", "/v1/responses", a_stream(a_response(), "Hello!"))
    assert cli("chat", "--json", "Hello").json == a_response()


@pytest.mark.parametrize(
    ("named", "variable", "setting", "model"),
    [
        ("a", "b", "c", "a"),
        (None, "b", "c", "b"),
        (None, None, "c", "c"),
        (None, None, None, "local/small"),
    ],
)
def test_the_model_is_the_one_named_nearest(
    *,
    cli: Cli,
    fake: Fake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str | None,
    variable: str | None,
    setting: str | None,
    model: str,
) -> None:
    fake.answer("POST", "/v1/responses", a_stream(a_response(), "Hello!"))
    provider = "[providers.local]\nformat = 'chat'\nbase_url = 'http://127.0.0.1:1'\nmodels = ['s*', 'small']"
    default = f"default_model = '{setting}'\n" if setting else ""
    (tmp_path / "a.toml").write_text(default + provider, encoding="utf-8")
    if variable:
        monkeypatch.setenv("ANTIPHON_MODEL", variable)
    flags = ["--model", named] if named else []
    assert cli("chat", *flags, "--config", str(tmp_path / "a.toml"), "Hello").status == 0
    assert body(fake)["model"] == model


def test_at_a_terminal_a_failed_turn_does_not_end_the_conversation(cli: Cli, fake: Fake) -> None:
    fake.answer("POST", "/v1/responses", refusal("Too long."), 400)
    done = cli("chat", typed="One\n", terminal=True)
    assert done.status == 0
    assert "Talking with demo-chat; Ctrl+D ends it." in done.err
    assert "Too long." in done.err
