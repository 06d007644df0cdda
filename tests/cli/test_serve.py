"""`antiphon serve` and `antiphon doctor`."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon import __version__
from antiphon.cli.serve import Start, banner
from antiphon.config import Flags, Settings, load
from tests.cli.conftest import Cli, Fake

DEMO = ("demo-chat", "demo-slow", "demo-tools")
PROVIDERS = """
[providers.local]
format = "chat"
base_url = "http://127.0.0.1:8000/v1"
models = ["small", "big-*"]
"""


def shown(settings: Settings, **start: Any) -> str:
    known = Start(port=8484, is_new=False, new_key=None, key_count=1, demo_models=DEMO)
    return banner(settings, msgspec.structs.replace(known, **start))


def settings_of(tmp_path: Path, text: str = "", **environ: str) -> Settings:
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    return load(Flags(config=str(tmp_path / "a.toml")), {**os.environ, **environ})


@pytest.fixture
def busy() -> Iterator[int]:
    """A port on which something listens that never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


# -- the banner -----------------------------------------------------------------------------------------------


def test_the_first_start_shows_everything_one_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_DATA_HOME")
    settings = load(Flags(), {"HOME": "/home/ada"})
    assert shown(settings, is_new=True, new_key="ap_live_x", key_count=0) == (
        f"antiphon {__version__}\n"
        "\n"
        "  API       http://127.0.0.1:8484/v1\n"
        "  Data      ~/.local/share/antiphon  (new)\n"
        "  Key       ap_live_x  (shown once; new ones: antiphon keys create)\n"
        "\n"
        "  Models    demo-chat, demo-slow, demo-tools   built in, no network\n"
        "            No provider is set up. Set a key such as OPENAI_API_KEY, start Ollama or name one in --config; then restart.\n"
        "\n"
        '  Try       antiphon chat "Explain background mode in two lines"\n'
        '            antiphon responses create --background --watch "Write a short report"\n'
        "  Stop      Ctrl+C"
    )


def test_every_provider_has_a_line_and_no_key_is_in_it(tmp_path: Path) -> None:
    text = shown(settings_of(tmp_path, PROVIDERS, OPENAI_API_KEY="sk-secret"))
    assert "            local   no key          small, big-*\n" in text
    assert "            openai  OPENAI_API_KEY  all that it lists\n" in text
    assert "No provider" not in text
    assert "sk-secret" not in text


def test_an_own_key_is_named_by_its_source(tmp_path: Path) -> None:
    text = shown(settings_of(tmp_path, ANTIPHON_API_KEY="k" * 24))
    assert "  Key       from ANTIPHON_API_KEY\n" in text
    assert "kkk" not in text


def test_keys_that_are_there_are_counted(tmp_path: Path) -> None:
    assert "  Key       2 in the database; new ones: antiphon keys create\n" in shown(
        settings_of(tmp_path), key_count=2
    )


def test_an_address_that_others_reach_is_warned_of(tmp_path: Path) -> None:
    assert "Warning" not in shown(settings_of(tmp_path))
    text = shown(settings_of(tmp_path, ANTIPHON_HOST="0.0.0.0"))
    assert "  API       http://0.0.0.0:8484/v1\n" in text
    assert "put a proxy with TLS in front" in text
    assert "http://[::1]:8484/v1" in shown(settings_of(tmp_path, ANTIPHON_HOST="::1"))


def test_what_to_try_finds_this_server(tmp_path: Path) -> None:
    text = shown(settings_of(tmp_path, ANTIPHON_DATA="/srv/my data"), port=8485)
    assert "antiphon chat --url http://127.0.0.1:8485 --data '/srv/my data' \"Explain" in text


# -- starting -------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_named_and_the_next_proposed(cli: Cli, busy: int) -> None:
    done = cli("serve", "--port", str(busy))
    assert done.status == 1
    assert done.trouble == [
        f"Port {busy} on 127.0.0.1 is taken.",
        "Another program listens there.",
        f"Try: antiphon serve --port {busy + 1}",
    ]


