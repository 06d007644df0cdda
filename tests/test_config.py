"""Settings: read once, checked whole, secrets never shown."""

import inspect
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from antiphon import config
from antiphon.config import Flags, Secret, Settings, SettingsError, load
from antiphon.providers import profiles
from antiphon.providers.catalog import profile_for
from antiphon.types import limits

HOME = {"HOME": "/home/ada"}
LOCAL = """
[providers.local]
format = "chat"
base_url = "http://127.0.0.1:8000/v1"
"""


def settings(tmp_path: Path, text: str = "", flags: Flags | None = None, **environ: str) -> Settings:
    file = tmp_path / "antiphon.toml"
    file.write_text(text, encoding="utf-8")
    return load(flags or Flags(), {**HOME, "ANTIPHON_CONFIG": str(file), **environ})


def faults(tmp_path: Path, text: str = "", flags: Flags | None = None, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, text, flags, **environ)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults


def test_nothing_at_all_is_a_valid_configuration() -> None:
    found = load(Flags(), HOME)
    assert (found.server.host, found.server.port) == ("127.0.0.1", 8484)
    assert found.server.data == Path("/home/ada/.local/share/antiphon")
    assert found.server.database == Path("/home/ada/.local/share/antiphon/antiphon.db")
    assert found.providers == {}
    assert found.api_key is None


def test_every_part_of_the_file_is_read(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        """
        default_model = "local/small"
        unknown_parameters = "ignore"
        client_conversation_ids = false
        log_level = "debug"
        detect = false
        [server]
        host = "0.0.0.0"
        port = 80
        data = "state"
        [limits]
        body_bytes = 1000
        keepalive = 5
        [demo]
        seed = 7
        delay = 0
        [providers.local]
        format = "chat"
        base_url = "http://127.0.0.1:8000/v1/"
        api_key = "env:LOCAL_KEY"
        models = ["small", "big-*"]
        timeout = {connect = 1, total = 60}
        profile = {tools = false, hints = ["user"], context_window = 4096}
        headers = {X-Team = "blue", X-Token = "env:TOKEN"}
        """,
        LOCAL_KEY="sk-local",
        TOKEN="a token",
    )
    local = found.providers["local"]
    assert found.unknown_parameters == "ignore"
    assert not found.client_conversation_ids
    assert found.server.data == tmp_path / "state"
    assert (found.limits.body_bytes, found.limits.keepalive) == (1000, 5.0)
    assert (found.demo.seed, found.demo.delay, found.demo.enabled) == (7, 0.0, True)
    assert local.base_url == "http://127.0.0.1:8000/v1"
    assert local.api_key == Secret("sk-local", "LOCAL_KEY")
    assert local.key_source == "LOCAL_KEY"
    assert local.models == ["small", "big-*"]
    assert {name: value.reveal() for name, value in local.headers.items()} == {"X-Team": "blue", "X-Token": "a token"}
    assert (local.timeout.first_byte_of(streamed=True), local.timeout.first_byte_of(streamed=False)) == (120.0, 60.0)


def test_a_profile_in_the_file_changes_only_the_fields_it_names(tmp_path: Path) -> None:
    found = settings(tmp_path, LOCAL + "profile = {tools = false, hints = ['user']}")
    changed = profile_for(profiles.RESPONSES, "any", given=found.providers["local"].profile)
    assert changed == msgspec.structs.replace(profiles.RESPONSES, tools=False, hints=frozenset({"user"}))


def test_every_fault_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    assert faults(
        tmp_path,
        """
        default_modle = "x"
        log_level = "loud"
        [server]
        port = 99999
        [providers.local]
        format = "soap"
        timeout = {idle = "x", total = 0}
        profile = {tools = 1, max_tokens_field = "n"}
        models = ["a", 1]
        """,
        ANTIPHON_PORT="http",
    ) == [
        "default_modle: no such setting; did you mean default_model?",
        'log_level: expected one of "debug", "info", "warning", "error", got "loud"',
        "server.port: expected a whole number <= 65535, got 99999",
        'providers.local.format: expected one of "chat", "responses", "anthropic", "gemini", got "soap"',
        'providers.local.timeout.idle: expected a number, got "x"',
        "providers.local.timeout.total: expected a number > 0.0, got 0",
        "providers.local.profile.tools: expected true or false, got 1",
        'providers.local.profile.max_tokens_field: expected one of "max_completion_tokens", "max_tokens", got "n"',
        "providers.local.models[1]: expected text, got 1",
        "providers.local.base_url: is missing; expected text",
        'ANTIPHON_PORT: expected a whole number, got "http"',
    ]


