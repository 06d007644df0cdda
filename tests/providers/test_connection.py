"""One connection, fed by hand: what the bytes of an answer mean, however they are cut and wherever they end."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from antiphon.errors import ProviderBroke
from antiphon.providers.connection import HIGH_WATER, MAX_HEAD_BYTES, Connection, Lost

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b;c\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"
AFTER_1XX = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + LENGTH
EVERY = pytest.mark.parametrize("answer", [LENGTH, CHUNKED, AFTER_1XX], ids=["length", "chunked", "1xx"])


class Wire(asyncio.Transport):
    """The peer's side of a connection: what was sent, and whether it is still read."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.unsent = 0
        self.reads = True
        self.aborted = False

    def write(self, data: Any) -> None:
        self.sent += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        assert not self.aborted
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.aborted
        self.reads = True

    def abort(self) -> None:
        self.aborted = True


def asked(request: bytes = b"GET / HTTP/1.1\r\n\r\n") -> tuple[Connection, Wire]:
    connection, wire = Connection(), Wire()
    connection.connection_made(wire)
    connection.ask(request)
    return connection, wire


def fed(*data: bytes) -> Connection:
    connection, _ = asked()
    for each in data:
        connection.data_received(each)
    return connection


def bytewise(data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


async def body_of(connection: Connection) -> bytes:
    """Read to the end, as an exchange does. Raises what ended the connection."""
    while not connection.has_head:
        await connection.wait()
    body = b""
    while True:
        while not connection.has_news:
            await connection.wait()
        if not (data := connection.take()):
            return body
        body += data


# -- whole answers --------------------------------------------------------------------------------------------


@EVERY
async def test_any_cut_of_the_bytes_gives_the_same_answer(answer: bytes) -> None:
    for cut in range(1, len(answer)):
        connection = fed(answer[:cut], answer[cut:])
        assert (connection.head.status, await body_of(connection)) == (200, b"hello")
        assert connection.is_reusable()
    connection = fed(*bytewise(answer))
    assert (connection.head.status, await body_of(connection)) == (200, b"hello")
    assert connection.is_reusable()


@EVERY
@pytest.mark.parametrize("reset", [None, ConnectionResetError()], ids=["closed", "reset"])
async def test_an_answer_is_whole_only_when_its_last_byte_came(answer: bytes, reset: Exception | None) -> None:
    for cut in range(1, len(answer)):
        connection = fed(answer[:cut])
        connection.connection_lost(reset)
        with pytest.raises(ProviderBroke, match="broke off"):
            await body_of(connection)
    connection = fed(answer)
    connection.connection_lost(reset)
    assert await body_of(connection) == b"hello"
    assert not connection.is_reusable()


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    head = UNTIL_CLOSE.index(b"hello")
    for cut in range(1, len(UNTIL_CLOSE) + 1):
        connection = fed(UNTIL_CLOSE[:cut])
        connection.connection_lost(None)
        if cut < head:
            with pytest.raises(ProviderBroke, match="broke off"):
                await body_of(connection)
        else:
            assert await body_of(connection) == UNTIL_CLOSE[head:cut]
            assert not connection.is_reusable()


async def test_a_body_without_a_length_is_not_whole_when_it_is_reset() -> None:
    connection = fed(UNTIL_CLOSE)
    connection.connection_lost(ConnectionResetError())
    with pytest.raises(ProviderBroke, match="broke off"):
        await body_of(connection)


async def test_a_connection_that_ends_before_a_byte_is_lost() -> None:
    connection = fed()
    connection.connection_lost(None)
    with pytest.raises(Lost):
        await body_of(connection)


async def test_a_connection_that_ended_before_its_request_is_lost() -> None:
    connection = Connection()
    connection.connection_made(Wire())
    connection.connection_lost(None)
    with pytest.raises(Lost):
        connection.ask(b"GET / HTTP/1.1\r\n\r\n")


async def test_whoever_waits_is_woken_by_the_end() -> None:
    connection = fed()
    waiting = asyncio.create_task(body_of(connection))
    await asyncio.sleep(0)
    connection.connection_lost(ConnectionResetError())
    with pytest.raises(Lost):
        await waiting


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_can_have_no_body_ends_with_its_head(status: int) -> None:
    connection = fed(b"HTTP/1.1 %d X\r\n\r\n" % status)
    assert (connection.head.status, await body_of(connection), connection.is_reusable()) == (status, b"", True)


async def test_the_next_answer_knows_nothing_of_the_last() -> None:
    connection = fed(b"HTTP/1.1 429 Busy\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\nno")
    assert await body_of(connection) == b"no"
    connection.rest(1.0)
    connection.ask(b"again")
    assert (connection.has_head, connection.is_complete) == (False, False)
    for answer in (CHUNKED, LENGTH):
        connection.data_received(answer)
        assert (connection.head.status, await body_of(connection)) == (200, b"hello")
        assert "retry-after" not in connection.head.fields
        connection.rest(1.0)
        connection.ask(b"again")


async def test_header_fields_may_be_empty_and_names_have_any_case() -> None:
    connection = fed(b"HTTP/1.1 200 OK\r\nA:\r\nRETRY-after:  7 \r\nB: \xfc\r\ncontent-LENGTH: 0\r\n\r\n")
    assert connection.head.fields == {"a": "", "retry-after": "7", "b": "ü", "content-length": "0"}


async def test_trailers_change_nothing() -> None:
    connection = fed(CHUNKED.replace(b"X-Sum: 1", b"Content-Type: text/event-stream\r\nContent-Encoding: gzip"))
    assert await body_of(connection) == b"hello"
    assert connection.head.fields == {"transfer-encoding": "chunked"}


# -- connections that are not used again ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["close", "1.0"],
)
async def test_a_peer_that_will_close_is_not_used_again(answer: bytes) -> None:
    connection = fed(answer)
    assert await body_of(connection) == b"hello"
    assert not connection.is_reusable()


