"""Secrets leave headers and URLs; everything else stays as it was."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.texts import masking
from switchman.addons.core.texts.masking import is_secret_name, mask_headers, mask_text, mask_url

LONG = "sk-proj-0123456789abcdWXYZ"


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("Authorization", f"Bearer {LONG}", "Bearer ...WXYZ"),
        ("authorization", "Bearer short", "Bearer ..."),
        ("AUTHORIZATION", LONG, "...WXYZ"),
        ("Authorization", "Basic dXNlcjpwYXNzd29yZDEyMzQ=", "Basic ..."),
        ("Proxy-Authorization", f"Bearer {LONG}", "Bearer ...WXYZ"),
        ("api-key", LONG, "...WXYZ"),
        ("x-api-key", LONG, "...WXYZ"),
        ("X-Goog-Api-Key", LONG, "...WXYZ"),
        ("api_key", "x" * 15, "..."),
        ("api_key", "x" * 16, "...xxxx"),
        ("x-auth-token", LONG, "...WXYZ"),
        ("X-Amz-Security-Token", LONG, "...WXYZ"),
        ("Ocp-Apim-Subscription-Key", LONG, "...WXYZ"),
        ("cf-access-client-secret", LONG, "...WXYZ"),
        ("x-db-password", "hunter2", "..."),
        ("x-unheard-of", LONG, "...WXYZ"),
        ("x-unheard-of", f"bearer {LONG}", "bearer ...WXYZ"),
        ("Cookie", f"session={LONG}; theme=dark", "session=...WXYZ; theme=..."),
        ("Cookie", "opaque", "..."),
        ("Set-Cookie", f"sid={LONG}; Path=/; HttpOnly", "sid=...WXYZ; Path=/; HttpOnly"),
        ("Referer", f"https://u:p@host/a?key={LONG}&b=1", "https://...@host/a?key=...WXYZ&b=1"),
    ],
)
def test_credentials(name: str, value: str, masked: str) -> None:
    """A credential keeps its scheme, and its last four characters if it has 16 or more; the name stays as written."""
    assert mask_headers([(name, value)]) == ((name, masked),)


@pytest.mark.parametrize(
    "name",
    [
        "jwt", "x-jwt", "X_JWT_Assertion", "client_assertion", "sig", "x-signature", "X-Amz-Signature", "auth", "pwd",
        "passphrase", "x-secret", "AccessKeyId", "apikey", "openai.key", "credential", "x-csrf-token", "access_token",
        "proxy-authentication", "set-cookie", "api-key", "password", "db_passwd", " x-api-key ",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    """What carries a credential by its name is masked in a header and in a query, whatever its value looks like."""
    assert is_secret_name(name)
    assert "plain-looking-words" not in str(mask_headers([(name, "plain-looking-words")]))
    assert "plain-looking-words" not in mask_url(f"/x?{name.strip()}=plain-looking-words")


@pytest.mark.parametrize(
    "name",
    [
        "tokens", "token_count", "x-token-limit", "token-usage", "token_budget", "token-type", "design", "x-authority",
        "authentications", "keyboard", "sec-websocket-key", "x-idempotency-key", "x-cache-key", "surrogate-key",
    ],
)  # fmt: skip
def test_names_of_no_secrets(name: str) -> None:
    """Counts, and words in which such a name only occurs."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "application/json"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("anthropic-ratelimit-input-tokens-limit", "50000"),
        ("x-token-count", "12"),
        ("Idempotency-Key", "a-uuid-that-is-long-enough"),
        ("x-request-id", "req_0123456789abcdef"),
        ("openai-organization", "org-0123456789"),
        ("User-Agent", "OpenAI/Python 2.0"),
        ("www-authenticate", 'Bearer realm="x"'.replace("Bearer ", "Digest ")),
        ("x-author", "me"),
        ("x-monkey", "banana"),
    ],
)
def test_what_is_no_secret_stays(name: str, value: str) -> None:
    """Counts of tokens, ids and words that merely contain "key" or "auth" are left alone."""
    assert mask_headers([(name, value)]) == ((name, value),)


