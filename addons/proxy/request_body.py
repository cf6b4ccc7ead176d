"""The body of a request as it comes in, up to a limit."""

from __future__ import annotations

# A body over the limit is read and thrown away up to this many times the limit, so the client, which writes before it
# reads, gets to see the 413; past that the connection is closed.
DISCARD_FACTOR = 8


class RequestBody:
    """Takes pieces of any size; holds at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._pieces = bytearray()
        self._discarded = 0  # bytes of a body over the limit

    @property
    def is_too_large(self) -> bool:
        """Is it larger than the limit? `take_all` then returns nothing."""
        return self._discarded > 0

    @property
    def problem(self) -> str:
        """What to tell a client whose body is too large."""
        return f"The request's body is larger than {self.limit} bytes."

    def feed(self, data: bytes) -> bool:
        """Take the next piece. False: too much has come, stop reading."""
        if not self._discarded and len(self._pieces) + len(data) <= self.limit:
            self._pieces += data
            return True
        self._discarded += len(self._pieces) + len(data)
        self._pieces.clear()
        return self._discarded <= self.limit * DISCARD_FACTOR

    def take_all(self) -> bytes:
        """The whole body, once: it is not kept here any longer."""
        data = bytes(self._pieces)
        self._pieces.clear()
        return data
