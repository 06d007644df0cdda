"""Seals of reasoning state: what they keep, from whom, and for how long."""

import base64
import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.ports import CannotOpen, Seals, Unopened
from antiphon.tenancy.sealing_keys import FILE, BadSealingKeys, load_or_create, rotate
from antiphon.tenancy.seals import MAX_STATE, SealingKey, SealRing

CLAUDE, GPT = "anthropic/claude-opus-4", "openai/gpt-5"
STATE = '{"type":"thinking","thinking":"Hm, né","signature":"EqQB+/=="}'
OLD, NEW = SealingKey("20260101-0a", bytes(range(32))), SealingKey("20260201-0b", bytes(32))
DAY = 86_400.0
NOVEMBER = 1_795_219_200.0
"""2026-11-21."""


def counted() -> Callable[[int], bytes]:
    """Randomness that is the same in every run: no call gives what another gave."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def a_ring(*keys: SealingKey) -> SealRing:
    return SealRing(keys or (OLD,), counted())


def why_not(seals: Seals, sealed: str, tenant: str = "ada", bound_to: str = CLAUDE) -> Unopened:
    with pytest.raises(CannotOpen) as closed:
        seals.open(tenant, bound_to, sealed)
    return closed.value.reason


# -- what a seal keeps ----------------------------------------------------------------------------------------


@given(tenant=st.text(), bound_to=st.text(st.characters(exclude_characters="\0")), state=st.text())
def test_a_state_comes_back_as_it_went(tenant: str, bound_to: str, state: str) -> None:
    ring = a_ring()
    assert ring.open(tenant, bound_to, ring.seal(tenant, bound_to, state)) == state


@pytest.mark.parametrize("state", ["", "\0", "a\0b", "\ud800", "x" * 100_000])
def test_no_state_is_too_odd_to_be_kept(state: str) -> None:
    ring = a_ring()
    assert ring.open("ada", CLAUDE, ring.seal("ada", CLAUDE, state)) == state


def test_a_sealed_state_names_its_version_and_key_and_shows_nothing_else() -> None:
    sealed = a_ring().seal("ada", CLAUDE, STATE)
    match = re.fullmatch(r"ap1\.20260101-0a\.([\w-]+)", sealed)
    assert match is not None
    data = base64.urlsafe_b64decode(match[1] + "==")
    assert len(data) == 12 + len(f"{CLAUDE}\0{STATE}".encode()) + 16
    assert b"claude" not in data
    assert b"thinking" not in data


def test_the_nonce_is_twelve_random_bytes() -> None:
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return b"n" * size

    sealed = SealRing([OLD], random).seal("ada", CLAUDE, STATE)
    assert asked == [12]
    assert base64.urlsafe_b64decode(sealed.split(".")[2] + "==")[:12] == b"n" * 12


def test_the_same_state_never_looks_the_same_twice() -> None:
    ring = a_ring()
    assert len({ring.seal("ada", CLAUDE, STATE) for _ in range(100)}) == 100


def test_a_key_does_not_show_itself() -> None:
    assert repr(OLD) == "SealingKey('20260101-0a', ***)"


# -- who can't open -------------------------------------------------------------------------------------------


def test_another_tenant_cannot_open_and_is_not_told_more_than_that() -> None:
    ring = a_ring()
    sealed = ring.seal("ada", CLAUDE, STATE)
    assert why_not(ring, sealed, tenant="bob") == "broken"
    assert why_not(ring, sealed, tenant="bob", bound_to=GPT) == "broken"
    assert why_not(ring, sealed, tenant="") == "broken"


@pytest.mark.parametrize(
    "bound_to",
    [GPT, "anthropic/claude-opus-4-1", "anthropic/claude-opus", "bedrock/claude-opus-4", "", f"{CLAUDE}\0{STATE}"],
)
def test_another_provider_or_family_is_told_apart_from_a_broken_seal(bound_to: str) -> None:
    ring = a_ring()
    assert why_not(ring, ring.seal("ada", CLAUDE, STATE), bound_to=bound_to) == "other"


@pytest.mark.parametrize("text", ["", "gAAAAABpX", "ap", "ap1", "ap_live_x", "EqQBCkYIBxgC", '{"reasoning_text":"x"}'])
def test_what_nobody_here_sealed_is_foreign(text: str) -> None:
    assert why_not(a_ring(), text) == "foreign"


@pytest.mark.parametrize(
    "text",
    [
        "ap1.",
        "ap1.20260101-0a",
        "ap1.20260101-0a.",
        "ap1.20260101-0a.AAAA",
        "ap1.20260101-0a.é",
        "ap2.20260101-0a.AAAA",
    ],
)
def test_what_has_our_name_and_no_more_is_broken(text: str) -> None:
    assert why_not(a_ring(), text) == "broken"


def test_any_other_character_at_any_place_breaks_the_seal() -> None:
    ring = a_ring()
    sealed = ring.seal("ada", CLAUDE, STATE)
    for place, was in enumerate(sealed):
        for now in "A-z.=+/\0é":
            if now != was:
                assert why_not(ring, f"{sealed[:place]}{now}{sealed[place + 1 :]}") in {
                    "foreign",
                    "unknown_key",
                    "broken",
                }


def test_any_other_bit_of_the_data_breaks_the_seal() -> None:
    ring = a_ring()
    head, _, text = a_ring().seal("ada", CLAUDE, STATE).rpartition(".")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            again = base64.urlsafe_b64encode(flipped).decode().rstrip("=")
            assert why_not(ring, f"{head}.{again}") == "broken"


@pytest.mark.parametrize("state", ["", "x", "xx", "xxx"])
def test_the_bits_that_base64_leaves_over_cannot_be_set(state: str) -> None:
    ring = a_ring()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sealed = ring.seal("ada", CLAUDE, state)
    for last in set(letters) - {sealed[-1]}:
        assert why_not(ring, sealed[:-1] + last) == "broken"


def test_a_seal_cut_short_or_drawn_out_is_broken() -> None:
    ring = a_ring()
    sealed = ring.seal("ada", CLAUDE, STATE)
    for end in range(len("ap1."), len(sealed)):
        assert why_not(ring, sealed[:end]) in {"unknown_key", "broken"}
    for more in ("A", "AAAA", "=", "==", "\n", " ", ".", ".A"):
        assert why_not(ring, sealed + more) == "broken"


@given(st.one_of(st.text(), st.text().map("ap1.".__add__), st.text().map("ap1.20260101-0a.".__add__)))
def test_garbage_cannot_be_opened_and_raises_nothing_else(text: str) -> None:
    assert why_not(a_ring(), text) in {"foreign", "unknown_key", "broken"}


def test_a_state_over_a_mebibyte_is_not_kept_and_says_so_when_it_comes_back() -> None:
    ring = a_ring()
    fits = "x" * (MAX_STATE - len(f"{CLAUDE}\0"))
    assert ring.open("ada", CLAUDE, ring.seal("ada", CLAUDE, fits)) == fits
    sealed = ring.seal("ada", CLAUDE, fits + "x")
    assert len(sealed) < 200
    assert why_not(ring, sealed) == "too_large"
    assert why_not(ring, sealed, bound_to=GPT) == "other"


def test_what_is_longer_than_any_seal_is_not_even_read() -> None:
    assert why_not(a_ring(), f"ap1.{OLD.id}.{'A' * 2 * MAX_STATE}") == "broken"


# -- keys that change -----------------------------------------------------------------------------------------


def test_the_first_key_seals_and_every_key_opens() -> None:
    before = a_ring(OLD).seal("ada", CLAUDE, STATE)
    ring = a_ring(NEW, OLD)
    after = ring.seal("ada", CLAUDE, STATE)
    assert after.startswith(f"ap1.{NEW.id}.")
    assert ring.open("ada", CLAUDE, before) == ring.open("ada", CLAUDE, after) == STATE
    assert a_ring(NEW).open("ada", CLAUDE, after) == STATE


def test_a_state_whose_key_is_gone_says_that() -> None:
    assert why_not(a_ring(NEW), a_ring(OLD).seal("ada", CLAUDE, STATE)) == "unknown_key"


def test_another_key_under_the_same_id_opens_nothing() -> None:
    stranger = SealingKey(OLD.id, NEW.secret)
    assert why_not(a_ring(stranger), a_ring(OLD).seal("ada", CLAUDE, STATE)) == "broken"


def test_a_seal_cannot_be_given_to_another_key() -> None:
    twin = SealingKey("twin", OLD.secret)
    sealed = a_ring(OLD).seal("ada", CLAUDE, STATE)
    assert why_not(a_ring(OLD, twin), sealed.replace(OLD.id, "twin")) == "broken"


# -- where keys come from -------------------------------------------------------------------------------------

LINE_OLD = f"{OLD.id}:{base64.b64encode(OLD.secret).decode()}"
LINE_NEW = f"{NEW.id}:{base64.b64encode(NEW.secret).decode()}"


def loaded(folder: Path, *given: str) -> SealRing:
    return load_or_create(folder, given, random=counted(), now=lambda: NOVEMBER)


def test_the_first_start_makes_a_key_for_its_owner_alone(tmp_path: Path) -> None:
    loaded(tmp_path)
    path = tmp_path / FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"20261121-00000001:[A-Za-z0-9+/]{43}=\n", path.read_text())
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_a_restart_opens_what_was_sealed_before_to_the_byte(tmp_path: Path) -> None:
    sealed = loaded(tmp_path).seal("ada", CLAUDE, STATE)
    kept = (tmp_path / FILE).read_bytes()
    assert loaded(tmp_path).open("ada", CLAUDE, sealed) == STATE
    assert (tmp_path / FILE).read_bytes() == kept


def test_a_rotation_puts_a_new_key_first_and_keeps_the_old(tmp_path: Path) -> None:
    before = loaded(tmp_path).seal("ada", CLAUDE, STATE)
    random = counted()
    random(1), random(1)
    keys = rotate(tmp_path, random=random, now=lambda: NOVEMBER + DAY)
    assert [key.id for key in keys] == ["20261122-00000003", "20261121-00000001"]
    ring = loaded(tmp_path)
    assert ring.open("ada", CLAUDE, before) == STATE
    assert ring.seal("ada", CLAUDE, STATE).startswith("ap1.20261122-00000003.")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_a_rotation_keeps_what_an_operator_wrote_beside_the_keys(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(f"# of the old machine\n\n{LINE_OLD}\n")
    rotate(tmp_path, random=counted(), now=lambda: NOVEMBER)
    assert (tmp_path / FILE).read_text().endswith(f"\n# of the old machine\n\n{LINE_OLD}\n")


def test_keys_that_are_given_need_no_file(tmp_path: Path) -> None:
    ring = loaded(tmp_path, LINE_NEW, LINE_OLD)
    assert ring.seal("ada", CLAUDE, STATE).startswith(f"ap1.{NEW.id}.")
    assert ring.open("ada", CLAUDE, a_ring(OLD).seal("ada", CLAUDE, STATE)) == STATE
    assert not list(tmp_path.iterdir())


def test_the_file_still_opens_when_keys_are_given(tmp_path: Path) -> None:
    before = loaded(tmp_path).seal("ada", CLAUDE, STATE)
    ring = loaded(tmp_path, LINE_NEW, (tmp_path / FILE).read_text())
    assert ring.open("ada", CLAUDE, before) == STATE
    assert ring.seal("ada", CLAUDE, STATE).startswith(f"ap1.{NEW.id}.")


@pytest.mark.parametrize(
    "text",
    [
        "secret",
        f"{LINE_OLD}\nsecret",
        f"id:{base64.b64encode(b'secret' * 5).decode()}",
        f"a.b:{base64.b64encode(OLD.secret).decode()}",
        f"{LINE_OLD}\n{OLD.id}:{base64.b64encode(NEW.secret).decode()}",
        "",
        "# nothing\n",
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_not_replaced_or_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    for act in (loaded, lambda folder: rotate(folder, random=counted(), now=lambda: NOVEMBER)):
        with pytest.raises(BadSealingKeys) as bad:
            act(tmp_path)
        assert FILE in str(bad.value) or OLD.id in str(bad.value)
        assert "secret" not in str(bad.value)
        assert base64.b64encode(NEW.secret).decode() not in str(bad.value)
    assert (tmp_path / FILE).read_text() == text


def test_a_file_that_is_no_text_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff")
    with pytest.raises(BadSealingKeys, match="not UTF-8"):
        loaded(tmp_path)


def test_a_given_key_that_cannot_be_used_is_named_by_its_setting(tmp_path: Path) -> None:
    with pytest.raises(BadSealingKeys, match="sealing_keys, line 1: expected an id, a colon and 32 bytes in base64"):
        loaded(tmp_path, "secret")


def test_a_rotation_that_breaks_off_leaves_the_keys_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(tmp_path)
    kept = (tmp_path / FILE).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("antiphon.tenancy.sealing_keys.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        rotate(tmp_path, random=counted(), now=lambda: NOVEMBER)
    assert (tmp_path / FILE).read_bytes() == kept
