"""The ledger: what requests take of accounts before they go out, and what they settle when they are over.

A batch of both is applied as one step, by whatever keeps the accounts (addons/state/access/). All of what a request
takes is taken, or nothing. `lua/ledger.lua` there says the same to Redis; a test holds the two to each other.

    take      checks every limit of every account, then counts the request, its tokens, a place, and what it reserves
    settle    gives the place and the reservation back, and writes down what was used in their stead
    truth     what an owner (a worker) really holds, in place of what the accounts say: after any doubt
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple

from switchman.addons.core.access.limits.account import ALERTS, Account, Held

What = Literal["requests", "tokens", "concurrent", "budget", "downgrade"]

NEARLY: Final = 80  # percent
LAZY: Final = 0.15  # seconds within which what is over is settled


class Line(NamedTuple):
    """A purse that a request reserves from. `most`: the budget that refuses; `soft`: one that asks for another model.

    None: there is none. `amounts` are of all budgets of this purse, for the alerts.
    """

    purse: str
    reserve: int
    most: int | None = None
    soft: int | None = None
    amounts: tuple[int, ...] = ()


class Claim(NamedTuple):
    """What a request wants of one account, and the account's limits. None: no such limit."""

    account: str
    requests: int | None = None  # a minute
    tokens: int | None = None  # a minute
    concurrent: int | None = None
    reserve: int = 0  # tokens, of those of a minute
    lines: tuple[Line, ...] = ()

    @property
    def has_place(self) -> bool:
        """Whether a request takes one of the account's places: where these are not limited, nobody counts them."""
        return self.concurrent is not None


@dataclass(frozen=True, slots=True)
class Take:
    """All that one request wants. `place`: it runs for a while, and holds places and money until it is settled (an
    answer from a cache does not). `spare`: so many more like it are taken with it, where they leave half of each limit
    to others. `key`: equal for takes with the same accounts and limits; None for one that is like no other.
    """

    claims: tuple[Claim, ...]
    place: bool = True
    spare: int = 0
    key: object = None


class Standing(NamedTuple):
    """How one account stands to one of its limits: header fields are made of it. `resets_in`: seconds."""

    account: str
    what: Literal["requests", "tokens"]
    limit: int
    remaining: int
    resets_in: float


class Taken(NamedTuple):
    """The request may go. `second`: under which its tokens are counted. `spare`: so many more may."""

    second: int
    standings: tuple[Standing, ...] = ()
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was taken. `retry_in`: seconds until it may succeed; None where time alone does not help.

    `purse`, `limit`: of a budget, and what the limit is; `wanted`: tokens or micro-dollars that this request needs.
    `lent`: how many requests others have to spare: when they are back, it may go. `again_in`: seconds after which it is
    worth another try, since others hold what may be over by now.
    """

    account: str
    what: What
    limit: int
    wanted: int = 1
    retry_in: float | None = None
    purse: str = ""
    standings: tuple[Standing, ...] = ()
    again_in: float = 0.0
    lent: int = 0


class Entry(NamedTuple):
    """What a request that is over gives back to one account, and what it used. Amounts are tokens, or a purse's."""

    account: str
    places: int = 1
    second: int = 0  # of its Taken
    tokens: tuple[int, int] = (0, 0)  # reserved, used
    purses: tuple[tuple[str, int, int, tuple[int, ...]], ...] = ()  # purse, reserved, used, the budgets' amounts
    requests: int = 0  # to spare, which were not made
    lent: int = 0  # of how many it is the rest


Settlement = tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """A budget of which so many percent are used up: told once."""

    account: str
    purse: str
    amount: int
    used: int
    percent: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What an owner wants done as one step. `number` counts up: settlements under a number that was applied before are
    not applied again. `truth`: what the owner holds once this batch's settlements are done, by account; None where
    nothing is in doubt.
    """

    owner: str
    number: int
    settlements: tuple[Settlement, ...] = ()
    takes: tuple[Take, ...] = ()
    truth: Mapping[str, Held] | None = None

    def accounts(self) -> set[str]:
        """Those that it touches."""
        names = {claim.account for take in self.takes for claim in take.claims}
        names.update(entry.account for settlement in self.settlements for entry in settlement)
        return names | set(self.truth or ())


@dataclass(frozen=True, slots=True)
class Outcome:
    """`takes`: in the batch's order."""

    takes: tuple[Taken | Refused, ...] = ()
    alerts: tuple[Alert, ...] = ()


