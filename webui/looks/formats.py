"""Numbers, durations, sizes and times as the pages show them. What is not known is an en dash, never a zero."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup

from switchman.addons.core.access.prices.words import dollars
from switchman.webui.looks.marked import N_, Say, in_english

FORMULAS = tuple("=+-@|%＝＋－＠")  # what a cell begins with that a spreadsheet runs, also in wide letters
SHORT_ID = 8  # characters


def unknown(say: Say = in_english) -> Markup:
    """What stands in the place of a value that is not known."""
    return Markup('<span class="unknown" title="{}">–</span>').format(say(N_("unknown")))


UNKNOWN = unknown()


def duration(milliseconds: float | None, say: Say = in_english) -> str | Markup:
    """`0 ms`, `<0.1 ms`, `0.4 ms`, `12 ms`, `1.3 s`, `2 min 5 s`, `1 h 2 min`. `say` translates; ms and s stay."""
    if milliseconds is None:
        return UNKNOWN
    if milliseconds < 0.05:
        return "<0.1 ms" if milliseconds > 0 else "0 ms"
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        minutes_only = say(N_("%(minutes)s min"), minutes=minutes)
        return say(N_("%(minutes)s min %(seconds)s s"), minutes=minutes, seconds=rest) if rest else minutes_only
    hours, minutes = divmod(minutes, 60)
    if not minutes:
        return say(N_("%(hours)s h"), hours=hours)
    return say(N_("%(hours)s h %(minutes)s min"), hours=hours, minutes=minutes)


def count(number: int | None) -> str | Markup:
    """`842`, `12.4k`, `3.1M`: tokens and requests."""
    if number is None:
        return UNKNOWN
    if number < 1000:
        return str(number)
    if number < 999_950:
        return f"{number / 1000:.1f}k"
    return f"{number / 1_000_000:.1f}M"


def rate(per_second: float | None) -> str | Markup:
    """Tokens a second: `7.4`, `118`, `1.2k`."""
    if per_second is None:
        return UNKNOWN
    if per_second >= 999.5:
        return count(round(per_second))
    return f"{per_second:.1f}" if per_second < 99.95 else f"{per_second:.0f}"


def money(microdollars: int | None) -> str | Markup:
    """An amount in micro-dollars: `$0`, `$0.000713`, `$0.0123`, `$1.25`, `$1,204.50`. Below a dollar, all digits."""
    if microdollars is None:
        return UNKNOWN
    if microdollars and microdollars < 1_000_000:
        return f"${dollars(microdollars)}"
    return f"${microdollars / 1_000_000:,.2f}" if microdollars else "$0"


def signed_money(microdollars: int) -> str | Markup:
    """An amount that may be below zero: `$1.25`, `−$0.0123`."""
    return money(microdollars) if microdollars >= 0 else f"−{money(-microdollars)}"


def share(part: float | None) -> str | Markup:
    """A share of one as a percentage: `0 %`, `0.4 %`, `12 %`."""
    if part is None:
        return UNKNOWN
    percent = part * 100
    return f"{percent:.1f} %" if 0 < percent < 9.95 else f"{percent:.0f} %"


def size(number: int | None) -> str | Markup:
    """`512 B`, `1.2 kB`, `3.4 MB`: powers of ten."""
    if number is None:
        return UNKNOWN
    if number < 1000:
        return f"{number} B"
    if number < 999_950:
        return f"{number / 1000:.1f} kB"
    return f"{number / 1_000_000:.1f} MB"


def visible(text: str) -> str:
    """Text from outside, with what would move the cursor or turn the direction of others' text made visible."""
    return text.translate(_MADE_VISIBLE)


def breakable(name: str) -> Markup:
    """The name of a variable or a key, which a narrow column breaks after an underscore and nowhere else."""
    return Markup("_<wbr>").join(visible(part) for part in name.split("_"))


# The controls, and the embeddings, overrides and isolates of bidirectional text. Marks of direction (U+200E, U+200F)
# turn nothing else around, and languages need them.
_MADE_VISIBLE = {
    **{code: f"<{code:02X}>" for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"},
    **{code: f"<U+{code:04X}>" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}


def utc(epoch: float) -> str:
    """`2026-01-31 12:00:00.123 UTC`."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"


def iso(epoch: float) -> str:
    """`2026-01-31T12:00:00.123Z`, for `<time datetime>`."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def ago(epoch: float, now: float, say: Say = in_english) -> str:
    """`now`, `12 s ago`, `4 min ago`, `3 h ago`, `5 d ago`. static/format.js says the same, as time goes on.

    `say` translates it: gettext on a page.
    """
    seconds = int(now - epoch)
    if seconds < 2:
        return say(N_("now"))
    if seconds < 60:
        return say(N_("%(count)s s ago"), count=seconds)
    if seconds < 3600:
        return say(N_("%(count)s min ago"), count=seconds // 60)
    if seconds < 86400:
        return say(N_("%(count)s h ago"), count=seconds // 3600)
    return say(N_("%(count)s d ago"), count=seconds // 86400)


def short_id(identifier: str) -> str:
    """The first characters of an id: enough to tell rows apart; the whole one is copied."""
    return identifier[:SHORT_ID]


def cell(value: str | None) -> str:
    """A text as a cell of CSV. A spreadsheet runs what begins as a formula: an apostrophe before it says it is text."""
    text = "" if value is None else visible(value)
    return f"'{text}" if text.strip()[:1] in FORMULAS else text
