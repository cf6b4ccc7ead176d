"""Versions of the rules file, and an index by which the requests of a rule are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014_rules"
down_revision = "0013_requests"
branch_labels = None
depends_on = None


def upgrade() -> None:
    known = sa.text("route IS NOT NULL")
    op.create_index(
        "requests_by_rule",
        "requests",
        ["layer", "route", "started_at"],
        sqlite_where=known,
        postgresql_where=known,
    )
    op.create_table(
        "rules_history",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("file", sa.String(1000), nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16)),
        sa.Column("how", sa.String(8), nullable=False),
        sa.Column("why", sa.String(1000), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("rules_history_by_file", "rules_history", ["file", "seq"])


def downgrade() -> None:
    op.drop_table("rules_history")
    op.drop_index("requests_by_rule", "requests")
