"""Why a request that a server refused may still be answered elsewhere."""

from __future__ import annotations

import json

import pytest

from switchman.addons.core.decision.verdicts.causes import Cause, cause_of_failure, cause_of_status, held_for
from switchman.addons.core.decision.verdicts.overflow import Overflow
from switchman.addons.core.dialects.neutral.form import Failed

TOO_LONG = "prompt is too long: 210 tokens > 200 maximum"
SHAPES = [
    {"error": {"message": TOO_LONG, "type": "invalid_request_error"}},
    {"type": "error", "error": {"type": "invalid_request_error", "message": TOO_LONG}},
    {"error": TOO_LONG},
    {"object": "error", "message": TOO_LONG, "code": 400},
    {"detail": TOO_LONG},
    [{"error": {"code": 400, "message": TOO_LONG, "status": "INVALID_ARGUMENT"}}],
]


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_shape_the_error_has(shape: object) -> None:
    """As servers really write them; also as plain text."""
    for body in (json.dumps(shape).encode(), TOO_LONG.encode()):
        assert cause_of_status(400, body) == Cause("context", Overflow(window=200))
        assert cause_of_status(404, body) is None


def test_a_413_without_a_word() -> None:
    """Cerebras and Mistral say no more; a page of a web server in front says something else."""
    assert cause_of_status(413, b" \n") == Cause("context", Overflow())
    assert cause_of_status(400, b"") is None
    assert cause_of_status(413, b"<html>413 Request Entity Too Large</html>") is None


def test_a_failure_behind_a_good_status() -> None:
    """Its own status says nothing: it is made up where there was none."""
    assert cause_of_failure(Failed(TOO_LONG, status=500)) == Cause("context", Overflow(window=200))
    assert cause_of_failure(Failed("no", code="content_filter")) == Cause("content_filter")
    assert cause_of_failure(Failed("no")) is None


def test_what_is_held_back_for_each() -> None:
    """No status where nothing is to be moved for it."""
    assert held_for(frozenset()) == frozenset()
    assert held_for(frozenset({"context"})) == {400, 413, 422}
    assert held_for(frozenset({"context", "content_filter"})) == {400, 403, 413, 422, 451}


def test_in_words() -> None:
    """For the trace."""
    assert str(Cause("content_filter")) == "the provider's content filter refused the request"
    assert str(Cause("context", Overflow(window=9))) == "the prompt is too long for its context, which holds 9 tokens"
