"""After a switch of server, no thought and no signature of the last one makes the next one refuse the conversation.

The servers here check what the real ones check, and say what the real ones say.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.passing.thoughts import Origin, digests, portable, speaks_of_thoughts
from switchman.addons.core.dialects.passing.unsigned import ITEM, SIGNATURE
from switchman.addons.core.dialects.rendering import Rendered, ServerProfile, render
from switchman.addons.core.request.call import Call, DialectName
from switchman.addons.core.request.jsonedit import parse
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.models.thinking import ThinkingChoice
from switchman.addons.core.servers.servers import Quirks, Server
from switchman.addons.core.servers.urls import parse as parse_url

HI = {"role": "user", "content": "Weather in Oslo?"}
CHAT, RESPONSES, MESSAGES, OLLAMA = "/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat"

# ---- who made the thoughts: the conversation as a client has it --------------------------------------------------


def chat(message: dict[str, Any], call: dict[str, Any] | None = None, id: str = "call_1") -> tuple[str, dict[str, Any]]:
    function = {"name": "weather", "arguments": "{}"}
    calls = [{"id": id, "type": "function", "function": function, **(call or {})}]
    said = {"role": "assistant", "content": None, "tool_calls": calls, **message}
    return CHAT, {"messages": [HI, said, {"role": "tool", "tool_call_id": id, "content": "5"}]}


def messages(*blocks: dict[str, Any], id: str = "toolu_1") -> tuple[str, dict[str, Any]]:
    use = {"type": "tool_use", "id": id, "name": "weather", "input": {}}
    result = {"type": "tool_result", "tool_use_id": id, "content": "5"}
    clear = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    said = [HI, {"role": "assistant", "content": [*blocks, use]}, {"role": "user", "content": [result]}]
    thinking = {"type": "enabled", "budget_tokens": 2000}
    return MESSAGES, {"max_tokens": 4000, "thinking": thinking, "context_management": clear, "messages": said}


def responses(item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "5"}
    return RESPONSES, {"store": False, "input": [HI, {"type": "reasoning", **item}, call, result]}


def thought(signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": "hm", "signature": signature}


def ollama() -> tuple[str, dict[str, Any]]:
    calls = [{"function": {"name": "weather", "arguments": {}}}]
    said = {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": calls}
    return OLLAMA, {"messages": [HI, said, {"role": "tool", "tool_name": "weather", "content": "5"}]}


SUMMARY = [{"type": "summary_text", "text": "hm"}]
GOOGLES = {"extra_content": {"google": {"thought_signature": "gemini"}}}
MAKERS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai-chat": chat({}),
    "deepseek": chat({"reasoning_content": "hm"}),
    "openrouter": chat({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.encrypted", "data": "or"}]}),
    "vllm": chat({"reasoning": "hm"}),
    "gemini": chat({}, GOOGLES),
    "mistral": chat(
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "a"},
            ]
        },
        id="abcdef123",
    ),
    "litellm": chat({"thinking_blocks": [thought("claude")], "reasoning_content": "hm"}),
    "openai-responses": responses({"id": "rs_1", "summary": SUMMARY, "encrypted_content": "openai"}),
    "azure-responses": responses({"id": "rs_2", "summary": [], "encrypted_content": "azure"}),
    "stored-responses": responses({"id": "rs_3", "summary": SUMMARY}),
    "translated-responses": responses({"id": f"{ITEM}x", "summary": [], "content": SUMMARY}),
    "anthropic": messages(thought("claude")),
    "anthropic-redacted": messages({"type": "redacted_thinking", "data": "claude"}),
    "kimi-unsigned": messages(thought(""), id="functions.weather:0"),
    "glm-signed": messages(thought("glm")),
    "glm-redacted": messages({"type": "redacted_thinking", "data": "glm"}),
    "no-thoughts": messages(),
    "translated-messages": messages(thought(SIGNATURE)),
    "ollama": ollama(),
}

# ---- who gets them: what the server says of a body that it refuses, "" for one that it takes ----------------------

MEMBERS = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks")


def answers(body: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    return [(at, one) for at, one in enumerate(body["messages"]) if one["role"] == "assistant"]


def extra_inputs(body: dict[str, Any], parts: tuple[str, ...] = ("text",), signed: bool = False) -> str:
    """As pydantic says it: Mistral, Cerebras, and many another strict server."""
    for at, message in answers(body):
        for name in MEMBERS:
            if name in message:
                return f"messages.{at}.assistant.{name}: Extra inputs are not permitted"
        for call in message.get("tool_calls", ()):
            if "extra_content" in call and not signed:
                return f"messages.{at}.assistant.tool_calls.0: Extra inputs are not permitted: thought_signature"
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part["type"] not in parts:
                return f"messages.{at}.content: unknown part of type {part['type']}"
    return ""


def openai_chat(body: dict[str, Any]) -> str:
    return extra_inputs(body)


def mistral(body: dict[str, Any]) -> str:
    return extra_inputs(body, ("text", "thinking"))


def gemini(body: dict[str, Any]) -> str:
    for _, message in answers(body):
        if calls := message.get("tool_calls"):
            google = calls[0].get("extra_content", {}).get("google", {})
            if google.get("thought_signature") not in ("gemini", "skip_thought_signature_validator"):
                return "Function call is missing a thought_signature in functionCall parts."
    return extra_inputs(body, signed=True)


def deepseek(body: dict[str, Any]) -> str:
    for at, message in answers(body):
        if message.get("tool_calls") and not message.get("reasoning_content"):
            return "The reasoning_content in the thinking mode must be passed back to the API."
        if isinstance(message.get("content"), list) and any(p["type"] != "text" for p in message["content"]):
            return f"messages[{at}]: unknown variant `thinking`"
    return ""


def openai_responses(body: dict[str, Any]) -> str:
    for item in body["input"]:
        if item.get("type") == "reasoning" and not item.get("encrypted_content"):
            return f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false."
        if item.get("type") == "reasoning" and item.get("encrypted_content") != "openai":
            return f"The encrypted content for item {item.get('id')} could not be verified."
    thinks = any(item.get("type") == "reasoning" for item in body["input"])
    if not thinks and any(item.get("type") == "function_call" and "id" in item for item in body["input"]):
        return "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_2'."
    return ""


def claude(body: dict[str, Any]) -> str:
    for at, message in answers(body):
        blocks = message["content"] if isinstance(message["content"], list) else []
        for i, block in enumerate(blocks):
            where = f"messages.{at}.content.{i}"
            if block["type"] == "thinking" and block.get("signature") != "claude":
                return f"{where}: Invalid `signature` in `thinking` block"
            if block["type"] == "redacted_thinking" and block["data"] != "claude":
                return f"{where}: Invalid `data` in `redacted_thinking` block"
    last = answers(body)[-1][1]["content"]
    uses = isinstance(last, list) and any(block["type"] == "tool_use" for block in last)
    thinks = body.get("thinking", {}).get("type") == "enabled"
    if thinks and uses and last[0]["type"] not in ("thinking", "redacted_thinking"):
        return "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`."
    clears = any(
        one["type"].startswith("clear_thinking") for one in body.get("context_management", {}).get("edits", ())
    )
    if clears and not thinks:
        return "`clear_thinking_20251015` strategy requires `thinking` to be enabled or adaptive"
    return ""


def anthropic(body: dict[str, Any]) -> str:
    ids = re.findall(r'"(?:id|tool_use_id)": "([^"]*)"', json.dumps(body))
    odd = [id for id in ids if not re.fullmatch(r"[a-zA-Z0-9_-]+", id)]
    return f"tool_use.id: String should match pattern: {odd}" if odd else claude(body)


def anything(body: dict[str, Any]) -> str:
    return ""


class Taker:
    def __init__(
        self, dialect: DialectName, refuses: Callable[[dict[str, Any]], str], model: str = "m", **profile: Any
    ) -> None:
        self.dialect = dialect
        self.refuses = refuses
        self.model = model
        quirks = profile.pop("quirks", Quirks())
        self.profile = ServerProfile(dialect, usage=False, quirks=quirks, **profile)


STRICT = Quirks(openai_fields=False, has_responses=False)
TAKERS = {
    "openai-chat": Taker("openai", openai_chat, quirks=Quirks(openai_fields=True), responses=False),
    "openai-responses": Taker("openai", openai_responses, quirks=Quirks(openai_fields=True)),
    "anthropic": Taker("anthropic", anthropic, is_anthropics=True),
    "bedrock": Taker("anthropic", claude),
    "kimi-messages": Taker("anthropic", anything),
    "ollama": Taker("ollama", anything),
    "deepseek": Taker("openai", deepseek, quirks=Quirks(thinking_switch="thinking"), responses=False),
    "gemini": Taker(
        "openai", gemini, "gemini-3-pro", quirks=Quirks(openai_fields=False, narrow_schemas=True), responses=False
    ),
    "mistral": Taker("openai", mistral, "mistral-large", quirks=STRICT, responses=False),
    "cerebras": Taker("openai", extra_inputs, responses=False),
    "vllm": Taker("openai", anything, responses=False),
}


def made_call(path: str, body: dict[str, Any]) -> Call:
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    text = json.dumps({"model": "m", **body})
    parsed, spans = parse(text)
    return Call(endpoint, "", text, parsed, spans, "m", False)


def sent(call: Call, taker: Taker, refused: set[str], think: bool | None = None) -> Rendered:
    profile = ServerProfile(
        taker.dialect,
        think=ThinkingChoice(think) if think is not None else None,
        usage=False,
        quirks=taker.profile.quirks,
        responses=taker.profile.responses,
        is_anthropics=taker.profile.is_anthropics,
        refused=refused,
    )
    candidate = Candidate(Server("s", parse_url("http://s")), taker.model)
    return render(call, candidate, profile, Stamp("x", 0.0, "m"))


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("maker", MAKERS)
def test_a_conversation_goes_on_at_every_other_server(maker: str, taker: str) -> None:
    """At once, or after one refusal that says what it is of; then without what was refused, and with all words."""
    to, call = TAKERS[taker], made_call(*MAKERS[maker])
    if taker == "openai-responses" and call.endpoint.path != RESPONSES:
        return  # it gets a chat, as the row above
    refused: set[str] = set()
    out = sent(call, to, refused)
    if answer := to.refuses(json.loads(out.content)):
        assert out.has_thoughts, answer
        assert speaks_of_thoughts(answer)
        refused |= digests(call)
        out = sent(call, to, refused)
        assert not out.has_thoughts  # so it is never asked a third time
        assert out.warnings
    body = json.loads(out.content)
    assert to.refuses(body) == ""
    assert "Weather in Oslo?" in out.content and "weather" in out.content
    assert ITEM not in out.content and SIGNATURE not in out.content


@pytest.mark.parametrize("taker", ["openai-chat", "deepseek", "gemini", "mistral"])
@pytest.mark.parametrize("maker", [maker for maker, (path, _) in MAKERS.items() if path == CHAT])
def test_what_a_server_is_known_to_refuse_is_never_sent_to_it(maker: str, taker: str) -> None:
    """No answer is lost time, and no refusal is in the log."""
    out = sent(made_call(*MAKERS[maker]), TAKERS[taker], set())
    assert TAKERS[taker].refuses(json.loads(out.content)) == ""


@pytest.mark.parametrize(
    ("maker", "taker"),
    [
        ("openai-chat", "openai-chat"), ("deepseek", "deepseek"), ("deepseek", "vllm"), ("vllm", "vllm"),
        ("openrouter", "vllm"), ("gemini", "gemini"), ("mistral", "mistral"), ("gemini", "vllm"),
        ("openai-responses", "openai-responses"), ("azure-responses", "openai-responses"),
        ("anthropic", "anthropic"), ("anthropic-redacted", "anthropic"), ("glm-signed", "kimi-messages"),
        ("anthropic", "bedrock"), ("glm-redacted", "bedrock"), ("kimi-unsigned", "kimi-messages"),
        ("no-thoughts", "kimi-messages"), ("ollama", "ollama"),
    ],
)  # fmt: skip
def test_what_may_be_the_servers_own_passes_to_the_byte(maker: str, taker: str) -> None:
    """Nobody can tell whose a signature is, so a server is asked first; its own thoughts it wants to have back."""
    call = made_call(*MAKERS[maker])
    out = sent(call, TAKERS[taker], set())
    assert out.content == call.text.replace('"model": "m"', f'"model": {json.dumps(TAKERS[taker].model)}')
    assert out.warnings == ()


@pytest.mark.parametrize(
    ("quirks", "model", "id", "fitted"),
    [
        pytest.param(Quirks(openai_fields=True), "gpt", "a" * 41, f"{'a' * 31}_SUM", id="openai-long"),
        pytest.param(Quirks(openai_fields=True), "gpt", "functions.f:0", "functions.f:0", id="openai-odd"),
        pytest.param(STRICT, "mistral-large", "call_1", "cSUM", id="mistral"),
        pytest.param(STRICT, "mistral-large", "abcdef123", "abcdef123", id="mistrals-own"),
        pytest.param(STRICT, "other", "call_1", "call_1", id="strict-but-not-mistral"),
        pytest.param(Quirks(), "mistral-large", "a" * 41, "a" * 41, id="not-known"),
    ],
)
def test_ids_of_another_server_are_made_to_fit_a_server_that_is_known(
    quirks: Quirks, model: str, id: str, fitted: str
) -> None:
    """The same for the call and its result; the checksum is of the whole id."""
    call = {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": id, "content": "5"}
    said = {"messages": [HI, {"role": "assistant", "content": None, "tool_calls": [call]}, result]}
    out = sent(made_call(CHAT, said), Taker("openai", anything, model, quirks=quirks), set())
    _, asked, told = json.loads(out.content)["messages"]
    expected = fitted.replace("SUM", f"{zlib.crc32(id.encode()):08x}")
    assert (asked["tool_calls"][0]["id"], told["tool_call_id"]) == (expected, expected)
    assert bool(out.warnings) is (expected != id)


def test_only_what_was_refused_is_left_out() -> None:
    """The thoughts that the server has had since then are its own."""
    path, body = messages(thought("glm"))
    refused = digests(made_call(path, body))
    use = {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_2", "content": "6"}]}
    body["messages"] += [{"role": "assistant", "content": [thought("claude"), use]}, result]
    out = sent(made_call(path, body), TAKERS["bedrock"], refused)
    told = json.loads(out.content)
    assert [block["type"] for block in told["messages"][1]["content"]] == ["tool_use"]
    assert told["messages"][3] == body["messages"][3]
    assert told["thinking"] == body["thinking"] and claude(told) == ""
    assert out.has_thoughts


@pytest.mark.parametrize("think", [True, False])
@pytest.mark.parametrize("taker", ["anthropic", "kimi-messages"])
@pytest.mark.parametrize("maker", MAKERS)
def test_a_rule_about_thinking_makes_no_server_refuse_the_conversation(maker: str, taker: str, think: bool) -> None:
    """Anthropic refuses thinking after calls without a thought, whoever asks for it: the client or a rule."""
    to, call = TAKERS[taker], made_call(*MAKERS[maker])
    refused: set[str] = set()
    out = sent(call, to, refused, think)
    if to.refuses(json.loads(out.content)) and out.has_thoughts:
        out = sent(call, to, digests(call), think)
    body = json.loads(out.content)
    assert to.refuses(body) == ""
    (line,) = [line for line in out.trace_lines("s/m") if line.layer == "thinking"]
    if think and taker == "anthropic":
        told = body.get("thinking", {}).get("type") == "enabled"
        assert (line.outcome, out.may_think) == (("hit", True) if told else ("miss", True))
        assert told is maker.startswith("anthropic")


@pytest.mark.parametrize("maker", [maker for maker, (path, _) in MAKERS.items() if path == CHAT])
def test_a_call_whose_thought_was_refused_has_a_blank_one(maker: str) -> None:
    """DeepSeek refuses a call without any; a thought that it refused does not come back under another name."""
    call = made_call(*MAKERS[maker])
    out = sent(call, TAKERS["deepseek"], digests(call))
    assert TAKERS["deepseek"].refuses(json.loads(out.content)) == ""
    assert json.loads(out.content)["messages"][1]["reasoning_content"] == " "


@pytest.mark.parametrize("name", [*MEMBERS, "provider_specific_fields"])
def test_no_member_of_thoughts_goes_to_a_server_that_refuses_all_it_does_not_know(name: str) -> None:
    """However little is in it."""
    said = {"messages": [HI, {"role": "assistant", "content": "5", name: ["x"]}, HI]}
    out = sent(made_call(CHAT, said), Taker("openai", anything, "m", quirks=STRICT), set())
    assert json.loads(out.content)["messages"][1] == {"role": "assistant", "content": "5"}


def test_other_requests_have_no_thoughts() -> None:
    """Embeddings, and a chat of nothing but texts."""
    assert portable(made_call("/v1/embeddings", {"input": "a"}), Origin()).edits == {}
    assert portable(made_call(CHAT, {"messages": [HI]}), Origin(quirks=STRICT)).edits == {}
    assert not portable(made_call(CHAT, {"messages": [HI]}), Origin()).has_thoughts


@pytest.mark.parametrize(
    ("message", "about"),
    [
        ("messages.1.content.0: Invalid `signature` in `thinking` block", True),
        ("The encrypted content for item rs_1 could not be verified.", True),
        ("invalid_encrypted_content", True),
        ("Item with id 'rs_1' not found.", True),
        ("Item with id 'msg_1' not found.", False),
        ("messages.3.content.0.thinking.signature: Field required", True),
        ("Extra inputs are not permitted, field: 'messages[2].reasoning'", True),
        ("messages.2.assistant.reasoning_content: property is unsupported", True),
        ("Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'.", True),
        ("Unsupported value: 'reasoning_effort' does not support 'none' with this model.", False),
        ('"llama3" does not support thinking', False),
        ("thinking.budget_tokens: Input should be greater than or equal to 1024", False),
        ("messages.0.content: text content blocks must be non-empty", False),
        ("prompt is too long: 208310 tokens > 200000 maximum", False),
    ],
)
def test_an_error_is_about_thoughts_or_about_something_else(message: str, about: bool) -> None:
    """How much to think is another matter: that is asked by the request, not told by its history."""
    assert speaks_of_thoughts(message) is about
