"""A router that tells an OTLP endpoint what it does: a real receiver, which decodes by the package's own classes."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from switchman.addons.testing import FakeUpstream
from tests.e2e.conftest import PATIENCE, Proxy, Start, wait_until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{'a' * 32}-{SPAN}-00"
SECRET = "the very words of a prompt"
RULES = """
servers: {{up: "{up}", down: "http://127.0.0.1:9"}}
aliases: {{saved: {{instances: [down/m, up/llama3]}}}}
"""


class Receiver(ThreadingHTTPServer):
    """Takes what an OTLP exporter sends by HTTP, as protobuf."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.traces: list[Any] = []
        self.metrics: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[Any]:
        return [span for one in self.traces for part in one.resource_spans for scope in part.scope_spans
                for span in scope.spans]  # fmt: skip

    def points(self) -> dict[str, list[Any]]:
        """The points of each metric, as they were told last."""
        found: dict[str, list[Any]] = {}
        for one in self.metrics:
            for part in one.resource_metrics:
                for scope in part.scope_metrics:
                    for metric in scope.metrics:
                        found[metric.name] = list(getattr(metric, metric.WhichOneof("data")).data_points)
        return found


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
        self.server.bodies.append(body)
        if self.path == "/v1/traces":
            self.server.traces.append(ExportTraceServiceRequest.FromString(body))
        else:
            assert self.path == "/v1/metrics"
            self.server.metrics.append(ExportMetricsServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def words(span: Any) -> dict[str, Any]:
    """Attributes, as Python values."""
    found = {}
    for one in span.attributes:
        kind = one.value.WhichOneof("value")
        value = getattr(one.value, kind)
        found[one.key] = [item.string_value for item in value.values] if kind == "array_value" else value
    return found


def ask(proxy: Proxy, model: str, stream: bool = False, **headers: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": SECRET}], "stream": stream}
    return httpx.post(
        f"{proxy.url}/v1/chat/completions", json=body, headers={"authorization": "Bearer a-clients-key", **headers},
        timeout=PATIENCE, trust_env=False,
    )  # fmt: skip


def test_requests_and_attempts_are_spans_of_the_clients_trace(start: Start, receiver: Receiver) -> None:
    """Failed over, streamed, refused; without a log, too. The upstream gets the client's header, or none."""
    with FakeUpstream(name="up") as up:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "200", "ENABLE_LOGGING": "false", "OTEL_SERVICE_NAME": "llm-router",
        }  # fmt: skip
        proxy = start(RULES.format(up=up.url), environment)
        assert ask(proxy, "saved", traceparent=SAMPLED, tracestate="a=1").status_code == 200
        assert ask(proxy, "up/llama3", stream=True).status_code == 200
        assert ask(proxy, "up/llama3", traceparent=UNSAMPLED).status_code == 200
        assert ask(proxy, SECRET).status_code >= 400
        asked = [
            {name.decode().lower(): value.decode() for name, value in one.headers}
            for one in up.requests
            if one.path.endswith("/chat/completions")
        ]
        assert [one.get("traceparent") for one in asked] == [SAMPLED, None, UNSAMPLED]
        assert [one.get("tracestate") for one in asked] == ["a=1", None, None]
        wait_until(lambda: sum(span.kind == 2 for span in receiver.spans()) == 3)
        wait_until(lambda: sum(one.as_int for one in receiver.points().get("switchman.requests", [])) == 4)
        spans, points = receiver.spans(), receiver.points()
    first, streamed, refused = sorted(
        (span for span in spans if span.kind == 2), key=lambda span: span.start_time_unix_nano
    )
    assert first.trace_id.hex() == TRACE and first.parent_span_id.hex() == SPAN
    assert first.name == "chat saved" and first.end_time_unix_nano > first.start_time_unix_nano
    told = words(first)
    assert told["gen_ai.operation.name"] == "chat" and told["gen_ai.request.model"] == "saved"
    assert told["gen_ai.response.model"] == "llama3" and told["http.response.status_code"] == 200
    assert told["gen_ai.usage.input_tokens"] > 0 and told["gen_ai.response.finish_reasons"] == ["stop"]
    assert told["switchman.layer"] == "alias" and told["switchman.attempts"] == 2
    assert "alias" in {words(event)["switchman.layer"] for event in first.events}
    failed, answered = (span for span in spans if span.parent_span_id == first.span_id)
    assert (words(failed)["error.type"], failed.status.code, failed.kind) == ("connect", 2, 3)
    assert words(answered)["server.address"] == "127.0.0.1" and words(answered)["gen_ai.provider.name"] == "up"
    assert words(answered)["gen_ai.usage.output_tokens"] > 0 and answered.trace_id.hex() == TRACE
    assert not streamed.parent_span_id and words(streamed)["gen_ai.response.time_to_first_chunk"] > 0
    assert words(refused)["gen_ai.request.model"] == "other" and "error.type" in words(refused)

    assert {
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
        "gen_ai.server.time_to_first_token",
    } <= set(points)
    assert {words(one)["gen_ai.token.type"] for one in points["gen_ai.client.token.usage"]} == {"input", "output"}
    service = {one.key: one.value.string_value for one in receiver.traces[0].resource_spans[0].resource.attributes}
    assert service["service.name"] == "llm-router" and service["service.instance.id"]
    sent = b"".join(receiver.bodies)
    for private in (SECRET, "a-clients-key", json.dumps(SECRET)):
        assert private.encode() not in sent


def test_an_endpoint_that_is_away_costs_no_request_anything(start: Start) -> None:
    """Nor the start, nor the end."""
    with FakeUpstream(name="up") as up:
        proxy = start(
            RULES.format(up=up.url),
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.3"},
        )
        assert ask(proxy, "up/llama3").status_code == 200
        proxy.stop()
    assert "Traceback" not in proxy.output
