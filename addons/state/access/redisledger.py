"""Accounts in Redis, for the workers of many machines: a batch is one call of a script (ledger.lua).

All keys begin with `switchman:{limits}`: the braces keep them on one node of a cluster. Redis's clock is the only one
that counts. Amounts are whole numbers below 2**53, which is 9 billion dollars.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from switchman.addons.core.access.limits.account import Account, Held, Purse
from switchman.addons.core.access.limits.ledger import Alert, Batch, Outcome, Refused, Settlement, Standing, Take, Taken
from switchman.addons.state.access.ledgers import LEASE, LedgerAway, OwnerUnknown

PREFIX: Final = "switchman:{limits}"
TIMEOUT: Final = 2.0  # seconds to connect, and for an answer
SCRIPT: Final = files("switchman.addons.state.access").joinpath("ledger.lua").read_text("utf-8")


class RedisLedger:
    """`now`: epoch seconds in the place of Redis's clock, for tests. `away`: why Redis is known to be away, or None:
    then nobody waits to find out.
    """

    def __init__(
        self, url: str, lease: float = LEASE, prefix: str = PREFIX, away: Callable[[], str | None] = lambda: None
    ) -> None:
        # Whether a batch that failed was applied is not known: it is sent again by Counters, under its number.
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, decode_responses=True,
            retry=Retry(NoBackoff(), 0), protocol=2,
        )  # fmt: skip
        self._script = self._redis.register_script(SCRIPT)
        self._lease, self._prefix, self._away = int(lease * 1000), prefix, away
        self.now: float | None = None

    async def run(self, batch: Batch) -> Outcome:
        if (problem := self._away()) is not None:
            raise LedgerAway(f"Redis: {problem}")
        clock = "" if self.now is None else str(round(self.now * 1_000_000))
        try:
            said = await self._script(args=[self._prefix, _written(batch), self._lease, clock])
            return _read(json.loads(said))
        except (RedisError, OSError, ValueError, KeyError, TypeError) as error:
            raise LedgerAway(f"Redis: {error}") from error

    async def look(self, accounts: Sequence[str]) -> dict[str, Account]:
        """Used, reserved and running; of the windows only what is in them, as of the last request."""
        try:
            return {name: found for name in accounts if (found := await self._look(name)) is not None}
        except (RedisError, OSError, ValueError) as error:
            raise LedgerAway(f"Redis: {error}") from error

    async def close(self) -> None:
        await self._redis.aclose()

    async def _look(self, name: str) -> Account | None:
        fields = await self._hash(f"{self._prefix}:a:{name}")
        account = Account()
        for key, value in fields.items():
            kind, _, owner = key.partition(":")
            if kind == "held" and owner:
                account.holding(owner).running = int(value)
            elif kind == "lent" and owner:
                account.holding(owner).lent = int(value)
        start = f"{self._prefix}:p:{name}:"
        found = bool(fields)
        async for found_key in self._redis.scan_iter(match=f"{_literal(start)}*", count=1000):
            key = str(found_key)
            purse, found = key.removeprefix(start), True
            for field, value in (await self._hash(key)).items():
                kind, _, rest = field.partition(":")
                if kind == "used":
                    account.purses.setdefault(purse, Purse()).used = int(value)
                elif kind == "told":
                    account.purses.setdefault(purse, Purse()).told[int(rest)] = int(value)
                elif kind == "held" and rest:
                    account.holding(rest).reserve(purse, int(value))
        return account if found else None

    async def _hash(self, key: str) -> dict[str, str]:
        said: Any = await self._redis.hgetall(key)
        return dict(said)


def _literal(text: str) -> str:
    """Without what a pattern of Redis gives a meaning to."""
    return "".join(f"\\{sign}" if sign in "*?[]^\\" else sign for sign in text)


def _written(batch: Batch) -> str:
    return json.dumps(
        {
            "owner": batch.owner,
            "number": batch.number,
            "settlements": [_settlement(one) for one in batch.settlements],
            "takes": [_take(one) for one in batch.takes],
            "truth": None if batch.truth is None else [_holding(*one) for one in batch.truth.items()],
        }
    )


def _holding(account: str, held: Held) -> list[Any]:
    return [account, held.running, list(held.reserved.items()), held.lent]


def _settlement(settlement: Settlement) -> list[dict[str, Any]]:
    return [
        {
            "account": one.account, "places": one.places, "second": one.second, "tokens": one.tokens,
            "purses": one.purses, "requests": one.requests, "lent": one.lent,
        }
        for one in settlement
    ]  # fmt: skip


def _take(take: Take) -> dict[str, Any]:
    claims = [
        {
            "account": claim.account, "requests": claim.requests, "tokens": claim.tokens,
            "concurrent": claim.concurrent, "reserve": claim.reserve,
            "lines": [
                {"purse": one.purse, "reserve": one.reserve, "most": one.most, "soft": one.soft} for one in claim.lines
            ],
        }
        for claim in take.claims
    ]  # fmt: skip
    return {"claims": claims, "place": take.place, "spare": take.spare}


def _read(said: Mapping[str, Any]) -> Outcome:
    if said.get("unknown"):
        raise OwnerUnknown
    return Outcome(tuple(_result(one) for one in said["takes"]), tuple(_alert(one) for one in said["alerts"]))


def _result(one: Mapping[str, Any]) -> Taken | Refused:
    standings = tuple(
        Standing(account, what, int(limit), int(left), float(resets))
        for account, what, limit, left, resets in one["standings"]
    )
    if "refused" not in one:
        return Taken(int(one["second"]), standings, int(one["spare"]))
    wait = float(one["wait"]) if one["wait"] else None
    return Refused(
        one["account"], one["refused"], int(one["limit"]), int(one["wanted"]), wait, one["purse"], standings,
        float(one["again"]), int(one["lent"]),
    )  # fmt: skip


def _alert(one: Mapping[str, Any]) -> Alert:
    return Alert(one["account"], one["purse"], int(one["amount"]), int(one["used"]), int(one["percent"]))