@dataclass(slots=True)
class _Step:
    accounts: MutableMapping[str, Account]
    now: float
    alerts: list[Alert] = field(default_factory=list)


def apply(batch: Batch, accounts: MutableMapping[str, Account], now: float, *, settled: bool = False) -> Outcome:
    """Apply a batch. `accounts` has all that it touches and, with `truth`, all in which its owner holds anything.

    `settled`: its settlements were applied before. `now`: epoch seconds.
    """
    step = _Step(accounts, now)
    if not settled:
        for settlement in batch.settlements:
            for entry in settlement:
                _settle(step, batch.owner, entry)
    if batch.truth is not None:
        for name, account in accounts.items():
            account.held.pop(batch.owner, None)
            if (held := batch.truth.get(name)) is not None and not held.is_empty:
                account.held[batch.owner] = held.copy()
    takes = tuple(_take(step, batch.owner, take) for take in batch.takes)
    return Outcome(takes, tuple(step.alerts))


def abandon(owner: str, accounts: Mapping[str, Account]) -> None:
    """An owner is gone: its places and reservations come back."""
    for account in accounts.values():
        account.held.pop(owner, None)


def _take(step: _Step, owner: str, take: Take) -> Taken | Refused:
    second = 0
    for claim in take.claims:
        account = step.accounts[claim.account]
        second = account.requests.advance(step.now)
        account.tokens.advance(step.now)
    if (refused := _refusal(step, take)) is not None:
        return _with_hope(step, owner, refused)
    for claim in take.claims:
        account = step.accounts[claim.account]
        if claim.requests is not None:
            account.requests.add(second, 1)
        if claim.tokens is not None:
            account.tokens.add(second, claim.reserve)
        if take.place:
            held = account.holding(owner)
            held.running += claim.has_place
            for line in claim.lines:
                held.reserve(line.purse, line.reserve)
            account.let_go(owner)
    spare = take.spare if take.spare and _has_half(step, take) else 0
    if spare:
        _take_spare(step, owner, take, second)
    return Taken(second, _standings(step, take), spare)


def _has_half(step: _Step, take: Take) -> bool:
    """Whether what is wanted to spare leaves half of each limit."""
    for claim in take.claims:
        account, spare = step.accounts[claim.account], take.spare
        if claim.requests is not None and 2 * (account.requests.total + spare) > claim.requests:
            return False
        if claim.tokens is not None and 2 * (account.tokens.total + spare * claim.reserve) > claim.tokens:
            return False
        if not take.place:
            continue
        if claim.concurrent is not None and 2 * (account.running + spare) > claim.concurrent:
            return False
        for line in claim.lines:
            used = found.used if (found := account.purses.get(line.purse)) is not None else 0
            wanted = 2 * (used + account.reserved(line.purse) + spare * line.reserve)
            if any(amount is not None and wanted > amount for amount in (line.most, line.soft)):
                return False
    return True


def _take_spare(step: _Step, owner: str, take: Take, second: int) -> None:
    for claim in take.claims:
        account = step.accounts[claim.account]
        if claim.requests is not None:
            account.requests.add(second, take.spare)
        if claim.tokens is not None:
            account.tokens.add(second, take.spare * claim.reserve)
        held = account.holding(owner)
        held.lent += take.spare
        if take.place:
            held.running += take.spare * claim.has_place
            for line in claim.lines:
                held.reserve(line.purse, take.spare * line.reserve)


def _with_hope(step: _Step, owner: str, refused: Refused) -> Refused:
    """Whether something may come back at once: what was taken to spare, or what is over and not settled yet."""
    account = step.accounts[refused.account]
    waits = refused.what in ("concurrent", "budget", "downgrade") and any(other != owner for other in account.held)
    return replace(refused, again_in=LAZY, lent=account.lent) if waits or account.lent else refused


