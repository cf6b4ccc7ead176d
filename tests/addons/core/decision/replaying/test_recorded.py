"""A row of the log, read as the proxy reads a request."""

from __future__ import annotations

import gzip
import json

import pytest

from switchman.addons.core.access.prices.price import Usage
from switchman.addons.core.decision.replaying.recorded import NO_PLUGINS, Asked, was_decided
from switchman.addons.hooks.routing.chain import OWN_NAMES

JSON = ("content-type", "application/json")


def test_no_plug_in_has_the_name_of_a_layer() -> None:
    """Each layer of ours that a row may name."""
    assert set(OWN_NAMES) - {
        "translation", "thinking", "credentials", "redaction", "local_only", "token", "off", "capability", "breaker",
    } <= NO_PLUGINS  # fmt: skip


def test_bodies_are_read_as_they_were_sent(recorded) -> None:
    """Compressed, empty, a form; what is broken or gone is none."""
    packed = gzip.compress(json.dumps({"messages": [{"role": "user", "content": "Hi."}]}).encode())
    asked = Asked(recorded(body=packed, headers=(JSON, ("Content-Encoding", "gzip"))), None, None)
    assert asked.features is not None and asked.features.ask == "Hi."
    form = Asked(recorded(body=b"--x", headers=(("content-type", "multipart/form-data; boundary=x"),)), None, None)
    assert form.body == {"model": "m"}
    assert Asked(recorded(body=b""), None, None).body == {}
    assert Asked(recorded(body=packed, headers=(JSON, ("content-encoding", "gzip"))), None, None, most=20).body is None
    for broken in (b"{", b"[1]", b"\xff", None):
        assert Asked(recorded(body=broken), None, None).features is None


def test_tokens_do_not_overlap(recorded) -> None:
    """What was cached is not read anew; where one side is not known, nothing is."""
    one = recorded(input_tokens=100, cached_tokens=60, output_tokens=50, reasoning_tokens=20)
    assert one.usage == Usage(input=40, cached=60, output=30, reasoning=20)
    assert recorded(output_tokens=None).usage is None


@pytest.mark.parametrize(
    ("changes", "decided"),
    [
        ({}, True),
        ({"dialect": None, "layer": "default"}, False),
        ({"outcome": "answered", "layer": None}, False),
        ({"outcome": "refused", "layer": None, "status": 429}, False),
        ({"outcome": "refused", "layer": None, "status": 404}, False),
        ({"outcome": "refused", "layer": None, "status": 404, "trace": ({"layer": "default"},)}, True),
        ({"outcome": "failed"}, True),
    ],
)
def test_only_what_routing_decided_is_replayed(recorded, changes: dict[str, object], decided: bool) -> None:
    """A limit refuses before, whatever the rules; what nothing knew was decided."""
    assert was_decided(recorded(**changes)) is decided


def test_what_a_layer_said(recorded) -> None:
    """What it found, a miss, or that it was not asked."""
    trace = ({"layer": "semantic", "outcome": "miss"}, {"layer": "arbiter", "outcome": "skip"})
    assert recorded(layer="semantic", route="coding").said("semantic") == "coding"
    assert recorded(trace=trace).said("semantic") == ""
    assert recorded(trace=trace).said("arbiter") is None
    assert recorded().said("semantic") is None
