"""The tables of the log. Times are epoch seconds UTC (double), durations milliseconds, sizes bytes, counts tokens.

requests   one row per request; `seq` grows in the order of commits (live lists follow it), `id` is the public name.
attempts   what was tried for a request, in order. `sent` and `edits`: core/dialects/passing/conveyed.py.
cache_verdicts  what people say of an answer that the semantic cache gave, or would have given.
feedback   what people say of a request: one line of each, which goes with the request. `by_token`: `who` is the name of
           the API token that made the request, not a person's.
sent_again a request that somebody had sent once more. `request_id` is the new one's, as soon as the router told it; no
           foreign key, as its row is written when it is over. `error`: why it was never sent, or not to its end.
blobs      one row per stored body, by the SHA-256 of its content. `last_used` is the start of the newest request
           that has this body, so a blob older than a moment is used by no request newer than it: that is the whole
           reference check. `data` holds what is small when compressed; where it is NULL, the blob store has a file.
           (A file is five system calls and a row is none of its own: on a busy event loop, whose interpreter the
           writer shares, files alone allowed 50 requests per second.) A request whose hash is not here (any more)
           has a body that is no longer kept.
sessions   what a session's rows sum up to, kept in the same transactions (keeping/beside/sessions.py): requests that
           belong together (core/sessions). `ended_at` is the end of the request that ended last; `unpriced` counts
           requests whose cost is not known, `uncounted` those whose tokens are not; `told_tokens` are those that went
           in with requests that told how many of them came from a cache. One without requests has no row.
totals     sums that are kept in the same transaction that changes them. `blob_bytes`: of blobs.stored_size;
           `file_bytes`: of those that are files; `row_bytes`: of requests.stored_size, what a row and its attempts
           take, by an estimate.
underway   requests that are not over yet, as each worker saw its own at `seen_at`; those that last are written at all.
resting    targets whose breaker is not closed, likewise.
leases     who does a periodic job now, and until when the others leave it to them; and which rules a worker has.
missed     what could not be kept up beside the rows, until it is made good from them: hours of figures, sessions, words
           (keeping/beside/sparing.py).
revoked    dashboard tokens that were signed out, until they would have ended by themselves.

`modality` has the bits of core/texts/searching/asked.py. The words by which prompts and answers are found are in
`request_words` (keeping/beside/words.py), which is no table as these are.

`<side>_fields_cut` and `<side>_head_cut`: how many fields of a head, and how many bytes of it, are not stored.

A change here needs a migration; tests/addons/store/test_migrations.py compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from switchman.addons.core.texts.searching.asked import KINDS

metadata = MetaData()

# SQLite counts rows by itself only in a column that is exactly INTEGER PRIMARY KEY.
RowNumber = BigInteger().with_variant(Integer, "sqlite")

# An index over these holds only them: they are few. A filter says the same words, else it is not used.
_CACHE_KNOWN = text("cache IS NOT NULL")
_TOKEN_KNOWN = text("token IS NOT NULL")
_SESSION_KNOWN = text("session IS NOT NULL")
_AGENT_KNOWN = text("agent IS NOT NULL")
_FAILED_OVER = text("attempt_count > 1")
_SEVERAL = text("requests > 1")
_ERRORS = text("errors > 0")
_ERROR_KNOWN = text("error_class IS NOT NULL")
_ROUTE_KNOWN = text("route IS NOT NULL")

# Kinds of content of which there is an index: all but text, which nearly every request has.
SPARSE_KINDS = tuple(kind for kind in KINDS if kind != "text")


def has(kind: str) -> str:
    """The condition that a request has content of this kind, in the words of its index."""
    return f"(modality & {1 << KINDS.index(kind)}) != 0"


requests = Table(
    "requests",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("id", String(200), nullable=False, unique=True),
    Column("started_at", Double, nullable=False),
    Column("duration_ms", Double, nullable=False),
    Column("method", String(32), nullable=False),
    Column("path", String(2000), nullable=False),
    Column("client", String(100), nullable=False),
    Column("dialect", String(32)),
    Column("operation", String(32)),
    Column("requested_model", String(300), nullable=False),
    Column("layer", String(64)),
    Column("route", String(300)),
    Column("server", String(300)),
    Column("model", String(300)),
    Column("status", Integer, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("streamed", Boolean, nullable=False),
    Column("error", Text),
    Column("overhead_ms", Double),
    Column("ttft_ms", Double),
    Column("tokens_per_second", Double),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("finish_reason", String(100)),
    Column("cache", String(16)),
    Column("saved_ms", Double),
    Column("token", String(64)),
    Column("token_id", String(12)),
    Column("cost_microdollars", BigInteger),
    Column("saved_microdollars", BigInteger),
    Column("capture", String(16), nullable=False, server_default="full"),
    Column("capture_by", String(400)),
    Column("session", String(32)),
    Column("agent", String(32)),
    Column("project", String(500)),
    Column("branch", String(32)),
    Column("parent", String(32)),
    Column("kept_as", Text),
    Column("error_class", String(16)),
    Column("modality", SmallInteger),
    Column("attempt_count", SmallInteger, nullable=False, server_default="0"),
    Column("request_headers", JSON, nullable=False),
    Column("response_headers", JSON, nullable=False),
    Column("trace", JSON, nullable=False),
    Column("request_hash", String(64)),
    Column("request_size", BigInteger),
    Column("request_truncated", Boolean, nullable=False),
    Column("response_hash", String(64)),
    Column("response_size", BigInteger),
    Column("response_truncated", Boolean, nullable=False),
    Column("request_fields_cut", Integer, nullable=False, server_default="0"),
    Column("request_head_cut", BigInteger, nullable=False, server_default="0"),
    Column("response_fields_cut", Integer, nullable=False, server_default="0"),
    Column("response_head_cut", BigInteger, nullable=False, server_default="0"),
    Column("stored_size", Integer, nullable=False, server_default="6000"),
    # Each filter of the list is answered in its order, newest first, from one index. The id, by which rows of
    # one moment are put in order, is not in these: such rows are few.
    Index("requests_by_time", "started_at"),
    Index("requests_by_model", "model", "started_at"),
    Index("requests_by_server", "server", "started_at"),
    Index("requests_by_outcome", "outcome", "started_at"),
    Index("requests_by_status", "status", "started_at"),
    Index("requests_by_client", "client", "started_at"),
    Index("requests_by_layer", "layer", "started_at"),
    Index("requests_by_asked", "requested_model", "started_at"),
    Index("requests_by_stream", "streamed", "started_at"),
    *(
        Index(f"requests_by_{name}", *columns, sqlite_where=known, postgresql_where=known)
        for name, columns, known in (
            ("cache", ("cache", "started_at"), _CACHE_KNOWN),
            ("token", ("token", "started_at"), _TOKEN_KNOWN),
            ("session", ("session", "started_at"), _SESSION_KNOWN),
            ("agent", ("agent", "started_at"), _AGENT_KNOWN),
            ("error", ("error_class", "started_at"), _ERROR_KNOWN),
            ("route", ("route", "started_at", "layer"), _ROUTE_KNOWN),  # hits of a rule are counted in it (hits.py)
        )
    ),
    Index("requests_failed_over", "started_at", sqlite_where=_FAILED_OVER, postgresql_where=_FAILED_OVER),
    *(
        Index(f"requests_with_{kind}", "started_at", sqlite_where=text(has(kind)), postgresql_where=text(has(kind)))
        for kind in SPARSE_KINDS
    ),
    sqlite_autoincrement=True,  # never reuse a number: a live list that has seen 7 must not miss a second 7
)

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", String(200), ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("server", String(300), nullable=False),
    Column("model", String(300), nullable=False),
    Column("url", String(2000), nullable=False),
    Column("started_at", Double, nullable=False),
    Column("duration_ms", Double, nullable=False),
    Column("status", Integer),
    Column("outcome", String(32), nullable=False),
    Column("error", Text),
    Column("first_byte_ms", Double),
    Column("changes", JSON, nullable=False, server_default="[]"),
    Column("cost_microdollars", BigInteger),
    Column("connect_ms", Double),
    Column("reused", Boolean),
    Column("sent", String(32)),
    Column("edits", JSON(none_as_null=True)),
)

cache_verdicts = Table(
    "cache_verdicts",
    metadata,
    Column("request_id", String(200), ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("verdict", String(8), nullable=False),
    Column("who", String(200), nullable=False),
    Column("at", Double, nullable=False),
)


# What people say of a request, one line for each of them.
feedback = Table(
    "feedback",
    metadata,
    Column("request_id", String(200), ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("who", String(200), primary_key=True),
    Column("at", Double, nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("should_be", String(300)),
    Column("by_token", Boolean, nullable=False),
)

# Requests that somebody sent once more from the dashboard.
sent_again = Table(
    "sent_again",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(
        "origin_id", String(200), ForeignKey("requests.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("request_id", String(200), index=True),
    Column("who", String(200), nullable=False),
    Column("at", Double, nullable=False),
    Column("target", String(600), nullable=False),
    Column("edited", Boolean, nullable=False),
    Column("error", Text),
)  # fmt: skip

blobs = Table(
    "blobs",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("stored_size", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used", Double, nullable=False),
    Column("data", LargeBinary),
    Index("blobs_by_use", "last_used"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session", String(32), primary_key=True),
    Column("agent", String(32)),
    Column("project", String(500)),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("told_tokens", BigInteger, nullable=False),
    Column("cost_microdollars", BigInteger, nullable=False),
    Column("unpriced", Integer, nullable=False),
    Column("uncounted", Integer, nullable=False),
    # The list's own order, the newest activity first, and the same for each filter of it.
    Index("sessions_by_time", "ended_at", "session"),
    Index("sessions_by_agent", "agent", "ended_at", "session"),
    Index("sessions_by_project", "project", "ended_at", "session"),
    Index("sessions_of_several", "ended_at", "session", sqlite_where=_SEVERAL, postgresql_where=_SEVERAL),
    Index("sessions_with_errors", "ended_at", "session", sqlite_where=_ERRORS, postgresql_where=_ERRORS),
)

totals = Table(
    "totals",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

underway = Table(
    "underway",
    metadata,
    Column("worker", String(100), primary_key=True),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("seen_at", Double, nullable=False),
    Column("id", String(200), nullable=False),
    Column("started_at", Double, nullable=False),
    Column("method", String(32), nullable=False),
    Column("path", String(2000), nullable=False),
    Column("client", String(100), nullable=False),
    Column("requested_model", String(300), nullable=False),
    Column("layer", String(64)),
    Column("route", String(300)),
    Column("server", String(300)),
    Column("model", String(300)),
    Column("attempts", SmallInteger, nullable=False),
)

resting = Table(
    "resting",
    metadata,
    Column("worker", String(100), primary_key=True),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("seen_at", Double, nullable=False),
    Column("target", String(620), nullable=False),
    Column("server", String(300), nullable=False),
    Column("state", String(16), nullable=False),
    Column("until", Double, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(100), nullable=False),
    Column("expires_at", Double, nullable=False),
)

missed = Table(
    "missed",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("at", Double, nullable=False),
)

revoked = Table(
    "revoked",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("expires_at", Double, nullable=False),
)
