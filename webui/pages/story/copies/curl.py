"""A request as a command line for a POSIX shell with curl. Pure.

1. Text goes into single quotes, where a shell reads nothing but the quote's end, and `--data-raw`, which takes a
   leading @ as it is.
2. What is no such text (bytes that are no UTF-8, controls but line feeds, which a terminal would obey) goes through
   base64, and so does what is longer than a system takes as one argument.
3. What is longer still is read from a file that is downloaded first.
4. The key is a variable of the shell's; no credential is in it.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Iterable
from typing import Final

KEY: Final = "SWITCHMAN_KEY"
MOST_ARGUMENT: Final = 100_000  # bytes; Linux takes 131,072 as one argument
MOST_BASE64: Final = 1_000_000  # bytes of a body
FILE: Final = "request-body.bin"


def quoted(text: str) -> str:
    """The text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def is_plain(text: str) -> bool:
    """Whether a terminal takes the text as it is, pasted into single quotes."""
    return all(sign.isprintable() or sign == "\n" for sign in text)


def command(method: str, url: str, headers: Iterable[tuple[str, str]], key_header: tuple[str, str], body: bytes) -> str:
    """The command. `key_header`: name, and what stands before the key: ("authorization", "Bearer ")."""
    fields = [*headers]
    lines = [" ".join(filter(None, ["curl", "" if body and method == "POST" else f"-X {method}", quoted(url)]))]
    lines += [f"-H {quoted(f'{name}: {value}')}" for name, value in fields]
    if body and not any(name.lower() == "content-type" for name, _ in fields):
        lines.append("-H 'content-type:'")  # else curl would call the body a form
    lines.append(f'-H "{key_header[0]}: {key_header[1]}${KEY}"')
    before, data = _data(body)
    lines += data
    return before + " \\\n  ".join(lines)


def _data(body: bytes) -> tuple[str, list[str]]:
    """What stands before curl, and its arguments."""
    if not body:
        return "", []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    if text and is_plain(text) and len(body) <= MOST_ARGUMENT:
        return "", [f"--data-raw {quoted(text)}"]
    if len(body) <= MOST_BASE64:
        packed = "\n".join(textwrap.wrap(base64.b64encode(body).decode(), 76))
        return f"base64 -d <<'END' |\n{packed}\nEND\n", ["--data-binary @-"]
    return f"# Download the body first, as {FILE}.\n", [f"--data-binary @{FILE}"]
