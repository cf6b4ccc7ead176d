"""What every_page.py shows: a log of a few days, tokens, versions of the rules. All of it is made up, and the same each
time but for the clock.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.core.access.caller import Allowance, Budget, Terms
from switchman.addons.core.access.limits.telling import Told
from switchman.addons.core.record import Record, Resting, Running
from switchman.addons.store.access.audit import Who
from switchman.addons.store.keeping.beside.remarks import Feedback, SentAgain
from switchman.addons.store.opening import Store
from switchman.addons.testing.samples import make_attempt, make_record
from switchman.webui.admin.asking.describing import Asked
from switchman.webui.admin.asking.sending import Job

FAILED_OVER, AGAIN, SESSION = "failed-over", "again", "b-the-session"
ANNA = Who("anna", "page", "admin", "10.0.0.4")
MODELS = ("llama3-8b", "qwen2.5-coder:32b", "gpt-4o-mini", "claude-sonnet-4")
SERVERS = ("fast-box", "laptop", "openai")
LONG = "a-very-long-name-of-a-model-that-somebody-has-given-to-it:70b-instruct-q4_K_M"
ENDINGS = {
    "upstream_error": 429, "failed": 502, "refused": 413, "cancelled": 499, "stream_error": 200, "answered": 200,
    "cached": 200,
}  # fmt: skip
UNANSWERED = {
    "layer": None, "route": None, "server": None, "model": None, "attempts": (), "trace": (), "overhead_ms": None,
    "input_tokens": None, "output_tokens": None, "ttft_ms": None, "tokens_per_second": None,
}  # fmt: skip

DESCRIBED = "d" * 20
REPLY = """Here are the rules:

```yaml
routes:
  - name: Chinese
    match: {model: auto, language: zh}
    route: {model: fast-box/qwen2.5-codr:32b}
```
"""

# What balancing, limits, overflow and mirroring say of a request.
BOX, SMALL = "fast-box/qwen2.5-coder:32b", "laptop/llama3-8b"
ON_THE_WAY = (
    {"layer": "balance", "outcome": "hit", "detail": f"The conversation stays with {BOX} (Alias coder: weighted)."},
    {"layer": "queue", "outcome": "hit", "elapsed_ms": 412.5,
     "detail": f"Waited 0.4 s for {BOX}, behind 3 others: fast-box had as much to do as it may."},
    {"layer": "overflow", "outcome": "skip",
     "detail": f"{BOX} did not answer: the prompt is too long for its context, which holds 8192 tokens. So a candidate"
     " whose context may be larger is asked."},
    {"layer": "mirror", "outcome": "skip", "detail": f"{SMALL} is asked as well; its answer goes to nobody.",
     "earlier": {"request_id": "sent-again", "asked": "", "took_ms": None}},
)  # fmt: skip

RULES = """\
# The rules of the pictures.
servers:
  fast-box:
    url: "http://127.0.0.1:9001"
    dialect: openai
    max_concurrent: 8
    rpm: 600
    queue: {size: 100, wait: 30}
  laptop: {url: "http://127.0.0.1:9002", dialect: ollama}
  openai: {url: "http://127.0.0.1:9003", dialect: openai}

aliases:
  coder:
    strategy: weighted
    instances: [{server: fast-box, model: "qwen2.5-coder:32b", weight: 3}, "openai/gpt-4o-mini"]
  canary: {split: {coder: 90, laptop/llama3-8b: 10}}

routes:
  - name: Code of the team
    match:
      all:
        - {model: auto}
        - any:
            - {keywords: [function, refactor, "unit test"]}
            - {task: coding}
        - not: {keywords: [poem]}
    route: {model: coder, fallbacks: [openai/gpt-4o-mini, laptop/llama3-8b]}
  - name: Small talk
    match: {model: auto, keywords: [hello]}
    route: {model: laptop/llama3-8b}
  - name: What is long
    match: {model: auto, keywords: [summary]}
    route:
      model: fast-box/qwen2.5-coder:32b
      fallbacks: [openai/gpt-4o-mini]
      strategy: least_busy
      fallback_on: [context, content_filter]
      mirror: {target: laptop/llama3-8b, share: 0.1}
