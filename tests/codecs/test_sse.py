"""The reader of server-sent events by itself."""

from hypothesis import given
from hypothesis import strategies as st

from antiphon.codecs import sse
from antiphon.codecs.sse import MAX_EVENT, Reader

PIECES = st.sampled_from(
    [
        *(b"data: a", b"data:b", b"data", b"\n", b"\r\n", b"\r", b"\n\n", b": c", b"\xef\xbb\xbf", "é".encode(), b"x"),
        *(b"event: e", b"event: e\ndata: f\n\n"),
    ]
)


def read(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    reader = Reader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close(), reader.is_too_large


@given(st.lists(PIECES).map(b"".join), st.data())
def test_any_cut_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(pieces) == read([stream])


def test_only_a_mark_at_the_very_start_is_dropped() -> None:
    mark = b"\xef\xbb\xbf"
    assert read([mark, b"data: 1\n\n" + mark + b"data: 2\n\ndata: 3\n\n"]) == ([b"1", b"3"], False)


def test_a_mark_that_never_gets_whole_is_text() -> None:
    assert read([b"\xef", b"\xbb", b"data: 1\n\ndata: 2\n\n"]) == ([b"2"], False)


def test_an_event_that_is_too_large_ends_the_stream_the_same_in_any_cut() -> None:
    """Reliability 3a: a size cap on events; what came before is still given."""
    stream = b"data: 1\n\ndata: " + b"x" * MAX_EVENT + b"\n\ndata: 2\n\n"
    steps = [stream[at : at + 65536] for at in range(0, len(stream), 65536)]
    assert read([stream]) == read(steps) == ([b"1"], True)


def test_many_small_lines_of_one_event_count_together() -> None:
    line = b"data: " + b"x" * 1000 + b"\n"
    too_many = MAX_EVENT // 1000
    assert read([line] * too_many)[1]
    assert not read([line + b"\n"] * too_many)[1]


def test_bytes_that_drip_are_joined_once() -> None:
    """A long line in tiny pieces must not be copied with each of them."""
    reader = Reader()
    reader.feed(b"d")
    for _ in range(50_000):
        assert reader.feed(b"data") == []
    assert reader._held_size == 200_001
    assert len(reader._held) > 1000


def test_the_limit_leaves_room_for_inline_images() -> None:
    assert sse.MAX_EVENT >= 4 * 1024 * 1024
