"""How a request was decided: the trace as a ladder of layers, with what a cache found beside what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from switchman.addons.store.reading.found import Detail
from switchman.addons.store.reading.queries import Queries
from switchman.webui.pages.story.story import answered

SHOWN = 400  # characters of a prompt beside another; the trace keeps no more
MOST_LOOKED_UP = 5  # earlier requests of one trace
MOST_READ = 500_000  # bytes of an earlier answer that are taken apart


class Found(NamedTuple):
    """The earlier request whose kept answer a cache found. `answer`: what it was answered, in shadow mode only.

    `is_there`: the log still has it. `then` and `now` are the two prompts, equal where the whole requests were.
    """

    request_id: str
    is_there: bool
    then: str
    now: str
    took_ms: float | None
    answer: str | None


class Rung(NamedTuple):
    """One line of the decision; `lit` where it is the one that answered."""

    layer: str
    outcome: str
    detail: str
    score: str
    elapsed_ms: float | None
    lit: bool
    found: Found | None


def rungs(detail: Detail, queries: Queries, now: str) -> list[Rung]:
    """The trace, with the line lit that answered: the last hit of the row's layer. `now`: this request's prompt."""
    hits = [
        index
        for index, line in enumerate(detail.trace)
        if line.get("outcome") == "hit" and detail.row.layer in (None, line.get("layer"))
    ]
    answering = hits[-1] if hits else None
    with_earlier = [index for index, line in enumerate(detail.trace) if isinstance(line.get("earlier"), Mapping)]
    looked_up = set(with_earlier[:MOST_LOOKED_UP])
    return [
        Rung(
            layer=str(line.get("layer", "")),
            outcome=str(line.get("outcome", "")),
            detail=str(line.get("detail", "")),
            score=format(line["score"], ".3g") if isinstance(line.get("score"), int | float) else "",
            elapsed_ms=number(line.get("elapsed_ms")),
            lit=index == answering,
            found=found(line, queries, now) if index in looked_up else None,
        )
        for index, line in enumerate(detail.trace)
    ]


def found(line: Mapping[str, Any], queries: Queries, now: str) -> Found:
    earlier = line["earlier"]
    request_id = str(earlier.get("request_id", ""))
    shadow = line.get("outcome") == "skip"
    return Found(
        request_id=request_id,
        is_there=bool(request_id) and queries.get_request(request_id) is not None,
        then=str(earlier.get("asked", ""))[:SHOWN],
        now=now[:SHOWN],
        took_ms=number(earlier.get("took_ms")),
        answer=answer_of(request_id, queries) if shadow and request_id else None,
    )


def answer_of(request_id: str, queries: Queries) -> str | None:
    """The beginning of what an earlier request was answered; None where that is no longer kept."""
    content = queries.body(request_id, "response")
    if content is None or content.data is None or len(content.data) > MOST_READ:
        return None
    said = answered(content.data)
    return said.text.text[:SHOWN] if said is not None and said.text is not None else None


def number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
