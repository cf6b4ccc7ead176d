"""What else there is beside chat: Responses, legacy completions, Ollama's generate, embeddings; failover across all.

`old` is an OpenAI server without the Responses API, as most compatible servers are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import ollama
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall, Usage

TARGETS = ["openai", "old", "ollama", "anthropic"]
WITHOUT_RESPONSES = TARGETS[1:]
USAGE = Usage(11, 7, cached=4, reasoning=2)
CALLS = [ToolCall("weather", {"city": "Bern"}), ToolCall("time", {"city": "Bern"})]
CHATS = ["openai", "ollama", "anthropic"]
CASES = [f"{client}-{first}-{second}-{way}" for client in CHATS for first in [*CHATS, "old"] for second in CHATS
         for way in ("whole", "stream")]  # fmt: skip
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
targets = pytest.mark.parametrize("target", TARGETS)


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream]) -> Any:
    lines = [f'  {name}: {{url: "{up.url}", dialect: {up.dialect}}}' for name, up in servers.items()]
    lines += ["aliases:"]
    for case in CASES:  # an alias and model names for each, so that no case's breakers have to do with another's
        name, first, second = case, *case.split("-")[1:3]
        lines.append(f'  {name}: {{instances: ["{first}/{name}-1", "{second}/{name}-2"]}}')
    return start_shared("\n".join(["servers:", *lines, ""]))


@pytest.fixture(scope="module")
def servers(upstreams: dict[str, FakeUpstream], upstream_factory: Callable[..., FakeUpstream]) -> Any:
    old = upstream_factory("openai", name="up-old", reject_unknown=True)
    old.paths["/v1/responses"] = Behaviour(status=404, message="Not Found")
    return {**upstreams, "old": old}


@pytest.fixture
def server(target: str, servers: dict[str, FakeUpstream], proxy: Any) -> FakeUpstream:
    """The target's server, with nothing remembered."""
    servers[target].requests.clear()
    return servers[target]


def script(server: FakeUpstream, behaviour: Behaviour, path: str = "") -> None:
    """For the request that answers: the refused one to /v1/responses takes nothing from the script."""
    paths = {"ollama": "/api/chat", "anthropic": "/v1/messages"}
    default = "/v1/chat/completions" if "/v1/responses" in server.paths else "/v1/responses"
    server.script([behaviour], path or paths.get(server.dialect, default))


# ---- Responses ---------------------------------------------------------------------------------------------------


def respond(proxy: Any, target: str, stream: bool, **more: Any) -> Any:
    """The response, or the last one of a stream, whose deltas have to say the same."""
    responses = proxy.openai().responses
    if not stream:
        return responses.create(model=f"{target}/real-model", **more)
    said, last = "", None
    with responses.stream(model=f"{target}/real-model", **more) as events:
        for number, event in enumerate(events):
            assert event.sequence_number == number
            last = event
            said += event.delta if event.type == "response.output_text.delta" else ""
    assert last is not None and last.type == "response.completed"
    assert last.response.output_text == said
    return last.response


@both_ways
@targets
def test_responses_text(stream: bool, target: str, server: FakeUpstream, proxy: Any) -> None:
    """Instructions and input become a conversation; text, status and usage come back."""
    script(server, Behaviour(text="Grüezi mitenand.", usage=USAGE))
    found = respond(proxy, target, stream, instructions="Be brief.", input="hi", max_output_tokens=99)
    assert (found.output_text, found.status, found.model) == ("Grüezi mitenand.", "completed", "real-model")
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.total_tokens) == (11, 7, 18)
    body = server.requests[-1].json()
    if target == "openai":
        assert (body["instructions"], body["input"]) == ("Be brief.", "hi")
    else:
        assert body["messages"][-1] == {"role": "user", "content": "hi"}
        assert "Be brief." in json.dumps(body)
        assert body.get("max_tokens", body.get("options", {}).get("num_predict")) == 99


