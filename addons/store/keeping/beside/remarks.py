"""What people say of a request, and what they had sent again: kept beside it, and forgotten with it.

All methods ask the database, and raise sqlalchemy.exc.DBAPIError when it is away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Engine, RowMapping, delete, insert, select, update

from switchman.addons.store.database import writing
from switchman.addons.store.rows import fit_text
from switchman.addons.store.tables import feedback, requests, sent_again

Verdict = Literal["good", "bad"]
VERDICTS: Final[tuple[Verdict, ...]] = ("good", "bad")
LONGEST_NOTE: Final = 4_000  # characters
LONGEST_TARGET: Final = 300
MOST_SHOWN: Final = 50  # of one request


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one person, or one API token (`by_token`), says of a request. `at`: epoch seconds.

    `should_be`: the task type, route, model or target that it should have had; None: that was not said.
    """

    request_id: str
    who: str
    at: float
    verdict: Verdict
    note: str = ""
    should_be: str | None = None
    by_token: bool = False


@dataclass(frozen=True, slots=True)
class SentAgain:
    """A request that somebody had sent once more. `request_id`: the new one's; None until the router has told it.

    `target`: the model that it was sent for. `error`: why it was not sent, or not to its end.
    """

    id: str
    origin_id: str
    request_id: str | None
    who: str
    at: float
    target: str
    edited: bool
    error: str | None = None


class Remarks:
    """The remarks of one log."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def token_of(self, request_id: str) -> str | None:
        """The id of the API token that a request came with; None: it came with none, or there is no such request."""
        with self._engine.connect() as conn:
            found: str | None = conn.scalar(select(requests.c.token_id).where(requests.c.id == _id(request_id)))
        return found

    def say(self, said: Feedback) -> bool:
        """Keep it, in the place of what the same one said before. False: there is no such request (any more)."""
        row: dict[str, Any] = {
            "request_id": _id(said.request_id),
            "who": fit_text(said.who, 200),
            "at": said.at,
            "verdict": said.verdict,
            "note": fit_text(said.note, LONGEST_NOTE),
            "should_be": None if said.should_be is None else fit_text(said.should_be, LONGEST_TARGET),
            "by_token": said.by_token,
        }
        with writing(self._engine) as conn:
            if conn.scalar(select(requests.c.seq).where(requests.c.id == row["request_id"])) is None:
                return False
            conn.execute(_of(row["request_id"], row["who"]))
            conn.execute(insert(feedback).values(row))
        return True

    def take_back(self, request_id: str, who: str) -> bool:
        """Delete what somebody said of a request. False where they had said nothing."""
        with writing(self._engine) as conn:
            return bool(conn.execute(_of(_id(request_id), fit_text(who, 200))).rowcount)

    def said_of(self, request_id: str) -> tuple[Feedback, ...]:
        """What was said of a request, the newest first."""
        wanted = select(feedback).where(feedback.c.request_id == _id(request_id))
        with self._engine.connect() as conn:
            found = conn.execute(wanted.order_by(feedback.c.at.desc()).limit(MOST_SHOWN)).mappings()
            return tuple(Feedback(**row) for row in found)

    def begin(self, again: SentAgain) -> None:
        """Write down that a request is sent once more."""
        row = {name: getattr(again, name) for name in SentAgain.__dataclass_fields__}
        row |= {"origin_id": _id(again.origin_id), "who": fit_text(again.who, 200)}
        row["target"] = fit_text(again.target, 600)
        with writing(self._engine) as conn:
            conn.execute(insert(sent_again).values(row))

    def note(self, again_id: str, **values: Any) -> None:
        """Write down the `request_id` or the `error` of one."""
        fitted = {name: fit_text(value, 200 if name == "request_id" else 1_000) for name, value in values.items()}
        with writing(self._engine) as conn:
            conn.execute(update(sent_again).where(sent_again.c.id == again_id).values(fitted))

    def again(self, again_id: str) -> SentAgain | None:
        with self._engine.connect() as conn:
            found = conn.execute(select(sent_again).where(sent_again.c.id == again_id[:32])).mappings().one_or_none()
        return None if found is None else _again(found)

    def sent_of(self, request_id: str) -> tuple[SentAgain, ...]:
        """When a request was sent again, the newest first."""
        wanted = select(sent_again).where(sent_again.c.origin_id == _id(request_id))
        with self._engine.connect() as conn:
            found = conn.execute(wanted.order_by(sent_again.c.at.desc()).limit(MOST_SHOWN)).mappings()
            return tuple(map(_again, found))

    def origin_of(self, request_id: str) -> SentAgain | None:
        """Where a request comes from that was sent by the dashboard; None: it was not."""
        wanted = select(sent_again).where(sent_again.c.request_id == _id(request_id)).limit(1)
        with self._engine.connect() as conn:
            found = conn.execute(wanted).mappings().one_or_none()
        return None if found is None else _again(found)


def _again(found: RowMapping) -> SentAgain:
    return SentAgain(**found)


def _id(request_id: str) -> str:
    return fit_text(request_id, 200)


def _of(request_id: str, who: str) -> Any:
    return delete(feedback).where(feedback.c.request_id == request_id, feedback.c.who == who)
