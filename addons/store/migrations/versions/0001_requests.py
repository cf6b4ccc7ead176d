"""Requests, their attempts, and the bodies they share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_requests()
    _create_attempts()
    _create_blobs()
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(100), nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    for table in ("leases", "totals", "blobs", "attempts", "requests"):
        op.drop_table(table)


def _create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(200), nullable=False, unique=True),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("method", sa.String(32), nullable=False),
        sa.Column("path", sa.String(2000), nullable=False),
        sa.Column("client", sa.String(100), nullable=False),
        sa.Column("dialect", sa.String(32)),
        sa.Column("operation", sa.String(32)),
        sa.Column("requested_model", sa.String(300), nullable=False),
        sa.Column("layer", sa.String(64)),
        sa.Column("route", sa.String(300)),
        sa.Column("server", sa.String(300)),
        sa.Column("model", sa.String(300)),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("overhead_ms", sa.Double),
        sa.Column("ttft_ms", sa.Double),
        sa.Column("tokens_per_second", sa.Double),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cached_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("finish_reason", sa.String(100)),
        sa.Column("request_headers", sa.JSON, nullable=False),
        sa.Column("response_headers", sa.JSON, nullable=False),
        sa.Column("trace", sa.JSON, nullable=False),
        sa.Column("request_hash", sa.String(64)),
        sa.Column("request_size", sa.BigInteger),
        sa.Column("request_truncated", sa.Boolean, nullable=False),
        sa.Column("response_hash", sa.String(64)),
        sa.Column("response_size", sa.BigInteger),
        sa.Column("response_truncated", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("requests_by_time", "requests", ["started_at", "id"])
    for column in ("model", "server", "outcome", "status", "client"):
        op.create_index(f"requests_by_{column}", "requests", [column, "started_at", "id"])


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("request_id", sa.String(200), sa.ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("server", sa.String(300), nullable=False),
        sa.Column("model", sa.String(300), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("first_byte_ms", sa.Double),
    )


def _create_blobs() -> None:
    op.create_table(
        "blobs",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("stored_size", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_used", sa.Double, nullable=False),
        sa.Column("data", sa.LargeBinary),
    )
    op.create_index("blobs_by_use", "blobs", ["last_used"])
    totals = op.create_table(
        "totals",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(totals, [{"name": "blob_bytes", "value": 0}])
