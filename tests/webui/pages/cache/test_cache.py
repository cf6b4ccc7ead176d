"""`/cache`: what it says, who may judge and clear, and what becomes of that."""

from __future__ import annotations

import html
import re
import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.access.roles import Role
from switchman.addons.core.record import Record
from switchman.addons.store.keeping.beside.cacheverdicts import Counts
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.opening import Store
from switchman.webui.access.tokens import make_token

BROWSER = {"Accept": "text/html", "Connection": "keep-alive", "Sec-Fetch-Site": "same-origin"}
EVIL = "<img src=x onerror=alert(1)>"
SECRET = "a test's secret, 32 bytes and longer"


@pytest.fixture
def pair(make_request, put) -> Record:
    """A shadow hit whose earlier prompt is markup."""
    earlier = {"request_id": "first", "asked": EVIL, "took_ms": 900.0}
    found = {
        "layer": "semantic_cache", "outcome": "skip", "detail": "Shadow", "score": 0.9712, "elapsed_ms": 1.0,
        "earlier": earlier,
    }  # fmt: skip
    record: Record = make_request(1, time.time() - 60, cache="shadow", trace=(found,))
    put(record)
    return record


def word(client: FlaskClient) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', client.get("/cache?range=all", headers=BROWSER).text)
    assert found
    return found[1]


def send(client: FlaskClient, path: str, **data: Any) -> Any:
    return client.post(path, data={"csrf": word(client), **data}, headers=BROWSER)


def test_both_prompts_stand_side_by_side(client_of, pair: Record) -> None:
    """With the similarity, and the address of each request."""
    page = client_of().get("/cache?range=all", headers=BROWSER).text
    assert html.escape(EVIL) in page and EVIL not in page and "Write function number 1" in page
    assert "similarity 0.971" in page and "/request/first" in page and f"/request/{pair.id}" in page


def test_a_verdict_is_kept_changed_and_taken_back(client_of, store: Store, pair: Record) -> None:
    """And one comes back to the pair that was judged."""
    client = client_of()
    answer = send(client, "/cache/verdict", id=pair.id, verdict="wrong", kind="shadow", range="all")
    assert answer.status_code == 303 and answer.location.endswith(f"range=all#pair-{pair.id}")
    assert store.queries.verdicts.of([pair.id])[pair.id].verdict == "wrong"
    assert "Judged wrong by" in client.get("/cache?range=all", headers=BROWSER).text
    assert client.post("/cache/verdict", json={"id": pair.id, "verdict": "right"}).get_json() == {
        "id": pair.id, "verdict": "right",
    }  # fmt: skip
    assert store.queries.verdicts.counts() == Counts(right=1)
    assert send(client, "/cache/verdict", id=pair.id, verdict="").status_code == 303
    assert store.queries.verdicts.counts() == Counts()


@pytest.mark.parametrize(
    ("given", "status"),
    [({"id": "none", "verdict": "right"}, 404), ({"verdict": "perhaps"}, 400), ({"kind": "x"}, 404), ([], 404)],
    ids=["no-such-request", "no-such-verdict", "no-id", "no-object"],
)
def test_what_cannot_be_judged_is_refused(client_of, store: Store, pair: Record, given: Any, status: int) -> None:
    assert client_of().post("/cache/verdict", json=given).status_code == status
    assert store.queries.verdicts.counts() == Counts()


def test_the_caches_are_cleared_by_operators_and_written_down(client_of, store: Store, tmp_path: Path) -> None:
    """Without a cache on disk it says so; a page without our word clears nothing."""
    client = client_of(elsewhere=Elsewhere(tmp_path / "requests.db"))
    assert client.post("/cache/clear", headers=BROWSER).status_code == 403
    csrf = re.search(r'name="csrf" value="(\w+)"', client.get("/tokens/new", headers=BROWSER).text)
    assert csrf
    answer = client.post("/cache/clear", data={"csrf": csrf[1]}, headers=BROWSER)
    assert answer.status_code == 303 and answer.location == "/cache?cleared=0"
    line = store.access.audit.list(None, 1).lines[0]
    assert (line.what, line.after) == ("cache.clear", {"answers": 0})
    assert "0 kept answers are forgotten" in client.get(answer.location, headers=BROWSER).text
    assert client_of().post("/cache/clear", json={}).status_code == 503


def test_viewers_read_no_prompt_and_change_nothing(client_of, store: Store, pair: Record) -> None:
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    viewer = {"Authorization": f"Bearer {make_token(SECRET, 1, role=Role.VIEWER)}"}
    for address in ("/cache?range=all", "/api/cache?range=all"):
        text = client.get(address, headers=viewer).text
        assert "Write function" not in text and "onerror" not in text and "Hidden from viewers" in text
    refused = client.post("/cache/verdict", json={"id": pair.id, "verdict": "right"}, headers=viewer)
    assert refused.status_code == 403 and store.queries.verdicts.counts() == Counts()
    assert client.post("/cache/clear", json={}, headers=viewer).status_code == 403


@pytest.mark.parametrize("address", ["/cache?kind=x", "/cache?before=x", "/cache?range=x"])
def test_an_address_that_cannot_be_read_says_so(client_of, address: str) -> None:
    answer = client_of().get(address, headers=BROWSER)
    assert answer.status_code == 400 and "The address cannot be read" in answer.text


@pytest.mark.parametrize("kind", ["shadow", "served"])
def test_an_empty_page_says_how_to_fill_it(client_of, kind: str) -> None:
    assert "cache: {semantic: {mode:" in client_of().get(f"/cache?kind={kind}", headers=BROWSER).text
