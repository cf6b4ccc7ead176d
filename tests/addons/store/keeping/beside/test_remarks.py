"""What people say of a request, and what they sent again, on every database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.store import Filters, Store
from switchman.addons.store.database import writing
from switchman.addons.store.keeping.beside.remarks import LONGEST_NOTE, Feedback, SentAgain
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.forgetting import Wanted, forget
from switchman.addons.store.retention import Retention
from switchman.addons.testing.samples import STARTED_AT, make_attempt, make_record

ODD = "\0 half \ud83c <b> '; DROP TABLE feedback; --"


@pytest.fixture
def put(store: Store) -> Callable[..., None]:
    """Write records, and wait until they are there."""

    def write(*ids: str, **fields: Any) -> None:
        for name in ids:
            store.writer().put(make_record(name, **fields))
        end = time.monotonic() + 60
        while any(store.queries.get_request(name) is None for name in ids):
            assert time.monotonic() < end
            time.sleep(0.01)

    return write


def ids(store: Store, said: str) -> set[str]:
    return {row.id for row in store.queries.list_requests(Filters.parse({"feedback": said})).rows}


def again(name: str, origin: str, request_id: str | None = None) -> SentAgain:
    return SentAgain(name, origin, request_id, "anna", 5.0, "box/m", edited=False)


def test_each_one_has_a_say_and_the_list_knows_the_worst(store: Store, put) -> None:
    """A second word of the same one takes the place of the first; filters find good, bad and any."""
    put("one", "two", "three")
    remarks = store.queries.remarks
    assert remarks.say(Feedback("one", "anna", 1.0, "good", "fine"))
    assert remarks.say(Feedback("one", "ben", 2.0, "bad", ODD, should_be="coding"))
    assert remarks.say(Feedback("two", "token ci", 3.0, "bad", by_token=True))
    assert remarks.say(Feedback("two", "token ci", 4.0, "good", by_token=True))
    assert [(one.who, one.verdict) for one in remarks.said_of("one")] == [("ben", "bad"), ("anna", "good")]
    ben = remarks.said_of("one")[0]
    assert ben.should_be == "coding" and ben.note.endswith("'; DROP TABLE feedback; --") and "\0" not in ben.note
    assert [one.at for one in remarks.said_of("two")] == [4.0]
    assert {row.id: row.feedback for row in store.queries.list_requests().rows} == {
        "one": "bad", "two": "good", "three": None,
    }  # fmt: skip
    assert (ids(store, "good"), ids(store, "bad"), ids(store, "any")) == ({"one", "two"}, {"one"}, {"one", "two"})
    detail = store.queries.get_request("one")
    assert detail is not None and detail.row.feedback == "bad"
    assert remarks.take_back("one", "ben") and not remarks.take_back("one", "ben")
    assert ids(store, "bad") == set()


def test_a_filter_that_there_is_none_of_is_refused() -> None:
    """With what there is."""
    with pytest.raises(ValueError, match="expected good or bad or any"):
        Filters.parse({"feedback": "so-so"})


def test_nothing_is_kept_of_a_request_that_is_none(store: Store) -> None:
    """It says so; a note is cut to its length."""
    assert not store.queries.remarks.say(Feedback("none", "anna", 1.0, "good", "x" * (LONGEST_NOTE + 9)))
    assert not store.queries.remarks.take_back("none", "anna")
    assert store.queries.remarks.said_of("none") == ()


def test_whose_request_it_is(store: Store, put) -> None:
    """The token's id, by which a caller's own requests are told."""
    put("hers", token="ci", token_id="0123456789ab")
    put("nobodys")
    remarks = store.queries.remarks
    assert [remarks.token_of(name) for name in ("hers", "nobodys", "none")] == ["0123456789ab", None, None]


def test_what_was_sent_again_leads_both_ways(store: Store, put) -> None:
    """From the first to all that were sent, and from each to the first; the list has a tag for it."""
    put("first", "second")
    remarks = store.queries.remarks
    remarks.begin(again("a1", "first"))
    remarks.note("a1", request_id="second")
    remarks.begin(again("a2", "first"))
    remarks.note("a2", error="nobody answered")
    found = remarks.again("a1")
    assert found is not None and (found.origin_id, found.request_id, found.who) == ("first", "second", "anna")
    assert {one.id for one in remarks.sent_of("first")} == {"a1", "a2"}
    origin = remarks.origin_of("second")
    assert origin is not None and origin.id == "a1" and remarks.origin_of("first") is None
    assert {row.id: row.again_of for row in store.queries.list_requests().rows} == {"first": None, "second": "first"}
    assert remarks.again("a2").error == "nobody answered" and remarks.again("none") is None


def test_it_goes_with_the_request(store: Store, put, tmp_path) -> None:
    """By its age, and when it is forgotten."""
    put("old", "forgotten", token="ci", token_id="0123456789ab")
    remarks = store.queries.remarks
    for name in ("old", "forgotten"):
        remarks.say(Feedback(name, "anna", 1.0, "bad", "secret word"))
        remarks.begin(again(name, name))
    forget(store.engine, store.blobs, Wanted(token="ci"), Elsewhere(tmp_path / "none.db"))
    assert remarks.said_of("forgotten") == () and remarks.again("forgotten") is None
    put("old")
    remarks.say(Feedback("old", "anna", 1.0, "bad"))
    Retention(store.engine, store.blobs, 1).run_once(STARTED_AT + 2 * 86_400)
    assert remarks.said_of("old") == ()
    with writing(store.engine) as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM feedback").scalar() == 0
        assert conn.exec_driver_sql("SELECT count(*) FROM sent_again").scalar() == 0


def test_an_attempt_keeps_its_connection_and_its_edits(store: Store, put) -> None:
    """What is not known stays so; edits that are too long, or that no database takes, are not kept."""
    edits = ((["model"], "b"), (["think"],))
    put(
        "one",
        attempts=(
            make_attempt(connect_ms=12.5, reused=False, sent="edited", edits=edits),
            make_attempt(connect_ms=0.0, reused=True, sent="as it came", edits=()),
            make_attempt(sent="edited", edits=((["tools"], "x" * 100_000),)),
            make_attempt(sent="edited", edits=((["stop"], "\0"),)),
            make_attempt(),
        ),
    )
    detail = store.queries.get_request("one")
    assert detail is not None
    kept = [(one.connect_ms, one.reused, one.sent, one.edits) for one in detail.attempts]
    assert kept == [
        (12.5, False, "edited", ((["model"], "b"), (["think"],))),
        (0.0, True, "as it came", ()),
        (None, None, "edited", None),
        (None, None, "edited", None),
        (None, None, None, None),
    ]


@pytest.mark.parametrize("capture", ["metadata", "redacted"])
def test_a_request_without_content_keeps_no_edits(store: Store, put, capture: str) -> None:
    """An edited value may be a part of the body."""
    put("one", capture=capture, attempts=(make_attempt(sent="edited", edits=((["messages", 0], "anna@example.com"),)),))
    detail = store.queries.get_request("one")
    assert detail is not None and detail.attempts[0].edits is None
