"""Images and files that a turn only names, fetched for a model that doesn't fetch them itself.

What was fetched stands in the turn as if the client had sent it along: as a data URL, in the view of its item and in
the item's bytes. Items that name nothing are the same objects as before.
"""

import asyncio
import base64
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, cast
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from antiphon.errors import BadRequest, LimitReached, TooLarge
from antiphon.providers.fetching import Fetched, Fetcher
from antiphon.types.content import InputFile, InputImage, MessagePart, ToolOutputPart
from antiphon.types.items import CustomToolCallOutput, FunctionCallOutput, Item, Message
from antiphon.types.kept import Kept
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn

MAX_URLS = 50
"""Different URLs that one turn may name."""

MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_FILE_BYTES = 32 * 1024 * 1024
"""What providers take at most; smaller limits of single ones are theirs to tell."""

MAX_TOTAL_BYTES = 64 * 1024 * 1024
"""Bytes of everything that one turn names: as much as a request's body may have by default."""

AT_ONCE = 4
"""Fetches of one turn under way."""

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
FILES = ("application/pdf", "text/*", "application/json")

_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_PARTS = msgspec.json.Decoder(list[Raw])
_ELSEWHERE = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*:", re.IGNORECASE | re.ASCII)
"""A URL that is no matter of HTTP: data, or a provider's own storage."""

_ENDINGS = {"application/pdf": "pdf", "application/json": "json"}

_Part: TypeAlias = MessagePart | ToolOutputPart
_Field: TypeAlias = Literal["content", "output"]
_FIELD_OF: Mapping[type, _Field] = {
    Message: "content",
    FunctionCallOutput: "output",
    CustomToolCallOutput: "output",
}
"""The field in which an item has its parts."""


class _Place(Struct, frozen=True):
    """A part that names a URL."""

    item: int
    field: _Field
    part: int
    view: InputImage | InputFile
    url: str

    def path(self, turn: Turn) -> str:
        """Return the request's path of the URL."""
        name = "image_url" if isinstance(self.view, InputImage) else "file_url"
        return f"{turn.path(self.item)}.{self.field}[{self.part}].{name}"


def fetches(profile: Profile) -> bool:
    """Say whether anything is fetched for a model like this."""
    return bool(_wanted(profile))


async def materialise(turn: Turn, profile: Profile, fetcher: Fetcher) -> Turn:
    """Return the turn with every URL fetched that the model can't fetch itself; the turn itself if there is none.

    URLs that plainly have another scheme than http or https are left for the codec to judge, as are parts that the
    model doesn't take at all. The same URL is fetched once. Raises BadRequest with the path of a URL that failed, and
    LimitReached.
    """
    places = _places(turn, profile)
    if not places:
        return turn
    found = await _fetch_all(turn, places, fetcher)
    by_item: dict[int, list[_Place]] = {}
    for place in places:
        by_item.setdefault(place.item, []).append(place)
    items = list(turn.items)
    for index, named in by_item.items():
        items[index] = _rewritten(items[index], named, found)
    return replace(turn, items=items)


# -- what is named --------------------------------------------------------------------------------------------


def _wanted(profile: Profile) -> set[type]:
    """Return the kinds of parts whose URLs the model can't fetch itself."""
    wanted = set[type]()
    if profile.images and not profile.image_urls:
        wanted.add(InputImage)
    if (profile.files or profile.opaque_items) and not profile.file_urls:
        wanted.add(InputFile)
    return wanted


def _places(turn: Turn, profile: Profile) -> list[_Place]:
    wanted = _wanted(profile)
    found: list[_Place] = []
    for index, item in enumerate(turn.items) if wanted else ():
        field = _FIELD_OF.get(type(item.view))  # matching the classes costs eight times as much, on every turn
        if field is None:
            continue
        parts: object = getattr(item.view, field)
        if isinstance(parts, list):
            for number, part in enumerate(cast("list[_Part]", parts)):
                if type(part) in wanted and (url := _remote(part)) is not None:
                    found.append(_Place(index, field, number, cast("InputImage | InputFile", part), url))
    return found


