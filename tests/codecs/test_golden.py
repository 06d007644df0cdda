"""Every golden file, whole, in every cut, and in the disguises that servers send it in."""

import json
from collections.abc import Callable, Iterable

import pytest

from antiphon.codecs.sse import MAX_EVENT
from antiphon.engine.draft import first_snapshot
from antiphon.engine.emitter import Emitter
from antiphon.types.chunks import Chunk, Stop
from antiphon.types.responses import CreateResponse
from tests.codecs.cases import CODECS, Golden, Told, chunks_of, failure_of, goldens, parse, tell

STREAMS = goldens(".sse")
SPLIT = b"\n\n"


def told_by(golden: Golden, pieces: Iterable[bytes]) -> Told:
    return tell(golden.parser(), pieces)


def heard(golden: Golden, pieces: Iterable[bytes]) -> tuple[list[Chunk], object]:
    """Return chunks and failure as they are: comparing those is much faster than telling them."""
    parser = golden.parser()
    return chunks_of(parser, pieces), failure_of(parser.failure)


def single_bytes(data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


@pytest.mark.parametrize("golden", goldens(), ids=str)
def test_an_answer_says_what_is_written_beside_it(golden: Golden) -> None:
    assert told_by(golden, [golden.data]) == golden.told


@pytest.mark.parametrize("golden", goldens(), ids=str)
def test_any_cut_of_the_bytes_gives_the_same_chunks(golden: Golden) -> None:
    data = golden.data
    whole = heard(golden, [data])
    assert heard(golden, single_bytes(data)) == whole
    for cut in range(1, len(data)):
        assert heard(golden, [data[:cut], data[cut:]]) == whole, data[:cut][-40:]


@pytest.mark.parametrize("golden", goldens(), ids=str)
def test_no_beginning_of_an_answer_is_completed(golden: Golden) -> None:
    """R2: without its end an answer is a failure, however politely the connection closes."""
    data = golden.data
    for cut in range(end_of(golden)):
        parser = golden.parser()
        said = chunks_of(parser, [data[:cut]])
        assert parser.failure is not None, data[:cut][-60:]
        assert not any(isinstance(chunk, Stop) for chunk in said)


def end_of(golden: Golden) -> int:
    """Return how many bytes it takes until the end of an answer has been said."""
    data = golden.data
    if not golden.streamed:
        return len(data.rstrip())
    place = 0
    for line in data.splitlines(keepends=True):
        place += len(line)
        if line.startswith(b"data: {") and ends_an_answer(json.loads(line[6:])):
            return place - (len(line) - len(line.rstrip()))
    return len(data)


def ends_an_answer(event: dict[str, object]) -> bool:
    choices = event.get("choices")
    if isinstance(choices, list):
        return any(choice.get("finish_reason") for choice in choices)
    candidates = event.get("candidates")
    if isinstance(candidates, list):
        return any(candidate.get("finishReason") for candidate in candidates)
    return str(event.get("type")) in {"response.completed", "response.incomplete", "message_stop"}


DISGUISES: dict[str, Callable[[bytes], bytes]] = {
    "CRLF": lambda data: plain(data).replace(b"\n", b"\r\n"),
    "CR": lambda data: plain(data).replace(b"\n", b"\r"),
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "comments": lambda data: b": ping\n" + plain(data).replace(SPLIT, b"\n\n: OPENROUTER PROCESSING\n\n:\n"),
    "no space after the colon": lambda data: data.replace(b"data: ", b"data:"),
    "ids and retries": lambda data: b"retry: 10\nid: 1\n\n" + plain(data).replace(b"data: ", b"id: 7\ndata: "),
    "data in several lines": lambda data: data.replace(b',"', b',\ndata: "'),
    "empty events": lambda data: plain(data).replace(SPLIT, b'\n\ndata:\n\nevent: ping\n\ndata: ""\n\n'),
    "no last blank line": lambda data: data.rstrip(),
    "[DONE] missing": lambda data: data.replace(b"data: [DONE]", b""),
    "[DONE] twice": lambda data: data + b"data: [DONE]\n\ndata: [DONE]\n\n",
    "[DONE] with trailing bytes": lambda data: data.replace(b"[DONE]", b"[DONE] \x00"),
}


def plain(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("golden", STREAMS, ids=str)
def test_a_stream_is_read_as_the_standard_says(golden: Golden, disguise: str) -> None:
    """A1 cases 17-19 and 21: line ends, marks, comments, keep-alives, split data, endings."""
    data = DISGUISES[disguise](golden.data)
    assert told_by(golden, [data]) == golden.told
    assert told_by(golden, single_bytes(data)) == golden.told


@pytest.mark.parametrize("golden", STREAMS, ids=str)
def test_what_comes_after_the_end_is_not_heard(golden: Golden) -> None:
    """A1 case 21: bytes behind the end of a stream that said so itself."""
    ends = (b"data: [DONE]", b'"type":"response.completed"', b'"type":"message_stop"')
    says_so = any(end in golden.data for end in ends)
    if golden.told[1] is None and says_so:
        assert told_by(golden, [golden.data + b"\0\xff junk\n\ndata: {broken\n\n"]) == golden.told


@pytest.mark.parametrize("golden", goldens(), ids=str)
def test_the_emitter_makes_a_response_of_it(golden: Golden) -> None:
    request = CreateResponse(model="m")
    draft = Emitter(first_snapshot(request, response_id="resp_1", created_at=1, conversation_id=None, tools=[]))
    parser = golden.parser()
    draft.add(chunks_of(parser, [golden.data]))
    if parser.failure is not None:
        draft.fail(parser.failure)
        assert draft.response.status == "failed"
    else:
        assert draft.stop is not None
        draft.finish(now=2)
        assert draft.response.status == draft.stop.status


@pytest.mark.parametrize("golden", goldens(), ids=str)
def test_a_golden_file_says_where_it_comes_from(golden: Golden) -> None:
    first = golden.data.splitlines()[0].decode()
    origin = first.removeprefix(": ") if golden.streamed else golden.expectation["from"]
    assert not golden.streamed or first.startswith(": ")
    assert len(origin) > 20


@pytest.mark.parametrize("golden", STREAMS, ids=str)
def test_an_event_that_is_too_large_ends_an_answer_that_is_not_over(golden: Golden) -> None:
    """Reliability 3a: size caps; what came before is kept."""
    large = b"data: " + b"x" * MAX_EVENT
    told, failure = told_by(golden, [golden.data[: end_of(golden) - 1] + b"\n\n", large])
    assert failure is not None
    assert told == golden.told[0][: len(told)]
    if b"data: [DONE]" in golden.data:
        assert told_by(golden, [golden.data, large]) == golden.told


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_that_is_nested_too_deep_is_a_failure(name: str, streamed: bool) -> None:
    deep = b'{"type":"response.completed","response":' * streamed + b'{"error":' + b"[" * 100_000
    told, failure = parse(CODECS[name], b"data: " * streamed + deep + b"\n\n", streamed=streamed)
    assert told == []
    assert "can't be read" in failure["message"]
