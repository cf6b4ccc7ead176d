"""The tables of all dialects: complete, and free of contradictions."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from switchman.addons.core.dialects import WIRES
from switchman.addons.core.dialects.codecs import FORMATS
from switchman.addons.core.dialects.errors import decode_failure
from switchman.addons.core.dialects.wire import ErrorInfo, Wire

wires = pytest.mark.parametrize("wire", WIRES.values(), ids=lambda wire: wire.name)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (418, "special"),
        (400, "client"),
        (499, "client"),
        (500, "server"),
        (529, "server"),
        (200, "server"),
        (0, "server"),
    ],
)
def test_a_status_has_a_word(status: int, word: str) -> None:
    """Its own, or the one for its hundred; a good status is that of a stream that broke."""
    wire = replace(WIRES["openai"], error_types={418: "special"}, client_error="client", server_error="server")
    assert wire.error_type(status) == word


@wires
def test_a_table_is_filled_under_its_own_name(wire: Wire) -> None:
    """Aliases lead to paths, and what streams or has text is an operation of some path."""
    assert WIRES[wire.name] is wire
    operations = set(wire.paths.values())
    assert set(wire.aliases.values()) <= set(wire.paths)
    assert wire.streaming <= operations and set(wire.slots) <= operations
    assert not set(wire.aliases) & set(wire.paths)


def test_no_path_is_of_two_dialects() -> None:
    """The first table that has it would win."""
    paths = [path for wire in WIRES.values() for path in (*wire.paths, *wire.aliases)]
    assert len(paths) == len(set(paths))


@wires
def test_every_format_with_text_has_its_slots(wire: Wire) -> None:
    """Responses are the exception: their text is not worked on."""
    without = {operation for dialect, operation in FORMATS if dialect == wire.name} - set(wire.slots)
    assert without == ({"responses"} if wire.name == "openai" else set())


@wires
def test_an_error_is_read_as_it_was_written(wire: Wire) -> None:
    """As a whole reply, and as the data of an event in a stream."""
    error = ErrorInfo("too busy", wire.error_type(429), "model", "slow_down")
    for operation in wire.slots:
        data = wire.error_event(operation, error).splitlines()
        event = json.loads(next(line for line in data if line.startswith((b"data: ", b"{"))).removeprefix(b"data: "))
        for obj in (wire.error_object(error), event):
            failed = decode_failure(obj)
            assert failed.message == "too busy"
            assert failed.type == (None if wire.name == "ollama" else "rate_limit_error")
