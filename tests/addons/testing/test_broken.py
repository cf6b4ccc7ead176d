"""Places where there is no server: each must fail in its own way, or tests of failures test another one."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

import pytest

from switchman.addons.testing.broken import full_backlog, refused, says


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    return parts.hostname, parts.port


def test_a_refused_port_is_refused_and_stays_taken() -> None:
    """Nobody else can listen there meanwhile."""
    with refused() as url:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address(url), 10)
        with pytest.raises(OSError, match="in use"):
            socket.create_server(address(url))


def test_a_full_backlog_neither_takes_nor_refuses() -> None:
    """A client is left waiting for its connection."""
    with full_backlog() as url, pytest.raises(TimeoutError):
        socket.create_connection(address(url), 0.2)


def test_a_server_that_says_one_thing_says_it_to_everybody() -> None:
    """Also to who leaves without a word; each connection is closed after it, and the thread ends with the block."""
    with says(b"220 mail.example ESMTP\r\n") as url:
        socket.create_connection(address(url), 10).close()
        for _ in range(2):
            with socket.create_connection(address(url), 10) as client:
                client.sendall(b"x")
                assert client.makefile("rb").read() == b"220 mail.example ESMTP\r\n"
        before = threading.active_count()
    assert threading.active_count() < before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(url), 10)
