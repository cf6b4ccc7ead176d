"""Telemetry: makes spans and figures of records, and has OpenTelemetry's SDK send them, from threads of its own.

The SDK's variables say where to and how: OTEL_EXPORTER_OTLP_ENDPOINT and its kin, OTEL_SERVICE_NAME,
OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_TRACES_EXPORTER=none, OTEL_METRICS_EXPORTER=none,
OTEL_METRIC_EXPORT_INTERVAL, OTEL_BSP_*. What an endpoint does not take is dropped by the SDK, in bounded queues.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.state.metrics.names import Names
from switchman.addons.state.telemetry import wording

SCOPE: Final = "switchman"
TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
PATIENCE: Final = 2.0  # seconds that the last spans and figures have at the end


class Telemetry:
    """One of Runtime.observers, where an endpoint is set. `rules`: in force; figures have their names, and
    `most_names` others.
    """

    def __init__(self, rules: Callable[[], Ruleset], most_names: int) -> None:
        self._rules = rules
        self._obeyed: Ruleset | None = None
        self._names = Names(None, most_names)
        resource = Resource.create(_identity(os.environ))
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._exporters: list[OTLPSpanExporter | OTLPMetricExporter] = []
        if _wants(os.environ, "TRACES"):
            self._exporters.append(spans := OTLPSpanExporter())
            self._traces.add_span_processor(BatchSpanProcessor(spans))
        readers = []
        if _wants(os.environ, "METRICS"):
            self._exporters.append(figures := OTLPMetricExporter())
            readers.append(PeriodicExportingMetricReader(figures))
        self._meters = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer(SCOPE, version("switchman"))
        meter = self._meters.get_meter(SCOPE, version("switchman"))
        self._requests = meter.create_counter("switchman.requests", "{request}", "Requests that are over.")
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "Duration of an attempt at a model.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._first_token = meter.create_histogram(
            "gen_ai.server.time_to_first_token",
            "s",
            "From a request's start to the first token of its stream, as its client sees it.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens of a prompt, and of an answer.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )
        self._context = TraceContextTextMapPropagator()

    def count(self, record: Record) -> None:
        """Tell of a request that is over, and of its attempts."""
        self._measure(record)
        parent = self._context.extract(wording.trace_headers(record))
        model = record.requested_model or record.model
        span = self._tracer.start_span(
            wording.name_of(record, model), parent, SpanKind.SERVER, start_time=_ns(record.started_at)
        )
        if span.is_recording():
            span.set_attributes(wording.request_words(record))
            for words in wording.decision_words(record):
                span.add_event("switchman.decision", words, _ns(record.started_at))
            if record.outcome not in wording.GOOD and (record.status >= 500 or record.outcome == "stream_error"):
                span.set_status(StatusCode.ERROR)  # of a SERVER span, a 4xx is none
            within = trace.set_span_in_context(span)
            for attempt in record.attempts:
                one = self._tracer.start_span(
                    wording.name_of(record, attempt.model or model),
                    within,
                    SpanKind.CLIENT,
                    wording.attempt_words(record, attempt),
                    start_time=_ns(attempt.started_at),
                )
                if attempt.outcome not in ("ok", "cancelled"):
                    one.set_status(StatusCode.ERROR)
                one.end(_ns(attempt.started_at, attempt.duration_ms))
        span.end(_ns(record.started_at, record.duration_ms))

    def unlogged(self) -> None:
        """Refusals that are alike are no spans: they would be a flood."""

    def _measure(self, record: Record) -> None:
        if (rules := self._rules()) is not self._obeyed:
            self._obeyed = rules
            self._names.obey(rules)
        answered = record.outcome in ("ok", "cached")
        server = self._names.of("server", record.server or "", answered)
        model = self._names.of("model", record.model or "", answered)
        self._requests.add(
            1,
            {
                "switchman.server": server, "gen_ai.request.model": model, "switchman.layer": record.layer or "",
                "switchman.outcome": record.outcome,
            },
        )  # fmt: skip
        for attempt in record.attempts:
            words = self._labels(record, attempt)
            error = {} if attempt.outcome == "ok" else {"error.type": attempt.outcome}
            self._duration.record(attempt.duration_ms / 1000, words | error)
        if not record.attempts or record.attempts[-1].outcome != "ok":
            return
        words = self._labels(record, record.attempts[-1])
        for kind, tokens in (("input", record.input_tokens), ("output", record.output_tokens)):
            if tokens is not None:
                self._tokens.record(tokens, words | {"gen_ai.token.type": kind})
        if record.ttft_ms is not None:
            self._first_token.record(record.ttft_ms / 1000, words)

    def _labels(self, record: Record, attempt: AttemptRecord) -> dict[str, str]:
        answered = attempt.outcome == "ok"
        provider = wording.provider_of(attempt)
        return {
            "gen_ai.operation.name": wording.operation_of(record) or "",
            "gen_ai.provider.name": provider
            if provider != attempt.server
            else self._names.of("server", attempt.server, answered),
            "gen_ai.request.model": self._names.of("model", attempt.model or record.requested_model, answered),
        }

    def close(self) -> None:
        """Send what is left, for PATIENCE at most. Not on the event loop."""
        # The SDK tries an endpoint that is away again and again, until its exporter is shut down.
        hurry = threading.Timer(PATIENCE, lambda: [one.shutdown() for one in self._exporters])
        hurry.daemon = True
        hurry.start()
        try:
            self._traces.shutdown()
            self._meters.shutdown()
        finally:
            hurry.cancel()


def _identity(environment: Mapping[str, str]) -> dict[str, str]:
    """Of this worker; what the environment says of the service stands above it."""
    found = {"service.instance.id": secrets.token_hex(8), "service.version": version("switchman")}
    if not environment.get("OTEL_SERVICE_NAME") and "service.name=" not in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    ):
        found[SERVICE_NAME] = "switchman"
    return found


def _wants(environment: Mapping[str, str], signal: str) -> bool:
    """Whether a signal has somewhere to go, and is not switched off."""
    if environment.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() == "none":
        return False
    places = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    return any(environment.get(place) for place in places)


def _ns(seconds: float, milliseconds: float = 0.0) -> int:
    """Nanoseconds since 1970."""
    return int((seconds + milliseconds / 1000) * 1e9)
