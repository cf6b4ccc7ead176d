"""What stands outside of a body is redacted for each attempt."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from switchman.addons.core.texts.redaction.finding import KINDS
from switchman.addons.core.texts.redaction.redactor import Redact, Redactor
from switchman.addons.hooks.outbound.redacting import redacted_fields, redacted_path

MAIL = "jane@example.org"


def redactor() -> Redactor:
    return Redactor(Redact(KINDS), b"k")


@pytest.mark.parametrize(
    "path", ["/v1/x?to=jane%40example.org", "/v1/x?a=b&jane@example.org", "/v1/jane%40example.org/x"]
)
def test_paths(path: str) -> None:
    """Escaped or not, in a segment, a name or a value."""
    one = redactor()

    assert redacted_path(path, one) == unquote(path).replace(MAIL, next(iter(one.originals)))


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions?api-version=2024-10-21&x", "/v1/x?key=AIzaSyA1234567890abcdefg"]
)
def test_paths_that_stay(path: str) -> None:
    """What has nothing private, and a caller's own key, which goes where the rules say."""
    assert redacted_path(path, redactor()) == path


def test_header_fields() -> None:
    """All but credentials, ids, and what only HTTP and its programs read."""
    stay = (
        (b"Authorization", b"Bearer sk-proj-abcdefghijklmnop1234"),
        (b"x-request-id", b"a3f5b8c9d0e1f2a3b4c5d6e7f8a9b0c1"),
        (b"User-Agent", b"curl/8.1.2.3"),
        (b"host", b"10.1.2.3"),
    )
    one = redactor()

    fields = redacted_fields((*stay, (b"x-from", f"me <{MAIL}>".encode()), (b"x-user-id", MAIL.encode())), one)

    placeholder = next(iter(one.originals))
    assert fields[:-2] == stay
    assert fields[-2:] == ((b"x-from", f"me <{placeholder}>".encode()), (b"x-user-id", placeholder.encode()))
