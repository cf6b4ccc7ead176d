"""Any client asks what its own server would know: models, loaded models, token counts, files in forms, small talk."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import ollama
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

SPEECH = bytes(range(256)) * 300
PATHS = {
    "/v1/audio/transcriptions": Behaviour(body={"text": "good morning"}),
    "/v1/audio/speech": Behaviour(body=SPEECH, headers={"content-type": "audio/mpeg"}),
    "/v1/images/edits": Behaviour(body={"created": 1, "data": [{"b64_json": "aW1n"}]}),
    "/v1/images/generations": Behaviour(body={"created": 1, "data": [{"b64_json": "aW1n"}]}),
    "/v1/moderations": Behaviour(body={"id": "modr", "model": "m", "results": []}),
}


@pytest.fixture(scope="module")
def plain(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    upstream = upstream_factory(name="plain", models=["gpt-x", "plain-model"])
    upstream.paths.update(PATHS)
    return upstream


@pytest.fixture(scope="module")
def laptop(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("ollama", name="laptop", models=["qwen3:4b"], openai_compat=True)


@pytest.fixture(scope="module")
def claude(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("anthropic", name="claude", models=["claude-x"])


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, plain: FakeUpstream, laptop: FakeUpstream, claude: FakeUpstream) -> Iterator[Any]:
    routes = f"""
servers:
  plain: {{url: "{plain.url}", dialect: openai}}
  laptop: {{url: "{laptop.url}", dialect: ollama}}
  claude: {{url: "{claude.url}", dialect: anthropic}}
  dead: {{url: "http://127.0.0.1:9", dialect: ollama}}
models:
  plain/gpt-x: {{context: 32768, modalities: [text, vision, tools]}}
aliases:
  small: {{instances: ["laptop/qwen3:4b"]}}
  cloud: {{instances: ["plain/gpt-x"]}}
  mixed: {{instances: ["plain/gpt-x", "laptop/qwen3:4b", "claude/claude-x"]}}
  ears: {{instances: ["plain/whisper-1"]}}
"""
    yield start_shared(routes, {"DEFAULT_UPSTREAM": plain.url})


def get(proxy: Any, path: str) -> httpx.Response:
    return httpx.get(proxy.url + path, trust_env=False, timeout=30)


def claude_client(proxy: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=proxy.url, api_key="client-key", max_retries=0, timeout=30)


# Ollama


def test_show_of_an_ollama_model_is_its_servers_own_answer(proxy: Any, laptop: FakeUpstream) -> None:
    """Asked for by an alias: the model is renamed, the rest is as the client sent it."""
    answer = proxy.ollama().show("small")
    assert answer.modelinfo is not None
    assert answer.modelinfo["llama.context_length"] == 8192
    assert laptop.inferences[-1].path == "/api/show"
    assert laptop.inferences[-1].json()["model"] == "qwen3:4b"


def test_show_of_another_servers_model_is_what_the_rules_know(proxy: Any, plain: FakeUpstream) -> None:
    """Without a request to the server, which has no such question."""
    before = len(plain.inferences)
    answer = proxy.ollama().show("cloud")
    assert answer.capabilities == ["completion", "vision", "tools"]
    assert answer.modelinfo is not None
    assert answer.modelinfo["unknown.context_length"] == 32768
    assert len(plain.inferences) == before


def test_show_asks_the_first_ollama_server_of_an_alias(proxy: Any) -> None:
    """Where others stand before it."""
    assert proxy.ollama().show("mixed").modelinfo["llama.context_length"] == 8192


def test_a_model_on_another_server_counts_as_loaded(proxy: Any, plain: FakeUpstream) -> None:
    """`ollama run` asks for that before it prompts, and `ollama stop` for the opposite: no server is asked."""
    before = len(plain.inferences)
    client = proxy.ollama()
    for answer in (client.generate("cloud"), client.chat("cloud")):
        assert (answer.model, answer.done, answer.done_reason) == ("cloud", True, "load")
    assert client.generate("cloud", keep_alive=0).done_reason == "unload"
    assert len(plain.inferences) == before


def test_a_model_on_an_ollama_server_is_loaded_there(proxy: Any, laptop: FakeUpstream) -> None:
    """Also where servers that load nothing stand before it."""
    proxy.ollama().generate("mixed")
    asked = laptop.inferences[-1]
    assert (asked.path, asked.json()["model"]) == ("/api/generate", "qwen3:4b")


def test_show_of_a_model_that_nobody_has_is_ollamas_404(proxy: Any) -> None:
    """In Ollama's form."""
    with pytest.raises(ollama.ResponseError, match="not found") as caught:
        proxy.ollama().show("no-such-model")
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    ("body", "message"), [(b"{", "JSON"), (b"{}", "model is required"), (b'{"model": 3}', "model")]
)
def test_show_refuses_what_it_cannot_read(body: bytes, message: str, proxy: Any) -> None:
    """400, in Ollama's form."""
    response = proxy.post("/api/show", content=body)
    assert response.status_code == 400
    assert message in response.json()["error"]


