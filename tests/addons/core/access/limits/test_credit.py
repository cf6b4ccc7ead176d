"""Credit: part of what the ledger counts, spent one by one, and what is left goes back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.limits.credit import Credit, merged
from switchman.addons.core.access.limits.ledger import (
    Batch,
    Claim,
    Entry,
    Line,
    Refused,
    Settlement,
    Take,
    Taken,
    apply,
)

NOW = 1_800_000_000.25
PURSE = "usd/month/2027-01"


def take(reserve: int = 10, about: int = 5, spare: int = 0, limit: int = 1000, place: bool = True) -> Take:
    line = Line(PURSE, reserve, limit, None, (limit,))
    return Take((Claim("a", limit, limit, limit if place else None, about, (line,) if place else ()),), place, spare)


def ledger(
    accounts: dict[str, Account], *takes: Take, settle: tuple[Settlement, ...] = (), number: int = 1
) -> list[Taken | Refused]:
    accounts.setdefault("a", Account())
    return list(apply(Batch("one", number, settle, takes), accounts, NOW).takes)


def given_to(accounts: dict[str, Account], wanted: Take) -> Credit:
    (taken,) = ledger(accounts, wanted)
    assert isinstance(taken, Taken)
    return Credit(wanted, taken, 1.0)


def test_some_to_spare_are_taken_where_half_of_each_limit_is_left() -> None:
    """Beyond that each request is asked for by itself."""
    accounts: dict[str, Account] = {}
    (first,) = ledger(accounts, take(spare=49))
    assert isinstance(first, Taken) and first.spare == 49
    assert (accounts["a"].requests.total, accounts["a"].running, accounts["a"].reserved(PURSE)) == (50, 50, 500)
    (second,) = ledger(accounts, take(spare=1))
    assert isinstance(second, Taken) and second.spare == 0


def test_it_is_spent_in_its_own_second_only() -> None:
    """A request counts in the second in which it is made."""
    credit = given_to({}, take(spare=3))
    assert credit.spend(take(), NOW + 0.5) is not None
    assert credit.spend(take(), NOW + 1) is None
    assert credit.spend(take(), NOW - 1) is None


def test_a_request_that_needs_more_is_not_of_it() -> None:
    """Neither more money, nor more tokens, nor another account than it has."""
    credit = given_to({}, take(spare=2))
    assert credit.spend(take(reserve=21), NOW) is None
    assert credit.spend(take(about=11), NOW) is None
    other = Take((Claim("b", requests=5),))
    assert credit.spend(other, NOW) is None
    assert credit.spend(take(reserve=20), NOW) is not None
    assert credit.spend(take(reserve=1), NOW) is None


def test_an_answer_from_a_cache_takes_a_request_and_no_place() -> None:
    """What it does not take goes back."""
    accounts: dict[str, Account] = {}
    credit = given_to(accounts, take(spare=2))
    assert credit.spend(take(place=False, about=0), NOW) is not None
    assert credit.rest() == (Entry("a", 2, int(NOW), (10, 0), ((PURSE, 20, 0, ()),), 1, 2),)
    assert credit.rest() == ()


def test_what_is_left_to_spare_is_told_as_left() -> None:
    """Header fields do not show it as used."""
    accounts: dict[str, Account] = {}
    credit = given_to(accounts, take(spare=9))
    spent = credit.spend(take(), NOW)
    assert spent is not None
    assert [(one.what, one.remaining) for one in spent.standings] == [("requests", 998), ("tokens", 990)]


REQUESTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans(), st.integers(0, 40)), max_size=30)


@settings(max_examples=60)
@given(REQUESTS, st.integers(1, 60))
def test_spent_and_left_are_what_was_taken(requests: list[tuple[int, int, bool, int]], spare: int) -> None:
    """Once all is settled and the rest is back, the account has the requests that were made and what they used."""
    accounts: dict[str, Account] = {}
    credit = given_to(accounts, take(20, 10, spare, 10_000))
    settlements: list[Settlement] = [(Entry("a", 1, int(NOW), (10, 0), ((PURSE, 20, 0, ()),)),)]
    made, spent, tokens = 1, 0, 0
    for reserve, about, place, used in requests:
        wanted = take(reserve, about if place else 0, 0, 10_000, place)
        if credit.spend(wanted, NOW) is None:
            continue
        made += 1
        if place:
            spent, tokens = spent + used, tokens + min(used, about)
            entry = Entry("a", 1, int(NOW), (about, min(used, about)), ((PURSE, reserve, used, (10_000,)),))
            settlements.append((entry,))
    settlements.append(credit.rest())
    for number, settle in enumerate((tuple(settlements[:1]), merged(tuple(settlements[1:]))), 2):
        ledger(accounts, settle=settle, number=number)
    account = accounts["a"]
    assert (account.requests.total, account.tokens.total, account.held) == (made, tokens, {})
    assert account.purse(PURSE).used == spent


def test_merged_they_come_to_the_same() -> None:
    """Settlements of one account and second are one entry; others stay apart."""
    first = (Entry("a", 1, 5, (10, 7), ((PURSE, 10, 3, (100,)),)), Entry("b", 1, 5))
    second = (Entry("a", 1, 5, (10, 1), ((PURSE, 10, 4, (200,)), ("tokens/day/x", 1, 1, ()))),)
    third = (Entry("a", 1, 6, (1, 1)),)
    assert merged((first, second, third)) == (
        (
            Entry("a", 2, 5, (20, 8), ((PURSE, 20, 7, (100, 200)), ("tokens/day/x", 1, 1, ()))),
            Entry("b", 1, 5),
            Entry("a", 1, 6, (1, 1)),
        ),
    )
    assert merged((first,)) == (first,)
