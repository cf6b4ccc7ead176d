"""Presets: a table that is checked when it is read, and who wins where a file says something too.

The shipped table has its tests in tests/rules/test_presets.py.
"""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from switchman.addons.core.rules.presets import keepalive_of, parse_presets, quirks_of
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.rulesfile import KeepAliveFile, QuirksFile
from switchman.addons.core.servers.servers import KeepAlive, Quirks

TABLE = """
plain: {url: "https://h", dialect: openai, docs: "none"}
full:
  url: "http://localhost:8000"
  dialect: ollama
  also: [openai, anthropic]
  api_key_env: KEY
  quirks: {max_completion_tokens: true, thinking_switch: template}
  docs: "none"
"""


def test_a_table_by_name() -> None:
    """In its own order; what a row does not say is not there."""
    table = parse_presets(TABLE, "p")
    assert list(table) == ["plain", "full"]
    assert (table["plain"].also, table["plain"].api_key_env, table["plain"].quirks) == ((), None, QuirksFile())
    assert table["full"].also == ("openai", "anthropic")


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_table(text: str) -> None:
    """It has no presets."""
    assert parse_presets(text, "p") == {}


@pytest.mark.parametrize(
    "row",
    [
        '{dialect: openai, docs: "d"}',
        '{url: "https://h", docs: "d"}',
        '{url: "https://h", dialect: openai}',
        '{url: "h:8000", dialect: openai, docs: "d"}',
        '{url: "https://h", dialect: gemini, docs: "d"}',
        '{url: "https://h", dialect: openai, docs: "d", also: [gemini]}',
        '{url: "https://h", dialect: openai, docs: "d", quirks: {other: true}}',
        '{url: "https://h", dialect: openai, docs: "d", key: x}',
        '"https://h"',
    ],
)
def test_a_faulty_row_is_a_bug(row: str) -> None:
    """It stops the program: what is missing, not known, or no URL."""
    with pytest.raises(ValidationError):
        parse_presets(f"a: {row}", "p")


def test_what_is_no_yaml_is_a_bug_too() -> None:
    """With its place."""
    with pytest.raises(RulesError, match="p:"):
        parse_presets("a: [", "p")


def test_quirks_are_the_files_then_the_presets_then_the_references() -> None:
    """Key by key; false in the file wins over true in the preset."""
    full = parse_presets(TABLE, "p")["full"]
    assert quirks_of(None, QuirksFile()) == Quirks()
    assert quirks_of(full, QuirksFile()) == Quirks(max_completion_tokens=True, thinking_switch="template")
    written = QuirksFile(max_completion_tokens=False, usage_in_stream=False)
    assert quirks_of(full, written) == Quirks(thinking_switch="template", usage_in_stream=False)


def test_every_quirk_can_be_written() -> None:
    """The file's keys are the fields of the value."""
    assert set(QuirksFile.model_fields) == set(Quirks.__dataclass_fields__)
    assert set(KeepAliveFile.model_fields) == set(KeepAlive.__dataclass_fields__)


def test_pings_are_the_servers_then_the_files_then_the_references() -> None:
    """Key by key; 0 (never) is something that was said."""
    assert keepalive_of(KeepAliveFile(), KeepAliveFile()) == KeepAlive()
    general = KeepAliveFile(after=9, before_answer=True)
    assert keepalive_of(general, KeepAliveFile()) == KeepAlive(9, True)
    assert keepalive_of(general, KeepAliveFile(after=0)) == KeepAlive(0, True)
    assert keepalive_of(general, KeepAliveFile(before_answer=False)) == KeepAlive(9, False)
