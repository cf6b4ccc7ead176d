"""Counters: what the hook of limits talks to. It gathers what requests take and settle into batches for a Ledger.

A caller that asks often, far from its limits, has some requests taken for it to spare (core/access/limits/credit.py):
then one in dozens is a step of the ledger. Who is refused while others have some to spare, or have something to settle,
is asked for once more when they have given it back.

One batch is under way at a time; what comes meanwhile goes into the next. Nothing is lost where the ledger fails: what
was to be settled is sent again under the number that it had, so that it is counted once, with all that this worker
holds, so that nothing stays reserved that nobody has.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from switchman.addons.core.access.limits.account import Account, Held
from switchman.addons.core.access.limits.credit import Credit, merged
from switchman.addons.core.access.limits.ledger import (
    LAZY,
    Alert,
    Batch,
    Entry,
    Outcome,
    Refused,
    Settlement,
    Take,
    Taken,
)
from switchman.addons.state.access.ledgers import LEASE, Ledger, LedgerAway, OwnerUnknown

logger = logging.getLogger(__name__)

RENEW_EVERY: Final = LEASE / 3  # seconds
SOON: Final = LAZY - 0.03  # seconds that a settlement waits for company, where nobody waits for it
# Seconds for which what was taken to spare is made use of. It is over before SOON is, so that at a busy worker the take
# that follows has the settlements with it: one step of the ledger in place of two.
CREDIT: Final = SOON - 0.01
LENT_FOR: Final = 3.0  # seconds after which nobody waits for it to come back: its owner is stuck, or gone
MOST_SPARE: Final = 128
MOST_REMEMBERED: Final = 10_000  # keys and accounts
REST: Final = 1.0  # seconds without a try after one that failed
PATIENCE: Final = 3.0  # seconds for a batch: less than what a client notices, more than a failover of Redis takes

type Waiting = tuple[Take, asyncio.Future[Taken | Refused]]


class Counters:
    """For one worker. All of it runs in the event loop."""

    def __init__(
        self,
        ledger: Ledger,
        owner: str,
        on_alert: Callable[[Alert], None] = lambda alert: None,
        renew_every: float = RENEW_EVERY,
    ) -> None:
        self._ledger, self._owner, self._on_alert, self._renew_every = ledger, owner, on_alert, renew_every
        self._takes: list[Waiting] = []
        self._settlements: list[Settlement] = []
        self._held: dict[str, Held] = {}  # by account: what the ledger has of ours, as far as it has answered
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._renewing: asyncio.TimerHandle | None = None
        self._again: Batch | None = None  # one that failed, whose settlements may have been applied
        self._doubt = True  # whether the ledger may know something else of us than we do
        self._resting_until = float("-inf")
        self._flushed: list[asyncio.Future[None]] = []
        self._closed = False
        self._credits: dict[object, Credit] = {}
        self._rates: dict[object, list[float]] = {}  # by a take's key: requests since a time of the loop's clock
        self._lending: set[object] = set()  # keys of takes that are under way with some to spare
        self._firm: dict[str, float] = {}  # by account: until when a refusal is not looked at again

    @property
    def holds(self) -> dict[str, Held]:
        """What this worker's requests hold, by account."""
        return self._held

    async def take(self, take: Take) -> Taken | Refused:
        """Take all of it, or nothing. Raises LedgerAway where nobody can say."""
        if (taken := self._of_credit(take)) is not None:
            return taken
        result = await self._ask(self._with_spare(take))
        return await self._once_more(take, result) if isinstance(result, Refused) and result.again_in else result

    async def _once_more(self, take: Take, refused: Refused) -> Taken | Refused:
        """Ask again when what others have to spare is back, and once for what may have been over by then."""
        loop = asyncio.get_running_loop()
        result: Taken | Refused = refused
        began, pause, alone = loop.time(), refused.again_in, replace(take, spare=0)
        hopeful = began >= self._firm.get(refused.account, 0.0)
        while isinstance(result, Refused) and (hopeful or (result.lent and loop.time() - began < LENT_FOR)):
            hopeful = False
            await asyncio.sleep(pause)
            result = await self._ask(alone)
        if isinstance(result, Refused):
            if len(self._firm) >= MOST_REMEMBERED:
                self._firm.clear()
            self._firm[result.account] = loop.time() + REST
        return result

    async def _ask(self, take: Take) -> Taken | Refused:
        """A step of the ledger."""
        loop = asyncio.get_running_loop()
        if self._closed or loop.time() < self._resting_until:
            self._lending.discard(take.key)
            raise LedgerAway("it failed a moment ago")
        waiting: asyncio.Future[Taken | Refused] = loop.create_future()
        if take.spare:
            waiting.add_done_callback(lambda _: self._lending.discard(take.key))
        self._takes.append((take, waiting))
        self._start()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self._give_back(take, waiting.result())
            raise

    def _of_credit(self, take: Take) -> Taken | None:
        if take.key is None:
            return None
        now = asyncio.get_running_loop().time()
        if (rate := self._rates.get(take.key)) is None:
            if len(self._rates) >= MOST_REMEMBERED:
                del self._rates[next(iter(self._rates))]
            rate = self._rates[take.key] = [now, 0.0]
        rate[1] += 1
        credit = self._credits.get(take.key)
        return credit.spend(take, time.time()) if credit is not None and now < credit.expires else None

    def _with_spare(self, take: Take) -> Take:
        """As many to spare as may come in as long as they hold, as far as the last ones tell."""
        if take.key is None:
            return take
        if (credit := self._credits.pop(take.key, None)) is not None:
            self._return(credit)
        if take.key in self._lending:  # one that was asked for is on its way
            return take
        rate, now = self._rates[take.key], asyncio.get_running_loop().time()
        spare = int(min(MOST_SPARE, 2 * rate[1] * CREDIT / max(CREDIT, now - rate[0])))
        self._rates[take.key] = [now, 0.0]
        if spare < 2:
            return take
        self._lending.add(take.key)
        return replace(take, spare=spare)

    def _return(self, credit: Credit) -> None:
        if rest := credit.rest():
            self._settlements.append(rest)

    def settle(self, settlement: Settlement) -> None:
        """What a request that is over gives back, and used. It is written down in a moment."""
        self._settlements.append(settlement)
        if self._task is None and self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(SOON, self._start)

    async def flush(self) -> None:
        """Wait until others see what was settled, or it is clear that they do not for now."""
        flushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushed.append(flushed)
        self._start()
        await flushed

    async def look(self, accounts: Sequence[str]) -> dict[str, Account]:
        """The accounts as they are now. Raises LedgerAway."""
        return await self._ledger.look(accounts)

    async def close(self) -> None:
        """Write down what there is; what requests still hold comes back."""
        self._closed = True
        for timer in (self._timer, self._renewing):
            if timer is not None:
                timer.cancel()
        self._return_credits(float("inf"))
        if self._task is not None:
            await asyncio.wait([self._task], timeout=PATIENCE)
        if self._settlements or self._held or self._again:
            self._held.clear()
            self._doubt = True
            await self._send_all(())
        await self._ledger.close()

    def _return_credits(self, now: float) -> None:
        """Give back what is left of those that do not hold any more."""
        for key, credit in list(self._credits.items()):
            if credit.expires <= now:
                del self._credits[key]
                self._return(credit)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None:
            self._return_credits(asyncio.get_running_loop().time())
            task = asyncio.get_running_loop().create_task(self._work(), name="switchman limits")
            # mitmproxy's loop runs a task at once: one that is over by now would be taken for one that runs for ever.
            self._task = None if task.done() else task

    async def _work(self) -> None:
        """Send batches until there is nothing left to send."""
        try:
            while self._takes or self._settlements or self._again or self._flushed:
                takes, self._takes = self._takes, []
                flushed, self._flushed = self._flushed, []
                sent = False
                try:
                    sent = await self._send_all(takes)
                finally:
                    for one in flushed:
                        if not one.done():
                            one.set_result(None)
                if not sent:
                    self._later()
                    return
        finally:
            self._task = None
            self._keep_alive()
            if self._credits and self._timer is None and not self._closed:
                self._timer = asyncio.get_running_loop().call_later(CREDIT, self._start)
            if self._takes and not self._closed:  # they came while the last one failed
                self._fail(self._takes, LedgerAway("it failed a moment ago"))
                self._takes = []

    def _later(self) -> None:
        """Try again what could not be settled."""
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(REST, self._start)

    async def _send_all(self, takes: Iterable[Waiting]) -> bool:
        """Whether the ledger answered."""
        waiting = [(take, future) for take, future in takes if not future.done()]
        try:
            if self._again is not None:
                again = self._again
                self._learn(again, await self._run(again.number, again.settlements, ()), ())
                self._again = None
            settlements, self._settlements = merged(tuple(self._settlements)), []
            self._number += 1
            number = self._number
            try:
                outcome = await self._run(number, settlements, tuple(take for take, _ in waiting))
            except BaseException:
                if settlements:
                    self._again = Batch(self._owner, number, settlements)
                raise
        except (LedgerAway, OwnerUnknown, TimeoutError) as error:
            self._doubt = True
            self._resting_until = asyncio.get_running_loop().time() + REST
            self._fail(waiting, LedgerAway(str(error) or "it did not answer in time"))
            return False
        self._learn(Batch(self._owner, number, settlements), outcome, waiting)
        return True

    async def _run(self, number: int, settlements: tuple[Settlement, ...], takes: tuple[Take, ...]) -> Outcome:
        """With what we hold, where that is in doubt, or turns out to be: a connection that was lost costs one more try,
        which undoes what the first one took, if it took anything."""
        async with asyncio.timeout(PATIENCE):
            if not self._doubt:
                try:
                    return await self._ledger.run(Batch(self._owner, number, settlements, takes))
                except (OwnerUnknown, LedgerAway):
                    self._doubt = True
            truth = _after(self._held, settlements)
            return await self._ledger.run(Batch(self._owner, number, settlements, takes, truth))

    def _learn(self, batch: Batch, outcome: Outcome, waiting: Sequence[Waiting]) -> None:
        self._doubt = False
        self._held = _after(self._held, batch.settlements)
        for (take, future), result in zip(waiting, outcome.takes, strict=True):
            if isinstance(result, Taken):
                _hold(self._held, take, 1 + result.spare)
                if result.spare:
                    self._lend(take, result)
            if future.done():  # its client left while it waited
                self._give_back(take, result)
            else:
                future.set_result(result)
        for alert in outcome.alerts:
            self._on_alert(alert)

    def _lend(self, take: Take, taken: Taken) -> None:
        now = asyncio.get_running_loop().time()
        if (before := self._credits.pop(take.key, None)) is not None:
            self._return(before)
        self._credits[take.key] = Credit(take, taken, now + CREDIT)

    def _give_back(self, take: Take, result: Taken | Refused) -> None:
        if isinstance(result, Taken):
            self.settle(unused(take, result))

    def _fail(self, waiting: Iterable[Waiting], error: LedgerAway) -> None:
        for _, future in waiting:
            if not future.done():
                future.set_exception(error)

    def _keep_alive(self) -> None:
        """Let the ledger hear of us while something is held: a request may run for an hour."""
        if self._held and self._renewing is None and not self._closed:
            self._renewing = asyncio.get_running_loop().call_later(self._renew_every, self._renew)

    def _renew(self) -> None:
        self._renewing = None
        if self._task is None and self._held:
            self._flushed.append(asyncio.get_running_loop().create_future())  # an empty batch does it
            self._start()
        else:
            self._keep_alive()


