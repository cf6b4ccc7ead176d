"""The tables of who may. They lie in the log's database, and nothing ages them out with it.

access_tokens       one row per token that was made; its id is never another's. A name is that of one token that is not
                    revoked. `generation`: the one in which the row was changed last.
access_secrets      what opens a token, by its SHA-256: one, and after a rotation the old one for a time beside it.
access_generations  one number per kind of thing ("tokens"), counted up with each change, in the same transaction: who
                    has seen a number has seen all changes up to it. `origin` is random, and another one in another
                    database: a file that was deleted and made anew does not pass for the one that was there.
access_audit        what people changed, a row for each change in the order of commits; kept for AUDIT_DAYS (audit.py).
provider_keys   the vault (vault.py): one row per key. `version` counts its values, `master` names the key that sealed
                it, `fingerprint` tells two values apart. `nonce` is new with each sealing, so that all nonces together
                tell one state of the vault from the next.
rules_history   versions of the rules file without their keys, a row each (history.py); the newest ones are kept.
budget_alerts       budgets that were half used up, at 80 %, and used up: one row each, kept for some months

Retention, MAX_LOG_SIZE and `switchman forget` take rows of the log, and nothing of these. A database that is deleted
takes them with it.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
)

from switchman.addons.store.tables import RowNumber, metadata

tokens = Table(
    "access_tokens",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("name", String(64), nullable=False, index=True),
    Column("groups", JSON, nullable=False),
    Column("models", JSON, nullable=False),
    Column("servers", JSON, nullable=False),
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    Column("concurrent", BigInteger),
    Column("body_bytes", BigInteger),
    Column("budgets", JSON, nullable=False),
    Column("capture", String(16)),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("generation", BigInteger, nullable=False, index=True),
)

token_secrets = Table(
    "access_secrets",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column(
        "token_id", String(12), ForeignKey("access_tokens.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("hint", String(8), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("valid_until", Double),
)  # fmt: skip

generations = Table(
    "access_generations",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("origin", String(32), nullable=False),
    Column("value", BigInteger, nullable=False),
)

audit = Table(
    "access_audit",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False, index=True),
    Column("who", String(200), nullable=False),
    Column("role", String(16)),
    Column("address", String(100)),
    Column("how", String(8), nullable=False),
    Column("what", String(64), nullable=False),
    Column("target", String(300), nullable=False),
    Column("before", JSON),
    Column("after", JSON),
    sqlite_autoincrement=True,  # never reuse a number: it is a cursor, and the end of a page
)

provider_keys = Table(
    "provider_keys",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("master", String(32), nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("fingerprint", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("set_at", Double, nullable=False),
)

rules_history = Table(
    "rules_history",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("file", String(1000), nullable=False),
    Column("who", String(200), nullable=False),
    Column("role", String(16)),
    Column("how", String(8), nullable=False),
    Column("why", String(1000), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("rules_history_by_file", "file", "seq"),
    sqlite_autoincrement=True,  # never reuse a number: it is an address
)

budget_alerts = Table(
    "budget_alerts",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("account", String(160), nullable=False),
    Column("name", String(200), nullable=False),
    Column("percent", SmallInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("unit", String(8), nullable=False),
    Column("period", String(8), nullable=False),
    Column("begins", String(10), nullable=False),
)
