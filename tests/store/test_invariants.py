"""Any order of writing and deleting agrees with a model in dicts, and leaves nothing behind."""

import asyncio
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from antiphon.errors import NotFound
from antiphon.ports import FoundItem, ItemRow, Store
from tests.store.conftest import Backend
from tests.store.factories import Model, Turn, a_conversation, an_end, body, the_same

PICK = st.integers(min_value=0, max_value=1000)


class Comparison(RuleBasedStateMachine):
    """A store and the model, given the same things under a tenant of their own."""

    def __init__(self, store: Store, backend: Backend, runner: asyncio.Runner, tenant: str) -> None:
        super().__init__()
        self.store, self.backend, self.run, self.tenant = store, backend, runner.run, tenant
        self.model = Model()
        self.numbers = count()

    def pick(self, choices: list[str], number: int) -> str | None:
        """Choose one, or now and then none."""
        return None if number % (len(choices) + 1) == 0 else choices[number % len(choices)]

    def input(self, number: int) -> tuple[list[ItemRow], list[tuple[str, bytes]]]:
        """A new item, after one that a living response can see already if the number says so."""
        fresh = f"in_{next(self.numbers)}"
        rows, texts = [ItemRow(fresh, body(fresh))], [(fresh, body(fresh))]
        if source := self.pick(self.model.living, number):
            seen: list[FoundItem] = self.run(self.store.responses.history(self.tenant, source))[1]
            if seen:
                shared = seen[number % len(seen)]
                return [the_same(shared), *rows], [(shared.id, shared.body), *texts]
        return rows, texts

    @rule(previous=PICK, conversation=PICK, source=PICK)
    def finish(self, previous: int, conversation: int, source: int) -> None:
        rows, texts = self.input(source)
        number = next(self.numbers)
        response_id, out = f"resp_{number:06}", f"out_{number}"
        before, home = self.pick(self.model.living, previous), self.pick(list(self.model.conversations), conversation)
        end = an_end(response_id, rows, [out], tenant=self.tenant, previous=before, conversation=home)
        assert self.run(self.store.responses.finish(end))
        texts.append((out, body(out)))
        self.model.turns[response_id] = Turn(texts, before)
        if home:
            self.model.conversations[home] += texts

    @rule()
    def begin(self) -> None:
        conversation_id = f"conv_{next(self.numbers)}"
        self.run(self.store.conversations.create(self.tenant, a_conversation(conversation_id), []))
        self.model.conversations[conversation_id] = []

    @precondition(lambda self: self.model.living)
    @rule(number=PICK)
    def delete_response(self, number: int) -> None:
        response_id = self.model.living[number % len(self.model.living)]
        self.run(self.store.responses.delete(self.tenant, response_id))
        self.model.turns[response_id].deleted = True

    @precondition(lambda self: self.model.conversations)
    @rule(number=PICK)
    def delete_conversation(self, number: int) -> None:
        conversation_id = list(self.model.conversations)[number % len(self.model.conversations)]
        self.run(self.store.conversations.delete(self.tenant, conversation_id))
        del self.model.conversations[conversation_id]

    @precondition(lambda self: any(self.model.conversations.values()))
    @rule(number=PICK)
    def remove_item(self, number: int) -> None:
        conversation_id, said = next(pair for pair in self.model.conversations.items() if pair[1])
        item_id = said[number % len(said)][0]
        self.run(self.store.conversations.remove(self.tenant, conversation_id, item_id))
        self.model.conversations[conversation_id] = [item for item in said if item[0] != item_id]

    @invariant()
    def chains_agree(self) -> None:
        for response_id, turn in self.model.turns.items():
            try:
                _, found = self.run(self.store.responses.history(self.tenant, response_id))
            except NotFound:
                assert turn.deleted
            else:
                assert not turn.deleted
                assert [(item.id, item.body) for item in found] == self.model.history(response_id)

    @invariant()
    def conversations_agree(self) -> None:
        for conversation_id, said in self.model.conversations.items():
            found = self.run(self.store.conversations.history(self.tenant, conversation_id))
            assert [(item.id, item.body) for item in found] == said

    def teardown(self) -> None:
        for response_id in self.model.living:
            self.run(self.store.responses.delete(self.tenant, response_id))
        for conversation_id in self.model.conversations:
            self.run(self.store.conversations.delete(self.tenant, conversation_id))
        assert self.backend.rows_left(self.tenant) == 0


def test_any_order_of_writing_and_deleting_agrees_with_the_model(store: Store, backend: Backend) -> None:
    tenants = (f"tenant_{number}" for number in count())
    with asyncio.Runner() as runner:
        run_state_machine_as_test(
            lambda: Comparison(store, backend, runner, next(tenants)),  # type: ignore[arg-type]  # any factory does
            settings=settings(max_examples=15, stateful_step_count=20, deadline=None, database=None),
        )
