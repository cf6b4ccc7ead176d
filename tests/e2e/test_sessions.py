"""Which requests belong together, through a real router: real Claude Code and Codex, and SDKs.

The agents are npm packages (@anthropic-ai/claude-code, @openai/codex), at the versions of tests/data/agents/:
scripts/test installs them and sets AGENTS_DIR to their folder. Without it their tests are skipped, but in CI they fail.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
import sqlalchemy

from switchman.addons.core.access.session import session_digest
from switchman.addons.core.request.jsonedit import edit
from switchman.addons.store.keeping.packing import read_json
from switchman.addons.store.reading.queries import Queries
from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall, Usage
from switchman.webui import WebConfig, create_app

SECRET = "XYZZY-4711"
ASK = "Read the file notes.txt and tell me the secret in it."
READING = {"claude": "Read", "codex": "exec_command"}


class Reads(FakeUpstream):
    """First it calls the tool that reads a file; when its result is there, it answers."""

    folder = Path()

    def _choose(self, request: Any) -> Behaviour:
        if request.method != "POST" or "count_tokens" in request.target:
            return super()._choose(request)
        usage = Usage(20_000, 10, cached=1_000)
        if SECRET.encode() in request.body:
            return Behaviour(text=f"The secret is {SECRET}. DONE", usage=usage)
        path = str(self.folder / "notes.txt")
        calls = {
            "Read": {"file_path": path},
            "exec_command": {"cmd": f"cat {path}"},
            "shell": {"command": ["cat", path]},
        }
        offered = {tool.get("name") for tool in json.loads(request.body).get("tools") or []}
        called = [ToolCall(name, asked) for name, asked in calls.items() if name in offered][:1]
        return (
            Behaviour(text="I look.", tool_calls=called, usage=usage)
            if called
            else Behaviour(text="A title", usage=usage)
        )


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Reads]]:
    started = {"claude": Reads("anthropic", name="claude"), "codex": Reads("openai", name="codex")}
    for server in started.values():
        server.start()
    yield started
    for server in started.values():
        server.stop()


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, Reads]) -> Any:
    quirks = {"claude": "{}", "codex": "{has_responses: true}"}
    written = "".join(
        f"  {name}: {{url: '{one.url}', dialect: {one.dialect}, quirks: {quirks[name]}}}\n"
        for name, one in servers.items()
    )
    return start_shared(f"servers:\n{written}")


def agent(name: str) -> str:
    """The program of an agent."""
    folder = os.environ.get("AGENTS_DIR")
    program = Path(folder) / "node_modules/.bin" / name if folder else None
    if program is None or not program.exists():
        missing = f"no {name}: set AGENTS_DIR to a folder in which npm has installed it (scripts/test does)"
        pytest.fail(missing) if "CI" in os.environ else pytest.skip(missing)
    return str(program)


def run(program: str, name: str, url: str, folder: Path) -> str:
    """One run of an agent in `folder`, in a home of its own; what it wrote."""
    home = folder.parent / "home"
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "CI": "1", "LANG": "C.UTF-8"}
    model = f"{name}/m"
    if name == "claude":
        command = [program, "-p", ASK, "--model", model, "--allowedTools", "Read"]
        env |= {
            "ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": "x", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1", "ANTHROPIC_SMALL_FAST_MODEL": model, "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
        }  # fmt: skip
    else:
        provider = f'model_providers.sw={{name="sw",base_url="{url}/v1",wire_api="responses",env_key="K"}}'
        command = [program, "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m", model]
        command += ["-c", "model_provider=sw", "-c", provider, ASK]
        env |= {"K": "x", "CODEX_HOME": str(home)}
    done = subprocess.run(
        command, env=env, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_run_of_an_agent_is_one_session(name: str, proxy: Any, servers: dict[str, Reads], tmp_path: Path) -> None:
    """With its project and the tool that it called; ten breakers in its own requests are found at their first byte."""
    program = agent(name)
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "notes.txt").write_text(f"{SECRET}\n")
    servers[name].folder = folder
    said = run(program, name, proxy.url, folder)
    assert f"The secret is {SECRET}. DONE" in said, said
    rows = proxy.until(lambda: [row for row in proxy.rows(server=name) if row["session"]], "rows of the agent")
    proxy.until(lambda: len(proxy.rows(server=name)) >= 2)
    rows = proxy.rows(server=name)
    told = {(row["session"], row["agent"], row["project"]) for row in rows}
    assert {(agent_name, project) for _, agent_name, project in told} == {
        ({"claude": "claude-code", "codex": "codex"}[name], str(folder))
    }
    (session,) = {row["session"] for row in rows}
    with pages(proxy) as page:
        found = page(f"/api/sessions/{session}")
        assert found["session"]["requests"] == len(rows)
        assert [turn["broken"] for turn in found["turns"]] == [None] * len(rows)
        assert found["turns"][0]["calls"] == [{"name": READING[name], "answered": True, "failed": False}]
        plant_and_find(proxy, rows[-1], session, page)


@contextlib.contextmanager
def pages(proxy: Any) -> Iterator[Callable[[str], Any]]:
    """The dashboard over the router's log."""
    engine = sqlalchemy.create_engine(f"sqlite:///{proxy.folder / 'requests.db'}", json_deserializer=read_json)
    client = create_app(WebConfig(queries=Queries(engine, proxy.blobs))).test_client()

    def get(address: str) -> Any:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        return answer.json

    yield get
    engine.dispose()


