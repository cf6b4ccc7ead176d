"""Who may see a page: modes, tokens, names and origins, on every address the app has."""

from __future__ import annotations

import html
import json
import time

import pytest
from flask import Flask

from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.store.database import writing
from switchman.addons.store.keeping.spool import Spool
from switchman.addons.store.opening import Store, open_store
from switchman.addons.store.reading.queries import Queries
from switchman.addons.store.rows import prepare
from switchman.addons.testing.samples import make_record
from switchman.webui import WebConfig, create_app
from switchman.webui.access.people import COOKIE
from switchman.webui.access.roles import PUBLIC, least_of
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
HTML = {"Accept": "text/html"}
FORWARDED = {"X-Forwarded-For": "203.0.113.9"}


def addresses(app: Flask) -> list[str]:
    """Every GET address of the app that is not public, with its variables filled in."""
    with app.test_request_context():
        rules = [rule for rule in app.url_map.iter_rules() if least_of(app, rule.endpoint) != PUBLIC]
        fill = {"request_id": "x", "side": "request", "wanted": "1", "which": "x", "name": "x", "number": 0, "at": 0,
                "session": "x", "style": "x", "again_id": "x", "kind": "curl", "asked_id": "x"}  # fmt: skip
        return [
            app.url_for(rule.endpoint, **{name: fill[name] for name in rule.arguments})
            for rule in rules
            if "GET" in rule.methods
        ]