default: openai/gpt-4o-mini
"""


def edit_rules(desk: RulesDesk) -> None:
    """Two versions of the file, so that there is a diff."""
    for why, old, new in (
        ("The file as it was first", "hello]", "hello, hi]"),
        ("Thanks are small talk", "hi]", "hi, thanks]"),
    ):
        reading = desk.read()
        desk.save(reading.text.replace(old, new), reading.digest, ANNA, why)


def body_of(text: str, model: str) -> bytes:
    messages = [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello, what can I do?"},
        {"role": "user", "content": text},
    ]
    return json.dumps({"model": model, "messages": messages, "temperature": 0.2}).encode()


def answer_of(text: str) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}).encode()


def request(number: int, at: float, **fields: Any) -> Record:
    """A request whose figures follow from its number, so that many of them look like traffic."""
    model, output = MODELS[number * 7 % len(MODELS)], (number * 37 % 90 + 3) * 12
    is_alias = number % 3 == 0
    route = "coder" if is_alias else ("Code of the team", "Small talk")[number % 2]
    known: dict[str, Any] = {
        "started_at": at,
        "duration_ms": 180.0 + output * (4 + number % 5) + number * 13 % 400,
        "client": f"10.0.{number % 3}.{number % 40 + 2}",
        "requested_model": "coder" if is_alias else "auto",
        "layer": "alias" if is_alias else "route",
        "route": route,
        "server": SERVERS[number % 3],
        "model": model,
        "streamed": number % 2 == 0,
        "overhead_ms": 1.2 + number % 4 / 10,
        "ttft_ms": 90.0 + number * 11 % 300,
        "tokens_per_second": 40.0 + number * 17 % 60,
        "input_tokens": 200 + number * 91 % 14_000,
        "cached_tokens": number * 31 % 200,
        "output_tokens": output,
        "cost": output * 7,
        "agent": ("claude-code", "codex", "openai-python", None)[number % 4],
        "token": ("ci", "anna", None)[number % 3],
        "request_body": body_of(f"Write function number {number}", "coder" if is_alias else "auto"),
        "response_body": answer_of(f"Here is function number {number}, as you asked."),
        "trace": (
            {"layer": "model_map", "outcome": "miss", "detail": "no entry for this model", "elapsed_ms": 0.01},
            {"layer": "alias", "outcome": "hit" if is_alias else "miss", "detail": "two instances", "elapsed_ms": 0.02},
            {"layer": "route", "outcome": "skip" if is_alias else "hit", "detail": f"route {route} matches",
             "score": 0.875, "elapsed_ms": 0.3},
        ),
    }  # fmt: skip
    return make_record(fields.pop("id", f"{number:08x}-feed-4bee-8fab-{number:012x}"), **known | fields)


def fill_log(store: Store, now: float) -> None:
    """Requests of three days and of the last minutes, of every ending; a session; a pair of prompts to judge."""
    records = [request(number, now - 86_400 * (number % 3) - 400 * number - 30) for number in range(30)]
    records += [
        request(100 + at, now - 5 * at - 5, id=outcome, outcome=outcome, status=status, error=f"it ended as {outcome}",
                **(UNANSWERED if outcome in ("refused", "answered") else {}))
        for at, (outcome, status) in enumerate(ENDINGS.items())
    ]  # fmt: skip
    refused = make_attempt(1, server="fast-box", status=503, outcome="status", error="the upstream answered 503",
                           started_at=now - 40, duration_ms=220.0)  # fmt: skip
    answered = make_attempt(2, server="openai", model="gpt-4o-mini", started_at=now - 39.7, duration_ms=900.0,
                            changes=("model is gpt-4o-mini", "`top_k` is left out: it is refused"))  # fmt: skip
    trace = request(120, now - 40).trace
    records.append(
        request(120, now - 40, id=FAILED_OVER, attempts=(refused, answered), layer="route", trace=(*trace, *ON_THE_WAY))
    )
    records.append(request(121, now - 41, id="sent-again", attempts=(answered,)))
    records.append(request(122, now - 300, id="long", model=LONG, requested_model=LONG, route=LONG, path=f"/v1/{LONG}"))
    earlier = {"request_id": FAILED_OVER, "asked": "How do I sort a list in Python?", "took_ms": 900.0}
    records.append(request(123, now - 60, id="shadow", cache="shadow", trace=(
        {"layer": "semantic_cache", "outcome": "skip", "detail": "Shadow", "score": 0.9712, "earlier": earlier},
    )))  # fmt: skip
    records += session(now)
    for record in records:
        store.writer().put(record)
    deadline = time.monotonic() + 60
    while any(store.queries.get_request(record.id) is None for record in records):
        if time.monotonic() > deadline:
            raise TimeoutError("the log did not take the requests")
        time.sleep(0.05)
    remarks = store.queries.remarks
    remarks.say(Feedback(FAILED_OVER, "anna", now - 20, "bad", "It should have been short.", "laptop/llama3-8b"))
    remarks.begin(SentAgain(AGAIN, FAILED_OVER, "sent-again", "anna", now - 41, "openai/gpt-4o-mini", False))
    store.write_underway("w1", [Running("now", now - 8, "POST", "/v1/chat/completions", "10.0.0.1", "auto", "route",
                                        "Small talk", "laptop", "llama3-8b", 1)], now + 600)  # fmt: skip
    store.write_resting("w1", [Resting("fast-box/qwen2.5-coder:32b", "fast-box", "open", now + 660)], now + 600)


def session(now: float) -> list[Record]:
    """Four turns of an agent, of which the last has another clock in its system prompt."""
    tools = [{"name": "read", "input_schema": {"type": "object"}}]
    said: list[Any] = [{"role": "user", "content": "Fix the tests"}]
    turns = []
    for number in range(4):
        system = f"Be brief. It is 10:31:0{number // 3}."
        sent = {"model": "sonnet", "system": system, "tools": tools, "messages": list(said)}
        turns.append(request(
            200 + number, now - 200 + 20 * number, id=f"turn-{number}", session=SESSION, agent="claude-code",
            project="/home/anna/shop", branch="b-main", request_body=json.dumps(sent).encode(), server="openai",
            model="claude-sonnet-4", dialect="anthropic", path="/v1/messages", input_tokens=10_000 + 900 * number,
            cached_tokens=0 if number in (0, 3) else 9_000 + 900 * number,
        ))  # fmt: skip
        call = {"type": "tool_use", "id": f"c{number}", "name": "read", "input": {"path": f"tests/test_{number}.py"}}
        result = {"type": "tool_result", "tool_use_id": f"c{number}", "content": "assert 1 == 2"}
        said += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    return turns


def fill_access(store: Store, now: float) -> None:
    """Tokens with limits, one revoked; lines of changes; a budget that is nearly used up."""
    tokens, audit = store.access.tokens, store.access.audit
    allowance = Allowance(60, 100_000, 4, None, (Budget(20_000_000, "usd", "month", "small"),))
    ci, _ = tokens.create(Terms("ci", frozenset({"build"}), ("gpt-*", "coder"), ("openai",), allowance), now - 9e5)
    tokens.create(Terms("anna", expires_at=now + 5e6), now - 8e5)
    tokens.create(Terms("old"), now - 7e5)
    tokens.revoke("old", now - 6e5)
    audit.record(ANNA, "token.create", "ci", None, {"models": ["gpt-*", "coder"]}, now=now - 9e5)
    audit.record(ANNA, "key.set", "openai", None, {"version": 1}, now=now - 8.6e4)
    month = f"{datetime.fromtimestamp(now, UTC):%Y-%m}"
    store.access.alerts.keep(
        Told("alert", now - 300, f"token:{ci.caller.id}", "ci", 80, 16_400_000, 20_000_000, "usd", "month", month)
    )


def described() -> Asked:
    """A sentence whose answer is there, with a model in it that there is none of."""
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": REPLY}, "finish_reason": "stop"}]}
    job = Job(DESCRIBED, "openai", "chat", lambda **_: None, kind="describing", status=200, state="done")
    job.kept += json.dumps(body).encode()
    job.ended = job.began + 2.5
    asked = Asked(job, "What is asked in Chinese goes to the machine in the cellar.", "openai/gpt-4o-mini")
    asked.read_answer()
    return asked
