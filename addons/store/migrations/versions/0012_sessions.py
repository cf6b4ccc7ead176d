"""Which requests belong together: agent, project and branch of a request, and the sums of each session."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from tqdm import tqdm

revision = "0012_sessions"
down_revision = "0011_figures"
branch_labels = None
depends_on = None

COLUMNS = {"agent": 32, "project": 500, "branch": 32, "parent": 32}
AT_ONCE = 500  # sessions of one statement
FILL = """
    INSERT INTO sessions (session, started_at, ended_at, requests, errors, input_tokens, output_tokens,
        cached_tokens, told_tokens, cost_microdollars, unpriced, uncounted)
    SELECT session, min(started_at), max(started_at + duration_ms / 1000.0), count(*),
        sum(CASE WHEN outcome IN ('upstream_error', 'failed', 'refused', 'stream_error') THEN 1 ELSE 0 END),
        coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cached_tokens), 0),
        sum(CASE WHEN cached_tokens IS NULL OR input_tokens IS NULL THEN 0 ELSE input_tokens END),
        coalesce(sum(cost_microdollars), 0), sum(CASE WHEN cost_microdollars IS NULL THEN 1 ELSE 0 END),
        sum(CASE WHEN input_tokens IS NULL THEN 1 ELSE 0 END)
    FROM requests WHERE session IS NOT NULL AND session BETWEEN :first AND :last GROUP BY session
"""
TOKENS = ("input_tokens", "output_tokens", "cached_tokens")


def upgrade() -> None:
    for name, length in COLUMNS.items():
        op.add_column("requests", sa.Column(name, sa.String(length)))
    _index("requests_by_agent", "agent")
    # With the time, a session's requests are found in their order.
    op.drop_index("requests_by_session", "requests")
    _index("requests_by_session", "session")
    op.create_table(
        "sessions",
        sa.Column("session", sa.String(32), primary_key=True),
        sa.Column("agent", sa.String(32)),
        sa.Column("project", sa.String(500)),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("errors", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in (*TOKENS, "told_tokens", "cost_microdollars")),
        sa.Column("unpriced", sa.Integer, nullable=False),
        sa.Column("uncounted", sa.Integer, nullable=False),
    )
    _fill(op.get_bind())
    for name, columns in (
        ("sessions_by_time", ["ended_at", "session"]),
        ("sessions_by_agent", ["agent", "ended_at", "session"]),
        ("sessions_by_project", ["project", "ended_at", "session"]),
    ):
        op.create_index(name, "sessions", columns)
    for name, some in (("sessions_of_several", "requests > 1"), ("sessions_with_errors", "errors > 0")):
        where = sa.text(some)
        op.create_index(name, "sessions", ["ended_at", "session"], sqlite_where=where, postgresql_where=where)


def _fill(conn: sa.Connection) -> None:
    """The sums of all sessions, some at a time, in the order of their names: each from its part of the index."""
    few = sa.text(
        "SELECT DISTINCT session FROM requests WHERE session IS NOT NULL AND session > :last ORDER BY session"
        " LIMIT :most"
    )
    count = conn.scalar(sa.text("SELECT count(DISTINCT session) FROM requests WHERE session IS NOT NULL")) or 0
    last = ""
    with tqdm(total=count, desc="Sessions of the requests so far", unit=" sessions", delay=1, disable=None) as bar:
        while names := conn.scalars(few, {"last": last, "most": AT_ONCE}).all():
            conn.execute(sa.text(FILL), {"first": names[0], "last": names[-1]})
            last = names[-1]
            bar.update(len(names))


def downgrade() -> None:
    op.drop_table("sessions")
    op.drop_index("requests_by_agent", "requests")
    op.drop_index("requests_by_session", "requests")
    known = sa.text("session IS NOT NULL")
    op.create_index("requests_by_session", "requests", ["session"], sqlite_where=known, postgresql_where=known)
    for name in reversed(COLUMNS):
        op.drop_column("requests", name)


def _index(name: str, column: str) -> None:
    known = sa.text(f"{column} IS NOT NULL")
    op.create_index(name, "requests", [column, "started_at", "id"], sqlite_where=known, postgresql_where=known)
