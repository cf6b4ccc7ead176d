"""How an attempt was connected and what it sent, what people say of a request, and what they sent again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015_story"
down_revision = "0016_cache"
branch_labels = None
depends_on = None

COLUMNS = (
    sa.Column("connect_ms", sa.Double),
    sa.Column("reused", sa.Boolean),
    sa.Column("sent", sa.String(32)),
    sa.Column("edits", sa.JSON),
)


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("attempts", column._copy())
    request = sa.ForeignKey("requests.id", ondelete="CASCADE")
    op.create_table(
        "feedback",
        sa.Column("request_id", sa.String(200), request, primary_key=True),
        sa.Column("who", sa.String(200), primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("should_be", sa.String(300)),
        sa.Column("by_token", sa.Boolean, nullable=False),
    )
    op.create_table(
        "sent_again",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column(
            "origin_id",
            sa.String(200),
            sa.ForeignKey("requests.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("request_id", sa.String(200), index=True),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("target", sa.String(600), nullable=False),
        sa.Column("edited", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
    )


def downgrade() -> None:
    op.drop_table("sent_again")
    op.drop_table("feedback")
    for column in reversed(COLUMNS):
        op.drop_column("attempts", column.name)
