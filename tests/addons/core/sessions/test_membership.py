"""Which session a request belongs to, and on which branch of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.access.session import BY_BEGINNING, session_digest
from switchman.addons.core.request.call import Call, Endpoint
from switchman.addons.core.sessions.membership import Membership, membership_of

TOOLS = [{"name": "read"}]


def call(body: dict[str, Any], operation: Any = "chat", dialect: Any = "openai") -> Call:
    return Call(Endpoint(dialect, operation, "/v1/x"), "", json.dumps(body), body, {}, "m", False)


def member(fields: dict[str, str] | None = None, caller: str = "c", **body: Any) -> Membership:
    return membership_of((fields or {}).items(), call(body), caller)


def chat(*texts: str, system: str = "Be brief.") -> dict[str, Any]:
    roles = ("user", "assistant")
    said = [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]
    return {"messages": [{"role": "system", "content": system}, *said]}


@pytest.mark.parametrize(("fields", "body"), [
    ({"X-Claude-Code-Session-Id": "s"}, {}),
    ({}, {"metadata": {"user_id": "user_ab_account_cd_session_s"}}),
    ({}, {"metadata": {"user_id": json.dumps({"device_id": "d", "account_uuid": "", "session_id": "s"})}}),
    ({"session-id": "s", "thread-id": "t"}, {"prompt_cache_key": "t"}),
    ({"session_id": "s", "conversation_id": "t"}, {}),
    ({}, {"prompt_cache_key": "s"}),
    ({"x-session-affinity": "s"}, {}),
    ({"x-opencode-session": "s"}, {}),
    ({"X-KiloCode-TaskId": "s"}, {}),
    ({"x-session-id": "child", "x-parent-session-id": "s"}, {}),
])  # fmt: skip
def test_a_session_that_the_client_names_is_the_session(fields: dict[str, str], body: dict[str, Any]) -> None:
    """Of Claude Code, Codex, OpenCode and others, whatever else is in the request."""
    assert member(fields, **chat("Hello"), **body).session == session_digest("s")


def test_without_a_name_what_begins_alike_is_one_session() -> None:
    """However long the conversation has become, and whatever its clock says."""
    first = member(**chat("Fix it", system="It is Monday, 10:31:02. Be brief."))
    later = member(**chat("Fix it", "Done", "Thanks", system="It is Tuesday, 11:02:17. Be brief."))
    assert first.session is not None and first.session.startswith(BY_BEGINNING)
    assert (first.session, first.branch) == (later.session, later.branch)


@pytest.mark.parametrize("other", [
    member(caller="d", **chat("Fix it")),
    member({"authorization": "Bearer other"}, **chat("Fix it")),
    member({"user-agent": "Cline/3"}, **chat("Fix it")),
    member(**chat("Fix that")),
    member(**chat("Fix it", system="Be verbose.")),
    member(**chat("Fix it", system="Be brief. Working directory: /srv/x\n")),
])  # fmt: skip
def test_what_begins_otherwise_is_another_session(other: Membership) -> None:
    """Of another caller, agent, system prompt or folder, or with other words."""
    assert other.session != member(**chat("Fix it")).session


def test_what_is_no_conversation_has_no_session_without_a_name() -> None:
    """Embeddings are none, nor what has no words; a name counts for all."""
    embedding = {"input": "Hello"}
    assert membership_of((), call(embedding, "embedding"), "c").session is None
    assert membership_of((), None, "c") == Membership()
    assert member(messages=[]).session is None
    named = membership_of([("session_id", "s")], call(embedding, "embedding"), "c")
    assert (named.session, named.branch) == (session_digest("s"), None)


def test_a_subagent_is_a_branch_of_its_session() -> None:
    """By the name that Claude Code, Codex and OpenCode give it, with its parent's where that is told."""
    claude = member({"x-claude-code-session-id": "s", "x-claude-code-agent-id": "a"}, **chat("Look"))
    assert (claude.session, claude.branch, claude.parent) == (session_digest("s"), session_digest("a"), None)
    nested = member({
        "x-claude-code-session-id": "s", "x-claude-code-agent-id": "b", "x-claude-code-parent-agent-id": "a",
    })  # fmt: skip
    assert (nested.branch, nested.parent) == (session_digest("b"), session_digest("a"))
    codex = member({"session-id": "s", "thread-id": "t", "x-codex-parent-thread-id": "s"}, input="Look")
    assert (codex.session, codex.branch, codex.parent) == tuple(map(session_digest, ("s", "t", "s")))
    opencode = member({"x-session-id": "t", "x-parent-session-id": "s"}, **chat("Look"))
    assert (opencode.session, opencode.branch, opencode.parent) == tuple(map(session_digest, ("s", "t", "s")))


def test_a_branch_is_known_by_its_first_words() -> None:
    """A system prompt that changes does not hide that it is the same conversation; a helper without tools is none."""
    named = {"x-claude-code-session-id": "s"}
    main = member(named, **chat("Fix it"), tools=TOOLS)
    assert (
        member(named, **chat("Fix it", "Ok", "On", system="Now 11:02."), tools=[*TOOLS, *TOOLS]).branch == main.branch
    )
    assert member(named, **chat("Fix it"), tools=[]).branch != main.branch
    assert member(named, **chat("Look into a.py"), tools=TOOLS).branch != main.branch
    assert main.branch is not None and main.branch.startswith(BY_BEGINNING)


def test_no_name_and_no_word_is_in_it() -> None:
    """Sessions and branches are digests."""
    found = member({"x-session-id": "anna-secret"}, **chat("Fix the secret"))
    assert "secret" not in repr(found) and "anna" not in repr(found)