def test_every_page_and_every_data_endpoint_asks_for_the_token(client_of) -> None:
    """Nothing but the sign-in page and our own static files is open when a token is needed."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    found = addresses(client.application)
    assert len(found) >= 9
    for address in found:
        assert client.get(address).status_code == 401, address
        assert client.get(address, headers=HTML).status_code == 401, address


def test_no_answer_has_a_key_of_the_configuration(client_of, put, make_request) -> None:
    """Pages, JSON and downloads, of what was stored before the key was known; the rest of them is as it was."""
    key = 'own"key&1234567890'
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"hi {key} there"}]}).encode()
    odd = {"error": f"not {key}", "requested_model": key, "path": f"/{key}", "route": key}
    put(make_request(1, time.time() - 5, id="one", request_body=body, response_body=f"raw {key}".encode(), **odd))
    plain, masked = client_of(), client_of(keys=lambda: KnownKeys([key]))
    forms = [form.encode() for form in (key, html.escape(key), json.dumps(key)[1:-1], "own&#34;key", "own\\u0022key")]
    addresses = ["/requests", "/request/one", "/api/requests", "/api/request/one", "/api/body/response/one"]
    addresses += [f"/request/one?view={side}" for side in ("request", "response")]
    for address in addresses:
        shown = [any(form in client.get(address).data for form in forms) for client in (plain, masked)]
        assert shown == [True, False], address
    assert masked.get("/api/body/response/one").data == b"raw " + b"*" * len(key)
    assert masked.get("/api/request/one").json["row"]["error"].startswith("not ***")


def test_every_address_is_locked_when_no_token_can_be_checked(client_of) -> None:
    """Fail closed: without JWT_SECRET a proxied request gets a 403 that says what to do."""
    client = client_of()
    for address in [*addresses(client.application), "/sign-in"]:
        assert client.get(address, headers=FORWARDED).status_code == 403, address
    page = client.get("/requests", headers=FORWARDED | HTML).text
    assert "JWT_SECRET" in page and "openssl rand" in page and "switchman token" in page
    assert client.post("/sign-in", headers=FORWARDED, data={"token": "x"}).status_code == 403


def test_a_local_request_needs_no_token_by_default(client_of) -> None:
    """AUTH_WHEN_PROXIED asks only those who come through a proxy."""
    client = client_of(jwt_secret=SECRET)
    assert client.get("/requests").status_code == 200
    assert client.get("/requests", headers=FORWARDED).status_code == 401


def test_none_asks_nobody(client_of) -> None:
    """WEBUI_SECURITY=NONE is open, also through a proxy."""
    assert client_of(webui_security="NONE").get("/requests", headers=FORWARDED).status_code == 200


def test_a_bearer_token_opens_the_data(client_of) -> None:
    """Programs send the token as a header; a wrong or expired one is refused."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    for token, status in [
        (make_token(SECRET, 1), 200),
        (make_token(SECRET, 1, time.time() - 7200), 401),
        (make_token(SECRET[::-1], 1), 401),
        ("", 401),
    ]:
        assert client.get("/api/requests", headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_a_bad_bearer_is_not_saved_by_a_good_cookie(client_of) -> None:
    """What is said openly counts."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    client.set_cookie(COOKIE, make_token(SECRET, 1))
    assert client.get("/requests").status_code == 200
    assert client.get("/requests", headers={"Authorization": "Bearer x"}).status_code == 401


def test_signing_in_keeps_the_token_where_scripts_cannot_read_it(client_of) -> None:
    """HttpOnly, SameSite=Strict, as long as the token; back to the page that was asked for."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    asked = client.get("/requests?model=a&status=5xx", headers=HTML)
    assert 'name="next" value="/requests?model=a&amp;status=5xx"' in asked.text
    answer = client.post("/sign-in", data={"token": f" {make_token(SECRET, 1)}\n", "next": "/requests?model=a"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/requests?model=a")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie
    assert 3590 <= int(cookie.split("Max-Age=")[1].split(";")[0]) <= 3600
    assert client.get("/requests").status_code == 200
    client.post("/sign-out")
    assert client.get("/requests").status_code == 401


@pytest.mark.parametrize("told", [{"Origin": "https://localhost"}, {"X-Forwarded-Proto": "https"}])
def test_the_cookie_is_secure_where_the_browser_came_by_https(client_of, told) -> None:
    """Also behind a proxy that ends TLS, which says so, or the browser's Origin does: for this host alone."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    answer = client.post("/sign-in", data={"token": make_token(SECRET, 1)}, headers=told)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"__Host-{COOKIE}=") and "Domain" not in cookie
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))


def test_a_secure_cookie_stands_above_one_that_anybody_may_have_set(client_of) -> None:
    """A page of the same domain can set the plain name; over https it does not count at all."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET).application.test_client(use_cookies=False)
    plain, secure = f"{COOKIE}={make_token(SECRET, 1)}", f"__Host-{COOKIE}={make_token(SECRET, 1)}"
    https = {"X-Forwarded-Proto": "https"}
    assert client.get("/requests", headers={"Cookie": plain}).status_code == 200
    assert client.get("/requests", headers={"Cookie": plain} | https).status_code == 401
    assert client.get("/requests", headers={"Cookie": secure} | https).status_code == 200
    assert client.get("/requests", headers={"Cookie": secure}).status_code == 200  # a proxy that does not say https
    assert client.get("/requests", headers={"Cookie": f"__Host-{COOKIE}=x; {plain}"}).status_code == 401


@pytest.mark.parametrize("carried", ["cookie", "secure cookie", "bearer"])
def test_a_signed_out_token_opens_nothing_any_more(client_of, store: Store, carried: str) -> None:
    """Neither a copy of the cookie nor the token itself, in any process, also after a restart; others still do."""
    config = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
    client, other = (client_of(**config).application.test_client(use_cookies=False) for _ in range(2))
    token, another = make_token(SECRET, 1), make_token(SECRET, 1)
    name = {"cookie": COOKIE, "secure cookie": f"__Host-{COOKIE}"}.get(carried)
    with_it = {"Cookie": f"{name}={token}"} if name else {"Authorization": f"Bearer {token}"}
    assert client.get("/api/requests", headers=with_it).status_code == 200
    assert client.post("/sign-out", headers=with_it).status_code == 303
    with open_store(url=store.engine.url.render_as_string(hide_password=False)) as restarted:
        fresh = create_app(WebConfig(queries=restarted.queries, **config)).test_client(use_cookies=False)
        for one in (client, other, fresh):
            assert one.get("/api/requests", headers=with_it).status_code == 401
            assert one.get("/api/requests", headers={"Authorization": f"Bearer {token}"}).status_code == 401
            assert one.get("/api/requests", headers={"Authorization": f"Bearer {another}"}).status_code == 200
    again = client.post("/sign-in", data={"token": token})
    assert again.status_code == 401 and "was signed out" in again.text and "Set-Cookie" not in again.headers


def test_signing_out_while_the_database_is_locked_says_so(client_of, store: Store, monkeypatch) -> None:
    """Nobody is told that a token is void which is not; the cookie stays for another try."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    client.set_cookie(COOKIE, make_token(SECRET, 1))
    monkeypatch.setattr("switchman.addons.store.database.BUSY_SECONDS", 0.01)
    with writing(store.engine):
        answer = client.post("/sign-out")
    assert answer.status_code == 503 and "still signed in" in answer.text and "Set-Cookie" not in answer.headers
    assert client.post("/sign-out").status_code == 303
    assert client.get("/requests").status_code == 401


@pytest.mark.parametrize(("protocol", "status"), [("HTTP/1.0", 401), ("HTTP/1.1", 200)])
def test_an_old_protocol_is_a_proxys(client_of, protocol: str, status: int) -> None:
    """What waitress says of the request's first line counts."""
    client = client_of(jwt_secret=SECRET)
    assert client.get("/requests", environ_overrides={"SERVER_PROTOCOL": protocol}).status_code == status


def test_a_bad_token_is_refused_at_the_field(client_of) -> None:
    """The reason stands by the form, and no cookie is set."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    answer = client.post("/sign-in", data={"token": make_token(SECRET, 1, 1000.0)})
    assert answer.status_code == 401 and "has expired" in answer.text and "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "evil", "/a\r\nX: y", "http:evil", ""],
)
def test_signing_in_never_leads_to_another_site(client_of, target: str) -> None:
    """`next` is a path of ours or nothing."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    answer = client.post("/sign-in", data={"token": make_token(SECRET, 1), "next": target})
    assert answer.headers["Location"] == "/requests"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://localhost"}, 303),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://dash.example", "X-Forwarded-Host": "dash.example"}, 303),
    ],
)
def test_only_our_own_page_may_post(client_of, headers, status) -> None:
    """Another site's form is refused by Sec-Fetch-Site, or by Origin in older browsers."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET, trusted_proxies=["127.0.0.0/8"])
    assert client.post("/sign-out", headers=headers).status_code == status


def test_a_forwarded_host_is_believed_only_from_a_trusted_proxy(client_of) -> None:
    """Anyone can write that header."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET, trusted_proxies=["10.0.0.0/8"])
    headers = {"Origin": "http://dash.example", "X-Forwarded-Host": "dash.example"}
    assert client.post("/sign-out", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1235", 200),
        ("LOCALHOST.", 200),
        ("dash.localhost", 200),
        ("127.0.0.1:1235", 200),
        ("192.168.1.5", 200),
        ("[::1]:1235", 200),
        ("box.lan:1235", 200),
        ("dash.example", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("1234.evil:80", 421),
    ],
)
def test_a_foreign_name_is_not_served(client_of, host: str, status: int) -> None:
    """DNS rebinding: loopback, addresses, the name listened on and WEBUI_HOSTS are ours, no other name is."""
    client = client_of(listen_host="box.lan", hosts=["dash.example:1235"])
    assert client.get("/requests", headers={"Host": host}).status_code == status
    assert client.get("/api/requests", headers={"Host": host}).status_code == status


def test_inventing_a_proxy_header_does_not_get_around_the_name(client_of) -> None:
    """A rebound page can add the header; then it needs a token."""
    client = client_of(jwt_secret=SECRET)
    assert client.get("/api/requests", headers={"Host": "evil.example"} | FORWARDED).status_code == 401


def test_every_answer_carries_the_headers_that_contain_a_mistake(client_of) -> None:
    """Pages, data, errors and files: no inline script, no framing, no sniffing, no address leaked."""
    client = client_of()
    static = client.application.static_url_path
    for address in [
        "/requests",
        "/performance",
        "/api/requests",
        "/nothing-here",
        "/request/none",
        "/api/requests?status=x",
        f"{static}/app.css",
    ]:
        headers = client.get(address, buffered=True).headers
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_files_are_kept_for_ever_and_data_never(client_of) -> None:
    """Static addresses hold a digest of their content, Plotly's its version."""
    client = client_of()
    page = client.get("/requests")
    assert page.headers["Cache-Control"] == "no-store"
    style = next(part for part in page.text.split('"') if part.endswith("app.css"))
    assert "immutable" in client.get(style, buffered=True).headers["Cache-Control"]
    assert client.get("/static/0123456789abcdef/app.css").status_code == 404
    assert client.get("/assets/plotly-0.0.1.min.js", buffered=True).headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("settings", [{"webui_security": "always"}, {"jwt_secret": "short"}])
def test_a_configuration_that_protects_nothing_is_refused(store: Store, settings) -> None:
    """An unknown mode and a short secret stop the start."""
    with pytest.raises(ValueError):
        WebConfig(queries=store.queries, **settings)


def test_an_id_that_is_markup_stays_text(client_of) -> None:
    """An error page repeats what was asked for, escaped."""
    answer = client_of().get("/request/<img src=x onerror=alert(1)>", headers=HTML)
    assert answer.status_code == 404 and "<img" not in answer.text and "&lt;img" in answer.text


def test_a_log_that_is_behind_is_told_on_every_page(store: Store, tmp_path) -> None:
    """How many requests wait on disk, and how many found no room."""
    spool = Spool(tmp_path / "spool.db", 10**6)
    client = create_app(WebConfig(queries=Queries(store.engine, store.blobs, spool))).test_client()
    assert "The log is behind" not in client.get("/requests").text
    spool.append([prepare(make_record(), 10)])
    spool.count_dropped(7, time.time() - 60)
    for address in ("/requests", "/performance"):
        page = client.get(address).text
        assert (
            "The log is behind" in page and "1 request waits on disk" in page and "7 requests were not logged" in page
        )
    spool.count_dropped(0, time.time() - 2 * 86_400)
    assert "not logged" not in client.get("/requests").text
