"""No test speaks with anything beyond this machine: what tries to, fails at once and says whom it wanted."""

import socket
from typing import Any

import pytest

_LOOPBACK = ("127.", "::1", "localhost")
_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


class NetworkIsOff(Exception):
    """A test wanted to speak with the world."""


def _check(family: int, address: Any) -> None:
    if family in {socket.AF_INET, socket.AF_INET6} and not str(address[0]).startswith(_LOOPBACK):
        raise NetworkIsOff(f"the network is off in tests: {address[0]}")


def connect(self: socket.socket, address: Any) -> None:
    _check(self.family, address)
    _connect(self, address)


def connect_ex(self: socket.socket, address: Any) -> int:
    _check(self.family, address)
    return _connect_ex(self, address)


def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if name and not name.startswith(_LOOPBACK):
        raise NetworkIsOff(f"the network is off in tests: {name}")
    return _getaddrinfo(host, *rest, **more)


@pytest.fixture(autouse=True, scope="session")
def _network_off() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield
