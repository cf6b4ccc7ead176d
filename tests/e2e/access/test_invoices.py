"""Invoices computed by hand: the cost in the row is what the provider charges, for whole answers and streams.

The prices are the providers' published ones, as rules/prices.json has them, in dollars per million tokens; so tokens
times a price are micro-dollars. The usage objects are as they come on the wire, by the providers' API references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anthropic
import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, HttpProxy
from switchman.addons.testing.behaviour import ndjson, sse


@dataclass(frozen=True)
class Invoice:
    """`cost`: micro-dollars, None for not known. `more`: members of the reply beside its usage."""

    server: str
    model: str
    usage: dict[str, Any]
    cost: int | None
    more: dict[str, Any] = field(default_factory=dict)


CHAT = {
    # 86 x 2.5 = 215, 1920 x 1.25 = 2400 cached, 300 x 10 = 3000 out; predictions are output, accepted or not.
    "openai: cached": Invoice("openai", "gpt-4o", {
        "prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 20,
                                      "rejected_prediction_tokens": 5}}, 5615),
    # 93 x 1.25 = 116.25, 1024 x 0.125 = 128, 1500 x 10 = 15000, thoughts among them; 15244.25, rounded up.
    "openai: thoughts": Invoice("openai", "gpt-5-2025-08-07", {
        "prompt_tokens": 1117, "completion_tokens": 1500, "total_tokens": 2617,
        "prompt_tokens_details": {"cached_tokens": 1024}, "completion_tokens_details": {"reasoning_tokens": 1216},
        }, 15245),
    # 50 x 2.5 = 125, 100 x 32 = 3200 of audio, 40 x 10 = 400, 160 x 64 = 10240 of audio.
    "openai: audio": Invoice("openai", "gpt-audio", {
        "prompt_tokens": 150, "completion_tokens": 200, "total_tokens": 350,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 100, "text_tokens": 50},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 160, "text_tokens": 40}}, 13965),
    # Flex: 1000 x 0.625 = 625, 100 x 5 = 500.
    "openai: flex": Invoice("openai", "gpt-5", {
        "prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}, 1125, {"service_tier": "flex"}),
    # No price of this tier is known.
    "openai: scale": Invoice("openai", "gpt-5", {
        "prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}, None, {"service_tier": "scale"}),
    # A model that nobody has heard of.
    "openai: unknown": Invoice("openai", "gpt-5-nonesuch", {
        "prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}, None),
    # Above 200,000 tokens: 250000 x 2.5 = 625000, 3000 x 15 = 45000; the 2000 of thought are in the total only.
    "gemini: above 200k": Invoice("gemini", "models/gemini-2.5-pro", {
        "prompt_tokens": 250_000, "completion_tokens": 1000, "total_tokens": 253_000}, 670_000),
    # Up to 200,000: 200000 x 1.25 = 250000, 1000 x 10 = 10000.
    "gemini: at 200k": Invoice("gemini", "gemini-2.5-pro", {
        "prompt_tokens": 200_000, "completion_tokens": 1000, "total_tokens": 201_000}, 260_000),
    # 360 x 0.28 = 100.8, 640 x 0.028 = 17.92 cached, 200 x 0.42 = 84; 202.72, rounded up.
    "deepseek: hits": Invoice("deepseek", "deepseek-chat", {
        "prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200, "prompt_cache_hit_tokens": 640,
        "prompt_cache_miss_tokens": 360, "prompt_tokens_details": {"cached_tokens": 640}}, 203),
    # 800 x 0.15 = 120, 200 x 0.075 = 15, 500 x 0.6 = 300.
    "groq": Invoice("groq", "openai/gpt-oss-120b", {
        "prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500, "queue_time": 0.01,
        "prompt_tokens_details": {"cached_tokens": 200}}, 435, {"service_tier": "on_demand"}),
    # 1000 x 0.15 = 150, 500 x 0.6 = 300.
    "mistral": Invoice("mistral", "mistral-small-latest", {
        "prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}, 450),
    # 37,756,000 ticks, 10,000 to the micro-dollar: 3775.6, rounded up.
    "xai: as it says": Invoice("xai", "grok-4.3", {
        "prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1510, "cost_in_usd_ticks": 37_756_000,
        "completion_tokens_details": {"reasoning_tokens": 500}}, 3776),
    # 1000 x 1.25 = 1250, 510 x 2.5 = 1275: its thoughts are beside its output.
    "xai: thoughts": Invoice("xai", "grok-4.3", {
        "prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1510,
        "completion_tokens_details": {"reasoning_tokens": 500}}, 2525),
    # It says it in dollars: 0.00014.
    "openrouter": Invoice("openrouter", "somebody/some-model", {
        "prompt_tokens": 14, "completion_tokens": 163, "total_tokens": 177, "cost": 0.00014, "is_byok": False}, 140),
    # By the rules file: 10 x 2 = 20, 90 x 0.5 = 45 cached, 30 x 4 = 120 of thought, 10 x 3 = 30.
    "by the rules": Invoice("own", "m", {
        "prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140,
        "prompt_tokens_details": {"cached_tokens": 90}, "completion_tokens_details": {"reasoning_tokens": 30}}, 215),
    "not known": Invoice("own", "other", {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140}, None),
    "free": Invoice("free", "any", {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140}, 0),
}  # fmt: skip

RESPONSES = {
    # 9000 x 1.25 = 11250, 500 x 10 = 5000, one search at 10000; to open a page costs nothing.
    "searches": Invoice("openai", "gpt-5", {
        "input_tokens": 9000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 500,
        "output_tokens_details": {"reasoning_tokens": 200}, "total_tokens": 9500}, 26_250, {"output": [
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
            {"type": "web_search_call", "id": "ws_2", "status": "completed", "action": {"type": "open_page"}}]}),
    # 3000 x 4 = 12000, 4000 x 0.4 = 1600, written: 2000 x 5 = 10000 and 1000 x 10 = 10000; 100 x 20 = 2000.
    "cache writes": Invoice("openai", "gpt-5.6", {
        "input_tokens": 10_000, "output_tokens": 100, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 10_100, "input_tokens_details": {
            "cached_tokens": 4000, "cache_write_tokens": 3000,
            "cache_write_tokens_details": {"ttl_30m_tokens": 2000, "ttl_12h_tokens": 1000}}}, 35_600),
    # A container is charged by its time, which nobody tells.
    "code": Invoice("openai", "gpt-5", {
        "input_tokens": 10, "output_tokens": 10, "total_tokens": 20}, None, {
            "output": [{"type": "code_interpreter_call", "id": "ci_1", "status": "completed"}]}),
}  # fmt: skip

MESSAGES = {
    # 100 x 3 = 300, 1000 x 0.3 = 300 read, 200 x 3.75 = 750 and 100 x 6 = 600 written, 50 x 15 = 750,
    # 2 searches at 10000.
    "caches": Invoice("anthropic", "claude-sonnet-4-5-20250929", {
        "input_tokens": 100, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100}, "output_tokens": 50,
        "service_tier": "standard", "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1}}, 22_700),
    # 300 x 5 = 1500, no split: 400 x 6.25 = 2500, 20 x 25 = 500.
    "an older usage": Invoice("anthropic", "claude-opus-4-8", {
        "input_tokens": 300, "cache_creation_input_tokens": 400, "cache_read_input_tokens": 0, "output_tokens": 20,
    }, 4500),
    # Ten percent more in the US: 300 x 5.5 = 1650, 20 x 27.5 = 550.
    "us": Invoice("anthropic", "claude-opus-4-8", {
        "input_tokens": 300, "cache_read_input_tokens": 0, "output_tokens": 20, "inference_geo": "us"}, 2200),
    # Above 100,000 tokens, cached ones among them: 90000 x 0.5 = 45000, 20000 x 0.05 = 1000, 1000 x 2.5 = 2500.
    "above 100k": Invoice("anthropic", "claude-haiku-5-5", {
        "input_tokens": 90_000, "cache_read_input_tokens": 20_000, "output_tokens": 1000}, 48_500),
    # 23000 x 5 = 115000, 1000 x 25 = 25000; to compact it first, 180000 x 5 = 900000 and 3500 x 25 = 87500 on top.
    "compaction": Invoice("anthropic", "claude-opus-4-8", {
        "input_tokens": 23_000, "cache_read_input_tokens": 0, "output_tokens": 1000, "iterations": [
            {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500, "cache_read_input_tokens": 0,
             "cache_creation_input_tokens": 0},
            {"type": "message", "input_tokens": 23_000, "output_tokens": 1000, "cache_read_input_tokens": 0,
             "cache_creation_input_tokens": 0}]}, 1_127_500),
}  # fmt: skip


def chat_whole(bill: Invoice) -> Behaviour:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    head = {"id": "c1", "object": "chat.completion", "created": 1, "model": bill.model}
    return Behaviour(body={**head, "choices": [choice], "usage": bill.usage, **bill.more})


def chat_stream(bill: Invoice) -> Behaviour:
    """Groq's own place for its usage; the others' is an event without choices."""
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": bill.model, **bill.more}
    said = {
        **head,
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None}],
    }
    ended = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if bill.server == "groq":
        last = [sse({**ended, "x_groq": {"id": "r1", "usage": bill.usage}})]
    else:
        last = [sse(ended), sse({**head, "choices": [], "usage": bill.usage})]
    return Behaviour(events=[sse(said), *last, sse("[DONE]")])


def response_of(bill: Invoice) -> dict[str, Any]:
    text = {"type": "output_text", "text": "Hello", "annotations": []}
    message = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [text]}
    output = [*bill.more.get("output", ()), message]
    return {"id": "r1", "object": "response", "created_at": 1, "model": bill.model, "status": "completed",
            "service_tier": "default", "output": output, "usage": bill.usage}  # fmt: skip


def response_stream(bill: Invoice) -> Iterator[bytes]:
    whole = response_of(bill)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield sse({"type": "response.created", "sequence_number": 0, "response": begun}, "response.created")
    for number, item in enumerate(whole["output"], 1):
        done = {
            "type": "response.output_item.done",
            "sequence_number": number,
            "output_index": number - 1,
            "item": item,
        }
        yield sse(done, done["type"])
    delta = {"type": "response.output_text.delta", "sequence_number": 8, "item_id": "m1", "output_index": 0,
             "content_index": 0, "delta": "Hello", "logprobs": []}  # fmt: skip
    yield sse(delta, delta["type"])
    yield sse({"type": "response.completed", "sequence_number": 9, "response": whole}, "response.completed")


def message_of(bill: Invoice) -> dict[str, Any]:
    return {"id": "m1", "type": "message", "role": "assistant", "model": bill.model, "stop_reason": "end_turn",
            "stop_sequence": None, "content": [{"type": "text", "text": "Hello"}], "usage": bill.usage}  # fmt: skip


def message_stream(bill: Invoice) -> Iterator[bytes]:
    """The split of the cache's writes is told at the beginning only, what was generated and searched at the end."""
    late = ("server_tool_use", "iterations")
    begun = {name: value for name, value in bill.usage.items() if name not in late} | {"output_tokens": 1}
    message = {**message_of(bill), "stop_reason": None, "content": [], "usage": begun}
    yield sse({"type": "message_start", "message": message}, "message_start")
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield sse(block, block["type"])
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}
    yield sse(delta, delta["type"])
    yield sse({"type": "content_block_stop", "index": 0}, "content_block_stop")
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens", *late)
    totals = {name: bill.usage[name] for name in names if name in bill.usage}
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": totals}
    yield sse(ended, ended["type"])
    yield sse({"type": "message_stop"}, "message_stop")


