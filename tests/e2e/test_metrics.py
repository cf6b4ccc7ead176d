"""The numbers of several workers, beside the rows of their log. What `serve` adds to them: cli/test_serve.py."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from switchman.addons.config.configuration import RulesFile, load_settings
from switchman.addons.serving.dashboard import exposition
from switchman.addons.state.metrics.catalogue import OTHER
from switchman.addons.state.metrics.sheet import FOLDER
from switchman.addons.store import open_store
from switchman.addons.testing import Behaviour, FakeUpstream
from tests.e2e.conftest import Proxy, Start, wait_until

RULES = """
servers: {{up: "{up}", down: "http://127.0.0.1:9"}}
models: {{up/priced: {{input_cost: 1000, output_cost: 2000}}}}
aliases: {{saved: {{instances: [down/m, up/priced]}}}}
default: up/priced
"""
UNHEARD = "a prompt by mistake"  # a model's name that no server knows, and that is none
Series = dict[tuple[str, ...], float]


class Routers:
    """Two workers that write one log and count in one folder, and what a dashboard beside them tells a scraper."""

    def __init__(self, workers: Sequence[Proxy], scrape: Callable[[str], tuple[bytes, str]]) -> None:
        self.workers, self._scrape = workers, scrape

    def rows(self, columns: str, table: str = "requests", where: str = "1") -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.workers[0].folder / "requests.db")) as connection:
            return connection.execute(f"SELECT {columns} FROM {table} WHERE {where}").fetchall()

    def numbers(self) -> dict[str, Series]:
        """By sample: its series by their labels, in the order of the labels' names; buckets are one."""
        found: dict[str, Series] = {}
        for family in text_string_to_metric_families(self._scrape("")[0].decode()):
            for one in family.samples:
                labels = tuple(value for name, value in sorted(one.labels.items()))
                found.setdefault(one.name.removeprefix("switchman_"), {})[labels] = one.value
        return found

    def told(self) -> str:
        return "\n".join(one.output for one in self.workers)


@pytest.fixture
def routers(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Routers]:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    bad = Behaviour(status=400, body=b'{"error": {"message": "no"}}')
    with FakeUpstream(name="up", models={"bad": bad}) as up:
        first = start(RULES.format(up=up.url), {FOLDER: str(tmp_path)})
        log = first.folder / "requests.db"
        second = start(RULES.format(up=up.url), {FOLDER: str(tmp_path), "DB_PATH": str(log)})
        settings = load_settings(routes_config=str(first.routes_file), db_path=str(log))
        with open_store(db_path=log, blob_path=first.folder / "blobs") as store:
            scrape = exposition(store, RulesFile(settings))
            assert scrape is not None
            yield Routers([first, second], scrape)


def traffic(client: openai.OpenAI) -> int:
    """Whole, streamed, cached, failed over, refused, an error: returns how many requests that were."""
    question: Any = [{"role": "user", "content": "What is one and one?"}]
    models = ("up/priced", "saved", "auto", "auto", "up/bad", UNHEARD)
    for model in models:
        for stream in (False, True):
            try:
                answer = client.chat.completions.create(model=model, messages=question, stream=stream)
                if stream:
                    assert list(answer)
            except openai.APIStatusError as error:
                assert model in ("up/bad", UNHEARD), error
    return 2 * len(models)


def compare(router: Routers, requests: int) -> dict[str, Series]:
    """Each number is what the rows say, once they are all written. Returns the numbers."""
    wait_until(lambda: len(router.rows("id")) == requests, router.told)
    wait_until(lambda: router.numbers()["log_rows_total"] == {(): requests})
    found = router.numbers()

    def counted(columns: str, where: str = "1", table: str = "requests") -> Series:
        found = router.rows(columns, table, where)
        return dict(Counter(tuple(OTHER if value == UNHEARD else value or "" for value in row) for row in found))

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


def test_the_numbers_are_those_of_the_log_and_outlive_a_killed_worker(routers: Routers) -> None:
    """Summed over both workers, before one is killed, after it, and with what the one in its place adds."""
    first, second = routers.workers
    sent = sum(traffic(one.openai()) for one in routers.workers)
    before = compare(routers, sent)
    assert before["workers"] == {(): 2} and before["worker_starts_total"] == {(): 2}
    assert len(before["worker_resident_memory_bytes"]) == 2
    assert before["attempts_total"]["connect", "down"] >= 1  # one server stood in for another
    assert UNHEARD not in str(before)

    second.kill()
    dead = routers.numbers()
    assert dead["requests_total"] == before["requests_total"] and dead["workers"] == {(): 1}
    second.start()
    second.wait_ready()
    sent += traffic(second.openai())
    after = compare(routers, sent)
    assert after["workers"] == {(): 2} and after["worker_starts_total"] == {(): 3}
    first.routes_file.write_text("servers: [")
    assert routers.numbers()["rules_valid"] == {(): 0}
    first.wait_output("the last good rules stay in force")
    first.overlook()