def _remote(part: _Part) -> str | None:
    """Return the URL that an image or a file is to be fetched from."""
    url = None
    if isinstance(part, InputImage):
        url = part.image_url
    elif isinstance(part, InputFile) and part.file_data is None:
        url = part.file_url
    return url if url and not _ELSEWHERE.match(url) else None


# -- fetching -------------------------------------------------------------------------------------------------


async def _fetch_all(turn: Turn, places: Sequence[_Place], fetcher: Fetcher) -> Mapping[tuple[str, bool], Fetched]:
    """Return what was fetched by URL and whether it was wanted as an image."""
    firsts: dict[tuple[str, bool], _Place] = {}
    for place in places:
        firsts.setdefault(_key(place), place)
        if len(firsts) > MAX_URLS:
            text = f"A request may name at most {MAX_URLS} URLs to fetch for this model."
            raise BadRequest(text, code="too_many_urls", param=place.path(turn))
    turns = asyncio.Semaphore(AT_ONCE)
    failed: dict[_Place, BadRequest | LimitReached] = {}
    found: dict[tuple[str, bool], Fetched] = {}

    async def fetch(place: _Place) -> None:
        is_image = isinstance(place.view, InputImage)
        limit, kinds = (MAX_IMAGE_BYTES, IMAGES) if is_image else (MAX_FILE_BYTES, FILES)
        async with turns:
            if failed:
                return
            try:
                found[_key(place)] = await fetcher.fetch(place.url, limit_bytes=limit, kinds=kinds)
                if sum(len(each.data) for each in found.values()) > MAX_TOTAL_BYTES:
                    failed[place] = _too_much()
            except (BadRequest, LimitReached) as error:
                failed[place] = error

    async with asyncio.TaskGroup() as tasks:
        for place in firsts.values():
            tasks.create_task(fetch(place))
    for place in firsts.values():
        if (error := failed.get(place)) is not None:
            error.param = place.path(turn)
            raise error
    return found


def _key(place: _Place) -> tuple[str, bool]:
    return place.url, isinstance(place.view, InputImage)


def _too_much() -> TooLarge:
    text = f"The URLs of this request lead to more than {MAX_TOTAL_BYTES} bytes together, which is the limit."
    return TooLarge(text, code="file_too_large")


# -- putting it in its place ----------------------------------------------------------------------------------


def _rewritten(item: Kept[Item], places: Sequence[_Place], found: Mapping[tuple[str, bool], Fetched]) -> Kept[Item]:
    """Return an item whose parts carry what they named, in its view and in its bytes."""
    changes = {place.part: _changes(place, found[_key(place)]) for place in places}
    field = places[0].field
    fields = _FIELDS.decode(item.raw)
    parts = _PARTS.decode(fields[field])
    for number, changed in changes.items():
        part = {name: value for name, value in _FIELDS.decode(parts[number]).items() if name not in changed}
        parts[number] = _raw(part | {name: value for name, value in changed.items() if value is not None})
    fields[field] = _raw(parts)
    return Kept(_raw(fields), _with_parts(item.view, changes))


def _raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def _with_parts(view: Item | None, changes: Mapping[int, Mapping[str, str | None]]) -> Item | None:
    def changed(parts: Sequence[_Part]) -> list[_Part]:
        return [replace(part, **changes[n]) if n in changes else part for n, part in enumerate(parts)]

    if isinstance(view, Message) and isinstance(view.content, list):
        return replace(view, content=changed(view.content))
    if isinstance(view, FunctionCallOutput | CustomToolCallOutput) and isinstance(view.output, list):
        return replace(view, output=changed(view.output))
    return view


def _changes(place: _Place, fetched: Fetched) -> dict[str, str | None]:
    data = f"data:{fetched.media_type};base64,{base64.b64encode(fetched.data).decode('ascii')}"
    if isinstance(place.view, InputImage):
        return {"image_url": data}
    return {"file_url": None, "file_data": data, "filename": place.view.filename or _filename(place.url, fetched)}


def _filename(url: str, fetched: Fetched) -> str:
    """Return the name that a URL ends in, or one that tells the type: a file sent along needs a name."""
    name = posixpath.basename(unquote(urlsplit(url).path))
    if name and name.isprintable() and len(name) <= 200:
        return name
    return f"file.{_ENDINGS.get(fetched.media_type, 'txt')}"
