"""A server's headers, certificates and quirks in its form."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.rules.rulesfile import QuirksFile, TlsFile
from switchman.webui.pages.servers.differing import FILES, FLAGS, SWITCHES, Fault, put, shown

HIDDEN = "<hidden-key-0123456789ab>"
SERVER: dict[str, Any] = {
    "url": "https://a",
    "headers": {"x-team": "research", "Authorization": HIDDEN, "x-api-key": "env:KEY", "x-number": 3},
    "tls": {"ca": "/ca.pem", "verify": False},
    "quirks": {"developer_role": False, "thinking_switch": "effort", "effort_none": True},
    "keepalive": {"after": 3},
}


def changed(server: dict[str, Any], **fields: str) -> dict[str, Any]:
    made = dict(server)
    put(made, shown(server) | fields)
    return made


def test_every_key_of_the_file_has_its_field() -> None:
    """A quirk or a certificate that the file learns is asked for by the form, too."""
    assert set(FLAGS) == set(QuirksFile.model_fields) - {"thinking_switch"} and "effort" in SWITCHES
    assert {*FILES, "verify"} == set(TlsFile.model_fields)


@pytest.mark.parametrize("server", [SERVER, {"url": "https://a"}, {"url": "https://a", "tls": {}, "headers": None}])
def test_what_nobody_touches_stays(server: dict[str, Any]) -> None:
    """As browsers send it, and where a form did not ask."""
    made = dict(server)
    put(made, {name: value.replace("\n", "\r\n") for name, value in shown(server).items()})
    assert made == server
    put(made, {})
    assert made == server


def test_fields_come_and_go() -> None:
    made = changed(SERVER, tls_verify="", tls_ca=" /other.pem ", quirk_effort_none="", quirk_has_responses="no")
    assert made["tls"] == {"ca": "/other.pem"}
    assert made["quirks"] == {"developer_role": False, "thinking_switch": "effort", "has_responses": False}
    lines = shown(SERVER)["headers"].splitlines()
    made = changed(SERVER, headers="\n".join([*lines[1:], "x-new: vault:new", ""]))
    assert made["headers"] == {"Authorization": HIDDEN, "x-api-key": "env:KEY", "x-number": 3, "x-new": "vault:new"}
    bare = changed(SERVER, headers="", tls_ca="", tls_verify="", thinking_switch="", **dict.fromkeys(
        (f"quirk_{name}" for name in FLAGS), ""
    ))  # fmt: skip
    assert bare == {"url": "https://a", "keepalive": {"after": 3}}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x-team", "name: value"),
        (": value", "name: value"),
        ("x-team:", "name: value"),
        ("X-Team: a\nx-team: b", "there twice"),
        ("Authorization: Bearer sk-0123456789abcdefghij", "no place in a file"),
        ("x-api-key: 0123456789abcdef", "no place in a file"),
        ("x-note: sk-proj-0123456789abcdefghijklmnopqrstuvwxyz", "no place in a file"),
        (f"x-note: {HIDDEN}", "no place in a file"),
        (f"Authorization: Bearer {HIDDEN}", "no place in a file"),
        ("authorization: <hidden-key-ffffffffffff>", "no place in a file"),
    ],
)
def test_a_secret_is_a_reference(line: str, why: str) -> None:
    """Neither written out, nor moved by its word to another header."""
    with pytest.raises(Fault, match=why) as raised:
        changed(SERVER, headers=line)
    assert raised.value.field == "headers"
