"""From the arguments to an exit code: 0 done, 1 failed, 2 not understood, 3 no server."""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from antiphon.cli.output import say, styled
from antiphon.cli.parser import build
from antiphon.cli.trouble import FAILED, USAGE, Trouble
from antiphon.config import SettingsError
from antiphon.errors import AntiphonError

INTERRUPTED = 130
"""What a shell expects after Ctrl+C."""

_YES = {"1", "true", "yes", "on"}


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out the command line and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in given or os.environ.get("ANTIPHON_DEBUG", "").lower() in _YES
    try:
        return _run(_parse(given))
    except SystemExit as exc:  # argparse, after --help and --version
        return exc.code if isinstance(exc.code, int) else 0
    except KeyboardInterrupt:
        say()
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at the end
        return FAILED
    except Exception as exc:  # noqa: BLE001 - the last place that can turn it into three lines
        if debug:
            traceback.print_exc()
        trouble = _trouble(exc)
        what, why, remedy = trouble.lines
        for line in (styled(what, "red", sys.stderr), why, remedy):
            say(line)
        return trouble.status


def _parse(given: list[str]) -> argparse.Namespace:
    """Return the options; a command line that begins with a flag of `serve` means that command."""
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help", "--version"}):
        given = ["serve", *given]
    options = build().parse_args(given)
    options.json = options.json or os.environ.get("ANTIPHON_JSON", "").lower() in _YES
    return options


def _run(options: argparse.Namespace) -> int:
    module, _, name = options.run.partition(":")
    command: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(module), name)
    return command(options)


def _trouble(error: Exception) -> Trouble:
    """Return what to tell of an error."""
    match error:
        case Trouble():
            return error
        case SettingsError():
            return Trouble(
                "The settings can't be used.",
                "\n".join(error.faults),
                "Mend what is named above; docs/configuration.md describes every setting.",
                status=USAGE,
            )
        case AntiphonError():
            return Trouble("The command failed.", error.message, "Try: antiphon doctor")
        case _:
            why = f"{type(error).__name__}: {error}"
            return Trouble("The command failed for a reason it doesn't know.", why, "Add --debug to see where.")
