"""What Claude Code and Open WebUI really send: to a server of their dialect as it is, to others in their words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall, Usage

DATA = Path(__file__).parents[2] / "data" / "clients"
OURS = {"host", "accept-encoding", "content-length", "connection"}  # what is said anew on the way to the server
THINKING = "Read, then count."


def calls_of(client: str) -> dict[str, Any]:
    return {call["name"]: call for call in json.loads((DATA / f"{client}.json").read_text())}


CLAUDE_CODE, OPEN_WEBUI = calls_of("claude_code"), calls_of("open_webui")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, routes: str) -> Any:
    """Each client's own model names go to a server of its dialect, and by another path to the others."""
    return start_shared(
        routes
        + """
routes:
  - match: {model: "/^claude-/"}
    route: {upstream: anthropic}
  - match: {model: "/^llama3/"}
    route: {upstream: ollama}
"""
    )


def send(proxy: Any, call: dict[str, Any], model: str = "") -> httpx.Response:
    """The call as the client sends it, compact as both write their JSON; `model` in place of its own."""
    body = dict(call["body"]) | ({"model": model} if model else {}) if "body" in call else None
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() if body else None
    return httpx.request(
        call["method"], proxy.url + call["path"], headers=call["headers"], content=content, trust_env=False, timeout=30
    )


def clear(upstream: FakeUpstream, *behaviours: Behaviour) -> FakeUpstream:
    upstream.requests.clear()
    upstream.script(behaviours)
    return upstream


def assert_untouched(upstream: FakeUpstream, call: dict[str, Any], answer: httpx.Response) -> None:
    """Path, query, headers in their order, and body came as they were sent."""
    (request,) = upstream.requests
    assert request.target == call["path"]
    assert request.body == answer.request.content
    got = [(name.decode(), value.decode()) for name, value in request.headers if name.decode().lower() not in OURS]
    assert got == [(name, value) for name, value in call["headers"] if name.lower() not in OURS]


# ---- Claude Code -------------------------------------------------------------------------------------------------


def test_claude_code_says_hello(proxy: Any) -> None:
    """Before anything else it looks whether there is somebody."""
    assert send(proxy, CLAUDE_CODE["hello"]).status_code == 200


@pytest.mark.parametrize("name", ["messages", "count_tokens"])
def test_claude_code_at_anthropic(name: str, proxy: Any, upstreams: Any) -> None:
    """Nothing is touched: anthropic-beta, anthropic-version, ?beta=true, cache_control, signatures."""
    upstream = clear(upstreams["anthropic"])
    answer = send(proxy, CLAUDE_CODE[name])
    assert answer.status_code == 200, answer.text
    assert_untouched(upstream, CLAUDE_CODE[name], answer)


