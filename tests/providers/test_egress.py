"""Which URLs and addresses may be fetched: every spelling of a forbidden one is refused."""

import socket
from ipaddress import ip_address

import pytest

from antiphon.errors import BadRequest
from antiphon.providers.egress import Egress, is_public, read_url
from tests.providers.spellings import FORBIDDEN, INSIDE, LOOPBACK, METADATA

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111", "2a00::1"]
NAMES_OF_INSIDE = {
    "localhost": ["127.0.0.1", "::1"],
    "ip6-localhost": ["::1"],
    "localhost.localdomain": ["127.0.0.1"],
    "localtest.example": ["127.0.0.1"],
}


def ask(egress: Egress, url: str) -> None:
    """Judge a URL as the fetcher does, with names that lead inside. Raises BadRequest."""
    target = egress.read(url)
    if target.address is None:
        egress.judge(NAMES_OF_INSIDE.get(target.host, ["8.8.8.8"]), target.port)


# -- URLs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", FORBIDDEN, ids=repr)
def test_every_spelling_of_a_forbidden_address_is_refused(url: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        ask(Egress(), url)
    assert refusal.value.code == "url_not_allowed"


def test_there_are_more_than_sixty_spellings_and_none_twice() -> None:
    assert len(LOOPBACK) > 60
    assert len(set(FORBIDDEN)) == len(FORBIDDEN)


@pytest.mark.parametrize("url", [*LOOPBACK, *INSIDE, *METADATA], ids=repr)
def test_no_refusal_says_what_is_inside(url: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        ask(Egress(), url)
    assert "private" not in refusal.value.message
    assert "127.0.0.1" not in refusal.value.message
    assert "169.254" not in refusal.value.message


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("http://example.org", "example.org", 80, "/", "example.org"),
        ("https://example.org", "example.org", 443, "/", "example.org"),
        ("HTTPS://Example.ORG/A", "example.org", 443, "/A", "example.org"),
        ("https://example.org./a?b=c#d", "example.org", 443, "/a?b=c", "example.org"),
        ("https://example.org?b", "example.org", 443, "/?b", "example.org"),
        ("https://example.org#http://127.0.0.1", "example.org", 443, "/", "example.org"),
        ("https://example.org:443/", "example.org", 443, "/", "example.org"),
        ("https://example.org:/", "example.org", 443, "/", "example.org"),
        ("http://example.org:443/", "example.org", 443, "/", "example.org:443"),
        ("https://example.org:8443/", "example.org", 8443, "/", "example.org:8443"),
        ("https://my_bucket.s3.example.org/x", "my_bucket.s3.example.org", 443, "/x", "my_bucket.s3.example.org"),
        ("https://xn--exmple-cua.org/", "xn--exmple-cua.org", 443, "/", "xn--exmple-cua.org"),
        ("https://1.example/", "1.example", 443, "/", "1.example"),
        ("https://example.org/ä€?ö", "example.org", 443, "/%C3%A4%E2%82%AC?%C3%B6", "example.org"),
        (
            "https://example.org/a%20b/@c:d?e=http://127.0.0.1/",
            "example.org",
            443,
            "/a%20b/@c:d?e=http://127.0.0.1/",
            "example.org",
        ),
        ("https://8.8.8.8/x", "8.8.8.8", 443, "/x", "8.8.8.8"),
        ("https://[2606:4700:0::1111]/x", "2606:4700::1111", 443, "/x", "[2606:4700::1111]"),
        ("http://[2606:4700::1111]:8080/x", "2606:4700::1111", 8080, "/x", "[2606:4700::1111]:8080"),
    ],
)
def test_a_plain_url_is_read(url: str, host: str, port: int, path: str, authority: str) -> None:
    target = Egress().read(url)
    assert (target.host, target.port, target.path, target.authority) == (host, port, path, authority)
    assert read_url(target.url) == target


# -- addresses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_permitted(address: str) -> None:
    assert is_public(ip_address(address))
    assert Egress().judge([address], 443) == [address]


