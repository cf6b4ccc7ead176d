"""A request as a command line, run by a real shell with a `curl` that writes down what it is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from switchman.webui.pages.story.copies.curl import FILE, MOST_ARGUMENT, MOST_BASE64, command

BEARER = ("authorization", "Bearer ")
URL = "http://127.0.0.1:1234/v1/chat/completions"
NOTED = """#!{python}
import json, sys
body = sys.stdin.buffer.read() if "@-" in sys.argv else b""
json.dump([sys.argv[1:], body.hex()], open({out!r}, "w"))
"""
BODIES = [
    b"{}",
    b"""{"a": "it's \\"quoted\\", $HOME `id` $(id) !! \\\\ %s"}""",
    b'{"a":\n  "two\n\nlines\n"}\n',
    b"@/etc/passwd",
    b"'",
    b"''''\n'\\''",
    '{"a": "问题 \U0001f600 é"}'.encode(),
    b"\x00\x01binary\xff\xfe",
    b"tab\tand\rreturn\x03\x1b[31m",
    "\u202eturned".encode(),
    b"-x",
    b"x" * MOST_ARGUMENT,
    b"y'\n" * MOST_ARGUMENT,
]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Run a command in a POSIX shell; gives curl's arguments and what came on its standard input."""
    out, fake = tmp_path / "out.json", tmp_path / "curl"
    fake.write_text(NOTED.format(python=sys.executable, out=str(out)))
    fake.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SWITCHMAN_KEY": "the-key", "HOME": "/nowhere"}

    def shell(text: str) -> tuple[list[str], bytes]:
        subprocess.run(["sh"], input=text.encode(), env=env, check=True, cwd=tmp_path, timeout=60)
        arguments, body = json.loads(out.read_text())
        return arguments, bytes.fromhex(body)

    return shell


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]))
def test_the_body_arrives_to_the_byte(run, body: bytes) -> None:
    """Quotes, line ends, expansions, a leading @, controls, bytes that are no text, and what is long."""
    arguments, piped = run(command("POST", URL, [("content-type", "application/json")], BEARER, body))
    assert arguments[0] == URL
    assert "authorization: Bearer the-key" in arguments and "content-type: application/json" in arguments
    given = arguments[arguments.index("--data-raw") + 1].encode() if "--data-raw" in arguments else piped
    assert given == body


def test_what_is_too_long_is_read_from_a_file(run) -> None:
    """The command says which, and is short."""
    text = command("POST", URL, [], BEARER, b"z" * (MOST_BASE64 + 1))
    assert FILE in text and len(text) < 1_000
    assert run(text)[0][-2:] == ["--data-binary", f"@{FILE}"]


def test_a_head_that_means_something_to_a_shell_is_text(run) -> None:
    """Values and the address; without a content type, curl makes up none."""
    fields = [("x-odd", "it's $HOME `id`"), ("anthropic-beta", 'a,"b"')]
    arguments, _ = run(command("POST", URL + "?a='b'&c=$(id)", fields, ("x-api-key", ""), b"{}"))
    assert arguments[0] == URL + "?a='b'&c=$(id)"
    assert arguments[1:3] == ["-H", "x-odd: it's $HOME `id`"] and "x-api-key: the-key" in arguments
    assert "content-type:" in arguments


def test_another_method_without_a_body(run) -> None:
    """It is named."""
    assert run(command("DELETE", URL, [], BEARER, b""))[0] == [
        "-X",
        "DELETE",
        URL,
        "-H",
        "authorization: Bearer the-key",
    ]
