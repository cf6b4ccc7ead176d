"""`switchman explain`: the decision of the proxy, without any upstream."""

import json
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.cli import explain as module
from switchman.addons.cli import main
from switchman.addons.config.configuration import load_task_rules
from switchman.addons.core.access.caller import Terms
from switchman.addons.core.decision.decide import RoutingQuery
from switchman.addons.core.request.features import features_of
from switchman.addons.core.routes.plan import Plan
from switchman.addons.hooks.routing import explaining
from switchman.addons.hooks.routing.explaining import as_json
from switchman.addons.store.access.opening import open_access
from switchman.addons.testing import FakeUpstream

FILE = """\
servers: {laptop: "http://localhost:11434", cloud: "https://cloud.invalid/v1"}
routes:
  - name: code
    match: {model: auto, task: coding}
    route: {model: cloud/coder, thinking: disabled, fallbacks: [laptop/qwen]}
  - {name: lab, match: {header: {x-team: lab}}, route: {model: laptop/lab}}
default: laptop/llama3
arbiter: {url: "http://127.0.0.1:1", model: tiny, targets: {coding: cloud/coder}}
semantic_routes: {categories: {coding: cloud/coder}}
"""
CODE = "Fix this Python function, it raises a KeyError: def f(d): return d['x']"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "routes.yaml"
    file.write_text(FILE)
    return file