def unused(take: Take, taken: Taken) -> Settlement:
    """What gives a request back that used nothing. It stays counted as a request."""
    return tuple(
        Entry(
            claim.account,
            places=int(take.place and claim.has_place),
            second=taken.second,
            tokens=(claim.reserve if claim.tokens is not None else 0, 0),
            purses=tuple((line.purse, line.reserve if take.place else 0, 0, line.amounts) for line in claim.lines),
        )
        for claim in take.claims
    )


def _hold(held: dict[str, Held], take: Take, times: int) -> None:
    for claim in take.claims:
        one = held.setdefault(claim.account, Held())
        one.lent += times - 1
        if take.place:
            one.running += claim.has_place * times
            for line in claim.lines:
                one.reserve(line.purse, line.reserve * times)
        if one.is_empty:
            del held[claim.account]


def _after(held: dict[str, Held], settlements: Iterable[Settlement]) -> dict[str, Held]:
    """What is held once these are settled."""
    touched = {entry.account for settlement in settlements for entry in settlement}
    after = {name: one.copy() if name in touched else one for name, one in held.items()}
    for settlement in settlements:
        for entry in settlement:
            if (one := after.get(entry.account)) is not None:
                one.running = max(0, one.running - entry.places)
                one.lent = max(0, one.lent - entry.lent)
                for purse, reserved, _, _ in entry.purses:
                    one.reserve(purse, -reserved)
    return {name: one for name, one in after.items() if not one.is_empty}
