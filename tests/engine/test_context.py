"""The context: calls and outputs are paired, and what belongs together is cut together."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from antiphon.engine.context import INTERRUPTED, build, call_ids, estimate, window
from antiphon.engine.intake import read_items, reread
from antiphon.errors import BadRequest
from antiphon.types.items import Item
from antiphon.types.kept import Kept

Json = dict[str, Any]


def message(text: str = "Hi", role: str = "user") -> Json:
    return {"role": role, "content": text}


def call(call_id: str = "c", kind: str = "function_call", **more: Any) -> Json:
    return {"type": kind, "call_id": call_id, "name": "look", "arguments": "{}", "input": "", **more}


def output(call_id: str = "c", kind: str = "function_call_output", said: str = "ok") -> Json:
    return {"type": kind, "call_id": call_id, "output": said}


def reasoning() -> Json:
    return {"type": "reasoning", "summary": [], "encrypted_content": "sealed"}


def kept(*given: Json) -> list[Kept[Item]]:
    return read_items([Raw(msgspec.json.encode(item)) for item in given], "input")


def plain(items: list[Kept[Item]]) -> list[Json]:
    return [msgspec.json.decode(item.raw) for item in items]


# -- pairing --------------------------------------------------------------------------------------------------


def test_history_comes_before_what_the_request_brought() -> None:
    assert plain(build(kept(message("old")), kept(message("new")))) == [message("old"), message("new")]


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call"])
def test_an_output_finds_its_call_in_the_history(kind: str) -> None:
    history, own = kept(message(), call(kind=kind)), kept(output(kind=f"{kind}_output"))
    assert plain(build(history, own)) == plain(history + own)


def test_parallel_calls_may_be_answered_in_any_order() -> None:
    items = [call("a"), call("b"), output("b"), output("a")]
    assert plain(build([], kept(*items))) == items


@pytest.mark.parametrize(
    ("kind", "words"), [("function_call", "function call"), ("custom_tool_call", "custom tool call")]
)
def test_an_output_without_its_call_is_refused_in_the_apis_words(kind: str, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        build(kept(message()), kept(output("x", kind=f"{kind}_output")))
    assert caught.value.message == f"No tool call found for {words} output with call_id x."
    assert (caught.value.code, caught.value.param) == (None, "input")


def test_an_output_before_its_call_is_an_output_without_one() -> None:
    with pytest.raises(BadRequest, match="No tool call found"):
        build([], kept(output(), call()))


@pytest.mark.parametrize(
    ("kind", "words"), [("function_call", "function call"), ("custom_tool_call", "custom tool call")]
)
@pytest.mark.parametrize("status", [{}, {"status": "completed"}], ids=["no status", "completed"])
def test_a_call_left_unanswered_is_refused_in_the_apis_words(kind: str, words: str, status: Json) -> None:
    with pytest.raises(BadRequest) as caught:
        build(kept(call("x", kind, **status)), kept(message()))
    assert caught.value.message == f"No tool output found for {words} x."
    assert (caught.value.code, caught.value.param) == (None, "input")


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call"])
def test_a_call_that_was_cut_short_gets_an_output_that_says_so(kind: str) -> None:
    items = plain(build(kept(call("x", kind, status="incomplete")), kept(message())))
    assert items[1] == {"type": f"{kind}_output", "call_id": "x", "output": INTERRUPTED}
    assert items[2] == message()


def test_a_call_that_was_cut_short_and_is_answered_all_the_same_keeps_its_answer() -> None:
    items = [call(status="incomplete"), output()]
    assert plain(build([], kept(*items))) == items


def test_items_that_we_have_no_view_of_are_no_ones_pairs() -> None:
    items: list[Json] = [
        {"type": "computer_call_output", "call_id": "x", "output": {}},
        {"type": "shell_call", "call_id": "y"},
    ]
    assert plain(build([], kept(*items))) == items


def test_the_call_ids_of_a_context_are_those_of_its_calls() -> None:
    assert call_ids(kept(call("a"), output("a"), call("b", "custom_tool_call"), message())) == ["a", "b"]


# -- cutting --------------------------------------------------------------------------------------------------

LONG = "x" * 400  # about a hundred tokens


def cut(items: list[Json], budget: int, own: int = 1) -> list[int]:
    """The places of the items that stay."""
    given = kept(*items)
    stay = window(given, budget, own)
    return [place for place, item in enumerate(given) if any(item is one for one in stay)]


def test_what_fits_is_left_alone() -> None:
    assert cut([message(LONG)] * 3, 1000) == [0, 1, 2]


def test_the_oldest_go_first() -> None:
    assert cut([message(LONG)] * 4, 250) == [2, 3]


def test_what_the_request_brought_stays_even_when_it_alone_is_too_much() -> None:
    assert cut([message(LONG)] * 4, 50, own=2) == [2, 3]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_system_and_developer_messages_stay(role: str) -> None:
    assert cut([message(LONG, role), message(LONG), message(LONG)], 250) == [0, 2]


def test_a_call_goes_with_its_output() -> None:
    items = [message(LONG), call(), output(said=LONG), message(LONG)]
    assert cut(items, 250) == [1, 2, 3]
    assert cut(items, 150) == [3]


def test_parallel_calls_and_their_outputs_are_one_group() -> None:
    items = [call("a"), call("b"), output("a", said=LONG), output("b", said=LONG), message(LONG)]
    assert cut(items, 200) == [4]
    assert cut(items, 1000) == [0, 1, 2, 3, 4]


def test_a_call_whose_output_the_request_brought_stays_with_it() -> None:
    items = [message(LONG), reasoning(), call("a", arguments=LONG), call("b"), output("a"), output("b")]
    assert cut(items, 50, own=2) == [1, 2, 3, 4, 5]


def test_reasoning_goes_with_what_it_led_to() -> None:
    items = [message(LONG), reasoning(), message(LONG, "assistant"), message(LONG)]
    assert cut(items, 250) == [1, 2, 3]
    assert cut(items, 150) == [3]


def test_turns_of_a_tool_loop_go_one_by_one() -> None:
    items = [call("a"), output("a", said=LONG), call("b"), output("b", said=LONG), call("c"), output("c", said=LONG)]
    assert cut(items, 300) == [2, 3, 4, 5]


def test_an_output_belongs_to_the_newest_call_of_its_id() -> None:
    items = [call("a"), output("a", said=LONG), message(LONG), call("a"), output("a", said=LONG), message()]
    assert cut(items, 180) == [3, 4, 5]


def test_calls_and_outputs_that_we_have_no_view_of_go_together_too() -> None:
    items = [{"type": "shell_call", "call_id": "a"}, {"type": "shell_call_output", "call_id": "a", "output": LONG}]
    assert cut([*items, message(LONG)], 120) == [2]


def test_an_estimate_is_never_nothing() -> None:
    assert estimate(Raw(b"")) == 1
    assert estimate(Raw(b"x" * 400)) == 101


pieces = st.sampled_from(["user", "assistant", "system", "reasoning", "call", "calls", "own output", "stranger"])


def story(kinds: list[str]) -> list[Json]:
    """A legal context of such pieces."""
    items: list[Json] = []
    for number, kind in enumerate(kinds):
        match kind:
            case "user" | "assistant" | "system":
                items.append(message("x" * 40 * number, kind))
            case "reasoning":
                items.append(reasoning())
            case "call":
                items += [call(f"c{number}"), output(f"c{number}")]
            case "calls":
                ids = [f"c{number}a", f"c{number}b"]
                items += [*map(call, ids), *map(output, ids)]
            case "own output":
                items = [call(f"o{number}"), *items, output(f"o{number}")]
            case _:
                items.append({"type": "acme:widget", "id": f"w{number}"})
    return items


@settings(deadline=None, max_examples=100)
@given(kinds=st.lists(pieces, min_size=1, max_size=10), budget=st.integers(0, 400), share=st.integers(0, 3))
def test_whatever_is_cut_the_rest_is_paired_and_in_order(kinds: list[str], budget: int, share: int) -> None:
    items = build([], kept(*story(kinds)))
    own = min(share, len(items))
    rest = window(items, budget, own)
    places = [items.index(item) for item in rest]
    assert places == sorted(places)
    assert rest[len(rest) - own :] == items[len(items) - own :]
    assert plain(build([], [reread(bytes(item.raw)) for item in rest])) == plain(rest)
    fits = sum(estimate(item.raw) for item in items) <= budget
    assert (len(rest) == len(items)) or not fits