def explained(config: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["explain", "--config", str(config), "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_rule_on_what_is_asked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Features, the layer, the plan with its candidates in order."""
    found = explained(config, capsys, CODE)
    assert (found["layer"], found["route"], found["thinking"]) == ("route", "code", "disabled")
    assert [one["target"] for one in found["candidates"]] == ["cloud/coder", "laptop/qwen"]
    assert [one["credentials"] for one in found["candidates"]] == ["client", "none"]
    assert (found["features"]["task"], found["features"]["language"]) == ("coding", "en")
    assert found["trace"][1]["detail"].startswith("code (line 3) matches model auto and task coding")


def test_the_prices_that_would_apply(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each candidate: by the rules, by the published prices, or not known."""
    rules = FILE.replace("laptop/qwen]", "openai/gpt-4o, laptop/qwen]")
    rules = rules.replace("servers: {", "servers: {openai: {preset: openai}, ")
    config.write_text(f"{rules}models: {{cloud/coder: {{input_cost: 2, output_cost: 8}}}}\n")
    assert explained(config, capsys, CODE)["prices"] == {
        "cloud/coder": "$2 in, $2 cached, $8 out per million tokens",
        "openai/gpt-4o": "$2.5 in, $1.25 cached, $10 out per million tokens",
        "laptop/qwen": "not known",
    }
    assert main(["explain", "--config", str(config), CODE]) == 0
    told = capsys.readouterr().out
    assert told.endswith("  laptop/qwen: not known\n") and " on 20" in told and ")\n  cloud/coder: $2 in, " in told


def test_what_the_targets_would_be_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of thinking, as the rule wants it, for each candidate in its own words."""
    told = [line["detail"] for line in explained(config, capsys, CODE)["trace"] if line["layer"] == "thinking"]
    assert told == [
        "For cloud/coder: There is no way to tell coder not to think: nothing is changed.",
        "For laptop/qwen: There is no way to tell qwen not to think: nothing is changed.",
    ]
    config.write_text(FILE.replace("cloud/coder", "cloud/gpt-5").replace("laptop/qwen", "laptop/qwen3"))
    told = [line["detail"] for line in explained(config, capsys, CODE)["trace"] if line["layer"] == "thinking"]
    assert told == [
        "For cloud/gpt-5: Told not to think by reasoning_effort: minimal.",
        "For laptop/qwen3: Told not to think by a soft switch after the user's words.",
    ]


def test_why_a_stream_would_be_held(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the model's name, and by the rules; nothing is said of others."""
    models = (
        "models: {laptop/own: {thinking_opens: true, thinking_output: reasoning}, laptop/qwq: {thinking_opens: false}}"
    )
    config.write_text(f"{FILE}{models}\n")

    def held(model: str) -> list[str]:
        lines = explained(config, capsys, "--model", model, "Hi.")["trace"]
        return [line["detail"] for line in lines if line["layer"] == "thinking"]

    assert held("laptop/deepseek-r1") == [
        "In a stream: deepseek-r1's template opens its thinking (as its family's do): "
        "the text before a closing tag is held, as a thought."
    ]
    (line,) = held("laptop/own")
    assert line.startswith("In a stream: own's template opens its thinking (`thinking_opens: true` says so): ")
    assert held("laptop/qwq") == held("laptop/llama3") == []


def test_what_would_be_redacted(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the rule that decides, or by the whole file; and where the proxy would refuse the request."""
    config.write_text(FILE + "redact: {patterns: [email]}\n")
    body = tmp_path / "body.json"

    def line(**asked: Any) -> list[tuple[str, str]]:
        body.write_text(json.dumps(asked))
        found = explained(config, capsys, "--body", str(body))
        return [(one["outcome"], one["detail"]) for one in found["trace"] if one["layer"] == "redaction"]

    said = [{"role": "user", "content": "to jane@example.org or 4111 1111 1111 1111"}]
    assert line(model="x", messages=said) == [("hit", "redacted: 1 email")]
    assert line(model="x", messages=said[:0]) == [("miss", "redacted: nothing")]
    ((outcome, detail),) = line(model="x", prompt=[1, 2, 3])
    assert outcome == "error" and detail.startswith("The proxy refuses this request: `prompt` is given as tokens")
    config.write_text(FILE)
    assert line(model="x", messages=said) == []


def test_layers_that_are_not_asked_say_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No upstream is called: the arbiter of this file has a port where nobody listens."""
    found = explained(config, capsys, "Good morning!")
    assert [(line["layer"], line["outcome"]) for line in found["trace"]] == [
        ("exact_cache", "skip"), ("route", "miss"), ("semantic", "skip"), ("arbiter", "skip"), ("default", "hit"),
    ]  # fmt: skip
    assert [one["target"] for one in found["candidates"]] == ["laptop/llama3"]


def test_explicit_models_headers_and_bodies(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a rule may look at can be given."""
    assert explained(config, capsys, "hi", "--model", "cloud/x")["layer"] == "server"
    assert explained(config, capsys, "hi", "--header", "X-Team: lab")["route"] == "lab"
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"messages": [{"role": "user", "content": CODE}]}))
    assert explained(config, capsys, "--body", str(body))["route"] == "code"


def test_whose_token_it_is(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its groups and globs count; one that is not kept is taken for one that may use all, and that is said."""
    monkeypatch.setenv("DB_PATH", str(tmp_path / "requests.db"))
    assert main(["explain", "--config", str(config), "hi", "--offline", "--token", "nobody"]) == 0
    assert "no token with the name 'nobody'" in capsys.readouterr().err
    access = open_access(None, tmp_path / "requests.db")
    access.tokens.create(Terms("bo", models=("cloud/x",)), 1.0)
    access.close()
    refused = explained(config, capsys, "hi", "--model", "laptop/qwen", "--offline", "--token", "bo")
    assert refused["candidates"] == [] and "the token bo may not use it" in refused["refusal"]
    assert explained(config, capsys, "hi", "--model", "cloud/x", "--offline", "--token", "bo")["layer"] == "server"


def test_the_decision_reads_as_text(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For people."""
    assert main(["explain", "--config", str(config), CODE]) == 0
    out = capsys.readouterr().out
    assert "task coding" in out
    assert "by route code, thinking disabled\n  1. cloud/coder  https://cloud.invalid/v1\n  2. laptop/qwen" in out


@pytest.mark.parametrize("arguments", [[], ["hi", "--config", "/nowhere/routes.yaml"], ["--body", "/nowhere.json"]])
def test_what_is_wrong_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    assert main(["explain", *arguments]) == 2
    assert capsys.readouterr().err.startswith("switchman: ")


def test_a_bare_name_is_looked_for_in_the_servers_lists(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the proxy does it; nothing else is asked of a server, and with --offline not even that."""
    monkeypatch.delenv("DEFAULT_UPSTREAM", raising=False)
    monkeypatch.setattr(explaining, "LISTS_TIMEOUT", 60.0)
    with FakeUpstream("ollama", models=["nomic-embed-text", "llama3:latest"]) as up:
        config.write_text(f'servers: {{laptop: {{url: "{up.url}", dialect: ollama}}}}')
        found = explained(config, capsys, "hi", "--model", "llama3")
        assert (found["layer"], [one["target"] for one in found["candidates"]]) == ("list", ["laptop/llama3"])
        assert found["trace"][-1]["detail"] == "llama3 is in the list of server laptop."
        assert [one["target"] for one in explained(config, capsys, "hi")["candidates"]] == ["laptop/llama3:latest"]
        before = len(up.requests)
        assert explained(config, capsys, "hi", "--model", "llama3", "--offline")["layer"] == "default"
        assert explained(config, capsys, "hi", "--model", "laptop/llama3")["layer"] == "server"
        assert len(up.requests) == before and not up.inferences


def test_a_name_that_nothing_knows_is_explained_as_the_client_is_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the nearest names, in both forms of the output."""
    plan = Plan((), "default", "default", refusal="The model 'lama3' was not found.")
    features = features_of({"messages": [{"role": "user", "content": "hi"}]}, "openai", "chat", load_task_rules())
    module._show(RoutingQuery("lama3"), features, plan)
    assert "none; the client gets a 404: The model 'lama3' was not found." in capsys.readouterr().out
    assert as_json(RoutingQuery("lama3"), features, plan)["refusal"] == plan.refusal