def test_ps_is_the_union_of_the_ollama_servers(proxy: Any) -> None:
    """By the names that the router has for the models; a dead server does not empty it."""
    client = proxy.ollama()
    running = proxy.until(lambda: client.ps().models, "a running model")
    assert [model.model for model in running] == ["laptop/qwen3:4b"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/pull"), ("DELETE", "/api/delete"), ("POST", "/api/create"), ("HEAD", "/api/blobs/sha256:0")],
)
def test_models_cannot_be_managed_where_there_is_no_ollama(method: str, path: str, proxy: Any) -> None:
    """501 that says why, in Ollama's form; the default upstream is not asked."""
    response = httpx.request(method, proxy.url + path, trust_env=False, timeout=30)
    assert response.status_code == 501
    if method != "HEAD":
        assert "no" in response.json()["error"] and path in response.json()["error"]


def test_models_are_managed_by_a_default_upstream_that_is_ollama(start: Any, laptop: FakeUpstream) -> None:
    """Declared or found out: the request passes as it is."""
    proxy = start("", {"DEFAULT_UPSTREAM": laptop.url})
    proxy.wait_output("default speaks ollama and openai")
    response = proxy.post("/api/pull", {"model": "qwen3:8b"})
    assert response.text == "404 page not found"  # the fake's own word for what it does not play
    assert laptop.inferences[-1].path == "/api/pull"


def test_models_of_a_server_that_turned_out_to_be_anthropics(start: Any, claude: FakeUpstream) -> None:
    """Without `dialect:`, its models are listed in its own way once it is found out."""
    proxy = start(f'servers: {{hidden: "{claude.url}"}}')
    proxy.wait_output("hidden speaks anthropic")
    proxy.until(lambda: "hidden/claude-x" in [model["id"] for model in get(proxy, "/v1/models").json()["data"]])
    assert "hidden/claude-x" in [model["name"] for model in get(proxy, "/api/tags").json()["models"]]


def test_the_calls_of_open_webui_at_its_start_are_answered(proxy: Any) -> None:
    """As an Ollama connection, and as an OpenAI one."""
    assert get(proxy, "/api/version").json()["version"]
    names: list[str] = []

    def all_listed() -> bool:  # a busy machine's servers come late
        names[:] = [model["model"] for model in get(proxy, "/api/tags").json()["models"]]
        return {"small", "cloud", "gpt-x", "laptop/qwen3:4b"} <= set(names)

    proxy.until(all_listed)
    assert "models" in get(proxy, "/api/ps").json()
    for name in names:
        assert proxy.post("/api/show", {"model": name, "name": name}).status_code == 200, name
    assert get(proxy, "/v1/models").json()["object"] == "list"
    assert get(proxy, "/").text == "Ollama is running"
    assert httpx.head(proxy.url, trust_env=False, timeout=30).status_code == 200


# Anthropic


def test_tokens_are_counted_by_an_anthropic_server(proxy: Any, claude: FakeUpstream) -> None:
    """Exactly, and without our mark."""
    before = len(claude.inferences)
    body = {"model": "claude/claude-x", "messages": [{"role": "user", "content": "How many tokens is this?"}]}
    headers = {"anthropic-version": "2023-06-01", "x-api-key": "k"}
    response = proxy.post("/v1/messages/count_tokens?beta=true", body, headers=headers)
    assert (response.status_code, len(claude.inferences)) == (200, before + 1)
    assert "x-switchman-estimate" not in response.headers


def test_tokens_for_another_server_are_estimated_and_marked(proxy: Any, plain: FakeUpstream) -> None:
    """The official client reads the number; the header says that it is an estimate; the server is not asked."""
    before = len(plain.inferences)
    client = claude_client(proxy)
    with client:
        raw = client.messages.with_raw_response.count_tokens(
            model="cloud", system="Be brief.", messages=[{"role": "user", "content": "one two three " * 100}]
        )
    assert raw.headers["x-switchman-estimate"] == "1"
    assert 250 < raw.parse().input_tokens < 500
    assert len(plain.inferences) == before


