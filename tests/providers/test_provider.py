"""A provider with several keys: which one a turn goes with."""

from antiphon.config import Provider as ProviderSettings
from antiphon.config import Secret
from antiphon.testing.serving import plain_settings, running
from antiphon.testing.upstream import ScriptedUpstream
from antiphon.types.turns import Turn
from tests.codecs.turns import a_turn, said

KEYS = [Secret(f"key-{name}", name) for name in ("A", "B", "C", "D")]


async def chosen(*turns: Turn) -> list[str]:
    """Return the names of the keys that turns go with."""
    async with ScriptedUpstream() as upstream:
        many = ProviderSettings(format="chat", base_url=upstream.base_url, api_keys=KEYS, models=["*"])
        async with running(plain_settings(providers={"many": many})) as server:
            (provider,) = server.assembly.router.providers
            return [provider.credential(turn, "m").name for turn in turns]


async def test_a_conversation_that_grows_keeps_its_key() -> None:
    first, later = said("What is an antiphon?"), said("Thanks.")
    assert len(set(await chosen(a_turn(first), a_turn(first, later), a_turn(first, later, later)))) == 1


async def test_conversations_are_spread_over_the_keys() -> None:
    found = await chosen(*(a_turn(said(f"Question {number}")) for number in range(40)))
    assert set(found) == {"A", "B", "C", "D"}


async def test_a_prompt_cache_key_keeps_different_conversations_at_one_key() -> None:
    found = await chosen(*(a_turn(said(f"Question {number}"), prompt_cache_key="tenant") for number in range(8)))
    assert len(set(found)) == 1
