"""The list that is filtered, as a file: the same rows, the same order, nothing that its reader may not see."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from mitmproxy.io.har import request_to_flow

from switchman.addons.core.access.roles import Role
from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.store.opening import Store
from switchman.webui import WebConfig, create_app
from switchman.webui.access.people import COOKIE
from switchman.webui.access.tokens import make_token
from switchman.webui.pages.requests import exports

SECRET = "a test's secret, 32 bytes and longer"
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
FILTERS = [
    "", "outcome=error", "status=4xx", "model=mistral-small", "error=rate_limit", "stream=yes", "words=function+number",
    "asked=coder&server=fast-box", "words=function&stream=no", "text=0000000", "range=1h", "layer=none",
    "from=2020-01-01&to=2020-01-02",
]  # fmt: skip


@pytest.fixture
def client(store: Store, put, seed_records) -> FlaskClient:
    """A dashboard over 24 good requests and one of each other outcome."""
    records = seed_records(time.time(), 24)
    classes = {"upstream_error": "rate_limit", "failed": "connection"}
    put(
        *(
            replace(one, error_class=classes.get(one.outcome), asked=f"Write function number {one.id}")
            for one in records
        )
    )
    return create_app(WebConfig(queries=store.queries)).test_client()


def in_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def listed(client: FlaskClient, query: str) -> list[str]:
    """What the pages of the list show, in its order."""
    found: list[str] = []
    before = ""
    while True:
        answer = client.get(f"/api/requests?{query}&limit=7" + (f"&before={before}" if before else "")).json
        found += [row["id"] for row in answer["rows"]]
        if not (before := (answer["next"] or "").replace("#", "%23")):
            return found


def test_filters_and_exports_agree(client: FlaskClient, monkeypatch) -> None:
    """Row for row, in each format, over several pages, whatever is filtered; the count is that of the rows."""
    monkeypatch.setattr(exports, "MAX_ROWS", 7)
    for query in FILTERS:
        ids = listed(client, query)
        assert ids or "2020" in query, query
        files = {ending: client.get(f"/requests.{ending}?{query}", buffered=True) for ending in ("csv", "jsonl", "har")}
        assert [row["id"] for row in in_csv(files["csv"].text)] == ids, query
        assert [json.loads(line)["id"] for line in files["jsonl"].text.splitlines()] == ids, query
        assert [entry["_id"] for entry in json.loads(files["har"].text)["log"]["entries"]] == ids, query
        assert {answer.headers["X-Switchman-Rows"] for answer in files.values()} == {str(len(ids))}, query
        assert client.get(f"/api/requests/count?{query}").json == {"count": len(ids), "more": False}, query


def test_files_have_names_and_kinds(client: FlaskClient) -> None:
    """They are saved, never shown as a page of ours."""
    for ending, kind in (("csv", "text/csv"), ("jsonl", "application/x-ndjson"), ("har", "application/json")):
        answer = client.get(f"/requests.{ending}", buffered=True)
        assert answer.mimetype == kind and answer.headers["X-Content-Type-Options"] == "nosniff"
        name = answer.headers["Content-Disposition"]
        assert name.startswith("attachment; filename=switchman-requests-") and name.endswith(f".{ending}")
        assert client.get(f"/requests.{ending}?status=x", buffered=True).status_code == 400
        answer.close()


def test_cells_are_no_formulas(client: FlaskClient, put, make_request) -> None:
    """Of all that comes from outside."""
    evil = {
        "requested_model": "=1+1",
        "model": "+cmd",
        "route": "-2",
        "client": "@x",
        "token": "\t=3",
        "error": "|calc",
    }
    put(make_request(1, time.time(), id="evil", **evil))
    (row,) = [row for row in in_csv(client.get("/requests.csv", buffered=True).text) if row["id"] == "evil"]
    assert {row[name] for name in evil} == {"'=1+1", "'+cmd", "'-2", "'@x", "'\t=3", "'|calc"}


def test_values_are_those_of_the_row(client: FlaskClient, put, make_request) -> None:
    """Times as ISO 8601, what is not known is empty, kinds of content by name."""
    put(make_request(1, 1_796_000_000.5, id="one", modality=3, error_class="auth", cost=713, ttft_ms=None))
    (row,) = in_csv(client.get("/requests.csv?range=all&error=auth", buffered=True).text)
    assert (row["started_at"], row["modality"], row["cost_microdollars"], row["ttft_ms"], row["streamed"]) == (
        "2026-11-30T00:53:20.500Z", "text image", "713", "", "no",
    )  # fmt: skip
    (line,) = client.get("/requests.jsonl?range=all&error=auth", buffered=True).text.splitlines()
    whole = json.loads(line)
    assert whole["modality"] == ["text", "image"] and whole["ttft_ms"] is None and len(whole["attempts"]) == 2
    assert "Write function number 1" in whole["request_body"] and whole["request_body_state"] == "kept"


NUMBER, TEXT, LIST, THING = (int, float), str, list, dict
HAR = {  # http://www.softwareishard.com/blog/har-12-spec/: the fields that must be there
    "request": {"method": TEXT, "url": TEXT, "httpVersion": TEXT, "cookies": LIST, "headers": LIST,
                "queryString": LIST, "headersSize": NUMBER, "bodySize": NUMBER},
    "response": {"status": NUMBER, "statusText": TEXT, "httpVersion": TEXT, "cookies": LIST, "headers": LIST,
                 "content": THING, "redirectURL": TEXT, "headersSize": NUMBER, "bodySize": NUMBER},
    "timings": {"send": NUMBER, "wait": NUMBER, "receive": NUMBER},
}  # fmt: skip


def test_a_har_is_one(client: FlaskClient, put, make_request) -> None:
    """By its specification, and for mitmproxy, which reads it; a body that is no text is base64."""
    put(
        make_request(1, time.time() + 5, id="odd", path="/v1/x?a=1&b=%C3%A9", response_body=b"\xff\x00\xfe",
                     request_body=None, attempts=()),
    )  # fmt: skip
    log = json.loads(client.get("/requests.har", buffered=True).text)["log"]
    assert log["version"] == "1.2" and {"name", "version"} <= log["creator"].keys()
    for entry in log["entries"]:
        assert entry["startedDateTime"].endswith("Z") and entry["cache"] == {}
        for part, fields in HAR.items():
            for name, kind in fields.items():
                assert isinstance(entry[part][name], kind), (part, name)
        content = entry["response"]["content"]
        assert isinstance(content["mimeType"], str) and content["size"] >= 0
        timings = entry["timings"]
        parts = [timings[name] for name in ("blocked", "send", "wait", "receive")]
        assert min(parts) >= 0 and sum(parts) == pytest.approx(entry["time"])
        flow = request_to_flow(entry)
        assert flow.request.method == "POST" and flow.response is not None
    odd = log["entries"][0]
    assert odd["response"]["content"]["encoding"] == "base64" and odd["request"]["url"].startswith("http://127.0.0.1:")
    assert odd["request"]["queryString"] == [{"name": "a", "value": "1"}, {"name": "b", "value": "é"}]


def test_secrets_are_masked_as_on_the_pages(store: Store, put, make_request) -> None:
    """Fields of bodies that hold one, and keys of the configuration wherever they are."""
    body = json.dumps({"api_key": "sk-planted-0123456789", "text": "say key-of-ours-0123456789"}).encode()
    put(make_request(1, time.time(), id="one", request_body=body, response_body=body))
    keys = KnownKeys({"key-of-ours-0123456789"})
    client = create_app(WebConfig(queries=store.queries, keys=lambda: keys)).test_client()
    for ending in ("csv", "jsonl", "har"):
        text = client.get(f"/requests.{ending}", buffered=True).text
        assert "sk-planted-0123456789" not in text and "key-of-ours" not in text and "one" in text, ending
    json.loads(client.get("/requests.har", buffered=True).text)


def test_viewers_get_no_body_and_cannot_search_them(client_of, put, make_request) -> None:
    """Neither in a file, nor by counting what is found."""
    body = b'{"messages": [{"role": "user", "content": "planted"}]}'
    put(make_request(1, time.time(), id="one", request_body=body, error="planted", asked="planted", outcome="failed"))
    told: dict[Role, str] = {}
    for role in (Role.VIEWER, Role.OPERATOR):
        client = client_of(**LOCKED)
        client.set_cookie(COOKIE, make_token(SECRET, 1, role=role))
        files = [client.get(f"/requests.{ending}", buffered=True).text for ending in ("csv", "jsonl", "har")]
        assert all("one" in text for text in files)
        told[role] = "".join(files)
        for address in ("/requests", "/api/requests", "/api/summary", "/api/performance", "/performance",
                        "/api/requests/count", "/requests.csv", "/requests.jsonl", "/requests.har"):  # fmt: skip
            status = client.get(f"{address}?words=planted", buffered=True).status_code
            assert status == (400 if role == Role.VIEWER else 200), address
        assert ('name="words"' in client.get("/requests", headers={"Accept": "text/html"}).text) == (
            role != Role.VIEWER
        )
    assert "planted" not in told[Role.VIEWER] and "planted" in told[Role.OPERATOR]


def test_only_a_few_exports_at_a_time(client: FlaskClient) -> None:
    """Each holds a thread of the dashboard for as long as its reader takes; one that ends makes room."""
    running: list[Any] = [client.get("/requests.csv", buffered=False) for _ in range(exports.AT_A_TIME)]
    refused = client.get("/requests.csv", buffered=True)
    assert refused.status_code == 503 and "Try again" in refused.json["error"]
    running.pop().close()
    assert client.get("/requests.csv", buffered=True).status_code == 200
    for answer in running:
        answer.close()


def test_an_export_takes_no_more_memory_than_a_page(store: Store, put, make_request, monkeypatch) -> None:
    """Rows are read as they are sent: a reader that stops has read one page."""
    put(*(make_request(number, time.time() - number, id=f"r{number}") for number in range(20)))
    monkeypatch.setattr(exports, "MAX_ROWS", 5)
    asked: list[int] = []
    plain = store.queries.list_requests
    monkeypatch.setattr(
        store.queries, "list_requests", lambda *given: (asked.append(threading.get_ident()), plain(*given))[1]
    )
    client = create_app(WebConfig(queries=store.queries)).test_client()
    answer = client.get("/requests.csv", buffered=False)
    pieces = iter(answer.response)
    for _ in range(3):
        next(pieces)
    assert len(asked) == 1
    assert len(list(pieces)) == 18 and len(asked) == 4
    answer.close()
