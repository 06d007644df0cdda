"""Reasoning state on its way: sealed as chunks go out, opened or left out as turns come in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw
from msgspec.structs import replace

from antiphon.codecs.anthropic import ANTHROPIC
from antiphon.codecs.chat import CHAT
from antiphon.codecs.gemini import GEMINI
from antiphon.codecs.responses import RESPONSES
from antiphon.ports import Codec
from antiphon.providers import profiles
from antiphon.providers.sealed import NOTES, binding, opened, sealing
from antiphon.tenancy.seals import MAX_STATE, SealingKey, SealRing
from antiphon.types.chunks import Break, Chunk, ItemClosed, ItemNews, ItemOpened, Stop, Summarized, Text, ThoughtState
from antiphon.types.items import ItemReference, Reasoning
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn
from tests.codecs.turns import a_turn, called, said

HERE, THERE = "anthropic/claude-opus-4", "openai/gpt-5"
STATE = '{"type":"thinking","thinking":"Hm \\"né\\"","signature":"EqQB+/=="}'
FOREIGN = "gAAAAABpX-of-somewhere-else"


def numbers() -> Any:
    count = iter(range(1, 1_000_000))
    return lambda size: next(count).to_bytes(size, "big")


def a_ring(name: str = "key", secret: bytes = bytes(32)) -> SealRing:
    return SealRing([SealingKey(name, secret)], numbers())


RING = a_ring()


def sealed(state: str = STATE, bound_to: str = HERE, tenant: str = "ada") -> str:
    return RING.seal(tenant, bound_to, state)


def thought(state: str | None, **fields: Any) -> dict[str, Any]:
    item = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "So."}], "odd": 1}
    return {**item, **({} if state is None else {"encrypted_content": state}), **fields}


def compaction(state: str) -> dict[str, Any]:
    return {"type": "compaction", "id": "cmp_1", "encrypted_content": state, "odd": [1]}


def asked(*items: dict[str, Any] | bytes, **request: Any) -> Turn:
    return replace(a_turn(*items, **request), tenant="ada")


def come_in(turn: Turn, *, passes_foreign: bool = False, bound_to: str = HERE) -> tuple[Turn, list[str]]:
    notes: list[str] = []
    return opened(turn, RING, bound_to, notes, passes_foreign=passes_foreign), notes


def states(turn: Turn) -> list[Any]:
    """The state of each reasoning item, which its view and its bytes agree on."""
    found: list[Any] = []
    for item in turn.items:
        if isinstance(item.view, Reasoning):
            fields = json.loads(bytes(item.raw))
            assert fields.get("encrypted_content", UNSET) == item.view.encrypted_content
            found.append(item.view.encrypted_content)
    return found


# -- in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passes_foreign", [False, True])
def test_our_own_state_is_opened_in_the_view_and_in_the_bytes(passes_foreign: bool) -> None:
    turn, notes = come_in(asked(thought(sealed()), said("Hi", "assistant")), passes_foreign=passes_foreign)
    assert states(turn) == [STATE]
    assert json.loads(bytes(turn.items[0].raw)) == thought(STATE)
    assert notes == []


def test_every_other_item_is_the_same_object() -> None:
    before = asked(said("Hi"), thought(sealed()), called("c"), own=1)
    after, _ = come_in(before)
    assert [a is b for a, b in zip(before.items, after.items, strict=True)] == [True, False, True]
    assert (after.own, after.request, after.tenant) == (before.own, before.request, "ada")


@pytest.mark.parametrize("passes_foreign", [False, True])
def test_a_turn_without_state_is_the_same_object(passes_foreign: bool) -> None:
    turn = asked(said("Hi"), thought(None), thought(None, encrypted_content=None), {"type": "compaction_trigger"})
    assert come_in(turn, passes_foreign=passes_foreign) == (turn, [])
    assert come_in(turn, passes_foreign=passes_foreign)[0] is turn


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (sealed(bound_to=THERE), "other"),
        (sealed(bound_to="anthropic/claude-sonnet-4"), "other"),
        (sealed(tenant="bob"), "broken"),
        (sealed()[:-1], "broken"),
        (a_ring("gone").seal("ada", HERE, STATE), "unknown_key"),
        (sealed("x" * MAX_STATE), "too_large"),
    ],
)
@pytest.mark.parametrize("passes_foreign", [False, True])
def test_state_that_cannot_be_opened_is_left_out_with_its_reason(state: str, reason: Any, passes_foreign: bool) -> None:
    turn, notes = come_in(asked(thought(state)), passes_foreign=passes_foreign)
    assert states(turn) == [UNSET]
    assert json.loads(bytes(turn.items[0].raw)) == thought(None)
    assert notes == [NOTES[reason]]


def test_state_that_nobody_here_sealed_is_left_out() -> None:
    turn, notes = come_in(asked(thought(FOREIGN)))
    assert states(turn) == [UNSET]
    assert notes == ["reasoning state that this server didn't seal left out"]


def test_a_clients_own_state_is_passed_to_who_may_know_it() -> None:
    before = asked(thought(FOREIGN), compaction(FOREIGN))
    after, notes = come_in(before, passes_foreign=True)
    assert after is before
    assert notes == []


def test_state_in_the_clear_is_nobodys_seal() -> None:
    """A client can't make up what a provider said: only what comes back sealed is believed."""
    assert states(come_in(asked(thought(STATE)))[0]) == [UNSET]


