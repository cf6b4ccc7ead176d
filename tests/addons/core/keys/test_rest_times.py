"""How long a limit is used up, in the words of several providers."""

from __future__ import annotations

import pytest

from switchman.addons.core.keys.rest_times import parse_rate_reset

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"X-RateLimit-Remaining-Tokens": "0", "X-RateLimit-Reset-Tokens": "250ms"}, 0.25),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset-requests": "20s", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-tokens": "1h",
          "x-ratelimit-remaining-tokens": "149000"}, 20.0),
        ({"x-ratelimit-reset-requests": "20s", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-tokens": "30s",
          "x-ratelimit-remaining-tokens": "0"}, 30.0),
        ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2026-01-01T00:01:00Z",
          "anthropic-ratelimit-requests-remaining": "40",
          "anthropic-ratelimit-requests-reset": "2026-01-01T01:00:00Z"}, 60.0),
        ({"x-ratelimit-limit": "50", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767225690000"}, 90.0),
        ({"x-ratelimit-reset": "1767225690"}, 90.0),
        ({"ratelimit-reset": "30"}, 30.0),
        ({"x-ratelimit-reset": "1767225000"}, 0.0),
    ],
)  # fmt: skip
def test_what_is_said(headers: dict[str, str], seconds: float) -> None:
    """OpenAI, Groq, Anthropic, OpenRouter, GitHub: the limit that is used up counts, and of several the last."""
    assert parse_rate_reset(headers, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"x-ratelimit-reset": "soon"}, {"x-ratelimit-reset": "nan"}, {"x-ratelimit-reset": "-5"},
        {"x-ratelimit-reset-requests": "5 parsecs", "x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m", "x-ratelimit-remaining-tokens": "9"},
        {"x-ratelimit-reset": "1e999"}, {"x-ratelimit-reset": "9999-99-99T00:00:00Z"}, {"x-ratelimit-resets": "5"},
    ],
)  # fmt: skip
def test_what_says_nothing(headers: dict[str, str]) -> None:
    """Nothing that can be read, or nothing of which limit it is."""
    assert parse_rate_reset(headers, NOW) is None
