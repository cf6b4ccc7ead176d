"""Where rules lead that only admins may choose: to a new address, or with a hidden key where none was. Pure.

A route, an alias, a default or a fallback may name a base URL in place of a server. Clients' own keys and prompts go
there, so a new one is as much as a new server. And a word for a key, put where a model's name stands, would send that
key to whatever server the rule names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from switchman.addons.config.editing.hidden import WORD

SERVERS: Final = ("servers", "arbiter")  # what decides where the router's own keys go
_TARGETS: Final = ("aliases", "default", "fallbacks")


def led_elsewhere(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What rules do that those of before did not, as a sentence; "" for nothing. Both with words in place of keys."""
    known = {*_urls(before), *_server_urls(before)}
    if (new := next((url for url in _urls(after) if url not in known), None)) is not None:
        return f"{new[:200]} is a new address, to which clients' keys would go: only admins add one"
    places = set(_hidden(before))
    if (place := next((one for one in _hidden(after) if one not in places), None)) is not None:
        return f"`{'.'.join(place[0])}` has a hidden key where none was: only admins move keys"
    return ""


def without_switches(data: dict[str, Any]) -> dict[str, Any]:
    """The same values without `enabled` of servers, which operators may change: it leads no key elsewhere."""
    servers = data.get("servers")
    if not isinstance(servers, dict):
        return data
    whole = {name: {"url": one} if isinstance(one, str) else one for name, one in servers.items()}
    kept = {
        name: {key: value for key, value in one.items() if key != "enabled"} if isinstance(one, dict) else one
        for name, one in whole.items()
    }
    return {**data, "servers": kept}


def _urls(data: dict[str, Any]) -> Iterator[str]:
    routes = data.get("routes")
    targets = [one.get("route") for one in routes if isinstance(one, dict)] if isinstance(routes, list) else []
    for _, text in _texts([*targets, *(data.get(name) for name in _TARGETS)]):
        if "://" in text:
            yield text


def _server_urls(data: dict[str, Any]) -> Iterator[str]:
    servers = data.get("servers")
    for one in servers.values() if isinstance(servers, dict) else ():
        url = one.get("url") if isinstance(one, dict) else one
        if isinstance(url, str):
            yield url


def _hidden(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    others = {name: value for name, value in data.items() if name not in SERVERS}
    return ((path, text) for path, text in _texts(others) if WORD.search(text))


def _texts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """All texts in a value, names of keys among them, with the names that lead there."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield path, str(name)
            yield from _texts(one, (*path, str(name)))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, path)
