"""What is typed, in the words of each database. That it finds what it should: keeping/test_words.py."""

from __future__ import annotations

import pytest

from switchman.addons.core.texts.searching.words import Query
from switchman.addons.store import Filters, Store
from switchman.addons.store.reading.matching import fts5, numbers_matching, numbers_with_words, tsquery
from switchman.addons.testing.samples import make_record


@pytest.mark.parametrize(
    ("typed", "sqlite", "postgresql"),
    [
        ("func is", '"func" * AND "is"', "'func':* & 'is'"),
        ("天气 天", '"天气" AND "天" *', "'天气' & '天':*"),
        ("a'b\" OR c\\", '"a" AND "b" AND "or" AND "c"', "'a' & 'b' & 'or' & 'c'"),
    ],
)
def test_queries(typed: str, sqlite: str, postgresql: str) -> None:
    """All of the words, quoted: none of them is an operator."""
    query = Query.parse(typed)
    assert (fts5(query), tsquery(query)) == (sqlite, postgresql)


def test_few_requests_are_compared_as_all_are(store: Store, write) -> None:
    """The words of what was written after a number, whole and as beginnings, are those that the index finds."""
    texts = ("func get_weather", "function", "weather func", "天气好", "a func b", "")
    write(store, *(make_record(id=f"r{at}", asked=asked) for at, asked in enumerate(texts)))
    with store.engine.connect() as conn:
        for typed in ("func", '"func"', "func weather", "天气", "天", "气", "a", "?", "func nothing"):
            found = numbers_matching(conn, typed, 100)
            assert sorted(numbers_with_words(conn, typed, 0)) == sorted(found), typed
            assert sorted(numbers_with_words(conn, typed, 2)) == sorted(seq for seq in found if seq > 2), typed
            assert numbers_matching(conn, typed, 1) == found[:1] == sorted(found)[-1:]


def test_an_id_is_found_by_its_beginning(store: Store, write) -> None:
    """As lists show it; wildcards are ordinary characters."""
    write(store, *(make_record(id=one) for one in ("abc-1", "abc-2", "abd", "%bc", "é1")))
    for typed, ids in (("abc", ["abc-2", "abc-1"]), ("%", ["%bc"]), ("é", ["é1"]), ("bc", [])):
        assert [row.id for row in store.queries.list_requests(Filters(text=typed)).rows] == ids, typed
