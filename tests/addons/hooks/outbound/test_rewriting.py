"""Which header fields an attempt goes out with."""

from __future__ import annotations

from pydantic import SecretStr

from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.hooks.outbound.rewriting import _fields

SERVER = Server("s", parse("http://host:81"), api_key=SecretStr("key"), headers={"X-Team": "ours"})


def test_a_field_that_the_router_sets_goes_out_once() -> None:
    """In the place of the client's first; its second, in any case, would be believed by some servers."""
    given = ((b"Host", b"a"), (b"X-Team", b"theirs"), (b"x-team", b"again"), (b"HOST", b"b"), (b"X-A", b"1"))
    fields = _fields(given, SERVER, None, b"")
    assert [(name.lower(), value) for name, value in fields if name.lower() != b"authorization"] == [
        (b"host", b"host:81"),
        (b"x-team", b"ours"),
        (b"x-a", b"1"),
    ]
    assert [value for name, value in fields if name.lower() == b"authorization"] == [b"Bearer key"]


def test_a_field_of_the_clients_own_may_come_twice() -> None:
    """It is passed on as it was sent, in its order."""
    given = ((b"X-A", b"1"), (b"X-B", b"2"), (b"X-A", b"3"))
    assert tuple(_fields(given, SERVER, None, b"")[:3]) == given
