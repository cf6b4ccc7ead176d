"""The pages and their data, over a real store."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.store.opening import Store
from switchman.webui import WebConfig, create_app
from switchman.webui.looks.outcomes import LOOKS

EVIL = "<img src=x onerror=alert(1)>"


def record(identifier: str = "r1", **changes) -> Record:
    """A request of which only what the store asks for is known."""
    values = {
        "id": identifier,
        "started_at": time.time() - 60,
        "duration_ms": 1310.0,
        "method": "POST",
        "path": "/v1/chat/completions",
        "client": "10.0.0.7",
        "dialect": "openai",
        "operation": "chat",
        "requested_model": "coder",
        "layer": "alias",
        "route": "coder",
        "server": "laptop",
        "model": "llama3",
        "status": 200,
        "outcome": "ok",
        "streamed": False,
    }
    return Record(**(values | changes))


@pytest.fixture
def client(store: Store) -> FlaskClient:
    return create_app(WebConfig(queries=store.queries, proxy_url="http://router.lan:1234/")).test_client()


def visible(html: str) -> str:
    """A page's text without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_an_empty_log_says_how_to_fill_it(client: FlaskClient) -> None:
    """Both lists offer a curl to the router's own address."""
    for address in ("/requests", "/performance"):
        page = client.get(address).text
        assert "No requests yet" in page and "curl http://router.lan:1234/v1/chat/completions" in page


def test_an_empty_view_of_a_full_log_offers_all_of_it(client: FlaskClient, put) -> None:
    """It does not pretend that there are no requests."""
    put(record(started_at=time.time() - 3 * 86_400))
    for address in ("/requests", "/performance", "/requests?model=none"):
        page = client.get(address).text
        assert "No request matches" in page and "range=all" in page
    assert 'data-id="r1"' in client.get("/requests?range=all").text


def test_the_list_shows_every_outcome_with_a_word_and_a_shape(client: FlaskClient, put) -> None:
    """Colour is never the only sign."""
    put(*(record(outcome, outcome=outcome, status=299) for outcome in LOOKS))
    page = client.get("/requests").text
    for outcome, look in LOOKS.items():
        row = page.split(f'data-id="{outcome}"')[1].split("</tr>")[0]
        assert f'299 <span class="word">{look.word}</span>' in row and "<svg" in row


def test_unknown_numbers_are_dashes_and_zeros_are_zeros(client: FlaskClient, put) -> None:
    """Nothing is invented, nothing is hidden."""
    put(record("unknown"), record("zero", input_tokens=0, output_tokens=0, ttft_ms=0.0, tokens_per_second=0.0))
    page = client.get("/requests").text
    unknown = page.split('data-id="unknown"')[1].split("</tr>")[0]
    zero = page.split('data-id="zero"')[1].split("</tr>")[0]
    assert unknown.count('title="unknown">–<') == 4 and "0 → 0" not in visible(unknown)
    assert 'title="unknown"' not in zero and "0 → 0" in visible(zero)


@pytest.mark.parametrize(
    "address",
    [
        "/requests",
        "/request/r1",
        "/request/r1?view=request",
        "/request/r1?view=response",
        "/performance",
        "/requests?model=%3Cimg%20src",
    ],
)
def test_markup_from_outside_stays_text(client: FlaskClient, put, address: str) -> None:
    """Names, errors, headers, messages and answers are whatever someone wrote."""
    evil = f"{EVIL}\"'></script><script>alert(2)</script>"
    put(
        record(
            requested_model=evil,
            model=evil,
            server=evil,
            route=evil,
            client=evil,
            path="/" + evil,
            error=evil,
            dialect=evil,
            finish_reason=evil,
            request_headers=((evil, evil),),
            response_headers=((evil, evil),),
            input_tokens=1,
            output_tokens=1,
            request_body=json.dumps(
                {"messages": [{"role": evil, "content": evil}], evil: evil, "tools": [{"name": evil}]}
            ).encode(),
            response_body=json.dumps(
                {"choices": [{"message": {"content": evil, "tool_calls": [{"function": {"name": evil}}]}}]}
            ).encode(),
            trace=({"layer": evil, "outcome": evil, "detail": evil, "score": None, "elapsed_ms": None},),
            attempts=(AttemptRecord(1, evil, evil, "http://x/" + evil, time.time(), 1.0, None, evil, evil),),
        )
    )
    page = client.get(address).text
    assert "<img" not in page and "<script>" not in page and "&lt;img src=" in page