def test_pairs_keep_their_order_and_their_doubles() -> None:
    """Two headers of one name stay two, in place."""
    pairs = [("b", "1"), ("Cookie", "x=1"), ("b", "2"), ("cookie", "y=2")]
    assert mask_headers(pairs) == (("b", "1"), ("Cookie", "x=..."), ("b", "2"), ("cookie", "y=..."))


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        (f"/v1beta/models/g:generate?key={LONG}", "/v1beta/models/g:generate?key=...WXYZ"),
        (f"/x?a=1&api_key={LONG}&b=2", "/x?a=1&api_key=...WXYZ&b=2"),
        (f"/x?api%5Fkey={LONG}", "/x?api%5Fkey=...WXYZ"),
        ("/x?api%5Fkey=hunter2", "/x?api%5Fkey=..."),
        ("/x?key=", "/x?key=..."),
        ("/x?max_tokens=5&model=key", "/x?max_tokens=5&model=key"),
        ("https://user:pa@ss@host:1/p", "https://...@host:1/p"),
        ("http://host/p?q=a@b", "http://host/p?q=a@b"),
        (f"https://h/#access_token={LONG}", "https://h/#access_token=...WXYZ"),
        (f"cannot reach http://u:p@h/v1?key={LONG} : refused", "cannot reach http://...@h/v1?key=...WXYZ : refused"),
        ("/v1/chat/completions", "/v1/chat/completions"),
    ],
)
def test_urls(url: str, masked: str) -> None:
    """User info and key parameters go, in a URL, a path or a sentence; every other character stays."""
    assert mask_url(url) == masked


NAMES = st.sampled_from(["authorization", "x-api-key", "cookie", "set-cookie", "x-secret-thing", "proxy-authorization"])


@settings(max_examples=100)
@given(NAMES, st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=";="), min_size=5))
def test_no_secret_survives(name: str, secret: str) -> None:
    """Whatever a secret looks like, no more than four of its characters are left, and masking twice changes nothing."""
    value = f"a={secret}" if "cookie" in name else f"Bearer {secret}"
    once = mask_headers([(name, value)])
    kept = once[0][1].removeprefix("a=").removeprefix("Bearer ")
    assert kept == "..." or (len(secret) >= 16 and kept == "..." + secret[-4:]) or kept == secret[:7] == secret
    assert mask_headers(once) == once


@pytest.mark.parametrize(
    ("sentence", "masked"),
    [
        (
            f"Incorrect API key provided: {LONG}. You can find yours",
            "Incorrect API key provided: ...WXYZ. You can find yours",
        ),
        (f"bad header 'Authorization Bearer {LONG[8:]}'", "bad header 'Authorization Bearer ...WXYZ'"),
        ("token eyJhbGciOi.eyJzdWIiOiJ4In0.c2lnbmF0dXJl is old", "token ...dXJl is old"),
        ("AIzaSyA0123456789abcdWXYZ: no such key", "...WXYZ: no such key"),
        (f"GET https://u:p@h/?key={LONG} failed", "GET https://...@h/?key=...WXYZ failed"),
        ("Missing bearer authentication in header", "Missing bearer authentication in header"),
        ("model task-force-one-two-three is not there", "model task-force-one-two-three is not there"),
    ],
)
def test_sentences(sentence: str, masked: str) -> None:
    """What an upstream says of a key does not repeat the key; other words stay."""
    assert mask_text(sentence) == masked
    assert mask_text(masked) == masked


