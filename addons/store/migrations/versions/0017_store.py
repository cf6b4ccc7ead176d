"""What could not be kept up beside the rows, until it is made good."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017_store"
down_revision = "0016_cache"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "missed",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("missed")
