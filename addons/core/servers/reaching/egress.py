"""Addresses that no connection may go to: EGRESS_DENY, a list of names and ranges.

    metadata     what clouds answer their machines on, keys of the machine's own account among it (the default)
    link-local   169.254.0.0/16 and fe80::/10; metadata is in it
    loopback     this machine
    private      10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7
    none         nothing is denied
    10.1.0.0/16  any range, or address

An address is judged as it is connected to, after all look-ups: a name may mean another one by then. It is judged as
what it leads to: an IPv4 address within an IPv6 one (mapped, NAT64, 6to4, Teredo) is one; whoever translates it would
go there. As text, as in a URL, also forms count that resolvers take for an address: 0xa9fea9fe, 2852039166,
169.254.43518.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

KINDS: Final = {
    # AWS (also of ECS and EKS pods), Azure, Google, OpenStack, DigitalOcean, Hetzner; Azure's wire server; Alibaba;
    # Oracle; AWS and Google over IPv6.
    "metadata": (
        "169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "169.254.169.253/32", "168.63.129.16/32",
        "100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128", "fd00:c1::a9fe:a9fe/128",
    ),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "loopback": ("127.0.0.0/8", "::1/128", "0.0.0.0/32", "::/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
}  # fmt: skip
NONE: Final = "none"
_NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_PART: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


@dataclass(frozen=True, slots=True)
class Denied:
    """Ranges by the word that names them."""

    ranges: tuple[tuple[str, Network], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Denied:
        """From EGRESS_DENY. Raises ValueError."""
        found: list[tuple[str, Network]] = []
        words = [word.strip().lower() for word in text.split(",") if word.strip()]
        for word in words:
            if word == NONE:
                continue
            try:
                ranges = KINDS.get(word, (word,))
                found += [(word, ipaddress.ip_network(one, strict=False)) for one in ranges]
            except ValueError:
                known = ", ".join((*KINDS, NONE))
                raise ValueError(f"{word!r} is no address or range, nor one of: {known}") from None
        if NONE in words and len(words) > 1:
            raise ValueError(f"{NONE} stands alone: it denies nothing")
        return cls(tuple(found))

    def word_for(self, address: str) -> str | None:
        """The word that denies a numeric address; None for one that may be connected to, or is no address."""
        if not self.ranges:
            return None
        try:
            given = ipaddress.ip_address(address.partition("%")[0].strip("[]"))
        except ValueError:
            return None
        for one in _meant(given):
            for word, network in self.ranges:
                if one.version == network.version and one in network:
                    return word
        return None

    def word_for_host(self, host: str) -> str | None:
        """Likewise for a host as a URL has it, if that is an address in any form."""
        text = host.removesuffix(".")
        number = _number(text)
        return self.word_for(str(ipaddress.IPv4Address(number)) if number is not None else text)


NOTHING: Final = Denied()


def _meant(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 addresses that it leads to."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _COMPATIBLE or any(address in network for network in _NAT64):
        yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _number(text: str) -> int | None:
    """What inet_aton makes of one to four numbers with dots between, each decimal, octal (0...) or hex (0x...)."""
    parts = text.split(".")
    if len(parts) > 4 or not all(_PART.fullmatch(part) for part in parts):
        return None
    try:
        values = [_value(part) for part in parts]
    except ValueError:  # 08
        return None
    *first, last = values
    if any(value > 255 for value in first) or last >= 256 ** (5 - len(values)):
        return None
    number = last
    for place, value in enumerate(first):
        number += value << (24 - 8 * place)
    return number


def _value(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part[2:] or "0", 16)
    if len(part) > 20:
        raise ValueError(part)
    return int(part, 8) if part.startswith("0") else int(part)
