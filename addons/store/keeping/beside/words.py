"""The words by which prompts and answers are found: written with their rows, and gone with them.

On SQLite they are in a table of FTS5, whose rowid is requests.seq; it has words, no phrases, and keeps them beside its
index, as a row could not be taken out of the index otherwise. On PostgreSQL they are a tsvector, which goes with its
row by itself. core/texts/searching/words.py has cut them; no database cuts them again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, bindparam, select, text
from sqlalchemy.exc import DBAPIError

from switchman.addons.store.database import insert_rows, writing
from switchman.addons.store.keeping.beside.sparing import is_damage
from switchman.addons.store.rows import Prepared
from switchman.addons.store.tables import requests

MERGED_PAGES: Final = 500  # of one step
PAUSE_SECONDS: Final = 0.02

_REMOVE: Final = text("DELETE FROM request_words WHERE rowid IN :seqs").bindparams(bindparam("seqs", expanding=True))
# Only its name and its columns, for a statement: what it is, the migration says.
_FTS: Final = Table("request_words", MetaData(), Column("rowid", Integer), Column("words", String))
_ADD: Final = text(
    "INSERT INTO request_words (seq, words) VALUES (:seq, array_to_tsvector(string_to_array(:words, ' ')))"
)


def has_words(engine: Engine) -> bool:
    """Whether this database has the table: not where SQLite was built without FTS5. Raises DBAPIError."""
    with engine.connect() as conn:
        if conn.dialect.name == "postgresql":
            return bool(conn.scalar(text("SELECT to_regclass('request_words') IS NOT NULL")))
        return conn.scalar(text("SELECT 1 FROM sqlite_master WHERE name = 'request_words'")) is not None


def add_words(conn: Connection, prepared: Sequence[Prepared]) -> None:
    """The words of rows that this transaction has written. Raises DBAPIError."""
    words = {item.row["id"]: item.words for item in prepared if item.words}
    if not words:
        return
    found = conn.execute(select(requests.c.seq, requests.c.id).where(requests.c.id.in_(list(words)))).all()
    if conn.dialect.name == "sqlite":
        insert_rows(conn, _FTS, [{"rowid": row.seq, "words": words[row.id]} for row in found])
    else:
        conn.execute(_ADD, [{"seq": row.seq, "words": words[row.id]} for row in found])


def remove_words(conn: Connection, seqs: Iterable[int]) -> None:
    """Those of rows that this transaction removes. On PostgreSQL they go with their rows."""
    if conn.dialect.name != "sqlite":
        return
    listed = list(seqs)
    if listed and conn.scalar(text("SELECT 1 FROM sqlite_master WHERE name = 'request_words'")):
        conn.execute(_REMOVE, {"seqs": listed})


def create_words(conn: Connection) -> None:
    """The table, empty; one that is there goes. Not where SQLite is built without FTS5: then nothing is searched.

    Words are found, no phrases. They are cut already, so all that is no ASCII is a part of one.
    """
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("DROP TABLE IF EXISTS request_words")
        conn.exec_driver_sql(
            "CREATE TABLE request_words (seq BIGINT PRIMARY KEY REFERENCES requests (seq) ON DELETE CASCADE,"
            " words TSVECTOR NOT NULL)"
        )
        conn.exec_driver_sql("CREATE INDEX request_words_by_word ON request_words USING gin (words)")
    elif conn.scalar(text("SELECT sqlite_compileoption_used('ENABLE_FTS5')")):
        conn.exec_driver_sql("DROP TABLE IF EXISTS request_words")
        conn.exec_driver_sql(
            "CREATE VIRTUAL TABLE request_words USING fts5(words, tokenize='ascii', detail=none, columnsize=0)"
        )


def overwrite_words(engine: Engine) -> None:
    """Let nothing of removed words be in SQLite's index: it writes down what is gone, until its parts are merged.

    In small transactions, as the index may be large. One that is damaged is made anew. Raises DBAPIError.
    """
    if engine.dialect.name != "sqlite" or not has_words(engine):
        return
    try:
        _merge_all(engine)
    except DBAPIError as error:
        if not is_damage(error):
            raise
        with writing(engine) as conn:
            create_words(conn)


def _merge_all(engine: Engine) -> None:
    pages = -MERGED_PAGES  # the first step says that all parts are to be merged
    while True:
        with writing(engine) as conn:
            before = conn.exec_driver_sql("SELECT total_changes()").scalar_one()
            conn.exec_driver_sql(f"INSERT INTO request_words (request_words, rank) VALUES ('merge', {pages})")  # noqa: S608 - a number  # nosec B608
            changed = conn.exec_driver_sql("SELECT total_changes()").scalar_one() - before
        if changed < 2:  # as SQLite's manual says of `merge`
            return
        pages = MERGED_PAGES
        time.sleep(PAUSE_SECONDS)
