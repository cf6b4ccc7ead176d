"""`switchman check`: OK with a summary, or every fault as file:line:column: key: message."""

import json
from pathlib import Path

import pytest

from switchman.addons.cli.check import run
from switchman.addons.config.settings import Settings
from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.broken import refused

Captured = pytest.CaptureFixture[str]
NEIGHBOURS = "with the client's credentials, as a fallback only of a server on your network"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_good_file_is_ok_and_summed_up(tmp_path: Path, capsys: Captured) -> None:
    """Servers with their dialects, aliases, routes in the order they are tried, and where the rest goes."""
    file = tmp_path / "r.yaml"
    file.write_text("""\
servers: {fast: "http://h:8000", laptop: {url: "http://l:11434", dialect: ollama}}
aliases: {a: {instances: [fast/x, laptop/y]}}
routes: [{match: {model: m}, route: {upstream: fast, model: z}}]
""")
    assert run([str(file), "--offline"]) == 0
    out = capsys.readouterr()
    assert out.out.splitlines() == [
        f"OK {file}: 2 servers, 1 alias, 1 route",
        f"  server fast: http://h:8000, any dialect, {NEIGHBOURS}",
        f"  server laptop: http://l:11434, ollama, {NEIGHBOURS}",
        "  alias a: fast/x, then laptop/y",
        "  route 1 (priority 500): model m -> fast as z",
        "  everything else: whatever lists the model, or http://localhost:8000",
        "  dashboard, WEBUI_SECURITY=AUTH_WHEN_PROXIED: only WEBUI_SECURITY=ALWAYS_AUTH holds behind a proxy, "
        "which may add nothing that shows it",
    ]
    assert out.err == ""


