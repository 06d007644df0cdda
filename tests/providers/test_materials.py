"""Images and files of a turn, fetched for models that don't fetch them themselves."""

import asyncio
import base64
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from antiphon.codecs.anthropic import ANTHROPIC
from antiphon.codecs.chat import CHAT
from antiphon.codecs.gemini import GEMINI
from antiphon.codecs.responses import RESPONSES
from antiphon.errors import BadRequest, LimitReached
from antiphon.ports import Codec
from antiphon.providers import materials, profiles
from antiphon.providers.connection import Connection
from antiphon.providers.egress import Egress, Target
from antiphon.providers.fetching import Fetched, Fetcher
from antiphon.providers.materials import FILES, IMAGES, fetches, materialise
from antiphon.types.items import Message
from antiphon.types.profiles import Profile
from antiphon.types.turns import Turn
from tests.codecs.turns import a_turn, called, gave, said
from tests.providers.spellings import FORBIDDEN

NEITHER = Profile(files=True, image_urls=False, file_urls=False)
A = Fetched(b"\x89PNG", "image/png")
P = Fetched(b"%PDF-", "application/pdf")
T = Fetched("né".encode(), "text/plain")


def data_url(fetched: Fetched) -> str:
    return f"data:{fetched.media_type};base64,{base64.b64encode(fetched.data).decode()}"


def image(url: str | None = "https://x.example/a.png", **fields: Any) -> dict[str, Any]:
    return {"type": "input_image", "image_url": url, **fields}


def file(url: str | None = "https://x.example/a.pdf", **fields: Any) -> dict[str, Any]:
    return {"type": "input_file", "file_url": url, **fields}


class Shelf(Fetcher):
    """A fetcher that has it all already."""

    def __init__(self, known: Mapping[str, Fetched | BadRequest | LimitReached] | None = None) -> None:
        super().__init__(Egress())
        self.known = known
        self.asked: list[tuple[str, int, tuple[str, ...]]] = []
        self.under_way = 0
        self.most = 0

    async def fetch(self, url: str, *, limit_bytes: int, kinds: Collection[str]) -> Fetched:
        self.asked.append((url, limit_bytes, tuple(kinds)))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        found = (P if url.endswith("pdf") else A) if self.known is None else self.known[url]
        if isinstance(found, Exception):
            raise found
        return found


def raw_of(turn: Turn, index: int) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(bytes(turn.items[index].raw))
    return value


async def refusal(turn: Turn, fetcher: Fetcher, profile: Profile = NEITHER) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        await materialise(turn, profile, fetcher)
    return refused.value


# -- what changes ---------------------------------------------------------------------------------------------


async def test_an_image_of_a_message_is_sent_along() -> None:
    part = image(detail="high", of_tomorrow={"a": 1.50})
    turn = a_turn(
        said("Hi"), said([{"type": "input_text", "text": "see"}, part], status=None, extra=12345678901234567890)
    )
    made = await materialise(turn, NEITHER, Shelf())
    assert raw_of(made, 1) == {
        **raw_of(turn, 1),
        "content": [{"type": "input_text", "text": "see"}, {**part, "image_url": data_url(A)}],
    }
    view = made.items[1].view
    assert isinstance(view, Message)
    assert view.content[1].image_url == data_url(A)  # type: ignore[union-attr]
    assert view.content[1].detail == "high"  # type: ignore[union-attr]


async def test_numbers_and_unknown_fields_keep_their_bytes() -> None:
    item = b'{"role":"user", "x": 1.50, "content":[{"type":"input_image","y": 1e2,"image_url":"http://x.example/"}]}'
    made = await materialise(a_turn(item), NEITHER, Shelf())
    raw = bytes(made.items[0].raw)
    assert b'"x":1.50' in raw
    assert b'"y":1e2' in raw


async def test_a_file_of_a_message_is_sent_along_with_a_name() -> None:
    made = await materialise(a_turn(said([file(detail="high")])), NEITHER, Shelf())
    assert raw_of(made, 0)["content"] == [
        {"type": "input_file", "detail": "high", "file_data": data_url(P), "filename": "a.pdf"}
    ]
    view = made.items[0].view
    assert isinstance(view, Message)
    assert view.content[0].file_url is None  # type: ignore[union-attr]
    assert view.content[0].file_data == data_url(P)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("part", "fetched", "name"),
    [
        (file(filename="mine.pdf"), P, "mine.pdf"),
        (file("https://x.example/a%20b.pdf?c=d"), P, "a b.pdf"),
        (file("https://x.example/dir/"), P, "file.pdf"),
        (file("https://x.example"), T, "file.txt"),
        (file("https://x.example/%00"), T, "file.txt"),
        (file("https://x.example/" + "a" * 300), Fetched(b"{}", "application/json"), "file.json"),
    ],
)
async def test_a_file_is_named_by_the_client_or_its_url_or_its_type(
    part: dict[str, Any], fetched: Fetched, name: str
) -> None:
    made = await materialise(a_turn(said([part])), NEITHER, Shelf({part["file_url"]: fetched}))
    assert raw_of(made, 0)["content"][0]["filename"] == name


