"""Rewriting: makes the flow's request the one that the next candidate gets.

Each attempt starts from what the client sent. Only what a decision names is changed: scheme, host, port and path;
`model`, where it is renamed; the credentials of a server that has its own; `stream_options.include_usage`, where a
stream would otherwise not tell its usage; `/no_think`, where asked for; `accept-encoding`, as the answer must be read.
"""

from __future__ import annotations

import time
from typing import Any

from mitmproxy import http

from switchman.addons.core import jsonedit
from switchman.addons.core.call import Call
from switchman.addons.core.plan import Candidate
from switchman.addons.core.retry import RETRIABLE_STATUSES
from switchman.addons.core.ruleset import Server
from switchman.addons.core.urls import join
from switchman.addons.exchange import Attempt, Exchange, Sent, exchange
from switchman.addons.runtime import Runtime

Edits = dict[tuple[str | int, ...], Any]

# A server that rejects stream_options answers 400 (OpenAI's dialect) or 422 (FastAPI-based servers).
REJECTED = frozenset({400, 422})
CREDENTIALS = (b"authorization", b"x-api-key", b"api-key")


class Rewriting:
    """Applies the first candidate of the plan; Failover applies the later ones by the same `apply`."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        # Servers seen to reject an injected stream_options: they are not sent it again.
        self.without_usage: set[str] = set()

    def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response or x.plan is None:
            return
        self.apply(flow, x)
        x.routed = time.monotonic()

    def apply(self, flow: http.HTTPFlow, x: Exchange) -> None:
        """Make `flow.request` the attempt at the next candidate of the plan. Raises IndexError when there is none."""
        assert x.sent is not None and x.plan is not None
        candidate = x.plan.candidates[x.next_candidate]
        x.next_candidate += 1
        called = candidate.named(x.call.model if x.call else "")
        self.runtime.breakers.claim(called, time.monotonic())
        server, request = candidate.server, flow.request
        path, _, query = x.sent.path.partition("?")
        target = join(server.url, x.call.endpoint.path if x.call else path)
        request.data.scheme = server.url.scheme.encode()
        request.data.host, request.data.port = server.url.host, server.url.port
        request.data.path = (f"{target}?{query}" if query else target).encode("utf-8", "surrogateescape")
        edits, injected = self._edits(x.call, candidate) if x.call else ({}, False)
        content = x.sent.content
        fields = [field for field in x.sent.fields if self._goes_on(field[0], server)]
        if edits and x.call:
            content = jsonedit.edit(x.call.text, edits, x.call.spans).encode("utf-8", "surrogatepass")
            fields = [field for field in fields if field[0].lower() != b"content-encoding"]
        request.data.headers = self._headers(fields, server, x, len(content) if content is not x.sent.content else None)
        request.data.content = content
        if self.runtime.is_own_token(request.headers.get("authorization", "")):
            del request.headers["authorization"]
        more = x.next_candidate < len(x.plan.candidates)
        x.attempts.append(
            Attempt(
                number=len(x.attempts) + 1,
                candidate=candidate,
                target=called,
                url=f"{server.url.scheme}://{server.url.host}:{server.url.port}{target}",
                started_at=time.time(),
                started=time.monotonic(),
                swallow=(RETRIABLE_STATUSES | server.retry_on if more else frozenset())
                | (REJECTED if injected else frozenset()),
                injected=injected,
            )
        )

    def _edits(self, call: Call, candidate: Candidate) -> tuple[Edits, bool]:
        """What changes in the body, and whether a usage report was asked for on the router's own account."""
        edits: Edits = {}
        if candidate.model and candidate.model != call.model:
            edits[("model",)] = candidate.model
        injected = self._wants_usage_injected(call, candidate.server)
        if injected:
            edits[("stream_options", "include_usage")] = True
        if self.runtime.rules.current.disables_thinking_for(candidate, call.model):
            edits.update(_no_think(call))
        return edits, injected

    def _wants_usage_injected(self, call: Call, server: Server) -> bool:
        if call.dialect != "openai" or call.endpoint.operation not in ("chat", "completion") or not call.stream:
            return False
        options = call.body.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage") is not None:
            return False
        return (options is None or isinstance(options, dict)) and server.name not in self.without_usage

    def _goes_on(self, name: bytes, server: Server) -> bool:
        lower = name.lower()
        if lower.startswith(b"x-switchman-"):
            return False
        return not (lower in CREDENTIALS and (server.api_key is not None or not server.forward_auth))

    def _headers(
        self, fields: list[tuple[bytes, bytes]], server: Server, x: Exchange, length: int | None
    ) -> http.Headers:
        headers = http.Headers(fields)
        default_port = {"http": 80, "https": 443}[server.url.scheme]
        host = f"[{server.url.host}]" if ":" in server.url.host else server.url.host
        headers["host"] = host if server.url.port == default_port else f"{host}:{server.url.port}"
        if x.call is not None:
            headers["accept-encoding"] = "identity"
        if length is not None and "transfer-encoding" not in headers:
            headers["content-length"] = str(length)
        if server.api_key is not None:
            key = server.api_key.get_secret_value()
            if server.dialect == "anthropic":
                headers["x-api-key"] = key
            else:
                headers["authorization"] = f"Bearer {key}"
        for name, value in server.headers.items():
            headers[name] = value
        return headers


def _no_think(call: Call) -> Edits:
    """Ask the model not to think: the switch that the dialect has, else `/no_think` after the last user message.

    `/no_think` is the soft switch of Qwen3's chat template; a model that does not know it reads two harmless words.
    """
    if call.dialect == "ollama":
        return {
            ("think",): False
        }  # Ollama's API: "think (for thinking models) should the model think before responding"
    if call.dialect == "anthropic":
        return {("thinking",): {"type": "disabled"}} if "thinking" in call.body else {}
    if isinstance(prompt := call.body.get("prompt"), str):
        return {("prompt",): f"{prompt} /no_think"}
    messages = call.body.get("messages")
    if not isinstance(messages, list):
        return {}
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, dict) and message.get("role") == "user":
            return _appended(index, message.get("content"))
    return {}


def _appended(index: int, content: object) -> Edits:
    if isinstance(content, str):
        return {("messages", index, "content"): f"{content} /no_think"}
    if isinstance(content, list):
        for part in range(len(content) - 1, -1, -1):
            piece = content[part]
            if isinstance(piece, dict) and isinstance(piece.get("text"), str):
                return {("messages", index, "content", part, "text"): f"{piece['text']} /no_think"}
    return {}


__all__ = ["Rewriting", "Sent"]
