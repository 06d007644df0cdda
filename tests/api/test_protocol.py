"""The bytes of answers on the wire: how many writes they take, and that none is held back."""

import asyncio

import pytest

from antiphon.api.protocol import HeadWithBody

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire(asyncio.Transport):
    """Remembers what it is told to send."""

    def __init__(self) -> None:
        super().__init__({"peername": ("here", 1)})
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_a_head_goes_out_with_the_first_bytes_of_its_body(wire: Wire) -> None:
    transport = HeadWithBody(wire)
    transport.write(HEAD)
    assert wire.sent == []
    transport.write(b"{}")
    assert wire.sent == [HEAD + b"{}"]


def test_later_bytes_of_a_body_go_out_as_they_come(wire: Wire) -> None:
    transport = HeadWithBody(wire)
    for data in (HEAD, b"3\r\none\r\n", b"3\r\ntwo\r\n"):
        transport.write(data)
    assert wire.sent == [HEAD + b"3\r\none\r\n", b"3\r\ntwo\r\n"]


def test_a_body_that_looks_like_a_head_is_a_body(wire: Wire) -> None:
    transport = HeadWithBody(wire)
    transport.write(HEAD)
    transport.write(b"HTTP/1.1 200 OK")
    assert wire.sent == [HEAD + b"HTTP/1.1 200 OK"]


def test_an_interim_answer_is_not_held_back(wire: Wire) -> None:
    HeadWithBody(wire).write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert wire.sent == [b"HTTP/1.1 100 Continue\r\n\r\n"]


def test_a_head_without_a_body_goes_out_when_the_answer_is_complete(wire: Wire) -> None:
    transport = HeadWithBody(wire)
    transport.write(HEAD)
    transport.flush()
    transport.flush()
    assert wire.sent == [HEAD]


def test_closing_sends_what_was_kept(wire: Wire) -> None:
    transport = HeadWithBody(wire)
    transport.write(HEAD)
    transport.close()
    assert wire.sent == [HEAD]
    assert wire.closed


def test_it_tells_what_the_transport_below_tells(wire: Wire) -> None:
    assert HeadWithBody(wire).get_extra_info("peername") == ("here", 1)
