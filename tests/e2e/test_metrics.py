"""/metrics of a whole router, beside the rows of its log: two workers and the dashboard, as `switchman serve` runs."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from switchman.addons.testing import Behaviour, FakeUpstream
from tests.e2e.conftest import PATIENCE, SETTINGS, wait_until

RULES = """
servers: {{up: "{up}", down: "http://127.0.0.1:9"}}
models: {{up/priced: {{input_cost: 1000, output_cost: 2000}}}}
aliases: {{saved: {{instances: [down/m, up/priced]}}}}
default: up/priced
"""
Series = dict[tuple[str, ...], float]


class Router:
    """`switchman serve` with two workers, and the rows and numbers that it has."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder
        (folder / "routes.yaml").write_text(RULES.format(up=upstream))
        environment = {name: value for name, value in os.environ.items() if name.upper() not in SETTINGS}
        self.log = folder / "serve.log"
        command = ["serve", "--workers", "2", "--port", "0", "--ui-port", "0", "--data-dir", str(folder)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "switchman.addons.cli", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )  # fmt: skip

    def url(self, what: str) -> str:
        """The address after `proxy` or `dashboard`, as soon as it is said."""

        def said() -> str:
            assert self.process.poll() is None, self.log.read_text()
            lines = [line.split() for line in self.log.read_text().splitlines()]
            return next((words[2] for words in lines if words[:2] == ["switchman:", what]), "")

        return wait_until(said, self.log.read_text)

    def workers(self) -> list[int]:
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in pids if b"serving.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def rows(self, columns: str, table: str = "requests", where: str = "1") -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "requests.db")) as connection:
            return connection.execute(f"SELECT {columns} FROM {table} WHERE {where}").fetchall()

    def numbers(self) -> dict[str, Series]:
        """By sample: its series by their labels, in the order of the labels' names; buckets are left out."""
        answer = httpx.get(f"{self.url('dashboard')}/metrics", trust_env=False, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        found: dict[str, Series] = {}
        for family in text_string_to_metric_families(answer.text):
            for one in family.samples:
                labels = tuple(value for name, value in sorted(one.labels.items()))
                found.setdefault(one.name.removeprefix("switchman_"), {})[labels] = one.value
        return found


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Router]:
    with FakeUpstream(name="up", models={"bad": Behaviour(status=400, body=b'{"error": {"message": "no"}}')}) as up:
        running = Router(tmp_path, up.url)
        try:
            yield running
            running.process.send_signal(signal.SIGINT)
            assert running.process.wait(PATIENCE) == 0, running.log.read_text()
        finally:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()


def traffic(url: str) -> int:
    """Whole, streamed, cached, failed over, refused, an error: returns how many requests that were."""
    question: Any = [{"role": "user", "content": "What is one and one?"}]
    count = 0
    for model in ("up/priced", "saved", "auto", "auto", "up/bad", "unheard of"):
        for stream in (False, True):
            # One connection each: the kernel shares them out among the workers.
            with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, timeout=PATIENCE) as client:
                try:
                    answer = client.chat.completions.create(model=model, messages=question, stream=stream)
                    if stream:
                        assert list(answer)
                except openai.APIStatusError as error:
                    assert model in ("up/bad", "unheard of"), error
            count += 1
    return count


def compare(router: Router, requests: int) -> dict[str, Series]:
    """Each number is what the rows say, once they are all written. Returns the numbers."""
    wait_until(lambda: len(router.rows("id")) == requests, router.log.read_text)
    wait_until(lambda: router.numbers()["log_rows_total"] == {(): requests})
    found = router.numbers()

    def counted(columns: str, where: str = "1", table: str = "requests") -> Series:
        return dict(Counter(tuple(value or "" for value in row) for row in router.rows(columns, table, where)))

    def total(column: str, where: str, factor: float = 1.0) -> float:
        return sum(row[0] for row in router.rows(column, where=f"{column} > 0 AND {where}")) * factor

    assert found["requests_total"] == counted("layer, model, outcome, server")
    assert found["errors_total"] == counted("error_class, server", "error_class IS NOT NULL")
    assert found["decisions_total"] == counted("layer", "layer IS NOT NULL")
    assert found["cache_requests_total"] == counted("cache", "cache IS NOT NULL")
    assert found["cache_hits_total"] == counted("layer", "outcome = 'cached'")
    assert found["attempts_total"] == counted("outcome, server", table="attempts")
    assert found["request_duration_seconds_count"] == counted("model, outcome, server")
    assert found["time_to_first_token_seconds_count"] == counted("model, server", "ttft_ms IS NOT NULL")
    assert found["router_overhead_seconds_count"] == counted("layer", "overhead_ms IS NOT NULL")
    for name, column, where, factor in (
        ("prompt_tokens_total", "input_tokens", "outcome <> 'cached'", 1.0),
        ("completion_tokens_total", "output_tokens", "outcome <> 'cached'", 1.0),
        ("cost_dollars_total", "cost_microdollars", "1", 1e-6),
        ("saved_cost_dollars_total", "saved_microdollars", "1", 1e-6),
        ("request_duration_seconds_sum", "duration_ms", "1", 1e-3),
        ("time_to_first_token_seconds_sum", "ttft_ms", "1", 1e-3),
        ("router_overhead_seconds_sum", "overhead_ms", "1", 1e-3),
    ):
        assert 0 < sum(found[name].values()) == pytest.approx(total(column, where, factor)), name
    assert found["log_dropped_rows_total"] == {(): 0} and found["log_failed_rows_total"] == {(): 0}
    assert found["in_flight_requests"] == {(): 0} and found["rules_valid"] == {(): 1}
    return found


def test_the_numbers_are_those_of_the_log_and_outlive_a_killed_worker(router: Router) -> None:
    """Summed over both workers, before one is killed, after it, and with what the next one adds."""
    proxy = router.url("proxy")
    router.url("dashboard")
    sent = traffic(proxy)
    before = compare(router, sent)
    assert before["workers"] == {(): 2} and before["worker_starts_total"] == {(): 2}
    assert len(before["worker_resident_memory_bytes"]) == 2
    assert before["attempts_total"]["connect", "down"] >= 1  # one server stood in for another
    assert "unheard of" not in str(before)

    for pid in router.workers():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: router.log.read_text().count("is back (pid") == 2, router.log.read_text)
    again = wait_until(lambda: (found := router.numbers())["workers"] == {(): 2} and found)
    assert again["requests_total"] == before["requests_total"] and again["worker_starts_total"] == {(): 4}
    sent += traffic(proxy)
    after = compare(router, sent)
    assert sum(after["requests_total"].values()) == 2 * sum(before["requests_total"].values())
    (router.folder / "routes.yaml").write_text("servers: [")
    assert router.numbers()["rules_valid"] == {(): 0}
