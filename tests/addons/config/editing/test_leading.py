"""What rules lead elsewhere: new addresses, and hidden keys that moved; and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.config.editing.leading import led_elsewhere, without_switches

KEY = "<hidden-key-0123456789ab>"
OLD = "http://old.example/v1"
BEFORE: dict[str, Any] = {
    "servers": {"a": {"url": "http://a.example", "api_key": KEY}, "b": "http://b.example"},
    "routes": [{"name": "one", "description": f"{KEY}", "route": {"upstream": OLD}}],
}
NEW = "http://evil.example"


@pytest.mark.parametrize(
    ("after", "word"),
    [
        ({"routes": [{"route": {"upstream": NEW}}]}, "new address"),
        ({"routes": [{"route": {"model": "a/m", "fallbacks": ["b/m", {"url": NEW}]}}]}, "new address"),
        ({"aliases": {"x": {"instances": [{"url": NEW, "model": "m"}]}}}, "new address"),
        ({"default": {"url": NEW}}, "new address"),
        ({"fallbacks": [{"url": NEW}]}, "new address"),
        ({"routes": [{"route": {"model": f"a/{KEY}"}}]}, "routes.route.model"),
        ({"aliases": {KEY: {"instances": ["a/m"]}}}, "aliases"),
        ({"x-kept": KEY}, "x-kept"),
    ],
)
def test_what_leads_elsewhere(after: dict[str, Any], word: str) -> None:
    """Wherever a target may be written, and wherever a word may be put."""
    assert word in led_elsewhere(BEFORE, {**BEFORE, **after})


@pytest.mark.parametrize(
    "after",
    [
        {"aliases": {"x": {"instances": [{"url": OLD}, {"url": "http://a.example"}, {"url": "http://b.example"}]}}},
        {"routes": [{"description": "see https://wiki.example", "route": {"model": "a/m"}}, *BEFORE["routes"]]},
        {"routes": []},
    ],
)
def test_what_was_there_may_be_used(after: dict[str, Any]) -> None:
    """Addresses of servers and of other targets, and a link in words for people."""
    assert led_elsewhere(BEFORE, {**BEFORE, **after}) == ""


def test_only_the_switch_of_a_server_is_left_out() -> None:
    """A server in its short form is as one with the same URL; what is no server is left alone."""
    was = {
        "servers": {"a": "http://a", "b": {"url": "http://b", "enabled": True}, "c": 3},
        "routes": [{"enabled": False}],
    }
    now = {"servers": {"a": {"url": "http://a", "enabled": False}, "b": {"url": "http://b"}, "c": 3}, "routes": []}
    assert without_switches(was)["servers"] == without_switches(now)["servers"]
    assert without_switches(was)["routes"] == [{"enabled": False}]
    assert without_switches({"servers": []}) == {"servers": []}
    assert without_switches({"servers": {"a": {"url": "http://x"}}}) != without_switches({"servers": {"a": "http://y"}})
