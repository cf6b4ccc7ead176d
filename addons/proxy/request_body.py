"""The body of a request as it comes in, up to a limit."""

from __future__ import annotations


class RequestBody:
    """Takes pieces of any size; holds at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._pieces = bytearray()

    @property
    def problem(self) -> str:
        """What to tell a client whose body is too large."""
        return too_large(self.limit)

    def feed(self, data: bytes) -> bool:
        """Take the next piece. False: it is larger than the limit, and nothing of it is kept."""
        if len(self._pieces) + len(data) > self.limit:
            self._pieces.clear()
            return False
        self._pieces += data
        return True

    def take_all(self) -> bytes:
        """The whole body, once: it is not kept here any longer."""
        data = bytes(self._pieces)
        self._pieces.clear()
        return data


def too_large(limit: int) -> str:
    """What to tell a client whose body is larger than `limit` bytes."""
    return f"The request's body is larger than {limit} bytes (MAX_BODY_BYTES)."