def test_the_catalog_fills_what_a_provider_leaves_out(tmp_path: Path) -> None:
    text = "[providers.groq]\n[providers.mine]\nkind = 'anthropic'\napi_keys = ['env:A', 'env:B']"
    found = settings(tmp_path, text, GROQ_API_KEY="g" * 30, A="a" * 30, B="b" * 30).providers
    assert (found["groq"].format, found["groq"].key_source) == ("chat", "GROQ_API_KEY")
    assert found["groq"].address.startswith("https://api.groq.com/")
    assert (found["mine"].format, found["mine"].key_source) == ("anthropic", "A, B")
    headers = [found["mine"].auth_headers(key) for key in found["mine"].keys]
    assert [each["x-api-key"] for each in headers] == ["a" * 30, "b" * 30]
    assert all(each["anthropic-version"] for each in headers)


def test_a_provider_is_there_by_its_key_alone_unless_nothing_may_be_looked_for() -> None:
    environ = {**HOME, "OPENAI_API_KEY": "o" * 30, "GEMINI_API_KEY": "g" * 30, "MISTRAL_API_KEY": ""}
    found = load(Flags(), environ).providers
    assert {name: provider.format for name, provider in found.items()} == {"openai": "responses", "gemini": "gemini"}
    assert found["gemini"].auth_headers(found["gemini"].api_key) == {"x-goog-api-key": "g" * 30}
    assert load(Flags(detect=False), environ).providers == {}


def test_a_configured_provider_is_not_found_a_second_time(tmp_path: Path) -> None:
    found = settings(tmp_path, "[providers.mine]\nkind = 'openai'", OPENAI_API_KEY="o" * 30).providers
    assert list(found) == ["mine"]


