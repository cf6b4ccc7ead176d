"""What protects others, in whatever way a text takes it away; and files that are named."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.config.editing.protecting import new_file, protection_changed

PRIVATE = {"name": "hr", "match": {"model": "hr*"}, "route": {"model": "a/m"}, "redact": {"patterns": ["all"]}}
QUIET = {"name": "legal", "route": {"model": "a/m", "capture": "metadata"}}
BEFORE: dict[str, Any] = {
    "servers": {"a": {"url": "http://a.example", "tls": {"ca": "ca.pem"}, "api_key": "file:key"}},
    "models": {"a/m": {"context": 1000, "input_cost": 3}},
    "routes": [PRIVATE, QUIET, {"name": "plain", "route": {"model": "a/m"}}],
    "redact": {"patterns": ["email"], "words": "words.txt"},
    "capture": {"mode": "redacted"},
    "limits": {"total": {"requests_per_minute": 100}},
}


@pytest.mark.parametrize(
    ("after", "word"),
    [
        ({"redact": None}, "`redact`"),
        ({"redact": {"patterns": [], "words": "words.txt"}}, "`redact`"),
        ({"redact": {"patterns": ["all"], "words": "words.txt"}}, "`redact`"),
        ({"capture": {"mode": "full"}}, "`capture`"),
        ({"capture": {}}, "`capture`"),
        ({"limits": {}}, "`limits`"),
        ({"limits": {"total": {"requests_per_minute": 100}, "unknown_price": "free"}}, "`limits`"),
        ({"routes": [QUIET]}, "`hr`"),
        ({"routes": [PRIVATE, {**QUIET, "route": {"model": "a/m"}}]}, "`legal`"),
        ({"routes": [{**PRIVATE, "redact": {"patterns": []}}, QUIET]}, "`hr`"),
        ({"routes": [{**PRIVATE, "enabled": False}, QUIET]}, "`hr`"),
        ({"routes": [{**PRIVATE, "match": {"model": "nobody"}}, QUIET]}, "`hr`"),
        ({"routes": [PRIVATE, QUIET, {"route": {"model": "a/m"}, "redact": {"patterns": []}}]}, "without a name"),
        ({"models": {"a/m": {"input_cost": 0}}}, "prices"),
        ({"models": {}}, "prices"),
        ({"models": {**BEFORE["models"], "a/n": {"output_cost": 0}}}, "prices"),
        ({"cache": {"exact": {"scope": "shared"}}}, "shared"),
    ],
)
def test_what_protects_others_stays(after: dict[str, Any], word: str) -> None:
    """Made looser, stricter, or taken away with its rule."""
    assert word in protection_changed(BEFORE, {**BEFORE, **after})


@pytest.mark.parametrize(
    "after",
    [
        {"routes": [{"name": "new", "route": {"model": "a/n"}}, QUIET, PRIVATE]},
        {"routes": [{**PRIVATE, "route": {"model": "a/n"}, "priority": 900, "description": "x"}, QUIET]},
        {"models": {"a/m": {"context": 2000, "input_cost": 3}, "a/n": {"context": 1}}},
        {"aliases": {"x": {"instances": ["a/m"]}}, "default": "a/m", "cache": {"exact": {"ttl": "1h"}}},
    ],
)
def test_routing_is_free(after: dict[str, Any]) -> None:
    """Where a rule that protects leads to, and in which order rules stand, too."""
    assert protection_changed(BEFORE, {**BEFORE, **after}) == ""
    assert new_file(BEFORE, {**BEFORE, **after}) == ""


@pytest.mark.parametrize(
    ("after", "word"),
    [
        ({"redact": {"words": "/etc/passwd"}}, "/etc/passwd"),
        ({"routes": [{"route": {"model": "a/m"}, "redact": {"words": "/etc/shadow"}}]}, "/etc/shadow"),
        ({"servers": {"b": {"url": "https://b", "tls": {"client_cert": "/root/key.pem"}}}}, "tls.client_cert"),
        ({"servers": {"b": {"url": "https://b", "api_keys": [{"key": "file:/root/.netrc"}]}}}, ".netrc"),
        ({"semantic_routes": {"model": "/srv/secret"}}, "/srv/secret"),
    ],
)
def test_a_file_is_named_by_admins(after: dict[str, Any], word: str) -> None:
    assert word in new_file(BEFORE, {**BEFORE, **after})


def test_what_is_no_rules_file_is_no_error() -> None:
    """The router refuses it; here it is only looked at."""
    odd = {"routes": [1, {"route": 2, "redact": 3}], "models": [], "servers": {"a": "u"}, "cache": 1, "redact": "x"}
    assert new_file({}, odd) == "" and "`redact`" in protection_changed({}, odd)