@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
async def test_images_and_files_of_a_tools_output_are_sent_along(kind: str) -> None:
    output = gave("c1", [{"type": "input_text", "text": "x"}, image(), file()], type=kind)
    made = await materialise(a_turn(called("c1"), output), NEITHER, Shelf())
    parts = raw_of(made, 1)["output"]
    assert [part["type"] for part in parts] == ["input_text", "input_image", "input_file"]
    assert parts[1]["image_url"] == data_url(A)
    assert parts[2]["file_data"] == data_url(P)
    view = made.items[1].view
    assert not isinstance(view, Message)
    assert view.output[1].image_url == data_url(A)  # type: ignore[union-attr, index]


async def test_what_names_nothing_is_the_same_object() -> None:
    turn = a_turn(said("Hi"), said([image()]), called("c1"), gave("c1"))
    made = await materialise(turn, NEITHER, Shelf())
    assert [a is b for a, b in zip(made.items, turn.items, strict=True)] == [True, False, True, True]
    assert (made.own, made.model, made.request) == (turn.own, turn.model, turn.request)


async def test_a_url_is_fetched_once() -> None:
    shelf = Shelf()
    turn = a_turn(said([image(), image()]), said([image()]), said([image("https://x.example/b")]))
    made = await materialise(turn, NEITHER, shelf)
    assert [url for url, *_ in shelf.asked] == ["https://x.example/a.png", "https://x.example/b"]
    assert [part["image_url"] for part in raw_of(made, 0)["content"]] == [data_url(A)] * 2
    assert raw_of(made, 1)["content"][0]["image_url"] == data_url(A)


async def test_an_image_and_a_file_are_asked_for_by_their_own_kinds_and_limits() -> None:
    shelf = Shelf()
    await materialise(a_turn(said([image(), file()])), NEITHER, shelf)
    assert shelf.asked == [
        ("https://x.example/a.png", materials.MAX_IMAGE_BYTES, IMAGES),
        ("https://x.example/a.pdf", materials.MAX_FILE_BYTES, FILES),
    ]


async def test_the_client_never_sees_what_was_fetched_in_its_own_turn() -> None:
    turn = a_turn(said([image(), file()]))
    before = bytes(turn.items[0].raw)
    await materialise(turn, NEITHER, Shelf())
    assert bytes(turn.items[0].raw) == before


# -- what stays -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "turn",
    [
        a_turn(said("http://x.example/a.png")),
        a_turn(said([{"type": "input_text", "text": "http://x.example/a.png"}])),
        a_turn(said([image(data_url(A)), image(None, file_id="file_1")])),
        a_turn(said([image("gs://bucket/a.png"), image("ftp://x.example/a.png"), image("")])),
        a_turn(said([file(None, file_data="eA=="), file(None, file_id="file_1"), file("gs://x/y")])),
        a_turn(said([file(file_data="eA==")])),
        a_turn(called("c1"), gave("c1", "http://x.example"), gave("c1", {"image_url": "http://x.example"})),
        a_turn({"type": "computer_call_output", "output": {"image_url": "http://x.example"}}),
    ],
)
async def test_a_turn_that_names_nothing_to_fetch_is_the_same_object(turn: Turn) -> None:
    shelf = Shelf()
    assert await materialise(turn, NEITHER, shelf) is turn
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("profile", "fetched"),
    [
        (Profile(files=True, image_urls=True, file_urls=True), []),
        (Profile(files=True, image_urls=False, file_urls=True), ["a.png"]),
        (Profile(files=True, image_urls=True, file_urls=False), ["a.pdf"]),
        (Profile(files=True, image_urls=False, file_urls=False), ["a.png", "a.pdf"]),
        (Profile(files=False, images=False, image_urls=False, file_urls=False), []),
        (Profile(opaque_items=True, file_urls=False), ["a.pdf"]),
        (profiles.CHAT, []),
        (profiles.ANTHROPIC, []),
        (profiles.GEMINI, ["a.png", "a.pdf"]),
    ],
)
async def test_only_what_the_model_takes_and_cannot_fetch_is_fetched(profile: Profile, fetched: list[str]) -> None:
    shelf = Shelf()
    await materialise(a_turn(said([image(), file()])), profile, shelf)
    assert [url.removeprefix("https://x.example/") for url, *_ in shelf.asked] == fetched
    assert fetches(profile) is bool(fetched)


