"""From allowances to what is taken, and from what was used to what is settled."""

from __future__ import annotations

from datetime import UTC

from switchman.addons.core.access.caller import Allowance, Budget, Caller
from switchman.addons.core.access.limits.asking import (
    ALL,
    Reserve,
    Ticket,
    Used,
    again,
    downgrade_of,
    settlement_of,
    sources_of,
    take_of,
)
from switchman.addons.core.access.limits.ledger import Entry, Line, Taken
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.limits.written import NO_LIMITS, Limits

NOW = 1_796_000_000.0  # 2026-11-30
BUDGETS = (Budget(20, "usd", "month"), Budget(5, "usd", "month", "up/mini"), Budget(9, "tokens", "day"))
CALLER = Caller("abc", "anna", frozenset({"team", "other"}), allowance=Allowance(60, 1000, 2, 500, BUDGETS))
LIMITS = Limits(Allowance(requests_per_minute=600), {"team": Allowance(concurrent=9, body_bytes=400)})
CALENDAR = Calendar(UTC)


def test_a_request_counts_in_its_callers_account_its_groups_and_that_of_all() -> None:
    """Accounts without a limit are left out; the smallest body counts."""
    found = sources_of(CALLER, LIMITS)
    assert [one.account for one in found.sources] == ["token:abc", "group:team", ALL]
    assert (found.in_usd, found.in_tokens, found.per_minute, found.body_bytes) == (True, True, True, 400)
    assert sources_of(None, NO_LIMITS).sources == () == sources_of(Caller("x", "y"), NO_LIMITS).sources
    assert [one.account for one in sources_of(None, LIMITS).sources] == [ALL]


def test_budgets_of_one_unit_and_period_are_one_purse() -> None:
    """The smallest that refuses, the smallest that asks for another model, and all for the alerts."""
    claim = take_of(sources_of(CALLER, LIMITS), Reserve(3, 40, 7), CALENDAR, NOW).claims[0]
    assert claim.lines == (
        Line("usd/month/2026-11", 3, 20, 5, (20, 5)),
        Line("tokens/day/2026-11-30", 40, 9, None, (9,)),
    )
    assert (claim.requests, claim.tokens, claim.concurrent, claim.reserve) == (60, 1000, 2, 7)
    hard = take_of(sources_of(CALLER, LIMITS), Reserve(3, 40, 7), CALENDAR, NOW, soft=False).claims[0]
    assert hard.lines[0] == Line("usd/month/2026-11", 3, 20, None, (20, 5))


def test_another_day_has_another_purse() -> None:
    """Also where the day before was asked for; where the model was changed, its budget stops nothing."""
    sources = sources_of(CALLER, LIMITS)
    days = [take_of(sources, Reserve(3, 40, 7), CALENDAR, NOW + days * 86_400).claims[0].lines for days in (0, 1, 0)]
    assert [[line.purse for line in lines] for lines in days] == [
        ["usd/month/2026-11", "tokens/day/2026-11-30"],
        ["usd/month/2026-12", "tokens/day/2026-12-01"],
        ["usd/month/2026-11", "tokens/day/2026-11-30"],
    ]
    assert take_of(sources, Reserve(3), CALENDAR, NOW, soft=False).claims[0].lines[0].soft is None
    assert take_of(sources, Reserve(4), CALENDAR, NOW).claims[0].lines[0] == Line(
        "usd/month/2026-11", 4, 20, 5, (20, 5)
    )


def test_an_answer_from_a_cache_takes_a_request_alone() -> None:
    """No place, no tokens, no money."""
    take = take_of(sources_of(CALLER, LIMITS), Reserve(), CALENDAR, NOW, place=False)
    assert [(c.requests, c.concurrent, c.reserve, c.lines) for c in take.claims] == [
        (60, None, 0, ()),
        (None, None, 0, ()),
        (600, None, 0, ()),
    ]


def test_all_attempts_are_settled_together() -> None:
    """What was reserved for each, and what they used."""
    take = take_of(sources_of(CALLER, LIMITS), Reserve(3, 40, 7), CALENDAR, NOW)
    ticket = Ticket(take, Taken(5), reserve=Reserve(3, 40, 7))
    ticket.extended.append(again(take))
    assert [(c.account, c.requests, c.concurrent) for c in ticket.extended[0].claims] == [("token:abc", None, None)]
    entry = settlement_of(ticket, Used(4, 50) + Used(1, 1))[0]
    purses = (("usd/month/2026-11", 6, 5, (20, 5)), ("tokens/day/2026-11-30", 80, 51, (9,)))
    assert entry == Entry("token:abc", 1, 5, (7, 51), purses)


def test_the_model_of_the_budget_that_is_used_up() -> None:
    """And of no other one."""
    sources = sources_of(CALLER, LIMITS)
    assert downgrade_of(sources, "token:abc", "usd/month/2026-11", 5) == "up/mini"
    assert downgrade_of(sources, "token:abc", "usd/month/2026-11", 20) is None
    assert downgrade_of(sources, ALL, "usd/month/2026-11", 5) is None
