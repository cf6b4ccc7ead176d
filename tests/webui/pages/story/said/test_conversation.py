"""The page of a conversation."""

from __future__ import annotations

import json
import time

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.access.roles import Role
from switchman.webui.access.tokens import make_token

EVIL = "</div><img src=x onerror=alert(1)><script>alert(1)</script>"
SECRET = "a test's secret, 32 bytes and longer"
HTML = {"Accept": "text/html"}


@pytest.fixture
def client(client_of) -> FlaskClient:
    client: FlaskClient = client_of()
    return client


def test_everything_from_outside_is_text(client: FlaskClient, put, make_request) -> None:
    """Roles, texts, names of tools, arguments, results, addresses of pictures, errors, in both directions."""
    call = {"id": EVIL, "type": "function", "function": {"name": EVIL, "arguments": json.dumps({"a": EVIL})}}
    asked = [
        {
            "role": "user",
            "content": [{"type": "text", "text": EVIL}, {"type": "image_url", "image_url": {"url": EVIL}}],
        },
        {"role": "assistant", "content": EVIL, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": EVIL, "content": EVIL},
    ]
    tools = [{"type": "function", "function": {"name": EVIL}}]
    reply = {"choices": [{"index": 0, "message": {"content": EVIL, "reasoning_content": EVIL, "tool_calls": [call]}}]}
    put(
        make_request(
            1,
            time.time(),
            id="one",
            request_body=json.dumps({"model": "m", "messages": asked, "tools": tools}).encode(),
            response_body=json.dumps(reply).encode(),
        ),
        make_request(2, time.time(), id="two", response_body=json.dumps({"error": {"message": EVIL}}).encode()),
    )
    for name in ("one", "two"):
        page = client.get(f"/request/{name}/conversation", headers=HTML)
        assert page.status_code == 200 and "onerror" in page.text
        assert "<img" not in page.text and "<script>alert" not in page.text


def test_a_message_can_be_downloaded_whole(client: FlaskClient, put, make_request) -> None:
    """As plain text, never as a page; what is not there is a 404."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": EVIL + "x" * 30_000}]}).encode()
    put(make_request(1, time.time(), id="one", request_body=body))
    assert 'href="/request/one/message/0"' in client.get("/request/one/conversation", headers=HTML).text
    answer = client.get("/request/one/message/0")
    assert answer.text == EVIL + "x" * 30_000 and answer.mimetype == "text/plain"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert client.get("/request/one/message/7").status_code == 404


def test_ten_megabytes_are_a_page_of_a_fraction_of_it(client: FlaskClient, put, make_request) -> None:
    """Fifty messages of 200 kB each: the page stays small, and says what is missing."""
    messages = [{"role": "user", "content": "y" * 200_000} for _ in range(50)]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    put(make_request(1, time.time(), id="one", request_body=body))
    for path in ("/request/one", "/request/one/conversation", "/request/one/changes", "/request/one/again"):
        page = client.get(path, headers=HTML)
        assert page.status_code == 200 and len(page.text) < 1_000_000, path
    page = client.get("/request/one/conversation", headers=HTML).text
    assert "messages 21 to 50 of 50" in page and "characters more" in page and "Show older messages" in page


def test_what_cannot_be_read_says_why(client: FlaskClient, put, make_request) -> None:
    """Another form, nothing, and a row without any body."""
    put(
        make_request(1, time.time(), id="odd", request_body=b"\x00\xff", response_body=b"<html>"),
        make_request(2, time.time(), id="none", request_body=None, response_body=None),
    )
    assert "This page finds no message in the body" in client.get("/request/odd/conversation", headers=HTML).text
    assert "The request had no body." in client.get("/request/none/conversation", headers=HTML).text


def test_viewers_see_no_word(client_of, put, make_request) -> None:
    """Neither on the page nor by the download."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "planted"}]}).encode()
    put(
        make_request(
            1,
            time.time(),
            id="one",
            request_body=body,
            response_body=b'{"choices":[{"index":0,"message":{"content":"planted"}}]}',
        )
    )
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    viewer = {"Authorization": f"Bearer {make_token(SECRET, 1, role=Role.VIEWER)}", **HTML}
    page = client.get("/request/one/conversation", headers=viewer)
    assert page.status_code == 200 and "planted" not in page.text and "hidden from viewers" in page.text
    assert client.get("/request/one/message/0", headers=viewer).status_code == 403
