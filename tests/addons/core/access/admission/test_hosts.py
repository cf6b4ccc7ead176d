"""The names that the router may be asked for by."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.admission.hosts import Hosts, host_name, is_same_place, refusal

GIVEN = Hosts.parse(["llm.example.com:443", "*.chat.example", "Box.Example.", "[fd00::1]"])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1:1234", "192.168.1.5:80", "8.8.8.8", "[::1]:1234", "::1", "[fe80::1%eth0]:1234",
        "[fe80::1%25eth0]", "localhost", "LOCALHOST:1234", "localhost.", "dash.localhost", "switchman:8080", "box",
        "my_project_switchman_1:8080", "host.docker.internal:1234", "host.containers.internal", "pi.local", "pi.local.",
        "nas.home.arpa", "box.lan", "a.b.svc.cluster.local",
    ],
)  # fmt: skip
def test_a_name_that_no_page_of_the_web_can_have_is_ours(host: str) -> None:
    """Without any setting."""
    assert Hosts().has(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:1234", "evil.example.", "localhost.evil.example", "127.0.0.1.evil.example",
        "127.0.0.1.nip.io", "box.tail1234.ts.net", "ai.", "uz.:80", "2130706433", "2130706433:1234", "0x7f000001",
        "017700000001", "evil.local.example", "evillocal.example",
        "api.notlocal", "127.0.0.1@evil.example", "evil.example@127.0.0.1",
        "user:pass@localhost", "localhost/",
        "localhost, evil.example", "localhost evil.example", "", ":1234", ".", "..",
        ".local", "a..local", "[evil.example]", "[::1", "::1]", "[::1].evil.example", "1:2:3", "localhost:x",
        "localhost:123456", "\u24db\u24de\u24d2\u24d0\u24db", "loc\u00e4lhost", "fritz.box",
    ],
)  # fmt: skip
def test_any_other_is_not(host: str) -> None:
    """A name that somebody may have registered; and what is neither a name nor an address."""
    assert not Hosts().has(host)
    assert not GIVEN.has(host)


@pytest.mark.parametrize(
    ("host", "has"),
    [
        ("llm.example.com", True), ("LLM.example.com.:8443", True), ("a.chat.example", True),
        ("a.b.chat.example", True),
        ("box.example", True), ("chat.example", False), ("xchat.example", False),
        ("llm.example.com.evil.example", False),
        ("x.llm.example.com", False),
    ],
)  # fmt: skip
def test_a_name_that_is_given_is_ours(host: str, has: bool) -> None:
    """Whatever its case and port; a name with a star stands for all below it, not for itself."""
    assert GIVEN.has(host) is has


@pytest.mark.parametrize("host", ["evil.example", "", "2130706433", "a b"])
def test_a_star_is_any(host: str) -> None:
    """Where something else protects the router; but no name is known by it."""
    assert Hosts.parse(["*"]).has(host) and not Hosts.parse(["*"]).knows(host)


@pytest.mark.parametrize("entry", ["https://llm.example.com", "llm.example.com/v1", "a b", "", "*.*", "a.*", "u@b"])
def test_an_entry_that_is_no_name_is_a_fault(entry: str) -> None:
    """It would match nothing, and nobody would know."""
    with pytest.raises(ValueError, match="is no name of a host: expected one such as"):
        Hosts.parse([entry])


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.b.:1", "a.b"), ("[::1]:5", "::1"), ("::1", "::1"), ("a:", "a"), ("a@b", ""), ("a/b", ""), (" a ", "a")],
)
def test_the_name_is_read_without_its_port(host: str, name: str) -> None:
    """In lower case."""
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://box:1234", "box:1234", True), ("https://LLM.example.com", "llm.example.com", True),
        ("http://box:1234", "box", False), ("http://box", "box:1234", False), ("null", "null", False),
        ("http://", "", False), ("ftp://box", "box", False), ("http://evil.example", "box", False),
    ],
)  # fmt: skip
def test_a_page_of_the_same_place_is_told(origin: str, host: str, same: bool) -> None:
    """By name and port; behind a proxy with TLS its scheme is another one."""
    assert is_same_place(origin, host) is same


def test_the_refusal_names_the_line_to_set() -> None:
    """As it is to be written: without a port, in lower case."""
    assert "set ALLOWED_HOSTS=llm.example.com and start" in refusal("LLM.example.com.:1234", "ALLOWED_HOSTS")


@pytest.mark.parametrize("host", ["a b", "2130706433", "x" * 5000])
def test_what_cannot_be_set_is_not_advised(host: str) -> None:
    """And is not repeated at length."""
    told = refusal(host, "ALLOWED_HOSTS")
    assert "is neither a name nor an address" in told and "ALLOWED_HOSTS" not in told and len(told) < 400