def test_claude_code_at_openai(proxy: Any, upstreams: Any) -> None:
    """System blocks, thinking, tool results and an error go up as chat messages; no header of Anthropic's does."""
    upstream = clear(upstreams["openai"])
    answer = send(proxy, CLAUDE_CODE["messages"], "openai/gpt-x")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    (request,) = upstream.requests
    assert request.target == "/v1/chat/completions"
    assert request.header("authorization") == "Bearer sk-ant-made-up"
    assert not [name for name, _ in request.headers if name.lower().startswith((b"anthropic-", b"x-api-key"))]
    body, sent = request.json(), CLAUDE_CODE["messages"]["body"]
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user"]
    system, first, assistant, read, bash, last = body["messages"]
    assert all(block["text"] in text_of(system) for block in sent["system"])
    assert "What does the Makefile build?" in text_of(first) and "How long" not in text_of(first)
    calls = [(c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in assistant["tool_calls"]]
    assert calls == [(b["id"], b["name"], b["input"]) for b in sent["messages"][1]["content"][2:]]
    assert text_of(assistant) == "I read it."
    assert (read["tool_call_id"], read["content"]) == ("toolu_01A", "all: größe.pdf\n")
    assert (bash["tool_call_id"], bash["content"]) == ("toolu_01B", "ls: not found")
    assert text_of(last) == "And how long does it take?"
    functions = [tool["function"] for tool in body["tools"]]
    assert [(f["name"], f["parameters"]) for f in functions] == [(t["name"], t["input_schema"]) for t in sent["tools"]]
    assert (body["max_tokens"], body["temperature"], body["reasoning_effort"]) == (32000, 1, "high")


def text_of(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "\n\n".join(part["text"] for part in content)


def test_what_claude_code_loses_is_in_the_trace(proxy: Any, upstreams: Any) -> None:
    """One line for each kind of thing that an OpenAI server has no place for."""
    clear(upstreams["openai"])
    row = proxy.row_of(send(proxy, CLAUDE_CODE["messages"], "openai/gpt-x"))
    warnings = " ".join(line["detail"] for line in row["trace"] if line["layer"] == "translation")
    for field in ("cache_control was dropped", "thinking was changed", "thinking was dropped", "is_error was dropped"):
        assert field in warnings, warnings


@pytest.mark.parametrize("dialect", ["openai", "ollama", "anthropic"])
def test_claude_code_gets_what_it_can_read(dialect: str, proxy: Any, upstreams: Any) -> None:
    """Its SDK puts the stream together: thoughts, text, two calls, and counts."""
    calls = [ToolCall("Read", {"file_path": "/a"}), ToolCall("Bash", {"command": "make -n"})]
    reply = Behaviour(reasoning=THINKING, text="I look.", tool_calls=calls, usage=Usage(2000, 30, cached=1500))
    clear(upstreams[dialect], reply)
    body = {k: v for k, v in CLAUDE_CODE["messages"]["body"].items() if k not in ("stream", "model", "temperature")}
    headers = {name: value for name, value in CLAUDE_CODE["messages"]["headers"] if name != "x-api-key"}
    http = anthropic.DefaultHttpxClient(verify=False, trust_env=False)
    with (
        anthropic.Anthropic(
            base_url=proxy.url, api_key="k", max_retries=0, default_headers=headers, http_client=http
        ) as sdk,
        sdk.beta.messages.stream(model=f"{dialect}/m", **body) as stream,
    ):
        message = stream.get_final_message()
    kinds = [block.type for block in message.content]
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]
    assert [(b.name, b.input) for b in message.content[2:]] == [(c.name, dict(c.arguments)) for c in calls]
    assert (message.content[0].thinking, message.content[1].text) == (THINKING, "I look.")
    assert message.stop_reason == "tool_use"
    cached = message.usage.cache_read_input_tokens or 0
    assert (message.usage.input_tokens + cached, message.usage.output_tokens) == (2000, 30)
    assert cached == (0 if dialect == "ollama" else 1500)


# ---- Open WebUI --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["version", "tags"])
def test_open_webui_starts(name: str, proxy: Any) -> None:
    """What it asks an Ollama server first is answered."""
    answer = send(proxy, OPEN_WEBUI[name])
    assert answer.status_code == 200
    assert set(answer.json()) >= {"version": {"version"}, "tags": {"models"}}[name]


@pytest.mark.parametrize("name", ["chat", "title"])
def test_open_webui_at_ollama(name: str, proxy: Any, upstreams: Any) -> None:
    """Nothing is touched, its X-OpenWebUI-* headers included."""
    upstream = clear(upstreams["ollama"])
    answer = send(proxy, OPEN_WEBUI[name])
    assert answer.status_code == 200, answer.text
    assert_untouched(upstream, OPEN_WEBUI[name], answer)


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_open_webui_elsewhere(dialect: str, proxy: Any, upstreams: Any) -> None:
    """The picture and the options go up in the other dialect, lines of JSON come down."""
    upstream = clear(upstreams[dialect], Behaviour(text="Ein Pixel.", usage=Usage(90, 5)))
    answer = send(proxy, OPEN_WEBUI["chat"], f"{dialect}/m")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(line["message"]["content"] for line in lines) == "Ein Pixel."
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert (lines[-1]["prompt_eval_count"], lines[-1]["eval_count"]) == (90, 5)
    assert lines[-1]["total_duration"] > 0
    (request,) = upstream.requests
    body, image = request.json(), OPEN_WEBUI["chat"]["body"]["messages"][1]["images"][0]
    assert (body["max_tokens"], body["temperature"]) == (512, 0.7)
    assert image in json.dumps(body["messages"]) and "image/png" in json.dumps(body["messages"])
    assert body["stop" if dialect == "openai" else "stop_sequences"] == ["###"]
    warnings = json.dumps(proxy.row_of(answer)["trace"])
    assert "options.num_ctx was dropped" in warnings and "keep_alive was dropped" in warnings


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_open_webui_makes_a_title(dialect: str, proxy: Any, upstreams: Any) -> None:
    """A background task that wants JSON, whole."""
    upstream = clear(upstreams[dialect], Behaviour(text='{"title": "Ein kleiner Punkt"}'))
    answer = send(proxy, OPEN_WEBUI["title"], f"{dialect}/m")
    reply = answer.json()
    assert json.loads(reply["message"]["content"]) == {"title": "Ein kleiner Punkt"}
    assert reply["done"] is True and reply["model"] == "m"
    (request,) = upstream.requests
    if dialect == "openai":
        assert request.json()["response_format"] == {"type": "json_object"}
    else:
        assert "format was dropped" in json.dumps(proxy.row_of(answer)["trace"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", ["openai", "ollama"])
def test_claude_code_counts_where_the_server_does_not(dialect: str, stream: bool, proxy: Any, upstreams: Any) -> None:
    """By 0 it would never see that its conversation gets too long: it is told an estimate; the log says nothing."""
    clear(upstreams[dialect], Behaviour(text="word " * 200, reasoning=None, usage=None))
    asked: Any = [{"role": "user", "content": "A question of many words. " * 300}]
    client = anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0)
    with client:
        if stream:
            with client.messages.stream(model=f"{dialect}/m", max_tokens=99, messages=asked) as events:
                usage, answer = events.get_final_message().usage, events.response
        else:
            raw = client.messages.with_raw_response.create(model=f"{dialect}/m", max_tokens=99, messages=asked)
            usage, answer = raw.parse().usage, raw
    assert 1000 < usage.input_tokens < 3000 and 100 < usage.output_tokens < 400
    row = proxy.row_of(answer)
    assert (row["input_tokens"], row["output_tokens"]) == (None, None)


def document(source: dict[str, str], **more: str) -> dict[str, Any]:
    return {"type": "document", "source": source, **more}


PDF = "JVBERi0xLjQ="
TEXT_DOCUMENT = document({"type": "text", "media_type": "text/plain", "data": "The text."}, title="Notes")
PDF_DOCUMENT = document({"type": "base64", "media_type": "application/pdf", "data": PDF})


@pytest.mark.parametrize("dialect", ["openai", "ollama"])
def test_documents_of_text_are_text(dialect: str, proxy: Any, upstreams: Any) -> None:
    """What a user attaches and what a tool found, with its title."""
    upstream = clear(upstreams[dialect], Behaviour())
    use = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    found = {
        "type": "search_result",
        "source": "http://x",
        "title": "Page",
        "content": [{"type": "text", "text": "Found."}],
    }
    asked: Any = [
        {"role": "user", "content": [TEXT_DOCUMENT, {"type": "text", "text": "What?"}]},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [TEXT_DOCUMENT, found]}]},
    ]
    with anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0) as client:
        client.messages.create(model=f"{dialect}/m", max_tokens=9, messages=asked)
    said = json.dumps(upstream.inferences[-1].json()["messages"])
    assert said.count("Notes\\nThe text.") == 2 and "Page\\nhttp://x\\nFound." in said


