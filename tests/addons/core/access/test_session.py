"""A session by what clients say of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.access.session import digests_meant, session_digest, session_of


@pytest.mark.parametrize(("headers", "body", "name"), [
    ((), {}, None),
    ((("X-Session-Id", " s1 "),), {"session_id": "s2"}, "s1"),
    ((("session_id", "codex"),), {}, "codex"),
    ((), {"metadata": {"user_id": "user_ab_account__session_0197"}}, "0197"),
    ((), {"metadata": {"user_id": json.dumps({"session_id": "s3"})}}, "s3"),
    ((), {"metadata": {"user_id": "bob"}}, None),
    ((), {"metadata": {"user_id": "{" * 3_000}}, None),
    ((), {"metadata": "no mapping", "prompt_cache_key": "s4"}, "s4"),
    ((), {"session_id": 7}, None),
    ((("x-session-id", "s" * 2_000),), {}, None),
])  # fmt: skip
def test_a_session_is_what_the_client_says(headers: Any, body: Any, name: str | None) -> None:
    """Headers first, then the body; what is no name is none."""
    assert session_of(headers, body) == name


def test_a_digest_says_nothing_of_the_name() -> None:
    """It is of 32 digits, the same for the same name with blanks around."""
    assert session_digest("anna") == session_digest(" anna ") != session_digest("bert")
    assert len(session_digest("anna")) == 32 and "anna" not in session_digest("anna")


def test_a_session_is_named_by_its_digest_too() -> None:
    """As a page shows it; a name that looks like one is found as well."""
    digest = session_digest("anna")
    assert digests_meant(" anna ") == (digest,)
    assert digests_meant(digest) == (session_digest(digest), digest)
    assert digests_meant(digest[:31]) == (session_digest(digest[:31]),)
