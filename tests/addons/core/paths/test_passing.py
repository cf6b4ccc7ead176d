"""Which requests may take a server's own key with them."""

from __future__ import annotations

import pytest

from switchman.addons.core.paths.passing import takes_key
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
        ("POST", "/openai/deployments/x/admin"), ("POST", "/x/../v1/messages"), ("GET", "/v1/realtime"),
        *(("POST", path) for path in MANAGEMENT), ("DELETE", "/api/delete"),
    ],
)  # fmt: skip
def test_a_plain_pass_through_does_not(method: str, path: str) -> None:
    """Whatever it is: it may be everybody's files, or keys."""
    assert not takes_key(read(method, path), method)


def test_a_websocket_does_on_the_paths_that_are_for_it() -> None:
    """And nowhere else: the field alone makes no WebSocket of a request."""
    for path in ("/v1/realtime?model=m", "/realtime", "/openai/realtime", "/v1/responses", "/responses/"):
        assert takes_key(read("GET", path), "GET", websocket=True)
    for method, path in [
        ("GET", "/admin/realtime"), ("GET", "/admin/v1/responses"), ("POST", "/v1/chat/completions"),
        ("GET", "/v1/files"), ("POST", "/v1/realtime"),
    ]:  # fmt: skip
        assert not takes_key(read(method, path), method, websocket=True)
