"""`antiphon keys`: the life of a key on a data folder."""

import asyncio
import time
from pathlib import Path

import pytest

from antiphon.store.sqlite import open_store
from antiphon.tenancy.keys import digest
from tests.cli.conftest import Cli


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def tenant_of(data: str, key: str) -> str | None:
    async def look() -> str | None:
        store = open_store(Path(data) / "antiphon.db")
        try:
            return await store.keys.tenant(digest(key), int(time.time()))
        finally:
            store.close()

    return asyncio.run(look())


def test_a_key_is_made_listed_and_revoked(cli: Cli, data: str) -> None:
    made = cli("keys", "create", "--name", "laptop", "--tenant", "ada", "--data", data)
    key = made.out.strip()
    assert made.status == 0
    assert key.startswith("ap_live_")
    assert len(key) == len("ap_live_") + 43
    assert key not in made.err
    assert "tenant ada, expires never" in made.err
    assert tenant_of(data, key) == "ada"

    listed = cli("keys", "list", "--data", data).out
    assert "laptop" in listed
    assert "valid" in listed
    assert key not in listed
    (identifier,) = [word for word in listed.split() if word.startswith("key_")]

    revoked = cli("keys", "revoke", identifier, "--yes", "--data", data)
    assert (revoked.status, revoked.out) == (0, "")
    assert tenant_of(data, key) is None
    assert "revoked" in cli("keys", "list", "--data", data).out


def test_every_command_gives_json(cli: Cli, data: str) -> None:
    made = cli("keys", "create", "--expires", "30d", "--json", "--data", data)
    assert made.err == ""
    assert made.json["expires_at"] == made.json["created_at"] + 30 * 86_400
    assert made.json["state"] == "valid"
    shown = {name: value for name, value in made.json.items() if name != "key"}
    assert cli("keys", "list", "--json", "--data", data).json == [shown]
    revoked = cli("keys", "revoke", made.json["id"], "--yes", "--json", "--data", data)
    assert revoked.json["state"] == "revoked"


def test_the_data_folder_is_made_for_its_owner_alone(cli: Cli, data: str) -> None:
    cli("keys", "create", "--data", data)
    assert Path(data).stat().st_mode & 0o777 == 0o700
    assert (Path(data) / "antiphon.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("given", ["soon", "0d", "30", "-1d", "1y"])
def test_a_length_of_time_that_is_none_is_usage(cli: Cli, data: str, given: str) -> None:
    done = cli("keys", "create", f"--expires={given}", "--data", data)
    assert done.status == 2
    assert given in done.trouble[1]


def test_an_unknown_key_cannot_be_revoked(cli: Cli, data: str) -> None:
    done = cli("keys", "revoke", "key_x", "--yes", "--data", data)
    assert done.status == 1
    assert done.trouble[0] == 'There is no key "key_x".'


def test_revoking_asks_or_needs_yes(cli: Cli, data: str) -> None:
    identifier = cli("keys", "create", "--json", "--data", data).json["id"]
    assert cli("keys", "revoke", identifier, "--data", data).status == 2
    refused = cli("keys", "revoke", identifier, "--data", data, typed="n\n", terminal=True)
    assert refused.status == 1
    assert f"Revoke {identifier}?" in refused.err
    assert cli("keys", "revoke", identifier, "--data", data, typed="y\n", terminal=True).status == 0


def test_no_key_is_no_error(cli: Cli, data: str) -> None:
    done = cli("keys", "list", "--data", data)
    assert (done.status, done.out) == (0, "")
    assert "antiphon keys create" in done.err


def test_expired_keys_of_the_command_line_itself_are_left_out(cli: Cli, data: str) -> None:
    made = cli("keys", "create", "--name", "cli", "--json", "--data", data).json
    assert cli("keys", "list", "--data", data).out != ""
    cli("keys", "revoke", made["id"], "--yes", "--data", data)
    done = cli("keys", "list", "--data", data)
    assert done.out == ""
    assert "1 expired key of this command line not shown" in done.err
    assert made["id"] in cli("keys", "list", "--all", "--data", data).out


def test_a_database_that_cannot_be_read_is_three_lines(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "antiphon.db").write_bytes(b"not a database" * 100)
    done = cli("keys", "list", "--data", str(tmp_path))
    assert done.status == 1
    assert done.trouble[0] == f"The database {tmp_path / 'antiphon.db'} can't be used."


def test_a_database_of_a_later_release_is_three_lines(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("keys", "create", "--data", str(tmp_path))
    monkeypatch.setattr("antiphon.store.sqlite.store.shipped", list)
    assert "doesn't fit this release" in cli("keys", "list", "--data", str(tmp_path)).trouble[0]


# -- the sealing key ------------------------------------------------------------------------------------------


def test_a_sealing_key_is_made_and_put_before_the_older_ones(cli: Cli, data: str) -> None:
    first = cli("keys", "rotate-seal", "--data", data)
    assert (first.status, first.out) == (0, "")
    path = Path(data) / "sealing.keys"
    assert f"is the first key of {path}; 0 older keys open as before." in first.err
    assert "after its next start" in first.err
    (was,) = path.read_text().splitlines()
    cli("keys", "rotate-seal", "--data", data)
    now, old = path.read_text().splitlines()
    assert (old, now != was) == (was, True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Path(data).stat().st_mode & 0o777 == 0o700


def test_a_sealing_key_itself_is_never_shown(cli: Cli, data: str) -> None:
    made = [cli("keys", "rotate-seal", "--data", data, "--json") for _ in range(3)]
    path = Path(data) / "sealing.keys"
    ids = [line.partition(":")[0] for line in path.read_text().splitlines()]
    assert made[2].json == {"id": ids[0], "older": ids[1:], "file": str(path)}
    for line in path.read_text().splitlines():
        assert all(line.partition(":")[2] not in done.out + done.err for done in made)


def test_sealing_keys_that_cannot_be_read_are_left_alone(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sealing.keys").write_text("secret")
    done = cli("keys", "rotate-seal", "--data", str(tmp_path))
    assert done.status == 1
    assert done.trouble[1].startswith(f"{tmp_path / 'sealing.keys'}, line 1: expected an id")
    assert (tmp_path / "sealing.keys").read_text() == "secret"


def test_a_folder_that_takes_no_sealing_key_is_three_lines(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    done = cli("keys", "rotate-seal", "--data", str(tmp_path / "data"))
    assert done.trouble[0] == "The sealing key was not changed."
