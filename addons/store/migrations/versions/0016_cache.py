"""What people say of answers that the semantic cache gave, or would have given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_cache"
down_revision = "0010_private"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cache_verdicts",
        sa.Column("request_id", sa.String(200), sa.ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("cache_verdicts")
