"""What requests are filtered by, column by column. It fills by itself, beside what runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018_columns"
down_revision = "0017_store"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "request_columns",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("made", sa.Double, nullable=False),
        sa.Column("first_at", sa.Double),
        sa.Column("last_at", sa.Double),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("request_columns")
