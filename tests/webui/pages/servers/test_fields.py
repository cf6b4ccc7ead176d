"""A form's fields, and what the file has of them."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.config.configuration import well_known
from switchman.webui.pages.servers.differing import Fault
from switchman.webui.pages.servers.fields import NAMES, facts, shown, written

PRESETS = well_known()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_as_its_form_has_it(name: str) -> None:
    """What the preset says is not said again; an address that differs is left to be filled in."""
    form = shown(None, name, PRESETS[name])
    if PRESETS[name].url is None:
        assert form["url"] == ""
    assert written(form, None, PRESETS) == {"preset": name}


@pytest.mark.parametrize(
    "server",
    [
        "http://a:1",
        {"url": "http://a:1"},
        {"preset": "groq", "dialect": "openai", "api_key": "env:X", "x-note": {"a": [1]}, "free": False},
        {"url": "http://a:1", "timeout": {"idle": 2.5, "connect": 1}, "forward_auth": False, "api_keys": ["env:A"]},
        {"url": "http://a:1", "api_key": "a-key-in-the-file", "proxy": "none", "pass_through": True, "enabled": False},
    ],
)
def test_a_form_that_nobody_touches_changes_nothing(server: Any) -> None:
    """Neither what it knows nor what it does not."""
    mapping = {"url": server} if isinstance(server, str) else server
    assert written(shown(mapping, "", None), server, PRESETS) == server


def test_fields_come_and_go() -> None:
    form = dict.fromkeys(NAMES, "") | {"url": "http://a:1", "idle": "3", "forward_auth": "no", "free": "1"}
    made = written(form, {"url": "http://b:1", "proxy": "none", "timeout": {"total": 9}, "x-a": 1}, PRESETS)
    assert made == {"url": "http://a:1", "x-a": 1, "forward_auth": False, "free": True, "timeout": {"idle": 3}}
    for wrong in ("x", "nan", "inf", "1e400"):
        with pytest.raises(Fault, match="expected a number"):
            written(form | {"idle": wrong}, None, PRESETS)


def test_facts_of_a_model() -> None:
    """What the form does not know stays; nothing at all is no entry."""
    given = {"context": "100", "input_cost": "0.25", "output_cost": ""}
    before = {"output_cost": 3, "tiers": [{"above": 5}], "modalities": ["tools", "text"]}
    assert facts(given, ["text", "tools"], before) == {
        "tiers": [{"above": 5}], "modalities": ["tools", "text"], "context": 100, "input_cost": 0.25,
    }  # fmt: skip
    assert facts({}, [], {"context": 3}) is None and facts({}, ["vision"], None) == {"modalities": ["vision"]}
