"""The form that programs read."""

from __future__ import annotations

import json

from switchman.addons.core.decision.replaying.report import FORM, Pair


def test_a_change_is_a_share_of_what_was_before() -> None:
    """From nothing to something there is none."""
    assert Pair(100, 150).change == 0.5 and Pair(100, 25).change == -0.75
    assert Pair(0, 0).change == 0.0
    assert Pair(0, 5).change is None and Pair(None, 5).change is None and Pair(5, None).change is None


def test_the_json_has_dollars_and_milliseconds(rules, recorded, backtest) -> None:
    """Each member by its name: a program's pipeline hangs on them."""
    prices = "models: {a/m: {input_cost: 2, output_cost: 10}}\n"
    old, new = (rules(f"{prices}routes: [{{match: {{model: m}}, route: {{upstream: {at}}}}}]") for at in ("a", "b"))
    found = backtest(new, old)
    found.add(recorded())
    found.add(recorded(id="r2", body=None, requested_model="auto"))
    told = found.report(lambda server, model: 250.0, names=("old.yaml", "new.yaml")).as_json()
    assert json.loads(json.dumps(told)) == {
        "form": FORM,
        "before": "old.yaml",
        "after": "new.yaml",
        "first": 1_700_000_000.0,
        "last": 1_700_000_000.0,
        "stopped": None,
        "requests": 2,
        "left_out": {},
        "elsewhere": 1,
        "same": 0,
        "other_fallbacks": 0,
        "unknown": {"requests": 1, "because": {"lists": 1}},
        "refused": {"before": 0, "after": 0},
        "cache_hits": {"before": 0, "after": 0, "unknown": 0},
        "cost": {
            "before": None,
            "after": None,
            "change": None,
            "requests": 0,
            "unknown": {"requests": 1, "no_tokens": 0, "no_price": {"b/m": 1}},
        },
        "latency": {
            "before_ms": 250.0,
            "after_ms": 250.0,
            "change": 0.0,
            "requests": 1,
            "unknown": {"requests": 0, "no_median": {}},
        },
        "moves": [
            {
                "from": "a/m",
                "to": "b/m",
                "requests": 1,
                "cost": {"before": None, "after": None, "change": None, "requests": 0},
                "latency": {"before_ms": 250.0, "after_ms": 250.0, "change": 0.0, "requests": 1},
            }
        ],
        "decided_by": [
            {"layer": "route", "route": "route 1", "before": 1, "after": 1},
        ],
        "examples": [
            {
                "id": "r1",
                "started_at": 1_700_000_000.0,
                "model": "m",
                "from": "a/m",
                "to": "b/m",
                "by": {"before": "route route 1", "after": "route route 1"},
            }
        ],
        "redacted": 0,
    }
