"""What differs between the client's body and the one that an attempt sent, and how that is known. Pure.

What was sent is not stored. An edited body is made again from the edits, which are; a translated one by translating
the stored request again, for which the digest of what was sent tells whether it is the very one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final, Literal, NamedTuple

from switchman.addons.core.dialects import WIRES, endpoint_of
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.passing import conveyed
from switchman.addons.core.dialects.rendering import ServerProfile, render
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call, DialectName, Endpoint
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.models.thinking import ThinkingChoice
from switchman.addons.core.servers.servers import Server, is_anthropics
from switchman.addons.core.servers.urls import parse
from switchman.addons.core.texts.unicode import dumps, read_json
from switchman.addons.store.reading.found import AttemptRow, RequestRow
from switchman.webui.looks.marked import N_, Say, in_english
from switchman.webui.looks.masked import masked_text, masked_value

MOST_DIFFED: Final = 300_000  # bytes of a body of which lines are compared
MOST_LINES: Final = 4_000
MOST_SHOWN: Final = 1_000  # lines of a difference
MOST_VALUE: Final = 2_000  # characters of one value
MOST_LINE: Final = 1_000  # characters of one line

How = Literal[
    "same",  # byte for byte
    "edited",  # by the edits that were written down
    "very",  # translated again, and known by its digest for what was sent
    "now",  # translated again, as it would be now: not what was sent to the byte
    "redacted",
    "otherwise",
    "unknown",
]


class Edit(NamedTuple):
    """One edit: where, what was there and what went out, as JSON; None for nothing."""

    path: str
    before: str | None
    after: str | None


class Line(NamedTuple):
    """A line of a difference. `kind`: added, taken, where, or same."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """`lines`: of both bodies, indented; () where they were not compared. `more`: lines that are not shown."""

    how: How
    edits: tuple[Edit, ...] = ()
    lines: tuple[Line, ...] = ()
    more: int = 0


def difference(
    row: RequestRow, attempt: AttemptRow, body: bytes | None, rules: Ruleset | None, say: Say = in_english
) -> Difference:
    """What is known of an attempt. `body`: the client's, None where it is not kept or not to be read.

    `say` translates what stands between the client's words.
    """
    if attempt.sent == conveyed.AS_IT_CAME:
        return Difference("same")
    if attempt.sent == conveyed.WITH_REDACTION:
        return Difference("redacted")
    if attempt.sent == conveyed.OTHERWISE:
        return Difference("otherwise")
    text = _text(body)
    if attempt.sent == conveyed.BY_EDITS:
        return _by_edits(attempt, text, say)
    if attempt.sent is None or text is None:
        return Difference("unknown")
    found = _translated(row, attempt, text, rules)
    if found is None:
        return Difference("unknown")
    made, is_very = found
    lines, more = compared(text, made, say)
    return Difference("very" if is_very else "now", lines=lines, more=more)


def _text(body: bytes | None) -> str | None:
    try:
        return body.decode() if body is not None else None
    except UnicodeDecodeError:
        return None


def _by_edits(attempt: AttemptRow, text: str | None, say: Say) -> Difference:
    if attempt.edits is None:
        return Difference("unknown")
    made = conveyed.read(attempt.edits)
    obj, sent = _object(text), None
    if text is not None and len(text) <= MOST_DIFFED:
        try:
            sent = jsonedit.edit(text, made)
        except (ValueError, RecursionError):
            sent = None
    edits = tuple(
        Edit(
            ".".join(map(str, path)),
            _shown(_at(obj, path), say),
            None if value is jsonedit.REMOVE else _shown(masked_value(str(path[-1]), value), say),
        )
        for path, value in made.items()
    )
    lines, more = compared(text, sent, say) if text is not None and sent is not None else ((), 0)
    return Difference("edited", edits, lines, more)


def _object(text: str | None) -> Any:
    try:
        return read_json(text.encode()) if text is not None else None
    except (ValueError, RecursionError):
        return None


_NOTHING: Final = object()


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(str(step), _NOTHING)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return _NOTHING
    if value is _NOTHING:
        return value
    return masked_value(str(path[-1]) if path else "", value)


def _shown(value: Any, say: Say) -> str | None:
    if value is _NOTHING:
        return None
    text = dumps(value, spaced=True)
    if len(text) <= MOST_VALUE:
        return text
    return say(
        N_("%(text)s … (%(count)s characters more)"), text=text[:MOST_VALUE], count=f"{len(text) - MOST_VALUE:,}"
    )


# ---- translated again --------------------------------------------------------------------------------------------


def _translated(row: RequestRow, attempt: AttemptRow, text: str, rules: Ruleset | None) -> tuple[str, bool] | None:
    """The body as the translation makes it, and whether it is the very one; None where it cannot be made."""
    client = endpoint_of(row.method, row.path)
    dialect = _dialect_at(attempt.url)
    if client is None or dialect is None or len(text) > conveyed.MOST_HASHED:
        return None
    try:
        body, spans = jsonedit.parse(text)
        server = _server(attempt, rules)
        call = Call(client, "", text, body, spans, str(body.get("model") or ""), body.get("stream") is True)
        first = None
        for profile in _profiles(server, dialect):
            made = render(call, Candidate(server, attempt.model), profile, Stamp("id", 0.0, call.model))
            first = first if first is not None else made.content
            if conveyed.digest_of(made.data) == attempt.sent:
                return made.content, True
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return (first, False) if first is not None else None


def _dialect_at(url: str) -> DialectName | None:
    """Whose endpoint an address ends in: a base URL may stand before it, and OpenAI's version be left out."""
    found: list[tuple[int, Endpoint]] = []
    for wire in WIRES.values():
        for path in wire.paths:
            if url.endswith(path) and (endpoint := endpoint_of("POST", path)) is not None:
                found.append((len(path), endpoint))
    if found:
        return max(found, key=lambda one: one[0])[1].dialect
    return "openai" if url.endswith("/chat/completions") else None


