"""Why a request went where it did: layers, caches, attempts and what they changed, on the pages."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.store.opening import Store
from switchman.webui import WebConfig, create_app

THEN, NOW = "What is the capital of France?", "What's the capital city of France?"
KEY = "sk-0123456789abcdefWXYZ"


@pytest.fixture
def client(store: Store) -> FlaskClient:
    return create_app(WebConfig(queries=store.queries)).test_client()


def visible(html: str) -> str:
    """A page's text without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def asking(text: str, **more: Any) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}], **more}).encode()


def line(layer: str, outcome: str, detail: str = "", earlier: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"layer": layer, "outcome": outcome, "detail": detail, "score": None, "elapsed_ms": 1.0, "earlier": earlier}


@pytest.fixture
def stories(put, make_request) -> dict[str, Record]:
    """An ask; a shadow hit, a semantic hit and an exact hit on its answer; one that failed over; one refused."""
    now = time.time()
    earlier = {"request_id": "first", "asked": THEN, "took_ms": 1500.0}
    reply = b'{"choices": [{"message": {"content": "Paris, of course."}}]}'
    one = (AttemptRecord(1, "laptop", "phi-4", "http://laptop/v1", now, 900.0, 200, "ok", None, 120.0),)
    kept: dict[str, Any] = {"outcome": "cached", "cache": "hit", "saved_ms": 1497.5, "attempts": (), "ttft_ms": None}
    shadow = (line("semantic_cache", "skip", "Shadow", earlier), line("semantic", "hit", "general: 0.91"))
    semantic = (line("semantic_cache", "hit", "The same question", earlier), line("semantic_cache", "hit", "Answered"))
    asked = {"request_body": asking(NOW)}
    made = {
        "first": {"layer": "semantic", "request_body": asking(THEN), "response_body": reply, "attempts": one},
        "shadow": {**asked, "layer": "semantic", "cache": "shadow", "trace": shadow, "attempts": one},
        "semantic": {**asked, **kept, "layer": "semantic_cache", "trace": semantic},
        "exact": {**kept, "layer": "exact_cache", "trace": (line("exact_cache", "hit", "Answered", earlier),)},
        "over": {"layer": "alias"},
        "refused": {"layer": None, "outcome": "refused", "status": 413, "attempts": (), "trace": ()},
    }
    records = {
        name: make_request(number, now - 10 - number, id=name, **changes)
        for number, (name, changes) in enumerate(made.items())
    }
    put(*records.values())
    return records


def listed(client: FlaskClient, query: str) -> set[str]:
    return set(re.findall(r'data-id="(\w+)"', client.get(f"/requests?{query}").text))


def test_the_strip_counts_each_request_once_and_filters(client: FlaskClient, stories) -> None:
    """Count and share of each layer; its link lists just those; another filter narrows the counts."""
    page = client.get("/requests").text
    strip = visible(page.split('aria-label="Decided by"')[1].split("</nav>")[0])
    assert "semantic 2 33 %" in strip and "exact_cache 1 17 %, saved 1.5 s" in strip and "none 1 17 %" in strip
    assert listed(client, "layer=semantic") == {"first", "shadow"}
    assert listed(client, "layer=none") == {"refused"}
    values = client.get("/api/summary?layer=semantic&html=1").json
    assert sum(layer["requests"] for layer in values["layers"]) == len(stories)
    assert values["overall"]["count"] == 2 and 'aria-current="true"' in values["html"]


def test_the_list_tells_attempts_and_caches(client: FlaskClient, stories) -> None:
    """A tag in the row, and a quick filter for each."""
    page = client.get("/requests").text
    rows = {name: visible(page.split(f'data-id="{name}"')[1].split("</tr>")[0]) for name in stories}
    assert "2 attempts" in rows["over"] and "attempts" not in rows["first"]
    assert "shadow" in rows["shadow"] and "saved 1.5 s" in rows["semantic"] and "saved 1.5 s" in rows["exact"]
    for word, expected in [
        ("Failed over", {"over"}),
        ("Cached", {"semantic", "exact"}),
        ("Shadow hits", {"shadow"}),
    ]:
        address = re.search(rf'href="/requests\?([^"]*)"[^>]*>{word}<', page)
        assert address and listed(client, address[1]) == expected


