"""A request as a HAR log of one entry, as exports have it: webui/looks/har.py. Pure."""

from __future__ import annotations

from typing import Any

from switchman.addons.store.reading.found import Detail
from switchman.webui.looks.har import entry


def har(detail: Detail, base: str, request: bytes | None, response: bytes | None, version: str) -> dict[str, Any]:
    """The log. `base`: the router's address. Bodies are None where they are not kept."""
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "Switchman", "version": version},
            "entries": [entry(detail, base, request, response)],
        }
    }
