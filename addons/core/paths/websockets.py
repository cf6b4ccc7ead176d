"""Which paths are a WebSocket's. On any other one a handshake is refused: nobody is known to speak there.

Sources: OpenAI's "Realtime API" and "WebSocket mode" of the Responses API (Codex speaks it, too), both of which vLLM,
LocalAI, xAI, Inworld and others have taken over; Azure's /openai/realtime and /openai/v1/realtime; Alibaba's
/api-ws/v1/realtime and /api-ws/v1/inference; Mistral's /v1/audio/transcriptions/realtime; ElevenLabs's and Deepgram's
references for speech; Gemini's "Live API - WebSockets API reference", and that of Vertex:
/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_plus

from switchman.addons.core.paths.named import value

# The ends of paths. A path's beginning is a base URL's, and each provider has its own.
_ENDS: Final = (
    "/realtime",
    "/realtime/translations",
    "/responses",
    "/api-ws/v1/inference",
    "/v1/listen",
    "/v2/listen",
    "/v1/speak",
    "/stream-input",
    "/multi-stream-input",
)
_REALTIME: Final = ("/v1/realtime", "/openai/realtime")
_BIDI: Final = re.compile(r".*/ws/[\w.]+[./]Bidi[A-Za-z]+")


def model_of_socket(path: str) -> str:
    """The model of a Realtime API's WebSocket, which its query names, and no frame changes ("voice and model" cannot be
    updated: https://platform.openai.com/docs/api-reference/realtime-client-events/session/update). "" for any other.
    """
    path, _, query = path.partition("?")
    whole = "/" + "/".join(segment for segment in path.split("/") if segment)
    names = [unquote_plus(one.partition("=")[0]) for one in query.split("&")]
    if not whole.endswith(_REALTIME) or names.count("model") != 1:
        return ""
    return value(query, "model")


def takes_websockets(path: str, more: Iterable[str] = ()) -> bool:
    """Whether a path (with a query or without) is a WebSocket's.

    `more`: further paths, exact, or ending with `*` for all that begin so.
    """
    path = path.partition("?")[0]
    whole = "/" + "/".join(segment for segment in path.split("/") if segment)
    if whole.endswith(_ENDS) or _BIDI.fullmatch(whole):
        return True
    return any(whole.startswith(one[:-1]) if one.endswith("*") else whole == (one.rstrip("/") or "/") for one in more)
