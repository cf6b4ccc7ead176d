"""The page and the downloads of a request's copies."""

from __future__ import annotations

import base64
import json
import time

import pytest

from switchman.addons.core.access.roles import Role
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
EVIL = "</pre><img src=x onerror=alert(1)>"
HEADERS = (
    ("host", "127.0.0.1:1234"),
    ("content-type", "application/json"),
    ("authorization", "Bearer sk-client-0123456789abcdef"),
    ("cookie", "a=b"),
    ("anthropic-version", "2023-06-01"),
    ("x-forwarded-for", "10.9.8.7"),
    ("x-stainless-os", "Linux"),
)
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": EVIL}]}).encode()


@pytest.fixture
def one(put, make_request) -> None:
    put(
        make_request(
            1,
            time.time() - 5,
            id="one",
            request_body=BODY,
            request_headers=HEADERS,
            path="/v1/messages?key=sk-0123456789abcdef",
            dialect="anthropic",
        )
    )


def test_no_credential_is_in_a_copy(client_of, one) -> None:
    """Nor what was about the client's own connection; the key is a variable, where the dialect has it."""
    client = client_of()
    for kind in ("curl", "python"):
        text = client.get(f"/api/copy/{kind}/one").text
        assert "SWITCHMAN_KEY" in text and "x-api-key" in text.lower() + "x-api-key" * (kind == "python")
        for gone in ("sk-client", "a=b", "10.9.8.7", "stainless", "sk-0123456789abcdef", "Bearer sk"):
            assert gone not in text
        page = client.get(f"/request/one/copy?as={kind}", headers={"Accept": "text/html"}).text
        assert EVIL not in page and "onerror" in page
    assert "anthropic-version: 2023-06-01" in client.get("/api/copy/curl/one").text


def test_a_credential_in_the_body_is_masked_and_it_is_said(client_of, put, make_request) -> None:
    """In the page and in the files; a HAR file has the answer, too."""
    secret = b'{"model": "m", "api_key": "sk-inner-0123456789abcdef"}'
    put(make_request(1, time.time(), id="one", request_body=secret, response_body=secret))
    client = client_of()
    assert "sk-inner-0123456789" not in client.get("/api/copy/har/one").text
    page = client.get("/request/one/copy", headers={"Accept": "text/html"}).text
    assert "is masked" in page and "sk-inner-0123456789" not in page + client.get("/api/copy/curl/one").text


def test_a_har_file_has_what_the_format_asks_for(client_of, put, make_request) -> None:
    """Version 1.2: every field that must be there, bodies that are no text as base64, and times that add up."""
    put(make_request(1, time.time() - 5, id="one", response_body=b"\x00\xff", path="/v1/x?a=1&b="))
    answer = client_of().get("/api/copy/har/one")
    assert "attachment" in answer.headers["Content-Disposition"]
    log = json.loads(answer.text)["log"]
    assert log["version"] == "1.2" and log["creator"]["name"] == "Switchman"
    (entry,) = log["entries"]
    assert entry.keys() >= {"startedDateTime", "time", "request", "response", "cache", "timings"}
    asked, said = entry["request"], entry["response"]
    assert asked.keys() >= {
        "method",
        "url",
        "httpVersion",
        "cookies",
        "headers",
        "queryString",
        "headersSize",
        "bodySize",
    }
    assert said.keys() >= {"status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL"}
    assert asked["queryString"] == [{"name": "a", "value": "1"}, {"name": "b", "value": ""}]
    assert json.loads(asked["postData"]["text"])["messages"][0]["content"] == "You are brief."
    assert said["content"]["encoding"] == "base64" and base64.b64decode(said["content"]["text"]) == b"\x00\xff"
    times = entry["timings"]
    known = sum(value for name, value in times.items() if value > 0)
    assert known == pytest.approx(entry["time"]) and times.keys() >= {"send", "wait", "receive"}


def test_viewers_copy_no_body(client_of, one) -> None:
    """Neither by the page nor by a file."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    viewer = {"Authorization": f"Bearer {make_token(SECRET, 1, role=Role.VIEWER)}"}
    for path in ("/request/one/copy", "/api/copy/curl/one", "/api/copy/python/one", "/api/copy/har/one"):
        assert "onerror" not in client.get(path, headers=viewer | {"Accept": "text/html"}).text
    assert client.get("/api/copy/curl/one", headers=viewer).status_code == 404


def test_a_body_of_ten_megabytes_is_copied_in_a_moment(client_of, put, make_request) -> None:
    """It is named as a file, and is in no page."""
    put(make_request(1, time.time(), id="one", request_body=b'{"model": "m", "x": "' + b"y" * 10_000_000 + b'"}'))
    page = client_of().get("/request/one/copy", headers={"Accept": "text/html"}).text
    assert "request-body.bin" in page and len(page) < 50_000
    assert client_of().get("/request/one/copy?as=odd").status_code == 404
