"""What was last heard of each server, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable

from switchman.addons.core.record import Resting
from switchman.addons.store import Store
from switchman.addons.store.reading.servers import ServerNews
from switchman.addons.testing.samples import make_attempt, make_record

Write = Callable[..., None]


def test_the_last_error_is_that_of_an_attempt(store: Store, write: Write) -> None:
    """Also where another server answered after it; whoever cancelled is no error; the newest one counts."""
    bad = make_attempt(1, server="a", status=503, outcome="status", error="it is full", started_at=10.0)
    good = make_attempt(2, server="b", started_at=11.0)
    left = make_attempt(1, server="c", outcome="cancelled", started_at=12.0)
    write(
        store,
        make_record("over", server="b", attempts=(bad, good), started_at=10.0),
        make_record("left", server="c", attempts=(left,), outcome="cancelled", started_at=12.0),
        make_record("older", server="a", attempts=(make_attempt(1, server="a", outcome="timeout", started_at=5.0),),
                    outcome="failed", started_at=5.0),
    )  # fmt: skip
    news = store.queries.server_news(["a", "b", "c", "never"], 20.0)
    error = news["a"].error
    assert error is not None
    assert (error.at, error.request_id, error.kind, error.status, error.text) == (
        10.0, "over", "status", 503, "it is full",
    )  # fmt: skip
    assert (news["b"].error, news["c"].error) == (None, None)
    assert news["b"].heard_at == 10.0
    assert news["never"] == ServerNews()


def test_limits_are_those_of_the_newest_answer(store: Store, write: Write) -> None:
    """Nothing is told where the answer went to a caller of ours, whose own limits stand in the same fields."""
    told = (("X-RateLimit-Remaining-Requests", "3"), ("anthropic-ratelimit-tokens-limit", "8000"), ("date", "today"))
    write(
        store,
        make_record("old", server="a", response_headers=told, started_at=1.0),
        make_record("new", server="a", response_headers=told[:1], started_at=2.0),
        make_record("ours", server="b", response_headers=told, started_at=2.0, token="anna"),
    )
    news = store.queries.server_news(["a", "b"], 20.0)
    assert news["a"].limits == (("x-ratelimit-remaining-requests", "3"),)
    assert news["b"].limits == ()


def test_targets_that_rest_are_told_by_their_workers(store: Store) -> None:
    """Of two workers the one that leaves it alone for longer; what they no longer say is not believed for long."""
    now = time.time()
    one, other = (Resting("a/m", "a", "open", now + seconds) for seconds in (5.0, 9.0))
    store.write_resting("first", [other, Resting("b/m", "b", "half_open", now)], now)
    store.write_resting("second", [one], now)
    news = store.queries.server_news(["a", "b"], now)
    assert news["a"].resting == (other,)
    assert news["b"].resting[0].state == "half_open"
    assert store.queries.server_news(["a"], now + 6)["a"].resting == ()
    store.write_resting("first", [], now)
    assert store.queries.server_news(["a"], now)["a"].resting == (one,)
