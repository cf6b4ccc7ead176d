"""What is left out of long heads, what a row takes, and dashboard tokens that were signed out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What rows of before are taken to be: reading each of them would hold up the start. A default changes no row.
ROW_BYTES = 6000


def upgrade() -> None:
    for side in ("request", "response"):
        op.add_column("requests", sa.Column(f"{side}_fields_cut", sa.Integer, nullable=False, server_default="0"))
        op.add_column("requests", sa.Column(f"{side}_head_cut", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("requests", sa.Column("stored_size", sa.Integer, nullable=False, server_default=str(ROW_BYTES)))
    op.create_table(
        "revoked",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    rows = f"SELECT 'row_bytes', {ROW_BYTES} * count(*) FROM requests"  # noqa: S608 - a number of ours  # nosec B608
    op.execute(f"INSERT INTO totals (name, value) {rows}")
    files = "SELECT coalesce(sum(stored_size), 0) FROM blobs WHERE data IS NULL"
    op.execute(f"INSERT INTO totals (name, value) VALUES ('file_bytes', ({files}))")  # noqa: S608  # nosec B608


def downgrade() -> None:
    op.execute("DELETE FROM totals WHERE name IN ('row_bytes', 'file_bytes')")
    op.drop_table("revoked")
    for column in (
        "stored_size",
        *(f"{side}_{what}_cut" for side in ("response", "request") for what in ("head", "fields")),
    ):
        op.drop_column("requests", column)