def _server(attempt: AttemptRow, rules: Ruleset | None) -> Server:
    known = rules.servers.get(attempt.server) if rules is not None else None
    return known if known is not None else Server(attempt.server, parse(attempt.url))


def _profiles(server: Server, dialect: DialectName) -> Iterator[ServerProfile]:
    """What the server may have been known to take, the likeliest first: that is not written down."""
    plain = ServerProfile(dialect, quirks=server.quirks, is_anthropics=is_anthropics(server))
    thoughts = (None, ThinkingChoice(False), ThinkingChoice(True))
    for think, usage, reasoning, developer in product(thoughts, (True, False), (True, False), (None, False)):
        quirks = replace(server.quirks, usage_in_stream=usage and server.quirks.usage_in_stream)
        if developer is not None:
            quirks = replace(quirks, developer_role=developer)
        yield replace(plain, think=think, usage=quirks.usage_in_stream, reasoning=reasoning, quirks=quirks)


# ---- line by line ------------------------------------------------------------------------------------------------


def compared(before: str, after: str, say: Say = in_english) -> tuple[tuple[Line, ...], int]:
    """The lines of two bodies that differ, with those around; JSON is indented first. () where that is too much."""
    old, new = _lines(before), _lines(after)
    if old is None or new is None:
        return (), 0
    names = say(N_("as the client sent it")), say(N_("as it went out"))
    found = [
        Line(_kind(line), line[:MOST_LINE] + (" …" if len(line) > MOST_LINE else ""))
        for line in difflib.unified_diff(old, new, *names, n=2, lineterm="")
    ]
    return tuple(found[:MOST_SHOWN]), max(0, len(found) - MOST_SHOWN)


def _lines(text: str) -> list[str] | None:
    if len(text) > MOST_DIFFED:
        return None
    obj = _object(text)
    lines = masked_text(dumps(obj, indent=2) if obj is not None else text).splitlines()
    return lines if len(lines) <= MOST_LINES else None


def _kind(line: str) -> str:
    if line.startswith(("---", "+++", "@@")):
        return "where"
    return {"+": "added", "-": "taken"}.get(line[:1], "same")