def test_data_for_scripts_is_json_and_its_rows_are_escaped(client: FlaskClient, put) -> None:
    """The live list puts `html` into the page: it must come out of the template escaped."""
    put(record(model=EVIL, requested_model=EVIL))
    answer = client.get("/api/requests?html=1")
    assert answer.mimetype == "application/json"
    (row,) = answer.json["rows"]
    assert row["model"] == EVIL and "<img" not in row["html"]


def test_the_story_reads_from_asking_to_answering(client: FlaskClient, put) -> None:
    """Asked, decided, attempts, answered, in that order, each with what happened."""
    start = time.time() - 60
    put(
        record(
            started_at=start,
            request_body=b'{"system": "Be brief.", "messages": [{"role": "user", "content": "What is up?"}]}',
            response_body=b'{"choices": [{"message": {"content": "The sky."}}]}',
            trace=(
                {"layer": "model_map", "outcome": "miss", "detail": "no entry", "score": None, "elapsed_ms": None},
                {"layer": "alias", "outcome": "hit", "detail": "two instances", "score": 0.875, "elapsed_ms": 0.02},
            ),
            attempts=(
                AttemptRecord(1, "fast-box", "llama3", "http://fast/v1", start, 500.0, 503, "status", "overloaded"),
                AttemptRecord(2, "laptop", "llama3", "http://laptop/v1", start + 0.5, 800.0, 200, "ok", None, 100.0),
            ),
        )
    )
    text = visible(client.get("/request/r1").text)
    places = [
        text.index(word)
        for word in (
            "Asked",
            "What is up?",
            "Decided",
            "two instances",
            "Attempts",
            "overloaded",
            "Answered",
            "The sky.",
        )
    ]
    assert places == sorted(places)
    html = client.get("/request/r1").text
    lit = html.split('class="lit"')[1].split("</li>")[0]
    assert "alias" in lit and "0.875" in lit and html.count('class="lit"') == 1
    assert '<rect class="waiting" x="38.17%" width="7.63%"' in html  # 0.5 s of 1.31 s, then 100 ms


def test_raw_bytes_are_one_tab_away(client: FlaskClient, put) -> None:
    """As sent to the byte; indented only when asked; to download whole."""
    body = b'{"b":1,  "a":[2],"b":1}'
    put(record(request_body=body, response_body=b"\xff\xfe raw"))
    assert "{&#34;b&#34;:1,  &#34;a&#34;:[2],&#34;b&#34;:1}" in client.get("/request/r1?view=request").text
    assert "&#34;a&#34;: [\n" in client.get("/request/r1?view=request&indent=1").text
    for side, data in (("request", body), ("response", b"\xff\xfe raw")):
        answer = client.get(f"/api/body/{side}/r1")
        assert answer.data == data
        assert answer.mimetype == "application/octet-stream" and answer.headers["Content-Disposition"].startswith(
            "attachment"
        )


