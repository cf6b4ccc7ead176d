"""Which values are looked for in any text, and how they may be written there."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from switchman.addons.core.keys.forms import forms, is_sought, of_pair, parameters_in, secrets_in


@pytest.mark.parametrize(
    "value",
    [
        "sk-proj-0123456789abcdefABCDEF", "gsk_a1b2c3d4", "p@ssword", "hunter22", "correct horse battery staple",
        "5f4dcc3b5aa765d61d8327deb882cf99", "abcdefghijklmnop", "schlüssel-für-alles",
    ],
)  # fmt: skip
def test_what_is_sought(value: str) -> None:
    """What no ordinary answer has in it: long values, and shorter ones that are no word and no number."""
    assert is_sought(value)


@pytest.mark.parametrize(
    "value",
    [
        "", "test", "ollama", "none", "EMPTY", "sk-1234", "hunter2", "password", "anthropic", "12345678", "local-key",
        "sk-no-key-required", "no-key-required", "not-needed-here", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "your-api-key-here",
        "lm-studio", "placeholder-token", "0000000000000000", "sk-12345678", "dummy_key_for_local_llama_cpp",
    ],
)  # fmt: skip
def test_what_is_not(value: str) -> None:
    """Words of ordinary answers, and what stands for no key at all."""
    assert not is_sought(value)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("x-key", "abc", ["abc"]),
        ("authorization", "Bearer abc", ["abc"]),
        ("authorization", 'Token token="abc", nonce=1', ['token="abc", nonce=1', "abc", "1"]),
        ("Cookie", 'a=one; b="two"', ["one", "two"]),
        ("authorization", "Basic dTpw", ["dTpw", "p", "dTpw", "dTpw"]),
        ("authorization", "Basic not-base64", ["not-base64"]),
    ],
)
def test_the_keys_within_a_field(name: str, value: str, found: list[str]) -> None:
    """Without the scheme, out of parameters and pairs; of a Basic credential the password, too."""
    assert list(secrets_in(name, value)) == found


def test_the_keys_of_a_query_and_of_a_pair() -> None:
    """By their names, decoded; a pair as Basic sends it, in both alphabets, without the padding."""
    assert list(parameters_in("a=1&code=x%2Fy&api_key=z&sid=s&key=")) == ["x/y", "z", "s"]
    raw = "user:p?>ß~~"
    assert list(of_pair(raw)) == [
        "p?>ß~~",
        base64.b64encode(raw.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(raw.encode()).decode().rstrip("="),
    ]


def test_every_way_to_write_one() -> None:
    """In a URL, in JSON, in JSON within JSON, in HTML; a plain key has one form."""
    value = "a\"b\\c/d&e ü+f'g"
    found = forms([value])
    within = json.dumps(value)[1:-1]
    wanted = {
        value, quote(value, safe=""), quote(value), quote_plus(value), quote(value, safe="").replace("%2F", "%2f"),
        within, within.replace("/", "\\/"), json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(within)[1:-1],
        html.escape(value), html.escape(value).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    }  # fmt: skip
    assert wanted - {quote(value, safe="").replace("%2F", "%2f")} <= found
    assert (
        quote(value, safe="")
        .replace("%C3%BC", "%c3%bc")
        .replace("%5C", "%5c")
        .replace("%2F", "%2f")
        .replace("%2B", "%2b")
        in found
    )
    assert forms(["sk-plain_1"]) == {"sk-plain_1"}
