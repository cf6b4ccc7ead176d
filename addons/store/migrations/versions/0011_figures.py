"""Figures per minute, hour and day, with those of the rows that are there; and the targets that rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from tqdm import tqdm

from switchman.addons.store.figures.cells import DAY, HOUR, MINUTE, WIDTHS, Cell, CellKey, Kind, gather, together
from switchman.addons.store.figures.keeping import LATE, MINUTES_KEPT, insert_cells

revision = "0011_figures"
down_revision = "0010_private"
branch_labels = None
depends_on = None

KIND = (("server", 300), ("model", 300), ("layer", 64), ("token", 64), ("agent", 32), ("outcome", 32), ("cache", 16))
COUNTS = (
    *("requests", "told", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("priced", "cost", "saved_cost", "saved"),
    *("compared", "compared_cost", "compared_input", "compared_cached", "compared_output"),
)
# What there is of a row at this version.
COLUMNS = (
    *("started_at", "duration_ms", "ttft_ms", "overhead_ms", "tokens_per_second"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("cost_microdollars", "saved_microdollars", "saved_ms"),
    *("server", "model", "layer", "token", "outcome", "cache"),
)
SPREADS = ("durations", "ttfts", "overheads", "rates")
AT_ONCE = 5_000


SUMMED = (
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("cost_microdollars", "saved_microdollars"),
)
MOST_SUMMED = 10**12  # of one request, as later versions write it: sums are kept in 64 bits


def upgrade() -> None:
    for name in SUMMED:
        op.execute(f"UPDATE requests SET {name} = {MOST_SUMMED} WHERE {name} > {MOST_SUMMED}")  # noqa: S608  # nosec B608
    op.create_table(
        "figure_kinds",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("overall", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.String(length), nullable=False) for name, length in KIND),
    )
    op.create_table(
        "figures",
        sa.Column("width", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTS),
        sa.Column("saved_ms", sa.Double, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in SPREADS),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "resting",
        sa.Column("worker", sa.String(100), primary_key=True),
        sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("target", sa.String(620), nullable=False),
        sa.Column("server", sa.String(300), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
    now = time.time()
    marks = {
        "floor": 0,
        "minutes": int((now - MINUTES_KEPT) // HOUR) * HOUR,
        "hours": int((now - LATE) // HOUR) * HOUR,
        "days": int((now - LATE) // DAY) * DAY,
    }
    table = op.create_table(
        "figure_marks",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(table, [{"name": name, "value": value} for name, value in marks.items()])
    fill(op.get_bind(), marks)


def fill(conn: sa.Connection, marks: dict[str, int]) -> None:
    """The cells of all rows, oldest first: a cell is written when the rows have passed it."""
    count = conn.scalar(sa.text("SELECT count(*) FROM requests")) or 0
    from_and_to = {
        MINUTE: (marks["minutes"], float("inf")),
        HOUR: (0, marks["hours"]),
        DAY: (0, marks["days"]),
    }
    waiting: dict[int, tuple[dict[CellKey, Cell], dict[int, tuple[Kind, bool]]]] = {each: ({}, {}) for each in WIDTHS}
    with tqdm(total=count, desc="Figures of the requests so far", unit=" requests", delay=1, disable=None) as bar:
        for rows in pages(conn):
            for width, (first, last) in from_and_to.items():
                cells, kinds = gather([row for row in rows if first <= row["started_at"] < last], width)
                merge(waiting[width][0], cells)
                waiting[width][1].update(kinds)
                write(conn, width, *waiting[width], rows[-1]["started_at"])
            bar.update(len(rows))
    for width in WIDTHS:
        write(conn, width, *waiting[width], float("inf"))


def pages(conn: sa.Connection) -> Iterator[list[sa.RowMapping]]:
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in ("id", *COLUMNS)]
    query = sa.select(*columns).select_from(sa.table("requests")).order_by(sa.column("started_at"), sa.column("id"))
    after = sa.tuple_(sa.column("started_at"), sa.column("id"))
    rows = list(conn.execute(query.limit(AT_ONCE)).mappings())
    while rows:
        yield rows
        last = sa.tuple_(sa.literal(rows[-1]["started_at"], sa.Double), sa.literal(rows[-1]["id"]))
        rows = list(conn.execute(query.where(after > last).limit(AT_ONCE)).mappings())


def merge(into: dict[CellKey, Cell], cells: dict[CellKey, Cell]) -> None:
    for key, cell in cells.items():
        into[key] = together([into[key], cell]) if key in into else cell


def write(
    conn: sa.Connection, width: int, cells: dict[CellKey, Cell], kinds: dict[int, tuple[Kind, bool]], reached: float
) -> None:
    """Write the cells that end before `reached`, and forget them."""
    done = {key: cell for key, cell in cells.items() if key.bucket + width <= reached}
    if done:
        insert_cells(conn, width, done, {key.kind: kinds[key.kind] for key in done})
        for key in done:
            del cells[key]


def downgrade() -> None:
    for table in ("resting", "figure_marks", "figures", "figure_kinds"):
        op.drop_table(table)
