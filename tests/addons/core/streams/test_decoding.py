"""Decoders of content-encodings: any split, any number of members, no bombs."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from switchman.addons.core.streams.decoding import FREE, PIECE, Undecodable, decoder_for
from switchman.addons.testing import every_split

TEXT = 'data: {"text": "Grüße 😀"}\n\n'.encode() * 5


def raw_deflate(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(data) + machine.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without a header": ("deflate", raw_deflate),
    "br": ("br", lambda data: brotli.compress(data, quality=5)),
    "zstd": ("zstd", zstandard.compress),
    "gzip of br": ("br, gzip", lambda data: gzip.compress(brotli.compress(data))),
    "with identity": ("identity, gzip", gzip.compress),
}


def decode(header: str, parts: list[bytes]) -> bytes:
    decoder = decoder_for(header)
    assert decoder is not None
    out = [piece for part in parts for piece in decoder.feed(part)]
    decoder.end()
    return b"".join(out)


@pytest.mark.parametrize("coding", CODINGS)
def test_every_split_gives_the_body(coding: str) -> None:
    """Where the bytes are cut on their way does not matter."""
    header, encode = CODINGS[coding]
    for parts in every_split(encode(TEXT)):
        assert decode(header, list(parts)) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_may_have_several_members(coding: str) -> None:
    """Servers that compress event by event begin a new member, or frame, for each."""
    header, encode = CODINGS[coding]
    assert decode(header, [encode(b"one "), encode(b"two "), encode(b"three")]) == b"one two three"
    assert decode(header, [encode(b"one ") + encode(b"two")]) == b"one two"


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_that_is_cut_short_is_told(coding: str) -> None:
    """All but the last byte is not the whole body; nothing at all is an empty one."""
    header, encode = CODINGS[coding]
    with pytest.raises(Undecodable, match="body is incomplete"):
        decode(header, [encode(TEXT)[:-1]])
    assert decode(header, []) == b""


@pytest.mark.parametrize("header", ["gzip", "deflate", "br", "zstd"])
def test_what_is_no_such_coding_is_told(header: str) -> None:
    """A server that says gzip and sends plain text."""
    with pytest.raises(Undecodable, match=f"not {header}"):
        decode(header, [b"\xffdata: {}\n\n" * 100])


@pytest.mark.parametrize("coding", [coding for coding in CODINGS if coding != "deflate without a header"])
def test_what_was_undecodable_once_stays_so(coding: str) -> None:
    """Whatever comes after it, and at its end: some of the libraries raise errors of their own there, others none."""
    header, encode = CODINGS[coding]
    decoder = decoder_for(header)
    assert decoder is not None
    with pytest.raises(Undecodable, match="is not") as first:
        list(decoder.feed(b"\xff" * 40))
    for again in (lambda: list(decoder.feed(encode(TEXT))), decoder.end):
        with pytest.raises(Undecodable) as error:
            again()
        assert str(error.value) == str(first.value)


@pytest.mark.parametrize("header", ["identity", "", "compress", "gzip, nonsense", "gzip, gzip, gzip, gzip"])
def test_other_codings_have_no_decoder(header: str) -> None:
    """What is not compressed needs none; what is not known, or stacked without end, is left alone."""
    assert decoder_for(header) is None


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_bombs_are_told_and_never_held(coding: str) -> None:
    """The pieces are small whatever comes in, and it ends long before the bomb is unpacked."""
    header, encode = CODINGS[coding]
    bomb = encode(bytes(4 * FREE))
    decoder = decoder_for(header)
    assert decoder is not None
    made = 0
    with pytest.raises(Undecodable, match="expand"):
        for piece in decoder.feed(bomb):
            assert len(piece) <= 4 * PIECE
            made += len(piece)
    assert made <= FREE + 4 * PIECE or made <= 201 * len(bomb)
