"""How often a request was tried, what the caches did, what an attempt changed; and indexes for filters by these."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PARTIAL = {"requests_by_cache": "cache IS NOT NULL", "requests_failed_over": "attempt_count > 1"}


def upgrade() -> None:
    op.add_column("requests", sa.Column("cache", sa.String(16)))
    op.add_column("requests", sa.Column("saved_ms", sa.Double))
    op.add_column("requests", sa.Column("attempt_count", sa.SmallInteger, nullable=False, server_default="0"))
    op.add_column("attempts", sa.Column("changes", sa.JSON, nullable=False, server_default="[]"))
    op.execute(
        "UPDATE requests SET attempt_count = (SELECT count(*) FROM attempts WHERE attempts.request_id = requests.id)"
    )
    op.execute("UPDATE requests SET cache = 'hit' WHERE outcome = 'cached'")
    op.create_index("requests_by_layer", "requests", ["layer", "started_at", "id"])
    _partial("requests_by_cache", ["cache", "started_at", "id"])
    _partial("requests_failed_over", ["started_at", "id"])


def downgrade() -> None:
    for index in ("requests_by_layer", *PARTIAL):
        op.drop_index(index, "requests")
    for column in ("attempt_count", "saved_ms", "cache"):
        op.drop_column("requests", column)
    op.drop_column("attempts", "changes")


def _partial(name: str, columns: list[str]) -> None:
    where = sa.text(PARTIAL[name])
    op.create_index(name, "requests", columns, sqlite_where=where, postgresql_where=where)
