"""Collect the values of the configuration that are keys: of its servers, of their proxies, of the database's URL."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from switchman.addons.core.keys.forms import of_pair, parameters_in, secrets_in
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.reaching.reach import Proxy
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.texts.masking import is_secret_header

# Fields whose values are no keys although they may come from the environment, and stand in answers.
_HARMLESS = frozenset(
    """host user-agent accept accept-language content-type origin referer http-referer x-title openai-organization
    openai-project openai-beta anthropic-version anthropic-beta api-version
    """.split()  # noqa: SIM905 - words, and many
)


def keys_of(rules: Ruleset) -> Iterator[str]:
    """All keys of the servers that a request may be sent to, and of the ways to them."""
    arbiter = (rules.arbiter.server,) if rules.arbiter else ()
    servers = (*rules.servers.values(), *rules.upstreams, rules.default, *arbiter)
    for server in {id(server): server for server in servers}.values():
        yield from keys_of_server(server)


def keys_of_server(server: Server) -> Iterator[str]:
    if server.api_key is not None:
        yield server.api_key.get_secret_value()
    for key in server.keys[1:]:
        yield key.value.get_secret_value()
    for name, value in server.headers.items():
        if name.lower() not in _HARMLESS and (name in server.secret_headers or is_secret_header(name, value)):
            yield from secrets_in(name, value)
    yield from parameters_in(server.url.query)
    if server.reach.proxy is not None:
        yield from _keys_of_proxy(server.reach.proxy)


def _keys_of_proxy(proxy: Proxy) -> Iterator[str]:
    if proxy.credentials is not None:
        yield from of_pair(proxy.credentials.get_secret_value())


def keys_in_url(url: str) -> Iterator[str]:
    """The password of a URL (of a database), as it is written there and decoded, and keys in its query."""
    try:
        parts = urlsplit(url)
        password, query = parts.password or "", parts.query
    except ValueError:
        return
    yield password
    yield unquote(password)
    yield from parameters_in(query)
