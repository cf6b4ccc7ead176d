"""The keys that are known follow the rules in force; earlier ones stay known while a request may use them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.beside import SWITCH
from switchman.addons.config.configuration import RulesFile, load_settings
from switchman.addons.config.secrets import ownkeys
from switchman.addons.core.keys.known import KnownKeys

SECRET = "Jt5vQ2xW8zR4mK7nB1cF6hD9gL3pS0yA"
FILE = 'servers: {{one: {{url: "http://127.0.0.1:9", api_key: "{key}"}}}}\n'


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(ownkeys.time, "monotonic", lambda: now[0])
    return now


def load(tmp_path: Path, **more: Any) -> tuple[RulesFile, Path]:
    file = tmp_path / "routes.yaml"
    file.write_text(FILE.format(key="key-of-before-1"))
    return RulesFile(load_settings(routes_config=str(file), **more)), file


def test_settings_and_rules(tmp_path: Path) -> None:
    """The dashboard's secret, the passwords of the database and of Redis, the servers' keys."""
    urls = {"database_url": "postgresql://u:pass-word-1@h/db", "redis_url": "redis://:pass-word-2@h/0"}
    rules, _ = load(tmp_path, jwt_secret=SECRET, **urls)
    assert rules.keys.current.values == {SECRET, "pass-word-1", "pass-word-2", "key-of-before-1"}


def test_a_reload(tmp_path: Path, clock: list[float]) -> None:
    """The new key is known with the new rules, the old one for as long as a request may run, and then no more."""
    rules, file = load(tmp_path, request_timeout=100)
    file.write_text(FILE.format(key="key-of-after-22"))
    assert rules.poll(anyway=True)
    assert rules.keys.current.values == {"key-of-before-1", "key-of-after-22"}
    clock[0] += 100 + ownkeys.WRITTEN_DOWN - 1
    rules.poll()
    assert rules.keys.current.values == {"key-of-before-1", "key-of-after-22"}
    clock[0] += 2
    rules.poll()
    assert rules.keys.current.values == {"key-of-after-22"}


def test_keys_are_forgotten_beside_the_loop(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are compiled anew in short turns: of thousands that takes a second."""
    rules, file = load(tmp_path, request_timeout=100)
    file.write_text(FILE.format(key="key-of-after-22"))
    assert rules.poll(anyway=True)
    turns: list[float] = []

    def compiled(values: Iterable[str]) -> KnownKeys:
        turns.append(sys.getswitchinterval())
        return KnownKeys(values)

    monkeypatch.setattr(ownkeys, "KnownKeys", compiled)
    before = sys.getswitchinterval()
    clock[0] += 10_000
    rules.poll()
    assert turns == [pytest.approx(SWITCH)]
    assert sys.getswitchinterval() == before != pytest.approx(SWITCH)
    assert rules.keys.current.values == {"key-of-after-22"}


def test_a_key_that_comes_back_stays(tmp_path: Path, clock: list[float]) -> None:
    """Its time as an old one is over, and it is in force again."""
    rules, file = load(tmp_path, request_timeout=100)
    for key in ("key-of-after-22", "key-of-before-1"):
        file.write_text(FILE.format(key=key))
        assert rules.poll(anyway=True)
    clock[0] += 10_000
    rules.poll()
    assert rules.keys.current.values == {"key-of-before-1"}


def test_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    """The rules in force keep their keys."""
    rules, file = load(tmp_path)
    file.write_text("servers: 3\n")
    assert not rules.poll(anyway=True)
    assert rules.keys.current.values == {"key-of-before-1"}
