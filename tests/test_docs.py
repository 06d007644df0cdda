"""The pages, held against the code: what they name exists, what exists is named, and their examples run.

A code block is run unless `parsed` stands after its language. The blocks of one page and language are one program, in
the order of the page, against a server of its own with the demo models; a failure shows the page's own line numbers.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from packaging.requirements import Requirement

from antiphon import config, errors
from antiphon.api.app import ENDPOINTS
from antiphon.cli import parser, serve
from antiphon.dialects.chat import ChatRequest
from antiphon.dialects.messages import MessagesRequest
from antiphon.providers import catalog, deadlines, profiles
from antiphon.providers.demo import DemoModels
from antiphon.testing.serving import running
from antiphon.types import decoding
from antiphon.types.events import Event, Relayed
from antiphon.types.limits import Limits, Timeout
from antiphon.types.profiles import Profile
from antiphon.types.responses import TERMINAL, CreateResponse, ResponseStatus

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
PAGES = [page for page in PAGES if page.exists()]
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "src" / "antiphon").rglob("*.py"))
    if "testing" not in path.parts
)

EXAMPLE_URL, EXAMPLE_KEY = "http://127.0.0.1:8484", "ap_live_..."
"""What the pages write for the reader's own server and key; exchanged for those of the test's."""


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


# -- code blocks ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    page: Path
    line: int  # of its first line of code, from 1
    is_run: bool
    text: str

    def __str__(self) -> str:
        return f"{named(self.page)}:{self.line}"


def blocks(language: str) -> list[Block]:
    return [
        Block(page, token.map[0] + 2, "parsed" not in token.info.split(), token.content)
        for page in PAGES
        for token in tokens(page)
        if token.type == "fence" and token.map and token.info.split()[:1] == [language]
    ]


def program(parts: Sequence[Block]) -> str:
    """One program whose line numbers are those of the page."""
    lines: list[str] = []
    for part in parts:
        lines += [""] * (part.line - 1 - len(lines)) + part.text.splitlines()
    return "\n".join(lines) + "\n"


def programs(language: str) -> list[Any]:
    found: dict[Path, list[Block]] = {}
    for block in blocks(language):
        if block.is_run:
            found.setdefault(block.page, []).append(block)
    return [pytest.param(page, program(parts), id=named(page)) for page, parts in found.items()]


async def run(page: Path, command: Sequence[str], text: str, suffix: str, folder: Path) -> str:
    """Run a page's program against a server of its own and return what it printed."""
    data = folder / "data"
    data.mkdir()
    async with running(data=data) as server:
        own = text.replace(EXAMPLE_URL, server.url).replace(EXAMPLE_KEY, server.api_key)
        script = folder / f"{page.stem}{suffix}"
        script.write_text(own, encoding="utf-8")
        bin_folder = str(Path(sys.executable).parent)
        environ = {
            "PATH": os.pathsep.join([bin_folder, os.environ.get("PATH", "")]),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "URL": server.url,
            "KEY": server.api_key,
            "ANTIPHON_URL": server.url,
            "ANTIPHON_API_KEY": server.api_key,
            "ANTIPHON_DATA": str(data),
        }
        process = await asyncio.create_subprocess_exec(
            *command,
            str(script),
            cwd=folder,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            said, complained = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, f"{said.decode()}\n{complained.decode()}"
        return said.decode()


@pytest.mark.parametrize(("page", "text"), programs("python"))
async def test_the_python_of_a_page_runs(page: Path, text: str, tmp_path: Path) -> None:
    await run(page, [sys.executable], text, ".py", tmp_path)


STRICT_SHELL = 'set -euo pipefail; curl() { command curl --fail-with-body --silent --show-error "$@"; }'
"""Put in the first line, which belongs to no block: an answer of 400 or more ends the example."""


@pytest.mark.parametrize(("page", "text"), programs("sh"))
async def test_the_shell_commands_of_a_page_run(page: Path, text: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    first, _, rest = text.partition("\n")
    assert not first.strip()
    await run(page, ["bash"], f"{STRICT_SHELL}\n{rest}", ".sh", tmp_path)


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
async def test_every_shell_block_is_shell(block: Block, tmp_path: Path) -> None:
    (script := tmp_path / "block.sh").write_text(block.text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec("bash", "-n", str(script), stderr=asyncio.subprocess.PIPE)
    _, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_every_python_block_is_python(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_every_json_block_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_every_toml_block_is_a_configuration(block: Block, tmp_path: Path) -> None:
    if not block.is_run:
        assert tomllib.loads(block.text)
        return
    (file := tmp_path / "antiphon.toml").write_text(block.text, encoding="utf-8")
    for path in re.findall(r'"file:([^"]+)"', block.text):
        (tmp_path / path).write_text("a-key-for-the-test-of-the-pages", encoding="utf-8")
    environ = dict.fromkeys(re.findall(r'"env:([^"]+)"', block.text), "a-key-for-the-test-of-the-pages")
    settings = config.load(config.Flags(config=str(file)), {"HOME": str(tmp_path), **environ})
    assert settings != config.load(config.Flags(), {"HOME": str(tmp_path)})


def test_no_block_is_of_a_language_that_nobody_checks() -> None:
    """Besides those above: text as it is printed, and what needs a program that the tests don't have."""
    known = {"python", "sh", "toml", "json", "text", "mermaid", "nginx", "js"}
    odd = [
        f"{named(page)}:{token.map[0] + 1}"
        for page in PAGES
        for token in tokens(page)
        if token.type in {"fence", "code_block"} and token.map and (token.info.split() or [""])[0] not in known
    ]
    assert odd == []


# -- tables ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    heading: str
    head: list[str]
    rows: list[list[str]]


@cache
def tables(page: Path) -> list[Table]:
    found: list[Table] = []
    heading = ""
    cells: list[list[str]] = []
    for before, token in zip(tokens(page), tokens(page)[1:], strict=False):
        if before.type == "heading_open":
            heading = token.content
        elif before.type == "table_open":
            cells = []
        elif before.type == "tr_open":
            cells.append([])
        elif before.type in {"td_open", "th_open"}:
            cells[-1].append(token.content)
        elif token.type == "table_close":
            found.append(Table(heading, cells[0], cells[1:]))
    return found


def table(page: Path, heading: str) -> Table:
    (found,) = [each for each in tables(page) if each.heading == heading]
    return found


def quoted(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def shown(value: object) -> str:
    """A default as the page writes it."""
    match value:
        case None:
            return "absent"
        case bool():
            return f"`{str(value).lower()}`"
        case frozenset():
            return "all" if value == profiles.RESPONSES.hints else "some" if value else "`[]`"
        case str() | Path():
            return f'`"{value}"`'
        case _:
            return f"`{value}`"


def defaults(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Name to default, as the page writes it; what is a table of its own has its default there."""
    found: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        default = field.default
        if field.required:
            found[field.name] = "required"
        elif field.default_factory is list:
            found[field.name] = "`[]`"
        elif isinstance(default, msgspec.Struct) or field.default_factory is not msgspec.NODEFAULT:
            found[field.name] = ""
        else:
            found[field.name] = shown(default)
    return found


CONFIGURATION = DOCS / "configuration.md"
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "`[server]`": config.Server,
    "`[limits]`": Limits,
    "`[demo]`": config.Demo,
    "`[providers.NAME]`": config.Provider,
    "`[providers.NAME.timeout]`": Timeout,
    "`[models.NAME]`": config.Alias,
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_setting_of_a_section_is_described_with_its_default(heading: str) -> None:
    described = {quoted(row[0])[0]: row[1] for row in table(CONFIGURATION, heading).rows}
    assert described == defaults(SECTIONS[heading])


def test_every_setting_at_the_top_of_the_file_is_described_or_has_a_section() -> None:
    described = {quoted(row[0])[0]: row[1] for row in table(CONFIGURATION, "At the top of the file").rows}
    expected = defaults(config.Settings)
    sections = {"server", "limits", "demo", "providers", "models"}
    assert {name for name, default in expected.items() if default == ""} == sections
    assert described == {name: default for name, default in expected.items() if default != ""}


def test_every_field_of_a_profile_is_described_with_what_the_formats_begin_with() -> None:
    described = {quoted(row[0])[0]: row[1:5] for row in table(CONFIGURATION, "`[providers.NAME.profile]`").rows}
    names = [field.name for field in msgspec.structs.fields(Profile)]
    formats = (profiles.CHAT, profiles.RESPONSES, profiles.ANTHROPIC, profiles.GEMINI)
    assert described == {name: [shown(getattr(base, name)) for base in formats] for name in names}


def test_every_flag_of_the_settings_is_described() -> None:
    described = {flag for row in table(CONFIGURATION, "Flags").rows for flag in quoted(row[0])}
    flags = {f"--{field.name.replace('_', '-')}" for field in msgspec.structs.fields(config.Flags)}
    assert described == flags | {"--no-detect"}


def test_every_variable_of_the_environment_is_described_and_exists() -> None:
    ours = re.compile(r"\bANTIPHON_[A-Z]+(?:_[A-Z]+)*\b")
    described = {quoted(row[0])[0] for row in table(CONFIGURATION, "Environment").rows}
    assert described >= set(ours.findall(SOURCE)) | {"XDG_DATA_HOME"}
    spoken_of = {name for page in PAGES for name in ours.findall(page.read_text(encoding="utf-8"))}
    assert spoken_of | described <= set(ours.findall(SOURCE)) | {"XDG_DATA_HOME", *by_environ()}


def by_environ() -> set[str]:
    """Other variables that the code reads, by name."""
    return set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", SOURCE))


def test_every_provider_of_the_catalog_is_described_with_what_it_needs() -> None:
    entries = catalog.entries()
    alone = catalog.detected({name: "a-key" for entry in entries.values() for name in entry.keys})
    described = {
        quoted(name)[0]: (quoted(form), quoted(keys), quoted(address), is_enough)
        for name, form, keys, address, is_enough in table(CONFIGURATION, "The catalog").rows
    }
    assert described == {
        name: ([entry.format], list(entry.keys), [entry.base_url or entry.form], "yes" if name in alone else "no")
        for name, entry in entries.items()
    }


# -- the command line -----------------------------------------------------------------------------------------


def commands(one: argparse.ArgumentParser) -> Iterator[tuple[str, set[str]]]:
    """Every command that does something, with its flags."""
    below = [action for action in one._actions if isinstance(action, argparse._SubParsersAction)]
    for action in below:
        for inner in action.choices.values():
            yield from commands(inner)
    if not below:
        yield one.prog, {flag for action in one._actions for flag in action.option_strings if flag[:2] == "--"}


def test_every_command_is_described_with_its_flags() -> None:
    (listed,) = [each for each in tables(DOCS / "cli.md") if each.head[0] == "command"]
    described = {quoted(command)[0]: set(quoted(flags)) for command, _, flags in listed.rows}
    everywhere = {"--help", "--json", "--debug"}
    assert described == {command: flags - everywhere for command, flags in commands(parser.build())}


def test_the_readme_shows_what_a_first_start_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    settings = config.Settings(server=config.Server(data=config.default_data(os.environ)))
    demo_models = DemoModels().names
    start = serve.Start(port=8484, is_new=True, new_key=EXAMPLE_KEY, key_count=0, demo_models=demo_models)
    printed = serve.banner(settings, start)
    assert printed in [token.content.strip() for token in tokens(ROOT / "README.md") if token.info == "text"]


# -- the API --------------------------------------------------------------------------------------------------

API = DOCS / "api.md"
ROUTE = re.compile(r"\b(GET|POST|DELETE|PUT|PATCH|HEAD) (/[\w/{}:.-]*)")
KNOWN_ROUTES = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def test_every_endpoint_is_described() -> None:
    headings = [
        after.content
        for token, after in zip(tokens(API), tokens(API)[1:], strict=False)
        if token.type == "heading_open"
    ]
    listed = [cell for each in tables(API) for row in each.rows for cell in row]
    assert set(ROUTE.findall("\n".join([*headings, *listed]))) == KNOWN_ROUTES


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_names_an_endpoint_that_does_not_exist(page: Path) -> None:
    prose = "\n".join(token.content for token in tokens(page) if token.type == "inline")
    assert set(ROUTE.findall(prose)) <= KNOWN_ROUTES


def test_every_parameter_of_a_request_is_described() -> None:
    (parameters,) = [each for each in tables(API) if each.head[0] == "parameter"]
    described = {name for row in parameters.rows for name in quoted(row[0])}
    assert described == {field.encode_name for field in msgspec.structs.fields(CreateResponse)}


@pytest.mark.parametrize(("api", "body"), [("Chat Completions", ChatRequest), ("Messages", MessagesRequest)])
def test_every_parameter_of_another_api_is_described(api: str, body: type[msgspec.Struct]) -> None:
    (parameters,) = [each for each in tables(API) if each.head[0] == f"in {api}"]
    described = {name for row in parameters.rows for name in quoted(row[0])}
    assert described == {field.encode_name for field in msgspec.structs.fields(body)}


def test_every_event_is_described() -> None:
    described = [quoted(row[0])[0] for row in table(API, "Events").rows]
    assert sorted(described) == sorted(kind.type for kind in get_args(Event) if kind is not Relayed)


def test_the_life_cycle_is_that_of_the_statuses() -> None:
    (diagram,) = [t.content for t in tokens(DOCS / "architecture.md") if t.type == "fence" and t.info == "mermaid"]
    arrows = re.findall(r"^\s+(\S+) --> (\w+|\[\*\])", diagram, re.MULTILINE)
    statuses = {*get_args(ResponseStatus)}
    assert {end for arrow in arrows for end in arrow} == statuses | {"[*]"}
    assert {start for start, end in arrows if end == "[*]"} == TERMINAL
    assert not {start for start, end in arrows if end != "[*]"} & TERMINAL


# -- errors and logs ------------------------------------------------------------------------------------------

ERRORS = DOCS / "errors.md"


def classes(root: type[errors.AntiphonError]) -> Iterator[type[errors.AntiphonError]]:
    yield root
    for kind in root.__subclasses__():
        yield from classes(kind)


def test_every_class_of_errors_is_described_with_its_status_and_type() -> None:
    kinds = {kind.__name__: kind for kind in classes(errors.AntiphonError) if kind.__module__ == errors.__name__}
    rows = {quoted(row[0])[0]: row for row in table(ERRORS, "Classes").rows}
    assert rows.keys() == kinds.keys()
    for name, (_, status, type_, _) in rows.items():
        if name == "AntiphonError":
            continue
        assert quoted(type_) == [kinds[name].type], name
        if name != "ProviderBusy":  # its statuses are a property's
            assert str(kinds[name].status) in status, name


def composed_codes() -> set[str]:
    """Codes that are put together from parts."""
    sized = {f"{noun}_{side}_{unit}" for noun, unit in decoding._SIZED.values() for side in ("above_max", "below_min")}
    numbers = {f"{noun}_{side}_value" for noun in decoding._NUMBERS.values() for side in ("above_max", "below_min")}
    return sized | numbers | {f"provider_timeout_{phase}" for phase in get_args(deadlines.Phase)}


def described_codes() -> set[str]:
    return {code for each in tables(ERRORS) if each.head[0] == "code" for row in each.rows for code in quoted(row[0])}


def test_every_code_of_an_error_is_described() -> None:
    raised = set(re.findall(r"\bcode(?:: str(?: \| None)?)? ?= ?\"(\w+)\"", SOURCE))
    assert (raised | composed_codes()) - described_codes() == set()


def test_every_code_that_is_described_can_be_met() -> None:
    literal = set(re.findall(r"\"(\w+)\"", SOURCE))
    assert described_codes() - literal - composed_codes() == set()


def test_every_line_of_the_log_is_described() -> None:
    written = set(re.findall(r"\blog(?:_fault)?\(\s*\"(\w+)\"", SOURCE))
    assert {quoted(row[0])[0] for row in table(DOCS / "operations.md", "Logs").rows} == written


# -- the rest -------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for token, after in zip(tokens(page), tokens(page)[1:], strict=False):
        if token.type == "heading_open":
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", after.content).lower()
            found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    inner = [child for token in tokens(page) for child in token.children or ()]
    targets = [str(child.attrGet("href") or child.attrGet("src") or "") for child in inner]
    for target in targets:
        if not target or re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_every_page_is_reached_from_another() -> None:
    linked = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [named(page) for page in PAGES if page.parent != ROOT and f"{page.name}" not in linked] == []


def test_every_decision_stands_in_the_list() -> None:
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if page.parent.name == "decisions" and page.name not in index] == ["README.md"]


def test_the_readme_lists_exactly_the_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [quoted(row[0])[0] for row in table(ROOT / "README.md", "What it installs").rows]
    assert sorted(listed) == sorted(Requirement(line).name for line in project["dependencies"])


def test_nothing_in_the_pages_is_left_to_be_filled_in() -> None:
    found = [
        named(page) for page in PAGES if re.search(r"\b(?:TODO|TBD|FIXME|XXX)\b", page.read_text(encoding="utf-8"))
    ]
    assert found == []
