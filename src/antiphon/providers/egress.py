"""Which addresses a user's URL may lead to. Pure: it resolves and opens nothing.

A URL is read once, strictly, and what was read is what is connected to: no second parser ever sees it. A host that
looks like a number has to be a plain dotted quad, so that `127.1`, `0x7f000001` or `2130706433` never come as far as a
resolver that knows what they mean. Every address of a name is judged, and an address inside another (mapped, NAT64) is
judged as itself. What stands here is the whole list: nothing depends on what a Python version thinks is global.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from msgspec import Struct

from antiphon.errors import BadRequest

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_URL_LENGTH = 8192
"""Characters of a URL; signed addresses of object stores have up to about 4,000."""

_PORTS = frozenset({80, 443, 8080, 8443})
"""Ports of public addresses that are asked: those of web servers, so that no other protocol is spoken to."""

_FORBIDDEN_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; 0.0.0.0 is this machine
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT, and Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, and Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
"""IANA's registry of special-purpose IPv4 addresses, without those that are public servers."""

_PUBLIC_V6 = IPv6Network("2000::/3")
"""All that is handed out as public; loopback, unique-local, link-local, multicast and the rest lie outside."""

_FORBIDDEN_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries an IPv4 address of anyone's choice
        "3fff::/20",  # documentation
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: what a resolver answers for an IPv4-only name where there is only IPv6."""

_METADATA = frozenset(
    ip_address(text)
    for text in (
        "168.63.129.16",  # Azure's host, a public address
        "169.254.169.254",
        "169.254.170.2",  # AWS: credentials of tasks
        "169.254.170.23",  # AWS: credentials of pods
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS: credentials of pods
        "fd20:ce::254",  # Google
    )
)
"""Where clouds hand out credentials; a wide allow-list doesn't open them, only one that names the address itself."""

_METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
    }
)

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?\Z", re.IGNORECASE | re.ASCII)
_VISIBLE = re.compile(r"[\x21-\x5b\x5d-\x7e\xa0-\U0010ffff]+\Z")  # no control, no space, no backslash
_AUTHORITY = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:@%]+))(?::(?P<port>[0-9]{1,5})?)?\Z")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")  # a last label like this makes the host a number (WHATWG URL)


class Target(Struct, frozen=True, kw_only=True):
    """A URL, read: where to connect, and what to ask there."""

    secure: bool
    host: str
    """A name in lower case without its last dot, or an address as it is commonly written, without brackets."""
    port: int
    path: str
    """Path and query, all ASCII, beginning with a slash."""
    address: Address | None
    """The address that the host is, when it is no name."""

    @property
    def authority(self) -> str:
        """Host and port as a `Host` header has them."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address in its one plain spelling."""
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.path}"


def forbidden() -> BadRequest:
    """Return the error for an address that may not be fetched: the same, whether it is inside or doesn't exist."""
    return BadRequest(
        "This URL can't be fetched: its host is unknown, or is no public web server.", code="url_not_allowed"
    )


def read_url(url: str) -> Target:
    """Read an http or https URL. Raises BadRequest (`url_not_allowed`) for every spelling that is not plain."""
    match = _URL.match(url) if len(url) <= MAX_URL_LENGTH and _VISIBLE.match(url) else None
    if match is None:
        raise _odd("it has to be a plain http or https URL")
    secure, path = match[1].lower() == "https", match[3]
    if "@" in match[2]:
        raise _odd("credentials don't belong in it")
    parts = _AUTHORITY.match(match[2])
    if parts is None:
        raise _odd("its host can't be read")
    host, address = _host_six(parts["six"]) if parts["six"] else _host(parts["name"])
    port = int(parts["port"]) if parts["port"] else (443 if secure else 80)
    if not 0 < port < 65536:
        raise _odd("its port can't be read")
    path = _ascii(path if path.startswith("/") else f"/{path}")
    return Target(secure=secure, host=host, port=port, path=path, address=address)


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the public internet, and to no machine of ours or of our cloud."""
    address = carried(address)
    if address in _METADATA:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _FORBIDDEN_V4)
    if address.scope_id is not None:
        return False
    return address in _PUBLIC_V6 and not any(address in network for network in _FORBIDDEN_V6)


def carried(address: Address) -> Address:
    """Return the IPv4 address that a mapped or translated IPv6 address leads to, else the address itself."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


class Egress:
    """What may be connected to: public web servers, and the networks that the operator allows besides."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """Take networks such as `10.1.0.0/16`; any port of theirs may be asked. Raises ValueError."""
        self._allowed: Sequence[Network] = tuple(ip_network(text) for text in allowed)

    def read(self, url: str) -> Target:
        """Read a URL and judge what can be judged before its name is resolved. Raises BadRequest."""
        target = read_url(url)
        if target.host in _METADATA_NAMES or (target.address and not self.permits(target.address, target.port)):
            raise forbidden()
        return target

    def judge(self, answers: Sequence[str], port: int) -> list[str]:
        """Return the addresses of a name, all of which have to be permitted. Raises BadRequest.

        One that isn't condemns them all: a name that leads both outside and inside is made to.
        """
        try:
            addresses = [ip_address(answer) for answer in answers]
        except ValueError as exc:
            raise forbidden() from exc
        if not addresses or not all(self.permits(address, port) for address in addresses):
            raise forbidden()
        return [str(address) for address in dict.fromkeys(addresses)]

    def permits(self, address: Address, port: int) -> bool:
        """Say whether a connection may be opened."""
        return self._is_allowed(carried(address)) or (is_public(address) and port in _PORTS)

    def _is_allowed(self, address: Address) -> bool:
        named = [network for network in self._allowed if address in network]
        return any(network.num_addresses == 1 for network in named) if address in _METADATA else bool(named)


def _host(name: str) -> tuple[str, Address | None]:
    if not name.isascii():
        raise _odd("a host outside ASCII is written in its xn-- form")
    host = name.lower().removesuffix(".")
    labels = host.split(".")
    if _NUMBER.match(labels[-1]):
        try:
            return host, IPv4Address(host)  # takes no octal, no short and no hexadecimal form
        except ValueError:
            raise _odd("an IPv4 address is written as four decimal numbers") from None
    if len(host) > 253 or not all(_LABEL.match(label) for label in labels):
        raise _odd("its host can't be read")
    return host, None


def _host_six(text: str) -> tuple[str, Address]:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise _odd("its host can't be read") from None
    return str(address), address


def _ascii(path: str) -> str:
    """Return a path with what is not ASCII as percent signs."""
    return path if path.isascii() else "".join(c if c.isascii() else _percent(c) for c in path)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))


def _odd(why: str) -> BadRequest:
    return BadRequest(f"This URL can't be fetched: {why}.", code="url_not_allowed")
