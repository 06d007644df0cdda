"""From a request to a run that can start: references resolved, history read, context built, model found.

The order of checks is the API's: what the request says by itself, then the state that it names, then what
its model can do.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from antiphon.engine.context import build, window
from antiphon.engine.intake import (
    check_choice,
    identify,
    offers,
    read_input,
    read_tools,
    refuse_strangers,
    reread,
    storable,
)
from antiphon.errors import BadRequest, NotFound, TooLarge, Unsupported
from antiphon.ids import Mint, is_ours
from antiphon.ports import Conversations, FoundItem, ItemRow, Model, Models, Responses
from antiphon.types.conversations import Conversation
from antiphon.types.decoding import missing
from antiphon.types.items import Item, ItemReference
from antiphon.types.kept import Kept
from antiphon.types.limits import Limits
from antiphon.types.profiles import Profile
from antiphon.types.responses import TERMINAL, ConversationRef, CountInput, CreateResponse
from antiphon.types.tools import NamespaceTool, Tool
from antiphon.types.turns import Turn

_CLIENT_ID = re.compile(r"conv_[A-Za-z0-9_.-]{1,64}\Z")
_RESPONSES_ONLY = ("context_management", "moderation", "image", "access_programs")
"""Parameters that only a Responses upstream can act on."""
_NO_TARGETS: Mapping[int, FoundItem] = {}


@dataclass(slots=True)
class Prepared:
    """A run that can start."""

    tenant: str
    response_id: str
    request: CreateResponse
    model: Model
    turn: Turn
    tools: Sequence[Kept[Tool]]
    inputs: list[ItemRow]
    conversation_id: str | None
    notes: list[str]


class Preparation:
    """Reads what a request refers to, for one tenant at a time."""

    def __init__(
        self,
        models: Models,
        responses: Responses,
        conversations: Conversations,
        limits: Limits,
        *,
        mint: Mint,
        now: Callable[[], int],
        client_conversation_ids: bool,
        strict_params: bool = False,
    ) -> None:
        self._models = models
        self._responses = responses
        self._conversations = conversations
        self._limits = limits
        self._mint = mint
        self._now = now
        self._client_ids = client_conversation_ids
        self._strict = strict_params

    async def prepare(self, tenant: str, request: CreateResponse, notes: list[str]) -> Prepared:
        """Return the run. Raises AntiphonError; nothing is stored but a conversation that its client named."""
        self._check(request)
        own, tools = read_input(request.input, self._limits.string_length), read_tools(request.tools)
        self._check_sizes(own, tools)
        check_choice(request.tool_choice, tools, own)
        model = self._models.find(request.model)
        response_id = self._mint("resp")
        keeps = request.store is not False or request.conversation is not None
        own, inputs = await self._resolve(tenant, own, response_id if keeps else None)
        conversation_id, history = None, []
        if request.conversation is not None or request.previous_response_id is not None:
            conversation_id = await self._conversation(tenant, request.conversation)
            history = await self._history(tenant, request.previous_response_id, conversation_id)
        _check_capabilities(request, model.profile)
        if not model.profile.opaque_items:
            refuse_strangers(own)
        items = build(history, own)
        if request.truncation == "auto":
            items = self._truncated(items, model.profile, len(own), notes)
        if notes and self._strict:
            raise Unsupported.noted(notes[0])
        turn = Turn(
            model=model.name,
            request=request,
            items=items,
            own=len(own),
            tools=tools,
            tool_choice=request.tool_choice or "auto",
            stream=bool(request.stream or request.background),
            tenant=tenant,
        )
        return Prepared(tenant, response_id, request, model, turn, tools, inputs, conversation_id, notes)

    async def context(self, tenant: str, request: CountInput) -> list[Kept[Item]]:
        """Return what a model would be told, for counting."""
        if request.conversation and request.previous_response_id:
            raise _exclusive()
        own = read_input(request.input, self._limits.string_length)
        check_choice(request.tool_choice, read_tools(request.tools), own)
        if request.model is not None:
            self._models.find(request.model)
        own, _ = await self._resolve(tenant, own, None)
        conversation_id = _named(request.conversation)
        if conversation_id is not None:
            await self._conversations.get(tenant, conversation_id)
        return build(await self._history(tenant, request.previous_response_id, conversation_id), own)

    # -- what the request says by itself ----------------------------------------------------------------------

    def _check(self, request: CreateResponse) -> None:
        if request.conversation is not None and request.previous_response_id is not None:
            raise _exclusive()
        has_state = request.conversation is not None or request.previous_response_id is not None
        if not request.input and not has_state:
            if request.input is None:
                raise missing("input")
            text = "One of 'input', 'previous_response_id' or 'conversation' must be provided."
            raise BadRequest(text, code="missing_required_parameter")
        if request.background and request.store is False:
            raise Unsupported("A background response must be stored; leave 'store' out.", param="background")
        if request.prompt is not None:
            name = request.prompt.get("id")
            if name is None:
                raise missing("prompt.id")
            raise NotFound(f"Prompt with id '{name}' not found: this server stores no prompts yet.")

    def _check_sizes(self, own: Sequence[Kept[Item]], tools: Sequence[Kept[Tool]]) -> None:
        if len(own) > self._limits.items:
            text = f"Invalid 'input': a request may have at most {self._limits.items} items."
            raise TooLarge(text, code="array_above_max_length", param="input")
        offered = offers(tools, own)
        if sum(len(tool.tools) if isinstance(tool, NamespaceTool) else 1 for tool in offered) > self._limits.tools:
            text = f"Invalid 'tools': a request may offer at most {self._limits.tools} tools."
            raise TooLarge(text, code="array_above_max_length", param="tools")

    # -- the state that it names ------------------------------------------------------------------------------

    async def _resolve(
        self, tenant: str, own: list[Kept[Item]], response_id: str | None
    ) -> tuple[list[Kept[Item]], list[ItemRow]]:
        """Put the items behind references in their place, and make the rows that store the input under `response_id`.

        Without an id nothing is stored, and there are no rows.
        """
        wanted = [item.view.id for item in own if type(item.view) is ItemReference]
        if not wanted:
            return own, [] if response_id is None else _rows(own, response_id)
        found = await self._responses.items(tenant, wanted)
        targets = {
            index: _target(found, item.view.id, index)
            for index, item in enumerate(own)
            if isinstance(item.view, ItemReference)
        }
        resolved = [reread(targets[index].body) if index in targets else item for index, item in enumerate(own)]
        return resolved, [] if response_id is None else _rows(own, response_id, targets)

    async def _conversation(self, tenant: str, given: str | ConversationRef | None) -> str | None:
        """Return the id of the request's conversation, made now when its client named a new one."""
        conversation_id = _named(given)
        if conversation_id is None:
            return None
        try:
            await self._conversations.get(tenant, conversation_id)
        except NotFound:
            new = self._client_ids and bool(_CLIENT_ID.match(conversation_id)) and not is_ours(conversation_id)
            if not new or await self._conversations.was_deleted(tenant, conversation_id):
                raise
            fresh = Conversation(id=conversation_id, created_at=self._now())
            await self._conversations.create(tenant, fresh, [])
        return conversation_id

    async def _history(self, tenant: str, previous: str | None, conversation_id: str | None) -> list[Kept[Item]]:
        if previous is not None:
            return [reread(item.body) for item in await self._chain(tenant, previous)]
        if conversation_id is not None:
            return [reread(item.body) for item in await self._conversations.history(tenant, conversation_id)]
        return []

    async def _chain(self, tenant: str, previous: str) -> list[FoundItem]:
        try:
            status, items = await self._responses.history(tenant, previous)
        except NotFound:
            text = f"Previous response with id '{previous}' not found."
            raise BadRequest(text, code="previous_response_not_found", param="previous_response_id") from None
        if status not in TERMINAL:
            text = f"Previous response with id '{previous}' is still {status}; wait for its end."
            raise BadRequest(text, code="previous_response_not_finished", param="previous_response_id")
        return items

    # -- what its model can do --------------------------------------------------------------------------------

    def _truncated(self, items: list[Kept[Item]], profile: Profile, own: int, notes: list[str]) -> list[Kept[Item]]:
        if profile.opaque_items:
            return items  # a Responses upstream truncates by itself
        if profile.context_window is None:
            notes.append("truncation: the model's context window is unknown, nothing was dropped")
            return items
        return window(items, profile.context_window, own)


def _check_capabilities(request: CreateResponse, profile: Profile) -> None:
    if profile.opaque_items:
        return
    for name in _RESPONSES_ONLY:
        if getattr(request, name):
            raise Unsupported(f"'{name}' is not available with this model's provider.", param=name)


def _exclusive() -> BadRequest:
    text = "Mutually exclusive parameters: 'conversation' and 'previous_response_id'; send only one of them."
    return BadRequest(text, code="mutually_exclusive_parameters")


def _named(given: str | ConversationRef | None) -> str | None:
    return given.id if isinstance(given, ConversationRef) else given


def _rows(own: list[Kept[Item]], response_id: str, targets: Mapping[int, FoundItem] = _NO_TARGETS) -> list[ItemRow]:
    """Return the rows of a response's input; an item behind a reference shares the bytes of its row."""
    return [
        ItemRow(target.id, None, same_as=target.row)
        if (target := targets.get(index))
        else ItemRow(identify(item, response_id, index), storable(item))
        for index, item in enumerate(own)
    ]


def _target(found: dict[str, FoundItem], identifier: str, index: int) -> FoundItem:
    try:
        return found[identifier]
    except KeyError:
        raise NotFound(f"Item with id '{identifier}' not found.", param=f"input[{index}].id") from None