HEX = "5f4dcc3b5aa765d61d8327deb882cf99"
RANDOM = "aB3dE5fG7hJ9kL2mN4pQ6"
WORD = f"k-{RANDOM}_xY"


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("X-Debug", "key=hunter2a", "key=..."),
        ("X-Debug", f"a=1, api_key: '{HEX}' b", "a=1, api_key: '...cf99' b"),
        ("X-Debug", HEX, "...cf99"),
        ("X-Debug", f"see {WORD}.", "see ...6_xY."),
        ("X-Debug", f"upstream said {LONG}, twice: {LONG}", "upstream said ...WXYZ, twice: ...WXYZ"),
        ("User-Agent", f"app/1.0 ({LONG})", "app/1.0 (...WXYZ)"),
        ("User-Agent", f"app/1.0 (key {HEX})", "app/1.0 (key ...cf99)"),
        ("X-Url", "https://user:hunter2@host/x", "https://...@host/x"),
        ("X-Url", "//user:hunter2@host/x", "//...@host/x"),
        (
            "Sec-WebSocket-Protocol",
            "realtime, openai-insecure-api-key.my-own, x.v1",
            "realtime, openai-insecure-api-key...., x.v1",
        ),
        (
            "Sec-WebSocket-Protocol",
            f"realtime, openai-insecure-api-key.{LONG}",
            "realtime, openai-insecure-api-key....WXYZ",
        ),
        ("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.bXktdG9rZW4", "base64url.bearer....rZW4"),
        ("Authorization", f"Bearer {LONG}, Basic dXNlcjpwYXNzd29yZDEyMzQ=", "Bearer ..."),
        ("X-Amz", "AKIAIOSFODNN7EXAMPLE", "...MPLE"),
        ("X-Claude-Session-Id", HEX, "...cf99"),
        ("Referer", f"http://h/p/{HEX}/x?sid=abc&code=def&page=2", "http://h/p/...cf99/x?sid=...&code=...&page=2"),
    ],
)
def test_keys_under_any_name(name: str, value: str, masked: str) -> None:
    """By a name within the value, or by what they look like; masking twice changes nothing more."""
    assert mask_headers([(name, value)]) == ((name, masked),)
    assert mask_headers([(name, masked)]) == ((name, masked),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("traceparent", f"00-{HEX}-00f067aa0ba902b7-01"),
        ("x-request-id", HEX),
        ("x-b3-traceid", HEX),
        ("etag", f'"{HEX}"'),
        ("x-amzn-trace-id", f"Root={RANDOM}"),
        ("digest", f"sha-256={HEX}"),
        ("content-type", f"multipart/form-data; boundary={RANDOM}{RANDOM}"),
        ("x-client-id", HEX),
        ("openai-organization", f"org-{RANDOM}"),
        ("x-response", f"resp_{HEX}{HEX}"),
        ("x-blob", f"sha256:{HEX}{HEX}"),
        ("x-uuid", "f47ac10b-58cc-4372-a567-0e02b2c3d479"),
        ("x-model", "Qwen3-30B-A3B-Instruct-2507-GGUF-Q4_K_M"),
        ("accept", "application/vnd.company.resource+json;version=2"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0"),
        ("date", "Sun, 29 Nov 2026 23:30:29 GMT"),
        ("cache-control", "private, max-age=0"),
        ("sec-websocket-protocol", "realtime, openai-beta.realtime-v1"),
        ("x-camel", "AnOrdinaryNameInOneWordOfAnApplication"),
    ],
)
def test_ids_and_words_under_any_name(name: str, value: str) -> None:
    """Ids of requests, traces, answers and contents look like keys; their names or beginnings tell."""
    assert mask_headers([(name, value)]) == ((name, value),)


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        (f"/v1/{LONG}/chat/completions", "/v1/...WXYZ/chat/completions"),
        (f"/{HEX}/v1/models", "/...cf99/v1/models"),
        (f"/bot/{WORD}/x", "/bot/...6_xY/x"),
        ("/x?code=abc&sid=def&page=3", "/x?code=...&sid=...&page=3"),
        (f"/x?anything={HEX}", "/x?anything=...cf99"),
        (f"/x?anything={LONG}", "/x?anything=...WXYZ"),
        ("/x?url=https%3A%2F%2Fu%3Ahunter2%40host%2Fp", "/x?url=https://...@host/p"),
        (f"/x?to=%2Fp%3Fapi_key%3D{LONG}", "/x?to=/p%3Fapi_key%3D...WXYZ"),
        ("/v1/models/Qwen/Qwen3-30B-A3B-Instruct-2507", "/v1/models/Qwen/Qwen3-30B-A3B-Instruct-2507"),
        (f"/v1/responses/resp_{HEX}/input_items", f"/v1/responses/resp_{HEX}/input_items"),
        (f"/v1/files/file-{RANDOM}/content?limit=20", f"/v1/files/file-{RANDOM}/content?limit=20"),
        (f"/api/blobs/sha256:{HEX}{HEX}", f"/api/blobs/sha256:{HEX}{HEX}"),
        ("/x?q=a%20b%26c", "/x?q=a%20b%26c"),
        (f"https://{RANDOM}.endpoints.example/v1", f"https://{RANDOM}.endpoints.example/v1"),
    ],
)
def test_paths(path: str, masked: str) -> None:
    """Keys among the segments and under any parameter's name; ids, models and hosts stay."""
    assert mask_url(path) == masked
    assert mask_url(masked) == masked


@pytest.mark.parametrize(
    "text",
    ["a" * 50_000, "token" * 10_000, "a=" * 25_000, "//" * 25_000, "://" * 15_000, "?a" * 25_000, "eyJa." * 10_000],
)
def test_a_long_value_takes_no_time(text: str) -> None:
    """What takes 50 ms would take minutes the wrong way."""
    begun = time.thread_time()
    mask_headers([("x-any", text), ("sec-websocket-protocol", text), ("referer", text)])
    mask_text(text)
    assert time.thread_time() - begun < 2


def test_long_names_are_not_remembered() -> None:
    """Names come from clients: thousands of 60 KB each would stay in memory for ever."""
    before = masking._is_secret_name.cache_info().currsize, masking._kind_of.cache_info().currsize
    for number in range(10):
        name = f"x-{number}-" + "long-" * 1000
        assert is_secret_name(name + "token") and not is_secret_name(name)
        assert mask_headers([(name + "token", LONG)]) == ((name + "token", "...WXYZ"),)
    assert (masking._is_secret_name.cache_info().currsize, masking._kind_of.cache_info().currsize) == before
