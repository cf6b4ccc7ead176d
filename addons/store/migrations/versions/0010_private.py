"""What is kept of a request, and by what it is found to be forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_private"
down_revision = "0009_web"
branch_labels = None
depends_on = None

COLUMNS = ("capture", "capture_by", "session", "kept_as")


def upgrade() -> None:
    op.add_column("requests", sa.Column("capture", sa.String(16), nullable=False, server_default="full"))
    op.add_column("requests", sa.Column("capture_by", sa.String(400)))
    op.add_column("requests", sa.Column("session", sa.String(32)))
    op.add_column("requests", sa.Column("kept_as", sa.Text))
    known = sa.text("session IS NOT NULL")
    op.create_index("requests_by_session", "requests", ["session"], sqlite_where=known, postgresql_where=known)


def downgrade() -> None:
    op.drop_index("requests_by_session", "requests")
    for name in reversed(COLUMNS):
        op.drop_column("requests", name)