def test_each_reason_is_noted_once_with_a_count() -> None:
    lost = [thought(sealed(bound_to=THERE)), thought(FOREIGN), thought(sealed(bound_to=THERE))]
    turn, notes = come_in(asked(*lost, thought(sealed())))
    assert states(turn) == [UNSET, UNSET, UNSET, STATE]
    assert notes == [
        "reasoning state of another provider or model left out (2 items)",
        "reasoning state that this server didn't seal left out",
    ]


def test_a_compaction_is_opened_for_who_takes_it() -> None:
    turn, notes = come_in(asked(compaction(sealed("c"))), passes_foreign=True)
    assert json.loads(bytes(turn.items[0].raw)) == compaction("c")
    assert (turn.items[0].view, notes) == (None, [])


def test_a_compaction_of_another_provider_is_left_out_and_keeps_the_places_of_the_rest() -> None:
    turn, notes = come_in(asked(compaction(sealed(bound_to=THERE)), said("Hi"), own=2), passes_foreign=True)
    assert isinstance(turn.items[0].view, ItemReference)
    assert turn.path(1) == "input[1]"
    assert notes == ["reasoning state of another provider or model left out"]
    body = json.loads(RESPONSES.encode(turn, profiles.RESPONSES).body)
    assert body["input"] == [said("Hi")]


def test_a_compaction_is_not_touched_where_it_is_never_told() -> None:
    turn = asked(compaction(sealed()))
    assert come_in(turn)[0] is turn


@pytest.mark.parametrize(
    "raw", [b'{"type":"compaction","encrypted_content":7}', b'{"type":"x","a":"\\"encrypted_content\\""}']
)
def test_a_passed_on_item_with_odd_state_is_left_to_its_provider(raw: bytes) -> None:
    turn = asked(said("Hi"))
    turn = replace(turn, items=[replace(turn.items[0], raw=Raw(raw), view=None)])
    assert come_in(turn, passes_foreign=True) == (turn, [])


def test_reasoning_before_an_item_that_is_left_out_is_still_told() -> None:
    turn = asked(thought(sealed()), compaction(sealed(bound_to=THERE)), said("Hi", "assistant"))
    body = json.loads(RESPONSES.encode(come_in(turn, passes_foreign=True)[0], profiles.RESPONSES).body)
    assert [item["type"] for item in body["input"]] == ["reasoning", "message"]


