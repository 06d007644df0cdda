"""Named queries, read once from `store/sql/*.sql`.

A query is a line `-- name --`, a comment that says what it is for, and SQL up to the next name. A module asks for its
queries while it is imported, so a name that is missing stops the program before it serves anything.
"""

import re
from importlib import resources

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


class MissingQuery(LookupError):
    """No query has this name, or it has no sentence or no SQL."""


class Queries:
    """The queries of one file, by name."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        _, *parts = _NAME.split(text)
        names = parts[::2]
        if twice := {name for name in names if names.count(name) > 1}:
            raise MissingQuery(f"{file}: more than one query is called {sorted(twice)}")
        self._sql_by_name = {name: _sql(file, name, block) for name, block in zip(names, parts[1::2], strict=True)}

    def __getitem__(self, name: str) -> str:
        try:
            return self._sql_by_name[name]
        except KeyError:
            raise MissingQuery(f"{self.file} has no query called '{name}'") from None

    @property
    def names(self) -> list[str]:
        """The names in the order of the file."""
        return list(self._sql_by_name)


def _sql(file: str, name: str, block: str) -> str:
    """Return the SQL of one query, without its comment and its semicolon."""
    lines = block.strip().splitlines()
    sql = [line for line in lines if not line.startswith("--")]
    if len(sql) == len(lines) or not sql:
        raise MissingQuery(f"{file}: the query '{name}' needs a sentence above its SQL, and SQL")
    return "\n".join(sql).strip().removesuffix(";")


def load(name: str) -> Queries:
    """Return the queries of `store/sql/<name>.sql`."""
    file = f"{name}.sql"
    return Queries(file, resources.files("antiphon.store").joinpath("sql", file).read_text(encoding="utf-8"))
