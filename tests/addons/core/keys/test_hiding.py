"""A key is taken out of a body however that is cut; nothing else is held back, and the length stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.keys.hiding import Hiding
from switchman.addons.core.keys.known import HEAD, KnownKeys
from switchman.addons.testing import every_split

KEY = b"sk-proj-0123456789abWXYZ"
KEYS = KnownKeys([KEY.decode(), 'pä"ss/w0rd+& x'])


def through(pieces: list[bytes], keys: KnownKeys = KEYS) -> bytes:
    hiding = Hiding(keys)
    return b"".join([*(hiding.feed(piece) for piece in pieces), hiding.end()])


@pytest.mark.parametrize(
    "body",
    [
        b'event: error\ndata: {"error": {"message": "Incorrect API key provided: ' + KEY + b'"}}\n\n',
        KEY + KEY,
        b"sk-" + KEY + b"sk-proj-",
        json.dumps({"error": 'bad pä"ss/w0rd+& x'}).encode(),
    ],
)
def test_every_split(body: bytes) -> None:
    """As whole, so in two pieces, and byte by byte: but for its first three bytes, nothing of a key goes on."""
    whole = through([body])
    assert KEY[HEAD:] not in whole and b"w0rd" not in whole and len(whole) == len(body)
    for pieces in every_split(body):
        made = through(list(pieces))
        assert len(made) == len(body)
        assert KEY[HEAD - 1 :] not in made and b"w0rd" not in made and b"0123456789" not in made
        different = [at for at in range(len(body)) if made[at] != whole[at]]
        assert all(made[at] == body[at] for at in different)  # the first bytes of a key that was cut there


def test_nothing_ordinary_is_held_back() -> None:
    """A first byte, whole events, text that ends anywhere: each piece goes on as it came, at once."""
    hiding = Hiding(KEYS)
    for piece in (b"s", b"sk", b'data: {"a": "b"}\n\n', b"{}", b"task", b"a risk", b"sk-", b"x", b"\n", b"press"):
        assert hiding.feed(piece) == piece
    assert hiding.end() == b""


def test_what_begins_as_a_key_waits_for_the_next_piece_only() -> None:
    """Then it is one, or it goes on as it was."""
    hiding = Hiding(KEYS)
    assert hiding.feed(b"see sk-proj-01") == b"see "
    assert hiding.feed(b"99 and more") == b"sk-proj-0199 and more"
    assert hiding.feed(b"see sk-proj-01") == b"see "
    assert hiding.feed(KEY[10:]) == b"*" * len(KEY)


@pytest.mark.parametrize(
    ("end", "shown"),
    [
        (KEY[:6], KEY[:6]),
        (KEY[:-1], b"*" * (len(KEY) - 1)),
        (KEY[: len(KEY) // 2], b"*" * (len(KEY) // 2)),
        (KEY[:3], KEY[:3]),
    ],
)
def test_a_body_that_ends_within_a_key(end: bytes, shown: bytes) -> None:
    """Half a key is a secret; its first characters, which many share, are not."""
    assert through([b"x ", end]) == b"x " + shown


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text("abs-1", min_size=8, max_size=12), min_size=1, max_size=5),
    st.lists(st.text("abs-1\n", max_size=9), max_size=12),
    st.data(),
)
def test_any_cut_of_any_text(values: list[str], texts: list[str], data: st.DataObject) -> None:
    """The same length; what differs are asterisks; no key is left, but for three bytes where it was cut."""
    keys = KnownKeys(values)
    if not keys:
        return
    chosen = [data.draw(st.sampled_from(sorted(keys.values))) if data.draw(st.booleans()) else text for text in texts]
    body = "".join(chosen).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    made = through(pieces, keys)
    assert len(made) == len(body)
    assert all(now == was or now == ord("*") for now, was in zip(made, body, strict=True))
    assert not keys.in_bytes(made)
