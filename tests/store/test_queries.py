"""Queries have names, sentences and users."""

import re
from pathlib import Path

import pytest

from antiphon.store.queries import MissingQuery, Queries, load

STORE = Path(__file__).parents[2] / "src" / "antiphon" / "store"
FILES = sorted(path.stem for path in (STORE / "sql").glob("*.sql"))


def test_a_query_is_its_sql_without_name_sentence_and_semicolon() -> None:
    queries = Queries(
        "some.sql", "-- one --\n-- What it does.\nSELECT 1\n  FROM x;\n\n-- two --\n-- More.\nSELECT 2;\n"
    )
    assert (queries["one"], queries["two"]) == ("SELECT 1\n  FROM x", "SELECT 2")


def test_asking_for_a_missing_query_names_it_and_its_file() -> None:
    with pytest.raises(MissingQuery, match=r"responses\.sql has no query called 'nothing'"):
        load("responses")["nothing"]


@pytest.mark.parametrize("text", ["-- one --\nSELECT 1;", "-- one --\n-- Only a sentence.\n"])
def test_a_query_needs_a_sentence_and_sql(text: str) -> None:
    with pytest.raises(MissingQuery, match="needs a sentence"):
        Queries("some.sql", text)


def test_a_name_stands_for_one_query() -> None:
    block = "-- one --\n-- What it does.\nSELECT 1;\n"
    with pytest.raises(MissingQuery, match="more than one"):
        Queries("some.sql", block + block)


@pytest.mark.parametrize("file", FILES)
def test_every_query_is_used(file: str) -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in STORE.rglob("*.py"))
    used = set(re.findall(r'_\w+\["(\w+)"\]', source))
    assert set(load(file).names) <= used
