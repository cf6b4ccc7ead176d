"""What a back-test takes from this machine."""

from __future__ import annotations

import time

import pytest

from switchman.addons.config.configuration import load_settings
from switchman.addons.config.replaying import PLUGINS, local_time, start_backtest
from switchman.addons.core.decision.replaying.recorded import Recorded
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.ruleset import parse_ruleset
from switchman.addons.hooks.routing import plugins


def test_the_time_is_the_local_one_of_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the proxy would have read it: 2023-11-14 22:13 UTC was a Tuesday, and a Wednesday in Tokyo."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert local_time(1_700_000_000.0) == LocalTime(22 * 60 + 13, 1)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert local_time(1_700_000_000.0) == LocalTime(7 * 60 + 13, 2)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_task_types_are_those_of_the_proxy() -> None:
    """A rule on what is asked decides as it does there."""
    assert PLUGINS == plugins.GROUP
    text = "servers: {a: 'http://a'}\nroutes: [{match: {model: auto, task: coding}, route: {model: a/coder}}]"
    rules = parse_ruleset(text, "routes.yaml", load_settings())
    backtest = start_backtest(rules, rules, rules)
    body = b'{"messages": [{"role": "user", "content": "Fix this Python function, it raises a KeyError."}]}'
    backtest.add(
        Recorded("r", 1.0, 1.0, "127.0.0.1", "openai", "chat", "auto", "route", "r", "a", "coder", 200, "ok", body=body)
    )
    assert [(one.layer, one.route) for one in backtest.report(lambda *_: None).hits] == [("route", "route 1")]
