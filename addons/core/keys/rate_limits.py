"""What an answer's header tells of its server's limits, in the forms that there are:

    x-ratelimit-limit-requests: 5000, -remaining-requests: 4999, -reset-requests: 12ms     OpenAI, Groq, Mistral, ...
        of requests and tokens. It is the time until the limit is whole again
    anthropic-ratelimit-requests-limit: 50, -remaining: 49, -reset: 2026-01-01T00:00:00Z   Anthropic
        of requests, tokens, input-tokens and output-tokens, likewise
    x-ratelimit-limit: 20, x-ratelimit-remaining: 19, x-ratelimit-reset: 1767225600        OpenRouter, GitHub
        of requests, all of which come back at once; also as ratelimit-limit, -remaining and -reset

A limit counts only where both what is left and the time are there and readable.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from switchman.addons.core.keys.rest_times import seconds_until
from switchman.addons.core.servers.pacing.paces import Told

_KINDS: Final = "requests|tokens|input-tokens|output-tokens"
_FORMS: Final = (
    re.compile(rf"x-ratelimit-(?P<part>limit|remaining|reset)-(?P<kind>{_KINDS})"),
    re.compile(rf"anthropic-ratelimit-(?P<kind>{_KINDS})-(?P<part>limit|remaining|reset)"),
    re.compile(r"(?:x-)?ratelimit-(?P<part>limit|remaining|reset)(?P<kind>)"),
)


def told_by(headers: Mapping[str, str], now: float) -> dict[str, Told]:
    """The limits by their kind; "" for the form that does not name one. `now`: epoch seconds."""
    parts: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        lower = name.lower()
        if "ratelimit-" not in lower:
            continue
        for form in _FORMS:
            if (found := form.fullmatch(lower)) is not None:
                parts.setdefault(found["kind"], {})[found["part"]] = value.strip()
                break
    told = {kind: _told(kind, found, now) for kind, found in parts.items()}
    return {kind: one for kind, one in told.items() if one is not None}


def _told(kind: str, parts: Mapping[str, str], now: float) -> Told | None:
    remaining, resets_in = _number(parts.get("remaining")), seconds_until(parts.get("reset", ""), now)
    if remaining is None or resets_in is None:
        return None
    counts = "requests" if kind in ("", "requests") else "tokens"
    return Told(counts, remaining, resets_in, _number(parts.get("limit")), window=not kind)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
