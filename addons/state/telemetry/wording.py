"""A record in the words of OpenTelemetry's semantic conventions for generative AI (gen_ai.*, as of v1.41) and HTTP.

No prompt, answer, header, address of a client or name of a caller is among them, nor sentences that may quote one.
Pure; the SDK is not needed for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.core.texts.masking import mask_url
from switchman.addons.state.metrics.catalogue import OTHER
from switchman.addons.state.metrics.names import is_name

Value = str | int | float | bool | tuple[str, ...]
Words = dict[str, Value]

# gen_ai.operation.name has these values; others are said by our own word.
OPERATIONS: Final = {
    "chat": "chat", "responses": "chat", "completion": "text_completion", "embedding": "embeddings",
    "embedding_legacy": "embeddings",
}  # fmt: skip
# gen_ai.provider.name by the host that is asked; of others it is the server's name in the rules.
PROVIDERS: Final = {
    "api.openai.com": "openai", "api.anthropic.com": "anthropic", "generativelanguage.googleapis.com": "gcp.gemini",
    "api.groq.com": "groq", "api.mistral.ai": "mistral_ai", "api.deepseek.com": "deepseek", "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity", "api.cohere.com": "cohere", "api.cohere.ai": "cohere",
}  # fmt: skip
PROVIDER_DOMAINS: Final = {
    ".openai.azure.com": "azure.ai.openai", ".services.ai.azure.com": "azure.ai.inference",
    ".amazonaws.com": "aws.bedrock", "aiplatform.googleapis.com": "gcp.vertex_ai",
}  # fmt: skip
GOOD: Final = frozenset({"ok", "cached", "answered"})


def model_word(model: str | None) -> str | None:
    """A model's name; what looks like none may be a prompt in the wrong field, and is `other`."""
    return (model if is_name(model) else OTHER) if model else None


def operation_of(record: Record) -> str | None:
    return OPERATIONS.get(record.operation, record.operation) if record.operation else None


def provider_of(attempt: AttemptRecord) -> str:
    host = urlsplit(attempt.url).hostname or ""
    domain = next((name for end, name in PROVIDER_DOMAINS.items() if host.endswith(end)), "")
    return PROVIDERS.get(host) or domain or attempt.server


def name_of(record: Record, model: str | None) -> str:
    """Of a span: `chat llama3`; of what is no operation of a model, the method alone, as paths come from clients."""
    operation, word = operation_of(record), model_word(model)
    return f"{operation} {word}" if operation and word else operation or record.method


def request_words(record: Record) -> Words:
    """Of the span of a request."""
    return _known(
        {
            "http.request.method": record.method,
            "url.path": mask_url(record.path.partition("?")[0])[:300],
            "http.response.status_code": record.status,
            "error.type": record.error_class if record.outcome not in GOOD else None,
            "gen_ai.operation.name": operation_of(record),
            "gen_ai.request.model": model_word(record.requested_model),
            "gen_ai.request.stream": record.streamed or None,
            **_answer_words(record),
            "switchman.request_id": record.id,
            "switchman.outcome": record.outcome,
            "switchman.layer": record.layer,
            "switchman.route": record.route,
            "switchman.server": record.server,
            "switchman.cache": record.cache,
            "switchman.attempts": len(record.attempts),
            "switchman.overhead": _seconds(record.overhead_ms),
            "switchman.cost": record.cost * 1e-6 if record.cost is not None else None,
        }
    )


def _answer_words(record: Record) -> dict[str, Value | None]:
    return {
        "gen_ai.response.model": model_word(record.model),
        "gen_ai.response.finish_reasons": (record.finish_reason,) if record.finish_reason else None,
        "gen_ai.response.time_to_first_chunk": _seconds(record.ttft_ms),
        "gen_ai.usage.input_tokens": record.input_tokens,
        "gen_ai.usage.output_tokens": record.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": record.reasoning_tokens,
    }


def attempt_words(record: Record, attempt: AttemptRecord) -> Words:
    """Of the span of an attempt. The usage is at the one that answered."""
    address = urlsplit(attempt.url)
    answered = attempt.number == record.attempts[-1].number and attempt.outcome == "ok"
    answer = _answer_words(record) if answered else {}
    answer.pop("gen_ai.response.time_to_first_chunk", None)  # it is from the request's start
    return _known(
        {
            "gen_ai.operation.name": operation_of(record),
            "gen_ai.provider.name": provider_of(attempt),
            "gen_ai.request.model": model_word(attempt.model or record.requested_model),
            "server.address": address.hostname,
            "server.port": address.port or {"https": 443, "http": 80}.get(address.scheme),
            "http.response.status_code": attempt.status,
            "error.type": attempt.outcome if attempt.outcome != "ok" else None,
            **answer,
            "switchman.server": attempt.server,
            "switchman.attempt": attempt.number,
            "switchman.first_byte": _seconds(attempt.first_byte_ms),
            "switchman.cost": attempt.cost * 1e-6 if attempt.cost is not None else None,
        }
    )


def decision_words(record: Record) -> Iterator[Words]:
    """A layer of the decision each: what it came to, not its sentence, which may quote the prompt."""
    for line in record.trace:
        told = {"layer": line["layer"], "outcome": line["outcome"], "score": line.get("score")}
        yield _known(
            {f"switchman.{name}": value for name, value in told.items()}
            | {"switchman.elapsed": _seconds(line.get("elapsed_ms"))}
        )


def trace_headers(record: Record) -> dict[str, str]:
    """The client's own traceparent and tracestate; two of the first are none (W3C Trace Context)."""
    found: dict[str, list[str]] = {"traceparent": [], "tracestate": []}
    for name, value in record.request_headers:
        if name.lower() in found:
            found[name.lower()].append(value)
    if len(found["traceparent"]) != 1:
        return {}
    return {name: ",".join(values) for name, values in found.items() if values}


def _seconds(milliseconds: float | None) -> float | None:
    return milliseconds / 1000 if milliseconds is not None else None


def _known(words: dict[str, Value | None]) -> Words:
    return {name: value for name, value in words.items() if value is not None}
