"""Decide which servers get the client's own credentials. A key cannot be taken back once sent, so this is one rule.

The first of these decides:
1. `forward_auth` is set: true sends them, false does not.
2. The server is the plan's first choice, the one that the rules name first, whether it is up or not: it gets them.
3. It has the origin of the first choice (scheme, host and port): it gets them.
4. Both are on the user's own network: it gets them.
No other server does: a fallback may have another owner. `source` says whose credentials are sent in the end.

A server's own key goes with operations only, and with all else where `pass_through: true` says so.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal
from urllib.parse import unquote_plus

from switchman.addons.core.access.admission.hosts import PRIVATE_SUFFIXES
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import BaseURL
from switchman.addons.core.texts.masking import is_secret_header, is_secret_name, is_secret_parameter

# Where the dialects' clients put their key, and where the router puts a server's own.
CREDENTIALS: Final = ("authorization", "x-api-key", "api-key")
# Where some server looks for a client's key, as folded() writes it.
KEY_FIELDS: Final = frozenset({*CREDENTIALS, "apikey", "x-goog-api-key"})

Source = Literal["own", "client", "none"]

_OWN_NETWORKS: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "0.0.0.0/32",
        "::1/128", "fc00::/7", "fe80::/10", "::/128",
    )
)  # fmt: skip
# What resolvers read as an IPv4 address though it is not written as one: 134744072 and 0x8080808 are 8.8.8.8.
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")


def forwards(server: Server, first: Server) -> bool:
    """Whether a server may see the client's credentials, in a plan whose first choice is `first`."""
    if server.forward_auth is not None:
        return server.forward_auth
    if server is first or _origin(server.url) == _origin(first.url):
        return True
    return is_on_own_network(server.url.host) and is_on_own_network(first.url.host)


def source(server: Server, first: Server) -> Source:
    """Whose credentials a request to the server carries: those in the rules, the client's, or none."""
    if server.api_key is not None:
        return "own"
    if forwards(server, first):
        return "client"
    return "own" if any(is_secret_name(name) for name in server.headers) else "none"


def has_own_key(server: Server) -> bool:
    """Whether the rules have a credential for a server, in `api_key`, in any of its headers, or in its URL's query."""
    if server.api_key is not None or any(is_secret_header(name, value) for name, value in server.headers.items()):
        return True
    return any(_is_secret(one) for one in server.url.query.split("&"))


def passes_through(server: Server) -> bool:
    """Whether a server gets what is no operation (core/paths/passing.py): where there is no key of ours to lose."""
    return not has_own_key(server) if server.pass_through is None else server.pass_through


def is_keyed_by_header(server: Server) -> bool:
    """Whether the rules put a key into a header where clients have theirs. No other key goes beside it, as the server
    might believe that one; unless the client's are to go there in any case (`forward_auth: true`).
    """
    return server.forward_auth is not True and any(folded(name) in KEY_FIELDS for name in server.headers)


def is_on_own_network(host: str) -> bool:
    """Whether a host (lower case, without brackets) is on the local machine or network, judged by its name alone."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.removesuffix(".")
        if _NUMBER.fullmatch(name.rpartition(".")[2]):
            return False
        # With a dot behind it a single label is a top-level domain, without one it is a neighbour's name.
        return name == "localhost" or name.endswith(PRIVATE_SUFFIXES) or "." not in host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in _OWN_NETWORKS)


def folded(name: str) -> str:
    """A header field's name as servers read it that make variables of them (CGI, WSGI): `_` is `-` to them."""
    return name.lower().replace("_", "-")


def without_secrets(path: str) -> str:
    """The path without the query parameters that carry credentials, by whatever name (`key=`, `code=`, `sid=`)."""
    path, mark, query = path.partition("?")
    kept = [one for one in query.split("&") if not _is_secret(one)]
    return path + mark + "&".join(kept) if any(kept) else path


def secrets_of(headers: Mapping[str, str], path: str) -> str:
    """All credentials in headers (lower-case names) and in the query, joined; "" for none.

    Cookies are left out: their senders are still told apart by address.
    """
    given = [f"{name}={headers[name]}" for name in sorted(headers) if name != "cookie" and is_secret_name(name)]
    return "\0".join(given + secret_parameters(path))


def secret_parameters(path: str) -> list[str]:
    """The parameters of a path's query that carry credentials, as they are written."""
    return [one for one in path.partition("?")[2].split("&") if _is_secret(one)]


def key_in(headers: Mapping[str, str]) -> str:
    """The key among a client's headers (lower-case names), "" for none."""
    return headers.get("x-api-key") or headers.get("api-key") or headers.get("authorization", "").partition(" ")[2]


def header_for(key: str, dialect: DialectName | None, *, azure: bool = False) -> tuple[str, str]:
    """The header in which a server of this dialect looks for a key.

    `azure`: one of Azure's, which has a header of its own; a token of Entra (a JWT, with two dots) is still a bearer's.
    """
    if azure and key.count(".") != 2:
        return "api-key", key
    return ("x-api-key", key) if dialect == "anthropic" else ("authorization", f"Bearer {key}")


def strangers(servers: Iterable[Server], first: Server) -> list[Server]:
    """Servers outside the own network that get no credentials by the rules, and so will likely refuse requests."""
    return [server for server in dict.fromkeys(servers) if may_be_stranger(server) and source(server, first) == "none"]


def may_be_stranger(server: Server) -> bool:
    """Whether a server can be one of `strangers`, whichever the first is."""
    return server.forward_auth is None and server.api_key is None and not is_on_own_network(server.url.host)


def _is_secret(parameter: str) -> bool:
    return is_secret_parameter(unquote_plus(parameter.partition("=")[0]))


def _origin(url: BaseURL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port


def why_withheld(server: Server, first: Server) -> str:
    """A sentence for the trace."""
    return (
        f"{server.name} does not get the client's credentials, which are for {first.name}, named first in the rules. "
        f"Set `forward_auth: true` for {server.name} to send them there too, or its own `api_key:`."
    )
