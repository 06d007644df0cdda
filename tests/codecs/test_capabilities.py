"""The page of what works with which provider says what the probes find."""

import dataclasses

import pytest

from antiphon.providers.catalog import entries
from antiphon.types.profiles import Profile
from tests.codecs.capabilities import MODELS, PAGE, PROBES, Mark, of_any, of_provider, written


def test_the_page_says_what_the_probes_find() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page) == page, "run .venv/bin/python -m tests.codecs.capabilities and look at what changed"


def test_every_provider_of_the_catalog_has_a_typical_model() -> None:
    assert MODELS.keys() == entries().keys()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("probe", ["text", "streaming", "tokens counted", "JSON that fits a schema", "any JSON"])
def test_what_every_provider_must_be_good_for(name: str, probe: str) -> None:
    assert PROBES[probe](of_provider(name)) in {"yes", "here"}


@pytest.mark.parametrize(
    ("probe", "name", "mark"),
    [
        ("images by URL", "anthropic", "yes"),
        ("images by URL", "gemini", "here"),
        ("images by URL", "cerebras", "refused"),
        ("custom (freeform) tools", "openai", "yes"),
        ("custom (freeform) tools", "anthropic", "here"),
        ("JSON that fits a schema", "deepseek", "here"),
        ("reasoning state goes back", "deepseek", "yes"),
        ("reasoning state goes back", "ollama", "no"),
        ("log probabilities", "anthropic", "refused"),
        ("`prompt_cache_key`", "groq", "noted"),
    ],
)
def test_a_probe_tells_the_marks_apart(probe: str, name: str, mark: Mark) -> None:
    assert PROBES[probe](of_provider(name)) == mark


def test_a_model_without_tools_refuses_them() -> None:
    bare = dataclasses.replace(of_any("chat"), profile=Profile(tools=False))
    marks = {PROBES[name](bare) for name in ("function tools", "several calls in a turn", "one call at a time")}
    assert marks == {"refused"}
