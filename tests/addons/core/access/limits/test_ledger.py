"""Batches of takings and settlements, applied to accounts in memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.access.limits.account import Account, Held
from switchman.addons.core.access.limits.ledger import (
    Alert,
    Batch,
    Claim,
    Entry,
    Line,
    Outcome,
    Refused,
    Take,
    Taken,
    abandon,
    apply,
)

NOW = 1_800_000_000.0
PURSE = "usd/month/2027-01"


class Books:
    """Accounts of one owner, by the batch."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.number = 0

    def run(self, *takes: Take, settle: tuple[Entry, ...] = (), now: float = NOW, owner: str = "one") -> Outcome:
        self.number += 1
        batch = Batch(owner, self.number, (settle,) if settle else (), takes)
        for name in batch.accounts():
            self.accounts.setdefault(name, Account())
        return apply(batch, self.accounts, now)

    def take(self, *claims: Claim, now: float = NOW, place: bool = True, owner: str = "one") -> Taken | Refused:
        return self.run(Take(claims, place), now=now, owner=owner).takes[0]


def spend(reserve: int, most: int | None = None, soft: int | None = None, account: str = "a") -> Claim:
    amounts = tuple(one for one in (most, soft) if one is not None)
    return Claim(account, lines=(Line(PURSE, reserve, most, soft, amounts),))


def paid(reserved: int, used: int, *amounts: int, account: str = "a") -> Entry:
    return Entry(account, 1, 0, (0, 0), ((PURSE, reserved, used, amounts),))


def test_all_is_taken_or_nothing() -> None:
    """Where the second account refuses, the first has not counted the request."""
    books = Books()
    assert isinstance(books.take(Claim("b", requests=1)), Taken)
    refused = books.take(Claim("a", requests=5, concurrent=5), Claim("b", requests=1))
    assert isinstance(refused, Refused)
    assert (refused.account, refused.what, refused.limit, refused.retry_in) == ("b", "requests", 1, 61.0)
    assert (books.accounts["a"].requests.total, books.accounts["a"].running) == (0, 0)


def test_a_budget_holds_what_is_reserved_to_the_micro_dollar() -> None:
    """Used and reserved together never exceed the amount."""
    books = Books()
    assert isinstance(books.take(spend(60, 100)), Taken)
    assert isinstance(books.take(spend(40, 100)), Taken)
    refused = books.take(spend(1, 100))
    assert isinstance(refused, Refused)
    assert (refused.what, refused.purse, refused.limit, refused.wanted) == ("budget", PURSE, 100, 1)
    books.run(settle=(paid(60, 10, 100),))
    assert isinstance(books.take(spend(50, 100)), Taken)
    assert isinstance(books.take(spend(1, 100)), Refused)


def test_what_costs_nothing_is_within_a_budget_that_is_used_up() -> None:
    """A free model goes on answering."""
    books = Books()
    books.take(spend(100, 100))
    books.run(settle=(paid(100, 150, 100),))
    assert isinstance(books.take(spend(0, 100)), Taken)
    assert isinstance(books.take(spend(1, 100)), Refused)


def test_a_soft_budget_asks_for_another_model_and_goes_on_counting() -> None:
    """The request is not refused; what the other model costs is counted beyond the amount."""
    books = Books()
    books.take(spend(100, soft=100))
    answer = books.take(spend(30, soft=100))
    assert isinstance(answer, Refused) and answer.what == "downgrade" and answer.limit == 100
    assert isinstance(books.take(Claim("a", lines=(Line(PURSE, 2, amounts=(100,)),))), Taken)
    books.run(settle=(paid(100, 100, 100),))
    books.run(settle=(paid(2, 2, 100),))
    assert books.accounts["a"].purses[PURSE].used == 102


def test_a_hard_limit_of_any_account_goes_before_a_soft_one() -> None:
    """Another model is of no use where the request is refused anyway."""
    books = Books()
    books.take(spend(100, soft=100))
    answer = books.take(spend(30, soft=100), Claim("b", concurrent=0))
    assert isinstance(answer, Refused) and answer.what == "concurrent"


def test_tokens_are_settled_in_the_second_in_which_they_were_reserved() -> None:
    """What was reserved too much is free again at once; what was too little counts from now on."""
    books = Books()
    first = books.take(Claim("a", tokens=100, reserve=80))
    assert isinstance(first, Taken)
    assert isinstance(books.take(Claim("a", tokens=100, reserve=30)), Refused)
    books.run(settle=(Entry("a", 0, first.second, (80, 20)),), now=NOW + 5)
    second = books.take(Claim("a", tokens=100, reserve=30), now=NOW + 5)
    assert isinstance(second, Taken)
    books.run(settle=(Entry("a", 0, second.second, (30, 90)),), now=NOW + 30)
    assert books.accounts["a"].tokens.total == 110
    books.take(Claim("a", tokens=100, reserve=0), now=NOW + 67)
    assert books.accounts["a"].tokens.total == 60