@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::"])
def test_an_ipv4_address_inside_an_ipv6_address_is_judged_as_itself(prefix: str) -> None:
    assert is_public(ip_address(f"{prefix}8.8.8.8"))
    assert not is_public(ip_address(f"{prefix}10.0.0.1"))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("0.0.0.0", "0.255.255.255"),
        ("10.0.0.0", "10.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("169.254.0.0", "169.254.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("224.0.0.0", "255.255.255.255"),
        ("::", "1fff:ffff::"),
        ("2001::", "2001:1ff:ffff::"),
        ("2002::", "2002:ffff::"),
        ("4000::", "ffff:ffff::"),
    ],
)
def test_a_forbidden_range_is_forbidden_to_its_ends(first: str, last: str) -> None:
    assert not is_public(ip_address(first))
    assert not is_public(ip_address(last))


def test_python_finds_nothing_private_in_what_is_public() -> None:
    """Two lists, one rule: what `ipaddress` calls not global is forbidden here."""
    for high in range(256):
        for low in (0, 1, 16, 18, 31, 51, 64, 100, 127, 168, 169, 254, 255):
            address = ip_address(f"{high}.{low}.0.1")
            assert address.is_global or not is_public(address)


def test_a_name_with_one_address_inside_is_refused_whole() -> None:
    for addresses in (["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1111", "::1"]):
        with pytest.raises(BadRequest):
            Egress().judge(addresses, 443)


@pytest.mark.parametrize("answers", [[], ["not an address"], ["fe80::1%eth0"], ["2606:4700::1111%eth0"], ["127.1"]])
def test_what_is_no_plain_public_address_is_refused(answers: list[str]) -> None:
    with pytest.raises(BadRequest):
        Egress().judge(answers, 443)


def test_a_name_that_leads_inside_and_one_that_does_not_exist_are_refused_alike() -> None:
    def refused(answers: list[str]) -> tuple[str, str | None]:
        with pytest.raises(BadRequest) as refusal:
            Egress().judge(answers, 443)
        return refusal.value.message, refusal.value.code

    assert refused([]) == refused(["10.0.0.1"]) == refused(["169.254.169.254"])


@pytest.mark.parametrize("port", [22, 25, 3306, 6379, 9200, 65535])
def test_a_public_address_is_asked_only_on_ports_of_web_servers(port: int) -> None:
    with pytest.raises(BadRequest):
        Egress().judge(["8.8.8.8"], port)
    with pytest.raises(BadRequest):
        Egress().read(f"http://8.8.8.8:{port}/")


# -- the operator's networks ----------------------------------------------------------------------------------


def test_an_allowed_network_is_open_on_every_port_and_no_other_is() -> None:
    egress = Egress(["10.1.0.0/16", "fd12::/16"])
    assert egress.judge(["10.1.2.3", "8.8.8.8"], 8080) == ["10.1.2.3", "8.8.8.8"]
    assert egress.read("http://10.1.2.3:9000/x").port == 9000
    assert egress.read("http://[fd12::5]:9000/x").port == 9000
    assert egress.read("http://[::ffff:10.1.2.3]/").host == "::ffff:a01:203"
    for url in ("http://10.2.0.1/", "http://127.0.0.1/", "http://[fd13::1]/"):
        with pytest.raises(BadRequest):
            egress.read(url)


def test_a_wide_allow_list_opens_no_metadata_service() -> None:
    egress = Egress(["0.0.0.0/0", "::/0"])
    egress.read("http://10.0.0.1/")
    for url in METADATA:
        with pytest.raises(BadRequest):
            ask(egress, url)


def test_a_metadata_service_is_open_when_it_is_named_itself() -> None:
    assert Egress(["169.254.169.254/32"]).read("http://169.254.169.254/x").path == "/x"


def test_a_network_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError):
        Egress(["10.0.0.1/8"])


def test_the_system_resolver_knows_spellings_that_we_refuse() -> None:
    """Why a host that looks like a number never comes as far as a resolver."""
    assert socket.inet_ntoa(socket.inet_aton("127.1")) == "127.0.0.1"
    assert socket.inet_ntoa(socket.inet_aton("0x7f000001")) == "127.0.0.1"
