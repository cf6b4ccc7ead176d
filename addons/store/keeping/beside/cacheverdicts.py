"""What people say of answers that the semantic cache gave, or would have given: was it the same question?

A verdict is of one request, and goes with its row. Whoever says something else later on replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Engine, delete, func, insert, select

from switchman.addons.store.database import writing
from switchman.addons.store.reading.filters import as_stored
from switchman.addons.store.tables import cache_verdicts, requests

Verdict = Literal["right", "wrong"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class Judged:
    """`at`: epoch seconds. `who`: the name of the person or program."""

    verdict: Verdict
    who: str
    at: float


@dataclass(frozen=True, slots=True)
class Counts:
    """How many verdicts there are in all."""

    right: int = 0
    wrong: int = 0


class CacheVerdicts:
    """The verdicts of one log. All methods raise sqlalchemy.exc.DBAPIError when it is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def judge(self, request_id: str, verdict: Verdict | None, who: str, at: float) -> bool:
        """Keep a verdict, or take it back (None). False where there is no such request (any more)."""
        request_id = as_stored(request_id)
        with writing(self._engine) as conn:
            if conn.scalar(select(requests.c.id).where(requests.c.id == request_id)) is None:
                return False
            conn.execute(delete(cache_verdicts).where(cache_verdicts.c.request_id == request_id))
            if verdict is not None:
                row = {"request_id": request_id, "verdict": verdict, "who": as_stored(who)[:200], "at": at}
                conn.execute(insert(cache_verdicts).values(row))
        return True

    def of(self, request_ids: Iterable[str]) -> dict[str, Judged]:
        """By request."""
        wanted = select(cache_verdicts).where(cache_verdicts.c.request_id.in_(list(request_ids)))
        with self._engine.connect() as conn:
            return {
                row["request_id"]: Judged(row["verdict"], row["who"], row["at"])
                for row in conn.execute(wanted).mappings()
            }

    def counts(self) -> Counts:
        counted = select(cache_verdicts.c.verdict, func.count()).group_by(cache_verdicts.c.verdict)
        with self._engine.connect() as conn:
            found: dict[str, int] = {row[0]: row[1] for row in conn.execute(counted)}
        return Counts(found.get("right", 0), found.get("wrong", 0))
