"""`antiphon responses`: create, show, list."""

import argparse
import sys
from urllib.parse import quote

from antiphon.cli.answers import conclude, final, follow, judge, tapped, text_of
from antiphon.cli.client import Client, Json, connect, default_model
from antiphon.cli.output import moment, say, show, show_json, show_json_line, table
from antiphon.cli.setup import settings_of


def create(options: argparse.Namespace) -> int:
    """Create a response and show it as it was asked for."""
    settings = settings_of(options)
    client = connect(options, settings)
    body: Json = {"model": default_model(options, settings), "input": _prompt(options.prompt)}
    if options.instructions:
        body["instructions"] = options.instructions
    if options.background:
        body["background"] = True
    if options.stream or options.watch:
        return _streamed(options, client, body)
    made = client.post("/v1/responses", body)
    if options.background and not options.json:
        say(f"It is {made['status']}. Later: antiphon responses show {made['id']}")
        show(made["id"])
        return 0
    return conclude(made, as_json=options.json)


def _streamed(options: argparse.Namespace, client: Client, body: Json) -> int:
    """Show a response as it comes: its text, its events as lines of JSON, or (watched, as JSON) its end."""
    events = client.stream("/v1/responses", {**body, "stream": True})
    if options.json and options.stream:
        return judge(final(tapped(events, show_json_line)))
    if options.json:
        return conclude(final(events), as_json=True)
    identifier = ""

    def begun(given: str) -> None:
        nonlocal identifier
        identifier = given
        if options.background:
            say(f"{given} runs on the server.")

    try:
        return conclude(follow(events, begun), as_json=False, shown=True)
    except KeyboardInterrupt:
        if options.background and identifier:
            say(f"\nStill running. Later: antiphon responses show {identifier}")
        raise


def show_one(options: argparse.Namespace) -> int:
    """Show a response."""
    found = connect(options).get(f"/v1/responses/{quote(options.id, safe='')}")
    if options.json:
        show_json(found)
        return 0
    usage: Json = found.get("usage") or {}
    facts = [
        ("id", found["id"]),
        ("status", found["status"]),
        ("model", found["model"]),
        ("created", moment(found["created_at"])),
        ("tokens", f"{usage.get('input_tokens', '-')} in, {usage.get('output_tokens', '-')} out"),
    ]
    if error := found.get("error"):
        facts.append(("error", error.get("message", "")))
    for line in table(facts):
        show(line)
    if text := text_of(found):
        show(f"\n{text}")
    return 0


def list_responses(options: argparse.Namespace) -> int:
    """List responses, newest first."""
    found = connect(options).get("/v1/responses", status=options.status, model=options.model, limit=options.limit)
    if options.json:
        show_json(found)
        return 0
    rows = [(each["id"], each["status"], each["model"], moment(each["created_at"])) for each in found["data"]]
    if not rows:
        say('There is no such response. Make one: antiphon responses create "Hello"')
        return 0
    for line in table([("ID", "STATUS", "MODEL", "CREATED"), *rows]):
        show(line)
    if found["has_more"]:
        say("There are more; --limit shows up to 100.")
    return 0


def _prompt(given: str) -> str:
    return sys.stdin.read() if given == "-" else given
