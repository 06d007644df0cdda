"""What the inside needs of the world, as Protocols.

Everything here is implemented once or more behind it (`providers`, `store`, …) and chosen in `wiring.py`.
Each method that takes a tenant sees that tenant's things alone: another's id is `NotFound`.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from antiphon.errors import ProviderError
from antiphon.types.chunks import Chunk
from antiphon.types.conversations import Conversation
from antiphon.types.health import ProviderHealth
from antiphon.types.models import ListedModel, ModelCard
from antiphon.types.profiles import Profile
from antiphon.types.responses import Response, ResponseStatus
from antiphon.types.turns import Turn, UpstreamRequest

# -- codecs ---------------------------------------------------------------------------------------------------


class Parser(Protocol):
    """One upstream answer, as it arrives."""

    failure: ProviderError | None
    """Set when the upstream reported a failure of its own, sent what can't be read, or never ended its turn.

    It is a field, not an exception, because chunks of the same read may come before it.
    """

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the chunks completed by `data`; any cut of the bytes gives the same chunks."""
        ...

    def close(self) -> list[Chunk]:
        """No more bytes: return what was held back. A turn without its end becomes `failure`."""
        ...


class Codec(Protocol):
    """One upstream wire format. No IO, no clock, no ids of our own."""

    models_path: str
    """Where its servers list their models, all of them at once."""

    def encode(self, turn: Turn, profile: Profile) -> UpstreamRequest:
        """Return path and body. Raises BadRequest or Unsupported with the request's `param`."""
        ...

    def parser(self, sent: UpstreamRequest, profile: Profile, *, streamed: bool) -> Parser:
        """Return a parser for the answer to `sent`: an event stream, or one JSON document."""
        ...

    def refusal(self, status: int, body: bytes, retry_after: float | None) -> ProviderError:
        """Return the error for an answer whose status is not 200."""
        ...

    def listing(self, body: bytes) -> Sequence[ListedModel]:
        """Return the models of the answer to `GET` of `models_path`. Raises ProviderBroke."""
        ...


# -- models ---------------------------------------------------------------------------------------------------


class Model(Protocol):
    """A model at a provider, ready to be asked."""

    @property
    def name(self) -> str:
        """The provider's own name for it, as turns carry it."""
        ...

    @property
    def profile(self) -> Profile:
        """What it can do."""
        ...

    def stream(self, turn: Turn, notes: list[str]) -> AsyncGenerator[list[Chunk], None]:
        """Ask, and yield the chunks of each network read; the last one is `Stop`.

        What was left out or changed on the way is appended to `notes` before the first yield. An error
        before the first yield means that nothing of an answer came. Raises ProviderError.
        """
        ...


class Models(Protocol):
    """The models that a request can name."""

    def find(self, name: str) -> Model:
        """Return the model. Raises BadRequest (`model_not_found`, param `model`)."""
        ...

    def cards(self) -> Sequence[ModelCard]:
        """Return every model known by name, in a stable order."""
        ...

    def health(self) -> Sequence[ProviderHealth]:
        """Return how each provider is now, without asking it."""
        ...


# -- seals ----------------------------------------------------------------------------------------------------

Unopened: TypeAlias = Literal["foreign", "other", "unknown_key", "broken", "too_large"]
"""Why a state stays closed: nobody here sealed it, it is bound to another provider or model, its key isn't known, it
is not as it was sealed (or not this tenant's), or it was too large to be kept."""


class CannotOpen(Exception):
    """A state that can't be had; nothing that a caller meets: what becomes of the item is told in a note."""

    def __init__(self, reason: Unopened) -> None:
        super().__init__(reason)
        self.reason: Unopened = reason


class Seals(Protocol):
    """Keeps providers' reasoning state from everyone but the tenant, the provider and the models that it belongs to.

    `bound_to` names the last two, as `provider/family`.
    """

    def seal(self, tenant: str, bound_to: str, state: str) -> str:
        """Return the state as text that tells nothing."""
        ...

    def open(self, tenant: str, bound_to: str, sealed: str) -> str:
        """Return the state, the same to the byte. Raises CannotOpen, and nothing else whatever `sealed` is."""
        ...


# -- the store ------------------------------------------------------------------------------------------------


class ItemRow(Struct, frozen=True, gc=False):
    """An item as stored: its bytes, or the row (`same_as`) whose bytes it shares.

    A row that was deleted since it was read, or is another tenant's, has no bytes to share: such an item is
    left out without an error. Deletion wins over a run that was already under way.
    """

    id: str
    body: bytes | None
    same_as: int | None = None


class FoundItem(Struct, frozen=True, gc=False):
    """An item as read. `row` is what another ItemRow may name in `same_as`; rows grow with time."""

    row: int
    id: str
    body: bytes


class ListQuery(Struct, frozen=True, kw_only=True):
    """A page of a list: at most `limit` objects after (and before) an id of it.

    `before` alone asks for the page that ends there, and "more" then lies on its far side. A list of items
    shows an id once, where it stands last, so that a cursor names one place. An `after` or `before` that names
    nothing in the list raises NotFound with that param; a response is in every list, whatever its filter.
    """

    limit: int = 20
    ascending: bool = False
    after: str | None = None
    before: str | None = None


class ResponseFilter(Struct, frozen=True, kw_only=True):
    """What a list of responses is narrowed to."""

    status: ResponseStatus | None = None
    model: str | None = None
    conversation: str | None = None


