"""From a caller's allowances to what a request takes of them, and from what it used to what it settles.

An account is one caller's (`token:ID`), one group's (`group:NAME`), or all callers' (`all`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, NamedTuple

from switchman.addons.core.access.caller import Allowance, Budget, Caller, Period
from switchman.addons.core.access.limits.ledger import Claim, Entry, Line, Settlement, Take, Taken
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.limits.written import NO_LIMIT, Limits

ALL: Final = "all"

# Its name, whether it is in dollars, the budget that refuses, the one that has another model asked, and all amounts.
type _Purse = tuple[str, bool, int | None, int | None, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Source:
    """An account and what may be asked of it."""

    account: str
    allowance: Allowance


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """All accounts that a caller's requests count in; none where nothing is limited.

    `in_usd`, `in_tokens`: whether some budget is of it. `per_minute`: whether tokens a minute are limited.
    """

    sources: tuple[Source, ...] = ()
    in_usd: bool = False
    in_tokens: bool = False
    per_minute: bool = False
    body_bytes: int | None = None


NOTHING: Final = Sources()


class Reserve(NamedTuple):
    """The most that a request can come to: micro-dollars and tokens. `about`: tokens, for those of a minute."""

    usd: int = 0
    tokens: int = 0
    about: int = 0


NOTHING_RESERVED: Final = Reserve()


@dataclass(frozen=True, slots=True)
class Used:
    """What a request came to."""

    usd: int = 0
    tokens: int = 0

    def __add__(self, other: Used) -> Used:
        return Used(self.usd + other.usd, self.tokens + other.tokens)


@dataclass(slots=True)
class Ticket:
    """What one request has taken, from the moment that it may go until it is settled."""

    take: Take
    taken: Taken
    extended: list[Take] = field(default_factory=list)  # for further attempts, each as much again
    downgraded: str | None = None  # the model that answers in place of the one that was asked for
    about_in: int = 0  # tokens that went in, by estimate
    reserve: Reserve = NOTHING_RESERVED


def sources_of(caller: Caller | None, limits: Limits) -> Sources:
    """The accounts of a caller; None: one without a token, whose requests count among all."""
    found: list[Source] = []
    if caller is not None:
        found.append(Source(f"token:{caller.id}", caller.allowance))
        found += [Source(f"group:{name}", limits.groups.get(name, NO_LIMIT)) for name in sorted(caller.groups)]
    found.append(Source(ALL, limits.total))
    sizes = [size for one in found if (size := one.allowance.body_bytes) is not None]
    kept = tuple(one for one in found if replace(one.allowance, body_bytes=None) != NO_LIMIT)
    units = {budget.unit for one in kept for budget in one.allowance.budgets}
    return Sources(
        sources=kept,
        in_usd="usd" in units,
        in_tokens="tokens" in units,
        per_minute=any(one.allowance.tokens_per_minute is not None for one in kept),
        body_bytes=min(sizes, default=None),
    )


def take_of(
    sources: Sources, reserve: Reserve, calendar: Calendar, now: float, *, place: bool = True, soft: bool = True
) -> Take:
    """What a request takes. `place` False: it is answered at once, and costs nothing. `soft` False: it goes to the
    model of a budget that is used up, which is only counted from here on."""
    claims = []
    day, month = calendar.span("day", now).label, calendar.span("month", now).label
    for source, purses in zip(sources.sources, _purses(sources, day, month, soft), strict=True):
        allowed = source.allowance
        lines = [
            Line(purse, reserve.usd if in_usd else reserve.tokens, most, downgrading, amounts)
            for purse, in_usd, most, downgrading, amounts in (purses if place else ())
        ]
        claims.append(
            Claim(
                source.account,
                requests=allowed.requests_per_minute,
                tokens=allowed.tokens_per_minute,
                concurrent=allowed.concurrent if place else None,
                reserve=reserve.about if place and allowed.tokens_per_minute is not None else 0,
                lines=tuple(lines),
            )
        )
    return Take(tuple(claims), place, key=sources if soft else None)


def again(take: Take) -> Take:
    """What a further attempt may cost, as much again. It is the same request, at the same place."""
    claims = (Claim(claim.account, lines=claim.lines) for claim in take.claims if claim.lines)
    return Take(tuple(claims))


def settlement_of(ticket: Ticket, used: Used) -> Settlement:
    """What a request gives back, and what it used."""
    times = 1 + len(ticket.extended)
    return tuple(
        Entry(
            claim.account,
            places=int(ticket.take.place and claim.has_place),
            second=ticket.taken.second,
            tokens=(claim.reserve, used.tokens) if claim.tokens is not None else (0, 0),
            purses=tuple(
                (line.purse, line.reserve * times if ticket.take.place else 0, _of(line.purse, used), line.amounts)
                for line in claim.lines
            ),
        )
        for claim in ticket.take.claims
    )


def downgrade_of(sources: Sources, account: str, purse: str, amount: int) -> str | None:
    """The model that a budget which is used up names."""
    unit, period, _ = purse.split("/")
    for source in sources.sources:
        for budget in source.allowance.budgets if source.account == account else ():
            if (budget.unit, budget.period, budget.amount) == (unit, period, amount) and budget.downgrade:
                return budget.downgrade
    return None


@lru_cache(maxsize=4_096)
def _purses(sources: Sources, day: str, month: str, soft: bool) -> tuple[tuple[_Purse, ...], ...]:
    """The purses of each source, in a day and a month: the same for all its requests of a day."""
    return tuple(_purses_of(source.allowance.budgets, {"day": day, "month": month}, soft) for source in sources.sources)


def _purses_of(budgets: tuple[Budget, ...], labels: Mapping[Period, str], soft: bool) -> tuple[_Purse, ...]:
    """Budgets of one unit and period are of one purse."""
    kept: dict[str, tuple[list[int], list[int], list[int]]] = {}  # all amounts; those that refuse; those that do not
    for budget in budgets:
        found = kept.setdefault(f"{budget.unit}/{budget.period}/{labels[budget.period]}", ([], [], []))
        found[0].append(budget.amount)
        found[1 if budget.downgrade is None else 2].append(budget.amount)
    return tuple(
        (
            purse,
            purse.startswith("usd/"),
            min(hard) if hard else None,
            min(downgrading) if downgrading and soft else None,
            tuple(amounts),
        )
        for purse, (amounts, hard, downgrading) in kept.items()
    )


def _of(purse: str, used: Used) -> int:
    return used.usd if purse.startswith("usd/") else used.tokens


def allowances(caller: Caller | None, limits: Limits) -> Mapping[str, Allowance]:
    """By account, for those who show how it stands."""
    return {one.account: one.allowance for one in sources_of(caller, limits).sources}
