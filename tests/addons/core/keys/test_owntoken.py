"""A token of our own dashboard leaves a request in whatever form it came, and nothing else does."""

from __future__ import annotations

import base64
import time
from urllib.parse import quote

import pytest

from switchman.addons.core.keys.owntoken import in_path, without_tokens

OWN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvd24ifQ.c2lnbmF0dXJlLW9mLW91cnM"
API = "sk-sw-" + "0123456789abcdefghijABCDEFGHIJ0123456789xyz"  # a token of callers: its form tells
FOREIGN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvd24ifQ.c2lnbmF0dXJlLW9mLW90aGVycw"
BASIC = base64.b64encode(f"user:{OWN}".encode()).decode()


def is_own(token: str) -> bool:
    return token == OWN


def left(name: str, *values: str) -> list[str]:
    given = (("host", "h"), *((name, value) for value in values))
    fields, path = without_tokens(tuple((n.encode(), v.encode("latin-1")) for n, v in given), "/x", is_own)
    assert path == "/x" and fields[0] == (b"host", b"h")
    return [value.decode("latin-1") for _, value in fields[1:]]


@pytest.mark.parametrize(
    ("name", "value", "rest"),
    [
        ("cookie", f"switchman_session={OWN}", []),
        ("cookie", f'a=1; switchman_session="{OWN}"; b=2', ["a=1; b=2"]),
        ("cookie", f"x={OWN}; a=1; y={OWN};", ["a=1"]),
        ("cookie", f"x={quote(OWN).replace('.', '%2E')}; a=1", ["a=1"]),
        ("Cookie", f"x={OWN}a; a={FOREIGN}", [f"x={OWN}a; a={FOREIGN}"]),
        ("authorization", f"Bearer {OWN}", []),
        ("authorization", f"bearer {OWN},", []),
        ("AUTHORIZATION", f"BEARER   {OWN}  ", []),
        ("authorization", OWN, []),
        ("authorization", f"Bearer {OWN}, Basic eDp5", ["Basic eDp5"]),
        ("authorization", f"Basic eDp5, Bearer {OWN}", ["Basic eDp5"]),
        ("authorization", f"Token token={OWN}", []),
        ("authorization", f'Token token="{OWN}", nonce="1", Basic eDp5', ["Basic eDp5"]),
        ("authorization", f"Basic {BASIC}", []),
        ("authorization", f"Bearer {FOREIGN}", [f"Bearer {FOREIGN}"]),
        ("x-api-key", OWN, []),
        ("x-auth-token", f"{OWN},sk-1", ["sk-1"]),
        ("sec-websocket-protocol", f"realtime, openai-insecure-api-key.{OWN}, v1", ["realtime, v1"]),
        ("sec-websocket-protocol", f"realtime,openai-insecure-api-key.{FOREIGN}", None),
        ("referer", f"http://h:1235/?a=1&token={OWN}&b=2", ["http://h:1235/?a=1&&b=2"]),
        ("x-debug", f"token {OWN} is", ["token  is"]),
        ("x-debug", OWN, []),
        ("x-url", quote(f"http://h/{OWN}", safe="").replace(".", "%2E"), []),
        ("user-agent", "curl/8.5.0 libcurl/8.5.0.1.2.3", None),
    ],
)
def test_a_field(name: str, value: str, rest: list[str] | None) -> None:
    """Only the token's part goes: what else the client authenticates itself with stays."""
    assert left(name, value) == ([value] if rest is None else rest)


def test_two_fields_of_one_name() -> None:
    """Each is looked at; the one that is left is as it was."""
    assert left("cookie", f"s={OWN}", "a=1") == ["a=1"]
    assert left("authorization", "Bearer sk-1", f"Bearer {OWN}") == ["Bearer sk-1"]


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        (f"/v1/models?token={OWN}", "/v1/models"),
        (f"/v1/models?a=1&t={OWN}&b=2", "/v1/models?a=1&b=2"),
        (f"/v1/models?{OWN}", "/v1/models"),
        (f"/v1/models?t={OWN.replace('.', '%2e')}&a=1", "/v1/models?a=1"),
        (f"/v1/models?t={OWN.replace('.', '%252E')}&a=1", "/v1/models?a=1"),
        (f"/v1/models?t={FOREIGN}", f"/v1/models?t={FOREIGN}"),
    ],
)
def test_a_query(path: str, rest: str) -> None:
    """Its parameter goes, also where it is percent-encoded, once or twice."""
    assert without_tokens((), path, is_own) == ((), rest)


def test_a_path() -> None:
    """It cannot be taken out of the segments, and so is told."""
    assert in_path(f"/v1/{OWN}/models", is_own) and in_path(f"/v1/{OWN.replace('.', '%2E')}?x", is_own)
    assert not in_path(f"/v1/{FOREIGN}/models?t={OWN}", is_own)


def test_nothing_changes_without_one() -> None:
    """The fields stay the object that they were, with bytes that are no text."""
    fields = ((b"a", b"\xff\xfe"), (b"authorization", f"Bearer {FOREIGN}".encode()))
    assert without_tokens(fields, "/x?a=1", is_own)[0] is fields


@pytest.mark.parametrize("text", ["a" * 60_000, "a." * 30_000, "eyJhbGci." * 6_000, "ey" * 30_000, "basic " * 10_000])
def test_a_long_field_takes_no_time(text: str) -> None:
    """Each is looked at once, whatever it is made of. What takes 10 ms would take minutes the wrong way."""
    begun = time.thread_time()
    without_tokens(((b"x-any", text.encode()),), "/x?" + text, is_own)
    assert time.thread_time() - begun < 2


@pytest.mark.parametrize(
    ("name", "value", "rest"),
    [
        ("authorization", f"Bearer {API}", []),
        ("authorization", f"Bearer {API}, Basic eDp5", ["Basic eDp5"]),
        ("authorization", f"Bearer {API[:30]}", []),
        ("authorization", f"Bearer {API}0", []),
        ("authorization", "Basic " + base64.b64encode(f"{API}:".encode()).decode(), []),
        ("x-api-key", API, []),
        ("cookie", f"a=1; k={API}", ["a=1"]),
        ("sec-websocket-protocol", f"realtime, openai-insecure-api-key.{API}", ["realtime"]),
        ("x-url", quote(f"http://h/{API}", safe="").replace("-", "%2D"), []),
        ("x-debug", f"is {API}?", ["is ?"]),
        ("x-debug", "sk-sw-short", ["sk-sw-short"]),
        ("authorization", "Bearer sk-proj-0123456789abcdef", ["Bearer sk-proj-0123456789abcdef"]),
    ],
)
def test_a_callers_token(name: str, value: str, rest: list[str]) -> None:
    """Whole, cut short or with more behind it, whether the dashboard has tokens or not."""
    assert left(name, value) == rest
    fields, path = without_tokens(((name.encode(), value.encode()),), f"/v1?key={API}&a=1&k={quote(API)}0")
    assert [field.decode() for _, field in fields] == rest and path == "/v1?a=1"
    assert in_path(f"/{API}/x") and in_path(f"/{API.replace('-', '%2d')}") and not in_path(f"/x?{API}")
