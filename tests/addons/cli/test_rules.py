"""`switchman rules`: JSON in and out of a rules file, whose comments stay."""

import json
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.cli import main
from switchman.addons.store.access.opening import open_access

RULE: dict[str, Any] = {
    "name": "Chat",
    "priority": 300,
    "enabled": True,
    "conditions": {"combinator": "OR", "items": [{"type": "taskType", "taskTypes": ["chat"]}]},
    "targetModel": "laptop/llama3",
    "fallbackChain": [],
    "thinkingStrategy": "auto",
    "id": "not known here",
}
FILE = """\
# our servers
servers:
  laptop: "http://localhost:11434" # under the desk
routes:
  # the first rule
  - name: First
    match: {model: gpt}
    route: {upstream: laptop}
  - name: Chat
    match: {model: old}
    route: {upstream: laptop}
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"version": "1.1", "rules": [RULE, {**RULE, "name": "More"}]}))
    return file


def test_import_prints_routes_that_export_gives_back(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lossless, the fields that are not known included."""
    assert main(["rules", "import", str(data)]) == 0
    file = tmp_path / "routes.yaml"
    file.write_text(capsys.readouterr().out)
    assert main(["rules", "export", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(data.read_text())


def test_import_into_a_file_keeps_its_comments(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule of a name that is there takes its place; a second time changes nothing."""
    file = tmp_path / "routes.yaml"
    file.write_text(FILE)
    file.chmod(0o600)
    assert main(["rules", "import", str(data), "--into", str(file)]) == 0
    text = file.read_text()
    assert FILE.partition("  - name: Chat")[0] in text
    assert "model: old" not in text
    assert "1 routes added, 1 of the same name replaced" in capsys.readouterr().err
    assert file.stat().st_mode & 0o777 == 0o600
    assert main(["rules", "import", str(data), "--into", str(file)]) == 0
    assert file.read_text() == text
    assert [found.name for found in tmp_path.iterdir() if found.name.startswith(".")] == []


def test_a_file_that_would_not_load_is_not_written(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The proxy that watches it keeps good rules; the faults are told."""
    file = tmp_path / "routes.yaml"
    file.write_text(FILE)
    data.write_text(json.dumps({"version": "1.1", "rules": [{**RULE, "fallbackChain": ["nowhere/m"]}]}))
    assert main(["rules", "import", str(data), "--into", str(file)]) == 2
    assert "no server is named 'nowhere'" in capsys.readouterr().err
    assert file.read_text() == FILE


def test_what_export_cannot_say_is_told_and_shows_in_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is written."""
    file, out = tmp_path / "routes.yaml", tmp_path / "out.json"
    file.write_text(FILE)
    assert main(["rules", "export", str(file), "--to", str(out)]) == 1
    assert json.loads(out.read_text()) == {"version": "1.1", "rules": []}
    assert "First: not exported" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", '{"rules": [{"targetModel": 1}]}'])
def test_bad_json_is_refused(text: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the file's name, exit code 2."""
    data.write_text(text)
    assert main(["rules", "import", str(data)]) == 2
    assert str(data) in capsys.readouterr().err


def test_an_import_into_a_file_is_in_the_list_of_changes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a router has its database; none is begun by it, and one that cannot be opened stops nothing."""
    into, database = tmp_path / "routes.yaml", tmp_path / "requests.db"
    into.write_text(FILE)
    monkeypatch.setenv("DB_PATH", str(database))
    assert main(["rules", "import", str(data), "--into", str(into)]) == 0
    assert not database.exists()
    open_access(None, database).close()
    assert main(["rules", "import", str(data), "--into", str(into)]) == 0
    access = open_access(None, database)
    (line,) = access.audit.list().lines
    access.close()
    assert (line.what, line.target, line.how) == ("rules.import", str(into), "cli")
    assert line.after == {"from": data.name, "added": 0, "replaced": 2}
    database.write_bytes(b"no database" * 1000)
    assert main(["rules", "import", str(data), "--into", str(into)]) == 0
    assert "not in the list of changes" in capsys.readouterr().err
