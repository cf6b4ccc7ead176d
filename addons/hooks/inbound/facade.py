"""Facade: answers what clients of one dialect ask about models on servers of another.

    GET /v1/models/{id}              of an id that is not listed under this name: where a chat with it would go
    POST /api/show                   an Ollama server's own answer; else what the rules know of the model
    GET /api/ps                      what the Ollama servers have loaded, as `server/model`
    POST /v1/messages/count_tokens   an Anthropic server's own answer; else an estimate, marked x-switchman-estimate: 1
    POST /api/chat, /api/generate    without a prompt: load the model, which only Ollama servers do
    /api/pull, /api/create, ...      go to the default upstream, if that is an Ollama server; else 501

A request that names a model goes where a chat with it would go, to the candidates that can answer it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from mitmproxy import http

from switchman.addons.core.decision.catalogue import Entry, anthropic_entry, entry_for, entry_of, openai_entry
from switchman.addons.core.decision.decide import RoutingQuery, decide
from switchman.addons.core.dialects.ollama.reply import encode_loaded, only_loads
from switchman.addons.core.dialects.ollama.show import show
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.bodyfacts import body_facts
from switchman.addons.core.request.call import Call, DialectName, Endpoint
from switchman.addons.core.request.unambiguous.keys import SHOWN, check_keys
from switchman.addons.core.request.unambiguous.names import Ambiguous, problem_of_name
from switchman.addons.core.routes.granted import is_granted
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.rules.rulesfile import AUTO
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.texts.largejson import mark_count
from switchman.addons.core.texts.unicode import dump, read_json
from switchman.addons.flow.exchange import Exchange, exchange, reading_of
from switchman.addons.flow.refusal import no_plan, own_answer, refusal, unknown_model
from switchman.addons.hooks import seen
from switchman.addons.hooks.resting import Resting
from switchman.addons.state.learned.upstream_reader import UNREACHABLE, TooLong, UpstreamReader
from switchman.addons.state.runtime import Runtime

SHOW = Endpoint("ollama", "show", "/api/show")
PS = "/api/ps"
TIMEOUT = 2.0  # seconds for one server's /api/ps
MAX_SHOW_BYTES = 1024 * 1024
MAX_SHOW_VALUES = 10_000

Entries = Callable[[http.Request, Exchange], Awaitable[tuple[Entry, ...]]]


class Facade:
    """Answers, or sets the plan; what it does not know passes on to Routing.

    Writes: call, plan, trace.

    Args:
        entries: the models that clients are shown.
    """

    def __init__(self, runtime: Runtime, entries: Entries) -> None:
        self.runtime, self.entries = runtime, entries
        self._reader = UpstreamReader(TIMEOUT, runtime.keys)

    async def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response or x.plan is not None:
            return
        method, reading = flow.request.method, reading_of(x, flow.request)
        if x.call is not None:
            endpoint = x.call.endpoint
            if endpoint.operation == "count_tokens":
                await self._count(flow, x, x.call)
            elif endpoint.dialect == "ollama" and only_loads(endpoint.operation, x.call.body):
                await self._load(flow, x, x.call)
        elif reading.kind == "model" and method in ("GET", "HEAD"):
            await self._ask_for_model(flow, x, reading.model)
        elif reading.kind == "show" and method == "POST":
            await self._show(flow, x)
        elif reading.kind == "ps":
            _answer(flow, x, {"models": await self._loaded(x)})
        elif reading.kind == "management" and not self._may_speak(self.runtime.rules.current.default, "ollama"):
            message = f"{reading.path} manages the models of an Ollama server, and the default upstream is not one."
            flow.response = refusal(x, 501, message)

    async def done(self) -> None:
        await self._reader.close()

    # OpenAI and Anthropic

    async def _ask_for_model(self, flow: http.HTTPFlow, x: Exchange, model: str) -> None:
        rules = self.runtime.rules.current
        dialect: DialectName = "anthropic" if "anthropic-version" in flow.request.headers else "openai"
        query = RoutingQuery(model, x.client, dialect, headers=seen.headers(x), token=seen.token(x), caller=x.caller)
        plan = await self._planned(x, query, rules)
        if plan.refusal is not None:
            _refuse(flow, x, plan)
            return
        first = plan.candidates[0].server
        name = self.runtime.lists.known(rules).listed_as(first, plan.candidates[0].model or model)
        if name is not None:  # a list has it under another name: that of a server, which may only know this one
            listed = (self.runtime.lists.known(rules).of(first).models or {})[name]
            entry = entry_for(model, first, listed, rules)
            _answer(flow, x, anthropic_entry(entry) if dialect == "anthropic" else openai_entry(entry))
            return
        # Ollama's servers answer this path, too, in OpenAI's form.
        kinds = ("anthropic",) if dialect == "anthropic" else ("openai", "ollama")
        able = [one for one in plan.candidates if self.runtime.dialects.to_speak(one.server, dialect) in (None, *kinds)]
        if not able:
            flow.response = unknown_model(x, f"The model {model!r} is not in the list of {plan.candidates[0].target}.")
            return
        x.plan = replace(plan, candidates=tuple(able))
        x.trace.extend(plan.trace)

    async def _count(self, flow: http.HTTPFlow, x: Exchange, call: Call) -> None:
        plan = await self._plan(x)
        if plan.refusal is not None:
            _refuse(flow, x, plan)
            return
        if self._keep(x, plan, "anthropic"):
            return
        _answer(flow, x, {"input_tokens": x.features.input_tokens if x.features else body_facts(call.body).tokens})
        assert flow.response is not None
        flow.response.headers["x-switchman-estimate"] = "1"

    # Ollama

    async def _load(self, flow: http.HTTPFlow, x: Exchange, call: Call) -> None:
        plan = await self._plan(x)
        if plan.refusal is not None:
            _refuse(flow, x, plan)
        elif not self._keep(x, plan, "ollama"):
            _answer(flow, x, encode_loaded(call.endpoint.operation, call.body, x.started_at))

    async def _show(self, flow: http.HTTPFlow, x: Exchange) -> None:
        assert x.sent is not None
        try:
            if len(x.sent.content) > MAX_SHOW_BYTES or mark_count(x.sent.content) > MAX_SHOW_VALUES:
                raise ValueError("more than a model's name")
            text = x.sent.content.decode("utf-8")
            body, spans = jsonedit.parse(text, SHOWN)
            check_keys(body, SHOWN)
        except Ambiguous as error:
            flow.response = refusal(x, 400, str(error), param=error.param)
            return
        except ValueError as error:
            flow.response = refusal(x, 400, f"The body is not valid JSON: {error}")
            return
        model = body.get("model") or body.get("name")  # `name` is what clients said before 2024
        if not isinstance(model, str):
            flow.response = refusal(x, 400, "model is required", param="model")
            return
        if (problem := problem_of_name(model)) is not None and model not in self.runtime.rules.current.aliases:
            flow.response = refusal(
                x, 400, f"The model's name may be read in more than one way: {problem}.", param="model"
            )
            return
        x.call = Call(SHOW, "", text, body, spans, model, stream=False)
        plan = await self._plan(x)
        if plan.refusal is not None:
            _refuse(flow, x, plan)
            return
        if self._keep(x, plan, "ollama"):
            return
        if plan.layer == "default" and not await self._is_listed(flow.request, x, model):
            flow.response = refusal(x, 404, f"model '{model}' not found")
        else:
            _answer(flow, x, self._described(model, plan.candidates[0]))

    def _described(self, model: str, candidate: Candidate) -> dict[str, Any]:
        facts = self.runtime.rules.current.facts(candidate.server, candidate.model or model)
        return show(model, facts, candidate.server.name)

    async def _is_listed(self, request: http.Request, x: Exchange, model: str) -> bool:
        """Whether `/v1/models` lists the model; True while nothing is listed."""
        entries = await self.entries(request, x)
        return all(entry.id == AUTO for entry in entries) or entry_of(entries, model) is not None

    async def _loaded(self, x: Exchange) -> list[dict[str, Any]]:
        rules = self.runtime.rules.current
        servers = [server for server in rules.upstreams if server.enabled and self._speaks(server, "ollama")]
        lists = await asyncio.gather(*(self._ps(server) for server in servers))
        found = []
        for server, models in zip(servers, lists, strict=True):
            prefix = "" if server == rules.default else f"{server.name}/"
            named = ((model, str(model.get("model") or model.get("name") or "")) for model in models)
            kept = [one for one, name in named if is_granted(x.caller, server.name, name, rules.aliases)]
            found += [{**model, **_prefixed(prefix, model)} for model in kept]
        return found

    async def _ps(self, server: Server) -> list[dict[str, Any]]:
        try:
            async with asyncio.timeout(TIMEOUT):
                _, body = await self._reader.get(server, PS, "ollama")
            answer = read_json(body)
        except (TimeoutError, TooLong, ValueError, *UNREACHABLE):
            return []  # a dead server runs nothing, and does not empty the others' list
        models = answer.get("models") if isinstance(answer, dict) else None
        return [model for model in models if isinstance(model, dict)] if isinstance(models, list) else []

    # Where it goes

    async def _plan(self, x: Exchange) -> Plan:
        """Where a chat with this model would go by name and rules; the layers of `auto` are not asked."""
        assert x.call is not None
        rules = self.runtime.rules.current
        features = seen.features(x, self.runtime.tasks) if rules.needs_features else None
        return await self._planned(x, seen.routing_query(x, features), rules)

    async def _planned(self, x: Exchange, query: RoutingQuery, rules: Ruleset) -> Plan:
        resting, live = Resting(self.runtime, x, query.model), self.runtime.live
        return await self.runtime.lists.plan(rules, lambda known: decide(query, rules, resting, live, known))

    def _keep(self, x: Exchange, plan: Plan, dialect: DialectName) -> bool:
        """Narrow the plan down to the candidates that can answer. False if there are none."""
        able = tuple(candidate for candidate in plan.candidates if self._may_speak(candidate.server, dialect))
        if not able:
            return False
        x.plan = replace(plan, candidates=able)
        x.trace.extend(plan.trace)
        x.trace.append(TraceLine("facade", "hit", f"Only servers of the {dialect} dialect can answer this."))
        return True

    def _may_speak(self, server: Server, dialect: DialectName) -> bool:
        """Whether a server may speak a dialect: it does, or nothing is known of it."""
        return self.runtime.dialects.to_speak(server, dialect) in (None, dialect)

    def _speaks(self, server: Server, dialect: DialectName) -> bool:
        dialects = (server.dialect, *server.also) if server.dialect else self.runtime.dialects.found.get(server, ())
        return dialect in dialects


def _refuse(flow: http.HTTPFlow, x: Exchange, plan: Plan) -> None:
    x.trace.extend(plan.trace)
    flow.response = no_plan(x, plan)


def _prefixed(prefix: str, model: Mapping[str, Any]) -> dict[str, str]:
    return {key: f"{prefix}{model[key]}" for key in ("name", "model") if isinstance(model.get(key), str)}


def _answer(flow: http.HTTPFlow, x: Exchange, value: object) -> None:
    body = dump(value)
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    flow.response = own_answer(x, http.Response.make(200, body, headers))
    if flow.request.method == "HEAD":
        flow.response.raw_content = b""  # and the content-length of what GET would have got