def test_the_anthropic_client_lists_models(proxy: Any) -> None:
    """In its own form, with all aliases."""
    with claude_client(proxy) as client:
        assert {"small", "cloud"} <= {model.id for model in client.models.list()}


# Forms and files


def test_a_transcription_goes_where_its_form_says(proxy: Any, plain: FakeUpstream) -> None:
    """The model in the form is an alias: renamed there, every other byte of the form as the client made it."""
    sound = b"RIFF\r\n--not-a-boundary\r\n" + SPEECH
    answer = proxy.openai().audio.transcriptions.create(model="ears", file=("a.wav", io.BytesIO(sound)), language="de")
    assert answer.text == "good morning"
    got = plain.inferences[-1]
    assert b'name="model"\r\n\r\nwhisper-1\r\n' in got.body
    assert sound in got.body
    row = proxy.rows(operation="transcription")[-1] if proxy.rows(operation="transcription") else None
    row = row or proxy.row(operation="transcription")
    assert (row["status"], row["attempts"][0]["model"]) == (200, "whisper-1")
    sent = proxy.row(id=row["id"])["request"]
    assert sent.replace(b"\r\n\r\nears\r\n", b"\r\n\r\nwhisper-1\r\n") == got.body


def test_an_image_edit_is_routed_too(proxy: Any, plain: FakeUpstream) -> None:
    """`server/model` in the form."""
    answer = proxy.openai().images.edit(model="plain/painter", image=("a.png", io.BytesIO(b"png")), prompt="a hat")
    assert answer.data[0].b64_json == "aW1n"
    assert b"\r\n\r\npainter\r\n" in plain.inferences[-1].body


def test_a_form_that_cannot_be_read_is_refused(proxy: Any) -> None:
    """400 in OpenAI's form, and nothing goes upstream."""
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = proxy.post("/v1/audio/transcriptions", content=b"no form", headers=headers)
    assert response.status_code == 400
    assert "multipart" in response.json()["error"]["message"]


def test_a_form_for_a_server_of_another_dialect_is_refused_by_name(proxy: Any) -> None:
    """Nobody but OpenAI's dialect has transcriptions."""
    response = proxy.post("/v1/audio/transcriptions", data={"model": "small"}, files={"file": ("a.wav", b"x")})
    assert response.status_code == 400
    assert "ollama" in response.json()["error"]["message"]


def test_speech_comes_back_as_the_bytes_it_is(proxy: Any) -> None:
    """JSON in, sound out, untouched and recorded."""
    answer = proxy.openai().audio.speech.create(model="plain/tts", voice="alloy", input="hello")
    assert answer.read() == SPEECH
    row = proxy.row(operation="speech")
    assert (row["status"], row["response"]) == (200, SPEECH)


def test_images_and_moderations_pass_and_are_recorded(proxy: Any) -> None:
    """Routed by their model as all else is."""
    client = proxy.openai()
    assert client.images.generate(model="plain/painter", prompt="a cat").data[0].b64_json == "aW1n"
    assert client.moderations.create(model="plain/m", input="hello").results == []
    assert proxy.row(operation="moderation")["attempts"][0]["model"] == "m"


# What undeclared servers speak


def test_an_undeclared_server_is_found_out_and_spoken_to_in_its_own_dialect(
    start: Any, laptop: FakeUpstream, claude: FakeUpstream, plain: FakeUpstream
) -> None:
    """An OpenAI client reaches all three; Ollama is spoken to in OpenAI's dialect, which it has itself."""
    servers = f'{{plain: "{plain.url}", laptop: "{laptop.url}", claude: "{claude.url}"}}'
    proxy = start(f"servers: {servers}")
    for words in ("plain speaks openai", "laptop speaks ollama and openai", "claude speaks anthropic"):
        proxy.wait_output(words)
    for model in ("plain/gpt-x", "claude/claude-x", "laptop/qwen3:4b"):
        assert proxy.chat(model).json()["choices"][0]["message"]["content"].startswith("Hello")
    assert claude.inferences[-1].path == "/v1/messages"
    assert laptop.inferences[-1].path == "/v1/chat/completions"


def test_a_server_that_comes_with_a_reload_is_found_out_too(start: Any, laptop: FakeUpstream) -> None:
    """Without a restart."""
    proxy = start("servers: {}")
    proxy.routes_file.write_text(f'servers: {{late: "{laptop.url}"}}')
    proxy.wait_output("late speaks ollama")
    assert proxy.chat("late/qwen3:4b").status_code == 200