@pytest.fixture(scope="module")
def claude(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("anthropic", name="claude")


@pytest.fixture(scope="module")
def llama(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("ollama", name="llama")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream, claude: FakeUpstream, llama: FakeUpstream) -> Iterator[Any]:
    """Servers that are known by their preset, one by its host, one by what the rules say, one that is free."""
    presets = ("openai", "gemini", "deepseek", "groq", "mistral", "openrouter")
    lines = [f"  {name}: {{preset: {name}, url: '{upstream.url}'}}" for name in presets]
    with HttpProxy(hosts={"api.x.ai": ("127.0.0.1", upstream.port)}) as way:
        lines += [
            f"  xai: {{url: 'http://api.x.ai', proxy: '{way.url}', dialect: openai}}",
            f"  own: '{upstream.url}'",
            f"  free: {{url: '{upstream.url}', free: true}}",
            f"  anthropic: {{preset: anthropic, url: '{claude.url}'}}",
            f"  ollama: {{preset: ollama, url: '{llama.url}'}}",
            f"  broken: {{preset: openai, url: '{upstream.url}'}}",
            "models:",
            "  own/m: {input_cost: 2, cached_cost: 0.5, output_cost: 3, reasoning_cost: 4}",
            "  ollama/priced: {input_cost: 1, output_cost: 2}",
            "aliases:",
            "  twice: {instances: [broken/gpt-4o, anthropic/claude-opus-4-8]}",
            "  other: {instances: [anthropic/claude-opus-4-8, openai/gpt-4o]}",
            "  kept: {instances: [openai/gpt-4o]}",
            "cache: {exact: {ttl: 60}, models: [kept]}",
        ]
        yield start_shared("\n".join(["servers:", *lines, ""]))


def costs(row: dict[str, Any]) -> tuple[int | None, list[int | None]]:
    return row["cost_microdollars"], [attempt["cost_microdollars"] for attempt in row["attempts"]]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", CHAT)
def test_chat_completions(name: str, streamed: bool, proxy: Any, upstream: FakeUpstream) -> None:
    """OpenAI's dialect, in the words of each provider that speaks it."""
    bill = CHAT[name]
    upstream.script([chat_stream(bill) if streamed else chat_whole(bill)])
    client = proxy.openai()
    asked: Any = {"model": f"{bill.server}/{bill.model}", "messages": [{"role": "user", "content": "hi"}]}
    raw = client.chat.completions.with_raw_response.create(**asked, stream=streamed)
    if streamed:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in raw.parse() if chunk.choices) == "Hello"
    row = proxy.row_of(raw)
    assert costs(row) == (bill.cost, [bill.cost])
    assert row["input_tokens"] == bill.usage["prompt_tokens"]
    assert row["outcome"] == "ok"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", RESPONSES)
def test_responses(name: str, streamed: bool, proxy: Any, upstream: FakeUpstream) -> None:
    """OpenAI's Responses, with uses of its own tools."""
    bill = RESPONSES[name]
    said = {"events": list(response_stream(bill))} if streamed else {"body": response_of(bill)}
    upstream.script([Behaviour(**said)])
    client = proxy.openai()
    raw = client.responses.with_raw_response.create(model=f"openai/{bill.model}", input="hi", stream=streamed)
    if streamed:
        assert [event.type for event in raw.parse()][-1] == "response.completed"
    assert costs(proxy.row_of(raw)) == (bill.cost, [bill.cost])


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name: str, streamed: bool, proxy: Any, claude: FakeUpstream) -> None:
    """Anthropic's messages, with both kinds of writes to the cache."""
    bill = MESSAGES[name]
    said = {"events": list(message_stream(bill))} if streamed else {"body": message_of(bill)}
    claude.script([Behaviour(**said)])
    with anthropic.Anthropic(base_url=proxy.url, api_key="client-key", max_retries=0) as client:
        raw = client.messages.with_raw_response.create(
            model=f"anthropic/{bill.model}",
            max_tokens=99,
            messages=[{"role": "user", "content": "hi"}],
            stream=streamed,
        )
        if streamed:
            assert [event.type for event in raw.parse()][-1] == "message_stop"
    assert costs(proxy.row_of(raw)) == (bill.cost, [bill.cost])


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_translated_answer_costs_what_its_server_charges(streamed: bool, proxy: Any, claude: FakeUpstream) -> None:
    """An OpenAI client asks Anthropic: what counts is Anthropic's usage, not what the client is told."""
    bill = MESSAGES["caches"]
    said = {"events": list(message_stream(bill))} if streamed else {"body": message_of(bill)}
    claude.script([Behaviour(**said)])
    answer = proxy.chat(f"anthropic/{bill.model}", stream=streamed)
    assert "Hello" in answer.text
    assert costs(proxy.row_of(answer)) == (bill.cost, [bill.cost])


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_ollama(streamed: bool, proxy: Any, llama: FakeUpstream) -> None:
    """No table has its prices: what the rules say, 12 x 1 + 34 x 2 = 80, and without them it is not known."""
    last = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": True, "done_reason": "stop",
            "prompt_eval_count": 12, "eval_count": 34}  # fmt: skip
    piece = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": "Hello"}}
    for model, cost in (("priced", 80), ("unpriced", None)):
        if streamed:
            llama.script([Behaviour(events=[ndjson({**piece, "done": False}), ndjson({**piece, **last})])])
        else:
            llama.script([Behaviour(body={**piece, **last})])
        asked = {"model": f"ollama/{model}", "messages": [{"role": "user", "content": "hi"}], "stream": streamed}
        assert costs(proxy.row_of(proxy.post("/api/chat", asked))) == (cost, [cost])


