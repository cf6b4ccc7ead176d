"""Alerts of budgets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_limits"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budget_alerts",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("at", sa.Double, nullable=False, index=True),
        sa.Column("account", sa.String(160), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("percent", sa.SmallInteger, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("unit", sa.String(8), nullable=False),
        sa.Column("period", sa.String(8), nullable=False),
        sa.Column("begins", sa.String(10), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("budget_alerts")
