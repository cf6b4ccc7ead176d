"""Names: what only a server's list knows, `name:latest`, what nothing knows, and `auto` where no rule says what it is.

DEFAULT_UPSTREAM is not set here. The port of its default is held, so that nothing answers there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import ollama
import openai
import pytest

from switchman.addons.serving.ports import CannotListen, reserve
from switchman.addons.testing import Behaviour, FakeUpstream

ASK: Any = [{"role": "user", "content": "hi"}]
UNSET = {"DEFAULT_UPSTREAM": ""}


@pytest.fixture(scope="module")
def nothing_on_8000() -> Iterator[None]:
    """Where nothing listens on the default of DEFAULT_UPSTREAM, and nothing can begin to."""
    held: ExitStack
    try:
        _, held = reserve("127.0.0.1", 8000)
    except CannotListen as error:
        pytest.skip(f"port 8000 is needed: {error}")
    yield
    held.close()


@pytest.fixture(scope="module")
def laptop(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("ollama", name="laptop", models=["nomic-embed-text:latest", "llama3:latest", "qwen3:8b"])


@pytest.fixture(scope="module")
def plain(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="plain", models=["gpt-x", "shared"], only_listed=True)


@pytest.fixture(scope="module")
def claude(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("anthropic", name="claude", models=["opus", "shared"])


@pytest.fixture(scope="module")
def shared_proxy(
    nothing_on_8000: None, start_shared: Any, laptop: FakeUpstream, plain: FakeUpstream, claude: FakeUpstream
) -> Any:
    routes = f"""
servers:
  laptop: {{url: "{laptop.url}", dialect: ollama}}
  plain: {{url: "{plain.url}", dialect: openai}}
  claude: {{url: "{claude.url}", dialect: anthropic}}
aliases: {{embed: {{instances: [laptop/nomic-embed-text]}}}}
routes: [{{match: {{model: mine}}, route: {{upstream: plain, model: gpt-x}}}}]
"""
    proxy = start_shared(routes, UNSET)
    listed = {"laptop/llama3:latest", "plain/gpt-x", "claude/opus"}  # on a busy machine a list may come late
    proxy.until(lambda: listed <= {model.id for model in proxy.openai().models.list()}, "all lists")
    return proxy


def ask_openai(proxy: Any, model: str, stream: bool) -> str:
    answer = proxy.openai().chat.completions.create(model=model, messages=ASK, stream=stream)
    if stream:
        return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    return str(answer.choices[0].message.content)


def ask_ollama(proxy: Any, model: str, stream: bool) -> str:
    answer = proxy.ollama().chat(model=model, messages=ASK, stream=stream)
    return "".join(part.message.content for part in answer) if stream else str(answer.message.content)


def ask_anthropic(proxy: Any, model: str, stream: bool) -> str:
    with anthropic_client(proxy) as client:
        if stream:
            with client.messages.stream(model=model, max_tokens=99, messages=ASK) as answer:
                return "".join(answer.text_stream)
        return str(client.messages.create(model=model, max_tokens=99, messages=ASK).content[0].text)


def anthropic_client(proxy: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0)


CLIENTS = pytest.mark.parametrize("ask", [ask_openai, ask_ollama, ask_anthropic])


@CLIENTS
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "server", "sent"),
    [
        ("llama3", "laptop", "llama3"),
        ("llama3:latest", "laptop", "llama3:latest"),
        ("gpt-x", "plain", "gpt-x"),
        ("gpt-x:latest", "plain", "gpt-x"),
        ("opus", "claude", "opus"),
        ("opus:latest", "claude", "opus"),
        ("plain/gpt-x:latest", "plain", "gpt-x"),
        ("mine:latest", "plain", "gpt-x"),
    ],
)
def test_a_name_reaches_its_server(
    ask: Any, stream: bool, model: str, server: str, sent: str, proxy: Any, request: pytest.FixtureRequest
) -> None:
    """From every client to every server, streamed and whole; the server is asked for it by a name that it knows."""
    upstream: FakeUpstream = request.getfixturevalue(server)
    before = len(upstream.inferences)
    assert ask(proxy, model, stream) == f"Hello from {server}."
    assert upstream.inferences[before].json()["model"] == sent


def test_the_story_says_in_whose_list_it_is(proxy: Any) -> None:
    """In the trace and in the headers."""
    answer = proxy.chat("llama3")
    assert (answer.headers["x-switchman-layer"], answer.headers["x-switchman-route"]) == ("list", "laptop")
    assert "llama3 is in the list of server laptop." in str(proxy.row_of(answer)["trace"])


def test_all_servers_that_list_it_are_candidates(proxy: Any, plain: FakeUpstream) -> None:
    """In the order of the file: the first is down, and the second answers."""
    plain.script([Behaviour(status=503)])
    answer = proxy.chat("shared")
    assert answer.status_code == 200 and answer.headers["x-switchman-target"] == "claude/shared"
    assert [one["server"] for one in proxy.row_of(answer)["attempts"]] == ["plain", "claude"]


@CLIENTS
@pytest.mark.parametrize("stream", [False, True])
def test_what_nothing_knows_is_a_404_with_the_nearest_names(ask: Any, stream: bool, proxy: Any) -> None:
    """In the client's dialect, so that its own library knows it."""
    with pytest.raises((openai.NotFoundError, ollama.ResponseError, anthropic.NotFoundError)) as caught:
        ask(proxy, "lama3", stream)
    error: Any = caught.value
    assert error.status_code == 404
    assert "The model 'lama3' was not found" in str(error) and "nearest names are: llama3" in str(error)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/completions", "/v1/responses", "/api/embed", "/api/generate"])
