"""What is stored of a record by its mode: everything, everything without what is private, or no content."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.texts.redaction.atrest import Redactor
from switchman.addons.store import Store
from switchman.addons.store.keeping.capture import captured
from switchman.addons.testing.samples import make_attempt, make_record

SAID = "write to anna.smith@example.org"
EARLIER = {"request_id": "r0", "asked": SAID, "took_ms": 1.0}
PLAIN = {"score": None, "elapsed_ms": None, "earlier": None}
LINES = (
    {**PLAIN, "layer": "arbiter", "outcome": "miss", "detail": SAID, "earlier": EARLIER},
    {**PLAIN, "layer": "route", "outcome": "hit", "detail": "rule 1 matches"},
)


def record(mode: str, **fields: Any) -> Any:
    return make_record(**{
        "capture": mode, "path": f"/v1/chat?user={SAID}", "error": f"upstream said {SAID}",
        "request_headers": (("x-user", SAID), ("content-type", "application/json; charset=utf-8")),
        "response_headers": (("x-echo", SAID), ("content-type", "application/json")),
        "request_body": json.dumps({"content": SAID}).encode(), "response_body": json.dumps({"text": SAID}).encode(),
        "attempts": (make_attempt(outcome="status", error=SAID, url=f"http://up/v1?u={SAID}"),
                     make_attempt(2, outcome="connect", error="connection refused")),
        "trace": LINES, "kept_as": "answers/abc", **fields,
    })  # fmt: skip


def kept(mode: str, **fields: Any) -> Any:
    return captured(record(mode, **fields), Redactor, 10_000)


def test_full_is_the_same_object() -> None:
    """Nothing is done where all is kept."""
    given = record("full")
    assert captured(given, Redactor, 10_000) is given


def test_metadata_keeps_no_content() -> None:
    """No body, no query, no quoted error, no prompt in the trace; what happened stays."""
    found = kept("metadata")
    assert "anna" not in repr(found)
    assert (found.request_body, found.response_body, found.kept_as) == (None, None, None)
    assert found.request_size == len(record("full").request_body)
    assert found.request_headers == (("content-type", "application/json"),)
    assert [one.error for one in found.attempts] == ["Its text is not kept: CAPTURE=metadata.", "connection refused"]
    assert [line["detail"] for line in found.trace] == ["", "rule 1 matches"]
    assert (found.status, found.model, found.path) == (record("full").status, record("full").model, "/v1/chat")


def test_redacted_keeps_all_but_what_is_private() -> None:
    """Bodies, heads, errors and traces are there, with placeholders."""
    found = kept("redacted")
    assert "anna" not in repr(found) and "example.org" not in repr(found)
    assert json.loads(found.request_body) == {"content": "write to [email]"}
    assert dict(found.request_headers)["x-user"] == "write to [email]"
    assert found.error == "upstream said write to [email]"
    assert found.trace[0]["detail"] == found.trace[0]["earlier"]["asked"] == "write to [email]"


@pytest.mark.parametrize(("body", "head"), [
    (gzip.compress(SAID.encode(), mtime=0), (("Content-Encoding", "gzip"),)),
    (SAID.encode("utf-16"), ()),
    (SAID.encode("utf-16-le"), ()),
    (b"\xff\xfe anna.smith@example.org", ()),
])  # fmt: skip
def test_what_nobody_can_look_into_is_not_stored(body: bytes, head: Any) -> None:
    """Compressed, binary, or no UTF-8: the body is left out, and its size stays."""
    found = kept("redacted", response_body=body, response_headers=head)
    assert (found.response_body, found.response_size) == (None, len(body))


def test_a_redactor_that_fails_keeps_no_content() -> None:
    """Where redaction breaks, the row is written as metadata is."""

    def broken() -> Redactor:
        raise RuntimeError(SAID)

    assert "anna" not in repr(captured(record("redacted"), broken, 10_000))


def test_the_end_of_a_body_that_is_cut_is_left_out() -> None:
    """Half of an address at the cut cannot be known, so the end goes."""
    body = b"x " * 4_990 + b" anna.smith@exam"
    found = captured(record("redacted", response_body=body + b"ple.org", response_headers=()), Redactor, len(body))
    assert b"anna" not in found.response_body and found.response_size == len(body) + 7


@pytest.mark.parametrize("mode", ["full", "redacted", "metadata"])
def test_the_log_says_how_it_was_captured(store: Store, write: Callable[..., None], mode: str) -> None:
    """Row and body tell the mode, and who asked for it."""
    write(store, record(mode, capture_by="token anna"))
    detail = store.queries.get_request(record(mode).id)
    assert detail is not None and detail.row.capture == mode
    state = "uncaptured" if mode == "metadata" else "kept"
    told = "" if mode == "full" else f"CAPTURE={mode} by token anna"
    assert (detail.request_body.state, detail.request_body.capture) == (state, told)
    body = store.queries.body(record(mode).id, "response")
    assert body is not None and (body.info.state, body.info.capture) == (state, told)
