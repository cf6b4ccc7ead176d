"""When OpenTelemetry is loaded."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import switchman.addons
from switchman.addons.hooks.recording.telling import ENDPOINTS, Telling
from switchman.addons.state.runtime import Runtime

ADDONS = Path(switchman.addons.__file__).parent
# Who imports the libraries, and is imported within a function only.
LAZY = {"state/telemetry/otlp.py", "state/metrics/exposing.py"}
LIBRARIES = re.compile(r"^ *(?:from|import) (?:opentelemetry|prometheus_client)\b", re.M)
AT_ONCE = re.compile(r"^(?:from|import) switchman\.addons\.state\.(?:telemetry\.otlp|metrics\.exposing)\b", re.M)


def test_nothing_of_it_is_loaded_at_the_start() -> None:
    """Nor what writes /metrics: a worker starts as fast as before, and takes as little memory."""
    sources = {path.relative_to(ADDONS).as_posix(): path.read_text() for path in ADDONS.rglob("*.py")}
    assert {name for name, text in sources.items() if LIBRARIES.search(text)} == LAZY
    assert not [name for name, text in sources.items() if AT_ONCE.search(text)]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_any_of_the_endpoints_turns_it_on_and_the_sdks_own_switch_off(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the extra is missing, one line says how to get it, and the router serves."""
    monkeypatch.setitem(cast(Any, sys.modules), "switchman.addons.state.telemetry.otlp", None)  # as if it were missing
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    runtime = cast(Runtime, SimpleNamespace(observers=[]))
    telling = Telling(runtime)
    telling.running()
    assert 'pip install "switchman[otel]"' in caplog.text and not runtime.observers
    caplog.clear()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    telling.running()
    asyncio.run(telling.done())
    assert not caplog.text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999", "max_export_batch_size must be"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer zq-hush-hush", "OTEL_EXPORTER_OTLP_HEADERS is not sent"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=ok,zq-hush-hush", "OTEL_EXPORTER_OTLP_HEADERS is not sent"),
    ],
)
def test_a_variable_that_the_sdk_cannot_use_stops_no_start_and_tells_no_key(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what is wrong."""
    monkeypatch.setenv(ENDPOINTS[0], "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    monkeypatch.setenv(name, value)
    rules = SimpleNamespace(current=None)
    runtime = cast(Runtime, SimpleNamespace(observers=[], rules=rules, settings=SimpleNamespace(metrics_names=1)))
    telling = Telling(runtime)
    telling.running()
    asyncio.run(telling.done())
    assert words in caplog.text and "zq-hush" not in caplog.text and runtime.observers == []
