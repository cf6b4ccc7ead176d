"""Conditions on text that each kind of database has its own words for: words in prompts and answers, beginnings of ids.

matching(typed)             IN: one look-up of all rows that match, for sums over many
matching(typed, each=True)  EXISTS: a look-up for each row, where few rows are looked at
numbers_matching(...)       the numbers of those requests; numbers_with_words: of the newest
id_begins(text)             answered from the index of ids on SQLite, which compares bytes
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.types import Boolean, String

from switchman.addons.core.texts.searching.words import Query

LAST_CHARACTER = "\U0010ffff"


class Matches(ColumnElement[bool]):
    """`query` in the words of both databases; `each`: EXISTS rather than IN."""

    inherit_cache = False
    type = Boolean()

    def self_group(self, against: Any = None) -> Any:
        """As IdBegins."""
        return self

    def __init__(self, query: Query, each: bool) -> None:
        self.each = each
        self.fts = BindParameter("fts", fts5(query), type_=String(), unique=True)
        self.tsquery = BindParameter("tsquery", tsquery(query), type_=String(), unique=True)


class IdBegins(ColumnElement[bool]):
    inherit_cache = False
    type = Boolean()

    def self_group(self, against: Any = None) -> Any:
        """It is a condition as it is written: no `= 1` behind it, with which no index would be used."""
        return self

    def __init__(self, text: str) -> None:
        self.first = BindParameter("first", text, type_=String(), unique=True)
        self.last = BindParameter("last", text + LAST_CHARACTER, type_=String(), unique=True)


def matching(typed: str, each: bool = False) -> ColumnElement[bool]:
    """Whether all that was typed is in the prompt or the answer. Without any word nothing is."""
    query = Query.parse(typed)
    return Matches(query, each) if query.terms else false()


def numbers_matching(conn: Connection, typed: str, most: int) -> list[int]:
    """The numbers of the requests that have all that was typed, the newest first, `most` of them."""
    query = Query.parse(typed)
    if not query.terms:
        return []
    on_sqlite = conn.dialect.name == "sqlite"
    values = {"wanted": fts5(query) if on_sqlite else tsquery(query), "most": most}
    return list(conn.scalars(_NUMBERS_ON_SQLITE if on_sqlite else _NUMBERS_ON_POSTGRESQL, values))


def numbers_with_words(conn: Connection, typed: str, after: int) -> list[int]:
    """The same of the few requests behind a number. On SQLite their words are compared here, as FTS5 goes through all
    words with a beginning, of however many requests, before it gives the first one."""
    query = Query.parse(typed)
    if not query.terms:
        return []
    if conn.dialect.name != "sqlite":
        return list(conn.scalars(_NEW_ON_POSTGRESQL, {"wanted": tsquery(query), "after": after}))
    rows = conn.execute(_NEW_ON_SQLITE, {"after": after})
    return [number for number, words in rows if _has(query, words.split(" "))]


def _has(query: Query, words: Sequence[str]) -> bool:
    return all(
        term.word in words or (term.begins and any(word.startswith(term.word) for word in words))
        for term in query.terms
    )


def id_begins(beginning: str) -> ColumnElement[bool]:
    """Whether a request's id begins with this."""
    return IdBegins(beginning)


def fts5(query: Query) -> str:
    """`"func" * AND "天气"`: a query of FTS5. A word has no quote in it."""
    return " AND ".join(f'"{term.word}"{" *" if term.begins else ""}' for term in query.terms)


def tsquery(query: Query) -> str:
    """`'func':* & '天气'`: a tsquery of PostgreSQL. A word has neither quote nor backslash in it."""
    return " & ".join(f"'{term.word}'{':*' if term.begins else ''}" for term in query.terms)


# In these statements there is nothing from outside but the values that are bound.
FTS5 = {
    True: "EXISTS (SELECT 1 FROM request_words WHERE request_words MATCH %s AND rowid = requests.seq)",
    False: "requests.seq IN (SELECT rowid FROM request_words WHERE request_words MATCH %s)",
}
TSVECTOR = {
    True: "EXISTS (SELECT 1 FROM request_words w WHERE w.seq = requests.seq AND w.words @@ CAST(%s AS tsquery))",
    False: "requests.seq IN (SELECT seq FROM request_words WHERE words @@ CAST(%s AS tsquery))",
}

_NUMBERS_ON_SQLITE = text(
    "SELECT rowid FROM request_words WHERE request_words MATCH :wanted ORDER BY rowid DESC LIMIT :most"
)
_NEW_ON_SQLITE = text("SELECT rowid, words FROM request_words WHERE rowid > :after")
_NEW_ON_POSTGRESQL = text("SELECT seq FROM request_words WHERE seq > :after AND words @@ CAST(:wanted AS tsquery)")
_NUMBERS_ON_POSTGRESQL = text(
    "SELECT seq FROM request_words WHERE words @@ CAST(:wanted AS tsquery) ORDER BY seq DESC LIMIT :most"
)


@compiles(Matches, "sqlite")
def _matches_on_sqlite(element: Matches, compiler: Any, **options: Any) -> str:
    return str(FTS5[element.each] % compiler.process(element.fts, **options))


@compiles(Matches, "postgresql")
def _matches_on_postgresql(element: Matches, compiler: Any, **options: Any) -> str:
    return str(TSVECTOR[element.each] % compiler.process(element.tsquery, **options))


@compiles(IdBegins, "sqlite")
def _begins_on_sqlite(element: IdBegins, compiler: Any, **options: Any) -> str:
    first, last = (compiler.process(bound, **options) for bound in (element.first, element.last))
    return f"(requests.id BETWEEN {first} AND {last})"


@compiles(IdBegins, "postgresql")
def _begins_on_postgresql(element: IdBegins, compiler: Any, **options: Any) -> str:
    return f"starts_with(requests.id, {compiler.process(element.first, **options)})"
