"""Credit: what a worker took to spare, so that not each request is a step of the ledger.

It is part of what the ledger counts, so that nothing is ever given away twice. It holds for a moment within the second
in which it was taken, since a request has to count in its own second; what is left then goes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from switchman.addons.core.access.limits.ledger import Entry, Settlement, Standing, Take, Taken


@dataclass(slots=True)
class _Left:
    """Of one account. `request`, `place`: what each request takes of what is counted there, 0 or 1."""

    account: str
    request: int
    place: int
    tokens: int
    reserved: dict[str, int]


class Credit:
    """Made of a take and what came of it, with `taken.spare` requests to spare."""

    def __init__(self, take: Take, taken: Taken, expires: float) -> None:
        self.expires = expires  # by the clock of whoever asks
        self.second = taken.second
        self.lent = self.requests = self.places = taken.spare
        self.spent = 0
        self._standings = taken.standings
        times = taken.spare
        self._left = [
            _Left(
                claim.account,
                request=int(claim.requests is not None),
                place=int(claim.has_place and take.place),
                tokens=claim.reserve * times if claim.tokens is not None else 0,
                reserved={line.purse: line.reserve * times for line in claim.lines} if take.place else {},
            )
            for claim in take.claims
        ]

    def spend(self, take: Take, now: float) -> Taken | None:
        """One request of it; None where it does not hold all that the request wants. `now`: epoch seconds."""
        if self.requests <= 0 or floor(now) != self.second or (take.place and self.places <= 0):
            return None
        if not self._holds(take):
            return None
        self.requests -= 1
        self.places -= take.place
        self.spent += 1
        for claim, left in zip(take.claims, self._left, strict=True):
            if claim.tokens is not None:
                left.tokens -= claim.reserve
            for line in claim.lines:
                left.reserved[line.purse] -= line.reserve
        return Taken(self.second, tuple([self._standing(one) for one in self._standings]))

    def rest(self) -> Settlement:
        """What goes back. Nothing is left of it then."""
        entries = []
        for left in self._left:
            requests, places = left.request * self.requests, left.place * self.places
            purses = tuple((purse, amount, 0, ()) for purse, amount in left.reserved.items() if amount)
            entries.append(Entry(left.account, places, self.second, (left.tokens, 0), purses, requests, lent=self.lent))
        self.requests = self.places = 0
        self._left = []
        return tuple(entries)

    def _holds(self, take: Take) -> bool:
        if len(take.claims) != len(self._left):
            return False
        for claim, left in zip(take.claims, self._left, strict=True):
            if claim.account != left.account or (claim.tokens is not None and claim.reserve > left.tokens):
                return False
            if any(line.reserve > left.reserved.get(line.purse, -1) for line in claim.lines):
                return False
        return True

    def _standing(self, one: Standing) -> Standing:
        """What is left to spare is not used."""
        more = self.requests
        if one.what != "requests":
            more = 0
            for left in self._left:
                if left.account == one.account:
                    more = left.tokens
                    break
        return Standing(one.account, one.what, one.limit, min(one.limit, one.remaining + more), one.resets_in)


def merged(settlements: tuple[Settlement, ...]) -> tuple[Settlement, ...]:
    """The same as one settlement, with one entry for each account and second."""
    if len(settlements) < 2:
        return settlements
    found: dict[tuple[str, int], _Sum] = {}
    for settlement in settlements:
        for entry in settlement:
            if (one := found.get((entry.account, entry.second))) is None:
                one = found[entry.account, entry.second] = _Sum()
            one.add(entry)
    return (tuple(one.entry(account, second) for (account, second), one in found.items()),)


class _Sum:
    """Of the entries of one account and second. Each request makes one, so they are added up in place."""

    __slots__ = ("lent", "places", "purses", "requests", "reserved", "used")

    def __init__(self) -> None:
        self.places = self.reserved = self.used = self.requests = self.lent = 0
        self.purses: dict[str, tuple[int, int, tuple[int, ...]]] = {}

    def add(self, entry: Entry) -> None:
        reserved, used = entry.tokens
        self.reserved += reserved
        self.used += used
        self.places += entry.places
        self.requests += entry.requests
        self.lent += entry.lent
        purses = self.purses
        for purse, held, spent, amounts in entry.purses:
            if (before := purses.get(purse)) is None:
                purses[purse] = (held, spent, amounts)
            else:
                known = before[2]
                if amounts != known:
                    known = tuple(dict.fromkeys((*known, *amounts)))
                purses[purse] = (before[0] + held, before[1] + spent, known)

    def entry(self, account: str, second: int) -> Entry:
        purses = tuple((purse, *figures) for purse, figures in self.purses.items())
        tokens = (self.reserved, self.used)
        return Entry(account, self.places, second, tokens, purses, self.requests, self.lent)
