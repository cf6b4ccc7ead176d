"""A client's address is believed through trusted proxies only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.request.clients import (
    client_address,
    in_networks,
    parse_address,
    parse_network,
    parse_networks,
)

TRUSTED = parse_networks("127.0.0.1, 10.0.0.0/8, fd00::/8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        (" 10.0.0.1 ", "10.0.0.1"),
        ("10.0.0.1:5000", "10.0.0.1"),
        ("[::1]:5000", "::1"),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1"),
    ],
)
def test_reads_addresses_as_they_occur(text: str, expected: str) -> None:
    """Ports, brackets, quotes and zones are left off; an IPv4 address within IPv6 is the IPv4 address."""
    assert str(parse_address(text)) == expected


@pytest.mark.parametrize("text", ["", "unknown", "_hidden", "10.0.0", "1.2.3.4.5", "::g", "localhost"])
def test_what_is_no_address_is_none(text: str) -> None:
    """`unknown` and obfuscated names, which RFC 7239 allows in forwarding headers, are no addresses."""
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("network", "address", "inside"),
    [
        ("10.0.1.100", "10.0.1.100", True),
        ("10.0.1.100", "10.0.1.101", False),
        ("10.0.1.0/24", "10.0.1.7", True),
        ("10.0.1.7/24", "10.0.1.200", True),
        ("10.0.1.0/24", "10.0.2.7", False),
        ("10.0.1.0/24", "::ffff:10.0.1.7", True),
        ("::ffff:10.0.1.0/120", "10.0.1.7", True),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "10.0.0.1", False),
        ("0.0.0.0/0", "::1", False),
        ("::1", "::1", True),
    ],
)
def test_networks_hold_addresses_of_their_version(network: str, address: str, inside: bool) -> None:
    """Addresses and ranges of IPv4 and IPv6; mapped addresses count as IPv4 on both sides."""
    assert in_networks(parse_address(address), [parse_network(network)]) is inside


def test_no_address_lies_in_no_network() -> None:
    """An unknown client is in no range, not even in the one of all addresses."""
    assert not in_networks(None, [parse_network("0.0.0.0/0"), parse_network("::/0")])


def test_a_bad_entry_of_a_list_is_named() -> None:
    """The message says which entry of TRUSTED_PROXIES is wrong, and what an entry looks like."""
    with pytest.raises(ValueError, match=r"'10.0.0.0/33'.*10\.0\.1\.0/24"):
        parse_networks("127.0.0.1, 10.0.0.0/33")
    assert parse_networks(" , ") == ()


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", ["1.1.1.1"], "203.0.113.9"),  # an untrusted peer may write what it likes
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),  # the client forged the left one
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9", "10.0.0.3, 10.0.0.2"], "203.0.113.9"),  # several headers are one list
        ("10.0.0.1", ["10.0.0.7"], "10.0.0.7"),  # trusted all the way: the leftmost
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, garbage, 10.0.0.2"], "10.0.0.2"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("unix", ["203.0.113.9"], "unix"),
    ],
)
def test_walks_from_the_right_through_trusted_proxies(peer: str, forwarded: list[str], expected: str) -> None:
    """Each hop is believed only while the one that reported it is trusted."""
    assert client_address(peer, forwarded, TRUSTED) == expected


@given(st.lists(st.text(max_size=40), max_size=5))
def test_without_trusted_proxies_the_header_means_nothing(forwarded: list[str]) -> None:
    """Whatever X-Forwarded-For says, the address is the peer's."""
    assert client_address("203.0.113.9", forwarded, ()) == "203.0.113.9"