def test_ollamas_embeddings(proxy: Any, llama: FakeUpstream) -> None:
    """8 x 1."""
    llama.script([Behaviour(body={"model": "m", "embeddings": [[0.1]], "total_duration": 5, "prompt_eval_count": 8})])
    row = proxy.row_of(proxy.post("/api/embed", {"model": "ollama/priced", "input": "hi"}))
    assert (row["input_tokens"], costs(row)) == (8, (8, [8]))


def test_embeddings(proxy: Any, upstream: FakeUpstream) -> None:
    """12345 x 0.02 = 246.9, rounded up."""
    vector = {"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}
    usage = {"prompt_tokens": 12_345, "total_tokens": 12_345}
    body = {"object": "list", "data": [vector], "model": "text-embedding-3-small", "usage": usage}
    upstream.script([Behaviour(body=body)])
    answer = proxy.post("/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "hi"})
    assert costs(proxy.row_of(answer)) == (247, [247])


def test_images(proxy: Any, upstream: FakeUpstream) -> None:
    """50 x 5 = 250 of text, 200 x 10 = 2000 of a picture, 4160 x 40 = 166400 for the picture that is made."""
    usage = {"input_tokens": 250, "input_tokens_details": {"text_tokens": 50, "image_tokens": 200},
             "output_tokens": 4160, "total_tokens": 4410}  # fmt: skip
    upstream.script([Behaviour(body={"created": 1, "data": [{"b64_json": "aGk="}], "usage": usage})])
    answer = proxy.post("/v1/images/generations", {"model": "openai/gpt-image-1", "prompt": "a cat"})
    assert costs(proxy.row_of(answer)) == (168_650, [168_650])


@pytest.mark.parametrize(
    ("model", "usage", "cost"),
    [
        # 20 x 2.5 = 50, 340 x 2.5 = 850 of audio, 90 x 10 = 900
        ("gpt-4o-transcribe", {"type": "tokens", "input_tokens": 360, "output_tokens": 90, "total_tokens": 450,
                               "input_token_details": {"text_tokens": 20, "audio_tokens": 340}}, 1800),
        # 61.5 seconds at 100 micro-dollars, $0.006 a minute
        ("whisper-1", {"type": "duration", "seconds": 61.5}, 6150),
    ],
)  # fmt: skip
def test_audio(model: str, usage: dict[str, Any], cost: int, proxy: Any, upstream: FakeUpstream) -> None:
    """Transcriptions are charged by tokens or by the minute."""
    upstream.script([Behaviour(body={"text": "Hello", "usage": usage})])
    parts = {"data": {"model": f"openai/{model}"}, "files": {"file": ("a.wav", b"RIFF", "audio/wav")}}
    answer = proxy.post("/v1/audio/transcriptions", **parts)
    assert answer.json()["text"] == "Hello"
    assert costs(proxy.row_of(answer)) == (cost, [cost])


@pytest.mark.parametrize("first", ["openai", "anthropic"])
def test_an_error_costs_nothing(first: str, proxy: Any, upstream: FakeUpstream, claude: FakeUpstream) -> None:
    """The first one answers 500, the second one for 100 x 5 + 10 x 25 = 750, or 100 x 2.5 + 10 x 10 = 350."""
    chat = Invoice("openai", "gpt-4o", {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}, 350)
    note = Invoice("anthropic", "claude-opus-4-8", {
        "input_tokens": 100, "cache_read_input_tokens": 0, "output_tokens": 10}, 750)  # fmt: skip
    upstream.script([Behaviour(status=500) if first == "openai" else chat_whole(chat)])
    claude.script([Behaviour(status=500) if first == "anthropic" else Behaviour(body=message_of(note))])
    cost = note.cost if first == "openai" else chat.cost
    assert costs(proxy.row_of(proxy.chat("twice" if first == "openai" else "other"))) == (cost, [0, cost])


def test_a_stream_that_told_its_usage_and_then_failed(proxy: Any, claude: FakeUpstream) -> None:
    """Anthropic counts the prompt, 100 x 5 + 1 x 25 = 525, and is overloaded."""
    note = Invoice("anthropic", "claude-opus-4-8", {
        "input_tokens": 100, "cache_read_input_tokens": 0, "output_tokens": 10}, 750)  # fmt: skip
    failed = {"type": "error", "error": {"type": "overloaded_error", "message": "too busy"}}
    claude.script([Behaviour(events=[next(message_stream(note)), sse(failed, "error")])])
    row = proxy.row_of(proxy.chat("anthropic/claude-opus-4-8", stream=True))
    assert (row["outcome"], costs(row)) == ("stream_error", (525, [525]))


def test_a_kept_answer_costs_nothing_and_says_what_it_saved(proxy: Any, upstream: FakeUpstream) -> None:
    """100 x 2.5 + 10 x 10 = 350 once, and then saved as often as it is asked for."""
    chat = Invoice("openai", "gpt-4o", {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}, 350)
    upstream.script([chat_whole(chat)])
    first = proxy.row_of(proxy.chat("kept"))
    assert (costs(first), first["saved_microdollars"]) == ((350, [350]), None)
    proxy.until(lambda: proxy.chat("kept").headers.get("x-switchman-cache") == "hit", "a kept answer")
    again = proxy.row_of(proxy.chat("kept"))
    assert (again["outcome"], costs(again), again["saved_microdollars"]) == ("cached", (0, []), 350)


def test_a_client_that_leaves(proxy: Any, claude: FakeUpstream) -> None:
    """What Anthropic has told by then is the least: 100 x 3 + 1000 x 0.3 + 200 x 3.75 + 100 x 6 + 1 x 15 = 1965."""
    claude.script([Behaviour(events=list(message_stream(MESSAGES["caches"])), stall_after=3)])
    asked = {"model": "anthropic/claude-sonnet-4-5", "max_tokens": 9, "stream": True,
             "messages": [{"role": "user", "content": "hi"}]}  # fmt: skip
    with proxy_stream(proxy, "/v1/messages", asked) as answer:
        for text in answer.iter_text():
            if "Hello" in text:
                break
    row = proxy.row(id=answer.headers["x-switchman-request-id"])
    assert (row["outcome"], costs(row)) == ("cancelled", (1965, [1965]))


def test_a_stream_that_ends_before_it_tells_its_usage(proxy: Any, upstream: FakeUpstream) -> None:
    """What OpenAI charges for it is not known, and not zero."""
    upstream.script([Behaviour(events=[next(iter(chat_stream(CHAT["openai: cached"]).events or ()))], cut_after=1)])
    answer = proxy.chat("openai/gpt-4o", stream=True)
    row = proxy.row_of(answer)
    assert (row["outcome"], costs(row)) == ("stream_error", (None, [None]))


def test_what_asked_nobody_costs_nothing(proxy: Any) -> None:
    """The router's own refusal, and its own answer."""
    refused = proxy.post("/v1/chat/completions", content=b"{", headers={"content-type": "application/json"})
    assert refused.status_code == 400
    assert costs(proxy.row_of(refused)) == (0, [])


def proxy_stream(proxy: Any, path: str, asked: dict[str, Any]) -> Any:
    headers = {"anthropic-version": "2023-06-01"}
    return httpx.stream("POST", proxy.url + path, json=asked, headers=headers, trust_env=False, timeout=60)
