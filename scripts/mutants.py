"""Mutants: the code broken in one place at a time, and whether the tests that are there for it notice.

    tests/mutants/*.toml     the edits, one table per room: what is broken, where, and which tests must kill it
    --generated FILE ...     edits made from a file's syntax (mutant_operators.py): for a person to read through

1. All files that git knows are copied into a folder of their own, once per job; the checkout is never touched.
2. The named tests must pass there as it is. If they do not, nothing can be said (exit code 2).
3. For each mutant the edit is made in the copy, its tests are run until one fails, and the edit is taken back.

killed           a test failed, or they took too long
SURVIVED         all passed
DOES NOT APPLY   the old text is not in the file exactly once, or the new one is no Python
BROKEN           pytest could not run the tests, so nobody knows
Any of the last three is exit code 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Literal

from mutant_operators import edits_of

ROOT: Final = Path(__file__).resolve().parents[1]
TABLE: Final = "tests/mutants"
PACKAGES: Final = ("addons", "webui", "rules")  # of `switchman`, as pyproject.toml maps them
TIMEOUT: Final = 300.0  # seconds that the tests of one mutant may take

Outcome = Literal["killed", "SURVIVED", "DOES NOT APPLY", "BROKEN"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit. `old` occurs once in `file`; `tests` are files, or file::test; `breaks` says in words what goes wrong.

    `at` is set for an edit that is not found by its text: the offset where `old` begins.
    """

    name: str
    file: str
    old: str
    new: str
    breaks: str
    tests: tuple[str, ...]
    at: int | None = None

    def applied(self, text: str) -> str:
        """The broken file; ValueError with the reason where the edit does not apply."""
        if self.at is None and (found := text.count(self.old)) != 1:
            raise ValueError(f"the old text occurs {found} times in {self.file}")
        if self.old == self.new:
            raise ValueError("the new text is the old one")
        at = text.index(self.old) if self.at is None else self.at
        broken = text[:at] + self.new + text[at + len(self.old) :]
        try:
            compile(broken, self.file, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise ValueError(f"the new text is no Python: {error}") from None
        return broken


@dataclass(frozen=True, slots=True)
class Result:
    """`by`: the test that killed it, or what went wrong. `seconds` is wall time."""

    mutant: Mutant
    outcome: Outcome
    by: str = ""
    seconds: float = 0.0


def read_table(root: Path) -> list[Mutant]:
    """All edits of the table, in the order of the files' names; KeyError for one that lacks a member."""
    return [mutant for path in sorted((root / TABLE).glob("*.toml")) for mutant in _read(path)]


def _read(path: Path) -> Iterator[Mutant]:
    for file in tomllib.loads(path.read_text(encoding="utf-8")).get("file", []):
        for entry in file["mutant"]:
            tests = tuple(entry.get("tests", file["tests"]))
            yield Mutant(entry["name"], file["path"], entry["old"], entry["new"], entry["breaks"], tests)


def generated(root: Path, files: Iterable[str], tests: Sequence[str]) -> list[Mutant]:
    """Edits made from the syntax of `files`. Without `tests` the mirrored test file is what must kill them."""
    made: list[Mutant] = []
    for file in files:
        text = (root / file).read_text(encoding="utf-8")
        mirrored = f"tests/{Path(file).with_name(f'test_{Path(file).name}').as_posix()}"
        lines = text.splitlines()
        for edit in edits_of(text):
            name = f"{Path(file).stem}:{edit.line}:{edit.kind}"
            breaks = f"{lines[edit.line - 1].strip()}  ->  {edit.new}"
            made.append(Mutant(name, file, edit.old, edit.new, breaks, tuple(tests) or (mirrored,), edit.at))
    return made


@dataclass(slots=True)
class Copy:
    """A throwaway copy of the tree, in which the packages are what `switchman` is, also for subprocesses of tests.

    An editable install points at the checkout. A folder `switchman` of links, first on PYTHONPATH, goes before it.
    """

    root: Path
    venv: Path
    timeout: float = TIMEOUT
    _edits: int = field(default=0, init=False)

    @classmethod
    def of(cls, source: Path, target: Path, timeout: float = TIMEOUT) -> Copy:
        """A copy of what git knows in `source`, and of what is new there and not ignored."""
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(command, cwd=source, check=True, capture_output=True)  # nosec B603  # git
        listed = done.stdout.decode().split("\0")
        for name in filter(None, listed):
            if (source / name).is_file():  # git lists what is deleted and not committed yet
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / name, target / name, follow_symlinks=False)
        (target / ".path/switchman").mkdir(parents=True)
        for package in PACKAGES:
            (target / ".path/switchman" / package).symlink_to(target / package)
        venv = source / ".venv"
        if venv.is_dir():
            (target / ".venv").symlink_to(venv)  # the tests look for the embedding model there
        return cls(target, venv, timeout)

    def imported_from(self) -> Path:
        """The folder that a Python started here finds the code in."""
        code = "import switchman.addons as found; print(found.__path__[0])"
        command = [sys.executable, "-P", "-c", code]
        done = subprocess.run(  # nosec B603  # our own tests
            command, cwd=self.root, env=self._environment(), capture_output=True, text=True
        )
        return Path(done.stdout.strip() or "?").resolve()

    def _environment(self) -> dict[str, str]:
        path = [str(self.root / ".path"), *filter(None, [os.environ.get("PYTHONPATH")])]
        # Of the plugins that are installed the tests use one; to load all takes longer than most tests.
        own = {"PYTHONPATH": os.pathsep.join(path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
        return os.environ | own

    def write(self, file: str, text: str) -> None:
        """With a time of its own: Python takes compiled code for current that is of the same second and size."""
        path = self.root / file
        path.write_text(text, encoding="utf-8", newline="")
        self._edits += 1
        moment = time.time() + 10 * self._edits
        os.utime(path, (moment, moment))

    def test(self, tests: Sequence[str]) -> tuple[int | None, str]:
        """pytest's exit code, None where it took too long; and its output. The same seed for all random data."""
        command = [
            sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-rfE", "--tb=line", "-p", "no:cacheprovider",
            "-p", "_hypothesis_pytestplugin", "--hypothesis-seed=0", *tests,
        ]  # fmt: skip
        with subprocess.Popen(  # nosec B603  # our own tests
            command,
            cwd=self.root,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that what the tests have started ends with them
        ) as process:
            try:
                output, _ = process.communicate(timeout=self.timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return None, ""
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode, output

    def run(self, mutant: Mutant) -> Result:
        """Break it, test it, mend it."""
        path = self.root / mutant.file
        whole = path.read_bytes().decode("utf-8") if path.is_file() else ""
        started = time.monotonic()
        try:
            broken = mutant.applied(whole)
        except ValueError as error:
            return Result(mutant, "DOES NOT APPLY", str(error))
        self.write(mutant.file, broken)
        try:
            status, output = self.test(mutant.tests)
        finally:
            self.write(mutant.file, whole)
        seconds = time.monotonic() - started
        if status is None:
            return Result(mutant, "killed", f"longer than {self.timeout:.0f} s", seconds)
        if status == 0:
            return Result(mutant, "SURVIVED", mutant.breaks, seconds)
        found = re.search(r"^(?:FAILED|ERROR) \S*?(::.*?)(?: - .*)?$", output, re.MULTILINE)
        if status == 1 and found:
            return Result(mutant, "killed", found[1].removeprefix("::"), seconds)
        return Result(mutant, "BROKEN", f"pytest ended with {status}: {output[-600:].strip()}", seconds)


def results(mutants: Sequence[Mutant], root: Path, jobs: int, timeout: float = TIMEOUT) -> Iterator[Result]:
    """One result per mutant, in the order in which they are done. RuntimeError where nothing can be said."""
    with tempfile.TemporaryDirectory(prefix="switchman-mutants-") as folder:
        copies = [
            Copy.of(root, Path(folder).resolve() / str(number), timeout)
            for number in range(max(1, min(jobs, len(mutants))))
        ]
        for copy in copies:
            if (found := copy.imported_from()) != copy.root / "addons":
                raise RuntimeError(f"the tests would run against {found}, and not against the copy in {copy.root}")
        tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
        status, output = copies[0].test(tests)
        if status != 0:
            raise RuntimeError(f"the tests do not pass as it is:\n{output[-2000:].strip()}")
        free: SimpleQueue[Copy] = SimpleQueue()
        for copy in copies:
            free.put(copy)

        def run(mutant: Mutant) -> Result:
            copy = free.get()
            try:
                return copy.run(mutant)
            finally:
                free.put(copy)

        with ThreadPoolExecutor(len(copies)) as pool:
            yield from pool.map(run, mutants)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("filter", nargs="*", help="only those with one of these in their name or file")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="how many at once (default 2)")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds for the tests of one (default 300)")
    parser.add_argument("--generated", action="append", metavar="FILE", help="edits made from this file's syntax")
    parser.add_argument("--tests", action="append", default=[], metavar="FILE", help="what must kill --generated ones")
    given: Any = parser.parse_args(arguments)
    mutants = generated(ROOT, given.generated, given.tests) if given.generated else read_table(ROOT)
    chosen = [
        one for one in mutants if not given.filter or any(word in f"{one.name} {one.file}" for word in given.filter)
    ]
    if given.list or not chosen:
        for mutant in chosen:
            print(f"{mutant.name:45} {mutant.file}: {mutant.breaks}")
        print(f"{len(chosen)} of {len(mutants)} mutants")
        return 0 if chosen else 2
    alive = 0
    try:
        for number, result in enumerate(results(chosen, ROOT, given.j, given.timeout), 1):
            alive += result.outcome != "killed"
            place = f"{number:{len(str(len(chosen)))}}/{len(chosen)}"
            print(f"{place} {result.outcome:8} {result.mutant.name} ({result.seconds:.1f} s): {result.by}", flush=True)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    print(f"{len(chosen) - alive} of {len(chosen)} killed" + (f", {alive} NOT" if alive else ""))
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
