"""`antiphon chat`: one question, or a conversation."""

import argparse
import contextlib
import importlib
import sys

from antiphon.cli.answers import conclude, final, follow
from antiphon.cli.client import Client, Json, connect, default_model
from antiphon.cli.output import say, show_json_line, styled
from antiphon.cli.setup import settings_of
from antiphon.cli.trouble import UNREACHABLE, Trouble


def chat(options: argparse.Namespace) -> int:
    """Answer one prompt, or every line of the input until it ends."""
    settings = settings_of(options)
    client = connect(options, settings)
    body: Json = {"model": default_model(options, settings), "stream": True}
    if options.instructions:
        body["instructions"] = options.instructions
    if options.prompt is not None:
        events = client.stream("/v1/responses", {**body, "input": options.prompt})
        return conclude(final(events) if options.json else follow(events), as_json=options.json, shown=True)
    return _converse(client, body, as_json=options.json)


def _converse(client: Client, body: Json, *, as_json: bool) -> int:
    """Carry a conversation; a turn that fails is told and may be said again."""
    interactive = sys.stdin.isatty()
    if interactive:
        say(f"Talking with {body['model']}; Ctrl+D ends it.")
        with contextlib.suppress(ImportError):
            importlib.import_module("readline")  # where it is there, `input` edits the line with it
    previous: str | None = None
    status = 0
    while (prompt := _line(interactive=interactive)) is not None:
        if not prompt.strip():
            continue
        turn = {**body, "input": prompt, **({"previous_response_id": previous} if previous else {})}
        try:
            events = client.stream("/v1/responses", turn)
            response = final(events) if as_json else follow(events)
            if as_json:
                show_json_line(response)
            status = conclude(response, as_json=False, shown=True)
            previous = response["id"]
        except Trouble as trouble:
            if trouble.status == UNREACHABLE or not interactive:
                raise
            for line in trouble.lines:
                say(line)
        except KeyboardInterrupt:
            if not interactive:
                raise
            say("\nStopped; the conversation goes on from the answer before.")
    return status


def _line(*, interactive: bool) -> str | None:
    """Return what is said next, None at the end."""
    if not interactive:
        return sys.stdin.readline() or None
    sys.stdout.flush()
    try:
        return input(styled("> ", "bold", sys.stdout))
    except EOFError:
        say()
        return None
