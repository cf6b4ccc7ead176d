"""Client addresses, as reported by trusted proxies only.

Addresses are compared as IPv4 wherever they can be: `::ffff:10.0.0.1` is 10.0.0.1, with and without a mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED_BITS = 96  # the fixed part of ::ffff:0:0/96, RFC 4291 section 2.5.5.2


def parse_address(text: str) -> Address | None:
    """Read an address; None when it is none. Brackets, a port behind 1.2.3.4 or [::1], and a zone are left off."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_network(text: str) -> Network:
    """Read an address or CIDR range. Host bits may be set (10.0.1.7/24 means 10.0.1.0/24). Raises ValueError."""
    try:
        network = ip_network(text.strip().partition("%")[0], strict=False)
    except ValueError:
        raise ValueError("expected an address or a range such as 10.0.1.100, 10.0.1.0/24, ::1 or fd00::/8") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= _MAPPED_BITS:
        return IPv4Network((int(mapped), network.prefixlen - _MAPPED_BITS))
    return network


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read a comma-separated list of addresses and ranges; "" is none. Raises ValueError naming the entry."""
    networks = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        try:
            networks.append(parse_network(entry))
        except ValueError as error:
            raise ValueError(f"{entry!r}: {error}") from None
    return tuple(networks)


def in_networks(address: Address | None, networks: Iterable[Network]) -> bool:
    """Whether the address lies in one of the networks; an address of the other version never does."""
    if address is not None:
        for network in networks:  # a loop, as any() with a generator costs three times as much on a thousand rules
            if address in network:
                return True
    return False


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The caller's address, as far as it can be trusted.

    `peer` is the other end of the connection. `forwarded` are the X-Forwarded-For values in the order they came; each
    may be a comma list, nearest proxy last. Read from the right: an address is taken only while the one that reported
    it is a trusted proxy. A value that is no address ends the walk. Without a trusted proxy the result is the peer.
    """
    address = parse_address(peer)
    if address is None:
        return peer
    for entry in reversed([part for value in forwarded for part in value.split(",")]):
        if not in_networks(address, trusted):
            break
        reported = parse_address(entry)
        if reported is None:
            break
        address = reported
    return str(address)