def test_more_tokens_than_a_minute_has_never_fit() -> None:
    """Such a request is told so, and not to wait."""
    refused = Books().take(Claim("a", tokens=100, reserve=101))
    assert isinstance(refused, Refused) and refused.retry_in is None


def test_places_come_back() -> None:
    """As many run at a time as may, and an answer from a cache takes no place."""
    books = Books()
    assert isinstance(books.take(Claim("a", concurrent=1)), Taken)
    assert isinstance(books.take(Claim("a", concurrent=1), owner="two"), Refused)
    assert isinstance(books.take(Claim("a", concurrent=1), place=False), Taken)
    books.run(settle=(Entry("a"),))
    assert isinstance(books.take(Claim("a", concurrent=1), owner="two"), Taken)


def test_each_alert_is_told_once() -> None:
    """50, 80 and 100 percent, each once, and the highest alone where one step passes several."""
    books, told = Books(), list[tuple[int, int]]()
    for used in (49, 1, 10, 25, 5, 20, 100):
        books.take(spend(used))
        told += [(one.used, one.percent) for one in books.run(settle=(paid(used, used, 100),)).alerts]
    assert told == [(50, 50), (85, 80), (110, 100)]
    assert [one.percent for one in books.run(settle=(paid(0, 1, 400),)).alerts] == [50]


def test_a_refusal_for_want_of_money_tells_that_the_budget_is_used_up() -> None:
    """Reservations keep a hard budget from ever being used up to the last; who is refused should know all the same."""
    books = Books()
    books.take(spend(90, 100))
    books.run(settle=(paid(90, 90),))
    assert books.run(Take((spend(200, 400),))).alerts == ()  # of a larger one little is used
    first, second = books.run(Take((spend(20, 100),))), books.run(Take((spend(20, 100),)))
    assert first.alerts == (Alert("a", PURSE, 100, 90, 100),)
    assert second.alerts == ()


def test_an_owner_that_is_gone_leaves_nothing_reserved() -> None:
    """Its places and reservations come back; those of others stay."""
    books = Books()
    books.take(spend(60, 100))
    books.take(spend(30, 100), owner="two")
    abandon("one", books.accounts)
    assert books.accounts["a"].reserved(PURSE) == 30 and list(books.accounts["a"].held) == ["two"]


def test_settlements_that_were_applied_are_not_applied_again() -> None:
    """A batch that is sent twice counts once, and what the owner holds is what it says."""
    books = Books()
    books.take(spend(60, 100))
    batch = Batch("one", 2, ((paid(60, 50, 100),),), truth={"a": Held(1, {PURSE: 7})})
    apply(batch, books.accounts, NOW)
    apply(batch, books.accounts, NOW, settled=True)
    assert books.accounts["a"].purses[PURSE].used == 50
    assert (books.accounts["a"].running, books.accounts["a"].reserved(PURSE)) == (1, 7)


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["one", "two"]), st.integers(0, 40), st.floats(0, 1.5), st.sampled_from([0.0, 0.5, 20.0])
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(REQUESTS, st.integers(20, 120), st.integers(1, 4))
def test_whatever_comes_no_budget_and_no_place_is_given_away_twice(
    requests: list[tuple[str, int, float, float]], amount: int, places: int
) -> None:
    """Used and reserved never exceed a budget where no request uses more than it reserved, and nothing stays."""
    books, running, now = Books(), list[tuple[str, int, int]](), NOW
    for owner, reserve, share, passed in requests:
        now += passed
        claim = Claim("a", concurrent=places, lines=(Line(PURSE, reserve, amount, amounts=(amount,)),))
        if isinstance(books.take(claim, now=now, owner=owner), Taken):
            running.append((owner, reserve, min(reserve, int(reserve * share))))
        elif running:
            who, kept, used = running.pop(0)
            books.run(settle=(paid(kept, used, amount),), owner=who, now=now)
        account = books.accounts["a"]
        used = account.purse(PURSE).used
        assert used + account.reserved(PURSE) <= amount and account.running == len(running) <= places
        assert account.reserved(PURSE) == sum(kept for _, kept, _ in running)
        assert Account.unpack(*account.pack()).pack() == account.pack()
    for who, kept, used in running:
        books.run(settle=(paid(kept, used, amount),), owner=who, now=now)
    assert books.accounts.get("a", Account()).held == {}