def plant_and_find(proxy: Any, row: dict[str, Any], session: str, page: Callable[[str], Any]) -> None:
    """Each breaker in the agent's last request, which is sent again before the next one."""
    stored = proxy.row(id=row["id"])
    body: bytes = stored["request"]
    fields = stored["request_headers"]
    kept = {name: value for name, value in fields if name.lower() not in LEFT_OUT}
    for name in ("x-claude-code-session-id", "session-id", "thread-id"):
        if any(name == field.lower() for field, _ in fields):
            kept = {field: value for field, value in kept.items() if field.lower() != name} | {name: names_of(body)}
    count = len(page(f"/api/sessions/{session}?limit=200")["turns"])
    planted = breakers(body)
    for sent in planted.values():
        for one in (body, sent):
            answer = proxy.post(row["path"], headers={**kept, "content-type": "application/json"}, content=one)
            assert answer.status_code == 200, answer.text
    proxy.until(lambda: len(proxy.rows(session=session)) >= count + 2 * len(planted), "the planted rows")
    turns = page(f"/api/sessions/{session}?limit=200")["turns"][count:]
    assert [turn["broken"] for turn in turns[::2]] == [None] * len(planted)
    for (name, sent), turn in zip(planted.items(), turns[1::2], strict=True):
        at = next(at for at, (old, new) in enumerate(zip(body, sent, strict=False)) if old != new)
        assert turn["broken"] is not None, name
        assert (turn["broken"]["byte"], turn["broken"]["byte_before"]) == (at, at), name
        assert turn["broken"]["expected"] == 20_000 and turn["broken"]["lost"] == 19_000, name


# What the log has masked, and what is another one for another body.
LEFT_OUT = frozenset({
    "authorization", "content-length", "content-type", "host", "connection", "accept-encoding", "accept",
    "transfer-encoding", "x-session-id",
})  # fmt: skip


def names_of(body: bytes) -> str:
    """The session's name, which the log has masked in the head."""
    sent = json.loads(body)
    if "prompt_cache_key" in sent:
        return str(sent["prompt_cache_key"])
    return str(json.loads(sent["metadata"]["user_id"])["session_id"])


