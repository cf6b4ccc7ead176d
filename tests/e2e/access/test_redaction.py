"""What a rule redacts: nothing private leaves, and all of it comes back, by the official clients and every dialect."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall

MAIL, CARD, KEY, NAME = (
    "jane.doe@example.org",
    "4111 1111 1111 1111",
    "sk-proj-aB3dE5fG7hI9jK1lM",
    'Bob "Quotes" Jones',
)
PRIVATE = (MAIL, CARD, KEY, NAME)
ASK = f"Write to {NAME} <{MAIL}>: card {CARD}, key {KEY}."
PLACEHOLDER = re.compile(r"(?:EMAIL|CARD|SECRET|WORD)_[0-9a-f]{10}")
TOOL: dict[str, Any] = {
    "name": "send",
    "description": f"Sends to {MAIL}",
    "schema": {"type": "object", "properties": {"to": {"type": "string"}, "who": {"type": "string"}}},
}
JSON = {"content-type": "application/json"}
SERVERS = ("openai", "anthropic", "ollama")


@pytest.fixture(scope="module")
def upstreams(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {dialect: upstream_factory(dialect, name=dialect) for dialect in SERVERS}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, tmp_path_factory: Any, upstreams: dict[str, FakeUpstream]) -> Iterator[Any]:
    words = tmp_path_factory.mktemp("words") / "words.txt"
    words.write_text(f"# people\n{NAME}\n")
    servers = "".join(f"  {name}: {{url: '{up.url}', dialect: {name}}}\n" for name, up in upstreams.items())
    rules = "".join(
        f"  - name: private {name}\n"
        f"    match: {{model: {name}-private}}\n"
        f"    route: {{upstream: {name}, model: fake-model, fallbacks: [openai/fake-model]}}\n"
        f"    redact: {{patterns: [email, card, secret], words: '{words}'}}\n"
        for name in SERVERS
    )
    plain = "  - match: {model: plain}\n    route: {upstream: openai, model: fake-model}\n"
    yield start_shared(f"servers:\n{servers}routes:\n{rules}{plain}", {"MAX_BODY_BYTES": "100000000"})


class Said:
    """What a client made of an answer."""

    def __init__(self, text: str, arguments: dict[str, Any]) -> None:
        self.text, self.arguments = text, arguments


def by_openai(proxy: Any, model: str, stream: bool) -> Said:
    tool = {"name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}
    asked: Any = {"model": model, "messages": [{"role": "user", "content": ASK}], "stream": stream}
    answer = proxy.openai().chat.completions.create(**asked, tools=[{"type": "function", "function": tool}])
    if not stream:
        message = answer.choices[0].message
        return Said(message.content, json.loads(message.tool_calls[0].function.arguments))
    deltas = [chunk.choices[0].delta for chunk in answer if chunk.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    return Said(
        "".join(delta.content or "" for delta in deltas),
        json.loads("".join(call.function.arguments or "" for call in calls)),
    )


def by_responses(proxy: Any, model: str, stream: bool) -> Said:
    tool = {
        "type": "function", "name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]
    }  # fmt: skip
    asked: Any = {"model": model, "input": ASK, "tools": [tool]}
    client = proxy.openai()
    if stream:
        with client.responses.stream(**asked) as events:
            seen = list(events)
        answer = seen[-1].response
        text = "".join(e.delta for e in seen if e.type == "response.output_text.delta")
        assert text == answer.output_text
    else:
        answer = client.responses.create(**asked)
    (call,) = [item for item in answer.output if item.type == "function_call"]
    return Said(answer.output_text, json.loads(call.arguments))


def by_anthropic(proxy: Any, model: str, stream: bool) -> Said:
    tool = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["schema"]}
    with anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0, timeout=60) as client:
        asked: Any = {
            "model": model, "max_tokens": 100, "messages": [{"role": "user", "content": ASK}], "tools": [tool]
        }  # fmt: skip
        if stream:
            with client.messages.stream(**asked) as events:
                message = events.get_final_message()
        else:
            message = client.messages.create(**asked)
    (call,) = [block for block in message.content if block.type == "tool_use"]
    return Said("".join(block.text for block in message.content if block.type == "text"), dict(call.input))


def by_ollama(proxy: Any, model: str, stream: bool) -> Said:
    tool = {"name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}
    asked: Any = {"messages": [{"role": "user", "content": ASK}], "tools": [{"type": "function", "function": tool}]}
    answer = proxy.ollama().chat(model, stream=stream, **asked)
    parts = list(answer) if stream else [answer]
    calls = [call for part in parts for call in part.message.tool_calls or ()]
    return Said("".join(part.message.content or "" for part in parts), dict(calls[0].function.arguments))


CLIENTS = {"openai": by_openai, "responses": by_responses, "anthropic": by_anthropic, "ollama": by_ollama}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_nothing_private_leaves_and_all_comes_back(
    proxy: Any, upstreams: dict[str, FakeUpstream], client: str, server: str, stream: bool
) -> None:
    """Text and tool arguments, of each client with each server, whole and in pieces that cut placeholders."""
    upstream = upstreams[server]
    before = len(upstream.requests)
    first = Behaviour(text="ok", tool_calls=(ToolCall("send", {"to": "x"}),))
    upstream.script([first])
    CLIENTS[client](proxy, f"{server}-private", stream)
    sent = upstream.requests[before].body.decode()
    placeholders = dict(zip((NAME, MAIL, CARD, KEY), _in_order(sent), strict=True))
    said = (
        f"For {placeholders[NAME]}: {placeholders[MAIL]}, {placeholders[CARD]}; {placeholders[KEY]} EMAIL_0123456789 E"
    )
    pieces = [said[at : at + 3] for at in range(0, len(said), 3)]
    call = ToolCall("send", {"to": placeholders[MAIL], "who": placeholders[NAME]})
    upstream.script([Behaviour(pieces=pieces, tool_calls=(call,))])

    answer = CLIENTS[client](proxy, f"{server}-private", stream)

    assert answer.text == f"For {NAME}: {MAIL}, {CARD}; {KEY} EMAIL_0123456789 E"
    assert answer.arguments == {"to": MAIL, "who": NAME}
    for request in upstream.requests[before:]:
        assert not any(private in request.body.decode() for private in (MAIL, CARD, KEY, "Quotes"))


def _in_order(sent: str) -> list[str]:
    """The placeholders of ASK, which stands in the body somewhere: those of the tool's description are among them."""
    at = sent.index("Write to ")
    return PLACEHOLDER.findall(sent, at)[:4]


