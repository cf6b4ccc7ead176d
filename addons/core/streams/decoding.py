"""Decoders of content-encodings: take the compressed bytes of a body as they arrive, return the decoded ones.

1. `decoder_for(header)` returns a Decoder for gzip, deflate, br and zstd, and for several of them one after the other;
   None for an unknown coding.
2. `feed(data)` yields the bytes that `data` adds, in pieces of about PIECE bytes at most and never empty, however far
   it expands; a piece is decoded only when the caller takes it. `end()` ends the body.
3. It raises Undecodable if the bytes are not of that coding, end too early, or expand more than RATIO times.

Formats: RFC 1950 to 1952 (zlib, deflate, gzip), RFC 7932 (brotli), RFC 8878 (zstd). Names: RFC 9110 section 8.4.1.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Final

import brotli
import zstandard

PIECE: Final = 256 * 1024  # bytes
# A body that is larger than FREE and than RATIO times its compressed bytes is refused. Text that repeats itself shrinks
# to a hundredth, bombs to a thousandth and less.
FREE: Final = 16 * 1024 * 1024  # bytes
RATIO: Final = 200
# RFC 8878 section 3.1.1.1.2 recommends that decoders accept this much, and that encoders ask for no more.
ZSTD_WINDOW: Final = 8 * 1024 * 1024  # bytes
# A block of 4 bytes can expand to 128 KiB in zstd, whose library has no limit for the output of one call.
ZSTD_STEP: Final = 16  # bytes
MOST_CODINGS: Final = 3


class Undecodable(ValueError):
    """The body cannot be decoded; the message gives the reason, for a person."""


class Decoder(ABC):
    """One coding."""

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded bytes that `data` adds."""

    @abstractmethod
    def end(self) -> None:
        """End the body. Raises Undecodable if it is incomplete."""


def decoder_for(header: str) -> Decoder | None:
    """The decoder for a `content-encoding` header's value; None where it names an unknown coding."""
    codings = [name.strip().lower() for name in header.split(",")]
    codings = [name for name in codings if name not in ("identity", "")]
    if not 0 < len(codings) <= MOST_CODINGS or any(name not in _DECODERS for name in codings):
        return None
    decoder: Decoder | None = None
    for name in reversed(codings):  # the last one was applied last
        decoder = _Chain(decoder, _DECODERS[name]()) if decoder else _DECODERS[name]()
    assert decoder is not None
    return _Bounded(decoder)


class _Zlib(Decoder):
    """gzip, of one or several members, and deflate, which some servers send without its zlib header."""

    def __init__(self, name: str, wbits: int) -> None:
        self._name, self._wbits = name, wbits
        self._machine: Any = None
        self._first = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._machine is None:
                data = self._first + data
                if len(data) < 2:
                    self._first = data
                    return
                raw = self._wbits == zlib.MAX_WBITS and not _has_zlib_header(data)
                self._machine = zlib.decompressobj(-zlib.MAX_WBITS if raw else self._wbits)
            try:
                piece = self._machine.decompress(data, PIECE)
            except zlib.error as error:
                raise Undecodable(f"the body is not {self._name}: {error}") from None
            if piece:
                yield piece
            if self._machine.eof:
                # Bytes behind a member are the next member; zeros are padding (RFC 1952 leaves them to the reader).
                data = self._machine.unused_data.lstrip(b"\0")
                self._machine, self._first = None, b""
            else:
                data = self._machine.unconsumed_tail

    def end(self) -> None:
        if self._machine is not None or self._first:
            raise Undecodable(f"the {self._name} body is incomplete")


def _has_zlib_header(data: bytes) -> bool:
    return data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0


class _Brotli(Decoder):
    def __init__(self) -> None:
        self._machine = brotli.Decompressor()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._begun = True
        try:
            piece = self._machine.process(data, output_buffer_limit=PIECE)
            while piece or not self._machine.can_accept_more_data():
                if piece:
                    yield piece
                piece = self._machine.process(b"", output_buffer_limit=PIECE)
        except brotli.error as error:
            raise Undecodable(f"the body is not br: {error}") from None

    def end(self) -> None:
        if self._begun and not self._machine.is_finished():
            raise Undecodable("the br body is incomplete")


class _Zstd(Decoder):
    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        self._machine: Any = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), ZSTD_STEP):
            yield from self._step(data[at : at + ZSTD_STEP])

    def _step(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._machine is None:
                self._machine = self._context.decompressobj()
            try:
                piece = self._machine.decompress(data)
            except zstandard.ZstdError as error:
                raise Undecodable(f"the body is not zstd: {error}") from None
            if piece:
                yield piece
            if not self._machine.eof:
                return
            data, self._machine = self._machine.unused_data, None  # the next frame

    def end(self) -> None:
        if self._machine is not None:
            raise Undecodable("the zstd body is incomplete")


class _Chain(Decoder):
    def __init__(self, outer: Decoder, inner: Decoder) -> None:
        self._outer, self._inner = outer, inner

    def feed(self, data: bytes) -> Iterator[bytes]:
        for piece in self._outer.feed(data):
            yield from self._inner.feed(piece)

    def end(self) -> None:
        self._outer.end()
        self._inner.end()


class _Bounded(Decoder):
    """Refuse decompression bombs: bodies that expand more than RATIO times. What was undecodable once stays so."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._received = self._decoded = 0  # bytes
        self._fault = ""  # the libraries say other things, or nothing, of what comes after one

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._fault:
            raise Undecodable(self._fault)
        self._received += len(data)
        try:
            for piece in self._decoder.feed(data):
                self._decoded += len(piece)
                if self._decoded > FREE and self._decoded > RATIO * self._received:
                    raise Undecodable(f"{self._received} compressed bytes expand to more than {self._decoded}")
                yield piece
        except Undecodable as error:
            self._fault = str(error)
            raise

    def end(self) -> None:
        if self._fault:
            raise Undecodable(self._fault)
        self._decoder.end()


_DECODERS: Final[dict[str, Callable[[], Decoder]]] = {
    "gzip": lambda: _Zlib("gzip", 16 + zlib.MAX_WBITS),
    "x-gzip": lambda: _Zlib("gzip", 16 + zlib.MAX_WBITS),
    "deflate": lambda: _Zlib("deflate", zlib.MAX_WBITS),
    "br": _Brotli,
    "zstd": _Zstd,
}