def test_a_shadow_hit_shows_both_prompts_and_the_answer_it_would_have_given(client: FlaskClient, stories) -> None:
    """Side by side, with the way to the request whose answer it was."""
    html = client.get("/request/shadow").text
    text = visible(html)
    assert 'href="/request/first"' in html
    assert THEN in text and "What&#39;s the capital city of France?" in text.split("Asked now")[1][:60]
    assert "Would have been answered, 1.5 s sooner Paris, of course." in text


def test_a_kept_answer_says_whose_it_was_and_what_it_saved(client: FlaskClient, stories) -> None:
    """Semantic with both prompts; exact without, as they are the same."""
    semantic = visible(client.get("/request/semantic").text)
    assert "Kept from request first , which took 1.5 s" in semantic and "Saved 1.5 s" in semantic
    assert "none: a kept answer was served" in semantic
    assert "Asked then" in semantic and "Would have been answered" not in semantic
    exact = visible(client.get("/request/exact").text)
    assert "Kept from request first , which took 1.5 s" in exact and "Asked then" not in exact


def test_what_a_request_cost(client: FlaskClient, put, make_request) -> None:
    """With each attempt's part where there are several; what is not known is a dash, and what was cut short is more."""
    now = time.time()
    first = AttemptRecord(1, "laptop", "phi-4", "http://laptop/v1", now, 900.0, 500, "status", cost=0)
    second = AttemptRecord(2, "cloud", "gpt-4o", "http://cloud/v1", now, 900.0, 200, "ok", cost=713)
    put(make_request(1, now, id="over", attempts=(first, second), cost=713))
    put(make_request(2, now, id="cut", outcome="cancelled", attempts=(second,), cost=713))
    put(make_request(3, now, id="unknown", attempts=(second,)))
    put(make_request(4, now, id="kept", outcome="cached", attempts=(), cost=0, saved_ms=12.0, saved_cost=1_250_000))
    pages = {name: visible(client.get(f"/request/{name}").text) for name in ("over", "cut", "unknown", "kept")}
    assert "Cost $0.000713" in pages["over"] and "cost $0 " in pages["over"] and "cost $0.000713" in pages["over"]
    assert "Cost at least $0.000713" in pages["cut"]
    assert "Cost –" in pages["unknown"]
    assert "Saved 12 ms, $1.25" in pages["kept"] and "Cost $0 " in pages["kept"]
    assert (
        'title="cost: $0.000713"' in client.get("/requests").text
        and 'title="cost: unknown"' in client.get("/requests").text
    )


def test_an_answer_whose_first_request_is_gone_says_so(client: FlaskClient, put, make_request) -> None:
    """Caches may keep an answer longer than the log keeps its request."""
    trace = (line("semantic_cache", "skip", "Shadow", {"request_id": "gone", "asked": THEN, "took_ms": None}),)
    put(make_request(1, time.time(), id="left", layer="semantic", cache="shadow", trace=trace))
    text = visible(client.get("/request/left").text)
    assert "Asked then, by a request that is no longer kept" in text and THEN in text


def test_each_attempt_says_where_it_went_and_what_it_changed(client: FlaskClient, put, make_request) -> None:
    """In the order they were made, with status, time and error."""
    now = time.time()
    changes = ("model: auto → phi-4", "credentials: the server's own")
    tries = (
        AttemptRecord(1, "spare", "m", "http://spare/v1", now, 5.0, None, "connect", "connection refused"),
        AttemptRecord(2, "laptop", "phi-4", "http://laptop/v1", now, 900.0, 200, "ok", None, 9.0, changes),
    )
    put(make_request(1, now, id="r", layer="alias", route="coder", attempts=tries))
    html = client.get("/request/r").text
    text = visible(html)
    order = ["by alias : coder , for spare/m", "1. spare/m connection refused", "http://spare/v1", "2. laptop/phi-4",
             "http://laptop/v1 model: auto → phi-4 credentials: the server&#39;s own", "Answered"]  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "/requests?layer=alias&amp;range=all" in html


def test_credentials_in_a_body_are_masked_on_every_tab(client: FlaskClient, put, make_request) -> None:
    """The story's parameters, the bytes and the indented bytes; only the download is what was sent."""
    body = asking("Hello", api_key=KEY, extra_headers={"Authorization": KEY})
    put(make_request(1, time.time(), id="r", request_body=body))
    for address in ("/request/r", "/request/r?view=request", "/request/r?view=request&indent=1", "/api/request/r"):
        assert KEY not in client.get(address).text, address
    assert "are masked here" in client.get("/request/r?view=request").text
    assert client.get("/api/body/request/r").data == body


