"""scripts/audit: a pass is a package that was looked up; and every locked package has its hashes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
ENTRY = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!-]+$")
CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "version": "1", "skip_reason": "Dependency not found on PyPI"}
HOLED = {"name": "c", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}


def audit(tmp_path: Path, said: str, *arguments: str, code: int = 0) -> tuple[int, str]:
    """With a command in place of pip-audit that says this: the real one needs PyPI."""
    command = tmp_path / "pip-audit"
    (tmp_path / "said").write_text(said)
    command.write_text(f"#!/bin/sh\ncat {tmp_path / 'said'}\necho oh >&2\nexit {code}\n")
    command.chmod(0o700)
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "audit.py"), *arguments],
        env={**os.environ, "PIP_AUDIT": str(command)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("packages", "arguments", "code", "told"),
    [
        ([CLEAN, CLEAN], [], 0, "requirements.lock: audited 2 of 2 packages, no known holes"),
        ([CLEAN, CLEAN], ["--strict"], 0, "requirements.lock: audited 2 of 2 packages, no known holes"),
        ([SKIPPED, SKIPPED], [], 0, "requirements.lock: NOT AUDITED: none of its 2 packages could be looked up"),
        ([SKIPPED, SKIPPED], ["--strict"], 1, "audit: INCOMPLETE"),
        ([CLEAN, SKIPPED], [], 0, "requirements.lock: audited 1 of 2 packages, no known holes\n"),
        ([CLEAN, SKIPPED], ["--strict"], 1, "audit: INCOMPLETE"),
        ([HOLED, SKIPPED], [], 1, "  c 1: CVE-1, mended in 2"),
    ],
)
def test_a_pass_is_told_from_nothing(
    tmp_path: Path, packages: list[object], arguments: list[str], code: int, told: str
) -> None:
    """pip-audit itself ends with 0 where it looked up nothing."""
    found, said = audit(tmp_path, json.dumps({"dependencies": packages}), *arguments)
    assert (found, told in said) == (code, True), said
    assert ("INCOMPLETE" in said) is (SKIPPED in packages)


def test_no_report_is_no_pass(tmp_path: Path) -> None:
    """Its last words are told."""
    code, said = audit(tmp_path, "Traceback", code=1)
    assert code == 0 and "requirements.lock: NOT AUDITED: oh" in said and "INCOMPLETE" in said
    assert "requirements-dev.lock: NOT AUDITED: not tried" in said  # it takes minutes where the network is away
    assert audit(tmp_path, "Traceback", "--strict", code=1)[0] == 1


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_has_its_hashes(lock: Path) -> None:
    """One version, and the SHA-256 of each of its files, for all platforms: no entry without, and no address."""
    entries: dict[str, int] = {}
    name = ""
    for line in lock.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if not line.startswith(" "):
            name = line.partition(" ")[0]
            assert ENTRY.match(name), line
            entries[name] = 0
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}(?=\s|$)", line)
        assert line.startswith(" ") == bool(re.fullmatch(r"    --hash=\S+(?: \\)?", line)), line
        entries[name] += len(hashes)
    assert entries and all(entries.values()), [name for name, count in entries.items() if not count]


def test_every_install_asks_for_the_hashes() -> None:
    """In the scripts and the image: `-r` with a lock never stands without --require-hashes."""
    for file in (ROOT / "scripts" / "environment.sh", ROOT / "Dockerfile"):
        lines = [line for line in file.read_text().splitlines() if re.search(r"install\b.*(-r|--requirement)\b", line)]
        assert lines, file
        assert all("--require-hashes" in line for line in lines), lines
