"""Requests that are not over yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "underway",
        sa.Column("worker", sa.String(100), primary_key=True),
        sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("method", sa.String(32), nullable=False),
        sa.Column("path", sa.String(2000), nullable=False),
        sa.Column("client", sa.String(100), nullable=False),
        sa.Column("requested_model", sa.String(300), nullable=False),
        sa.Column("layer", sa.String(64)),
        sa.Column("route", sa.String(300)),
        sa.Column("server", sa.String(300)),
        sa.Column("model", sa.String(300)),
        sa.Column("attempts", sa.SmallInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("underway")
