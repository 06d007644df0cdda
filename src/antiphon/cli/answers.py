"""Responses as people read them: a finished one, or one that comes as a stream."""

from collections.abc import Callable, Iterable, Iterator

from antiphon.cli.client import Json
from antiphon.cli.output import say, show, show_json, show_piece
from antiphon.cli.trouble import Trouble

_TERMINAL = {"response.completed", "response.incomplete", "response.failed"}
_PIECES = {"response.output_text.delta", "response.refusal.delta"}


def text_of(response: Json) -> str:
    """Return what a response says: its messages, and its calls as `name(arguments)`."""
    return "\n\n".join(text for item in response["output"] if (text := _text_of_item(item)))


def _text_of_item(item: Json) -> str:
    match item:
        case {"type": "message", "content": [*parts]}:
            return "".join(str(part.get("text") or part.get("refusal") or "") for part in parts)
        case {"type": "function_call" | "custom_tool_call", "name": name}:
            return f"{name}({item.get('arguments', item.get('input', ''))})"
        case {"type": "reasoning"}:
            return ""
        case _:
            return f"[{item.get('type', 'item')}]"


def follow(events: Iterable[Json], begun: Callable[[str], None] = lambda _: None) -> Json:
    """Show the text of a stream as it comes and return the response it ends with; `begun` gets its id."""
    is_open = False
    for event in events:
        kind = event.get("type")
        if kind == "response.created":
            begun(event["response"]["id"])
        elif kind in _PIECES:
            show_piece(event["delta"])
            is_open = True
        elif kind == "response.output_item.done" and event["item"].get("type") not in {"message", "reasoning"}:
            show_piece(("\n" if is_open else "") + _text_of_item(event["item"]))
            is_open = True
        elif kind in _TERMINAL:
            if is_open:
                show()
            response: Json = event["response"]
            return response
    raise broken()


def final(events: Iterable[Json]) -> Json:
    """Return the response that a stream ends with."""
    for event in events:
        if event.get("type") in _TERMINAL:
            response: Json = event["response"]
            return response
    raise broken()


def tapped(events: Iterable[Json], show_event: Callable[[Json], None]) -> Iterator[Json]:
    """Show every event on its way."""
    for event in events:
        show_event(event)
        yield event


def broken() -> Trouble:
    """Return what to tell when a stream has no end."""
    why = "The connection was closed before the response ended."
    return Trouble("The answer broke off.", why, "Try: antiphon responses list")


def conclude(response: Json, *, as_json: bool, shown: bool = False) -> int:
    """Show a response unless its text was shown, say how it ended, and return the exit code."""
    if as_json:
        show_json(response)
    elif not shown:
        show(text_of(response))
    return judge(response)


def judge(response: Json) -> int:
    """Say how a response ended unless it is complete, and return the exit code."""
    status, identifier = response["status"], response["id"]
    if status == "failed":
        error: Json = response.get("error") or {}
        why = str(error.get("message") or "No reason was given.")
        raise Trouble("The response failed.", why, f"See: antiphon responses show {identifier} --json")
    if status == "cancelled":
        say(f"{identifier} was cancelled.")
        return 1
    if status == "incomplete":
        details: Json = response.get("incomplete_details") or {}
        say(f"The answer is incomplete: {details.get('reason') or 'an unknown reason'}.")
    elif status != "completed":
        say(f"{identifier} is {status}. Later: antiphon responses show {identifier}")
    return 0
