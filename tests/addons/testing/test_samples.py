"""Values to test with."""

from __future__ import annotations

import pytest

from switchman.addons.core.request.call import Endpoint
from switchman.addons.testing import (
    every_split,
    make_attempt,
    make_call,
    make_id,
    make_record,
)


@pytest.mark.parametrize("data", [b"", b"a", b"ab", "dé\r\n".encode()])
def test_every_split_keeps_the_bytes(data: bytes) -> None:
    """However the data is split, the parts joined are the data, and none is empty."""
    for parts in every_split(data):
        assert b"".join(parts) == data
        assert all(parts)


def test_every_split_is_every_split() -> None:
    """There is the whole, each cut in two, and byte by byte."""
    splits = list(every_split(b"abc"))
    assert splits == [[b"abc"], [b"a", b"bc"], [b"ab", b"c"], [b"a", b"b", b"c"]]


def test_call_is_as_intake_makes_it() -> None:
    """A built Call has its body, its model, whether it streams, and spans into its text."""
    call = make_call({"model": "llama3", "x": 1}, stream=True)
    assert (call.model, call.stream, call.body["x"]) == ("llama3", True, 1)
    start, end = call.spans["model"]
    assert call.text[start:end] == '"llama3"'


def test_record_fields_can_be_replaced() -> None:
    """A built Record is always the same one but for what is said."""
    assert make_record() == make_record()
    assert make_record(make_id(2), status=502).status == 502
    assert make_id(2) != make_record().id


def test_a_call_streams_where_its_dialect_does() -> None:
    """Ollama's chat streams by itself; OpenAI's where it is asked for; no JSON object is an error."""
    ollama = Endpoint("ollama", "chat", "/api/chat")
    assert make_call({"model": "m"}, endpoint=ollama).stream
    assert not make_call({"model": "m"}, endpoint=ollama, stream=False).stream
    assert not make_call().stream
    assert make_call('{"model": 7}').model == ""
    with pytest.raises(ValueError, match="object"):
        make_call("[1]")


def test_an_attempt_of_a_record_can_be_another() -> None:
    """A field that no attempt has is a mistake of the test."""
    assert make_attempt(2, status=503).status == 503
    with pytest.raises(TypeError):
        make_attempt(nonsense=1)
