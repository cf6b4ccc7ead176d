"""What a caller is told, in each dialect."""

from __future__ import annotations

from datetime import UTC

import pytest

from switchman.addons.core.access.limits.ledger import Refused, Standing
from switchman.addons.core.access.limits.wording import fields_of, name_of, refusal_of

NOW = 1_796_000_000.5
STANDINGS = (Standing("a", "requests", 60, 3, 0.25), Standing("a", "tokens", 1000, 0, 61.0))


def test_openais_fields() -> None:
    """Resets are durations."""
    assert (
        fields_of(STANDINGS, "openai", NOW)
        == fields_of(STANDINGS, "ollama", NOW)
        == {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "3",
            "x-ratelimit-reset-requests": "250ms",
            "x-ratelimit-limit-tokens": "1000",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "1m1s",
        }
    )


def test_anthropics_fields() -> None:
    """Resets are times."""
    fields = fields_of(STANDINGS, "anthropic", NOW)
    assert fields["anthropic-ratelimit-requests-remaining"] == "3"
    assert fields["anthropic-ratelimit-tokens-reset"] == "2026-11-30T00:54:22Z"
    assert len(fields) == 6


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.0, "0s"), (0.0004, "1ms"), (59.2, "1m0s"), (1.0, "1s"), (125.0, "2m5s")]
)
def test_durations(seconds: float, told: str) -> None:
    """Never less than is left."""
    fields = fields_of([Standing("a", "requests", 1, 0, seconds)], "openai", NOW)
    assert fields["x-ratelimit-reset-requests"] == told


def told(refused: Refused, dialect: str = "openai") -> tuple[int, str, dict[str, str]]:
    said = refusal_of(refused, dialect, "the token anna", NOW, NOW + 3600, UTC)  # type: ignore[arg-type]
    return said.status, said.type, said.fields | {"message": said.message}


def test_limits_a_minute() -> None:
    """When to try again, and that a request that is too large need not."""
    status, kind, more = told(Refused("a", "requests", 60, 1, 12.1))
    assert (status, kind, more["retry-after"]) == (429, "requests", "13") and "60 requests per minute" in more[
        "message"
    ]
    assert told(Refused("a", "tokens", 60, 1, 12.0), "anthropic")[1] == "rate_limit_error"
    status, kind, more = told(Refused("a", "tokens", 1000, 5000))
    assert (status, more["x-should-retry"]) == (429, "false") and "retry-after" not in more
    assert "when one of them is over" in told(Refused("a", "concurrent", 2, 1, 1.0))[2]["message"]


def test_budgets() -> None:
    """OpenAI's and Anthropic's own words, and when it begins anew."""
    refused = Refused("a", "budget", 20_000_000, 713, purse="usd/month/2026-11")
    status, kind, more = told(refused)
    assert (status, kind, more["retry-after"], more["x-should-retry"]) == (429, "insufficient_quota", "3600", "false")
    assert (
        "$20 per month" in more["message"] and "$0.000713" in more["message"] and "2026-11-30 01:53" in more["message"]
    )
    assert told(refused, "anthropic")[:2] == (402, "billing_error")


def test_names_of_accounts() -> None:
    """For a person."""
    assert [name_of(one, "anna") for one in ("all", "group:team", "token:abc")] == [
        "all callers together",
        "the group team",
        "the token anna",
    ]
