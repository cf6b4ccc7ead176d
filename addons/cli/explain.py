"""`switchman explain "prompt"`: where a request would go, and why, without sending it anywhere.

Where that hangs on what servers list, they are asked for their lists of models, as the proxy asks them.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import re
import time
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from switchman.addons.cli.messages import refuse, say
from switchman.addons.config.configuration import SettingsError, load_ruleset, load_settings, load_task_rules
from switchman.addons.config.log import open_access
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.capturing import Captured
from switchman.addons.core.access.prices.words import told
from switchman.addons.core.decision.decide import RoutingQuery, decide, default_plan, match_rules, plan_for_target
from switchman.addons.core.decision.names.known import NOTHING_KNOWN
from switchman.addons.core.decision.verdicts.expecting import expected_opening, why_held
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.rendering import ServerProfile, render
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call, Endpoint
from switchman.addons.core.request.features import Features, features_of
from switchman.addons.core.routes.plan import Plan, TraceLine
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.credentials import source
from switchman.addons.core.servers.reaching.egress import Denied
from switchman.addons.core.servers.thinking import resolve
from switchman.addons.core.texts.redaction.redactor import Redactor, merged
from switchman.addons.core.texts.redaction.redactor import told as told_of
from switchman.addons.core.texts.redaction.requests import Unreadable, redact_body
from switchman.addons.core.texts.unicode import dumps
from switchman.addons.hooks.routing.layers import LayerRequest, Miss
from switchman.addons.hooks.routing.semantic_layer import SemanticLayer
from switchman.addons.semantics.service import open_client
from switchman.addons.state.access.capturing import applying
from switchman.addons.state.listings import Listings
from switchman.addons.state.reaching.deny import deny_addresses
from switchman.addons.state.routing_lists import DecideBy, RoutingLists
from switchman.addons.state.server_dialects import ServerDialects
from switchman.addons.store.access.tokens import TokenError

_DIGEST = re.compile(r"[0-9a-f]{64}")
LISTS_TIMEOUT = 5.0  # seconds; a person can wait for longer than a request
CHAT = Endpoint("openai", "chat", "/v1/chat/completions")
_SHOWN = ("task", "task_confidence", "language", "input_tokens", "modalities", "tools", "depth", "turns")
_CACHE_SKIPPED = "Not looked up; the proxy looks here first for an answer given before, exact or alike."
_ARBITER_SKIPPED = "Not asked, as it is an upstream; the proxy asks it here."
_SEMANTIC_SKIPPED = "Not asked; --with-layers asks it here, as the proxy does."


def run(arguments: list[str]) -> int:
    """Prints the decision. Exit code 2 where the rules, the settings or the call are wrong."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings()
        rules = load_ruleset(settings, options.config)
        body = _body(options)
    except (SettingsError, RulesError) as error:
        return refuse("\n".join(map(str, error.problems)))
    except (OSError, ValueError) as error:
        return refuse(str(error))
    features = features_of(body, "openai", "chat", load_task_rules())
    now = time.localtime()
    query = RoutingQuery(
        model=body.get("model") or "",
        source=options.source,
        dialect="openai",
        operation="chat",
        features=features,
        headers={name.lower(): value for name, value in options.header},
        token=options.token if _DIGEST.fullmatch(options.token) else "",
        caller=caller_of(options.token, settings) if not _DIGEST.fullmatch(options.token) else None,
        now=LocalTime(now.tm_hour * 60 + now.tm_min, now.tm_wday),
    )
    plan = asyncio.run(explained(query, rules, settings, body, options.with_layers, options.offline))
    plan = dataclasses.replace(
        plan, trace=(*plan.trace, *_redaction(plan, rules, body), *_instructions(plan, rules, body))
    )
    captured = captured_of(plan, query.caller, rules, settings)
    if options.json:
        told = {"prices": prices_of(plan, query.model, rules), "capture": str(captured)}
        print(dumps({**_as_json(query, features, plan), **told}, indent=2))
    else:
        _show(query, features, plan)
        print(f"log: {captured}")
        _show_prices(prices_of(plan, query.model, rules), rules.prices.date)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="switchman explain", description=__doc__)
    parser.add_argument("prompt", nargs="?", default="", help="what a person asks")
    parser.add_argument("--model", default="auto", help="the model that the request names (default: %(default)s)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="rules file (default: ROUTES_CONFIG, routes.yaml)")
    parser.add_argument("--body", type=Path, metavar="FILE", help="a whole request as JSON, in the place of the prompt")
    parser.add_argument("--source", default="127.0.0.1", help="the client's address (default: %(default)s)")
    parser.add_argument("--header", type=_header, action="append", default=[], metavar="NAME:VALUE", help="repeatable")
    parser.add_argument(
        "--token",
        default="",
        help="name of the caller's token; or the SHA-256 (hex) of a client's own key, as in rules",
    )
    parser.add_argument("--with-layers", action="store_true", help="ask the embeddings too, if they can be started")
    parser.add_argument("--offline", action="store_true", help="do not ask servers which models they have")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def caller_of(name: str, settings: Settings) -> Caller | None:
    """The caller whose token has this name, or id; "" for none. Where none is kept, one that may use all."""
    if not name:
        return None
    if settings.database_url is not None or Path(settings.db_path).exists():
        try:
            access = open_access(settings)
        except SettingsError as error:
            say(str(error))
        else:
            try:
                return access.tokens.get(name).caller
            except (TokenError, DBAPIError):
                pass
            finally:
                access.close()
    say(f"no token with the name {name!r} is kept here: it is taken for one without groups that may use all")
    return Caller("", name)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError("expected NAME:VALUE")
    return name.strip(), value.strip()


def _body(options: argparse.Namespace) -> dict[str, Any]:
    if options.body is None:
        if not options.prompt:
            raise ValueError("expected a prompt, or --body FILE")
        return {"model": options.model, "messages": [{"role": "user", "content": options.prompt}]}
    body = json.loads(options.body.read_text("utf-8"))
    if not isinstance(body, dict) or not isinstance(body.get("model", ""), str | None):
        raise ValueError(f"{options.body}: expected a request's JSON object")
    return body


async def explained(
    query: RoutingQuery, rules: Ruleset, settings: Settings, body: dict[str, Any], with_layers: bool, offline: bool
) -> Plan:
    """The plan by the functions that the proxy uses. No breaker is open, and no live figure is known."""
    deny_addresses(asyncio.get_running_loop(), Denied.parse(settings.egress_deny))
    listings = Listings(timeout=LISTS_TIMEOUT)
    lists = None if offline else RoutingLists(listings, patience=LISTS_TIMEOUT)
    try:
        return await _explained(query, rules, settings, body, with_layers, lists)
    finally:
        await listings.close()


async def _explained(
    query: RoutingQuery,
    rules: Ruleset,
    settings: Settings,
    body: dict[str, Any],
    with_layers: bool,
    lists: RoutingLists | None,
) -> Plan:
    async def by(decide_by: DecideBy) -> Plan:
        return decide_by(NOTHING_KNOWN) if lists is None else await lists.plan(rules, decide_by)

    rewritten = rules.model_map.rewrite(query.model, query.dialect == "ollama")
    if not rules.is_auto(rewritten.model if rewritten is not None else query.model):
        return await by(lambda known: decide(query, rules, known=known))
    trace: list[TraceLine] = []
    if rules.cache.exact.ttl > 0:
        trace.append(TraceLine("exact_cache", "skip", _CACHE_SKIPPED))
    if (hit := match_rules(query, rules, trace=trace)) is not None:
        by_rule = await by(lambda known: (match_rules(query, rules, known=known) or hit).plan)
        if by_rule.refusal is None:
            return dataclasses.replace(by_rule, trace=(*trace, *by_rule.trace))
        trace += (*by_rule.trace, TraceLine("route", "miss", by_rule.refusal))
    plan = await _by_meaning(query, rules, settings, body, trace) if with_layers else None
    if rules.semantic_routes is not None and not with_layers:
        trace.append(TraceLine("semantic", "skip", _SEMANTIC_SKIPPED))
    if plan is None:
        if rules.arbiter is not None:
            trace.append(TraceLine("arbiter", "skip", _ARBITER_SKIPPED))
        plan = await by(lambda known: default_plan(query, rules, known=known))
    return dataclasses.replace(plan, trace=(*trace, *plan.trace))


def _redaction(plan: Plan, rules: Ruleset, body: dict[str, Any]) -> list[TraceLine]:
    """What would be redacted in the request; nothing where no rule wants it."""
    if not (wanted := rules.redact_for(plan)):
        return []
    redactor = Redactor(merged(wanted), b"explain")
    try:
        redact_body(body, redactor)
    except Unreadable as fault:
        return [TraceLine("redaction", "error", f"The proxy refuses this request: {fault}.")]
    found = told_of(redactor.counts) or "nothing"
    return [TraceLine("redaction", "hit" if redactor.counts else "miss", f"redacted: {found}")]


def _instructions(plan: Plan, rules: Ruleset, body: dict[str, Any]) -> list[TraceLine]:
    """What each candidate's request would have of thinking that the client's has not, and what translation changes. A
    server without a declared dialect is taken to speak the client's; the proxy finds out.
    """
    text = json.dumps(body)
    call = Call(CHAT, "", text, body, jsonedit.parse(text)[1], body.get("model") or "", bool(body.get("stream")))
    found, undetected = [], ServerDialects()
    for candidate in plan.candidates:
        server, target = candidate.server, candidate.target_for(call.model)
        dialect = undetected.to_speak(server, CHAT.dialect)
        choice = resolve(plan.thinking, CHAT, body, rules.disables_thinking_for(candidate, call.model))
        try:
            rendered = render(
                call, candidate, ServerProfile(dialect, choice, quirks=server.quirks), Stamp("", 0.0, target)
            )
        except ValueError as error:
            found.append(TraceLine("translation", "skip", f"{target} cannot be asked this: {error}"))
            continue
        found += rendered.trace_lines(target)
        expected = expected_opening(call, rendered, candidate, rules, learned=None)  # what was learned is the proxy's
        if (held := why_held(expected, candidate, call, rules)) is not None:
            found.append(dataclasses.replace(held, detail=f"In a stream: {held.detail}"))
    return found


async def _by_meaning(
    query: RoutingQuery, rules: Ruleset, settings: Settings, body: dict[str, Any], trace: list[TraceLine]
) -> Plan | None:
    client = open_client(settings, rules)
    layer = SemanticLayer(lambda: client, lambda: rules)
    assert query.features is not None
    try:
        await layer.prepare()
        await client.warm()
        named = query.caller.id if query.caller else query.token
        layer_request = LayerRequest(query.model, query.features, body, query.headers, query.source, named)
        answer = await layer.answer(layer_request)
    except Miss as miss:
        trace.append(TraceLine(layer.name, "miss", str(miss), miss.score))
        return None
    finally:
        await client.close()
    if answer is None:
        return None
    plan = plan_for_target(answer.target, rules, layer.name, answer.route, query=query)
    if plan is None:
        trace.append(TraceLine(layer.name, "miss", f"It names {answer.target!r}, which is no known target."))
        return None
    if plan.refusal is not None:
        trace.append(TraceLine(layer.name, "miss", plan.refusal))
        return None
    first, *rest = plan.trace
    line = dataclasses.replace(first, detail=f"{answer.detail} {first.detail}".strip(), score=answer.score)
    return dataclasses.replace(plan, trace=(line, *rest))


def _shown(features: Features) -> dict[str, Any]:
    shown = {name: getattr(features, name) for name in _SHOWN}
    return shown | {"modalities": sorted(features.modalities), "task_confidence": round(features.task_confidence, 3)}


def captured_of(plan: Plan, caller: Caller | None, rules: Ruleset, settings: Settings) -> Captured:
    """What the log keeps of the request, where the first candidate answers."""
    servers = [candidate.server for candidate in plan.candidates[:1]]
    return applying(settings.capture, rules, caller, plan.route, servers)


def prices_of(plan: Plan, model: str, rules: Ruleset) -> dict[str, str]:
    """What an answer of each candidate costs, in words, by its target."""
    return {one.target_for(model): told(rules.price_for(one.server, one.model or model)) for one in plan.candidates}


def _as_json(query: RoutingQuery, features: Features, plan: Plan) -> dict[str, Any]:
    return {
        "model": query.model,
        "features": _shown(features),
        "layer": plan.layer,
        "route": plan.route,
        "refusal": plan.refusal,
        "thinking": plan.thinking,
        "stick": plan.stick,
        "candidates": [
            {
                "target": one.target_for(query.model),
                "server": one.server.name,
                "model": one.model or query.model,
                "url": str(one.server.url),
                "credentials": source(one.server, plan.first_choice),
            }
            for one in plan.candidates
        ],
        "trace": [dataclasses.asdict(line) for line in plan.trace],
    }


def _show_prices(prices: dict[str, str], date: str) -> None:
    if prices:
        print(f"prices (published ones were read on {date})")
    for target, price in prices.items():
        print(f"  {target}: {price}")


def _show(query: RoutingQuery, features: Features, plan: Plan) -> None:
    shown = _shown(features)
    print("asked")
    print(f"  model {query.model or '(none)'}; task {shown['task']} ({shown['task_confidence']:.2f} sure), "
          f"language {shown['language']}, about {shown['input_tokens']} tokens, {', '.join(shown['modalities'])}"
          f"{', tools' if shown['tools'] else ''}")  # fmt: skip
    print("layers")
    for line in plan.trace:
        score = f" [{line.score:.2f}]" if line.score is not None else ""
        print(f"  {line.layer:<13}{line.outcome:<6}{line.detail}{score}")
    print("plan")
    if plan.refusal is not None:
        print(f"  none; the client gets a {403 if plan.forbidden else 404}: {plan.refusal}")
        return
    print(
        f"  by {plan.layer} {plan.route}".rstrip() + (f", thinking {plan.thinking}" if plan.thinking != "auto" else "")
    )
    for number, one in enumerate(plan.candidates, 1):
        held = "" if source(one.server, plan.first_choice) != "none" else "  (without the client's credentials)"
        print(f"  {number}. {one.target_for(query.model)}  {one.server.url}{held}")
