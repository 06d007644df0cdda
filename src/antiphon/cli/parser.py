"""Every command and flag. The modules that carry them out are named here and loaded only when they are needed."""

import argparse
import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any, Never

from msgspec import Struct

from antiphon import __version__
from antiphon.cli.trouble import USAGE, Trouble

_ADDRESS = "http://127.0.0.1:8484"
_BAD_CHOICE = re.compile(r"argument COMMAND: invalid choice: '([^']*)'")


class Parser(argparse.ArgumentParser):
    """A parser whose help begins with a purpose and ends with examples, and whose complaints are three lines."""

    def __init__(self, *, purpose: str = "", examples: Sequence[str] = (), **options: Any) -> None:
        shown = "examples:\n" + "\n".join(f"  {example}" for example in examples)
        super().__init__(
            epilog=shown, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options
        )
        self.purpose = purpose
        self.commands: list[str] = []

    def format_help(self) -> str:
        """Return the help."""
        return f"{self.purpose}\n\n{super().format_help()}"

    def error(self, message: str) -> Never:
        """Raise the complaint as Trouble."""
        if match := _BAD_CHOICE.match(message):
            near = difflib.get_close_matches(match[1], self.commands, n=1)
            remedy = f"Did you mean: {self.prog} {near[0]}" if near else f"Try: {self.prog} --help"
            what = f'There is no command "{self.prog} {match[1]}".'
            raise Trouble(what, f"Known: {', '.join(self.commands)}.", remedy, status=USAGE)
        why = message[:1].upper() + message[1:]
        raise Trouble("This command can't be understood.", f"{why}.", f"Try: {self.prog} --help", status=USAGE)

    def group(self) -> Callable[..., "Parser"]:
        """Return what adds a command below this one."""
        below = self.add_subparsers(metavar="COMMAND", title="commands", parser_class=Parser, required=True)

        def add(name: str, purpose: str, run: str = "", examples: Sequence[str] = ()) -> Parser:
            self.commands.append(name)
            parser: Parser = below.add_parser(name, help=purpose, purpose=purpose, examples=examples)
            if run:
                parser.set_defaults(run=f"antiphon.cli.{run}")
                parser.add_argument("--json", action="store_true", help="print data as JSON [ANTIPHON_JSON]")
                parser.add_argument("--debug", action="store_true", help="show the stack of a failure [ANTIPHON_DEBUG]")
            return parser

        return add


class _Flags(Struct):
    """Flags that several commands share."""

    parser: Parser

    def settings(self) -> None:
        self.parser.add_argument("--config", metavar="FILE", help="the settings file, TOML [ANTIPHON_CONFIG]")
        self.parser.add_argument("--data", metavar="FOLDER", help="the folder of the database [ANTIPHON_DATA]")

    def listening(self) -> None:
        self.parser.add_argument("--host", help="the address to listen on [ANTIPHON_HOST]")
        self.parser.add_argument("--port", help="the port to listen on; 0 takes a free one [ANTIPHON_PORT]")

    def client(self) -> None:
        self.settings()
        self.parser.add_argument("--url", help=f"the server's address, else {_ADDRESS} [ANTIPHON_URL]")

    def model(self) -> None:
        self.parser.add_argument("--model", help="the model to ask, see: antiphon models [ANTIPHON_MODEL]")
        self.parser.add_argument("--instructions", metavar="TEXT", help="what the model should keep to")


def build() -> Parser:
    """Return the parser of the whole command line."""
    root = Parser(
        prog="antiphon",
        purpose="Give every model OpenAI's Responses API. Without a command: serve.",
        examples=["antiphon", 'antiphon chat "Explain background mode in two lines"'],
    )
    root.add_argument("--version", action="version", version=f"antiphon {__version__}")
    add = root.group()
    _serve(add)
    _keys(add)
    _use(add)
    _doctor(add)
    return root


def _serve(add: Callable[..., Parser]) -> None:
    parser = add(
        "serve",
        "Run the server.",
        "serve:serve",
        ["antiphon serve --port 8485", "antiphon serve --config antiphon.toml --host 0.0.0.0"],
    )
    flags = _Flags(parser)
    flags.settings()
    flags.listening()
    parser.add_argument(
        "--detect", action=argparse.BooleanOptionalAction, help="look for providers [setting: detect]", default=None
    )
    parser.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error [ANTIPHON_LOG_LEVEL]")


