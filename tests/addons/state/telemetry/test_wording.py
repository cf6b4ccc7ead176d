"""A record in OpenTelemetry's words."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, http_attributes
from opentelemetry.semconv.attributes import error_attributes, server_attributes, url_attributes

from switchman.addons.state.telemetry import wording
from switchman.addons.testing.samples import make_attempt, make_record

KNOWN = {
    value
    for module in (gen_ai_attributes, http_attributes, error_attributes, server_attributes, url_attributes)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str)
}
PROMPT = "the words of a prompt"
LINE = {"layer": "rules", "outcome": "hit", "detail": PROMPT, "score": 0.5, "elapsed_ms": 20.0, "earlier": None}


def record(**fields: Any) -> Any:
    """One in which all is known."""
    tries = (
        make_attempt(1, server="a", outcome="timeout", status=None, error=PROMPT, url="http://10.0.0.1:8000/v1"),
        make_attempt(2, server="b", url="https://api.openai.com/v1/chat/completions?key=k", cost=2_500_000),
    )
    whole = {
        "operation": "chat", "requested_model": "auto", "model": "m", "server": "b", "layer": "rules", "route": "r",
        "outcome": "ok", "status": 200, "ttft_ms": 150.0, "overhead_ms": 2.0, "input_tokens": 9, "output_tokens": 4,
        "cached_tokens": 3, "reasoning_tokens": 2, "finish_reason": "stop", "cost": 2_500_000, "cache": "miss",
        "streamed": True, "attempts": tries, "trace": (LINE,), "path": "/v1/chat/completions?key=secret-key",
    }  # fmt: skip
    return make_record(**whole | fields)


def test_a_request_says_all_that_is_known() -> None:
    """In seconds and dollars; a query is no part of its path."""
    told = wording.request_words(record())
    assert told == {
        "http.request.method": "POST", "url.path": "/v1/chat/completions", "http.response.status_code": 200,
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "auto", "gen_ai.request.stream": True,
        "gen_ai.response.model": "m", "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.15, "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 3, "gen_ai.usage.reasoning.output_tokens": 2,
        "switchman.request_id": record().id, "switchman.outcome": "ok", "switchman.layer": "rules",
        "switchman.route": "r", "switchman.server": "b", "switchman.cache": "miss", "switchman.attempts": 2,
        "switchman.overhead": 0.002, "switchman.cost": 2.5,
    }  # fmt: skip
    assert wording.request_words(record(outcome="failed", error_class="timeout"))["error.type"] == "timeout"


def test_an_attempt_says_where_it_went_and_how_it_ended() -> None:
    """The usage is at the one that answered; an address has no key in it."""
    failed, good = (wording.attempt_words(record(), attempt) for attempt in record().attempts)
    assert failed["error.type"] == "timeout" and failed["gen_ai.provider.name"] == "a"
    assert (failed["server.address"], failed["server.port"]) == ("10.0.0.1", 8000)
    assert not [name for name in failed if "usage" in name]
    assert good["gen_ai.provider.name"] == "openai" and good["gen_ai.usage.input_tokens"] == 9
    assert (good["server.address"], good["server.port"]) == ("api.openai.com", 443)
    assert good["switchman.cost"] == 2.5 and "error.type" not in good


def test_words_are_those_of_the_conventions() -> None:
    """Or begin with our own name; no sentence that may quote a prompt is among them, and no key."""
    whole = record()
    told = [wording.request_words(whole), *(wording.attempt_words(whole, one) for one in whole.attempts)]
    told += wording.decision_words(whole)
    assert {name for words in told for name in words if not name.startswith("switchman.")} <= KNOWN
    assert PROMPT not in str(told) and "key" not in str(told)
    assert told[-1] == {
        "switchman.layer": "rules", "switchman.outcome": "hit", "switchman.score": 0.5, "switchman.elapsed": 0.02,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "provider"),
    [("https://api.anthropic.com/v1/messages", "anthropic"), ("https://x.openai.azure.com/openai", "azure.ai.openai"),
     ("https://bedrock-runtime.eu-west-1.amazonaws.com", "aws.bedrock"), ("http://localhost:11434/api", "up"),
     ("https://europe-west1-aiplatform.googleapis.com/v1", "gcp.vertex_ai"), ("", "up")],
)  # fmt: skip
def test_a_provider_is_known_by_its_host(url: str, provider: str) -> None:
    """Any other is called as the rules call its server."""
    assert wording.provider_of(make_attempt(1, server="up", url=url)) == provider


def test_names_of_spans_are_few() -> None:
    """What is no operation has its method, and what is no name is `other`: both come from clients."""
    assert wording.name_of(record(), "llama3:8b") == "chat llama3:8b"
    assert wording.name_of(record(operation="embedding"), PROMPT) == "embeddings other"
    assert wording.name_of(record(operation="chat"), None) == "chat"
    assert wording.name_of(record(operation=None, path="/v1/files/x"), None) == "POST"
    assert wording.request_words(record(requested_model=PROMPT))["gen_ai.request.model"] == "other"


@pytest.mark.parametrize(
    ("fields", "found"),
    [((), {}), ((("TraceParent", "a"), ("tracestate", "b")), {"traceparent": "a", "tracestate": "b"}),
     ((("traceparent", "a"), ("tracestate", "b"), ("tracestate", "c")), {"traceparent": "a", "tracestate": "b,c"}),
     ((("traceparent", "a"), ("traceparent", "b")), {}), ((("tracestate", "b"),), {})],
)  # fmt: skip
def test_the_clients_trace_is_that_of_one_header(fields: Any, found: dict[str, str]) -> None:
    """Two of them are none, and a state without one, too."""
    assert wording.trace_headers(record(request_headers=fields)) == found
