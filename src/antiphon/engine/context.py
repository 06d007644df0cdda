"""What a model is told: history and the request's own items, paired, and cut to fit where that was asked for."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from antiphon.engine.intake import keep
from antiphon.errors import BadRequest
from antiphon.types.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    Item,
    Message,
    Reasoning,
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
    if len(items) == 1 and isinstance(items[0].view, Message):
        return items
    answered = {item.view.call_id for item in items if isinstance(item.view, _OUTPUTS)}
    called: set[str] = set()
    paired: list[Kept[Item]] = []
    for item in items:
        paired.append(item)
        view = item.view
        kind = type(view)
        if kind is Message or kind is Reasoning:
            continue  # most items, and none that is paired
        if isinstance(view, _CALLS):
            called.add(view.call_id)
            if view.call_id not in answered:
                paired.append(_interrupted(view))
        elif isinstance(view, _OUTPUTS) and view.call_id not in called:
            raise _uncalled(view)
    return paired


def _uncalled(output: FunctionCallOutput | CustomToolCallOutput) -> BadRequest:
    kind = "custom tool call" if isinstance(output, CustomToolCallOutput) else "function call"
    text = f"No tool call found for {kind} output with call_id {output.call_id}."
    return BadRequest(text, param="input")


def call_ids(items: Iterable[Kept[Item]]) -> list[str]:
    """Return the ids of every call in the context."""
    return [item.view.call_id for item in items if isinstance(item.view, _CALLS)]


def window(items: Sequence[Kept[Item]], budget: int, own: int) -> list[Kept[Item]]:
    """Return the newest items that fit `budget` tokens (estimated), oldest first.

    What belongs together stays or goes together: a model's turn (its reasoning, words and calls) and the
    outputs of its calls. An output whose call was cut makes every provider refuse the turn, and so does a call
    without its reasoning at some. The last `own` items stay, with all that belongs to them, and so do system
    and developer messages.
    """
    groups = _groups(items)
    cost: dict[int, int] = {}
    stays: set[int] = set()
    for index, (item, group) in enumerate(zip(items, groups, strict=True)):
        cost[group] = cost.get(group, 0) + estimate(item.raw)
        if index >= len(items) - own or (isinstance(item.view, Message) and item.view.role in {"system", "developer"}):
            stays.add(group)
    spent = sum(cost.values())
    dropped: set[int] = set()
    for group, tokens in cost.items():  # in the order of their first items
        if spent > budget and group not in stays:
            spent -= tokens
            dropped.add(group)
    return [item for item, group in zip(items, groups, strict=True) if group not in dropped]


def estimate(data: Raw) -> int:
    """Return a rough number of tokens: a quarter of the bytes, at least one (no tokenizer is at hand)."""
    return len(data) // 4 + 1


_CALLS = (FunctionCall, CustomToolCall)
_OUTPUTS = (FunctionCallOutput, CustomToolCallOutput)


class _Linked(Struct):
    """What tells where an item belongs; of items that we have no view of, too."""

    type: str | None = None
    role: str | None = None
    call_id: Any = None


_LINKED = msgspec.json.Decoder(_Linked)


def _groups(items: Sequence[Kept[Item]]) -> list[int]:
    """Return for each item the number of its group, which is the place of the group's first item."""
    groups: list[int] = []
    by_call: dict[str, int] = {}
    goes_on = False  # whether the item before is part of a model's turn
    for index, item in enumerate(items):
        link = _LINKED.decode(item.raw)
        call_id = link.call_id if isinstance(link.call_id, str) else ""
        if (link.type or "").endswith("_output"):
            group, goes_on = by_call.get(call_id, index), False
        else:
            is_told = link.role is not None and link.role != "assistant"
            group = groups[-1] if goes_on and not is_told else index
            goes_on = not is_told
            if call_id:
                by_call[call_id] = group  # the newest: some providers use the same ids in every turn
        groups.append(group)
    return groups


def _interrupted(call: FunctionCall | CustomToolCall) -> Kept[Item]:
    if call.status != "incomplete":
        kind = "custom tool call" if isinstance(call, CustomToolCall) else "function call"
        raise BadRequest(f"No tool output found for {kind} {call.call_id}.", param="input")
    if isinstance(call, CustomToolCall):
        return keep(CustomToolCallOutput(call_id=call.call_id, output=INTERRUPTED))
    return keep(FunctionCallOutput(call_id=call.call_id, output=INTERRUPTED))
