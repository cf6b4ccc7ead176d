"""CAPTURE and CAPTURE_REDACT."""

from __future__ import annotations

import pytest

from switchman.addons.config.configuration import SettingsError, load_settings


def test_they_are_read_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them all is kept, and all kinds are meant; keys are always among the kinds."""
    assert (load_settings().capture, load_settings().capture_redact) == ("full", None)
    monkeypatch.setenv("CAPTURE", "Redacted")
    monkeypatch.setenv("CAPTURE_REDACT", "Email, card")
    found = load_settings()
    assert (found.capture, found.capture_redact) == (
        "redacted", frozenset({"email", "card", "secret", "jwt", "credentials"}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "word"), [("CAPTURE", "none", "metadata"), ("CAPTURE_REDACT", "mail", "email")]
)
def test_a_wrong_one_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str, word: str) -> None:
    """It says what is possible."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=word):
        load_settings()