def test_an_answer_that_is_asked_for_again_has_the_same_beginning(
    proxy: Any, upstreams: dict[str, FakeUpstream]
) -> None:
    """A conversation's next request begins with the bytes of the one before, so that a provider's cache stays good."""
    upstream = upstreams["openai"]
    before = len(upstream.requests)
    turns: list[dict[str, Any]] = [{"role": "user", "content": ASK}]
    body = {"model": "openai-private", "messages": turns}
    assert proxy.post("/v1/chat/completions", body).status_code == 200
    turns += [{"role": "assistant", "content": f"To {MAIL}."}, {"role": "user", "content": "Go on"}]
    assert proxy.post("/v1/chat/completions", body).status_code == 200

    first, second = (json.loads(request.body)["messages"] for request in upstream.requests[before:])
    assert second[0] == first[0]
    assert PLACEHOLDER.findall(second[1]["content"])[0] in first[0]["content"]


def test_placeholders_of_another_caller_are_others(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """Nobody can try out what a placeholder stands for, and one that a client writes itself means nothing."""
    upstream = upstreams["openai"]
    before = len(upstream.requests)
    for key in ("one", "two"):
        body = {"model": "openai-private", "messages": [{"role": "user", "content": ASK}]}
        proxy.post("/v1/chat/completions", body, headers={"authorization": f"Bearer {key}"})
    one, two = (PLACEHOLDER.findall(request.body.decode()) for request in upstream.requests[before:])
    assert not set(one) & set(two)

    upstream.script([Behaviour(text=f"It is {one[1]}.")])
    body = {"model": "openai-private", "messages": [{"role": "user", "content": f"{one[1]}? Not {CARD}."}]}
    answer = proxy.post("/v1/chat/completions", body, headers={"authorization": "Bearer two"})
    assert answer.json()["choices"][0]["message"]["content"] == f"It is {one[1]}."


def test_url_headers_and_every_attempt(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """Neither the query nor a header of the client's own has it, nor the attempt at the server that is tried next."""
    anthropics, others = upstreams["anthropic"], upstreams["openai"]
    before, after = len(anthropics.requests), len(others.requests)
    anthropics.script([Behaviour(status=500, message="no")])
    body = {"model": "anthropic-private", "messages": [{"role": "user", "content": ASK}]}
    fields = {"x-for": f"me {MAIL}", "x-request-id": "a3f5b8c9d0e1f2a3b4c5d6e7f8a9b0c1"}
    answer = proxy.post("/v1/chat/completions?to=jane.doe%40example.org", body, headers=fields)

    assert answer.headers["x-switchman-attempts"] == "2"
    requests = [*anthropics.requests[before:], *others.requests[after:]]
    assert len(requests) == 2
    for request in requests:
        seen = f"{request.target} {request.head.decode()} {request.body.decode()}"
        assert not any(private in seen for private in (*PRIVATE, "%40example", "Quotes"))
        assert fields["x-request-id"] in seen


def test_the_trace_counts_and_the_log_has_what_the_client_sent(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """How many of each kind were redacted, and how many came back."""
    upstream = upstreams["openai"]
    asked = {"model": "openai-private", "messages": [{"role": "user", "content": f"{MAIL} and {CARD}, {MAIL}"}]}
    proxy.post("/v1/chat/completions", asked)
    mail, card = PLACEHOLDER.findall(upstream.requests[-1].body.decode())[:2]
    upstream.script([Behaviour(text=f"{mail} {mail} {card}")])
    row = proxy.row_of(proxy.post("/v1/chat/completions", asked))

    assert MAIL.encode() in row["request"] and MAIL.encode() in row["response"]
    (line,) = [line for line in row["trace"] if line["layer"] == "redaction"]
    assert line["detail"] == "redacted: 2 email, 1 card; 3 restored"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v1/audio/transcriptions", {"files": {"file": ("a.wav", b"x")}, "data": {"model": "openai-private"}}),
        ("/v1/completions", {"json": {"model": "openai-private", "prompt": [1, 2, 3]}}),
        (
            "/v1/messages",
            {
                "json": {
                    "model": "anthropic-private",
                    "max_tokens": 5,
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {
                                    "type": "document",
                                    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                                }
                            ],
                        }
                    ],
                }
            },
        ),
    ],
    ids=["form", "tokens", "document"],
)
def test_what_cannot_be_searched_is_refused(
    proxy: Any, upstreams: dict[str, FakeUpstream], path: str, sent: dict[str, Any]
) -> None:
    """In the client's dialect, with the rule's name and its key; nothing goes to any server."""
    before = [len(upstream.requests) for upstream in upstreams.values()]
    answer = proxy.post(path, **sent)

    assert answer.status_code == 403
    message = answer.json()["error"]["message"]
    assert "-private" not in message and "The rule 'private " in message and "`redact`" in message
    assert [len(upstream.requests) for upstream in upstreams.values()] == before


