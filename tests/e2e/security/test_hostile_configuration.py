"""Patterns that hang other engines, and hostile things in the place of the rules file, in a running router."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

HOSTILE = [r"^(a+)+$", r"(a|a)*$", r"(.*)(.*)(.*)z", r"(\w+\s*)+\d"]


def test_hostile_patterns_cost_a_request_nothing(start: Any) -> None:
    """In a route, in MODEL_MAP, in a header and on the ask: each is tried on texts made for it."""
    with FakeUpstream() as upstream:
        lines = [f"servers: {{up: '{upstream.url}'}}", "routes:"]
        for pattern in HOSTILE:
            matches = (
                {"model": f"/{pattern}!/"},
                {"any": [{"regex": pattern + "!"}, {"header": {"x-a": f"/{pattern}!/"}}]},
            )
            lines += [f"- {json.dumps({'match': match, 'route': {'model': 'up/never'}})}" for match in matches]
        lines += ["- {match: {}, route: {model: up/plain}}"]
        model_map = json.dumps({f"/{pattern}!!/": r"x-\g<0>" for pattern in HOSTILE})
        proxy = start("\n".join(lines), env={"MODEL_MAP": model_map})
        busy = processor_time(proxy.process.pid)
        for text in ("a" * 60 + "?", "a" * 60_000 + "?", "ab " * 20_000 + "?"):
            body = {"model": text[:300].strip(), "messages": [{"role": "user", "content": text}]}
            answer = proxy.post("/v1/chat/completions", body, headers={"x-a": text[:4000]})
            assert answer.status_code == 200, answer.text
            assert upstream.inferences[-1].json()["model"] == "plain"
        assert processor_time(proxy.process.pid) - busy < 10  # some tenths of a second; re never came back


def processor_time(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _put(kind: str, aside: Path, good: str) -> None:
    if kind == "pipe":
        os.mkfifo(aside)
    elif kind == "zero":
        aside.symlink_to("/dev/zero")
    elif kind == "bomb":
        bomb = ["x-a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        bomb += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
        aside.write_text("\n".join(bomb))
    elif kind == "nested":
        aside.write_text("x-a: " + "{a: " * 50_000)
    else:  # each alias names the next one twice
        tree = [f"  a{n}: {{instances: [a{n + 1}, a{n + 1}]}}" for n in range(30)]
        aside.write_text("\n".join([good.partition("\n")[0], "aliases:", *tree, "  a30: {instances: [no/m]}"]))


def test_hostile_things_in_the_place_of_the_rules_keep_the_old_ones(start: Any) -> None:
    """The router says so, keeps answering by the last good rules, and takes the next good file."""
    with FakeUpstream() as upstream:
        good = f"servers: {{up: '{upstream.url}'}}\naliases: {{here: {{instances: [up/model-0]}}}}\n"
        proxy = start(good)
        aside = proxy.routes_file.with_name("aside")
        for number, kind in enumerate(("pipe", "zero", "bomb", "nested", "tree")):
            _put(kind, aside, good)
            aside.replace(proxy.routes_file)
            proxy.until(lambda n=number: proxy.output.count("the last good rules stay in force") == n + 1)
            assert proxy.chat("here").status_code == 200
            assert upstream.inferences[-1].json()["model"] == f"model-{number}"
            proxy.overlook()
            aside.write_text(good.replace("model-0", f"model-{number + 1}"))
            aside.replace(proxy.routes_file)
            proxy.until(lambda n=number: asked_model(proxy, upstream) == f"model-{n + 1}")


def asked_model(proxy: Any, upstream: FakeUpstream) -> str:
    assert proxy.chat("here").status_code == 200
    return str(upstream.inferences[-1].json()["model"])


def test_a_request_under_way_keeps_its_rules(start: Any) -> None:
    """Its answer is treated as the rules say by which it was decided, though others came into force meanwhile."""
    with FakeUpstream(default=Behaviour(think="hm", text="Hello", latency=3.0)) as upstream:
        rules = f"servers: {{up: {{url: '{upstream.url}', thinking_output: keep}}}}\n"
        proxy = start(rules)
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(proxy.chat("up/m")))
        thread.start()
        proxy.until(lambda: len(upstream.inferences) == 1)
        proxy.routes_file.write_text(rules.replace("keep", "strip"))
        proxy.wait_output("loaded, 1 server")
        thread.join(30)
        assert "<think>" in answers[0].json()["choices"][0]["message"]["content"]
        assert "<think>" not in proxy.chat("up/m").json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("match", "told"),
    [
        ("{model: '/(?=a)b/'}", "routes.yaml:2:26: routes[0].match.model: the"),
        ("{regex: '(a)\\1'}", "a reference back"),
    ],
)
def test_check_says_what_a_pattern_cannot_do(match: str, told: str, tmp_path: Any) -> None:
    """With its place, and what to write instead."""
    file = tmp_path / "routes.yaml"
    file.write_text(f"servers: {{s: 'http://127.0.0.1:9'}}\nroutes: [{{match: {match}, route: {{model: s/m}}}}]\n")
    done = subprocess.run(
        [sys.executable, "-m", "switchman.addons.cli", "check", "--offline", str(file)], capture_output=True, text=True
    )
    assert done.returncode == 1 and told in done.stderr + done.stdout