@given(st.text())
def test_garbage_from_a_client_is_a_note(state: str) -> None:
    turn, notes = come_in(asked(thought(state)))
    assert states(turn) == ([UNSET] if state else [""])
    assert len(notes) == bool(state)


def test_a_model_is_bound_by_its_family_else_by_its_name() -> None:
    assert binding("anthropic", "claude-opus-4-20250514", Profile(family="claude-opus-4")) == HERE
    assert binding("openai", "gpt-5", Profile()) == THERE


# -- out ------------------------------------------------------------------------------------------------------


def go_out(*chunks: Chunk) -> list[Chunk]:
    return sealing(list(chunks), RING, "ada", HERE)


def test_state_is_sealed_for_its_tenant_and_models() -> None:
    text, state, end = go_out(Summarized("So."), ThoughtState(STATE), Break())
    assert (text, end) == (Summarized("So."), Break())
    assert isinstance(state, ThoughtState)
    assert "thinking" not in state.encrypted_content
    assert RING.open("ada", HERE, state.encrypted_content) == STATE


def test_chunks_without_state_are_the_same_list() -> None:
    chunks: list[Chunk] = [Text("a"), ItemNews(1, "x", {"encrypted_content": "x"}), Stop("completed")]
    assert sealing(chunks, RING, "ada", HERE) is chunks


def test_state_that_is_empty_stays_empty() -> None:
    assert go_out(ThoughtState("")) == [ThoughtState("")]


@pytest.mark.parametrize("kind", [ItemOpened, ItemClosed])
def test_state_inside_a_passed_on_item_is_sealed(kind: Any) -> None:
    (chunk,) = go_out(kind(3, Raw(json.dumps(compaction("c")).encode())))
    assert isinstance(chunk, ItemOpened | ItemClosed)
    fields = json.loads(bytes(chunk.item))
    assert (type(chunk), chunk.key) == (kind, 3)
    assert RING.open("ada", HERE, fields["encrypted_content"]) == "c"
    assert {**fields, "encrypted_content": "c"} == compaction("c")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"type":"web_search_call"}',
        b'{"encrypted_content":null}',
        b'{"encrypted_content":[]}',
        b'["encrypted_content"]',
    ],
)
def test_a_passed_on_item_without_state_is_the_same_object(raw: bytes) -> None:
    chunk = ItemClosed(1, Raw(raw))
    assert go_out(chunk)[0] is chunk


# -- there and back -------------------------------------------------------------------------------------------

SIGNED = '[{"on":"call","signature":"c2ln","name":"go"}]'
FORMATS: dict[str, tuple[Codec, Profile, str, str]] = {
    "anthropic": (ANTHROPIC, profiles.ANTHROPIC, STATE, "EqQB+/=="),
    "gemini": (GEMINI, profiles.GEMINI, SIGNED, "c2ln"),
    "chat": (
        CHAT,
        replace(profiles.CHAT, replay_reasoning="reasoning_content"),
        '{"text":"secret thought"}',
        "secret thought",
    ),
    "responses": (RESPONSES, profiles.RESPONSES, FOREIGN, FOREIGN),
}


@pytest.mark.parametrize("name", FORMATS)
def test_state_reaches_its_own_provider_again_and_no_other(name: str) -> None:
    codec, profile, state, shown = FORMATS[name]
    (chunk,) = go_out(ThoughtState(state))
    assert isinstance(chunk, ThoughtState)
    turn = asked(
        said("Hi"),
        thought(chunk.encrypted_content),
        called("c"),
        {"type": "function_call_output", "call_id": "c", "output": ""},
    )
    for bound_to, is_told in ((HERE, True), (THERE, False)):
        inward, _ = come_in(turn, bound_to=bound_to, passes_foreign=profile.opaque_items)
        body = codec.encode(inward, profile).body
        assert (shown.encode() in body) is is_told
        assert chunk.encrypted_content.encode() not in body
