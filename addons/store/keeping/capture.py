"""What is kept of a record: all of it, all without what is private, or no content.

`metadata` has no bodies, no header values but a harmless few, no query, and no text that may quote one of them: errors,
what the layers told, the prompts that a cache compared; a session only where the client named it, and no working
directory. `redacted` has all of these through the redactor; a body that
nobody can look into (compressed, binary, not UTF-8) is not kept. Both happen before a record is cut to size, in the
writer's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from switchman.addons.core.access.capturing import TELLING_LAYERS
from switchman.addons.core.access.session import named_only
from switchman.addons.core.dialects import framing_of
from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.core.texts.redaction.atrest import Redactor
from switchman.addons.store.keeping.compressed import without_hidden
from switchman.addons.store.keeping.heads import cut_head
from switchman.addons.store.rows import Prepared, prepare

log = logging.getLogger(__name__)

Fields = tuple[tuple[str, str], ...]

# Header fields whose values say nothing of what was asked and answered.
HARMLESS: Final = frozenset(
    """content-type content-length content-encoding transfer-encoding accept accept-encoding date server user-agent
    connection retry-after anthropic-version openai-version openai-processing-ms x-should-retry www-authenticate allow
    x-switchman-target x-switchman-layer x-switchman-attempts x-switchman-cache x-switchman-overhead-ms""".split()  # noqa: SIM905 - words, and many
)
_LONGEST_VALUE: Final = 200
# Kinds of failures whose text is the router's own, or the operating system's.
_OWN_WORDS: Final = frozenset({"connect", "tls", "dns", "timeout", "reset", "cancelled"})
NOT_KEPT: Final = "Its text is not kept"


def as_kept(record: Record, keys: KnownKeys, redactor: Callable[[], Redactor], max_body: int) -> Prepared:
    """What becomes of a record in the tables. Raises TypeError or ValueError for what is not one."""
    return prepare(captured(keys.hide_in(without_hidden(record, keys)), redactor, max_body), max_body)


def captured(record: Record, redactor: Callable[[], Redactor], max_body: int) -> Record:
    """The record as it may be stored. `max_body`: bytes of a body that are kept. What fails here keeps no content."""
    if record.capture == "full":
        return record
    if record.capture == "redacted":
        try:
            return _redacted(record, redactor(), max_body)
        except Exception as exc:  # noqa: BLE001 - a boundary: what cannot be redacted is not stored
            log.error(
                "request %.100s is kept without content, as it could not be redacted: %s", record.id, type(exc).__name__
            )
    return _without_content(record)


def _without_content(record: Record) -> Record:
    attempts = tuple(_plain_attempt(one) for one in record.attempts)
    told = next((one.error for one in reversed(attempts) if one.error == record.error), None)
    return replace(
        record,
        path=record.path.partition("?")[0],
        error=told if told is not None or record.error is None else f"{NOT_KEPT}: CAPTURE=metadata.",
        request_headers=_harmless(record.request_headers),
        response_headers=_harmless(record.response_headers),
        request_body=None,
        response_body=None,
        request_size=_size(record.request_body, record.request_size),
        response_size=_size(record.response_body, record.response_size),
        attempts=attempts,
        trace=tuple(
            {**line, "detail": line["detail"] if line["layer"] in TELLING_LAYERS else "", "earlier": None}
            for line in record.trace
        ),
        kept_as=None,  # digests of what was asked
        session=named_only(record.session),
        branch=named_only(record.branch),
        project=None,
    )


def _plain_attempt(one: AttemptRecord) -> AttemptRecord:
    error = one.error if one.error is None or one.outcome in _OWN_WORDS else f"{NOT_KEPT}: CAPTURE=metadata."
    return replace(one, url=one.url.partition("?")[0], error=error)


def _size(body: bytes | None, size: int | None) -> int | None:
    return len(body) if size is None and body is not None else size


def _harmless(fields: Fields) -> Fields:
    return tuple((name, value.partition(";")[0][:_LONGEST_VALUE]) for name, value in fields if name.lower() in HARMLESS)


def _redacted(record: Record, redactor: Redactor, max_body: int) -> Record:
    text = redactor.text
    return replace(
        record,
        path=text(record.path),
        error=None if record.error is None else text(record.error),
        requested_model=text(record.requested_model),
        project=None if record.project is None else text(record.project),
        request_headers=_fields(record.request_headers, redactor),
        response_headers=_fields(record.response_headers, redactor),
        **_body(record, "request", redactor, max_body),
        **_body(record, "response", redactor, max_body),
        attempts=tuple(
            replace(
                one,
                url=text(one.url),
                error=None if one.error is None else text(one.error),
                changes=tuple(map(text, one.changes)),
            )
            for one in record.attempts
        ),
        trace=tuple(_line(line, redactor) for line in record.trace),
    )


def _fields(fields: Fields, redactor: Redactor) -> Fields:
    return tuple((redactor.text(name), redactor.text(value)) for name, value in cut_head(fields).fields)


def _line(line: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    earlier = line["earlier"]
    if earlier is not None:
        earlier = {**earlier, "asked": redactor.text(earlier["asked"])}
    return {**line, "detail": redactor.text(line["detail"]), "earlier": earlier}


def _body(record: Record, side: str, redactor: Redactor, max_body: int) -> dict[str, Any]:
    """The body and its size, as changed fields of a record."""
    data: bytes | None = getattr(record, f"{side}_body")
    if not data:
        return {}
    fields: Fields = getattr(record, f"{side}_headers")
    named = {name.lower(): value.strip().lower() for name, value in fields}
    size = max(getattr(record, f"{side}_size") or 0, len(data))
    kept = None
    if named.get("content-encoding", "identity") in ("", "identity"):
        streamed = framing_of(named.get("content-type", "")) is not None
        kept = redactor.body(data[:max_body], streamed=streamed, cut=size > len(data) or len(data) >= max_body)
    return {f"{side}_body": kept, f"{side}_size": size}