def _refusal(step: _Step, take: Take) -> Refused | None:
    """The first limit that is in the way: hard ones of all accounts before those that ask for another model."""
    for claim in take.claims:
        if (what := _over(step, claim, take.place)) is not None:
            name, limit, wanted, retry_in, purse = what
            return Refused(claim.account, name, limit, wanted, retry_in, purse, _standings(step, take))
    for claim in take.claims:
        account = step.accounts[claim.account]
        for line in claim.lines:
            if line.soft is not None and _is_short(account, line, line.soft):
                _tell_refused(step, claim.account, line.purse, line.soft)
                return Refused(claim.account, "downgrade", line.soft, line.reserve, None, line.purse)
    return None


def _over(step: _Step, claim: Claim, place: bool) -> tuple[What, int, int, float | None, str] | None:
    account, now = step.accounts[claim.account], step.now
    if claim.requests is not None and (wait := account.requests.fits_in(now, 1, claim.requests)) != 0:
        return "requests", claim.requests, 1, wait, ""
    if claim.tokens is not None and claim.reserve:
        wait = account.tokens.fits_in(now, claim.reserve, claim.tokens)
        if wait != 0:
            return "tokens", claim.tokens, claim.reserve, wait, ""
    if place and claim.concurrent is not None and account.running >= claim.concurrent:
        return "concurrent", claim.concurrent, 1, 1.0, ""
    for line in claim.lines:
        if line.most is not None and _is_short(account, line, line.most):
            _tell_refused(step, claim.account, line.purse, line.most)
            return "budget", line.most, line.reserve, None, line.purse
    return None


def _is_short(account: Account, line: Line, amount: int) -> bool:
    """Whether a budget of this amount does not hold the reservation. What costs nothing is always within it."""
    used = found.used if (found := account.purses.get(line.purse)) is not None else 0
    return line.reserve > 0 and used + account.reserved(line.purse) + line.reserve > amount


def _settle(step: _Step, owner: str, entry: Entry) -> None:
    account = step.accounts[entry.account]
    reserved, used = entry.tokens
    if reserved != used:
        now = account.tokens.advance(step.now)
        account.tokens.add(entry.second if used < reserved else now, used - reserved)
    if entry.requests:
        account.requests.advance(step.now)
        account.requests.add(entry.second, -entry.requests)
    held = account.holding(owner)
    held.running = max(0, held.running - entry.places)
    held.lent = max(0, held.lent - entry.lent)
    for purse, kept, spent, amounts in entry.purses:
        held.reserve(purse, -kept)
        if spent:
            found = account.purse(purse)
            found.used += spent
            for amount in amounts:
                reached = found.used * 100 // amount if amount else 100
                percent = max((one for one in ALERTS if one <= reached), default=0)
                _tell(step, entry.account, purse, (amount,), percent)
    account.let_go(owner)


def _tell(step: _Step, name: str, purse: str, amounts: tuple[int, ...], percent: int) -> None:
    """An alert for each of these budgets, unless it was told before."""
    for amount in amounts:
        if not percent:
            continue
        found = step.accounts[name].purse(purse)
        if found.told.get(amount, 0) < percent:
            found.told[amount] = percent
            step.alerts.append(Alert(name, purse, amount, found.used, percent))


def _tell_refused(step: _Step, name: str, purse: str, amount: int) -> None:
    """Reservations keep a budget from being used up to the last: with 80 % used, one that refuses somebody is used up.
    Before that the request was too large, and nobody but its caller has to know.
    """
    used = found.used if (found := step.accounts[name].purses.get(purse)) is not None else 0
    if used * 100 >= NEARLY * amount:
        _tell(step, name, purse, (amount,), 100)


def _standings(step: _Step, take: Take) -> tuple[Standing, ...]:
    """Of each kind of limit the account with least left."""
    found: list[Standing] = []
    for what in ("requests", "tokens"):
        tightest: Standing | None = None
        for claim in take.claims:
            limit: int | None = claim.requests if what == "requests" else claim.tokens
            if limit is None:
                continue
            account = step.accounts[claim.account]
            window = account.requests if what == "requests" else account.tokens
            remaining = max(0, limit - window.total)
            if tightest is None or remaining < tightest.remaining:
                tightest = Standing(claim.account, what, limit, remaining, window.empty_in(step.now))
        if tightest is not None:
            found.append(tightest)
    return tuple(found)
