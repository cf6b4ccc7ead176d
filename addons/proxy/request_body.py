"""The body of a request as it comes in, up to a limit."""

from __future__ import annotations


class RequestBody:
    """Takes pieces of any size; holds at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._pieces = bytearray()
        self.problem = ""
        """What to tell a client whose body is too large."""

    def feed(self, data: bytes, of_caller: int | None = None) -> bool:
        """Take the next piece. False: it is larger than the limit, or than its caller's own (`of_caller`), and nothing
        of it is kept.
        """
        size = len(self._pieces) + len(data)
        if size > self.limit or (of_caller is not None and size > of_caller):
            self.problem = too_large(self.limit) if size > self.limit else too_large_for_caller(of_caller or 0)
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


def too_large_for_caller(limit: int) -> str:
    """The same, where the limit is its token's, or its group's."""
    return f"The request's body is larger than {limit} bytes, which is the most that this caller may send."
