"""What requests are looked for by: the class of their error, kinds of content, words; and indexes for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from tqdm import tqdm

revision = "0013_requests"
down_revision = "0012_sessions"
branch_labels = None
depends_on = None

AT_ONCE = 20_000  # rows of one statement
KINDS = ("image", "audio", "document", "tools", "video")  # the bits from the second on
PARTIAL = {
    "requests_by_error": (["error_class", "started_at"], "error_class IS NOT NULL"),
    "requests_by_route": (["route", "started_at"], "route IS NOT NULL"),
    **{
        f"requests_with_{kind}": (["started_at", "id"], f"(modality & {2 << place}) != 0")
        for place, kind in enumerate(KINDS)
    },
}
# As core/decision/verdicts/errorclass.py says, as far as a row tells it.
ERROR_CLASS = """
    CASE
    WHEN outcome = 'cancelled' THEN 'cancelled'
    WHEN outcome = 'stream_error' THEN 'stream'
    WHEN status IN (401, 403) THEN 'auth'
    WHEN status IN (402, 429) THEN 'rate_limit'
    WHEN outcome = 'refused' THEN 'refused'
    WHEN status = 404 THEN 'not_found'
    WHEN status IN (408, 504) THEN 'timeout'
    WHEN status BETWEEN 400 AND 499 THEN 'bad_request'
    ELSE 'upstream' END
"""


def upgrade() -> None:
    op.add_column("requests", sa.Column("error_class", sa.String(16)))
    op.add_column("requests", sa.Column("modality", sa.SmallInteger))
    last = op.get_bind().scalar(sa.text("SELECT max(seq) FROM requests")) or 0
    parts = range(0, last + 1, AT_ONCE)
    for first in tqdm(parts, desc="Classes of errors", unit_scale=AT_ONCE, unit=" requests", delay=1, disable=None):
        op.execute(
            f"UPDATE requests SET error_class = {ERROR_CLASS} WHERE seq >= {first} AND seq < {first + AT_ONCE}"  # noqa: S608 - our own  # nosec B608
            " AND outcome NOT IN ('ok', 'cached', 'answered')"
        )
    op.create_index("requests_by_asked", "requests", ["requested_model", "started_at"])
    op.create_index("requests_by_stream", "requests", ["streamed", "started_at"])
    for name, (columns, where) in PARTIAL.items():
        only = sa.text(where)
        op.create_index(name, "requests", columns, sqlite_where=only, postgresql_where=only)
    _create_words()


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS request_words")
    for name in (*PARTIAL, "requests_by_asked", "requests_by_stream"):
        op.drop_index(name, "requests")
    for name in ("modality", "error_class"):
        op.drop_column("requests", name)


def _create_words() -> None:
    """Not where SQLite is built without FTS5: then prompts and answers are not searched."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TABLE request_words (seq BIGINT PRIMARY KEY REFERENCES requests (seq) ON DELETE CASCADE,"
            " words TSVECTOR NOT NULL)"
        )
        op.execute("CREATE INDEX request_words_by_word ON request_words USING gin (words)")
    elif op.get_bind().scalar(sa.text("SELECT sqlite_compileoption_used('ENABLE_FTS5')")):
        # Words are found, no phrases. They are cut already, so all that is no ASCII is a part of one.
        op.execute("CREATE VIRTUAL TABLE request_words USING fts5(words, tokenize='ascii', detail=none, columnsize=0)")
