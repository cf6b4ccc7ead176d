"""Addresses that are denied: as numbers, and as a URL may have them."""

from __future__ import annotations

import pytest

from switchman.addons.core.servers.reaching.egress import Denied

METADATA = (
    "169.254.169.254", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1", "::a9fe:a9fe", "fd00:ec2::254", "169.254.170.2", "100.100.100.200", "168.63.129.16",
)  # fmt: skip


@pytest.mark.parametrize("address", METADATA)
def test_metadata_in_every_form(address: str) -> None:
    """Also where an IPv6 address only leads there."""
    assert Denied.parse("metadata").word_for(address) == "metadata"


@pytest.mark.parametrize(
    "host",
    [
        *("2852039166", "0xa9fea9fe", "0xA9.0xfe.0xA9.0xfe", "0251.0376.0251.0376", "169.254.43518", "169.16689662"),
        *("0251.254.0xa9fe", "169.254.169.254.", "025177524776", "[::ffff:a9fe:a9fe]", "::ffff:169.254.169.254"),
    ],
)
def test_hosts_that_resolvers_take_for_it(host: str) -> None:
    """Decimal, hexadecimal, octal, of fewer parts, with a dot behind it."""
    assert Denied.parse("metadata").word_for_host(host) == "metadata"


@pytest.mark.parametrize(
    "host",
    [
        *("8.8.8.8", "127.0.0.1", "10.0.0.1", "169.254.1.1", "fe80::1%eth0", "localhost", "metadata.google.internal"),
        *("2852039167", "0xa9fea9fe.example.com", "08.8.8.8", "999.1.1.1", "", "1.2.3.4.5", "0x", "2606:4700::1111"),
    ],
)
def test_others_may_be_connected_to(host: str) -> None:
    """Names are looked at when they are addresses; what is on one's own network is one's own business."""
    assert Denied.parse("metadata").word_for_host(host) is None


def test_words_and_ranges() -> None:
    """Each says by which of them an address is denied."""
    denied = Denied.parse("link-local, LOOPBACK, private, 203.0.113.0/24, 2001:db8::1")
    said = {
        one: denied.word_for(one)
        for one in ("169.254.9.9", "fe80::1%2", "127.9.9.9", "0.0.0.0", "::1", "10.1.1.1", "100.64.0.1", "fd12::1",
                    "203.0.113.7", "2001:db8::1", "2001:db8::2", "8.8.8.8")
    }  # fmt: skip
    assert said == {
        "169.254.9.9": "link-local", "fe80::1%2": "link-local", "127.9.9.9": "loopback", "0.0.0.0": "loopback",
        "::1": "loopback", "10.1.1.1": "private", "100.64.0.1": "private", "fd12::1": "private",
        "203.0.113.7": "203.0.113.0/24", "2001:db8::1": "2001:db8::1", "2001:db8::2": None, "8.8.8.8": None,
    }  # fmt: skip
    assert Denied.parse("none") == Denied.parse("") == Denied() and Denied().word_for("169.254.169.254") is None


@pytest.mark.parametrize("text", ["metdata", "10.0.0.0/99", "none, metadata", "http://169.254.169.254"])
def test_what_is_no_such_list(text: str) -> None:
    """A word that is misspelt must not mean that nothing is denied."""
    with pytest.raises(ValueError, match=r"is no address or range, nor one of: metadata, link-local|none stands alone"):
        Denied.parse(text)
