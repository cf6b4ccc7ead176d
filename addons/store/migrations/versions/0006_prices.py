"""What requests cost. Rows of before have no cost: it is not known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005_tokens"
branch_labels = None
depends_on = None

COLUMNS = (
    ("requests", "cost_microdollars"),
    ("requests", "saved_microdollars"),
    ("attempts", "cost_microdollars"),
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.add_column(table, sa.Column(column, sa.BigInteger))


def downgrade() -> None:
    for table, column in reversed(COLUMNS):
        op.drop_column(table, column)
