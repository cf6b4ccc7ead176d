"""Which proxy leads to a server: what a text says, and what HTTPS_PROXY and its kin say. Pure.

1. `parse_proxy` reads an address, or raises ValueError with a sentence that holds no credentials.
2. `proxy_from` follows the environment, as curl and Python do. Where those two differ, the comment says which is it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from switchman.addons.core.servers.reaching.reach import Proxy
from switchman.addons.core.servers.urls import DEFAULT_PORTS, BaseURL, parse

NAMED: Final = "the proxy"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def parse_proxy(text: str) -> Proxy:
    """Read `http://user:password@host:3128`, percent-encoded where need be; `host:3128` is http. Raises ValueError."""
    text = text.strip()
    found = _SCHEME.match(text)
    if found is None:
        text = "http://" + text
    elif found[1].lower().startswith("socks"):
        raise ValueError("a SOCKS proxy is not supported: expected an HTTP proxy, such as http://proxy.example:3128")
    elif found[1].lower() not in DEFAULT_PORTS:
        raise ValueError("a proxy's address starts with http:// or https://")
    try:
        parts = urlsplit(text)
        named = parts.netloc.rpartition("@")[2]
    except ValueError:
        raise ValueError("the address of the proxy cannot be read") from None
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "a proxy's address ends after the port: in a user name or password, / ? # and @ are written %2F %3F %23 %40"
        )
    place = parse(f"{parts.scheme}://{named}")  # nothing secret is left, and its faults are said in sentences
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in user + password):
        raise ValueError("a proxy's user name and password have no control characters in them")
    credentials = SecretStr(f"{user}:{password}") if user or password else None
    return Proxy(place.scheme, place.host, place.port, credentials)


def proxy_from(env: Mapping[str, str], url: BaseURL, own_port: int | None = None) -> tuple[Proxy | None, str]:
    """The proxy for a server and the variable that names it; (None, "") for none.

    The server's scheme decides: HTTPS_PROXY or HTTP_PROXY, else ALL_PROXY. This machine's own addresses and those that
    NO_PROXY names are reached directly. A proxy on this machine at `own_port` is the router itself, which clients may
    well be told to use by these variables: it is passed over, and the name of the variable is returned without it.
    Raises ValueError with a sentence that begins with the variable's name.
    """
    if is_loopback(url.host) or is_excepted(url, _value(env, "no_proxy")[1]):
        return None, ""
    for name in (f"{url.scheme}_proxy", "all_proxy"):
        variable, text = _value(env, name)
        if not text:
            continue
        try:
            proxy = parse_proxy(text)
        except ValueError as error:
            raise ValueError(f"{variable}: {error}") from None
        return (None if is_own(proxy, own_port) else proxy), variable
    return None, ""


def _value(env: Mapping[str, str], name: str) -> tuple[str, str]:
    """The variable and its value. Lower case first; an empty one there switches it off, as in Python (not in curl)."""
    # curl ignores HTTP_PROXY in capitals, as a web server's scripts may get it from a client. This is no such script.
    variable = name if name in env else name.upper()
    return variable, env.get(variable, "").strip()


def is_own(proxy: Proxy, own_port: int | None) -> bool:
    return own_port is not None and proxy.port == own_port and is_loopback(proxy.host)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name alone: localhost, 127.0.0.0/8, ::1, or the unspecified address."""
    name = host.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_excepted(url: BaseURL, no_proxy: str) -> bool:
    """Whether NO_PROXY names a server: `*`, a name with all that end in it, an address, a range; each with a port."""
    return any(_names(entry, url) for entry in re.split(r"[,\s]+", no_proxy.lower()) if entry)


def _names(entry: str, url: BaseURL) -> bool:
    if entry == "*":
        return True
    address = _address(url.host)
    if "/" in entry:  # as curl since 7.86, and Go
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
        return address is not None and address.version == network.version and address in network
    host, port = _with_port(entry)
    if port and port != str(url.port):
        return False
    if address is not None:
        return _address(host) == address
    # `.example.com`, `*.example.com` and `example.com` all mean the name itself, too (curl).
    name = host.removeprefix("*").strip(".")
    wanted = url.host.removesuffix(".")
    return bool(name) and (wanted == name or wanted.endswith("." + name))


def _with_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def failure(proxy: Proxy, reason: str) -> str:
    """What to tell of a proxy that failed."""
    return f"{NAMED} {proxy}: {reason}"


def refusal(proxy: Proxy, status: int, target: str) -> str:
    """What to tell of a proxy that answered with an error. Its own words are left out: they may hold anything."""
    if status == 407:
        reason = "wants a user name and password" if proxy.credentials is None else "refuses our user name and password"
        return failure(proxy, f"it {reason} (407)")
    known = f"{status} {_phrase(status)}".rstrip()
    if status in (502, 503, 504):
        return failure(proxy, f"it could not reach {target} ({known})")
    return failure(proxy, f"it refuses the way to {target} ({known})")


def is_failure(message: str) -> bool:
    """Whether a message is one of `failure`."""
    return message.startswith(NAMED)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