def test_a_pdf_is_a_file_for_openai_and_back(proxy: Any, upstreams: Any) -> None:
    """Also one that a tool read: it stands behind the results then. Ollama takes none, and says so."""
    upstream = clear(upstreams["openai"], Behaviour())
    uses = [{"type": "tool_use", "id": f"t{n}", "name": "f", "input": {}} for n in (1, 2)]
    results = [
        {"type": "tool_result", "tool_use_id": "t1", "content": [PDF_DOCUMENT]},
        {"type": "tool_result", "tool_use_id": "t2", "content": "two"},
    ]
    asked: Any = [{"role": "user", "content": [PDF_DOCUMENT]}, {"role": "assistant", "content": uses},
                  {"role": "user", "content": results}]  # fmt: skip
    with anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0) as client:
        client.messages.create(model="openai/m", max_tokens=9, messages=asked)
        with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\]"):
            client.messages.create(model="ollama/m", max_tokens=9, messages=asked)
    sent = upstream.inferences[-1].json()["messages"]
    file = {"type": "file", "file": {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert sent[0]["content"] == sent[4]["content"] == [file]

    upstream = clear(upstreams["anthropic"], Behaviour())
    body = {"model": "anthropic/m", "messages": [{"role": "user", "content": [file]}]}
    assert proxy.post("/v1/chat/completions", body).status_code == 200
    (block,) = upstream.inferences[-1].json()["messages"][0]["content"]
    assert block == {**PDF_DOCUMENT, "title": "document.pdf"}


def test_habits_of_other_clients_that_anthropic_refuses(proxy: Any, upstreams: Any) -> None:
    """No limit as -1 (LM Studio), line breaks as stops (editors), temperature and top_p, ids with dots (Kimi)."""
    upstream = clear(upstreams["anthropic"], Behaviour())
    call = {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "functions.f:0", "content": "r"},
    ]
    said = {"max_tokens": -1, "stop": ["\n", "END"], "temperature": 0.7, "top_p": 0.9}
    answer = proxy.post("/v1/chat/completions", {"model": "anthropic/m", "messages": messages, **said})
    assert answer.status_code == 200, answer.text
    sent = upstream.inferences[-1].json()
    assert (sent["max_tokens"], sent["stop_sequences"], sent["temperature"]) == (4096, ["END"], 0.7)
    assert "top_p" not in sent


def test_an_effort_in_the_middle_of_tool_calls(proxy: Any, upstreams: Any) -> None:
    """Anthropic thinks on only from a signed thought, which an OpenAI client has none of: it answers without."""
    upstream = clear(upstreams["anthropic"], Behaviour())
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    asked: Any = [{"role": "user", "content": "hi"}]
    body = {"model": "anthropic/m", "tools": [tool], "reasoning_effort": "high"}
    assert proxy.post("/v1/chat/completions", {**body, "messages": asked}).status_code == 200
    assert upstream.inferences[-1].json()["thinking"]["type"] == "enabled"
    asked += [{"role": "assistant", "content": None, "tool_calls": [call]},
              {"role": "tool", "tool_call_id": "c1", "content": "r"}]  # fmt: skip
    answer = proxy.post("/v1/chat/completions", {**body, "messages": asked})
    assert answer.status_code == 200, answer.text
    assert "thinking" not in upstream.inferences[-1].json()
    asked += [{"role": "assistant", "content": "Done."}, {"role": "user", "content": "And now?"}]
    assert proxy.post("/v1/chat/completions", {**body, "messages": asked}).status_code == 200
    assert upstream.inferences[-1].json()["thinking"]["type"] == "enabled"
