"""HideUsage: takes the report of usage out of a stream whose client did not ask for one, while the router did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from switchman.addons.core.streams.events import Event

_NULL: Final = (b":null", b": null")


class HideUsage:
    """Stage for a client that did not ask for usage, while Switchman did (`stream_options.include_usage`).

    It drops the extra chunk (`"choices": []` with usage), and cuts out the `"usage": null` that the option adds to
    all others. A usage that a server sends unasked, with its last choice, stays.
    """

    def feed(self, event: Event) -> Sequence[Event]:
        payload = event.payload
        if payload is None or (at := payload.find(b'"usage"')) < 0:
            return (event,)
        if payload.startswith(_NULL, at + 7) and payload.find(b'"usage"', at + 7) < 0:
            cut_null(event, payload, at)
            return (event,)
        data = event.data
        if isinstance(data, dict) and data.get("choices") == [] and isinstance(data.get("usage"), dict):
            return ()
        return (event,)

    def end(self) -> Sequence[Event]:
        return ()


def cut_null(event: Event, payload: bytes, at: int) -> None:
    """Cut the null member at `at` out of the payload, with one comma."""
    head = payload[:at].rstrip()
    tail = payload[payload.index(b"null", at) + 4 :]
    if head.endswith(b","):
        event.set_payload(head[:-1] + tail)
    elif (rest := tail.lstrip()).startswith(b","):
        event.set_payload(head + rest[1:].lstrip())
