"""The tables of figures.

figure_kinds  what the requests of a cell have in common: one row per combination that was ever there; "" where a
              request has none. `id` follows from the values, so nobody has to look it up. `overall`: a kind of all
              requests of an outcome; each request counts in it and in its own kind, and a trend over everything reads
              few cells.
figures       sums of a kind's requests that began within a span of time. `width`: of the span, in seconds; `bucket`:
              its beginning, epoch seconds, a multiple of the width. Money is micro-dollars, `saved_ms` milliseconds.
              `told`, `priced`, `saved`: how many requests have known tokens, a known cost, a known time saved.
              `compared`: those that have known tokens and a known cost, with their sums.
              `durations`, `ttfts`, `overheads`, `rates`: a character per request whose value is known (spreads.py).

figure_marks  how far they go: the fields of cover.Marks.

 Figures end with the rows that they are of: retention takes
both, and what is forgotten is taken out of its cells.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, String, Table, Text

from switchman.addons.store.tables import metadata

figure_kinds = Table(
    "figure_kinds",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("overall", Boolean, nullable=False),
    Column("server", String(300), nullable=False),
    Column("model", String(300), nullable=False),
    Column("layer", String(64), nullable=False),
    Column("token", String(64), nullable=False),
    Column("agent", String(32), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("cache", String(16), nullable=False),
)

figures = Table(
    "figures",
    metadata,
    Column("width", Integer, primary_key=True, autoincrement=False),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", BigInteger, primary_key=True, autoincrement=False),
    Column("requests", BigInteger, nullable=False),
    Column("told", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("priced", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("saved_cost", BigInteger, nullable=False),
    Column("saved", BigInteger, nullable=False),
    Column("saved_ms", Double, nullable=False),
    Column("compared", BigInteger, nullable=False),
    Column("compared_cost", BigInteger, nullable=False),
    Column("compared_input", BigInteger, nullable=False),
    Column("compared_cached", BigInteger, nullable=False),
    Column("compared_output", BigInteger, nullable=False),
    Column("durations", Text, nullable=False),
    Column("ttfts", Text, nullable=False),
    Column("overheads", Text, nullable=False),
    Column("rates", Text, nullable=False),
    sqlite_with_rowid=False,  # the primary key is the table's own order: a range of time is read in one go
)

figure_marks = Table(
    "figure_marks",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

DIMENSIONS = ("server", "model", "layer", "token", "agent", "outcome", "cache")
NUMBERS = (
    *("requests", "told", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("priced", "cost", "saved_cost", "saved", "saved_ms"),
    *("compared", "compared_cost", "compared_input", "compared_cached", "compared_output"),
)
SPREADS = ("durations", "ttfts", "overheads", "rates")
