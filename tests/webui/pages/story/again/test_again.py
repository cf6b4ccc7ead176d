"""Sending a request again: who may, what is sent, how far it is, and both answers side by side."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.access.roles import Role
from switchman.addons.store.opening import Store
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.webui.access.people import COOKIE
from switchman.webui.access.tokens import make_token
from switchman.webui.admin.asking.sending import MOST_AT_ONCE
from switchman.webui.server import DashboardServer

SECRET = "a test's secret, 32 bytes and longer"
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
HTML = {"Accept": "text/html"}
EVIL = "<img src=x onerror=alert(1)>"
HEADERS = (("content-type", "application/json"), ("authorization", "Bearer sk-…masked"), ("x-team", "blue"))
BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "planted question"}]}).encode()


@pytest.fixture
def router() -> Iterator[FakeUpstream]:
    """What stands in for the router: it tells an id with each answer."""
    with FakeUpstream(default=Behaviour(headers=[("x-switchman-request-id", "second")])) as running:
        yield running


@pytest.fixture
def client(client_of, put, make_request, router: FakeUpstream) -> FlaskClient:
    put(
        make_request(1, time.time() - 5, id="first", requested_model="auto", request_body=BODY, request_headers=HEADERS)
    )
    client: FlaskClient = client_of(proxy_url=router.url, wants_tokens=False)
    return client


def until[T](what: Callable[[], T]) -> T:
    end = time.monotonic() + 20
    while not (found := what()):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def word_of(client: FlaskClient, **headers: str) -> str:
    page = client.get("/request/first/again", headers=HTML | headers).text
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, page
    return found[1]


def send(client: FlaskClient, **form: str) -> str:
    """The address of both."""
    answer = client.post("/request/first/again", data={"csrf": word_of(client), **form})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def over(client: FlaskClient, address: str) -> Any:
    """How it ended."""

    def told() -> Any:
        found = client.get(f"/api{address}").json
        return found if found.get("over", True) else None

    return until(told)  # fmt: skip


def test_it_is_sent_as_it_came(client: FlaskClient, router: FakeUpstream, store: Store) -> None:
    """To the byte, past the caches, without a credential; the new request leads back to the first."""
    address = send(client)
    told = over(client, address)
    assert (told["state"], told["status"], told["request_id"], told["error"]) == ("done", 200, "second", None)
    (got,) = router.inferences
    head = {name.decode().lower(): value.decode() for name, value in got.headers}
    assert got.body == BODY and got.target == "/v1/chat/completions"
    assert head["x-team"] == "blue" and head["x-switchman-cache"] == "bypass" and "authorization" not in head
    (kept,) = store.queries.remarks.sent_of("first")
    assert (kept.request_id, kept.who, kept.edited, kept.target) == ("second", "local", False, "auto")
    (line,) = store.access.audit.list().lines
    assert (line.what, line.who, line.target) == ("request.again", "local", "first")


def test_both_stand_side_by_side(client: FlaskClient, put, make_request) -> None:
    """Figures and answers of both, at an address that viewers can open too; the list has a tag."""
    address = send(client, target=f"box/{EVIL}")
    over(client, address)
    put(
        make_request(
            2,
            time.time(),
            id="second",
            response_body=json.dumps({"choices": [{"index": 0, "message": {"content": f"the other {EVIL}"}}]}).encode(),
        )
    )
    page = client.get(address, headers=HTML).text
    assert "Here is function number 1" in page and "the other &lt;img" in page and EVIL not in page
    assert 'href="/request/first"' in page and 'href="/request/second"' in page and "again.js" not in page
    assert "both side by side" in client.get("/request/second", headers=HTML).text
    assert "sent again" in client.get("/requests?range=all", headers=HTML).text
    assert address in client.get("/request/first/again", headers=HTML).text


def test_another_target_and_an_edited_body(client: FlaskClient, router: FakeUpstream, store: Store) -> None:
    """The model alone is changed; what was edited says so; a kept answer is asked for by a tick."""
    over(client, send(client, target="box/m", body=BODY.decode()))
    over(client, send(client, body='{"model": "auto", "messages": []}', cached="1"))
    first, second = router.inferences
    assert first.body == BODY.replace(b'"auto"', b'"box/m"') and second.body == b'{"model": "auto", "messages": []}'
    assert b"x-switchman-cache" not in [name.lower() for name, _ in second.headers]
    assert {(one.target, one.edited) for one in store.queries.remarks.sent_of("first")} == {
        ("box/m", False), ("auto", True),
    }  # fmt: skip


def test_an_edited_body_may_be_longer_than_other_forms(client: FlaskClient, router: FakeUpstream) -> None:
    """150 kB of text; what is far too long is refused."""
    long = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 150_000}]})
    over(client, send(client, body=long))
    assert router.inferences[0].body == long.encode()
    refused = client.post("/request/first/again", data={"csrf": word_of(client), "body": "x" * 1_100_000})
    assert refused.status_code == 413 and len(router.inferences) == 1


def test_how_far_it_is_and_cancelled(client: FlaskClient, router: FakeUpstream) -> None:
    """The text so far; a cancelled one ends at once, and the router sees that its client has left."""
    router.script(
        [
            Behaviour(
                text="one two three four", delay=0.05, stall_after=4, headers=[("x-switchman-request-id", "second")]
            )
        ]
    )
    address = send(client, body=json.dumps(json.loads(BODY) | {"stream": True}))
    told = until(lambda: (found := client.get(f"/api{address}").json) and "two" in found["text"] and found)
    assert told["state"] == "answering" and told["received"] > 0 and not told["written"]
    page = client.get(address, headers=HTML).text
    assert "again.js" in page and "Cancel" in page
    assert client.post(f"{address}/cancel", data={"csrf": word_of(client)}).status_code == 303
    assert over(client, address)["state"] == "cancelled"
    assert router.requests[0].disconnected.wait(30)
    assert "It was cancelled." in client.get(address, headers=HTML).text


def test_a_router_that_is_not_there_is_told(client_of, put, make_request) -> None:
    """On the page of both, and kept."""
    put(make_request(1, time.time() - 5, id="first", request_body=BODY))
    client = client_of(proxy_url="http://127.0.0.1:9", wants_tokens=False)
    address = send(client)
    assert "did not answer" in over(client, address)["error"]
    assert "did not answer" in client.get(address, headers=HTML).text


def test_with_tokens_it_has_one_of_its_own(client_of, put, make_request, router: FakeUpstream, store: Store) -> None:
    """Which the router may not know yet: it is tried again until it does."""
    put(
        make_request(1, time.time() - 5, id="first", requested_model="auto", request_body=BODY, request_headers=HEADERS)
    )
    client = client_of(proxy_url=router.url, wants_tokens=True)
    router.script([Behaviour(status=401), Behaviour(status=401)])
    assert over(client, send(client))["status"] == 200
    sent = router.inferences
    assert len(sent) == 3 and all(b"Bearer sk-sw-" in dict(one.headers)[b"authorization"] for one in sent)
    router.script([Behaviour(status=401)])
    assert over(client, send(client))["status"] == 401  # known by now: the answer is the server's
    store.access.tokens.revoke("dashboard.again", time.time())
    refused = client.post("/request/first/again", data={"csrf": word_of(client)})
    assert refused.status_code == 422 and "was ended" in refused.text and len(router.inferences) == 4


def test_a_refusal_of_a_new_token_is_no_answer(client_of, put, make_request, router: FakeUpstream) -> None:
    """Neither its id nor its status is told, by the page or the log; a server's own 401 is one, and is not repeated."""
    put(make_request(1, time.time() - 5, id="first", request_body=BODY))
    put(make_request(2, time.time(), id="refused", status=401))
    client = client_of(proxy_url=router.url, wants_tokens=True)
    router.script([Behaviour(status=401, headers=[("x-switchman-request-id", "refused")])] * 3)
    address = send(client)
    seen = []
    until(lambda: seen.append(client.get(f"/api{address}").json) or seen[-1]["over"])
    assert {(one["request_id"], one["status"], one["written"]) for one in seen} <= {
        (None, None, False), ("second", 200, False),
    }  # fmt: skip
    assert seen[-1]["request_id"] == "second" and len(router.inferences) == 4
    other: FlaskClient = client_of(proxy_url=router.url, wants_tokens=True)  # of another process: its token is new
    told = [("x-switchman-request-id", "third"), ("x-switchman-attempts", "1")]
    router.script([Behaviour(status=401, headers=told)])
    found = over(other, send(other))
    assert (found["request_id"], found["status"], len(router.inferences)) == ("third", 401, 5)