def test_an_alias_leads_to_names_in_order_or_to_shares(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        LOCAL
        + """
        [models.fast]
        targets = ["local/a", "local/b"]
        [models.spread]
        targets = [{model = "local/a", weight = 3}, {model = "local/b", weight = 1}]
        """,
    ).models
    assert [(each.model, each.weight) for each in found["fast"].targets] == [("local/a", None), ("local/b", None)]
    assert [(each.model, each.weight) for each in found["spread"].targets] == [("local/a", 3), ("local/b", 1)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[models.'a/b']\ntargets = ['x/y']", "models.a/b: an alias has no slash"),
        ("[models.a]\ntargets = []", "models.a.targets: is empty"),
        ("[models.a]\ntargets = [{model = 'x/y', weight = 0}]", "models.a.targets"),
        (
            "[models.a]\ntargets = [{model = 'x/y', weight = 1}, 'x/z']",
            "models.a.targets: either every target has a weight or none has",
        ),
        ("[models.a]", "models.a.targets: is missing"),
        ("[models.a]\ntargets = ['nowhere/m']", "models.a.targets[0]: no such provider"),
        ("[models.a]\ntargets = ['gpt-6']", "models.a.targets[0]: expected provider/model"),
        ("[providers.x]\nkind = 'openai'\nformat = 'chat'\nbase_url = 'http://h/v1'", 'providers.x.format: "openai"'),
        ("[providers.x]\nkind = 'grok'", "providers.x.kind: not in the catalog"),
        ("[providers.azure]", "providers.azure.base_url: is missing; it looks like https://"),
        ("[providers.x]\nbase_url = 'http://h/v1'", "providers.x.format: is missing; expected one of"),
        ("allowed_networks = ['10.0.0.1/8']", "allowed_networks[0]: not a network: 10.0.0.1/8 has host bits set"),
        (LOCAL + "concurrency = 0", "providers.local.concurrency: expected a whole number >= 1, got 0"),
        ("providers = 1", "providers: expected a table, got 1"),
        ("server = []", "server: expected a table, got a list"),
        ("[providers]\nlocal = 1", "providers.local: expected a table, got 1"),
        ("default_model = ''", "default_model: is empty"),
        (LOCAL + "profile = {hints = ['user', 'age']}", 'providers.local.profile.hints[1]: expected one of "user", '),
        (LOCAL + "models = []", "providers.local.models: is empty"),
        (LOCAL + "models = ['']", "providers.local.models[0]: is empty"),
        (LOCAL + "timeout = {total = inf}", "providers.local.timeout.total: expected a number, got inf"),
        (LOCAL + "xyz = 1", "providers.local.xyz: no such setting; known here: kind, format, base_url, api_key"),
        (LOCAL + "headers = {authorization = 'x'}", "providers.local.headers.authorization: this header is made from"),
        (LOCAL + "headers = {'a b' = 'x'}", "providers.local.headers.a b: not a header's name"),
        (LOCAL + 'headers = {a = "x\\ny"}', "providers.local.headers.a: expected text of printable ASCII"),
        (LOCAL + "headers = {a = 1}", "providers.local.headers.a: expected text of printable ASCII"),
        (LOCAL + "headers = {a = 'env:NOWHERE'}", "providers.local.headers.a: the variable NOWHERE is not set"),
        (LOCAL + "api_key = 'env:NOWHERE'", "providers.local.api_key: the variable NOWHERE is not set"),
        (LOCAL + "api_key = 'file:nowhere'", "providers.local.api_key: cannot read nowhere: No such file or directory"),
        (LOCAL + "api_key = 3", "providers.local.api_key: a key isn't written here; expected env:NAME or file:PATH"),
        (LOCAL.replace("local", "demo"), "providers.demo: this name belongs to the built-in demo models"),
        (LOCAL.replace("local", '"A b"'), "providers.A b: a provider's name is a-z, 0-9, _, . and -"),
        ("x = ", "ANTIPHON_CONFIG: "),
    ],
)
def test_a_fault_names_its_place_and_the_way_out(tmp_path: Path, text: str, fault: str) -> None:
    (told,) = faults(tmp_path, text)
    assert told.startswith(fault)


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("ftp://host/v1", "expected an http or https address"),
        ("host:80/v1", "expected an http or https address"),
        ("http://", "expected an http or https address"),
        ("http://host:99999", "expected an http or https address"),
        ("http://host/a b", "expected an http or https address"),
        ("https://me:pa55@host/v1", "credentials don't belong in the address"),
        ("https://host/v1?key=pa55", "an address with a query or a fragment"),
        ("https://host/v1#x", "an address with a query or a fragment"),
    ],
)
def test_an_address_is_plain_http_without_credentials_or_query(tmp_path: Path, address: str, fault: str) -> None:
    (told,) = faults(tmp_path, LOCAL.replace("http://127.0.0.1:8000/v1", address))
    assert told.startswith(f"providers.local.base_url: {fault}")
    assert "pa55" not in told


def test_a_key_written_into_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (told,) = faults(tmp_path, LOCAL + "api_key = 'sk-secret'")
    assert told == "providers.local.api_key: a key isn't written here; expected env:NAME or file:PATH"


