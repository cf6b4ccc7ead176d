"""Rules from words for programs: a sentence in, a draft out. What is saved goes by PUT /rules, as any other text."""

from __future__ import annotations

import time
from threading import BoundedSemaphore
from typing import Annotated, Final

from pydantic import Field

from switchman.addons.core.decision.described.prompting import LONGEST_SENTENCE
from switchman.addons.core.decision.described.replies import MOST_TEXT
from switchman.webui.admin.asking.describing import LONGEST_MODEL, Asked, ask, describing
from switchman.webui.admin.asking.drafts import Found, look_over
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.models import In, Out
from switchman.webui.admin.rules import desk, reading

MOST_WAITING: Final = 2  # programs that a thread of the dashboard is held for; others ask again
STEP: Final = 0.05  # seconds
_waiting = BoundedSemaphore(MOST_WAITING)


class DescribeIn(In):
    """What the rules should do, and which model writes them."""

    sentence: Annotated[str, Field(min_length=1, max_length=LONGEST_SENTENCE)]
    model: Annotated[str, Field(min_length=1, max_length=LONGEST_MODEL, description="an alias, server/model, or auto")]
    place: str = Field("end", max_length=20, description="end, first, or before:N, N a route's place from 0")
    wait: float = Field(20.0, ge=0, le=60, description="seconds; what is not there by then is asked for by its id")


class DraftProblem(Out):
    """`rule`: of the draft, from 0; null: no rule of it. `line` and `column` are the draft's; 0: no one place."""

    rule: int | None
    line: int
    column: int
    key: str
    message: str
    severity: str
    near: list[str]

    @classmethod
    def of(cls, rule: int | None, found: Found) -> DraftProblem:
        return cls(
            rule=rule,
            line=found.line,
            column=found.column,
            key=found.key,
            message=found.message,
            severity=found.severity,
            near=list(found.near),
        )


class DescribedOut(Out):
    """`state`: sending, answering, done, failed, cancelled. `draft`: the rules; `yaml`: the whole file with them in
    their place, to be saved by PUT /rules with `digest`; `good`: it would be taken. `left_out`: what the reply had
    besides. `request_id`: the request's own row in the log. `error`: why there is no draft.
    """

    id: str
    state: str
    draft: str
    good: bool
    problems: list[DraftProblem]
    left_out: list[str]
    yaml: str
    digest: str
    request_id: str | None
    error: str | None


def describe_rules(body: DescribeIn) -> DescribedOut:
    asked = ask(body.sentence, body.model, "", "", "api")
    if _waiting.acquire(blocking=False):
        try:
            end = time.monotonic() + body.wait
            while not asked.is_over and time.monotonic() < end:
                time.sleep(STEP)
        finally:
            _waiting.release()
    return told(asked, body.place)


def get_described(which: str) -> DescribedOut:
    found = describing().find(which)
    if found is None:
        raise Refused("nothing was described by this id, or it is over for more than ten minutes", 404)
    return told(found, "end")


def told(asked: Asked, place: str) -> DescribedOut:
    now = reading()
    job = asked.job
    told = DescribedOut(
        id=job.id,
        state=job.state if job.is_over or job.state != "done" else "answering",
        draft=asked.draft[:MOST_TEXT] if job.is_over else "",
        good=False,
        problems=[],
        left_out=list(asked.read.left_out) if asked.read is not None else [],
        yaml="",
        digest=now.digest,
        request_id=job.request_id,
        error=(job.error or asked.problem or None) if job.is_over else None,
    )
    if job.is_over and asked.draft:
        look = look_over(asked.draft, now.text, place, describing().real(desk().rules.current))
        told.good = look.good
        told.yaml = look.text
        told.problems = [DraftProblem.of(None, one) for one in look.general]
        told.problems += [DraftProblem.of(rule.at, one) for rule in look.rules for one in rule.found]
    return told
