"""Which requests may take a server's own key with them: operations of models, and the few paths that are named here.

All others are a plain pass-through: what they do at the server is not known (`GET /v1/files` lists everybody's files,
`POST /admin/keys` makes keys), and a model in their body makes them no operation. They get a server's key only where
its `pass_through: true` says so. The paths are read as those of operations are: without the noise of base URLs before
them (`/openai/v1/responses/compact`), and behind no other prefix.

Sources: https://platform.openai.com/docs/api-reference (responses/compact, responses/input_tokens), which Codex asks
for; https://docs.mistral.ai/api (fim, ocr); Anthropic's old /v1/complete; /health of vLLM and llama.cpp. Those of
WebSockets are in websockets.py.
"""

from __future__ import annotations

import re
from typing import Final

from switchman.addons.core.paths.reading import Reading, without_noise

# They name a model in their body, and do nothing but to ask it.
_ASKING: Final = frozenset({"/complete", "/fim/completions", "/ocr", "/responses/compact", "/responses/input_tokens"})
_HEALTH: Final = frozenset({"/health", "/v1/health"})
# Over a WebSocket: OpenAI's Realtime API and its Responses API, and those of others who speak and listen.
_SOCKET: Final = re.compile(
    r"/realtime(/translations)?|/responses|/api-ws/v1/(realtime|inference)|/audio/transcriptions/realtime|/listen|/speak"
    r"|/text-to-speech/[A-Za-z0-9_-]+/(multi-)?stream-input|/ws/[\w.]+[./]Bidi[A-Za-z]+"
)


def takes_key(reading: Reading, method: str, *, websocket: bool = False) -> bool:
    """Whether a request may get a server's own key without `pass_through`. `websocket`: it asks for one."""
    method = method.upper()
    if websocket:
        known = _SOCKET.fullmatch(without_noise(reading.path)) is not None
        return method == "GET" and known and not reading.prefix
    match reading.kind:
        case "operation":
            known = reading.endpoint is not None and reading.endpoint.operation != "other"
            return method == "POST" and known
        case "management" | "malformed":
            return False
        case "other":
            if method in ("GET", "HEAD"):
                return reading.path.rstrip("/") in _HEALTH
            return method == "POST" and asking_path(reading) != ""
        case _:
            return True  # the router's own answers, and what is told of one model


def asking_path(reading: Reading) -> str:
    """The path of what asks a model under a name of its own, with its version, as `/v1/responses/compact`; else ""."""
    path = without_noise(reading.path) if reading.kind == "other" else ""
    return f"/v1{path}" if path in _ASKING else ""
