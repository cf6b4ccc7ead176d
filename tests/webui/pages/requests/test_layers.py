"""Which layer decided how many requests."""

from __future__ import annotations

from flask import Flask

from switchman.addons.store.reading.summaries import LayerCount
from switchman.webui.pages.requests.layers import LayerShare, layer_shares
from switchman.webui.view import parse_view

COUNTED = (LayerCount("route", 6, None), LayerCount("exact_cache", 3, 900.0), LayerCount(None, 1, None))


def shares(values: dict[str, str], counted: tuple[LayerCount, ...] = COUNTED) -> list[LayerShare]:
    app = Flask(__name__)
    app.add_url_rule("/requests", endpoint="live.index")
    with app.test_request_context():
        return layer_shares(counted, parse_view(values))


def test_each_layer_has_its_share_and_leads_to_its_requests() -> None:
    """The shares make a whole; what nobody decided is there too; other filters stay."""
    found = shares({"model": "m"})
    assert [(share.name, share.requests, share.part, share.saved_ms) for share in found] == [
        ("route", 6, 0.6, None),
        ("exact_cache", 3, 0.3, 900.0),
        ("none", 1, 0.1, None),
    ]
    assert [share.url for share in found] == [
        "/requests?model=m&layer=route",
        "/requests?model=m&layer=exact_cache",
        "/requests?model=m&layer=none",
    ]


def test_the_layer_that_is_filtered_by_leads_back_to_all() -> None:
    """It is marked, and stays in the strip when it has no requests."""
    current = [share for share in shares({"layer": "route", "model": "m"}) if share.current]
    assert [(share.name, share.url) for share in current] == [("route", "/requests?model=m")]
    assert shares({"layer": "arbiter"})[-1][:4] == ("arbiter", "a small local model chose", 0, 0.0)


def test_a_plug_in_layer_is_called_one() -> None:
    """It brings a name of its own."""
    assert shares({}, (LayerCount("my-layer", 1, None),))[0].meaning == "a plug-in layer"


def test_nothing_counted_is_no_strip() -> None:
    """And no division by nothing."""
    assert shares({}, ()) == []
