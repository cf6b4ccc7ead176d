"""The raw client: it sends to the byte, and tells every way in which an answer can end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from switchman.addons.testing.rawclient import RawClient, request_bytes

Serve = Callable[[bytes], RawClient]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A client of a server that says these bytes to whoever connects, and closes."""
    clients: list[RawClient] = []
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> RawClient:
        listener = socket.create_server(("127.0.0.1", 0))

        def once() -> None:
            with listener, listener.accept()[0] as connection:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)  # until the client has gone

        threads.append(threading.Thread(target=once, daemon=True))
        threads[-1].start()
        clients.append(RawClient(listener.getsockname()[1]))
        return clients[-1]

    yield start
    for client in clients:
        client.socket.close()
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "body", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", b"hi", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\n\r\n", b"hi", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n", b"h", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n5\r\nhal", b"hhal", False),
    ],
)
def test_every_end_of_an_answer_is_told(serve: Serve, answer: bytes, body: bytes, complete: bool) -> None:
    """By length, by chunks, by the connection's end, and cut short in each of them."""
    reply = serve(answer).reply()
    assert (reply.body, reply.complete) == (body, complete)


def test_chunks_are_kept_as_they_came(serve: Serve) -> None:
    """What a stream sent in two pieces is two pieces; the head keeps case, order and repetition."""
    head = b"HTTP/1.1 299 Odd  words\r\nX-A: 1\r\nx-a:2\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = serve(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n").reply()
    assert (reply.status, reply.reason, reply.chunks) == (299, "Odd  words", [b"ab", b"c"])
    assert reply.headers[:2] == [("X-A", "1"), ("x-a", "2")]
    assert (reply.header("X-a"), reply.header("none")) == ("1", None)


def test_two_answers_on_one_connection(serve: Serve) -> None:
    """What was read too far belongs to the next one, and then the other side has ended."""
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
    client = serve(one + b"a" + one + b"b")
    assert (client.reply().body, client.reply().body) == (b"a", b"b")
    assert client.ended()


def test_an_end_before_the_head_is_an_error_with_what_came(serve: Serve) -> None:
    """Not an empty answer."""
    with pytest.raises(EOFError, match=r"HTTP/1\.1 20"):
        serve(b"HTTP/1.1 20").reply()


def test_more_bytes_are_no_end(serve: Serve) -> None:
    """`ended` does not take what is still to be read for the end."""
    client = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nand more")
    assert client.reply().complete
    assert not client.ended()


def test_a_request_is_the_bytes_it_was_told() -> None:
    """The host and the true length, whatever else is asked for."""
    assert request_bytes("/a?b=c", b"xyz", [("X", "1"), ("X", "2")], "PUT") == (
        b"PUT /a?b=c HTTP/1.1\r\nHost: switchman\r\nX: 1\r\nX: 2\r\nContent-Length: 3\r\n\r\nxyz"
    )


def test_a_reset_is_no_ordinary_end() -> None:
    """The server sees an error where a closed connection would be an end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = RawClient(listener.getsockname()[1])
        connection = listener.accept()[0]
        with connection:
            client.reset()
            with pytest.raises(ConnectionResetError):
                connection.recv(1)


def test_half_a_connection_still_reads() -> None:
    """The server sees the end of what is sent, and the client reads the answer all the same."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        RawClient(listener.getsockname()[1]) as client,
        listener.accept()[0] as connection,
    ):
        client.half_close()
        assert connection.recv(1) == b""
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        assert client.reply().body == b"x"