def test_text_that_turns_other_text_around_is_spelled_out(client: FlaskClient, put, make_request) -> None:
    """Overrides of direction and terminal codes in names, errors, headers and messages."""
    odd = "\u202egnp\x1b[31m"
    named = dict.fromkeys(("model", "requested_model", "route", "layer", "server", "client", "error"), odd)
    put(make_request(1, time.time(), id="r", request_headers=((odd, odd),), request_body=asking(odd), **named))
    for address in ("/requests", "/request/r", "/request/r?view=request"):
        page = client.get(address).text
        shown = re.sub(r'(?:value|data-copy)="[^"]*"', "", page)
        assert "&lt;U+202E&gt;gnp&lt;1B&gt;[31m" in shown and "\u202e" not in shown and "\x1b" not in shown, address


def test_a_body_too_long_for_the_story_says_so(client: FlaskClient, put, make_request) -> None:
    """And its tab shows the beginning."""
    put(make_request(1, time.time(), id="r", request_body=asking("x" * 5_000_000)))
    assert "The body is 5.0 MB, too long to be read here" in client.get("/request/r").text
    assert "the first 256.0 kB shown" in client.get("/request/r?view=request").text


def test_attempts_that_are_no_filter_are_a_clear_400(client: FlaskClient) -> None:
    """There is only `many`."""
    assert client.get("/requests?attempts=3").status_code == 400


def test_what_names_no_model_is_named_by_its_path(client: FlaskClient, put, make_request) -> None:
    """Model lists, and what could not be read: method and path, and no colour of a model that is none."""
    named = {"requested_model": "", "model": None, "server": None, "layer": None, "attempts": (), "trace": ()}
    put(make_request(1, time.time(), id="r", method="GET", path="/v1/models", outcome="answered", **named))
    row = client.get("/requests").text.split('data-id="r"')[1].split("</tr>")[0]
    assert "GET /v1/models" in visible(row) and 'class="mark' not in row


def test_each_page_leads_to_its_data(client: FlaskClient, stories) -> None:
    """The list, the story and the chart have a link to themselves as JSON."""
    for address in ("/requests?layer=semantic", "/request/shadow", "/performance"):
        link = re.search(r'href="([^"]*)"[^>]*>JSON<', client.get(address).text)
        assert link and client.get(link[1].replace("&amp;", "&")).is_json, address
    detail = client.get("/api/request/shadow").json
    assert detail["trace"][0]["earlier"]["request_id"] == "first" and detail["row"]["attempt_count"] == 1


def test_what_was_cut_from_a_head_is_told(put, make_request, store) -> None:
    """On the page, by both ways to see it, and in the JSON: how many bytes, and how many whole fields."""
    head = tuple((f"x-{n}", "v" * 2_000) for n in range(20))
    put(make_request(1, 1000.0, id="long", request_headers=head, response_headers=(("x", "w" * 900_000),)))
    client = create_app(WebConfig(queries=store.queries)).test_client()
    told = client.get("/api/request/long").json
    assert told["request_left_out"] == {"fields": 12, "bytes": sum(len(f"x-{n}") + 2_000 for n in range(8, 20))}
    assert told["response_left_out"] == {"fields": 0, "bytes": 900_000 - 2_045}
    for address in ("/request/long", "/request/long?view=request"):
        assert "of this head, 12 whole fields among them" in client.get(address).text
    assert "whole field" not in client.get("/request/long?view=response").text
    assert "Too long to be kept" in client.get("/request/long?view=response").text


def test_the_session_of_a_request_is_told_by_its_digest(client: FlaskClient, put, make_request) -> None:
    """On the page and in the JSON: `switchman forget --session` takes it; a request without one says nothing."""
    put(make_request(1, 1000.0, id="with", session="0af3" * 8), make_request(2, 1000.0, id="without"))
    assert f"Session {'0af3' * 8}" in visible(client.get("/request/with").text)
    assert client.get("/api/request/with").json["session"] == "0af3" * 8
    assert not re.search(r"Session [0-9a-f]{32}", visible(client.get("/request/without").text))
