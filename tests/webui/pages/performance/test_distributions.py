"""How times are distributed, and how fast each model writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from html import unescape

from flask.testing import FlaskClient

COMPLETE = 61  # of what is put: the good ones, and the one from a cache


def test_distributions_are_of_all_complete_answers(client_of: Callable[..., FlaskClient], put, seed_records) -> None:
    """Also with filters that figures do not know."""
    put(*seed_records(time.time()))
    client = client_of()
    for query in ("range=all", "range=all&text=0000"):
        found = client.get(f"/api/performance?{query}").get_json()["distributions"]
        assert sum(found["durations"]["y"]) == (COMPLETE if "text" not in query else COMPLETE - 1)
        for name in ("durations", "ttfts", "overheads"):
            steps = found[name]["x"]
            assert steps == sorted(steps) and len(steps) == len(found[name]["y"])
        assert len(found["rates"]) == 6
    assert "Of all complete answers" in client.get("/performance?range=all").text
    assert "Of all complete answers" in client.get("/performance?range=all&text=0000").text


def test_points_are_coloured_by_model_or_by_server(client_of: Callable[..., FlaskClient], put, seed_records) -> None:
    """Each has its series; what it cannot be coloured by is refused."""
    put(*seed_records(time.time()))
    client = client_of()
    found = client.get("/api/performance?by=server").get_json()
    assert [one["name"] for one in found["series"]] == ["fast-box", "laptop", "openai"]
    assert {point["server"] for point in found["points"]} == {"fast-box", "laptop", "openai"}
    assert len(client.get("/api/performance").get_json()["series"]) == 6
    answer = client.get("/performance?by=x", headers={"Accept": "text/html"})
    assert answer.status_code == 400 and "by is one of model, server" in unescape(answer.text)
