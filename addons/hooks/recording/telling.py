"""Telling: requests as traces and metrics for an OTLP endpoint, where OTEL_EXPORTER_OTLP_ENDPOINT names one.

The SDK is loaded only then; it is the extra `otel`. A client's traceparent is the parent of its request's span. The
header itself is passed on as it came, or not at all: a request's bytes are its client's.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Final

from switchman.addons.state.runtime import Runtime

if TYPE_CHECKING:
    from switchman.addons.state.telemetry.otlp import Telemetry

logger = logging.getLogger(__name__)

ENDPOINTS: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
MISSING = 'OTEL_EXPORTER_OTLP_ENDPOINT is set, but what sends there is not installed: pip install "switchman[otel]"'
# The SDK says here what it cannot read of OTEL_EXPORTER_OTLP_HEADERS: a header, which mostly holds a key.
HEADERS_LOGGER: Final = "opentelemetry.util.re"
WITHOUT: Final = "A header of OTEL_EXPORTER_OTLP_HEADERS is not sent: it is not NAME=VALUE, with %20 for a space."


def _without_header(record: logging.LogRecord) -> bool:
    record.msg, record.args = WITHOUT, ()
    return True


class Telling:
    """Opens what sends, and closes it when the last record is made.

    Writes: nothing.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.telemetry: Telemetry | None = None

    def running(self) -> None:
        if not any(os.environ.get(name) for name in ENDPOINTS):
            return
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return
        try:
            from switchman.addons.state.telemetry.otlp import Telemetry
        except ImportError as error:
            logger.warning("%s (%s)", MISSING, error)
            return
        # Its own warnings are told; that an endpoint is away is no error of ours, and stops no start.
        runtime = self.runtime
        logging.getLogger(HEADERS_LOGGER).addFilter(_without_header)
        try:
            self.telemetry = Telemetry(lambda: runtime.rules.current, runtime.settings.metrics_names)
        except (ValueError, TypeError, OSError) as error:  # the SDK's words for a variable that it cannot use
            logger.warning("Nothing is told by OpenTelemetry: %s", error)
            return
        runtime.observers.append(self.telemetry)

    async def done(self) -> None:
        if self.telemetry is not None:
            self.runtime.observers.remove(self.telemetry)
            await asyncio.to_thread(self.telemetry.close)
            self.telemetry = None
