"""Which requests may take a server's own key with them: operations of models, and the few paths that are named here.

All others are a plain pass-through: what they do at the server is not known (`GET /v1/files` lists everybody's files,
`POST /admin/keys` makes keys), and a model in their body makes them no operation. They get a server's key only where
its `pass_through: true` says so.

Sources: https://platform.openai.com/docs/api-reference (responses/compact, responses/input_tokens), which Codex asks
for; https://docs.mistral.ai/api (fim, ocr); Anthropic's old /v1/complete; /health of vLLM and llama.cpp.
"""

from __future__ import annotations

from typing import Final

from switchman.addons.core.paths.reading import Reading

# They name a model in their body, and do nothing but to ask it.
_ASKING: Final = frozenset(
    {"/v1/complete", "/v1/fim/completions", "/v1/ocr", "/v1/responses/compact", "/v1/responses/input_tokens"}
)
_HEALTH: Final = frozenset({"/health", "/v1/health"})
# Over a WebSocket: OpenAI's Realtime API, and its Responses API.
_SOCKETS: Final = frozenset(
    {"/openai/realtime", "/openai/v1/realtime", "/realtime", "/responses", "/v1/realtime", "/v1/responses"}
)


def takes_key(reading: Reading, method: str, *, websocket: bool = False) -> bool:
    """Whether a request may get a server's own key without `pass_through`. `websocket`: it asks for one."""
    method, path = method.upper(), reading.path.rstrip("/")
    if websocket:
        return method == "GET" and path in _SOCKETS and not reading.prefix
    match reading.kind:
        case "operation":
            known = reading.endpoint is not None and reading.endpoint.operation != "other"
            return method == "POST" and known
        case "management" | "malformed":
            return False
        case "other":
            if method in ("GET", "HEAD"):
                return path in _HEALTH
            return method == "POST" and (path in _ASKING or f"/v1{path}" in _ASKING)
        case _:
            return True  # the router's own answers, and what is told of one model
