"""The body of a request, up to its limit."""

from switchman.addons.proxy.request_body import RequestBody
from switchman.addons.testing import every_split


def test_a_body_comes_in_pieces_of_any_size() -> None:
    """It is what was sent, up to the limit itself."""
    for pieces in every_split(b"0123456789"):
        body = RequestBody(10)
        taken = [body.feed(piece) for piece in pieces]
        assert all(taken)
        assert body.take_all() == b"0123456789"


def test_a_body_over_the_limit_is_thrown_away() -> None:
    """With the byte that is one too many; none of it is kept, not even what came before."""
    body = RequestBody(10)
    assert body.feed(b"x" * 10) and not body.feed(b"x")
    assert body.take_all() == b""
    assert body.problem == "The request's body is larger than 10 bytes (MAX_BODY_BYTES)."


def test_a_body_is_taken_once() -> None:
    """It is not held twice in memory."""
    body = RequestBody(10)
    body.feed(b"abc")
    assert (body.take_all(), body.take_all()) == (b"abc", b"")


def test_a_callers_own_limit_is_told_as_such() -> None:
    """The smaller of the two counts, and the error names no setting that the caller cannot change."""
    body = RequestBody(100)
    assert body.feed(b"x" * 10, 15) and not body.feed(b"x" * 10, 15)
    assert body.problem == "The request's body is larger than 15 bytes, which is the most that this caller may send."
    assert not RequestBody(100).feed(b"x" * 101, 500) and RequestBody(100).feed(b"x" * 100, 500)