@pytest.mark.parametrize(
    ("mode", "told"), [("NONE", True), ("AUTH_WHEN_PROXIED", True), ("ALWAYS_AUTH", False), (None, True)]
)
def test_what_holds_for_the_dashboard_is_told(
    mode: str | None, told: bool, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it holds; without a log there is no dashboard."""
    (tmp_path / "r.yaml").write_text("")
    if mode is None:
        monkeypatch.delenv("WEBUI_SECURITY", raising=False)
    else:
        monkeypatch.setenv("WEBUI_SECURITY", mode)
    assert run([str(tmp_path / "r.yaml"), "--offline"]) == 0
    assert ("ALWAYS_AUTH holds behind a proxy" in capsys.readouterr().out) is told
    monkeypatch.setenv("ENABLE_LOGGING", "false")
    assert run([str(tmp_path / "r.yaml"), "--offline"]) == 0
    assert "dashboard" not in capsys.readouterr().out


def test_what_undeclared_servers_speak_is_asked(tmp_path: Path, capsys: Captured) -> None:
    """Each one that tells is shown with what it speaks; a dead one, or --offline, with none."""
    file = tmp_path / "r.yaml"
    with FakeUpstream("openai") as a, FakeUpstream("ollama") as b, FakeUpstream("anthropic") as c, refused() as dead:
        file.write_text(json.dumps({"servers": {"a": a.url, "b": b.url, "c": c.url, "dead": dead}}))
        assert run([str(file)]) == 1
        out = capsys.readouterr()
        shown = [line.split(", ", 1)[1] for line in out.out.splitlines() if "server " in line]
        assert "dead: nothing listens at " in out.err and out.err.endswith("1 server of 4 cannot be used\n")
        asked = len(a.requests)
        assert run([str(file), "--offline"]) == 0
        assert len(a.requests) == asked
    rest = f", {NEIGHBOURS}"
    assert shown == [
        f"openai (detected){rest}",
        f"ollama, openai (detected){rest}",
        f"anthropic (detected){rest}",
        f"any dialect (not detected){rest}",
    ]


def test_whose_credentials_each_server_gets(tmp_path: Path, capsys: Captured) -> None:
    """What holds for each server, and in which order of servers some get none."""
    file = tmp_path / "r.yaml"
    file.write_text("""\
servers:
  box: {url: "http://gpu-box:8000", dialect: openai}
  cloud: {url: "https://api.example.com", dialect: openai}
  keyed: {url: "https://keyed.example.com", dialect: openai, headers: {x-api-key: k}, forward_auth: false}
  always: {url: "https://always.example.com", dialect: openai, forward_auth: true}
  never: {url: "https://never.example.com", dialect: openai, forward_auth: false}
aliases:
  all: {instances: [box/m, cloud/m, keyed/m, always/m, never/m]}
  home: {instances: [cloud/m, box/m]}
routes: [{match: {model: m}, route: {upstream: cloud, fallbacks: [cloud/n, box/n]}}]
default: cloud/m
fallbacks: [box/m]
""")
    assert run([str(file), "--offline"]) == 0
    warning, *lines = capsys.readouterr().out.splitlines()
    assert "aliases.all: after box the client's credentials do not go to cloud" in warning
    assert [line.partition(", openai, ")[2] for line in lines if "  server" in line] == [
        NEIGHBOURS,
        "with the client's credentials, but not as a fallback",
        "with a key of its own",
        "always with the client's credentials (forward_auth: true)",
        "without credentials (forward_auth: false)",
    ]
    orders = [line.rpartition(" (")[2] for line in lines if line.endswith("without the client's credentials)")]
    assert orders == [
        "cloud, never without the client's credentials)",
        *["box without the client's credentials)"] * 3,
    ]


@pytest.mark.parametrize("passes", [False, True])
def test_what_is_passed_through_with_a_key_of_ours(
    passes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Whether DEFAULT_UPSTREAM, which is a server with a key, gets what is no operation."""
    file = tmp_path / "r.yaml"
    more = ", pass_through: true" if passes else ""
    file.write_text(f'servers: {{up: {{url: "http://up:1", api_key: env:OWN{more}}}}}\n')
    monkeypatch.setenv("OWN", "own-key")
    monkeypatch.setenv("DEFAULT_UPSTREAM", "http://up:1")
    assert run([str(file), "--offline"]) == 0
    shown = capsys.readouterr().out
    assert ("with a key of its own, also for what is passed through" in shown) is passes
    assert ("what is no operation of a model: refused, as up does not say pass_through: true" in shown) is not passes


def test_a_bad_file_lists_every_fault(tmp_path: Path, capsys: Captured) -> None:
    """On standard error, exit status 1."""
    file = tmp_path / "r.yaml"
    file.write_text("servers: {a: 3}\nroutse: []\n")
    assert run([str(file)]) == 1
    out = capsys.readouterr()
    lines = out.err.splitlines()
    assert lines[0] == f"{file}:1:14: servers.a: expected a URL, or a mapping with url or preset, not 3"
    assert lines[1].startswith(f"{file}:2:1: routse: unknown key; did you mean 'routes'?")
    assert (lines[2], out.out) == ("2 errors", "")


def test_warnings_are_shown_and_pass(tmp_path: Path, capsys: Captured) -> None:
    """A file that loads is OK, however odd."""
    file = tmp_path / "r.yaml"
    file.write_text("servers: {}\nmodels: {nowhere/m: {}}\n")
    assert run([str(file)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{file}:2:10: models.nowhere/m: no server is named 'nowhere'")
    assert "(warning)\nOK " in shown


def test_without_a_file_it_is_routes_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """And that must then be there: someone asked about it."""
    monkeypatch.setenv("ROUTES_CONFIG", str(tmp_path / "mine.yaml"))
    assert run([]) == 1
    assert "mine.yaml: there is no such file" in capsys.readouterr().err
    (tmp_path / "mine.yaml").write_text("servers: {}")
    assert run([]) == 0


def test_bad_variables_are_faults_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """The file is judged with the environment it will run in."""
    monkeypatch.setenv("MODEL_MAP", "{")
    assert run([str(tmp_path / "r.yaml")]) == 1
    assert capsys.readouterr().err.startswith("MODEL_MAP")


def test_an_address_for_others_is_a_fault_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """A router with these settings does not start."""
    (tmp_path / "r.yaml").write_text("")
    monkeypatch.setenv("LISTEN_HOST", "0.0.0.0")
    assert run([str(tmp_path / "r.yaml"), "--offline"]) == 1
    assert "CLIENT_AUTH=TOKENS" in capsys.readouterr().err
    monkeypatch.setenv("CLIENT_AUTH", "none")
    assert run([str(tmp_path / "r.yaml"), "--offline"]) == 0


def test_the_schema_is_printed_on_request(capsys: Captured) -> None:
    """For editors, and for rules/routes.schema.json."""
    assert run(["--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Switchman rules file"


def test_where_keys_come_from_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the words of the file, with weights where there are any; never a value."""
    monkeypatch.setenv("ONE", "key-of-one-1")
    (tmp_path / "two").write_text("key-of-two-2")
    (tmp_path / "two").chmod(0o600)
    file = tmp_path / "r.yaml"
    file.write_text(
        "servers:\n"
        "  a: {url: 'http://a:1', api_key: 'env:ONE'}\n"
        "  b: {url: 'http://b:1', api_keys: ['env:ONE', {key: 'file:two', weight: 2}]}\n"
        "  c: {url: 'http://c:1', api_keys: ['env:ONE', 'file:two']}\n"
        "  d: {url: 'http://d:1', api_key: key-of-file-4}\n"
        "  e: {url: 'http://e:1', headers: {x-api-key: 'env:ONE'}}\n"
    )
    assert run([str(file), "--offline"]) == 0
    shown = capsys.readouterr().out
    assert "a: http://a:1, any dialect, with a key of its own: env:ONE\n" in shown
    assert "b: http://b:1, any dialect, with keys of its own, by turns: env:ONE (1), file:two (2)\n" in shown
    assert "c: http://c:1, any dialect, with keys of its own, by turns: env:ONE, file:two\n" in shown
    assert "d: http://d:1, any dialect, with a key of its own: the file holds it\n" in shown
    assert not [key for key in ("key-of-one-1", "key-of-two-2", "key-of-file-4") if key in shown]


def test_how_an_alias_and_a_rule_choose_is_told(tmp_path: Path, capsys: Captured) -> None:
    """With what has no effect."""
    (tmp_path / "routes.yaml").write_text(
        "servers: {a: 'http://127.0.0.1:9', b: 'http://127.0.0.1:9/b'}\n"
        "aliases: {x: {strategy: fastest, affinity: none, instances: [a/m, b/m]}, "
        "y: {strategy: cheapest, instances: [x]}}\n"
        "routes: [{name: r, match: {model: q}, route: {split: {x: 9, b/z: 1}}}]\n"
    )
    assert run([str(tmp_path / "routes.yaml"), "--offline"]) == 0
    told = "".join(capsys.readouterr())
    assert "alias x: a/m, then b/m (fastest, affinity none)" in told
    assert "r (priority 500): model q -> a/m, then b/m, then b/z (split)" in told
    assert "aliases.y: the strategy here chooses among all instances" in told
