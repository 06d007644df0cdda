"""`antiphon models`: what can be named in a request."""

import argparse
from typing import Any

from antiphon.cli.client import connect
from antiphon.cli.output import show, show_json, table

UNKNOWN = "-"
"""Stands for what nobody told of a model."""

_DETAILS = ("CONTEXT", "OUTPUT", "TAKES", "TOOLS", "STRUCTURED", "EFFORTS", "TARGETS")


def models(options: argparse.Namespace) -> int:
    """List the models of the server."""
    found = connect(options).get("/v1/models")
    if options.json:
        show_json(found)
        return 0
    head = ("MODEL", "PROVIDER", *(_DETAILS if options.verbose else ()))
    rows = [(model["id"], model["owned_by"], *(_details(model) if options.verbose else ())) for model in found["data"]]
    for line in table([head, *rows]):
        show(line)
    return 0


def _details(model: dict[str, Any]) -> tuple[str, ...]:
    """Return what is known of a model, in the order of `_DETAILS`; a server that tells less leaves gaps."""
    return (
        _count(model.get("context_window")),
        _count(model.get("max_output_tokens")),
        _names(model.get("input_modalities")),
        _claim(model.get("tools")),
        model.get("structured_output") or UNKNOWN,
        _names(model.get("reasoning_efforts")),
        _names(model.get("targets")),
    )


def _count(tokens: int | None) -> str:
    return UNKNOWN if tokens is None else f"{tokens:,}"


def _claim(is_so: bool | None) -> str:
    return UNKNOWN if is_so is None else "yes" if is_so else "no"


def _names(names: list[str] | None) -> str:
    return ",".join(names) if names else UNKNOWN
