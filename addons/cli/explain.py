"""`switchman explain "prompt"`: where a request would go, and why, without sending it anywhere.

Where that hangs on what servers list, they are asked for their lists of models, as the proxy asks them.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from switchman.addons.cli.messages import refuse, say
from switchman.addons.config.configuration import SettingsError, load_ruleset, load_settings
from switchman.addons.config.log import open_access
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.decision.decide import RoutingQuery
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.plan import Plan
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.servers.credentials import source
from switchman.addons.core.texts.unicode import dumps
from switchman.addons.hooks.routing.explaining import Question, explain, shown
from switchman.addons.store.access.tokens import TokenError

_DIGEST = re.compile(r"[0-9a-f]{64}")


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
    is_digest = _DIGEST.fullmatch(options.token) is not None
    question = Question(
        body,
        source=options.source,
        headers={name.lower(): value for name, value in options.header},
        token=options.token if is_digest else "",
        caller=caller_of(options.token, settings) if not is_digest else None,
        with_layers=options.with_layers,
        offline=options.offline,
    )
    now = time.localtime()
    found = explain(question, rules, settings, LocalTime(now.tm_hour * 60 + now.tm_min, now.tm_wday))
    if options.json:
        print(dumps(found.as_json(), indent=2))
    else:
        _show(found.query, found.features, found.plan)
        print(f"log: {found.captured}")
        if found.mirror is not None:
            print(f"mirror: {found.mirror}")
        for target, reasons in found.fallback_on.items():
            if reasons != ["context"]:
                print(f"a refusal by {target} goes on for: {', '.join(reasons) or 'nothing'}")
        for server, limits in found.limits.items():
            print(f"limits of {server}: {limits}")
        _show_prices(found.prices, rules.prices.date)
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


def _show_prices(prices: dict[str, str], date: str) -> None:
    if prices:
        print(f"prices (published ones were read on {date})")
    for target, price in prices.items():
        print(f"  {target}: {price}")


def _show(query: RoutingQuery, features: Features, plan: Plan) -> None:
    values = shown(features)
    print("asked")
    print(f"  model {query.model or '(none)'}; task {values['task']} ({values['task_confidence']:.2f} sure), "
          f"language {values['language']}, about {values['input_tokens']} tokens, {', '.join(values['modalities'])}"
          f"{', tools' if values['tools'] else ''}")  # fmt: skip
    print("layers")
    for line in plan.trace:
        score = f" [{line.score:.2f}]" if line.score is not None else ""
        print(f"  {line.layer:<13}{line.outcome:<6}{line.detail}{score}")
    print("plan")
    if plan.refusal is not None:
        print(f"  none; the client gets a {403 if plan.forbidden else 503 if plan.is_off else 404}: {plan.refusal}")
        return
    print(
        f"  by {plan.layer} {plan.route}".rstrip() + (f", thinking {plan.thinking}" if plan.thinking != "auto" else "")
    )
    for number, one in enumerate(plan.candidates, 1):
        held = "" if source(one.server, plan.first_choice) != "none" else "  (without the client's credentials)"
        print(f"  {number}. {one.target_for(query.model)}  {one.server.url}{held}")