@EVERY
@pytest.mark.parametrize("more", [LENGTH, b"HTTP/1.1 200 OK\r\n", b"x"], ids=["answer", "head", "junk"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_bytes_after_an_answer_belong_to_nobody(answer: bytes, more: bytes, at_once: bool) -> None:
    connection = fed(answer + more) if at_once else fed(answer, more)
    assert await body_of(connection) == b"hello"
    assert connection.head.status == 200
    assert not connection.is_reusable()


async def test_bytes_on_an_idle_connection_end_it() -> None:
    connection, wire = asked()
    connection.data_received(LENGTH)
    await body_of(connection)
    connection.rest(1.0)
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert connection.is_closed
    assert wire.aborted


async def test_an_answer_that_is_not_read_or_not_whole_keeps_no_connection() -> None:
    assert not fed(LENGTH).is_reusable()
    connection = fed(LENGTH[:-1])
    connection.take()
    assert not connection.is_reusable()


async def test_a_request_that_is_not_sent_yet_keeps_no_connection() -> None:
    connection, wire = asked()
    wire.unsent = 1
    connection.data_received(LENGTH)
    assert await body_of(connection) == b"hello"
    assert not connection.is_reusable()


# -- what is no answer ----------------------------------------------------------------------------------------

BAD = {
    "status line": b"ICY 200 OK\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "status": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "bare newline": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "huge length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nhello",
    "chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
    "chunk longer than its size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
    "other protocol": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello",
    "many fields": b"HTTP/1.1 200 OK\r\n" + b"X-Y: %b\r\n" % (b"z" * 1000) * 70 + b"Content-Length: 0\r\n\r\n",
    "one field": b"HTTP/1.1 200 OK\r\nX: " + b"z" * (MAX_HEAD_BYTES + 1) + b"\r\nContent-Length: 0\r\n\r\n",
    "many 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,
}


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize("bad", BAD)
async def test_what_is_no_http_is_refused(bad: str, size: int) -> None:
    connection, wire = asked()
    for at in range(0, len(BAD[bad]), size):
        if not wire.aborted:
            connection.data_received(BAD[bad][at : at + size])
    with pytest.raises(ProviderBroke, match="no HTTP that can be read"):
        await body_of(connection)
    assert wire.aborted
    assert not connection.is_reusable()


@pytest.mark.parametrize(
    "begin",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nX",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=",
    ],
    ids=["value", "name", "reason", "trailer", "extension"],
)
async def test_what_never_ends_is_not_collected(begin: bytes) -> None:
    connection, wire = asked()
    connection.data_received(begin)
    sent = 0
    while not wire.aborted and sent < 10 * MAX_HEAD_BYTES:
        connection.data_received(b"z" * 1000)
        sent += 1000
    assert sent <= MAX_HEAD_BYTES + 1000
    connection.take()
    with pytest.raises(ProviderBroke, match="no HTTP"):
        await connection.wait()


async def test_an_error_within_a_body_is_told_after_what_came_before_it() -> None:
    connection = fed(CHUNKED[: CHUNKED.index(b"3;a")] + b"zz\r\n")
    connection.connection_lost(None)
    assert connection.take() == b"he"
    with pytest.raises(ProviderBroke, match="no HTTP"):
        await connection.wait()


async def test_chunks_that_are_not_the_last_coding_do_not_tell_the_end() -> None:
    connection = fed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\nhello")
    connection.connection_lost(None)
    assert await body_of(connection) == b"hello"


# -- slow readers ---------------------------------------------------------------------------------------------


async def test_reading_stops_for_a_slow_reader_and_goes_on() -> None:
    connection, wire = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * HIGH_WATER))
    taken = 0
    for _ in range(2):
        while wire.reads:
            connection.data_received(b"x" * 65536)
        taken += (size := len(connection.take()))
        assert HIGH_WATER < size <= HIGH_WATER + 65536
        assert wire.reads


async def test_a_reader_may_take_what_came_before_the_end() -> None:
    connection, wire = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.data_received(b"%x\r\n%b\r\n" % (2 * HIGH_WATER, b"x" * 2 * HIGH_WATER))
    assert not wire.reads
    connection.connection_lost(ConnectionResetError())
    wire.aborted = True
    assert len(connection.take()) == 2 * HIGH_WATER
    with pytest.raises(ProviderBroke, match="broke off"):
        await connection.wait()


async def test_a_lot_of_nonsense_is_closed_not_paused() -> None:
    connection, wire = asked()
    many = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (
        2 * HIGH_WATER,
        b"x" * 2 * HIGH_WATER,
    )
    connection.data_received(many + b"zz\r\n")
    assert (wire.aborted, wire.reads) == (True, True)
    assert len(connection.take()) == 2 * HIGH_WATER