@both_ways
@pytest.mark.parametrize("target", WITHOUT_RESPONSES)
def test_responses_tools(stream: bool, target: str, server: FakeUpstream, proxy: Any) -> None:
    """Parallel calls come as items with call ids, and their outputs go back as the results of those calls."""
    tools: Any = [
        {
            "type": "function",
            "name": name,
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        }
        for name in ("weather", "time")
    ]
    question: list[Any] = [{"role": "user", "content": "Weather and time in Bern?"}]
    script(server, Behaviour(tool_calls=CALLS))
    found = respond(proxy, target, stream, input=question, tools=tools)
    calls = [item for item in found.output if item.type == "function_call"]
    assert [(c.name, json.loads(c.arguments)) for c in calls] == [(c.name, dict(c.arguments)) for c in CALLS]
    outputs = [
        {"type": "function_call_output", "call_id": call.call_id, "output": text}
        for call, text in zip(calls, ("sunny", "12:00"), strict=True)
    ]
    asked = [{"type": c.type, "call_id": c.call_id, "name": c.name, "arguments": c.arguments} for c in calls]
    script(server, Behaviour(text="Sunny at noon."))
    again = respond(proxy, target, stream, input=[*question, *asked, *outputs], tools=tools)
    assert again.output_text == "Sunny at noon."
    told = json.dumps(server.requests[-1].json()["messages"])
    assert told.index("sunny") < told.index("12:00")
    if target != "ollama":  # which ties results to calls by name
        assert told.count(calls[0].call_id) == told.count(calls[1].call_id) == 2


def test_responses_are_asked_of_an_old_server_only_once(servers: Any, proxy: Any) -> None:
    """Its 404 is remembered: later requests go to its chat completions at once."""
    servers["old"].requests.clear()
    for _ in range(2):
        assert respond(proxy, "old", False, input="hi").output_text
    paths = [request.path for request in servers["old"].requests]
    assert paths[-1] == paths[-2] == "/v1/chat/completions" and len(paths) <= 3


def test_a_missing_model_is_no_missing_api(servers: Any, proxy: Any) -> None:
    """A 404 that is about the model goes to the client; the next request is asked by the Responses API again."""
    servers["openai"].requests.clear()
    body = {"error": {"message": "The model `m` does not exist", "type": "invalid_request_error", "param": None,
                      "code": "model_not_found"}}  # fmt: skip
    script(servers["openai"], Behaviour(status=404, body=body), "/v1/responses")
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        respond(proxy, "openai", False, input="hi")
    assert respond(proxy, "openai", False, input="hi").output_text
    assert [request.path for request in servers["openai"].requests] == ["/v1/responses"] * 2


def test_responses_at_a_server_of_unknown_dialect(upstream_factory: Any, start: Any) -> None:
    """A server that nobody has declared, and that lacks the API, is asked once more in chat completions."""
    old = upstream_factory("openai", name="unknown")
    old.paths["/v1/responses"] = Behaviour(status=404, message="Not Found")
    proxy = start(f'servers: {{unknown: "{old.url}"}}\n')
    assert respond(proxy, "unknown", False, input="hi").output_text == "Hello from unknown."
    assert [request.path for request in old.inferences] == ["/v1/responses", "/v1/chat/completions"]