def test_every_fault_of_the_settings_is_shown(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x = 1\nlog_level = 2", encoding="utf-8")
    done = cli("serve", "--config", str(tmp_path / "a.toml"))
    assert done.status == 2
    assert [line.partition(":")[0] for line in done.err.splitlines()[1:3]] == ["x", "log_level"]


def test_a_server_starts_answers_and_stops(tmp_path: Path, cli: Cli) -> None:
    command = [
        sys.executable,
        "-m",
        "antiphon",
        "serve",
        "--json",
        "--no-detect",
        "--port",
        "0",
        "--data",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            started = json.loads(server.stdout.readline())
            assert started["new"]
            assert started["key"].startswith("ap_live_")
            url = started["url"]
            answer = cli("chat", "--url", url, "--data", str(tmp_path), "My name is Ada")
            assert answer.status == 0
            assert "demo model" in answer.out
            listed = cli("responses", "list", "--url", url, "--data", str(tmp_path), "--json").json
            assert [response["status"] for response in listed["data"]] == ["completed"]
            second = cli("serve", "--port", "0", "--data", str(tmp_path))
            assert "is in use" in second.trouble[0]
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(timeout=20) == 0
    names = [key["name"] for key in cli("keys", "list", "--json", "--data", str(tmp_path)).json]
    assert names == ["first", "cli", "cli"]


# -- the doctor -----------------------------------------------------------------------------------------------


def checks(cli: Cli, *arguments: str) -> dict[str, dict[str, str]]:
    done = cli("doctor", "--json", *arguments)
    verdicts = [check["verdict"] for check in done.json["checks"]]
    worst = "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "ok"
    assert done.json["verdict"] == worst
    assert done.status == (1 if worst == "fail" else 0)
    for check in done.json["checks"]:
        assert check.keys() == {"name", "verdict", "found", "remedy"}
        assert check["verdict"] == "ok" or check["remedy"]
    return {check["name"]: check for check in done.json["checks"]}


def test_a_healthy_machine_has_nothing_that_fails(cli: Cli, tmp_path: Path) -> None:
    data = tmp_path / "data"
    found = checks(cli, "--data", str(data), "--port", "0")
    assert list(found) == [
        "python",
        "packages",
        "clock",
        "settings",
        "data folder",
        "database",
        "sealing keys",
        "port",
        "providers",
    ]
    assert {name for name, check in found.items() if check["verdict"] != "ok"} == {"providers"}
    assert not data.exists()
    cli("keys", "list", "--data", str(data))
    assert checks(cli, "--data", str(data), "--port", "0")["database"]["found"].endswith("current")


def test_people_get_a_line_for_each_check(cli: Cli, tmp_path: Path) -> None:
    done = cli("doctor", "--data", str(tmp_path), "--port", "0")
    assert done.status == 0
    assert done.out.startswith("ok    python ")
    assert "\033" not in done.out


def test_settings_that_are_faulty_fail(cli: Cli, tmp_path: Path) -> None:
    found = checks(cli, "--port", "http")
    assert found["settings"]["verdict"] == "fail"
    assert "database" not in found


def test_a_folder_that_is_a_file_fails(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert checks(cli, "--data", str(tmp_path / "file" / "data"), "--port", "0")["data folder"]["verdict"] == "fail"


def test_a_folder_that_others_can_read_is_warned_of(cli: Cli, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert checks(cli, "--data", str(tmp_path), "--port", "0")["data folder"]["verdict"] == "warn"


def test_a_damaged_database_fails(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "antiphon.db").write_bytes(b"not a database" * 100)
    assert checks(cli, "--data", str(tmp_path), "--port", "0")["database"]["verdict"] == "fail"


@pytest.mark.parametrize(("change", "verdict"), [("older", "warn"), ("newer", "fail"), ("other", "fail")])
def test_a_schema_of_another_release_is_noticed(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, verdict: str
) -> None:
    from antiphon.store.sqlite.migrations import Migration, shipped

    cli("keys", "list", "--data", str(tmp_path))
    steps = {
        "older": [*shipped(), Migration(99, "later", "")],
        "newer": [],
        "other": [msgspec.structs.replace(step, sql="x") for step in shipped()],
    }[change]
    monkeypatch.setattr("antiphon.cli.doctor.shipped", lambda: steps)
    assert checks(cli, "--data", str(tmp_path), "--port", "0")["database"]["verdict"] == verdict


def test_sealing_keys_are_counted_and_those_that_cannot_be_used_fail(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "sealing.keys"
    made = [cli("keys", "rotate-seal", "--data", str(tmp_path), "--json").json["id"] for _ in range(2)]
    found = checks(cli, "--data", str(tmp_path), "--port", "0")["sealing keys"]
    assert (found["verdict"], found["found"]) == ("ok", f"2 in sealing.keys, the newest is {made[1]}")
    path.chmod(0o644)
    assert checks(cli, "--data", str(tmp_path), "--port", "0")["sealing keys"]["verdict"] == "warn"
    path.write_text("secret")
    found = checks(cli, "--data", str(tmp_path), "--port", "0")["sealing keys"]
    assert found["verdict"] == "fail"
    assert "secret" not in found["found"]


def test_a_port_of_another_program_fails_and_our_own_server_is_fine(cli: Cli, fake: Fake, tmp_path: Path) -> None:
    port = fake.url.rpartition(":")[2]
    found = checks(cli, "--data", str(tmp_path), "--port", port)["port"]
    assert (found["verdict"], found["remedy"]) == ("fail", f"antiphon serve --port {int(port) + 1}")
    fake.answer("GET", "/livez", {"status": "ok", "version": "0.1.0"})
    found = checks(cli, "--data", str(tmp_path), "--port", port)["port"]
    assert (found["verdict"], found["found"]) == ("ok", f"an Antiphon server (0.1.0) answers on 127.0.0.1:{port}")


def test_a_free_port_is_fine(cli: Cli, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert checks(cli, "--data", str(tmp_path), "--port", str(port))["port"]["found"] == f"127.0.0.1:{port} is free"


@pytest.mark.parametrize(
    ("status", "body", "verdict", "found"),
    [
        (200, {"data": [{"id": "small"}]}, "ok", "1 models"),
        (401, {"error": {}}, "fail", "refuses the key (LOCAL_KEY)"),
        (404, {"error": {}}, "fail", "answers with 404 and lists no models"),
        (200, b"<html>", "fail", "answers with 200 and lists no models"),
    ],
)
def test_a_provider_is_asked_for_its_models(
    *,
    cli: Cli,
    fake: Fake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: Any,
    verdict: str,
    found: str,
) -> None:
    monkeypatch.setenv("LOCAL_KEY", "sk-secret")
    text = f"[providers.local]\nformat = 'chat'\nbase_url = '{fake.url}/v1'\napi_key = 'env:LOCAL_KEY'"
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    fake.answer("GET", "/v1/models", body, status)
    config = ("--config", str(tmp_path / "a.toml"))
    check = checks(cli, *config, "--data", str(tmp_path), "--port", "0")["provider local"]
    assert (check["verdict"], check["found"]) == (verdict, found)
    assert fake.asked[0][3] == "Bearer sk-secret"
    assert "sk-secret" not in json.dumps(check)
    (tmp_path / "a.toml").write_text(text + "\nmodels = ['small']", encoding="utf-8")
    named = checks(cli, *config, "--data", str(tmp_path), "--port", "0")["provider local"]
    assert named["verdict"] == ("warn" if verdict == "fail" and status != 401 else verdict)


def test_a_provider_that_is_down_fails(cli: Cli, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        text = f"[providers.local]\nformat = 'chat'\nbase_url = 'http://127.0.0.1:{unused.getsockname()[1]}/v1'"
        (tmp_path / "a.toml").write_text(text, encoding="utf-8")
        found = checks(cli, "--config", str(tmp_path / "a.toml"), "--data", str(tmp_path), "--port", "0")
    assert "Connection refused" in found["provider local"]["found"]