def test_a_body_that_is_not_there_says_why(client: FlaskClient, put, tmp_path: Path) -> None:
    """No body and a body no longer kept are two things."""
    put(record(request_body=os.urandom(300_000)))  # too large and too random for the table
    for blob in (tmp_path / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    assert "no longer kept" in client.get("/request/r1?view=request").text
    assert "no longer kept" in client.get("/request/r1").text
    assert client.get("/api/body/request/r1").status_code == 404
    assert "had no body" in client.get("/request/r1?view=response").text
    assert client.get("/api/body/response/r1").status_code == 404
    assert client.get("/api/body/elsewhere/r1").status_code == 404


def test_ids_that_a_client_chose_open(client: FlaskClient, put) -> None:
    """x-request-id may hold slashes, spaces and letters of any kind."""
    for identifier in ("a/b//c", "with space?&#", "模型-1"):
        put(record(identifier))
        row = (
            client.get("/requests", query_string={"text": identifier})
            .text.split('class="row-link" href="')[1]
            .split('"')[0]
        )
        answer = client.get(row.replace("&amp;", "&"))
        assert answer.status_code == 200 and "Asked" in answer.text


def test_paging_goes_through_all_rows_once(client: FlaskClient, put) -> None:
    """By cursor: the older page starts where the newer one ended."""
    put(*(record(f"r{number:03}", started_at=time.time() - number - 1) for number in range(130)))
    first = client.get("/requests").text
    older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    second = client.get(older).text
    ids = re.findall(r'data-id="(\w+)"', first) + re.findall(r'data-id="(\w+)"', second)
    assert ids == [f"r{number:03}" for number in range(130)]
    assert "not live" in second and 'rel="next"' not in second


def test_the_live_cursor_finds_what_came_since(client: FlaskClient, put) -> None:
    """Also a long request that began before the newest row."""
    put(record("early"))
    cursor = client.get("/api/requests").json["live"]
    assert client.get(f"/api/requests?after={cursor}").json["rows"] == []
    put(record("long", started_at=time.time() - 3000))
    fresh = client.get(f"/api/requests?after={cursor}").json
    assert [row["id"] for row in fresh["rows"]] == ["long"] and fresh["live"] != cursor


@pytest.mark.parametrize(
    "address",
    [
        "/requests?status=abc",
        "/requests?range=3y",
        "/requests?before=x",
        "/api/requests?after=x",
        "/performance?x=z",
        "/api/summary?from=noon",
    ],
)
def test_an_address_that_cannot_be_read_is_a_clear_400(client: FlaskClient, address: str) -> None:
    """No traceback, and JSON where a program asks."""
    assert client.get(address, headers={"Accept": "text/html"}).status_code == 400
    answer = client.get(address)
    assert answer.status_code == 400 and "cannot be read" in answer.json["error"]


def test_filters_are_links(client: FlaskClient, put) -> None:
    """Quick filters, the client of a request, and filters without a field can all be followed and removed."""
    put(record("good"), record("bad", outcome="failed", status=502, client="10.0.0.8"))
    assert re.findall(r'data-id="(\w+)"', client.get("/requests?outcome=error").text) == ["bad"]
    page = client.get("/requests?client=10.0.0.8").text
    assert re.findall(r'data-id="(\w+)"', page) == ["bad"] and "client 10.0.0.8" in visible(page)
    assert "/requests?client=10.0.0.8&amp;range=all" in client.get("/request/bad").text


def test_the_chart_leaves_out_what_is_not_known_and_says_so(client: FlaskClient, put) -> None:
    """A point needs its tokens; on a logarithmic scale it needs more than zero."""
    put(record("known", output_tokens=5, input_tokens=7), record("zero", output_tokens=0), record("unknown"))
    chart = client.get("/api/performance").json
    assert sorted((point["id"], point["x"]) for point in chart["points"]) == [("known", 5), ("zero", 0)]
    assert "1 without a known number of tokens is not shown" in chart["note"]
    assert chart["points"][0]["url"] == "/request/" + chart["points"][0]["id"]
    log = client.get("/api/performance?scale=log&x=total").json
    assert [(point["id"], point["x"]) for point in log["points"]] == [("known", 12)]


def test_the_chart_library_is_only_on_the_page_with_charts(client: FlaskClient, put) -> None:
    """And comes from here, whole, to be kept for ever."""
    put(record(output_tokens=5))
    assert "plotly" not in client.get("/requests").text and "plotly" not in client.get("/request/r1").text
    address = client.get("/performance").text.split('<script src="')[1].split('"')[0]
    answer = client.get(address, buffered=True)
    assert address.startswith("/assets/plotly-") and "immutable" in answer.headers["Cache-Control"]
    assert len(answer.data) > 1_000_000 and answer.mimetype == "text/javascript"


def test_no_page_asks_anyone_else_for_anything(client: FlaskClient, put) -> None:
    """No CDN, no fonts: every file that a page loads has a path of ours."""
    put(record(output_tokens=5))
    for address in ("/requests", "/performance", "/request/r1"):
        loaded = re.findall(r'(?:<script[^>]* src|<link[^>]* href|<img[^>]* src)="([^"]*)"', client.get(address).text)
        assert loaded and all(re.match(r"/[^/]", found) for found in loaded)


def test_a_broken_rules_file_is_said_on_every_page(store: Store) -> None:
    """With file and line; the file is looked at again for each page."""

    class Rules:
        error = None

        def poll(self) -> bool:
            self.error = "routes.yaml:12: unknown key 'modle'"
            return True

    client = create_app(WebConfig(queries=store.queries, rules=Rules())).test_client()
    assert "routes.yaml:12: unknown key &#39;modle&#39;" in client.get("/requests").text


def test_a_database_that_is_away_is_a_503_that_says_so(client: FlaskClient, store: Store) -> None:
    """The page says it in words; the router goes on without."""
    with store.engine.begin() as conn:
        conn.exec_driver_sql("DROP TABLE attempts")
        conn.exec_driver_sql("DROP TABLE requests")
    answer = client.get("/requests", headers={"Accept": "text/html"})
    assert answer.status_code == 503 and "cannot be read now" in answer.text


def test_the_colours_one_chose_are_in_the_page_that_comes(client: FlaskClient) -> None:
    """No flash of the wrong colours; a cookie that says nonsense is nothing."""
    client.set_cookie("switchman_theme", "dark")
    assert 'data-theme="dark"' in client.get("/requests").text
    client.set_cookie("switchman_theme", '"><script>')
    assert "data-theme" not in client.get("/requests").text
