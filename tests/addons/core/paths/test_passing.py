"""Which requests may take a server's own key with them."""

from __future__ import annotations

import pytest

from switchman.addons.core.paths.passing import asking_path, takes_key
from switchman.addons.core.paths.reading import read
from switchman.addons.core.paths.tables import ANTHROPIC, BY_MODEL, MANAGEMENT, OLLAMA, OPENAI


@pytest.mark.parametrize("path", [*OPENAI, *ANTHROPIC, *OLLAMA, *BY_MODEL])
def test_an_operation_does(path: str) -> None:
    """By POST alone, behind any base URL."""
    bases = ("", "/v1", "/openai") + (("/some/tenant",) if path.startswith(("/v", "/api")) else ())
    for base in bases:
        assert takes_key(read("POST", base + path), "POST")
        for method in ("GET", "HEAD", "DELETE", "PUT", "OPTIONS", "PURGE"):
            assert not takes_key(read(method, base + path), method)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"), ("GET", "/v1/models/m"), ("HEAD", "/api/tags"), ("POST", "/api/show"), ("GET", "/"),
        ("GET", "/health"), ("HEAD", "/v1/health/"), ("POST", "/v1/responses/compact"), ("POST", "/responses/compact"),
        ("POST", "/v1/fim/completions"), ("POST", "/openai/deployments/x/chat/completions"),
        ("POST", "/openai/v1/responses/compact"), ("POST", "/openai/responses/compact/"), ("POST", "/api/v1/complete"),
        ("POST", "/v1beta/openai/responses/input_tokens"), ("POST", "/proxy/v1/ocr"), ("POST", "//v1//ocr"),
    ],
)  # fmt: skip
def test_what_agents_need_does(method: str, path: str) -> None:
    """Lists, one model, health, and what asks a model under a name of its own."""
    assert takes_key(read(method, path), method)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/files"), ("POST", "/v1/files"), ("GET", "/v1/batches"), ("POST", "/v1/messages/batches"),
        ("GET", "/admin/keys"), ("POST", "/v1/organization/admin_api_keys"), ("DELETE", "/v1/models/m"),
        ("GET", "/v1/chat/completions/id"), ("POST", "/v1/responses/id/cancel"), ("POST", "/health"),
        ("POST", "/admin/v1/responses/compact"), ("GET", "/v1/responses/compact"), ("GET", "/metrics"),
        ("POST", "/openai/v1/admin/v1/ocr"), ("POST", "/v1/files/ocr"), ("POST", "/v1/ocr/x"),
        ("GET", "/openai/v1/ocr"), ("POST", "/%6fpenai/v1/ocr"), ("PUT", "/v1/ocr"), ("GET", "/admin/health"),
        ("POST", "/openai/deployments/x/admin"), ("POST", "/x/../v1/messages"), ("GET", "/v1/realtime"),
        *(("POST", path) for path in MANAGEMENT), ("DELETE", "/api/delete"),
    ],
)  # fmt: skip
def test_a_plain_pass_through_does_not(method: str, path: str) -> None:
    """Whatever it is: it may be everybody's files, or keys."""
    assert not takes_key(read(method, path), method)


def test_what_asks_has_one_path() -> None:
    """That of OpenAI's own base URL, whatever noise the client's has; what is none has none."""
    for path in ("/v1/responses/compact", "/responses/compact", "/openai/v1/responses/compact/"):
        assert asking_path(read("POST", path)) == "/v1/responses/compact"
    for path in ("/admin/v1/responses/compact", "/v1/files", "/v1/responses", "/", "/v1/models/ocr"):
        assert asking_path(read("POST", path)) == ""


def test_a_websocket_does_on_the_paths_that_are_for_it() -> None:
    """And nowhere else: the field alone makes no WebSocket of a request."""
    for path in (
        "/v1/realtime?model=m", "/realtime", "/openai/realtime", "/v1/responses", "/responses/", "/openai/v1/responses",
        "/openai/v1/realtime", "/v1/realtime/translations", "/api/paas/v4/realtime", "/api-ws/v1/realtime",
        "/api-ws/v1/inference", "/v1/audio/transcriptions/realtime", "/v1/listen?model=nova", "/v2/listen", "/v1/speak",
        "/v1/text-to-speech/voice/stream-input", "/v1/text-to-speech/voice/multi-stream-input", "/gateway/v1/listen",
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k",
    ):  # fmt: skip
        assert takes_key(read("GET", path), "GET", websocket=True)
    for method, path in [
        ("GET", "/admin/realtime"), ("GET", "/admin/v1/responses"), ("POST", "/v1/chat/completions"),
        ("GET", "/v1/files"), ("POST", "/v1/realtime"), ("GET", "/admin/v1/listen"), ("GET", "/v1/keys/speak"),
        ("GET", "/v1/text-to-speech/a/b/stream-input"), ("GET", "/ws/x"), ("GET", "/x/ws/a.b.BidiGenerateContent"),
        ("GET", "/v1/listen/x"), ("GET", "/v1/text-to-speech/%2f%2fadmin%2fkeys%3f/stream-input"),
    ]:  # fmt: skip
        assert not takes_key(read(method, path), method, websocket=True)