class Finished(Struct, frozen=True, kw_only=True):
    """What a run leaves behind when it ends.

    `response` is the final snapshot, its `output` empty: the items stand in `outputs`. `keep` is the
    response's `store`; `join` says whether the turn enters `response.conversation`.
    """

    tenant: str
    response: Response
    inputs: Sequence[ItemRow]
    outputs: Sequence[ItemRow]
    keep: bool = True
    join: bool = False


class Responses(Protocol):
    """Responses and their items.

    A response's items are its own input, then its output; what came before is reached over
    `previous_response_id`. A deleted response is gone for every method here, yet its items stay readable as
    history of the responses that continue it, until the last of those is deleted too.
    """

    async def accept(self, tenant: str, response: Response, inputs: Sequence[ItemRow]) -> None:
        """Write a response that is not terminal yet, and its input, in one transaction."""
        ...

    async def update(self, tenant: str, response: Response) -> bool:
        """Replace the snapshot of an accepted response that is not terminal; False when it is, or is gone."""
        ...

    async def finish(self, end: Finished) -> bool:
        """Write the end of a run in one transaction: response, items, and its turn in the conversation.

        An accepted response keeps the input written then. False, and nothing written, when the stored one is
        terminal already or deleted: the first end counts.
        """
        ...

    async def get(self, tenant: str, response_id: str) -> Response:
        """Return the response with its output items. Raises NotFound."""
        ...

    async def history(self, tenant: str, response_id: str) -> tuple[ResponseStatus, list[FoundItem]]:
        """Return the status of a response and every item of its chain, oldest first, its own output last.

        One query, whatever the length of the chain. Raises NotFound.
        """
        ...

    async def items(self, tenant: str, ids: Sequence[str]) -> dict[str, FoundItem]:
        """Return the newest item of each id, of any response or conversation of the tenant; unknown ids are absent.

        Items that only a deleted response holds are unknown, though responses that continue it still read them.
        """
        ...

    async def input_items(self, tenant: str, response_id: str, page: ListQuery) -> tuple[list[FoundItem], bool]:
        """Return a page of the chain's items before this response's own output, and whether more follow."""
        ...

    async def page(self, tenant: str, narrow: ResponseFilter, page: ListQuery) -> tuple[list[Response], bool]:
        """Return a page of responses by age, without their output, and whether more follow."""
        ...

    async def delete(self, tenant: str, response_id: str, *, is_continued: bool = False) -> None:
        """Delete a response. Raises NotFound, also the second time.

        `is_continued` says that a run which isn't stored yet continues it: its items stay as that run's history.
        """
        ...

    async def unfinished(self) -> list[tuple[str, Response]]:
        """Return tenant and snapshot of every response that is not terminal."""
        ...


class Conversations(Protocol):
    """Conversations and their items, oldest first."""

    async def create(self, tenant: str, conversation: Conversation, items: Sequence[ItemRow]) -> None:
        """Write a conversation. Raises BadRequest when the id is taken or was deleted."""
        ...

    async def get(self, tenant: str, conversation_id: str) -> Conversation:
        """Return it. Raises NotFound."""
        ...

    async def update(self, tenant: str, conversation_id: str, metadata: dict[str, str]) -> Conversation:
        """Replace the metadata and return the conversation. Raises NotFound."""
        ...

    async def delete(self, tenant: str, conversation_id: str) -> None:
        """Delete it; responses made in it keep their own items. Raises NotFound."""
        ...

    async def history(self, tenant: str, conversation_id: str) -> list[FoundItem]:
        """Return every item, oldest first, in one query. Raises NotFound."""
        ...

    async def items(self, tenant: str, conversation_id: str, page: ListQuery) -> tuple[list[FoundItem], bool]:
        """Return a page of items and whether more follow. Raises NotFound."""
        ...

    async def item(self, tenant: str, conversation_id: str, item_id: str) -> FoundItem:
        """Return the newest item of an id. Raises NotFound."""
        ...

    async def add(self, tenant: str, conversation_id: str, items: Sequence[ItemRow]) -> None:
        """Append items in one transaction. Raises NotFound."""
        ...

    async def remove(self, tenant: str, conversation_id: str, item_id: str) -> Conversation:
        """Take the items of one id out and return the conversation. Raises NotFound."""
        ...

    async def was_deleted(self, tenant: str, conversation_id: str) -> bool:
        """Say whether a conversation of this id existed and was deleted."""
        ...


class KeyRow(Struct, frozen=True, kw_only=True):
    """An API key as stored: never the key itself."""

    id: str
    tenant: str
    name: str
    prefix: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None


class Keys(Protocol):
    """API keys, known by the SHA-256 of the whole key."""

    async def add(self, key: KeyRow, digest: bytes) -> None:
        """Write a key."""
        ...

    async def tenant(self, digest: bytes, now: int) -> str | None:
        """Return the tenant of a key that is neither revoked nor expired at `now` (Unix seconds)."""
        ...

    async def all(self) -> list[KeyRow]:
        """Return every key, oldest first."""
        ...

    async def revoke(self, key_id: str, now: int) -> KeyRow:
        """Revoke by id. Raises NotFound; twice is harmless."""
        ...


class Store(Protocol):
    """The durable side: three groups of objects over one database."""

    responses: Responses
    conversations: Conversations
    keys: Keys

    async def check(self) -> None:
        """Write and read a trifle. Raises StoreUnavailable."""
        ...

    def close(self) -> None:
        """Finish what was handed over and let the database go."""
        ...