def breakers(body: bytes) -> dict[str, bytes]:
    """Ten, each at one place of an agent's own request: in its tools, its system prompt, and its messages."""
    text = body.decode()
    sent = json.loads(text)
    key = "messages" if "messages" in sent else "input"
    said = sent[key]
    asked = next(at for at, one in enumerate(said) if ASK in json.dumps(one))
    content = copy.deepcopy(said[asked]["content"])
    words = next(at for at, part in enumerate(content) if ASK in part["text"])
    answer = next(at for at, one in enumerate(said) if one.get("role") == "assistant")
    opening, path = (sent["system"][-1]["text"], ("system", len(sent["system"]) - 1, "text")) if "system" in sent else (
        said[0]["content"][0]["text"], (key, 0, "content", 0, "text")
    )  # fmt: skip
    tools = sent["tools"]
    schema = "input_schema" if "input_schema" in tools[0] else "parameters"
    turned = dict(reversed(tools[0][schema].items()))
    result = result_path(said, key)
    changes: dict[str, Any] = {
        "a clock in the system prompt": {path: f"{opening}\nIt is 10:31:02."},
        "a word of the system prompt": {path: opening.replace(" the ", " that ", 1)},
        "a tool described otherwise": {("tools", 0, "description"): tools[0]["description"] + "."},
        "a tool removed": {("tools",): tools[1:]},
        "a tool added": {("tools",): [*tools, {**tools[0], "name": "another"}]},
        "tools in another order": {("tools",): [*tools[1:], tools[0]]},
        "keys of a schema in another order": {("tools", 0, schema): turned},
        "an old question edited": {
            (key, asked, "content", words, "text"): content[words]["text"].replace("secret", "sum")
        },
        "an old answer edited": {(key, answer, "content", 0, "text"): "I look up."},
        "an old result edited": {result[0]: result[1].replace(SECRET, "XYZZY-4712")},
    }
    return {name: edit(text, change).encode() for name, change in changes.items()}


def result_path(said: list[Any], key: str) -> tuple[tuple[str | int, ...], str]:
    """Where the tool's result stands, and what it is."""
    for at, one in enumerate(said):
        if one.get("type") == "function_call_output":
            return (key, at, "output"), one["output"]
        for number, part in enumerate(one["content"] if isinstance(one.get("content"), list) else ()):
            if part.get("type") == "tool_result":
                return (key, at, "content", number, "content"), part["content"]
    raise AssertionError("no result")


def test_a_conversation_of_an_sdk_is_a_session(proxy: Any, servers: dict[str, Reads], question: str) -> None:
    """By how it begins; what the client names comes first, and goes by that name to be forgotten."""
    client = anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0)
    messages: list[Any] = [{"role": "user", "content": question}]
    client.messages.create(model="claude/m", max_tokens=9, messages=messages, system="It is 10:31.")
    more: list[Any] = [*messages, {"role": "assistant", "content": "Ok"}, {"role": "user", "content": "And?"}]
    client.messages.create(model="claude/m", max_tokens=9, messages=more, system="It is 11:02.")
    rows = proxy.until(lambda: len(found := proxy.rows(agent="anthropic-python")) == 2 and found)
    assert len({row["session"] for row in rows}) == 1 and rows[0]["session"].startswith("b-")
    with pages(proxy) as page:
        turns = page(f"/api/sessions/{rows[0]['session']}")["turns"]
    assert [turn["broken"] and turn["broken"]["part"] for turn in turns] == [None, "system"]
    proxy.chat("codex/m", headers={"x-session-id": "mine", "user-agent": "OpenAI/Python 2.0"})
    named = proxy.row(session=session_digest("mine"))
    assert (named["agent"], named["branch"][:2]) == ("openai-python", "b-")
    client.close()


def test_metadata_keeps_no_session_of_what_was_asked(start: Any, servers: dict[str, Reads]) -> None:
    """Nor a folder; what the client names stays."""
    proxy = start(f"servers: {{codex: {{url: '{servers['codex'].url}', dialect: openai}}}}", {"CAPTURE": "metadata"})
    body = {"model": "codex/m", "messages": [
        {"role": "system", "content": "<env>\nWorking directory: /home/anna\n</env>"},
        {"role": "user", "content": "hi"},
    ]}  # fmt: skip
    proxy.post("/v1/chat/completions", body, headers={"user-agent": "opencode/1.2"})
    row = proxy.row(agent="opencode")
    assert (row["session"], row["project"], row["branch"]) == (None, None, None)
    proxy.post("/v1/chat/completions", body, headers={"x-session-affinity": "s1"})
    assert proxy.row(session=session_digest("s1"))["project"] is None