def test_a_key_file_is_found_beside_the_settings_and_its_last_newline_left_out(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-local\n", encoding="utf-8")
    found = settings(tmp_path, LOCAL + "api_key = 'file:key'").providers["local"]
    assert found.api_key is not None
    assert found.api_key.reveal() == "sk-local"
    assert found.key_source == "key"


def test_a_key_that_no_header_can_carry_is_refused_unseen(tmp_path: Path) -> None:
    (told,) = faults(tmp_path, LOCAL + "api_key = 'env:LOCAL_KEY'", LOCAL_KEY="two\nlines")
    assert told.startswith("providers.local.api_key: what env:LOCAL_KEY holds can't be sent")
    assert "two" not in told


def test_a_secret_never_shows_itself(tmp_path: Path) -> None:
    found = settings(tmp_path, LOCAL + "api_key = 'env:K'", K="sk-hidden", ANTIPHON_API_KEY="k" * 24)
    for shown in (repr(found), str(found.api_key), f"{found.providers['local'].api_key}"):
        assert "sk-hidden" not in shown
        assert "kkk" not in shown
        assert "***" in shown


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    text = "log_level = 'debug'\n[server]\nhost = 'file'\nport = 1\ndata = 'file'"
    assert settings(tmp_path, text).server.port == 1
    environ = {
        "ANTIPHON_HOST": "env",
        "ANTIPHON_PORT": "2",
        "ANTIPHON_DATA": "/env",
        "ANTIPHON_LOG_LEVEL": "error",
    }
    found = settings(tmp_path, text, None, **environ)
    assert (found.server.host, found.server.port, found.server.data) == ("env", 2, Path("/env"))
    assert found.log_level == "error"
    flags = Flags(host="flag", port="3", data="/flag", log_level="warning", detect=False)
    found = settings(tmp_path, text, flags, **environ)
    assert (found.server.host, found.server.port, found.server.data) == ("flag", 3, Path("/flag"))
    assert (found.log_level, found.detect) == ("warning", False)


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    found = settings(tmp_path, ANTIPHON_PORT="", ANTIPHON_API_KEY="", OPENAI_API_KEY="")
    assert (found.server.port, found.api_key, found.providers) == (8484, None, {})


def test_the_data_folder_follows_xdg_unless_that_is_relative() -> None:
    assert load(Flags(), {**HOME, "XDG_DATA_HOME": "/xdg"}).server.data == Path("/xdg/antiphon")
    assert load(Flags(), {**HOME, "XDG_DATA_HOME": "xdg"}).server.data == Path("/home/ada/.local/share/antiphon")


def test_a_settings_file_that_was_named_must_be_there() -> None:
    with pytest.raises(SettingsError, match=r"--config: cannot read /nowhere/a\.toml: No such file"):
        load(Flags(config="/nowhere/a.toml"), HOME)


def test_a_settings_file_is_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load(Flags(config=str(tmp_path / "a.toml")), HOME)


@pytest.mark.parametrize("key", ["short", "x" * 23, "spaces in the middle of the key"])
def test_our_own_key_is_long_and_sendable_or_refused_unseen(tmp_path: Path, key: str) -> None:
    (told,) = faults(tmp_path, ANTIPHON_API_KEY=key)
    assert told.startswith("ANTIPHON_API_KEY: ")
    assert key not in told


def test_our_own_key_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 24, encoding="utf-8")
    assert settings(tmp_path, "api_key = 'file:key'").api_key == Secret("k" * 24, "key")


def test_a_key_for_openai_in_the_environment_adds_the_provider(tmp_path: Path) -> None:
    found = settings(tmp_path, LOCAL, OPENAI_API_KEY="sk-1")
    assert list(found.providers) == ["local", "openai"]
    openai = found.providers["openai"]
    assert (openai.format, openai.base_url, openai.key_source) == (
        "responses",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
    )


def test_the_file_and_no_detection_both_keep_openai_from_being_added(tmp_path: Path) -> None:
    found = settings(tmp_path, LOCAL.replace("local", "openai"), OPENAI_API_KEY="sk-1")
    assert found.providers["openai"].base_url == "http://127.0.0.1:8000/v1"
    assert settings(tmp_path, "detect = false", OPENAI_API_KEY="sk-1").providers == {}


@pytest.mark.parametrize(
    "kind", [config.Settings, config.Server, config.Demo, config.Provider, limits.Limits, limits.Timeout]
)
def test_every_setting_is_described_below_its_field(kind: type[msgspec.Struct]) -> None:
    lines = [line.strip() for line in inspect.getsource(kind).splitlines()]
    for field in msgspec.structs.fields(kind):
        place = next(i for i, line in enumerate(lines) if line.startswith(f"{field.name}:"))
        assert lines[place + 1].startswith('"""'), field.name


def test_reading_looks_at_nothing_but_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_PORT", "1")
    environ: Mapping[str, str] = HOME
    assert load(Flags(), environ).server.port == 8484