@pytest.mark.parametrize("target", WITHOUT_RESPONSES)
def test_responses_that_cannot_be_translated(target: str, server: FakeUpstream, proxy: Any) -> None:
    """What needs a stored conversation is refused with the field's name; nothing is asked of the server."""
    if target == "old":
        respond(proxy, "old", False, input="hi")  # it is known to lack Responses
        server.requests.clear()
    with pytest.raises(openai.BadRequestError, match="previous_response_id") as caught:
        respond(proxy, target, False, input="hi", previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"
    assert server.requests == []


def test_responses_that_turn_out_to_be_untranslatable(upstream_factory: Any, start: Any) -> None:
    """The server's 404 tells that it lacks the API; what a chat cannot say is then refused at once, not asked again."""
    old = upstream_factory("openai", name="lacking")
    old.paths["/v1/responses"] = Behaviour(status=404, message="Not Found")
    proxy = start(f'servers: {{lacking: {{url: "{old.url}", dialect: openai}}}}\n')
    with pytest.raises(openai.BadRequestError, match="previous_response_id") as caught:
        respond(proxy, "lacking", False, input="hi", previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"
    assert [request.path for request in old.inferences] == ["/v1/responses"]
    assert proxy.row_of(caught.value.response)["outcome"] == "refused"


@targets
def test_responses_errors(target: str, server: FakeUpstream, proxy: Any) -> None:
    """A server's error is the client's exception; in a stream too."""
    if target == "old":
        respond(proxy, "old", False, input="hi")
    script(server, Behaviour(status=429, message="Too fast.", headers={"retry-after": "3"}))
    with pytest.raises(openai.RateLimitError, match="Too fast") as caught:
        respond(proxy, target, False, input="hi")
    assert caught.value.response.headers["retry-after"] == "3"
    script(server, Behaviour(text="One two three four.", error_after=4, message="The GPU has melted."))
    with pytest.raises(openai.APIError, match="melted"):
        respond(proxy, target, True, input="hi")


# ---- prompts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["ollama", "anthropic"])
def test_a_list_of_one_prompt_is_a_prompt(target: str, server: FakeUpstream, proxy: Any) -> None:
    """As older clients send it."""
    script(server, Behaviour(text=" upon a time"), "/api/generate" if target == "ollama" else "/v1/messages")
    answer = proxy.openai().completions.create(model=f"{target}/real-model", prompt=["Once"], max_tokens=9)
    assert answer.choices[0].text == " upon a time"
    body = server.inferences[-1].json()
    texts = [{"type": "text", "text": "Once"}]
    assert body.get("prompt", body.get("messages")) in ("Once", [{"role": "user", "content": texts}])


@both_ways
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/v1/responses"])
def test_only_a_system_message(path: str, stream: bool, servers: dict[str, FakeUpstream], proxy: Any) -> None:
    """Other servers answer to that; Anthropic wants a user's message, so it is sent as one, and the trace says so."""
    said = [{"role": "system", "content": "Tell a joke."}]
    body = {"input" if path == "/v1/responses" else "messages": said}
    answer = proxy.post(path, {"model": "anthropic/real-model", "stream": stream, **body})
    assert answer.status_code == 200, answer.text
    sent = servers["anthropic"].inferences[-1].json()
    assert sent["messages"] == [{"role": "user", "content": "Tell a joke."}] and "system" not in sent
    assert any("sent as the user's" in line["detail"] for line in proxy.row_of(answer)["trace"])


def test_blanks_beside_tool_calls(servers: dict[str, FakeUpstream], proxy: Any) -> None:
    """Many models write a line break before a call; Anthropic refuses such a text in the history."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    said = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "\n\n", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        {"role": "assistant", "content": " "},
        {"role": "user", "content": [{"type": "text", "text": " "}, {"type": "text", "text": "and?"}]},
    ]
    answer = proxy.post("/v1/chat/completions", {"model": "anthropic/real-model", "messages": said, "tools": [tool]})
    assert answer.status_code == 200, answer.text
    roles = [message["role"] for message in servers["anthropic"].inferences[-1].json()["messages"]]
    assert roles == ["user", "assistant", "user"]


@both_ways
@targets
def test_legacy_completions(stream: bool, target: str, server: FakeUpstream, proxy: Any) -> None:
    """A prompt is continued as it is where the server can, else it is a user message."""
    server.script([Behaviour(text="there was a fox.", usage=USAGE)])
    more: Any = {"stream_options": {"include_usage": True}} if stream else {}
    answer: Any = proxy.openai().completions.create(
        model=f"{target}/real-model", prompt="Once", max_tokens=9, stream=stream, **more
    )
    parts = list(answer) if stream else [answer]
    assert "".join(choice.text for part in parts for choice in part.choices) == "there was a fox."
    finish = [choice.finish_reason for part in parts for choice in part.choices if choice.finish_reason]
    assert finish == ["stop"]
    assert [(p.usage.prompt_tokens, p.usage.completion_tokens) for p in parts if p.usage] == [(11, 7)]
    (request,) = server.requests
    body = request.json()
    if server.dialect == "ollama":
        assert (request.path, body["prompt"], body["raw"]) == ("/api/generate", "Once", True)
    elif server.dialect == "openai":
        assert (request.path, body["prompt"]) == ("/v1/completions", "Once")
    else:
        assert body["messages"] == [{"role": "user", "content": "Once"}]


@both_ways
@targets
def test_generate(stream: bool, target: str, server: FakeUpstream, proxy: Any) -> None:
    """ollama.generate: system and prompt are a conversation elsewhere; text and counts come back."""
    server.script([Behaviour(text="Grüezi.", usage=USAGE)])
    answer = proxy.ollama().generate(
        f"{target}/real-model", "hi", system="Be brief.", stream=stream, options={"num_predict": 9}
    )
    parts = list(answer) if stream else [answer]
    assert "".join(part.response for part in parts) == "Grüezi."
    last = parts[-1]
    assert (last.done, last.done_reason, last.prompt_eval_count, last.eval_count) == (True, "stop", 11, 7)
    (request,) = server.requests
    body = request.json()
    if server.dialect == "ollama":
        assert (body["prompt"], body["system"]) == ("hi", "Be brief.")
    else:
        assert body["messages"][-1] == {"role": "user", "content": "hi"} and "Be brief." in json.dumps(body)


@both_ways
def test_generate_raw(stream: bool, servers: Any, proxy: Any) -> None:
    """A raw prompt goes to an OpenAI server's legacy completions, with a line in the trace."""
    servers["openai"].requests.clear()
    answer = proxy.post("/api/generate", {"model": "openai/m", "prompt": "Once", "raw": True, "stream": stream})
    assert answer.json()["response"] if not stream else answer.text.endswith("\n")
    assert servers["openai"].requests[-1].path == "/v1/completions"
    trace = json.dumps(proxy.row_of(answer)["trace"])
    assert "raw was changed for the openai dialect" in trace


# ---- embeddings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize("target", ["openai", "ollama"])
def test_openai_embeddings(encoding: Any, target: str, server: FakeUpstream, proxy: Any) -> None:
    """The same vectors from both, as numbers and packed; openai-python asks for packed ones unless told."""
    create = proxy.openai().embeddings.create
    found = create(model=f"{target}/real-model", input=["a", "b c"], encoding_format=encoding)
    default = create(model=f"{target}/real-model", input=["a", "b c"])
    assert [item.index for item in default.data] == [0, 1] and default.usage.prompt_tokens == 3
    reference = httpx.post(
        server.url + ("/api/embed" if target == "ollama" else "/v1/embeddings"),
        json={"model": "real-model", "input": ["a", "b c"]},
        trust_env=False,
    ).json()
    vectors = reference.get("embeddings") or [item["embedding"] for item in reference["data"]]
    for item, vector in zip(default.data, vectors, strict=True):
        assert item.embedding == pytest.approx(vector, abs=1e-6)
    assert isinstance(found.data[0].embedding, str if encoding == "base64" else list)


@pytest.mark.parametrize("target", ["openai", "ollama"])
def test_ollama_embeddings(target: str, server: FakeUpstream, proxy: Any) -> None:
    """embed() of several texts, and the older embeddings() of one."""
    found = proxy.ollama().embed(f"{target}/real-model", ["a", "b c"])
    assert len(found.embeddings) == 2 and found.prompt_eval_count == 3
    older = proxy.ollama().embeddings(f"{target}/real-model", "a")
    assert list(older.embedding) == pytest.approx(list(found.embeddings[0]))


def test_embeddings_of_anthropic(proxy: Any) -> None:
    """There are none: a clear 400 in the client's form."""
    with pytest.raises(openai.BadRequestError, match="no embeddings"):
        proxy.openai().embeddings.create(model="anthropic/m", input="a")
    with pytest.raises(ollama.ResponseError, match="no embeddings"):
        proxy.ollama().embed("anthropic/m", "a")


# ---- failover ----------------------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("second", CHATS)
@pytest.mark.parametrize("first", CHATS)
def test_failover(first: str, second: str, stream: bool, client: Any, servers: Any, proxy: Any, asks: Any) -> None:
    """529 of the first server, and the second one answers in the client's dialect, each asked in its own."""
    for server in servers.values():
        server.requests.clear()
    busy = Behaviour(status=529, message="Overloaded.")
    if first == second:
        servers[first].script([busy, Behaviour(text="Here I am.")])
    else:
        servers[first].script([busy])
        servers[second].script([Behaviour(text="Here I am.")])
    method = client.stream if stream else client.whole
    alias = f"{client.name}-{first}-{second}-{'stream' if stream else 'whole'}"
    seen = method(alias, asks["plain"][client.name])
    assert (seen.text, seen.finish, seen.model) == ("Here I am.", client.finishes["stop"], f"{alias}-2")
    assert (seen.input, seen.output) == (11, 7)
    bodies = [request.json() for server in dict.fromkeys((first, second)) for request in servers[server].requests]
    assert [body["model"] for body in bodies] == [f"{alias}-1", f"{alias}-2"]
    row = proxy.row_of(client)
    assert [(attempt["server"], attempt["status"]) for attempt in row["attempts"]] == [(first, 529), (second, 200)]
    assert (row["server"], row["outcome"], row["output_tokens"]) == (second, "ok", 7)


@pytest.mark.parametrize("second", CHATS)
def test_the_last_error_is_in_the_clients_words(second: str, client: Any, servers: Any, proxy: Any, asks: Any) -> None:
    """Nobody answers: the last server's error, in the client's dialect, with its Retry-After."""
    servers["old"].script([Behaviour(status=503)])
    servers[second].script([Behaviour(status=429, message="Come back later.", headers={"retry-after": "9"})])
    refused = client.refused(lambda: client.stream(f"{client.name}-old-{second}-stream", asks["plain"][client.name]))
    assert (refused.kind, refused.status) == (client.errors[429], 429)
    assert "Come back later." in refused.message and client.headers["retry-after"] == "9"
