"""What tells a server's dialect, and what does not."""

import json
from typing import Any

import pytest

from switchman.addons.core.servers.dialectsigns import ANTHROPIC, OLLAMA, OPENAI, of_models, of_root, of_version


@pytest.mark.parametrize(
    ("status", "answer", "dialects"),
    [
        (200, {"object": "list", "data": [{"id": "m", "object": "model"}]}, OPENAI),
        (200, {"object": "list", "data": []}, OPENAI),
        (200, [{"id": "m"}], OPENAI),
        (401, {"error": {"message": "no key", "type": "invalid_request_error"}}, OPENAI),
        (200, {"data": [{"type": "model", "id": "c"}], "has_more": False}, ANTHROPIC),
        (200, {"data": [], "has_more": False, "first_id": None}, ANTHROPIC),
        (401, {"type": "error", "error": {"type": "authentication_error", "message": "x"}}, ANTHROPIC),
        (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "version"}}, ANTHROPIC),
        (403, {"error": {"message": "not for you", "type": "permission_error"}}, OPENAI),
        (200, {"object": "list", "data": [], "has_more": False}, OPENAI),
        (404, {"error": {"message": "no such path"}}, None),
        (404, [{"id": "m"}], None),
        (404, {"data": [{"id": "m"}]}, None),
        (401, {"detail": "Not authenticated"}, None),
        (200, {"models": []}, None),
        (200, "hello", None),
    ],
)
def test_a_list_or_an_error_tells(status: int, answer: Any, dialects: Any) -> None:
    """Each dialect has its own form of both; any web server may say 404 or show a page."""
    assert of_models(status, json.dumps(answer).encode()) == dialects


def test_a_page_is_no_sign() -> None:
    """What is not JSON tells nothing."""
    assert of_models(200, b"<html>") is None
    assert of_version(200, b"<html>") is None


def test_ollama_is_known_by_its_version_or_its_greeting() -> None:
    """And speaks OpenAI's dialect too."""
    assert of_version(200, b'{"version":"0.12.6"}') == OLLAMA == ("ollama", "openai")
    assert of_version(200, b'{"name":"\xa3","version":"0.12.6"}') == OLLAMA
    assert of_version(404, b'{"version":"0.12.6"}') is None
    assert of_version(200, b'{"version":1}') is None
    assert of_root(200, b"Ollama is running") == OLLAMA
    assert of_root(200, b"It works!") is None
    assert of_root(404, b"Ollama is running") is None
