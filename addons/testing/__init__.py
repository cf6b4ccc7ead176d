"""The shipped test kit: builders with fixed ids and times, every_split(), and FakeUpstream, a server with knobs.

It needs no test framework, so users can try their own routes with it:
`python -m switchman.addons.testing --dialect ollama --port 8000 --fail-every 3`.

In it: a server that speaks each dialect, a raw client, samples.
Door: the names in its `__all__`.
May not import: mitmproxy, and all rooms but config, store and core.
"""

from switchman.addons.testing.behaviour import Behaviour, ToolCall, Usage
from switchman.addons.testing.demo import DEMOS, demo_upstream
from switchman.addons.testing.httpproxy import HttpProxy
from switchman.addons.testing.samples import (
    CHAT,
    ID,
    STARTED_AT,
    every_split,
    make_attempt,
    make_call,
    make_id,
    make_record,
)  # fmt: skip
from switchman.addons.testing.upstream import FakeUpstream
from switchman.addons.testing.wire import Received

__all__ = [
    "CHAT", "DEMOS", "ID", "STARTED_AT", "Behaviour", "FakeUpstream", "HttpProxy", "Received", "ToolCall", "Usage",
    "demo_upstream", "every_split", "make_attempt", "make_call", "make_id", "make_record",
]  # fmt: skip
