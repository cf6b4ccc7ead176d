"""What answers tell of limits, in each provider's form."""

from __future__ import annotations

import pytest

from switchman.addons.core.keys.rate_limits import told_by
from switchman.addons.core.servers.pacing.paces import Told

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def test_openais_form() -> None:
    """As OpenAI, Groq and Mistral send it; the case of names does not matter."""
    told = told_by(
        {
            "X-RateLimit-Limit-Requests": "5000",
            "x-ratelimit-remaining-requests": "4999",
            "x-ratelimit-reset-requests": "12ms",
            "x-ratelimit-limit-tokens": "160000",
            "x-ratelimit-remaining-tokens": "159976",
            "x-ratelimit-reset-tokens": "6m0s",
            "x-ratelimit-remaining-tokens_usage_based": "1",
            "content-type": "application/json",
        },
        NOW,
    )
    assert told == {
        "requests": Told("requests", 4999, 0.012, 5000),
        "tokens": Told("tokens", 159976, 360.0, 160000),
    }


def test_anthropics_form() -> None:
    """Times of the day, for requests and for three kinds of tokens."""
    fields = {}
    for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
        fields[f"anthropic-ratelimit-{kind}-limit"] = "50"
        fields[f"anthropic-ratelimit-{kind}-remaining"] = "0"
        fields[f"anthropic-ratelimit-{kind}-reset"] = "2026-01-01T00:00:30Z"
    told = told_by(fields, NOW)
    assert told["requests"] == Told("requests", 0, 30.0, 50)
    assert {kind for kind, one in told.items() if one == Told("tokens", 0, 30.0, 50)} == {
        "tokens", "input-tokens", "output-tokens",
    }  # fmt: skip


@pytest.mark.parametrize("prefix", ["x-ratelimit", "ratelimit"])
@pytest.mark.parametrize(("reset", "seconds"), [("1767225630", 30.0), ("1767225630000", 30.0), ("30", 30.0)])
def test_the_form_without_a_kind(prefix: str, reset: str, seconds: float) -> None:
    """OpenRouter's and GitHub's: a window, at whose end all come back."""
    fields = {f"{prefix}-limit": "20", f"{prefix}-remaining": "0", f"{prefix}-reset": reset}
    assert told_by(fields, NOW) == {"": Told("requests", 0, seconds, 20, window=True)}


@pytest.mark.parametrize("remaining", ["", "many", "-1", "nan", "inf", None])
@pytest.mark.parametrize("reset", ["soon", "", "-5", "nan", "9" * 400 + "s", None])
def test_what_cannot_be_read_is_not_there(remaining: str | None, reset: str | None) -> None:
    """Nothing is assumed of a limit of which one part is missing, or nonsense."""
    good = {"remaining": "0", "reset": "5s"}
    for part, value in (("remaining", remaining), ("reset", reset)):
        fields = {
            f"x-ratelimit-{name}-requests": text for name, text in {**good, part: value}.items() if text is not None
        }
        assert told_by(fields, NOW) == {}
    assert told_by({f"x-ratelimit-{name}-requests": text for name, text in good.items()}, NOW) == {
        "requests": Told("requests", 0, 5.0)
    }