def test_what_cannot_be_sent_is_not(client: FlaskClient, put, make_request, router: FakeUpstream) -> None:
    """Too many at a time, a body without a model, one that is not kept, a request that is none."""
    put(
        make_request(2, time.time(), id="odd", request_body=b"\x00\xff"),
        make_request(3, time.time(), id="none", request_body=None, request_size=50, capture="metadata"),
    )
    word = word_of(client)
    odd = client.post("/request/odd/again", data={"csrf": word, "target": "m"})
    assert odd.status_code == 422 and "names no model" in odd.text
    assert client.post("/request/none/again", data={"csrf": word}).status_code == 409
    assert client.post("/request/gone/again", data={"csrf": word}).status_code == 404
    assert client.get("/again/none", headers=HTML).status_code == 404
    router.default = Behaviour(never_answer=True)
    running = [send(client) for _ in range(MOST_AT_ONCE)]
    assert client.post("/request/first/again", data={"csrf": word}).status_code == 429
    for address in running:
        until(lambda address=address: client.post(f"{address}/cancel", data={"csrf": word}) and over(client, address))
    assert send(client)


def test_viewers_send_nothing_and_see_no_word(client_of, put, make_request, router: FakeUpstream) -> None:
    """They may open the page of both, as its address may be sent to them."""
    put(make_request(1, time.time() - 5, id="first", request_body=BODY))
    client = client_of(proxy_url=router.url, wants_tokens=False, **LOCKED)
    client.set_cookie(COOKIE, make_token(SECRET, 1, role=Role.OPERATOR, who="anna"))
    assert client.post("/request/first/again", data={}).status_code == 403  # without our word
    address = send(client)
    over(client, address)
    client.set_cookie(COOKIE, make_token(SECRET, 1, role=Role.VIEWER))
    assert client.post("/request/first/again").status_code == 403
    assert client.get("/request/first/again", headers=HTML).status_code == 403
    assert client.post(f"{address}/cancel").status_code == 403
    page = client.get(address, headers=HTML)
    assert page.status_code == 200 and "Here is function" not in page.text and "planted" not in page.text
    assert client.get(f"/api{address}").json["text"] == ""


def test_a_dashboard_that_stops_waits_for_what_it_writes_down(
    client: FlaskClient, router: FakeUpstream, store: Store
) -> None:
    """What is being sent is ended, and what became of it is in the log before that is closed; nothing begins then."""
    router.default = Behaviour(never_answer=True)
    addresses = [send(client) for _ in range(3)]
    router.wait_requests(3)
    word = word_of(client)
    server = DashboardServer(client.application, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    server.stop()
    thread.join(60)
    assert not any(one.name.startswith("switchman again") for one in threading.enumerate())
    kept = [store.queries.remarks.again(address.rpartition("/")[2]) for address in addresses]
    assert [one and one.error for one in kept] == ["The dashboard stopped before all of it had come."] * 3
    assert client.post("/request/first/again", data={"csrf": word}).status_code == 429
