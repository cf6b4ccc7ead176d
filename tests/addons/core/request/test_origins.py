"""Which pages may call the router, and what their browser is told."""

from __future__ import annotations

import pytest

from switchman.addons.core.request.origins import Origins, for_page, is_preflight, origins, preflight

ALLOW = b"Access-Control-Allow-Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost", "http://localhost:3000", "https://localhost:8443", "http://127.0.0.1:5173", "http://[::1]:80",
        "http://127.0.0.2", "http://tauri.localhost", "HTTP://LocalHost:1", "app://obsidian.md", "file://",
        "tauri://localhost", "vscode-webview://0a1b2c", "vscode-file://vscode-app", "capacitor://localhost",
    ],
)  # fmt: skip
def test_by_default_pages_of_this_machine_and_programs_may(origin: str) -> None:
    """On any port."""
    assert Origins.parse("local").allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "http://localhost.evil.example", "http://localhost:3000.evil.example", "null", "",
        "http://evil.example:80#localhost", "http://evil@localhost", "http://localhost/evil", "http://127.0.0.1.evil.ex",
        "http://192.168.1.5", "chrome-extension://abcdef", "http://localhost:99999999", "http://localhost\\.evil.example",
        "http://lo\u0441alhost", "http://localhost http://evil.example", "javascript://localhost", "localhost", "*",
        "http://localhost,http://evil.example", "app", "moz-extension://1-2", "http://xlocalhost",
    ],
)  # fmt: skip
def test_by_default_no_other_page_may(origin: str) -> None:
    """However near its name comes to one that may."""
    assert not Origins.parse("local").allows(origin)


@pytest.mark.parametrize(
    ("text", "may", "may_not"),
    [
        ("https://chat.example.com", ["https://chat.example.com", "https://CHAT.example.com"],
         ["http://chat.example.com", "https://chat.example.com:8443", "https://chat.example.com.evil.ex",
          "https://chatxexample.com", "http://localhost"]),
        ("https://*.example.com/", ["https://a.example.com", "https://a.b.example.com"],
         ["https://example.com", "https://a.example.com:1", "https://evil.ex:.example.com", "https://a.example.comx"]),
        ("http://box.lan:*", ["http://box.lan", "http://box.lan:8080"], ["http://box.lan:x", "https://box.lan"]),
        ("chrome-extension://*", ["chrome-extension://abc"], ["moz-extension://abc"]),
        ("null", ["null"], ["http://localhost", "nullx"]),
        ("local, https://a.ex", ["http://localhost:1", "https://a.ex"], ["https://b.ex"]),
        ("*", ["https://anything.example", "null", "what ever"], []),
    ],
)  # fmt: skip
def test_a_list_names_what_may(text: str, may: list[str], may_not: list[str]) -> None:
    """`local` is one entry among others: a list without it shuts this machine's pages out."""
    allowed = origins(text)
    assert all(allowed.allows(origin) for origin in may)
    assert not any(allowed.allows(origin) for origin in may_not)


@pytest.mark.parametrize(
    "entry", ["example.com", "https://a.ex/chat", "https://", "https://a b", "https://u@a.ex", "a://?"]
)
def test_an_entry_that_is_no_origin_is_explained(entry: str) -> None:
    """With what is expected."""
    with pytest.raises(ValueError, match="is no origin: expected a scheme and a host") as raised:
        Origins.parse(f"local,{entry}")
    assert repr(entry) in str(raised.value)


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        ("http://192.168.1.5:1234", "192.168.1.5:1234", True),
        ("https://192.168.1.5", "192.168.1.5", True),
        ("http://[fe80::1]:1234", "[fe80::1]:1234", True),
        ("http://192.168.1.5:8080", "192.168.1.5:1234", False),
        ("http://box.lan:1234", "box.lan:1234", False),
        ("http://evil.example:1234", "evil.example:1234", False),
        ("http://", "", False),
    ],
)
def test_a_page_at_the_routers_own_address_may(origin: str, host: str, may: bool) -> None:
    """By an address only: who owns a name can have it mean any address."""
    assert Origins.parse("local").allows(origin, host) is may


def test_an_answer_names_the_origin_that_may_read_it() -> None:
    """In the case that the browser wrote it in; caches are told that it depends on the origin."""
    own = ((b"content-type", b"application/json"), (b"Vary", b"Accept"))
    told = for_page(own, "http://LOCALHOST:3000", "router", Origins.parse("local"))
    assert told[:2] == own
    assert dict(told[2:]) == {
        ALLOW: b"http://LOCALHOST:3000",
        b"Vary": b"Origin",
        b"Access-Control-Expose-Headers": b"*",
    }
    assert dict(for_page((), "null", "router", Origins.parse("*")))[ALLOW] == b"*"


@pytest.mark.parametrize("origin", [None, "https://evil.example", "http://localhost:1"])
def test_what_a_server_says_of_pages_does_not_go_on(origin: str | None) -> None:
    """It would let a page read answers that the router does not let it read."""
    fields = ((b"access-control-allow-origin", b"*"), (b"A", b"b"), (b"Access-Control-Allow-CREDENTIALS", b"true"))
    told = for_page(fields, origin, "router", Origins.parse("local"))
    assert told[0] == (b"A", b"b")
    assert dict(told).get(ALLOW) == (b"http://localhost:1" if origin == "http://localhost:1" else None)
    assert not any(name.lower().endswith(b"credentials") for name, _ in told)


def test_fields_that_stay_as_they_are_are_not_copied() -> None:
    """Most answers are for no page."""
    fields = ((b"A", b"b"),)
    assert for_page(fields, None, "router", Origins.parse("local")) is fields


def test_a_preflight_is_told_what_the_page_asked_for() -> None:
    """The names of header fields come back as they were asked for; a network at home is one it may ask."""
    asked = [
        (b"Origin", b"http://localhost:3000"),
        (b"Access-Control-Request-Method", b"POST"),
        (b"access-control-request-HEADERS", b"authorization,content-type,x-stainless-os"),
        (b"Access-Control-Request-Private-Network", b"true"),
    ]
    told = dict(preflight(asked, "http://localhost:3000", Origins.parse("local")))
    assert told[ALLOW] == b"http://localhost:3000"
    assert told[b"Access-Control-Allow-Headers"] == b"authorization,content-type,x-stainless-os"
    assert {b"GET", b"POST", b"DELETE"} <= set(told[b"Access-Control-Allow-Methods"].split(b", "))
    assert told[b"Access-Control-Allow-Private-Network"] == b"true"
    assert int(told[b"Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize("names", [b"a\r\nset-cookie: x", b"a:b", "ä".encode(), b"a" * 5000, b'"a"'])
def test_what_are_no_names_is_not_repeated(names: bytes) -> None:
    """A page chooses them."""
    told = dict(preflight([(b"access-control-request-headers", names)], "http://localhost", Origins.parse("local")))
    assert b"Access-Control-Allow-Headers" not in told


@pytest.mark.parametrize(
    ("method", "names", "is_one"),
    [
        ("OPTIONS", [b"Origin", b"Access-Control-Request-Method"], True),
        ("options", [b"origin", b"access-control-request-method"], True),
        ("OPTIONS", [b"Origin"], False),
        ("OPTIONS", [b"Access-Control-Request-Method"], False),
        ("POST", [b"Origin", b"Access-Control-Request-Method"], False),
    ],
)
def test_what_a_preflight_is(method: str, names: list[bytes], is_one: bool) -> None:
    """OPTIONS with both fields; other OPTIONS requests are for servers."""
    assert is_preflight(method, [(name, b"x") for name in names]) is is_one
