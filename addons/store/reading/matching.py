"""Conditions on text that each kind of database has its own words for: words in prompts and answers, beginnings of ids.

matching(typed)             IN: one look-up of all rows that match, for sums over many
matching(typed, newest=N)   the same of the newest N, by their number
matching(typed, each=True)  EXISTS: a look-up for each row, where few rows are looked at
id_begins(text)             answered from the index of ids on SQLite, which compares bytes
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, false
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.types import Boolean, String

from switchman.addons.core.texts.searching.words import Query

LAST_CHARACTER = "\U0010ffff"


class Matches(ColumnElement[bool]):
    """`query` in the words of both databases; `each`: EXISTS rather than IN. `newest` 0: all of them."""

    inherit_cache = False
    type = Boolean()

    def self_group(self, against: Any = None) -> Any:
        """As IdBegins."""
        return self

    def __init__(self, query: Query, each: bool, newest: int) -> None:
        self.each = each
        self.newest = f" ORDER BY {{seq}} DESC LIMIT {newest:d}" if newest else ""
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


def matching(typed: str, each: bool = False, newest: int = 0) -> ColumnElement[bool]:
    """Whether all that was typed is in the prompt or the answer. Without any word nothing is."""
    query = Query.parse(typed)
    return Matches(query, each, newest) if query.terms else false()


def id_begins(text: str) -> ColumnElement[bool]:
    """Whether a request's id begins with this."""
    return IdBegins(text)


def fts5(query: Query) -> str:
    """`"func" * AND "天气"`: a query of FTS5. A word has no quote in it."""
    return " AND ".join(f'"{term.word}"{" *" if term.begins else ""}' for term in query.terms)


def tsquery(query: Query) -> str:
    """`'func':* & '天气'`: a tsquery of PostgreSQL. A word has neither quote nor backslash in it."""
    return " & ".join(f"'{term.word}'{':*' if term.begins else ''}" for term in query.terms)


# In these statements there is nothing from outside but the values that are bound.
FTS5 = {
    True: "EXISTS (SELECT 1 FROM request_words WHERE request_words MATCH %s AND rowid = requests.seq%s)",
    False: "requests.seq IN (SELECT rowid FROM request_words WHERE request_words MATCH %s%s)",
}
TSVECTOR = {
    True: "EXISTS (SELECT 1 FROM request_words w WHERE w.seq = requests.seq AND w.words @@ CAST(%s AS tsquery)%s)",
    False: "requests.seq IN (SELECT seq FROM request_words WHERE words @@ CAST(%s AS tsquery)%s)",
}


@compiles(Matches, "sqlite")
def _matches_on_sqlite(element: Matches, compiler: Any, **options: Any) -> str:
    return str(FTS5[element.each] % (compiler.process(element.fts, **options), element.newest.format(seq="rowid")))


@compiles(Matches, "postgresql")
def _matches_on_postgresql(element: Matches, compiler: Any, **options: Any) -> str:
    return str(
        TSVECTOR[element.each] % (compiler.process(element.tsquery, **options), element.newest.format(seq="seq"))
    )


@compiles(IdBegins, "sqlite")
def _begins_on_sqlite(element: IdBegins, compiler: Any, **options: Any) -> str:
    first, last = (compiler.process(bound, **options) for bound in (element.first, element.last))
    return f"(requests.id BETWEEN {first} AND {last})"


@compiles(IdBegins, "postgresql")
def _begins_on_postgresql(element: IdBegins, compiler: Any, **options: Any) -> str:
    return f"starts_with(requests.id, {compiler.process(element.first, **options)})"
