"""Wire: what one dialect looks like from outside, as tables.

Each dialect package has a `wire.py` with one value of this type; `core/dialects/__init__.py` looks things up in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from switchman.addons.core.request.call import DialectName, Operation
from switchman.addons.core.streams.slots import Slot

Framing = Literal["sse", "ndjson"]
SlotReader = Callable[[dict[str, Any], bool], Iterator[Slot]]


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """One error as all dialects can carry it. `type` is the dialect's own word for the kind of error."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """The outside of one dialect.

    `paths`: POST path -> operation; a path is canonical unless `aliases` maps it to one.
    `error_types`: status -> error type; `client_error` and `server_error` are for the statuses not listed.
    `slots`: operation -> reader (object, streamed) of the places where text sits; no entry, no text to work on.
    `streaming`: the operations that stream unless the request says `"stream": false`.
    `error_object`: the JSON object of an error reply; `error_event`: the bytes of an error inside a stream.
    """

    name: DialectName
    framing: Framing
    paths: Mapping[str, Operation]
    aliases: Mapping[str, str]
    error_types: Mapping[int, str]
    client_error: str
    server_error: str
    slots: Mapping[Operation, SlotReader]
    streaming: frozenset[Operation]
    error_object: Callable[[ErrorInfo], dict[str, Any]]
    error_event: Callable[[Operation, ErrorInfo], bytes]

    def error_type(self, status: int) -> str:
        """The dialect's word for a status; statuses below 400 count as a server's fault (a broken stream)."""
        fallback = self.client_error if 400 <= status < 500 else self.server_error
        return self.error_types.get(status, fallback)