# -- what fails -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([said([image("http://bad.example/")])], "input[0].content[0].image_url"),
        (
            [said("Hi"), said([{"type": "input_text", "text": "x"}, file("http://bad.example/")])],
            "input[1].content[1].file_url",
        ),
        ([called("c"), gave("c", [image("http://bad.example/")])], "input[1].output[0].image_url"),
        (
            [said([image("http://good.example/"), image("http://bad.example/"), image("http://bad.example/")])],
            "input[0].content[1].image_url",
        ),
    ],
)
async def test_a_failure_names_the_place_of_its_url(items: Sequence[dict[str, Any]], param: str) -> None:
    shelf = Shelf({"http://bad.example/": BadRequest("no", code="url_unreachable"), "http://good.example/": A})
    error = await refusal(a_turn(*items), shelf)
    assert (error.param, error.code) == (param, "url_unreachable")


async def test_a_failure_in_history_names_the_input() -> None:
    shelf = Shelf({"http://bad.example/": BadRequest("no")})
    error = await refusal(a_turn(said([image("http://bad.example/")]), said("Hi"), own=1), shelf)
    assert error.param == "input.content[0].image_url"


async def test_a_full_server_is_told_as_such() -> None:
    shelf = Shelf({"http://x.example/": LimitReached("later", retry_after=1)})
    with pytest.raises(LimitReached):
        await materialise(a_turn(said([image("http://x.example/")])), NEITHER, shelf)


async def test_a_turn_names_a_bounded_number_of_urls() -> None:
    shelf = Shelf()
    many = [image(f"http://x.example/{n}") for n in range(materials.MAX_URLS)]
    await materialise(a_turn(said([*many, *many])), NEITHER, shelf)
    assert len(shelf.asked) == materials.MAX_URLS
    error = await refusal(a_turn(said([*many, image("http://x.example/more")])), Shelf())
    assert (error.code, error.param) == ("too_many_urls", "input[0].content[50].image_url")


async def test_only_some_are_fetched_at_once() -> None:
    shelf = Shelf()
    await materialise(a_turn(said([image(f"http://x.example/{n}") for n in range(20)])), NEITHER, shelf)
    assert shelf.most == materials.AT_ONCE


async def test_a_turn_brings_a_bounded_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materials, "MAX_TOTAL_BYTES", 10)
    turn = a_turn(said([image(f"http://x.example/{n}") for n in range(2)]))
    assert await materialise(turn, NEITHER, Shelf()) is not turn
    error = await refusal(a_turn(said([image(f"http://x.example/{n}") for n in range(3)])), Shelf())
    assert (error.code, error.http_status, error.param) == ("file_too_large", 413, "input[0].content[2].image_url")


async def test_nothing_more_is_fetched_after_a_failure() -> None:
    shelf = Shelf({f"http://x.example/{n}": BadRequest("no") for n in range(20)})
    await refusal(a_turn(said([image(f"http://x.example/{n}") for n in range(20)])), shelf)
    assert len(shelf.asked) == materials.AT_ONCE


# -- every field of every forbidden spelling ------------------------------------------------------------------


class Watched(Fetcher):
    """A fetcher whose names all lead inside, and that counts what it would open."""

    def __init__(self) -> None:
        super().__init__(Egress(), resolve=self.resolve)
        self.opened = 0

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        return ["169.254.169.254"]

    async def _connect_to(self, address: str, target: Target) -> Connection:
        self.opened += 1
        raise OSError


LEFT_TO_THE_CODEC = {
    url for url in FORBIDDEN if not url or re.match("(ftp|file|gopher|dict|data|javascript|unix|jar|url):", url)
}
FIELDS = {
    "content[0].image_url": lambda url: said([image(url)]),
    "content[0].file_url": lambda url: said([file(url)]),
    "output[0].image_url": lambda url: gave("c", [image(url)]),
    "output[0].file_url": lambda url: gave("c", [file(url)]),
}


@pytest.mark.parametrize("field", FIELDS)
async def test_no_field_leads_to_a_forbidden_address_however_it_is_spelled(field: str) -> None:
    fetcher = Watched()
    for url in FORBIDDEN:
        turn = a_turn(called("c"), FIELDS[field](url))
        if url in LEFT_TO_THE_CODEC:
            assert await materialise(turn, NEITHER, fetcher) is turn
        else:
            error = await refusal(turn, fetcher)
            assert (error.code, error.param) == ("url_not_allowed", f"input[1].{field}")
    assert fetcher.opened == 0


# -- what the codecs make of it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "codec", [CHAT, RESPONSES, ANTHROPIC, GEMINI], ids=["chat", "responses", "anthropic", "gemini"]
)
@pytest.mark.parametrize("fetched", [P, T, Fetched(b"a,b", "text/csv"), Fetched(b"{}", "application/json")], ids=repr)
async def test_every_codec_sends_what_was_fetched(codec: Codec, fetched: Fetched) -> None:
    turn = a_turn(said([image(), file("https://x.example/dir/")]))
    shelf = Shelf({"https://x.example/a.png": A, "https://x.example/dir/": fetched})
    sent = codec.encode(await materialise(turn, NEITHER, shelf), NEITHER).body.decode()
    assert "x.example" not in sent
    assert base64.b64encode(A.data).decode() in sent
    assert base64.b64encode(fetched.data).decode() in sent or fetched.data.decode() in sent
