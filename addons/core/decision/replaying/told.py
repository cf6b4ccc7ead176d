"""A report for a person at a terminal: lines of 80 columns at most."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from switchman.addons.core.access.prices.words import dollars
from switchman.addons.core.decision.replaying.decided import REASONS
from switchman.addons.core.decision.replaying.report import MICRO, Move, Pair, Report

WIDTH: Final = 80
MOST_MOVES: Final = 20
MOST_NAMED: Final = 6
Formatter = Callable[[float | None], str]
_NAME: Final = 25  # characters of a target in the table of moves

ASSUMED: Final = (
    "every server is well, no budget is used up, the first target answers",
    "tokens are those of then; a cached part stays cached where that has a price",
    "caches are as warm as they were; after a change of rules they begin anew",
)


def told(report: Report) -> str:
    """Ends in a line break."""
    return "\n".join(line.rstrip() for line in _lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield from _wrapped(f"before: {report.names[0]}")
    yield from _wrapped(f"after:  {report.names[1]}")
    if report.first is not None and report.last is not None:
        yield f"log:    {_time(report.first)} to {_time(report.last)}"
    if report.stopped:
        yield from _wrapped(f"        {report.stopped}")
    yield ""
    yield f"requests       {report.requests:>10,}"
    yield f"go elsewhere   {report.elsewhere:>10,}   {share(report.elsewhere, report.requests)}"
    yield f"stay           {report.same:>10,}   {share(report.same, report.requests)}"
    yield f"not known      {report.unknown_requests:>10,}   {share(report.unknown_requests, report.requests)}"
    if report.fallbacks:
        yield f"(of those that stay, {report.fallbacks:,} have other fallbacks)"
    yield ""
    yield f"{'':14} {'before':>12} {'after':>12} {'change':>10}   of"
    yield _pair("cost", report.cost, money)
    yield _pair("latency", report.latency, duration)
    yield _pair("cache hits", report.cache_hits, number)
    yield _pair("refused", report.refused, number)
    if report.moves:
        yield ""
        yield f"{'from':{_NAME}}  {'to':{_NAME}} {'requests':>8} {'cost':>8} {'latency':>8}"
        yield from map(_move, report.moves[:MOST_MOVES])
        if (more := len(report.moves) - MOST_MOVES) > 0:
            yield f"and {more} more; --json has them"
    yield from _examples(report)
    yield from _not_known(report)


def _examples(report: Report) -> Iterator[str]:
    if not report.examples:
        return
    yield ""
    yield "for example"
    for one in report.examples:
        yield from _wrapped(f"  {one.id}  {_time(one.started_at)}  {_cut(one.model or '(no model)', 40)}")
        yield from _wrapped(
            f"    {one.before} ({one.by_before or '?'}) -> {one.after} ({one.by_after or '?'})", "      "
        )


def _not_known(report: Report) -> Iterator[str]:
    notes = [f"{count:,} left out: {why}" for why, count in report.left_out.items()]
    notes += [f"{count:,} targets not known: {REASONS[why]}" for why, count in report.unknown.items()]
    if report.no_tokens:
        notes.append(f"{report.no_tokens:,} costs not known: their tokens were not told")
    if report.no_price:
        notes.append(f"no price is known of {_named(report.no_price)}")
    if report.no_median:
        notes.append(f"no latency is known, as they gave no answer yet: {_named(report.no_median)}")
    if report.cache_unknown:
        notes.append(f"{report.cache_unknown:,} may be answered by a cache that did not serve them then")
    if report.redacted:
        notes.append(f"{report.redacted:,} were decided by bodies that are kept redacted")
    if notes:
        yield ""
        yield "not known, or not counted"
        for note in notes:
            yield from _wrapped(f"  {note}", "    ")
    yield ""
    yield "assumed"
    for sentence in ASSUMED:
        yield from _wrapped(f"  {sentence}", "    ")


def _named(counts: Mapping[str, int]) -> str:
    shown = [f"{_cut(target, 60)} ({count:,})" for target, count in list(counts.items())[:MOST_NAMED]]
    more = len(counts) - MOST_NAMED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _pair(name: str, pair: Pair, form: Formatter) -> str:
    change = percent(pair)
    return f"{name:14} {form(pair.before):>12} {form(pair.after):>12} {change:>10}   {pair.of:,}"


def _move(move: Move) -> str:
    cost, latency = percent(move.cost), percent(move.latency)
    return f"{_cut(move.before):{_NAME}}  {_cut(move.after):{_NAME}} {move.requests:>8,} {cost:>8} {latency:>8}"


def _cut(text: str, most: int = _NAME) -> str:
    """Both ends of a long name: the server's and the model's tell it from others. Printable."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    if len(shown) <= most:
        return shown
    left = (most - 1) // 2
    return f"{shown[:left]}…{shown[-(most - 1 - left) :]}"


def _wrapped(line: str, more: str = "        ") -> Sequence[str]:
    shown = "".join(letter if letter.isprintable() else "?" for letter in line)
    return textwrap.wrap(shown, WIDTH, subsequent_indent=more, break_on_hyphens=False, drop_whitespace=True) or [""]


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def percent(pair: Pair) -> str:
    """`+5.0%`, `-12%`, `0%`, `new` from nothing, `?` where it is not known."""
    if pair.change is None:
        return "new" if pair.before == 0 and pair.after else "?"
    if not pair.change:
        return "0%"
    return f"{pair.change:+.1%}" if abs(pair.change) < 10 else f"{pair.change:+,.0%}"


def money(value: float | None) -> str:
    """Micro-dollars in dollars."""
    if value is None:
        return "?"
    return f"${value / MICRO:,.2f}" if value >= MICRO or not value else f"${dollars(round(value))}"


def duration(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def number(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}"


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
