"""The command line."""

from antiphon.cli.entry import main

__all__ = ["main"]
