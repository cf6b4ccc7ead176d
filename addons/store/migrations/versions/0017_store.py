"""What could not be kept up beside the rows, until it is made good; indexes of requests that take less.

Rows of one moment are put in order by their ids; such rows are few, so the id (34 bytes of each entry) need not be in
each index. Hits of a rule are counted in the index by which its requests are found.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from tqdm import tqdm

revision = "0017_store"
down_revision = "0016_cache"
branch_labels = None
depends_on = None

KINDS = ("image", "audio", "document", "tools", "video")  # the bits from the second on
# Columns of an index, and which rows are in it.
LISTS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "requests_by_time": (("started_at",), None),
    **{
        f"requests_by_{name}": ((name, "started_at"), None)
        for name in ("model", "server", "outcome", "status", "client", "layer")
    },
    **{
        f"requests_by_{name}": ((name, "started_at"), f"{name} IS NOT NULL")
        for name in ("cache", "token", "session", "agent")
    },
    "requests_failed_over": (("started_at",), "attempt_count > 1"),
    **{f"requests_with_{kind}": (("started_at",), f"(modality & {2 << n}) != 0") for n, kind in enumerate(KINDS)},
}
HITS = ("requests_by_route", ("route", "started_at", "layer"), "route IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "missed",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.drop_index("requests_by_rule", "requests")
    for name, columns, where in _shown([*((name, *rest) for name, rest in LISTS.items()), HITS]):
        _replace(name, columns, where)


def downgrade() -> None:
    for name, (columns, where) in LISTS.items():
        _replace(name, (*columns, "id"), where)
    _replace("requests_by_route", ("route", "started_at"), "route IS NOT NULL")
    _create("requests_by_rule", ("layer", "route", "started_at"), "route IS NOT NULL")
    op.drop_table("missed")


def _shown(indexes: list[tuple[str, tuple[str, ...], str | None]]) -> tqdm[tuple[str, tuple[str, ...], str | None]]:
    return tqdm(indexes, desc="Indexes of requests", unit=" indexes", delay=1, disable=None)


def _replace(name: str, columns: tuple[str, ...], where: str | None) -> None:
    op.drop_index(name, "requests")
    _create(name, columns, where)


def _create(name: str, columns: tuple[str, ...], where: str | None) -> None:
    some = None if where is None else sa.text(where)
    op.create_index(name, "requests", list(columns), sqlite_where=some, postgresql_where=some)
