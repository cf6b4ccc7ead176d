"""Before something is stored: found whatever stands around it, replaced, and JSON stays JSON."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from switchman.addons.core.routes.patterns import compile_pattern
from switchman.addons.core.texts.redaction.atrest import OVERLAP, WINDOW, Redactor, kinds_of

MAIL = "anna.smith@example.org"
CARD = "4111 1111 1111 1111"
PLAIN = Redactor()


def body(data: str | bytes, **more: Any) -> str:
    found = PLAIN.body(data.encode() if isinstance(data, str) else data, **more)
    assert found is not None
    return found.decode()


def sse(pieces: list[str]) -> str:
    events = [{"id": "c-1", "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def anthropic(pieces: list[str]) -> str:
    events = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
        for piece in pieces
    ]
    return "".join(f"event: content_block_delta\r\ndata: {json.dumps(event)}\r\n\r\n" for event in events)


def ollama(pieces: list[str]) -> str:
    return "".join(
        json.dumps({"model": "m", "message": {"role": "assistant", "content": piece}, "done": False}) + "\n"
        for piece in pieces
    )


def contents(value: Any) -> Iterator[str]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list):
            yield from contents(inner)
        elif key in ("content", "partial_json"):
            yield inner


def joined(stream: str) -> str:
    lines = [line[line.find("{") :] for line in stream.splitlines() if "{" in line]
    return "".join(text for line in lines for text in contents(json.loads(line)))


@pytest.mark.parametrize("make", [sse, anthropic, ollama])
@pytest.mark.parametrize("pieces", range(2, 7))
def test_a_split_stream_hides_nothing(make: Any, pieces: int) -> None:
    """In every dialect, at any split over its events, the text is that of the whole one."""
    text = f"Write to {MAIL} or pay by {CARD}, please."
    chance = random.Random(pieces)
    for _ in range(20):
        cuts = sorted(chance.sample(range(1, len(text)), pieces - 1))
        parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        found = body(make(parts), streamed=True)
        assert joined(found) == "Write to [email] or pay by [card], please.", parts


@pytest.mark.parametrize(("said", "kept"), [
    (json.dumps({"a": f"x\n{MAIL}"}), '{"a": "x\\n[email]"}'),
    ('{"a":"anna.smith\\u0040example.org"}', '{"a":"[email]"}'),
    (json.dumps({"arguments": json.dumps({"to": MAIL})}), json.dumps({"arguments": json.dumps({"to": "[email]"})})),
    ('{"created":1735689600,"card":4111111111111111}', '{"created":1735689600,"card":"[card]"}'),
    (f"to={MAIL.replace('@', '%40')}&b=1", "[email]&b=1"),
    (json.dumps({"image": "iVBORw0KGgo" * 500}), '{"image": "[data]"}'),
    ('{"a": "nothing at all", "b": [1, 2.5, null]}', '{"a": "nothing at all", "b": [1, 2.5, null]}'),
    ("", ""),
])  # fmt: skip
def test_escapes_and_nesting_hide_nothing(said: str, kept: str) -> None:
    """Unescaped, percent-encoded, in JSON within JSON; numbers outside of strings become strings, times stay."""
    assert body(said) == kept


@pytest.mark.parametrize("place", [0, WINDOW - 10, WINDOW, WINDOW + OVERLAP - 3, 2 * WINDOW - 1, 3 * WINDOW + 5])
def test_windows_hide_nothing(place: int) -> None:
    """Wherever it stands against the windows that are searched."""
    text = "é " * (place // 2) + MAIL + " é" * WINDOW
    assert body(text) == "é " * (place // 2) + "[email]" + " é" * WINDOW


def test_patterns_of_ones_own() -> None:
    """They are found at any place, beside letters of more than one byte."""
    redactor = Redactor(frozenset({"secret"}), (compile_pattern("/ORD-[0-9]{4,}/", "groups"),))
    assert redactor.text(f"é ORD-12345 é {MAIL} ORD-1") == f"é [private] é {MAIL} ORD-1"
    assert redactor.text("é" * 300_000 + " ORD-99999") == "é" * 300_000 + " [private]"


def test_bodies_that_cannot_be_read_are_none() -> None:
    """No UTF-8, or UTF-16, which is valid UTF-8 as well; of a cut one its last character may be half."""
    assert PLAIN.body(MAIL.encode("utf-16-le")) is None
    assert PLAIN.body(b"\xff" + MAIL.encode()) is None
    assert PLAIN.body("é".encode()[:1]) is None
    assert PLAIN.body(b"x" * 5_000 + " é".encode()[:-1], cut=True) is not None


def test_kinds_are_known_ones_and_keys_always() -> None:
    """A wrong name is an error that lists the right ones."""
    assert kinds_of(["Email ", ""]) == {"email", "secret", "jwt", "credentials"}
    with pytest.raises(ValueError, match="'mail' is none of"):
        kinds_of(["mail"])


def test_another_thread_goes_on() -> None:
    """While a large body is redacted, another thread gets its turns: at least ten in that time."""
    large = (json.dumps({"text": f"hello {MAIL} " * 40}) * 1_500).encode()
    turns, over = 0, threading.Event()

    def work() -> None:
        PLAIN.body(large)
        over.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not over.is_set():
        turns += 1
        time.sleep(0.001)
    thread.join(60)
    assert turns >= 10
