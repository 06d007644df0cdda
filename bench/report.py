"""Samples made into a table: figures, ratios, and whether the promise is kept."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles
from typing import Literal

from msgspec import Struct

from bench.rows import Row, Side
from bench.session import Samples

Verdict = Literal["aim", "ok", "over", "failed", ""]
COLUMNS = ("row", "unit", "server min (median)", "floor min (median)", "x floor (quartiles)", "must", "aim", "")


class Line(Struct, kw_only=True):
    """One row with its figures.

    `server` and `floor` are minimum and median. `ratio` is the median of the rounds' own ratios, and `spread` their
    quartiles: in one round both sides met the same machine, which a minimum of one and of the other needn't have.
    Absolute times are judged by the minimum, to which other work on the machine can only add; memory by the median.
    """

    row: str
    about: str
    unit: str
    must: float
    aim: float
    absolute: bool
    server: tuple[float, float] | None
    floor: tuple[float, float] | None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    verdict: Verdict = ""
    failure: str | None = None


def lines_of(rows: Sequence[Row], samples: Samples) -> list[Line]:
    return [line_of(row, samples) for row in rows]


def line_of(row: Row, samples: Samples) -> Line:
    line = Line(
        row=row.name,
        about=row.about,
        unit=row.unit,
        must=row.must,
        aim=row.aim,
        absolute=row.absolute,
        server=figures(samples, row.name, "server"),
        floor=figures(samples, row.ruler or row.name, "floor"),
        failure=samples.failure(row.name, "server") or samples.failure(row.ruler or row.name, "floor"),
    )
    if line.server and line.floor:
        rounds = zip(samples.series(row.name, "server"), samples.series(row.ruler or row.name, "floor"), strict=False)
        ratios = [of / by for of, by in rounds]
        line.ratio = median(ratios)
        if len(ratios) > 1:
            first, _, third = quantiles(ratios, n=4, method="inclusive")
            line.spread = (first, third)
    line.verdict = verdict_of(line)
    return line


def figures(samples: Samples, name: str, side: Side) -> tuple[float, float] | None:
    """Minimum and median."""
    series = samples.series(name, side)
    return (samples.least(name, side), median(series)) if series else None


def verdict_of(line: Line) -> Verdict:
    if line.failure:
        return "failed"
    judged = line.ratio
    if line.absolute and line.server:
        least, middle = line.server
        judged = middle if line.unit in {"KB", "MB"} else least
    if judged is None or line.server is None:
        return ""
    return "aim" if judged <= line.aim else "ok" if judged <= line.must else "over"


def table(lines: Sequence[Line]) -> str:
    """Lines of text, columns aligned, with what a row means and why one failed below it."""
    cells = [COLUMNS, *(cells_of(line) for line in lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS))]
    shown = [
        "  ".join(
            cell.ljust(width) if column in {0, 1, 7} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    notes = [f"{line.row} failed: {line.failure[:300]}" for line in lines if line.failure]
    return "\n".join([shown[0], "-" * len(shown[0]), *shown[1:], *notes])


def cells_of(line: Line) -> tuple[str, ...]:
    ratio = "-" if line.ratio is None else f"{line.ratio:.2f}"
    if line.spread:
        ratio += " ({:.2f}–{:.2f})".format(*line.spread)
    times = "" if line.absolute else "x"
    return (
        line.row,
        line.unit,
        both(line.server),
        both(line.floor),
        ratio,
        f"{line.must:g}{times}",
        f"{line.aim:g}{times}",
        line.verdict,
    )


def both(pair: tuple[float, float] | None) -> str:
    return "-" if pair is None else f"{short(pair[0])} ({short(pair[1])})"


def short(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
