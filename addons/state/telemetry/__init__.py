"""Traces and metrics for any OTLP endpoint, in the words of OpenTelemetry's conventions for generative AI.

In it: what a record says in these words, and what sends it.
Door: `Telemetry`, which is imported only where an endpoint is set: it needs the extra `otel`.
May not import: proxy, hooks and what is above them.
"""
