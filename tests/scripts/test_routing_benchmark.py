"""scripts/bench/routing on files of one's own: what it makes of rows that are not as they should be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

PROMPTS = """\ufeff{"text": "Write a Python function that adds two lists", "label": "coding"}\r
{"text": "", "label": "chat", "lang": "xx", "source": null}
{"text": "Bonjour\u2028le monde", "label": "chat", "lang": null, "source": 7}

{"text": null, "label": "math"}
{"label": "math"}
{"text": "x", "label": "poetry"}
{"text": "x"}
[1]
no JSON
"""
PAIRS = """{"a": "What is 2+2?", "b": "what is 2+2", "same": true, "kind": "surface:case"}
{"a": "", "b": "", "same": 1, "kind": null}
{"a": "\u4f60\u597d", "b": "\u518d\u89c1", "same": false, "lang": "zh"}
{"a": "x", "same": false}
{"a": "x", "b": "y"}
{"a": "x", "b": "y", "same": "false"}
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/bench/routing.py"), "--no-embedder", "--json", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_odd_rows_are_left_out_and_named(tmp_path: Path) -> None:
    """Rows that cannot be judged are left out with a word of it; a missing language or source is no hindrance."""
    prompts, pairs = tmp_path / "prompts.jsonl", tmp_path / "pairs.jsonl"
    prompts.write_text(PROMPTS, encoding="utf-8", newline="")
    pairs.write_text(PAIRS, encoding="utf-8")
    done = run("--tasktype", str(prompts), "--pairs", str(pairs))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["L1"]["overall"]["n"] == 3
    assert {name: some["n"] for name, some in found["L1"]["languages"].items()} == {"": 2, "xx": 1}
    assert {name: some["n"] for name, some in found["L1"]["sources"].items()} == {"": 2, "7": 1}
    assert found["guards"]["overall"]["n"] == 3
    assert found["guards"]["surface"]["strict_hit"] == 1.0
    assert f"{prompts}:5: no text" in done.stderr
    assert f"{prompts}: 6 of 9 rows left out" in done.stderr
    assert f"{pairs}: 3 of 6 rows left out" in done.stderr


def test_nothing_to_judge(tmp_path: Path) -> None:
    """An empty file has no figures to be held against the aims; one that is not there is said in a line."""
    (tmp_path / "empty.jsonl").write_text("")
    done = run("--tasktype", str(tmp_path / "empty.jsonl"))
    assert done.returncode == 0, done.stderr
    assert [name for name in json.loads(done.stdout)["aims"] if name.startswith("L1")] == []
    gone = run("--pairs", str(tmp_path / "gone.jsonl"))
    assert (gone.returncode, "Traceback" in gone.stderr) == (2, False)
