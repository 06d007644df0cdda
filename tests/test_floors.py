"""Who may know whom: the import contracts of pyproject.toml."""

import tomllib
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parent.parent
PURE = (
    "types",
    "codecs",
    "compat",
    "dialects",
    "engine.context",
    "engine.draft",
    "engine.emitter",
    "engine.intake",
    "engine.plan",
    "engine.shown",
)


def test_every_floor_keeps_to_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_is_under_the_contract_that_keeps_it_so(name: str) -> None:
    place = ROOT.joinpath("src", "antiphon", *name.split("."))
    if not place.is_dir() and not place.with_suffix(".py").is_file():
        pytest.skip(f"antiphon.{name} doesn't exist yet")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["id"] == "pure"]
    assert f"antiphon.{name}" in contract["source_modules"]
