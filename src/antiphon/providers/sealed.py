"""Reasoning state on its way: sealed before anyone sees it, and opened for the provider and models that it is of.

State stands in `encrypted_content`: of reasoning, and of items that are only passed on, such as a compaction. What
can't be opened is left out with one note for each reason, and reasoning stays without it; a passed-on item that has
nothing else to say is left out whole. All functions are pure but for the seals' randomness.
"""

from collections import Counter
from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from antiphon.ports import CannotOpen, Seals, Unopened
from antiphon.types.chunks import Chunk, ItemClosed, ItemOpened, ThoughtState
from antiphon.types.items import Item, ItemReference, Reasoning
from antiphon.types.kept import Kept
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn

NOTES: Mapping[Unopened, str] = {
    "foreign": "reasoning state that this server didn't seal left out",
    "other": "reasoning state of another provider or model left out",
    "unknown_key": "reasoning state whose sealing key is gone left out",
    "broken": "reasoning state with a broken seal left out",
    "too_large": "reasoning state that was too large to be kept left out",
}

_FIELD = "encrypted_content"
_CARRIERS = frozenset({ThoughtState, ItemOpened, ItemClosed})
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


class _Carrier(Struct):
    encrypted_content: str | None = None


_CARRIER = msgspec.json.Decoder(_Carrier)

_NOTHING: Kept[Item] = Kept(Raw(b'{"type":"item_reference","id":""}'), ItemReference(id=""))
"""Keeps the place of an item that is left out, so that errors name the others by theirs; no codec says it."""


def binding(provider: str, model: str, profile: Profile) -> str:
    """Return what state of a provider's model is bound to: the models of a family read each other's."""
    return f"{provider}/{profile.family or model}"


# -- out ------------------------------------------------------------------------------------------------------


def sealing(said: list[Chunk], seals: Seals, tenant: str, bound_to: str) -> list[Chunk]:
    """Return the chunks with every state sealed; the list itself when there is none in it."""
    if _CARRIERS.isdisjoint(map(type, said)):
        return said
    return [_sealed(chunk, seals, tenant, bound_to) for chunk in said]


def _sealed(chunk: Chunk, seals: Seals, tenant: str, bound_to: str) -> Chunk:
    match chunk:
        case ThoughtState(state) if state:
            return ThoughtState(seals.seal(tenant, bound_to, state))
        case ItemOpened(_, item) | ItemClosed(_, item) if inner := _state_in(item):
            return replace(chunk, item=_with_state(item, seals.seal(tenant, bound_to, inner)))
        case _:
            return chunk


# -- in -------------------------------------------------------------------------------------------------------


def opened(turn: Turn, seals: Seals, bound_to: str, notes: list[str], *, passes_foreign: bool) -> Turn:
    """Return the turn with every state opened or left out, in the views and in the bytes; itself when it has none.

    `passes_foreign` says that the upstream takes items that are only passed on, and state that a client got elsewhere:
    what nobody here sealed stays as it is. Other upstreams are never told such items, which their codecs note.
    """
    if not any(item.view is None or type(item.view) is Reasoning for item in turn.items):
        return turn
    items: list[Kept[Item]] | None = None
    lost = Counter[Unopened]()
    for index, item in enumerate(turn.items):
        view = item.view
        if type(view) is Reasoning:
            sealed = view.encrypted_content
        elif view is None and passes_foreign:
            sealed = _state_in(item.raw)
        else:
            continue
        if not sealed:
            continue
        state: str | None = None
        try:
            state = seals.open(turn.tenant, bound_to, sealed)
        except CannotOpen as closed:
            if passes_foreign and closed.reason == "foreign":
                continue
            lost[closed.reason] += 1
        items = list(turn.items) if items is None else items
        items[index] = _changed(item, state)
    notes += [_note(reason, count) for reason, count in lost.items()]
    return turn if items is None else replace(turn, items=items)


def _changed(item: Kept[Item], state: str | None) -> Kept[Item]:
    """Return an item with this state, or without any."""
    if isinstance(item.view, Reasoning):
        view = replace(item.view, encrypted_content=UNSET if state is None else state)
        return Kept(_with_state(item.raw, state), view)
    return _NOTHING if state is None else Kept(_with_state(item.raw, state), item.view)


def _note(reason: Unopened, count: int) -> str:
    return NOTES[reason] if count == 1 else f"{NOTES[reason]} ({count} items)"


# -- the bytes ------------------------------------------------------------------------------------------------


def _state_in(item: Raw) -> str | None:
    """Return the state of an item that is only passed on, None when it has none."""
    if b'"encrypted_content"' not in bytes(item):
        return None
    try:
        return _CARRIER.decode(item).encrypted_content
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _with_state(item: Raw, state: str | None) -> Raw:
    """Return an item's bytes with this state, or without any."""
    fields = _FIELDS.decode(item)
    if state is None:
        fields.pop(_FIELD, None)
    else:
        fields[_FIELD] = Raw(_encode(state))
    return Raw(_encode(fields))
