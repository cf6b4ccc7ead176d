"""API tokens, and which of them a request came with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_tokens"
down_revision = "0004"
branch_labels = None
depends_on = None

_KNOWN = sa.text("token IS NOT NULL")


def upgrade() -> None:
    op.add_column("requests", sa.Column("token", sa.String(64)))
    op.add_column("requests", sa.Column("token_id", sa.String(12)))
    op.create_index(
        "requests_by_token", "requests", ["token", "started_at", "id"], sqlite_where=_KNOWN, postgresql_where=_KNOWN
    )
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, index=True),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("models", sa.JSON, nullable=False),
        sa.Column("servers", sa.JSON, nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger),
        sa.Column("tokens_per_minute", sa.BigInteger),
        sa.Column("concurrent", sa.BigInteger),
        sa.Column("body_bytes", sa.BigInteger),
        sa.Column("budgets", sa.JSON, nullable=False),
        sa.Column("capture", sa.String(16)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
        sa.Column("generation", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "access_secrets",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column(
            "token_id", sa.String(12), sa.ForeignKey("access_tokens.id", ondelete="CASCADE"), nullable=False, index=True
        ),
        sa.Column("hint", sa.String(8), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("valid_until", sa.Double),
    )
    op.create_table(
        "access_generations",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("origin", sa.String(32), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("access_generations", "access_secrets", "access_tokens"):
        op.drop_table(table)
    op.drop_index("requests_by_token", "requests")
    op.drop_column("requests", "token_id")
    op.drop_column("requests", "token")