def test_every_operation_with_a_model_is_answered_so(path: str, proxy: Any) -> None:
    """Not only chats."""
    answer = proxy.post(path, {"model": "nobody-has-it", "input": "x", "prompt": "x", "stream": False})
    assert answer.status_code == 404 and "'nobody-has-it' was not found" in answer.text
    assert proxy.row_of(answer)["outcome"] == "refused"


def test_auto_is_listed_first_and_works(proxy: Any, laptop: FakeUpstream) -> None:
    """No alias is for chats, so that it is the first chat model that is known: not the one for embeddings."""
    client = proxy.openai()
    assert next(iter(client.models.list())).id == "auto"
    assert proxy.ollama().list().models[0].model == "auto"
    with anthropic_client(proxy) as asked:
        assert asked.models.list().data[0].id == "auto"
    for model in ("auto", "auto:latest", ""):
        answer = proxy.chat(model)
        assert answer.headers["x-switchman-target"] == "laptop/llama3:latest"
    assert client.models.retrieve("auto").id == "auto"


def test_a_model_that_is_not_listed_by_this_name_is_asked_for_where_a_chat_would_go(
    proxy: Any, plain: FakeUpstream
) -> None:
    """By its name there; one that a list has under another name is answered from the list."""
    client = proxy.openai()
    plain.paths["/v1/models/ft:own"] = Behaviour(
        body={"id": "ft:own", "object": "model", "created": 5, "owned_by": "me"}
    )
    assert client.models.retrieve("plain/ft:own").owned_by == "me"
    assert client.models.retrieve("llama3").id == "llama3"
    assert client.models.retrieve("laptop/llama3").id == "laptop/llama3:latest"
    with pytest.raises(openai.NotFoundError, match="nearest names are: llama3"):
        client.models.retrieve("lama3")
    with anthropic_client(proxy) as asked, pytest.raises(anthropic.NotFoundError, match="nearest names are"):
        asked.models.retrieve("lama3")


def test_show_and_count_know_the_same_names(proxy: Any) -> None:
    """What Ollama's and Anthropic's clients ask about a model."""
    assert proxy.ollama().show("llama3").details.family == "llama"
    assert proxy.ollama().show("gpt-x:latest").capabilities
    with pytest.raises(ollama.ResponseError, match="nearest names are: llama3"):
        proxy.ollama().show("lama3")
    with anthropic_client(proxy) as asked:
        assert asked.messages.count_tokens(model="llama3", messages=ASK).input_tokens > 0
        with pytest.raises(anthropic.NotFoundError):
            asked.messages.count_tokens(model="lama3", messages=ASK)


def test_an_explicit_default_upstream_gets_what_no_rule_names(
    start: Any, laptop: FakeUpstream, plain: FakeUpstream
) -> None:
    """Also a name that another server's list has."""
    proxy = start(f'servers: {{laptop: {{url: "{laptop.url}", dialect: ollama}}}}', {"DEFAULT_UPSTREAM": plain.url})
    answer = proxy.chat("llama3")
    assert answer.status_code == 404 and "plain" not in answer.text
    assert answer.headers["x-switchman-target"] == "default/llama3"
