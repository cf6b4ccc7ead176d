"""Intake: what is refused before anybody reads it."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy.test import tflow, tutils

from switchman.addons.flow.exchange import Exchange, begin
from switchman.addons.hooks.inbound.intake import Intake

NO_RUNTIME: Any = None  # what is tested here needs none


@pytest.mark.parametrize("method", [b"TRACE", b"trace", b"Trace"])
def test_trace_is_refused_however_it_is_written(method: bytes) -> None:
    """A server that obeys tells the client what it was sent: the router's own key, too."""
    flow, x = tflow.tflow(req=tutils.treq(method=method)), Exchange("x", 0.0, 0.0, "")
    begin(flow, x)
    Intake(NO_RUNTIME).request(flow)
    assert flow.response is not None and flow.response.status_code == 405
    assert (x.outcome, x.call) == ("refused", None)


def test_other_methods_pass() -> None:
    """A path that is no LLM operation is left alone."""
    flow, x = tflow.tflow(req=tutils.treq(method=b"GET", path=b"/files")), Exchange("x", 0.0, 0.0, "")
    begin(flow, x)
    Intake(NO_RUNTIME).request(flow)
    assert (flow.response, x.call) == (None, None)
    assert x.sent is not None and x.sent.path == "/files"
