"""scripts/mutants: its table fits the code as it is, and it tells a mutant that was noticed from one that was not."""

from __future__ import annotations

import ast
import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ISSUE = {
    "fingerprint-truncation", "fingerprint-context", "fingerprint-plugins", "fingerprint-logit-bias",
    "fingerprint-extras-origin", "seen-anthropic-beta", "think-limit", "masking-jwt", "capabilities-max-tokens",
}  # fmt: skip


@pytest.fixture(scope="module")
def mutants() -> Iterator[Any]:
    """The script as a module; it finds what is beside it as it does when it is run."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        yield importlib.import_module("mutants")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def test_every_edit_applies_to_one_place_and_is_python(mutants: Any) -> None:
    """Who changes a line that the table breaks has to say how it is broken now."""
    wrong = []
    for mutant in mutants.read_table(ROOT):
        try:
            mutant.applied((ROOT / mutant.file).read_bytes().decode())
        except (OSError, ValueError) as error:
            wrong.append(f"{mutant.name}: {error}")
    assert wrong == []


def test_every_test_that_must_kill_one_is_there(mutants: Any) -> None:
    """A file, or a function of that name in it."""
    wrong = []
    for named in {test for mutant in mutants.read_table(ROOT) for test in mutant.tests}:
        file, _, function = named.partition("::")
        found = (ROOT / file).is_file()
        if found and function:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            found = any(isinstance(node, ast.FunctionDef) and node.name == function for node in tree.body)
        if not found:
            wrong.append(named)
    assert wrong == []


def test_the_table_is_whole(mutants: Any) -> None:
    """Each edit has a name of its own and says what it breaks; those that an issue asked for are among them."""
    table = mutants.read_table(ROOT)
    names = [mutant.name for mutant in table]
    assert len(names) == len(set(names)) >= 60
    assert set(names) >= ISSUE
    assert all(mutant.breaks and mutant.tests for mutant in table)


MODULE = '''
def most(numbers: list[int]) -> int:
    """The greatest."""
    found = numbers[0]
    for number in numbers:
        if number > found:
            found = number
    return found
'''
TESTS = """
import subprocess, sys
from switchman.addons.sums import most

def test_it():
    assert most([1, 3, 2]) == 3

def test_a_program_of_its_own():
    code = "from switchman.addons.sums import most; print(most([1, 3, 2]))"
    assert subprocess.run([sys.executable, "-P", "-c", code], capture_output=True).stdout.split() == [b"3"]
"""
CHILD = "tests/test_sums.py::test_a_program_of_its_own"
TABLE = f"""
[[file]]
path = "addons/sums.py"
tests = ["tests/test_sums.py"]
mutant = [
    {{name = "least", breaks = "", old = "number > found", new = "number < found"}},
    {{name = "equal", breaks = "nothing", old = "number > found", new = "number >= found"}},
    {{name = "gone", breaks = "", old = "nowhere", new = ""}},
    {{name = "twice", breaks = "", old = "number", new = "n"}},
    {{name = "no-python", breaks = "", old = "if number > found:", new = "if:"}},
    {{name = "child", breaks = "", old = "return found", new = "return 0", tests = ["{CHILD}"]}},
    {{name = "slow", breaks = "", old = "return found", new = "while True: pass"}},
    {{name = "no-tests", breaks = "", old = "number > found", new = "number < found", tests = ["tests/none.py"]}},
]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A tree of one module, whose package is none of the checkout's."""
    if shutil.which("git") is None:
        pytest.skip("no git: the script copies what it lists")
    for name, text in {
        "addons/__init__.py": "", "addons/sums.py": MODULE, "tests/test_sums.py": TESTS, "tests/mutants/x.toml": TABLE,
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n',
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def test_what_is_noticed_is_told_from_what_is_not(mutants: Any, project: Path, tmp_path: Path) -> None:
    """The copy is what runs, in programs that a test starts too; the tree itself is left as it is."""
    table = {mutant.name: mutant for mutant in mutants.read_table(project)}
    copy = mutants.Copy.of(project, tmp_path / "copy", timeout=60)
    assert copy.imported_from() == tmp_path / "copy/addons"
    found = {name: copy.run(mutant) for name, mutant in table.items() if name != "slow"}
    assert {name: result.outcome for name, result in found.items()} == {
        "least": "killed", "equal": "SURVIVED", "gone": "DOES NOT APPLY", "twice": "DOES NOT APPLY",
        "no-python": "DOES NOT APPLY", "child": "killed", "no-tests": "BROKEN",
    }  # fmt: skip
    assert found["least"].by == "test_it"
    assert found["child"].by == "test_a_program_of_its_own"
    assert found["equal"].by == "nothing"
    assert found["twice"].by == "the old text occurs 6 times in addons/sums.py"
    assert (project / "addons/sums.py").read_text() == (tmp_path / "copy/addons/sums.py").read_text() == MODULE


def test_tests_that_never_end_have_noticed(mutants: Any, project: Path, tmp_path: Path) -> None:
    """A mutant that hangs is killed after its time, with all that its tests have started."""
    slow = next(mutant for mutant in mutants.read_table(project) if mutant.name == "slow")
    result = mutants.Copy.of(project, tmp_path / "copy", timeout=3).run(slow)
    assert (result.outcome, result.by) == ("killed", "longer than 3 s")


def test_tests_that_fail_as_it_is_say_nothing(mutants: Any, project: Path) -> None:
    """Else every mutant would count as noticed."""
    (project / "addons/sums.py").write_text(MODULE.replace("return found", "return 0"))
    table = [mutant for mutant in mutants.read_table(project) if mutant.name == "least"]
    with pytest.raises(RuntimeError, match="do not pass as it is"):
        list(mutants.results(table, project, 1))


def test_edits_made_from_syntax(mutants: Any, project: Path) -> None:
    """Each says what stands where, also behind letters of several bytes; types and f-strings are left alone."""
    text = '''
def f(a: int = 1, b: "x[2]" = None) -> int:
    """Ünï."""
    ü = "ü"; log(ü)
    if not a or b < 3:
        raise ValueError(f"{a > 2}")
    a += 1
    if a: return False
    return ü
    return None
'''
    (project / "addons/odd.py").write_text(text)
    made = mutants.generated(project, ["addons/odd.py"], [])
    assert [(mutant.name, mutant.old, mutant.new) for mutant in made] == [
        ("odd:2:number", "1", "2"),
        ("odd:4:remove", "log(ü)", "pass"),
        ("odd:5:and-or", "not a or b < 3", "(not a and b < 3)"),
        ("odd:5:not", "not a", "(a)"),
        ("odd:5:compare", "b < 3", "(b <= 3)"),
        ("odd:5:number", "3", "4"),
        ("odd:6:remove", 'raise ValueError(f"{a > 2}")', "pass"),
        ("odd:7:remove", "a += 1", "pass"),
        ("odd:7:number", "1", "2"),
        ("odd:8:return", "return False", "return True"),
        ("odd:9:return", "return ü", "return None"),
    ]
    assert made[0].tests == ("tests/addons/test_odd.py",)
    for mutant in made:
        assert mutant.applied(text) != text
