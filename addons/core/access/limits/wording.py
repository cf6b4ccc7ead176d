"""What a caller is told of its limits: header fields and refusals, in its dialect.

OpenAI      x-ratelimit-{limit,remaining,reset}-{requests,tokens}; the reset as a duration such as `6m0s`
            https://platform.openai.com/docs/guides/rate-limits (headers); openai-python looks at retry-after and
            x-should-retry. 429: type `requests` or `tokens`, code `rate_limit_exceeded`; a budget that is used up:
            type and code `insufficient_quota`.
Anthropic   anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}; the reset as a time of RFC 3339
            https://docs.claude.com/en/api/rate-limits and /en/api/errors: 429 `rate_limit_error`, 402 `billing_error`.
Ollama      has neither; it gets OpenAI's fields and a text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from math import ceil
from typing import Final

from switchman.addons.core.access.limits.asking import ALL
from switchman.addons.core.access.limits.ledger import Refused, Standing
from switchman.addons.core.access.limits.written import in_words
from switchman.addons.core.request.call import DialectName

type Fields = dict[str, str]

# An upstream's own figures are of the router's key, and would mislead a caller that has limits of its own here.
OURS: Final = (b"x-ratelimit-", b"anthropic-ratelimit-")

_KEY: Final = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    "concurrent": "requests at a time",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """`type` and `code` for dialects that have a place for them."""

    status: int
    message: str
    type: str
    code: str
    fields: Fields


def fields_of(standings: Iterable[Standing], dialect: DialectName, now: float) -> Fields:
    """The header fields that tell how much is left. `now`: epoch seconds."""
    fields: Fields = {}
    for one in standings:
        if dialect == "anthropic":
            start, limit = f"anthropic-ratelimit-{one.what}-", str(one.limit)
            reset = datetime.fromtimestamp(ceil(now + one.resets_in), UTC)
            fields |= {
                f"{start}limit": limit,
                f"{start}remaining": str(one.remaining),
                f"{start}reset": f"{reset:%Y-%m-%dT%H:%M:%SZ}",
            }
        else:
            fields |= {
                f"x-ratelimit-limit-{one.what}": str(one.limit),
                f"x-ratelimit-remaining-{one.what}": str(one.remaining),
                f"x-ratelimit-reset-{one.what}": _duration(one.resets_in),
            }
    return fields


def refusal_of(
    refused: Refused, dialect: DialectName, who: str, now: float, ends: float | None, zone: tzinfo
) -> Refusal:
    """The answer to a request that a limit is in the way of.

    `who`: whose limit it is, as a person calls it. `ends`: when a budget's period ends, epoch seconds.
    """
    if refused.purse:
        return _used_up(refused, dialect, who, now, ends, zone)
    fields = fields_of(refused.standings, dialect, now)
    limit = f"{refused.limit:,} {_KEY[refused.what]}"
    if refused.retry_in is None:
        fields["x-should-retry"] = "false"
        message = (
            f"The request is too large for {who}: it may take {refused.wanted:,} tokens (its prompt by estimate, and "
            f"the most that its answer may have), and the limit is {limit}. Ask for fewer (max_tokens)."
        )
    else:
        wait = max(1, ceil(refused.retry_in))
        fields["retry-after"] = str(wait)
        message = f"The limit of {who} is reached: {limit}. Try again in {wait} s."
        if refused.what == "concurrent":
            message = f"The limit of {who} is reached: {limit}. Try again when one of them is over."
    kind = "rate_limit_error" if dialect == "anthropic" else refused.what
    return Refusal(429, message, kind, "rate_limit_exceeded", fields)


def _used_up(refused: Refused, dialect: DialectName, who: str, now: float, ends: float | None, zone: tzinfo) -> Refusal:
    unit, period, _ = refused.purse.split("/")
    budget = f"{in_words(refused.limit, unit)} per {period}"
    wanted = in_words(refused.wanted, unit)
    # A client that tries again at once would be refused again, and its own library would do it twice.
    fields = {"x-should-retry": "false"}
    when = ""
    if ends is not None:
        fields["retry-after"] = str(max(1, ceil(ends - now)))
        when = f" It begins anew at {datetime.fromtimestamp(ends, zone).isoformat(sep=' ', timespec='minutes')}."
    message = (
        f"The budget of {who}, {budget}, does not hold this request, which may come to {wanted}: the rest is used, or "
        f"reserved for requests that run. A smaller max_tokens reserves less.{when}"
    )
    if dialect == "anthropic":
        return Refusal(402, message, "billing_error", "insufficient_quota", fields)
    return Refusal(429, message, "insufficient_quota", "insufficient_quota", fields)


def _duration(seconds: float) -> str:
    """As Go writes it, which OpenAI's servers do: `0s`, `250ms`, `59s`, `1m1s`."""
    if seconds <= 0:
        return "0s"
    if seconds < 1:
        return f"{ceil(seconds * 1000)}ms"
    minutes, rest = divmod(ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def name_of(account: str, caller: str) -> str:
    """Whose account this is, for a person."""
    kind, _, name = account.partition(":")
    if account == ALL:
        return "all callers together"
    return f"the group {name}" if kind == "group" else f"the token {caller}"
