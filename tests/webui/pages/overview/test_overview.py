"""The overview: exact figures, filters in the address, links to the requests that they count."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.configuration import shipped_prices

HTML = {"Accept": "text/html"}


@pytest.fixture
def client(client_of: Callable[..., FlaskClient], put, seed_records) -> FlaskClient:
    put(*seed_records(time.time()))
    return client_of(prices=shipped_prices, servers=lambda: ("fast-box", "idle-box"), baseline="openai/gpt-4o-mini")


def data(client: FlaskClient, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/api/overview?{query}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def test_figures_are_those_of_the_list(client: FlaskClient) -> None:
    """For each filter in the address, the overview counts what the list has."""
    for query in ("range=all", "range=15m", "model=phi-4", "server=laptop&outcome=ok", "layer=none", "outcome=error"):
        rows = client.get(f"/api/requests?limit=500&{query}").get_json()["rows"]
        traffic = [row for row in rows if row["outcome"] != "answered"]
        found = data(client, query)
        figures = found["figures"]
        assert figures["requests"] == len(traffic) > 0
        assert figures["input_tokens"] == sum(row["input_tokens"] or 0 for row in traffic)
        assert sum(map(sum, found["trend"]["requests"].values())) == len(traffic)
        for division in found["divisions"].values():
            assert sum(bar["amount"] for bar in division["bars"]) == len(traffic)


def test_a_bar_opens_the_requests_that_it_counts(client: FlaskClient) -> None:
    """Along time and by each division: the list behind it has as many."""
    found = data(client, "range=6h&server=laptop")
    trend = found["trend"]
    for at, url in enumerate(trend["urls"]):
        count = sum(values[at] for values in trend["requests"].values())
        assert counted(client, url) == count
    for division in ("layer", "model", "server"):
        for bar in found["divisions"][division]["bars"]:
            assert counted(client, bar["url"]) == bar["amount"], bar


def counted(client: FlaskClient, url: str) -> int:
    rows = client.get(url.replace("/requests", "/api/requests", 1) + "&limit=500").get_json()["rows"]
    return sum(row["outcome"] != "answered" for row in rows)


def test_the_page_says_what_it_shows(client: FlaskClient) -> None:
    """With a role, without script: figures, tables, servers, the newest requests."""
    page = unescape(client.get("/", headers=HTML).text)
    assert "<h1>Overview</h1>" in page
    assert "The percentiles of times are exact, too." in page
    assert "How openai/gpt-4o-mini is compared with" in page
    for words in ("By layer", "By model", "By server", "By API token", "By agent", "idle-box", "not asked"):
        assert words in page
    assert page.count('class="row-link"') == 10


def test_the_baseline_is_of_the_address_or_the_setting(client: FlaskClient) -> None:
    """One that is not known is said to be so, as it was written, and escaped."""
    assert data(client)["baseline"]["model"]["name"] == "openai/gpt-4o-mini"
    assert data(client, "baseline=openai/gpt-5")["baseline"]["model"]["name"] == "openai/gpt-5"
    assert data(client, "baseline=")["baseline"]["model"] is None
    page = client.get("/?baseline=<b>none", headers=HTML).text
    assert "No price of &lt;b&gt;none is known" in page and "<b>none" not in page


def test_filters_that_figures_do_not_know_are_said_to_be_left_out(client: FlaskClient) -> None:
    """The others hold, and the list, which knows them, is a link away."""
    page = unescape(client.get("/?status=404&model=phi-4&range=all", headers=HTML).text)
    assert "The overview knows no filter by status." in page
    assert re.search(r'href="/requests\?[^"]*status=404', page)
    assert data(client, "status=404&model=phi-4")["figures"] == data(client, "model=phi-4")["figures"]


@pytest.mark.parametrize("query", ["measure=x", "range=x", "from=x", "status=x"])
def test_an_address_that_cannot_be_read_is_said_to_be_so(client: FlaskClient, query: str) -> None:
    assert client.get(f"/?{query}", headers=HTML).status_code == 400


@pytest.mark.parametrize("measure", ["requests", "errors", "tokens", "cost", "p95", "ttft"])
def test_bars_are_the_largest_of_what_they_show(client: FlaskClient, measure: str) -> None:
    """Largest first, for each measure."""
    found = data(client, f"measure={measure}&range=all")
    for division in found["divisions"].values():
        amounts = [bar["amount"] for bar in division["bars"]]
        assert amounts == sorted(amounts, reverse=True)


def test_an_empty_log_says_what_will_be_here(client_of: Callable[..., FlaskClient]) -> None:
    """With a command to copy."""
    page = client_of().get("/", headers=HTML).text
    assert "No requests yet" in page and "curl " in page
    assert client_of().get("/api/overview?html=1&range=all").status_code == 200
