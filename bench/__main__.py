"""Measure the server beside the floor and print one table: `python -m bench --help`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.process import NotReady, allow_many_files, tail
from bench.report import lines_of, table
from bench.rows import ROWS, Side
from bench.session import FULL, QUICK, Session


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description="What the server costs, beside a floor. See bench/README.md."
    )
    parser.add_argument("--quick", action="store_true", help="short rounds: a look, not a figure to quote")
    parser.add_argument("--row", action="append", choices=[row.name for row in ROWS], help="only this row; repeatable")
    parser.add_argument("--floor-only", action="store_true", help="measure the floor alone")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a row is over its must or has no figure")
    return parser.parse_args()


def say(what: str) -> None:
    """Progress, beside the result."""
    sys.stderr.write(what + "\n")


def main() -> int:
    options = arguments()
    allow_many_files()
    rows = [row for row in ROWS if not options.row or row.name in options.row]
    sides: tuple[Side, ...] = ("floor",) if options.floor_only else ("floor", "server")
    session = Session(QUICK if options.quick else FULL, {row.name for row in rows}, sides, say)
    with tempfile.TemporaryDirectory(prefix="bench-") as logs:
        try:
            samples = session.run(Path(logs))
        except NotReady as why:
            say(str(why))
            return 2
        lines = lines_of(rows, samples)
        log = Path(logs) / "server.log"
        if log.exists() and any(line.failure for line in lines):
            say(f"the server's log ends so:\n{tail(log)}")
    if options.json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(lines)) + b"\n")
    else:
        load = os.getloadavg()[0]
        sys.stdout.write(f"{table(lines)}\nfigures are CPU; compare ratios, not machines (load {load:.1f})\n")
    missed = any(line.verdict not in {"aim", "ok"} for line in lines)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
