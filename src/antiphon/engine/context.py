"""What a model is told: history and the request's own items, paired, and cut to fit where that was asked for."""

from collections.abc import Iterable, Sequence

from msgspec import Raw

from antiphon.engine.intake import keep
from antiphon.errors import BadRequest
from antiphon.types.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    Item,
    Message,
)
from antiphon.types.kept import Kept

INTERRUPTED = "[interrupted: this call was cut short and never carried out]"
"""The output that a call gets which its own response never finished."""


def build(history: Sequence[Kept[Item]], own: Sequence[Kept[Item]]) -> list[Kept[Item]]:
    """Return the context, oldest first, with every call answered.

    A call that was cut short (`status` incomplete) and has no output gets one that says so. Raises
    BadRequest, in the API's words, for an output without its call and for a call left unanswered.
    """
    items = [*history, *own]
    if not any(isinstance(item.view, _PAIRED) for item in items):
        return items
    answered = {item.view.call_id for item in items if isinstance(item.view, _OUTPUTS)}
    called: set[str] = set()
    paired: list[Kept[Item]] = []
    for item in items:
        paired.append(item)
        match item.view:
            case FunctionCall(call_id=call_id) | CustomToolCall(call_id=call_id):
                called.add(call_id)
                if call_id not in answered:
                    paired.append(_interrupted(item.view))
            case FunctionCallOutput(call_id=call_id) | CustomToolCallOutput(call_id=call_id):
                if call_id not in called:
                    kind = "custom tool call" if isinstance(item.view, CustomToolCallOutput) else "function call"
                    text = f"No tool call found for {kind} output with call_id {call_id}."
                    raise BadRequest(text, param="input")
            case _:
                pass
    return paired


def call_ids(items: Iterable[Kept[Item]]) -> list[str]:
    """Return the ids of every call in the context."""
    return [item.view.call_id for item in items if isinstance(item.view, _CALLS)]


def window(items: Sequence[Kept[Item]], budget: int, own: int) -> list[Kept[Item]]:
    """Return the newest items that fit `budget` tokens (estimated), oldest first; the last `own` always stay.

    A call and its output stay together or go together: an output whose call was cut makes every provider
    refuse the turn. System and developer messages stay.
    """
    spent = sum(estimate(item.raw) for item in items)
    kept: list[Kept[Item]] = []
    dropped: set[str] = set()
    for index, item in enumerate(items):
        view = item.view
        follows_its_call = isinstance(view, _OUTPUTS) and view.call_id in dropped
        stays = index >= len(items) - own or (isinstance(view, Message) and view.role in {"system", "developer"})
        if follows_its_call or (spent > budget and not stays):
            spent -= estimate(item.raw)
            if isinstance(view, _CALLS):
                dropped.add(view.call_id)
        else:
            kept.append(item)
    return kept


def estimate(data: Raw) -> int:
    """Return a rough number of tokens: a quarter of the bytes, at least one (no tokenizer is at hand)."""
    return len(data) // 4 + 1


_CALLS = (FunctionCall, CustomToolCall)
_OUTPUTS = (FunctionCallOutput, CustomToolCallOutput)
_PAIRED = (*_CALLS, *_OUTPUTS)


def _interrupted(call: FunctionCall | CustomToolCall) -> Kept[Item]:
    if call.status != "incomplete":
        kind = "custom tool call" if isinstance(call, CustomToolCall) else "function call"
        raise BadRequest(f"No tool output found for {kind} {call.call_id}.", param="input")
    if isinstance(call, CustomToolCall):
        return keep(CustomToolCallOutput(call_id=call.call_id, output=INTERRUPTED))
    return keep(FunctionCallOutput(call_id=call.call_id, output=INTERRUPTED))
