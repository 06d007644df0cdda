"""What every command has in common: help, exit codes, three lines, no stack."""

import importlib
import re
import subprocess
import sys

import pytest

from antiphon.cli.parser import Parser, build
from tests.cli.conftest import Cli

COMMANDS = [
    (),
    ("serve",),
    ("keys",),
    ("keys", "create"),
    ("keys", "list"),
    ("keys", "revoke"),
    ("keys", "rotate-seal"),
    ("models",),
    ("responses",),
    ("responses", "create"),
    ("responses", "show"),
    ("responses", "list"),
    ("chat",),
    ("doctor",),
]
LEAVES = [command for command in COMMANDS if command not in {(), ("keys",), ("responses",)}]


def commands_of(parser: Parser, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = [
        (name, inner)
        for action in parser._actions
        if isinstance(action.choices, dict)
        for name, inner in action.choices.items()
    ]
    return [path, *(found for name, inner in below for found in commands_of(inner, (*path, name)))]


def test_these_are_all_the_commands() -> None:
    assert sorted(commands_of(build())) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_begins_with_a_purpose_and_ends_with_two_examples(cli: Cli, command: tuple[str, ...]) -> None:
    done = cli(*command, "--help")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert re.fullmatch(r"[A-Z].*\.", lines[0])
    assert lines[1] == ""
    examples = lines[lines.index("examples:") + 1 :]
    assert len(examples) == 2
    assert all("antiphon" in example for example in examples)


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_every_command_speaks_json_and_names_its_variables(cli: Cli, command: tuple[str, ...]) -> None:
    shown = " ".join(cli(*command, "--help").out.split())
    assert "print data as JSON [ANTIPHON_JSON]" in shown
    assert "show the stack of a failure [ANTIPHON_DEBUG]" in shown
    for flag in re.findall(r"--(config|data|host|port|log-level|url)\b", shown):
        assert f"[ANTIPHON_{flag.upper().replace('-', '_')}]" in shown


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_the_code_that_a_command_names_is_there(command: tuple[str, ...]) -> None:
    arguments = {"revoke": ["x"], "show": ["x"], "create": ["x"] if command[0] == "responses" else []}
    options = build().parse_args([*command, *arguments.get(command[-1], [])])
    module, _, name = options.run.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["servr"], "Did you mean: antiphon serve"),
        (["keys", "creat"], "Did you mean: antiphon keys create"),
        (["xyzzy"], "Try: antiphon --help"),
    ],
)
def test_a_mistyped_command_gets_a_suggestion(cli: Cli, arguments: list[str], remedy: str) -> None:
    done = cli(*arguments)
    assert done.status == 2
    what, why, do = done.trouble
    assert arguments[-1] in what
    assert why.startswith("Known: ")
    assert do == remedy


@pytest.mark.parametrize("arguments", [["keys"], ["keys", "revoke"], ["models", "--nonsense"], ["serve", "--port"]])
def test_what_cannot_be_understood_is_usage(cli: Cli, arguments: list[str]) -> None:
    done = cli(*arguments)
    assert done.status == 2
    assert done.trouble[2].startswith("Try: antiphon")


def test_flags_alone_are_flags_of_serve(cli: Cli) -> None:
    done = cli("--port", "http")
    assert done.status == 2
    assert done.trouble == [
        "The settings can't be used.",
        '--port: expected a whole number, got "http"',
        "Mend what is named above; docs/configuration.md describes every setting.",
    ]


def test_the_version_is_told(cli: Cli) -> None:
    done = cli("--version")
    assert done.status == 0
    assert done.out.startswith("antiphon ")


def test_a_bug_is_three_lines_and_its_stack_only_with_debug(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(options: object) -> int:
        raise KeyError("oops")

    monkeypatch.setattr("antiphon.cli.models.models", broken)
    done = cli("models")
    assert done.status == 1
    assert done.trouble[1] == "KeyError: 'oops'"
    assert "Traceback" in cli("models", "--debug").err
    monkeypatch.setenv("ANTIPHON_DEBUG", "1")
    assert "Traceback" in cli("models").err


def test_an_interrupted_command_ends_as_shells_expect(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("antiphon.cli.models.models", interrupted)
    assert cli("models").status == 130


def test_help_loads_nothing_of_the_server() -> None:
    code = (
        "import sys\nfrom antiphon.cli import main\nmain(['--help'])\n"
        "print([m for m in ('uvicorn', 'starlette', 'httptools', 'asyncio', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_package_can_be_run_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "antiphon", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("antiphon ")