def _keys(add: Callable[..., Parser]) -> None:
    group = add(
        "keys",
        "Make, list and revoke API keys; change the sealing key.",
        examples=["antiphon keys create", "antiphon keys list"],
    )
    below = group.group()
    create = below(
        "create",
        "Make an API key and show it once.",
        "keys:create",
        ["antiphon keys create --name laptop --expires 30d", "KEY=$(antiphon keys create)"],
    )
    _Flags(create).settings()
    create.add_argument("--name", default="key", help="what to call it")
    create.add_argument("--tenant", default="default", help="whose things it opens")
    create.add_argument("--expires", metavar="TIME", help="how long it works: 12h, 30d, 8w; for good without")
    listing = below(
        "list", "List the API keys.", "keys:list_keys", ["antiphon keys list", "antiphon keys list --all --json"]
    )
    _Flags(listing).settings()
    listing.add_argument(
        "--all", action="store_true", help="also the keys that this command line made and that expired"
    )
    revoke = below(
        "revoke",
        "Revoke an API key; it works for two more seconds at most.",
        "keys:revoke",
        ["antiphon keys revoke key_0193…", "antiphon keys revoke key_0193… --yes"],
    )
    _Flags(revoke).settings()
    revoke.add_argument("id", metavar="ID", help="the key's id, see: antiphon keys list")
    revoke.add_argument("--yes", action="store_true", help="don't ask")
    rotate = below(
        "rotate-seal",
        "Make a new key for sealing reasoning state; it is used from the server's next start on.",
        "keys:rotate_seal",
        ["antiphon keys rotate-seal", "antiphon keys rotate-seal --data /var/lib/antiphon --json"],
    )
    _Flags(rotate).settings()


def _use(add: Callable[..., Parser]) -> None:
    models = add(
        "models",
        "List the models that can be named.",
        "models:models",
        ["antiphon models --verbose", "antiphon models --json"],
    )
    _Flags(models).client()
    models.add_argument("--verbose", action="store_true", help="show what each can do; --json always does")
    group = add(
        "responses",
        "Create, show and list responses.",
        examples=["antiphon responses list", 'antiphon responses create --stream "Write a haiku"'],
    )
    below = group.group()
    create = below(
        "create",
        "Create a response.",
        "responses:create",
        [
            'antiphon responses create --background --watch "Write a short report"',
            "antiphon responses create --model demo-chat --json - < prompt.txt",
        ],
    )
    flags = _Flags(create)
    flags.client()
    flags.model()
    create.add_argument("--stream", action="store_true", help="show the text, or with --json the events, as they come")
    create.add_argument("--background", action="store_true", help="let it run on the server")
    create.add_argument("--watch", action="store_true", help="with --background: follow it to its end")
    create.add_argument("prompt", metavar="PROMPT", help="what to ask; - reads it from the input")
    show = below(
        "show",
        "Show a response.",
        "responses:show_one",
        ["antiphon responses show resp_0193…", "antiphon responses show resp_0193… --json"],
    )
    _Flags(show).client()
    show.add_argument("id", metavar="ID", help="the response's id")
    listing = below(
        "list",
        "List responses, newest first.",
        "responses:list_responses",
        ["antiphon responses list --limit 5", "antiphon responses list --status failed --json"],
    )
    _Flags(listing).client()
    listing.add_argument("--status", help="only those with this status")
    listing.add_argument("--model", help="only those of this model")
    listing.add_argument("--limit", metavar="N", default="20", help="how many, 1 to 100; 20 without")
    chat = add(
        "chat",
        "Talk with a model.",
        "chat:chat",
        ['antiphon chat "Explain background mode in two lines"', "antiphon chat --model demo-chat"],
    )
    flags = _Flags(chat)
    flags.client()
    flags.model()
    chat.add_argument("prompt", metavar="PROMPT", nargs="?", help="what to ask; without it a conversation begins")


def _doctor(add: Callable[..., Parser]) -> None:
    parser = add(
        "doctor", "Look for what may be wrong.", "doctor:doctor", ["antiphon doctor --ask", "antiphon doctor --json"]
    )
    parser.add_argument("--ask", action="store_true", help="let one model of each provider answer, in a few tokens")
    flags = _Flags(parser)
    flags.settings()
    flags.listening()
