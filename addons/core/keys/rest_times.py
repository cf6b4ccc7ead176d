"""How long an answer says that a key is used up, where it has no Retry-After.

    x-ratelimit-reset-requests: 1s, 6m0s, 250ms              OpenAI, Groq, Mistral: until the limit is whole again
    anthropic-ratelimit-tokens-reset: 2026-01-01T00:00:00Z   Anthropic
    x-ratelimit-reset: 1767225600, or 1767225600000          GitHub (seconds), OpenRouter (milliseconds)
    x-ratelimit-reset: 30                                    seconds from now

Where there is one for each limit, those count whose `remaining` is 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

_RESET: Final = re.compile(r"(?:x-|anthropic-)?ratelimit-(?:reset(?:-[a-z-]+)?|[a-z-]+-reset)")
_PART: Final = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)(ms|s|m|h|d)")  # no number is longer: else a long one takes long
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_EPOCH: Final = 1e9  # a number from here on is a time, not a duration


def parse_rate_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from `now` (epoch seconds) until the limit that is used up is open again; None where nothing says so."""
    fields = {name.lower(): value.strip() for name, value in headers.items() if "ratelimit" in name.lower()}
    resets = {
        name: seconds
        for name, value in fields.items()
        if _RESET.fullmatch(name) and (seconds := seconds_until(value, now)) is not None
    }
    used_up = [seconds for name, seconds in resets.items() if _is_zero(fields.get(name.replace("reset", "remaining")))]
    if used_up:
        return max(used_up)
    return max(resets.values()) if len(resets) == 1 else None


def _is_zero(text: str | None) -> bool:
    try:
        return text is not None and float(text) <= 0
    except ValueError:
        return False


def seconds_until(text: str, now: float) -> float | None:
    """Seconds from `now` (epoch seconds) until a reset, in any of the forms above; None where it is in none."""
    try:
        number = float(text)
    except ValueError:
        return _duration(text) if _PART.match(text) else _until(text, now)
    if not math.isfinite(number) or number < 0:
        return None
    if number >= _EPOCH:
        number = (number / 1000 if number >= _EPOCH * 100 else number) - now
    return max(0.0, number)


def _duration(text: str) -> float | None:
    parts = _PART.findall(text)
    if "".join(f"{number}{unit}" for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _until(text: str, now: float) -> float | None:
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