def test_images_and_what_needs_nothing_pass_as_they_are(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """A request without anything private goes out byte for byte; one by a rule that redacts nothing, too."""
    upstream = upstreams["openai"]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ="}}
    body = '{ "model":"%s",  "messages": [{"role": "user", "content": [%s]}] }'
    for model, content in (("openai-private", image), ("plain", {"type": "text", "text": ASK})):
        answer = proxy.post("/v1/chat/completions", content=body % (model, json.dumps(content)), headers=JSON)
        assert answer.status_code == 200
        assert upstream.requests[-1].body.decode() == body % ("fake-model", json.dumps(content))


def test_ten_thousand_secrets(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """None leaves, and all come back, at pieces of any length."""
    upstream, chance = upstreams["openai"], random.Random(7)
    planted = [_secret(chance, number) for number in range(10_000)]
    body: dict[str, Any] = {"model": "openai-private", "messages": [{"role": "user", "content": "\n".join(planted)}]}
    assert proxy.post("/v1/chat/completions", body).status_code == 200
    sent = upstream.requests[-1].body.decode()
    content = json.loads(sent)["messages"][0]["content"]
    assert [secret for secret in planted if secret in sent] == []
    pieces = []
    while content:
        length = chance.randrange(1, 40)
        pieces.append(content[:length])
        content = content[length:]
    upstream.script([Behaviour(pieces=pieces)])
    with httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.post(f"{proxy.url}/v1/chat/completions", json={**body, "stream": True})
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    told = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    assert told == "\n".join(planted)


def _secret(chance: random.Random, number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    word = "".join(chance.choices(letters, k=24))
    kinds = (
        f"user{number}.{word[:6].lower()}@example.org",
        f"sk-proj-{word}",
        _card(chance),
        f"ghp_{word}",
    )
    return kinds[number % len(kinds)]


def _card(chance: random.Random) -> str:
    digits = [4, *(chance.randrange(10) for _ in range(14))]
    total = sum(digit if place % 2 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(digits))
    return "".join(map(str, [*digits, -total % 10]))
