"""Which session a request belongs to, of which agent, in which project, and on which branch of it.

1. What the client calls its session (core/access/session.py) is the session; where it names a parent's (OpenCode), that
   one, as a subagent's work is a part of it.
2. Without a name, requests that begin alike are one session: the same caller, agent, working directory, system prompt
   (but for what has digits in it, or is of a clock) and first words of the person. Only what has words is a
   conversation; equal ones of which none goes on from another are no session (growing.py).
3. Branches are a session's conversations: the main one, a subagent's, the one that finds a title. A subagent that the
   client names is a branch by its name; else a branch is known by its first words, and by whether it has tools. The
   system prompt does not count: that it changes is what breaks the provider's cache, and must not hide that.

All names are kept as digests. That of 2 begins with `b-`: it is a digest of what was asked, which a row without content
(CAPTURE=metadata) has not; neither has it such a branch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from switchman.addons.core.access.session import BY_BEGINNING, session_digest, session_of
from switchman.addons.core.request.call import GENERATING, Call
from switchman.addons.core.sessions.agents import agent_of
from switchman.addons.core.sessions.beginning import NOTHING, Beginning, beginning_of

# A subagent's own name, and its parent's. Claude Code tells the parent only where that is a subagent itself.
_SUBAGENT: Final = "x-claude-code-agent-id"
_SUBAGENT_PARENT: Final = "x-claude-code-parent-agent-id"
_THREADS: Final = ("thread-id", "thread_id")  # Codex: of the main conversation, its session's id
_THREAD_PARENT: Final = "x-codex-parent-thread-id"
_SESSION_PARENTS: Final = ("x-parent-session-id", "x-opencode-parent-session", "x-kilocode-parent-taskid")

# Words with digits in them, and those of a clock. Anchored at a word's begin: a word is looked at once.
_VARYING: Final = re.compile(
    r"(?<!\S)(?:[^\s\d]*\d\S*|(?:mon|tues|wednes|thurs|fri|satur|sun)day[,.]?(?!\S)"
    r"|(?:jan|febr)uary|march|april|may|june|july|august|(?:septem|octo|novem|decem)ber|[ap]m(?!\S))",
    re.IGNORECASE,
)
_SYSTEM_COUNTED: Final = 600  # characters of a system prompt by which conversations are told apart
_DIGITS: Final = 30
_BRANCH_DIGITS: Final = 14  # within one session
_CREDENTIALS: Final = ("authorization", "x-api-key", "api-key")


@dataclass(frozen=True, slots=True)
class Membership:
    """None: not known. `session`, `branch` and `parent` (the branch it came from) are digests. `opens`: nobody has
    answered in it yet, so it goes on from no request.
    """

    agent: str | None = None
    session: str | None = None
    project: str | None = None
    branch: str | None = None
    parent: str | None = None
    opens: bool = False


def membership_of(fields: Iterable[tuple[str, str]], call: Call | None, caller: str) -> Membership:
    """Of a request by its header fields and its parsed body. `caller`: what tells callers apart, a token's id or an
    address.
    """
    listed = list(fields)
    named = {name.lower(): value for name, value in listed}
    body: Mapping[str, Any] = call.body if call is not None else {}
    talks = call is not None and (call.endpoint.operation in GENERATING or call.endpoint.operation == "count_tokens")
    begins = beginning_of(body) if talks else NOTHING
    agent = agent_of(named, begins.system)
    name = session_of(listed, body)
    parent = next((value.strip() for header in _SESSION_PARENTS if (value := named.get(header, "").strip())), None)
    if name is not None:
        session: str | None = session_digest(parent or name)
    else:
        session = _by_beginning(begins, agent, _caller(named, caller))
    branch, origin = _branch(named, begins, name, parent)
    found = Membership(agent, session, begins.project, branch if session else None, origin if session else None)
    return replace(found, opens=True) if talks and begins.is_new else found


def _branch(
    named: Mapping[str, str], begins: Beginning, name: str | None, parent: str | None
) -> tuple[str | None, str | None]:
    """The branch, and the one that it came from."""
    if subagent := named.get(_SUBAGENT, "").strip():
        above = named.get(_SUBAGENT_PARENT, "").strip()
        return session_digest(subagent), session_digest(above) if above else None
    if thread := next((value for header in _THREADS if (value := named.get(header, "").strip())), ""):
        above = named.get(_THREAD_PARENT, "").strip()
        return session_digest(thread), session_digest(above) if above else None
    if parent and name:
        return session_digest(name), session_digest(parent)
    if not begins.first:
        return None, None
    return _digest("branch", str(begins.has_tools), begins.first)[: len(BY_BEGINNING) + _BRANCH_DIGITS], None


def _by_beginning(begins: Beginning, agent: str | None, caller: str) -> str | None:
    if not begins.first:
        return None
    return _digest("session", caller, agent or "", _lasting(begins.system), begins.project or "", begins.first)


def _lasting(system: str) -> str:
    """What of a system prompt is not another with each request."""
    return _VARYING.sub("0", system[:_SYSTEM_COUNTED])


def _caller(named: Mapping[str, str], caller: str) -> str:
    return "\0".join((caller, *(named.get(name, "") for name in _CREDENTIALS)))


def _digest(*told: str) -> str:
    text = "\0".join(told).encode("utf-8", "surrogatepass")
    return BY_BEGINNING + hashlib.sha256(text).hexdigest()[:_DIGITS]
