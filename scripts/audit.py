"""Runs pip-audit over the lock files, and says how many packages it really looked up.

    scripts/audit [--strict]

pip-audit ends with 0 and "No known vulnerabilities found" also where it could not look up a single package. Exit code
0: nothing was found in what was looked up; 1: something was found, a lock could not be read, or, with --strict, not all
packages were looked up. PIP_AUDIT names another command in place of pip-audit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-semantic.lock", "requirements-model.lock", "requirements-dev.lock")
PATIENCE = 120  # seconds for one lock


@dataclass(frozen=True)
class Audit:
    """What came of one lock file. `holes`: a line for each; `failed`: why pip-audit gave no answer, "" if it did."""

    lock: str
    packages: int = 0
    audited: int = 0
    holes: tuple[str, ...] = ()
    failed: str = ""

    def __str__(self) -> str:
        if self.failed:
            return f"{self.lock}: NOT AUDITED: {self.failed}"
        if not self.audited:
            return f"{self.lock}: NOT AUDITED: none of its {self.packages} packages could be looked up (no network?)"
        found = f"{len(self.holes)} known holes" if self.holes else "no known holes"
        return f"{self.lock}: audited {self.audited} of {self.packages} packages, {found}"


def read(lock: str, report: str) -> Audit:
    """pip-audit's JSON: a package has `vulns`, or the `skip_reason` for which it was not looked up."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit(lock, failed="pip-audit gave no report")
    audited = [package for package in packages if "skip_reason" not in package]
    holes = tuple(
        f"{package['name']} {package['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'none'}"
        for package in audited
        for hole in package["vulns"]
    )
    return Audit(lock, len(packages), len(audited), holes)


def run(lock: str) -> Audit:
    command = [os.environ.get("PIP_AUDIT") or str(Path(sys.executable).with_name("pip-audit"))]
    command += ["--requirement", str(ROOT / lock), "--require-hashes", "--disable-pip", "--format", "json"]
    command += ["--progress-spinner", "off"]
    try:
        ended = subprocess.run(  # nosec B603  # pip-audit, or what the person names
            command, capture_output=True, text=True, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Audit(lock, failed=str(error))
    found = read(lock, ended.stdout)
    if found.failed and (last := ended.stderr.strip().splitlines()):
        return Audit(lock, failed=last[-1])
    return found


def main(arguments: list[str]) -> int:
    audits: list[Audit] = []
    for lock in LOCKS:
        is_away = bool(audits) and not audits[-1].audited  # a network that swallows everything takes minutes each time
        audits.append(Audit(lock, failed="not tried, as the one before was not") if is_away else run(lock))
    for audit in audits:
        print(audit)
        for hole in audit.holes:
            print(f"  {hole}")
    complete = all(audit.audited == audit.packages and not audit.failed for audit in audits)
    if not complete:
        print("audit: INCOMPLETE: this is no statement that there are no known holes")
    return int(any(audit.holes for audit in audits) or (not complete and "--strict" in arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
