"""Every key that the configuration holds is collected, and what is no key is not."""

from __future__ import annotations

import base64

from switchman.addons.config.settings import Settings
from switchman.addons.core.keys.collecting import keys_in_url, keys_of
from switchman.addons.core.rules.presets import parse_presets
from switchman.addons.core.rules.ruleset import parse_ruleset

FILE = """
servers:
  keyed: {url: "http://a:1", api_key: key-of-a-server-1}
  by-env: {url: "http://b:1", api_key: "env:B_KEY"}
  headed:
    url: "http://c:1/?code=key-of-the-query-1&version=not-a-secret-9"
    headers:
      Authorization: "Bearer key-behind-bearer-1"
      X-Api-Key: key-by-its-name-1
      X-Team: sk-proj-0123456789abcdef
      X-Custom: "env:CUSTOM"
      X-Title: "env:TITLE"
      X-Plain: words-that-are-no-key
      Cookie: "session=key-in-a-cookie-1"
  proxied: {url: "http://d.example:1", proxy: "http://user:pass%2Fword-1@proxy:3128"}
  basic: {url: "http://e:1", headers: {authorization: "Basic dXNlcjpwYXNzd29yZC0y"}}
  usual: {url: "http://f.example:1", preset: known}
arbiter: {url: "http://127.0.0.1:1", model: m, targets: {a: keyed/m}}
"""
PRESETS = parse_presets(
    "known: {url: http://f.example:1, dialect: openai, api_key_env: USUAL_KEY, docs: x}\n", "presets.yaml"
)
ENV = {
    "B_KEY": "key-of-the-environment-1", "CUSTOM": "key-by-env-only-1", "TITLE": "The Title Of It 1",
    "USUAL_KEY": "key-of-a-preset-1", "HTTP_PROXY": "http://me:password-3@proxy:3128",
}  # fmt: skip


def test_the_keys_of_the_rules() -> None:
    """Of servers, headers, queries, proxies, presets, the environment: in the forms in which they are sent."""
    found = set(keys_of(parse_ruleset(FILE, "routes.yaml", Settings(), ENV, PRESETS)))
    assert found >= {
        "key-of-a-server-1", "key-of-the-environment-1", "key-behind-bearer-1", "key-by-its-name-1",
        "sk-proj-0123456789abcdef", "key-by-env-only-1", "key-in-a-cookie-1", "key-of-the-query-1", "pass/word-1",
        base64.b64encode(b"user:pass/word-1").decode().rstrip("="), "dXNlcjpwYXNzd29yZC0y", "password-2",
        "key-of-a-preset-1", "password-3",
    }  # fmt: skip
    assert not {"The Title Of It 1", "words-that-are-no-key", "not-a-secret-9", "user"} & found


def test_the_password_of_a_database() -> None:
    """As it is written, as it is sent, and keys among the parameters."""
    assert set(keys_in_url("postgresql://u:p%40ss-word1@h/db?sslmode=require&sslpassword=other-1")) == {
        "p%40ss-word1", "p@ss-word1", "other-1",
    }  # fmt: skip
    assert set(keys_in_url("sqlite:///x.db")) == {""}
    assert list(keys_in_url("http://[")) == []


def test_all_keys_of_a_server_with_several() -> None:
    """Not only the first, which `api_key` is."""
    file = 'servers: {s: {url: "http://a:1", api_keys: [first-of-them-1, second-of-them-2, "env:B_KEY"]}}'
    found = set(keys_of(parse_ruleset(file, "routes.yaml", Settings(), ENV, PRESETS)))
    assert {"first-of-them-1", "second-of-them-2", "key-of-the-environment-1"} <= found
