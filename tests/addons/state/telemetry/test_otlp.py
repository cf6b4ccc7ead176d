"""What is read of OpenTelemetry's variables; what is sent is shown in tests/e2e/test_telemetry.py, by a receiver."""

from __future__ import annotations

import pytest

from switchman.addons.state.telemetry.otlp import _identity, _ns, _wants


@pytest.mark.parametrize(
    ("environment", "wants"),
    [({}, False), ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True), ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
     ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
     ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x"}, False),
     ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": " None"}, False),
     ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_METRICS_EXPORTER": "none"}, True)],
)  # fmt: skip
def test_a_signal_goes_where_an_endpoint_is_named_for_it(environment: dict[str, str], wants: bool) -> None:
    """Unless it is switched off."""
    assert _wants(environment, "TRACES") is wants


def test_the_environment_says_what_the_service_is_called() -> None:
    """Else it is switchman; each worker is an instance of its own, so that their counters are told apart."""
    assert _identity({})["service.name"] == "switchman"
    for named in ({"OTEL_SERVICE_NAME": "x"}, {"OTEL_RESOURCE_ATTRIBUTES": "a=b,service.name=x"}):
        assert "service.name" not in _identity(named)
    assert _identity({})["service.instance.id"] != _identity({})["service.instance.id"]


def test_times_are_nanoseconds() -> None:
    """Since 1970."""
    assert _ns(1_700_000_000.0, 1500.0) == 1_700_000_001_500_000_000
