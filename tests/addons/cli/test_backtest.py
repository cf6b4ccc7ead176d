"""`switchman backtest` on a log that nobody writes."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.cli import main
from switchman.addons.core.decision.replaying.criteria import FIGURES
from switchman.addons.store import open_store
from switchman.addons.testing.samples import make_record

SERVERS = 'servers: {a: "http://127.0.0.1:1", b: "http://127.0.0.1:2"}\n'
PRICES = "models: {a/m: {input_cost: 2, output_cost: 10}, b/m: {input_cost: 3, output_cost: 15}}\n"
OLD = SERVERS + PRICES + "routes: [{name: all, match: {model: m}, route: {upstream: a}}]\n"
NEW = OLD.replace("upstream: a", "upstream: b").replace("model: m", 'model: m, source_host: "10.0.0.0/8"')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of four requests of today, of which one is from 10.0.0.1, and one of long ago."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEFAULT_UPSTREAM", "http://127.0.0.1:3")  # else it hangs on what the servers list
    (tmp_path / "routes.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(NEW)
    known = {"requested_model": "m", "server": "a", "model": "m", "layer": "route", "route": "all", "cache": None}
    known |= {"input_tokens": 1000, "output_tokens": 100, "duration_ms": 800.0}
    body = b'{"model":"m","messages":[{"role":"user","content":"A prompt that is private."}]}'
    with open_store(db_path=tmp_path / "requests.db", blob_path=tmp_path / "blob_storage", max_age_days=None) as store:
        for number in range(5):
            at = time.time() - 60 + number if number else 1000.0
            client = "10.0.0.1" if number == 1 else "127.0.0.1"
            store.writer().put(make_record(f"r{number}", started_at=at, client=client, request_body=body, **known))
    return tmp_path


def backtest(folder: Path, *arguments: str) -> int:
    return main(["backtest", "--data-dir", str(folder), *arguments])


def replayed(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    backtest(folder, "--rules", "new.yaml", "--json", *arguments)
    return json.loads(capsys.readouterr().out)


def test_what_goes_elsewhere_with_cost_and_latency(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the last week, unless it is said otherwise; by the price table and the known tokens."""
    found = replayed(folder, capsys)
    assert (found["requests"], found["elsewhere"], found["same"]) == (4, 4, 0)
    moves = {(one["from"], one["to"]): one["requests"] for one in found["moves"]}
    assert moves == {("a/m", "default/m"): 3, ("a/m", "b/m"): 1}
    assert found["cost"]["before"] == 0.003 and found["cost"]["after"] == 0.0045 and found["cost"]["change"] == 0.5
    assert found["cost"]["unknown"] == {"requests": 3, "no_tokens": 0, "no_price": {"default/m": 3}}
    assert found["latency"]["unknown"]["no_median"] == {"default/m": 3, "b/m": 1}
    assert (found["before"], found["after"]) == (str(folder / "routes.yaml"), "new.yaml")
    assert "A prompt" not in json.dumps(found)  # no prompt is in what may end in the log of a build


def test_which_requests(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Since when, and how many."""
    assert replayed(folder, capsys, "--since", "100000d")["requests"] == 5
    assert replayed(folder, capsys, "--since", "2001-01-01")["requests"] == 4
    assert [one["id"] for one in replayed(folder, capsys, "--limit", "1")["examples"]] == ["r4"]
    assert replayed(folder, capsys, "--examples", "0")["examples"] == []
    assert replayed(folder, capsys, "--since", "1s")["requests"] == 0


def test_what_it_is_compared_with(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rules in force, another file, or what really happened."""
    assert replayed(folder, capsys, "--against", "new.yaml")["elsewhere"] == 0
    found = replayed(folder, capsys, "--against", "recorded")
    assert (found["before"], found["elsewhere"], found["moves"][0]["from"]) == ("what the log says", 4, "a/m")


def test_it_says_the_same_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the byte, as text and as JSON; no line of the text is wider than a terminal."""
    backtest(folder, "--rules", "new.yaml")
    first = capsys.readouterr()
    backtest(folder, "--rules", "new.yaml")
    assert capsys.readouterr() == first and first.err == ""
    assert max(map(len, first.out.splitlines())) <= 80
    assert re.search(r"^cost +\$0\.003 +\$0\.0045 +\+50\.0% +1$", first.out, re.M)
    assert replayed(folder, capsys) == replayed(folder, capsys)


def test_a_terminal_sees_how_far_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr, and only there; elsewhere nothing is written to it."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    backtest(folder, "--rules", "new.yaml", "--json")
    said = capsys.readouterr()
    assert "replayed:" in said.err and "/4 [" in said.err and json.loads(said.out)["requests"] == 4


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ((), 0),
        (("cost > +60%",), 0),
        (("cost > +5%",), 1),
        (("cost > +60%", "elsewhere > 3"), 1),
        (("cost > +60%, elsewhere > 3",), 1),
        (("latency > 2s",), 1),  # not known of any: it cannot be said to hold
        (("unknown > 0", "refused > 0"), 0),
    ],
)
def test_conditions_decide_the_exit_status(
    folder: Path, capsys: pytest.CaptureFixture[str], conditions: tuple[str, ...], code: int
) -> None:
    """1 where one is met, and each is told."""
    arguments = [part for one in conditions for part in ("--fail-if", one)]
    assert backtest(folder, "--rules", "new.yaml", *arguments) == code
    told = capsys.readouterr().out
    assert ("FAILED" in told) is bool(code)
    found = replayed(folder, capsys, *arguments)
    assert found["failed"] is bool(code)
    assert len(found["conditions"]) == ",".join(conditions).count(",") + bool(conditions)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--rules", "none.yaml"), "there is no such file"),
        (("--rules", "broken.yaml"), "broken.yaml:2:"),
        (("--rules", "new.yaml", "--against", "broken.yaml"), "broken.yaml:2:"),
        (("--rules", "new.yaml", "--fail-if", "price > 5"), "there is no figure 'price'"),
        (("--rules", "new.yaml", "--limit", "0"), "expected a number above 0"),
        (("--rules", "new.yaml", "--since", "yesterday"), "is no time"),
        ((), "required: --rules"),
    ],
)
def test_a_wrong_call_is_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    """With what is wrong, and nothing on stdout."""
    (folder / "broken.yaml").write_text(SERVERS + "routes: [{match: {modle: m}}]\n")
    try:
        code = backtest(folder, *arguments)
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    assert (code, said.out) == (2, "") and told in said.err


def test_without_a_log_it_makes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says where it looked."""
    (tmp_path / "new.yaml").write_text(NEW)
    assert backtest(tmp_path, "--rules", str(tmp_path / "new.yaml")) == 2
    assert f"there is no log at {tmp_path}/requests.db" in capsys.readouterr().err
    assert not (tmp_path / "requests.db").exists()


def test_the_help_says_what_the_figures_and_exit_statuses_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["backtest", "--help"])
    told = capsys.readouterr().out
    assert "  1  a condition of --fail-if is met" in told and "\n  cost > +5%  " in told
    assert all(f"\n  {figure} " in told for figure in FIGURES)
    assert max(map(len, told.splitlines())) <= 80
