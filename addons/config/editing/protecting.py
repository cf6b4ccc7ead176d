"""What of the rules protects others, which only admins change, and which files rules may name. Pure.

Who routes decides where requests go. That does not make a prompt known to more people, spend what others may not, or
read a file of this machine: what is redacted, what the log keeps of whom, how much may be asked, at which price it is
counted, and who gets an answer that was kept for another, stay as they are. A stricter word is an admin's, too: it
takes from others what they may ask, or what is seen of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from switchman.addons.config.editing.rewriting import same
from switchman.addons.core.rules.pricefile import PriceFile

SECTIONS: Final = ("redact", "capture", "limits")
PRICES: Final = frozenset(PriceFile.model_fields)
_FILE: Final = "file:"


def protection_changed(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What of it is not the same in both, as a sentence; "" for nothing."""
    for name in SECTIONS:
        if not same(before.get(name), after.get(name)):
            return f"`{name}` protects others: only admins change it"
    if (rule := _other_rule(list(_protecting(before)), list(_protecting(after)))) is not None:
        return f"what {rule} says of `redact` and `capture` protects others: only admins change it, and what it is for"
    if not same(_prices(before), _prices(after)):
        return "the prices in `models` say how much of a budget is used up: only admins change them"
    if _scope(after) == "shared" != _scope(before):
        return "`cache.exact.scope: shared` gives an answer that was kept for one caller to others: only admins say so"
    return ""


def new_file(before: dict[str, Any], after: dict[str, Any]) -> str:
    """A file of this machine that rules name and those of before do not, as a sentence; "" where there is none."""
    known = set(_files(before))
    for place, name in _files(after):
        if (place, name) not in known:
            return f"`{place}` names a file, {name[:200]}, which would be read: only admins name another one"
    return ""


def _other_rule(was: list[dict[str, Any]], now: list[dict[str, Any]]) -> str | None:
    """A rule that protects in one of the two and not so in the other, whatever their order."""
    left = list(now)
    for one in was:
        found = next((at for at, other in enumerate(left) if same(one, other)), None)
        if found is None:
            return _named(one)
        del left[found]
    return _named(left[0]) if left else None


def _named(rule: dict[str, Any]) -> str:
    return f"the rule `{str(rule['name'])[:100]}`" if rule["name"] else "a rule without a name"


def _protecting(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of each rule that says what is redacted or kept: that, and which requests it is for."""
    routes = data.get("routes")
    for rule in routes if isinstance(routes, list) else ():
        if not isinstance(rule, dict):
            continue
        target = rule.get("route")
        capture = target.get("capture") if isinstance(target, dict) else None
        if rule.get("redact") is not None or capture is not None:
            kept = {name: rule.get(name) for name in ("name", "match", "redact")}
            yield kept | {"enabled": rule.get("enabled", True), "capture": capture}


def _prices(data: dict[str, Any]) -> dict[str, Any]:
    models = data.get("models")
    found = {
        str(name): {key: value for key, value in facts.items() if key in PRICES}
        for name, facts in (models.items() if isinstance(models, dict) else ())
        if isinstance(facts, dict)
    }
    return {name: prices for name, prices in found.items() if prices}


def _scope(data: dict[str, Any]) -> str:
    return str(_inner(data, "cache", "exact").get("scope", "caller"))


def _files(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a rules file names files by: words that are redacted, certificates, keys, and a model's folder."""
    routes = data.get("routes")
    rules = routes if isinstance(routes, list) else []
    for one in (data, *rules):
        if isinstance(words := _inner(one, "redact").get("words"), str):
            yield "redact.words", words
    if isinstance(model := _inner(data, "semantic_routes").get("model"), str):
        yield "semantic_routes.model", model
    servers = data.get("servers")
    for server in servers.values() if isinstance(servers, dict) else ():
        for key in ("ca", "client_cert", "client_key"):
            if isinstance(name := _inner(server, "tls").get(key), str):
                yield f"tls.{key}", name
    yield from (("file:", text) for text in _texts(data) if text.strip().startswith(_FILE))


def _inner(value: Any, *names: str) -> dict[str, Any]:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
