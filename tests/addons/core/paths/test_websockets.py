"""Which paths are a WebSocket's."""

from __future__ import annotations

import pytest

from switchman.addons.core.paths.websockets import model_of_socket, takes_websockets


@pytest.mark.parametrize(
    "path",
    [
        "/v1/realtime", "/v1/realtime?model=gpt-realtime", "/realtime", "/v1/realtime/", "//v1//realtime",
        "/openai/v1/realtime?model=m", "/openai/realtime?api-version=1&deployment=d", "/v1/realtime/translations",
        "/v1/responses", "/responses", "/backend-api/codex/responses", "/api/paas/v4/realtime", "/api-ws/v1/realtime",
        "/api-ws/v1/inference", "/v1/audio/transcriptions/realtime", "/v1/listen?model=nova", "/v1/speak",
        "/v1/text-to-speech/voice/stream-input", "/v1/text-to-speech/voice/multi-stream-input",
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k",
        "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained",
        "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent",
        "/gateway/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateMusic",
    ],
)  # fmt: skip
def test_what_providers_have_is_known(path: str) -> None:
    """Behind whatever base URL."""
    assert takes_websockets(path)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/responses/resp_1", "/v1/realtime/sessions",
        "/ws",
        "/v1/realtimes", "/xrealtime", "/admin?x=/v1/realtime", "/ws/a.b", "/ws/a.BidiGenerateContent/x", "/v1/models",
    ],
)  # fmt: skip
def test_no_other_one_is(path: str) -> None:
    """Else a key would be spent where nobody is known to speak."""
    assert not takes_websockets(path)


@pytest.mark.parametrize(
    ("path", "takes"),
    [("/ws", True), ("/ws/", True), ("/ws/x", False), ("/feed/a/b", True), ("/feed", False), ("/feeds/", False)],
)
def test_others_can_be_named(path: str, takes: bool) -> None:
    """One by one, or all that begin so."""
    assert takes_websockets(path, ("/ws", "/feed/*")) is takes


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/realtime?model=gpt-realtime", "gpt-realtime"),
        ("/openai/realtime?api-version=1&model=a%2Fb", "a/b"),
        ("//v1//realtime/?model=m", "m"),
        ("/v1/realtime", ""),
        ("/v1/realtime?model=a&model=b", ""),
        ("/v1/realtime?model=a&m%6Fdel=b", ""),
        ("/v1/responses?model=a", ""),
        ("/v1/realtime/translations?model=a", ""),
        ("/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?model=a", ""),
    ],
)
def test_which_names_its_model(path: str, model: str) -> None:
    """Only the Realtime API's, by its query, once; the frames of others do."""
    assert model_of_socket(path) == model
