"""Hiding: takes the keys out of a body that arrives in pieces, and keeps its length.

1. Takes bytes cut anywhere; returns the bytes that may go on, as many in all as came.
2. Nothing is held back but the end of a piece that is the beginning of a key, of four bytes or more. A piece that ends
   a line, as each event of a stream does, is never that.
3. Of a key that is cut within its first four bytes those go on, and the rest is hidden.
4. At the end of the body what is held back goes on, unless it is half of a key or more.
"""

from __future__ import annotations

from switchman.addons.core.keys.known import HEAD, KnownKeys


class Hiding:
    """One body. `keys` must not be empty."""

    __slots__ = ("_before", "_held", "_keys")

    def __init__(self, keys: KnownKeys) -> None:
        self._keys = keys
        self._before = b""  # the last bytes that went on, where a key may have begun with them: fewer than HEAD
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The next piece; what may go on of it, and of what was held back."""
        keys, begun = self._keys, len(self._before)
        if begun or self._held:
            data = self._before + self._held + data
            self._before = self._held = b""
        if spans := keys.find(data):
            data = _hidden(data, spans)
        if data and data[-1] in keys.alphabet:
            return self._without_tail(data, begun)
        return data[begun:] if begun else data

    def end(self) -> bytes:
        """What was held back at the end of the body."""
        held, part = self._held, self._before + self._held
        self._held = self._before = b""
        return b"*" * len(held) if held and self._is_half(part) else held

    def _without_tail(self, data: bytes, begun: int) -> bytes:
        """Hold the end of `data` back where a key may begin with it."""
        keys, size = self._keys, len(data)
        for place in range(max(0, size - keys.longest + 1), size):
            if data[place] in keys.firsts and keys.is_beginning(data[place:]):
                if size - place < HEAD:
                    self._before = data[place:]
                    return data[begun:]
                # What of it has gone on already stays before it, to be known again.
                cut = max(place, begun)
                self._before, self._held = data[place:cut], data[cut:]
                return data[begun:cut]
        return data[begun:]

    def _is_half(self, part: bytes) -> bool:
        return any(form.startswith(part) and 2 * len(part) >= len(form) for form in self._keys.ordered)


def _hidden(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    made = bytearray(data)
    for begin, end in spans:
        made[begin:end] = b"*" * (end - begin)
    return bytes(made)
