"""The table of columns.

request_columns  one row per piece: requests with number * ROWS <= seq < (number + 1) * ROWS, all that are left of them,
                 and of a piece that no row can be added to any more. `made`: when, epoch seconds; a piece that was
                 made again has another one. `first_at`, `last_at`: when the first and the last of them began, NULL
                 where none is left. `data`: pieces.py.

A migration that changes columns of `requests` which are in pieces (pieces.READ) empties this table: it fills again.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, LargeBinary, Table

from switchman.addons.store.tables import metadata

request_columns = Table(
    "request_columns",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("made", Double, nullable=False),
    Column("first_at", Double),
    Column("last_at", Double),
    Column("data", LargeBinary, nullable=False),
)
