"""The session that a client says its request belongs to: by it, `switchman forget --session` finds the request's row.

It is kept as a digest only, so a name that says something (a user, a path) is not in the log. Whoever does not know the
name takes the digest from the page of one of its requests.

Where clients say it: a header of the names below (Codex CLI sends `session-id`, earlier `session_id`; Claude Code
`x-claude-code-session-id`; OpenCode `x-session-id` and `x-session-affinity`, at its own servers `x-opencode-session`;
Kilo Code, Roo Code and Cline their task's id), or in the body `session_id`, `prompt_cache_key` (Codex: the
conversation's id), `metadata.session_id`, or at the end of Anthropic's `metadata.user_id` (Claude Code:
`user_..._session_ID`, or JSON with `session_id`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

HEADERS: Final = (
    "x-switchman-session", "x-session-id", "session-id", "session_id", "x-claude-code-session-id", "x-conversation-id",
    "conversation_id", "x-opencode-session", "x-session-affinity", "x-kilocode-taskid", "x-roo-task-id", "x-task-id",
    "x-qwen-code-session-id", "x-openwebui-chat-id",
)  # fmt: skip
_HEADERS: Final = frozenset(HEADERS)
DIGITS: Final = 32  # of the digest, hexadecimal
LONGEST: Final = 1_000  # characters of a session's name
_LONGEST_JSON: Final = 4_000
_MARK: Final = "_session_"
BY_BEGINNING: Final = "b-"  # a session without a name, known by how it begins (core/sessions): its digest begins so
_DIGEST: Final = re.compile(rf"[0-9a-f]{{{DIGITS}}}|{BY_BEGINNING}[0-9a-f]{{{DIGITS - len(BY_BEGINNING)}}}")


def session_of(headers: Iterable[tuple[str, str]], body: Mapping[str, Any]) -> str | None:
    """The session's name as the client gives it; None where it gives none."""
    named = {lowered: value.strip() for name, value in headers if (lowered := name.lower()) in _HEADERS}
    found = [named.get(name) for name in HEADERS] if named else []
    metadata = body.get("metadata")
    inner = metadata if isinstance(metadata, Mapping) else {}
    found += [body.get("session_id"), inner.get("session_id"), _of_user(inner.get("user_id"))]
    found.append(body.get("prompt_cache_key"))
    return next((name for name in found if isinstance(name, str) and 0 < len(name) <= LONGEST), None)


def session_digest(name: str) -> str:
    """Under which a session's rows are found."""
    return hashlib.sha256(b"session\0" + name.strip().encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def named_only(digest: str | None) -> str | None:
    """The digest, unless it is of what was asked."""
    return None if digest is not None and digest.startswith(BY_BEGINNING) else digest


def is_digest(text: str) -> bool:
    """Whether it may be a session's digest. A name may look like one, too."""
    return _DIGEST.fullmatch(text) is not None


def digests_meant(text: str) -> tuple[str, ...]:
    """Of a session's name, or of its digest as a request's page shows it: under which its rows are found."""
    text = text.strip()
    return (session_digest(text), *((text,) if is_digest(text) else ()))


def _of_user(user: Any) -> str | None:
    if not isinstance(user, str) or len(user) > _LONGEST_JSON:
        return None
    if user.startswith("{"):
        try:
            said = json.loads(user)
        except (ValueError, RecursionError):
            return None
        name = said.get("session_id") if isinstance(said, dict) else None
        return name if isinstance(name, str) else None
    _, mark, name = user.rpartition(_MARK)
    return name if mark else None
