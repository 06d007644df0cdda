"""`antiphon models`: what can be named in a request."""

import argparse

from antiphon.cli.client import connect
from antiphon.cli.output import show, show_json, table


def models(options: argparse.Namespace) -> int:
    """List the models of the server."""
    found = connect(options).get("/v1/models")
    if options.json:
        show_json(found)
        return 0
    for line in table([("MODEL", "PROVIDER"), *((model["id"], model["owned_by"]) for model in found["data"])]):
        show(line)
    return 0
