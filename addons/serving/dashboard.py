"""The dashboard's process: `python -m switchman.addons.serving.dashboard --port 1235`, started by the supervisor."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from switchman.addons.config.child import log_to_stderr, mistakes_told, obey_supervisor, say_ready
from switchman.addons.config.configuration import RulesFile, load_settings
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.hosts import machine_names
from switchman.addons.config.inforce import in_force, rules_file
from switchman.addons.config.log import open_log
from switchman.addons.config.maskedlog import mask_log
from switchman.addons.config.replaying import Backtests
from switchman.addons.config.secrets.jwt_keys import public_keys
from switchman.addons.config.secrets.opening import writing
from switchman.addons.config.settings import Settings, zone_of
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.prices.price import Price
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.reaching.egress import Denied
from switchman.addons.core.servers.servers import Server
from switchman.addons.serving.ports import url_host
from switchman.addons.state.access.ledgers import LedgerAway
from switchman.addons.state.access.opening import look
from switchman.addons.state.metrics.catalogue import LOG_WAITING, RULES
from switchman.addons.state.metrics.sheet import FOLDER
from switchman.addons.state.together.opening import open_elsewhere
from switchman.addons.store import Store
from switchman.addons.store.access.opening import Access
from switchman.addons.store.access.tokens import TokenError
from switchman.addons.store.keeping.forgetting import forget
from switchman.addons.store.reading.recordings import Recordings
from switchman.webui import WebConfig, create_app
from switchman.webui.access.tokens import SignOn
from switchman.webui.config import Explains, Tried, UsageNotKnown
from switchman.webui.server import DashboardServer


def main(argv: Sequence[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(prog="switchman dashboard")
    arguments.add_argument("--port", type=int, required=True)
    args = arguments.parse_args(argv)
    obey_supervisor()
    log_to_stderr("dashboard")
    with mistakes_told():
        settings = load_settings()
        rules = RulesFile(settings)
        keys = rules.keys
        mask_log(lambda: keys.current)
        with open_log(settings, lambda: keys.current) as log:
            access = Access(log.engine, settings.audit_days)
            access.audit.prune(time.time())
            config = WebConfig(
                queries=log.queries,
                webui_security=settings.webui_security,
                jwt_secret=settings.jwt_secret.get_secret_value() if settings.jwt_secret else None,
                sign_on=sign_on(settings),
                auth_header=settings.auth_header,
                auth_roles=settings.auth_roles,
                viewers_see_bodies=settings.viewers_see_bodies,
                access=access,
                wants_tokens=settings.wants_tokens,
                vault=lambda: writing(settings),
                named_at=lambda name: named_at(Path(settings.routes_config), name),
                trusted_proxies=settings.trusted_proxies,
                proxy_url=f"http://{url_host(settings.listen_host)}:{settings.listen_port}",
                listen_host=settings.listen_host,
                hosts=(*settings.webui_hosts, *machine_names()),
                rules=rules,
                forgets=lambda wanted: forget(log.engine, log.blobs, wanted, open_elsewhere(settings)),
                keys=lambda: keys.current,
                accounts=lambda names: accounts(settings, names),
                zone=zone_of(settings.budget_timezone),
                limits=lambda: rules.current.limits,
                backtests=Backtests(settings, lambda: newest(rules), Recordings(log.engine, log.blobs)),
                desk=RulesDesk(settings, rules, access.rules),
                explains=explainer(settings, access),
                prices=lambda: rules.current.prices,
                servers=lambda: tuple(rules.current.servers),
                baseline=settings.baseline_model,
                elsewhere=open_elsewhere(settings),
                in_force=in_force(settings, os.environ),
                rules_file=settings.routes_config,
                rules_told=lambda: rules_file(settings),
                price_of=lambda server, model: price_of(rules.current, server, model),
                ruleset=lambda: rules.current,
                tries=trier(settings),
                metrics=exposition(log, rules),
            )
            server = DashboardServer(
                create_app(config), settings.listen_host, args.port, settings.max_connections, settings.trusted_proxies
            )
            signal.signal(signal.SIGTERM, lambda *_: server.stop())
            say_ready([str(server.port)])
            server.run()


def exposition(log: Store, rules: RulesFile) -> Callable[[str], tuple[bytes, str]] | None:
    """The numbers of all workers, where they count; what writes them for Prometheus is loaded when it is needed."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return None

    def exposed(accept: str) -> tuple[bytes, str]:
        from switchman.addons.state.metrics.exposing import expose

        newest(rules)
        backlog = log.queries.backlog()
        gauges = {LOG_WAITING: float(backlog.records), RULES: float(rules.error is None)}
        return expose(Path(folder), accept, version("switchman"), gauges)

    return exposed


def price_of(rules: Ruleset, server: str, model: str) -> Price | None:
    """What a model costs on the server that the rules call so; None where it is not known."""
    found = rules.servers.get(server) or next((one for one in rules.upstreams if one.name == server), None)
    return rules.price_for(found, model) if found is not None else None


def newest(rules: RulesFile) -> Ruleset:
    """The rules in force, for what reads no page, which looks at the file first."""
    rules.poll()
    return rules.current


def named_at(file: Path, name: str) -> str | None:
    """The first place of the rules file that names a key of the vault, as `file:line`. By its text."""
    named = re.compile(rf"vault:\s*{re.escape(name)}(?![\w.-])")
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = (at for at, line in enumerate(lines, 1) if named.search(line) and not line.lstrip().startswith("#"))
    return next((f"{file}:{at}" for at in found), None)


def accounts(settings: Settings, names: Sequence[str]) -> dict[str, Account]:
    """What was used of limits, by whatever counts them. Raises UsageNotKnown."""
    try:
        return asyncio.run(look(settings, names))
    except LedgerAway as error:
        raise UsageNotKnown(str(error)) from error


def explainer(settings: Settings, access: Access) -> Explains:
    """Explains rules as `switchman explain` does. What it takes of the proxy's own code is loaded when it is needed."""

    def explains(
        rules: Ruleset, body: dict[str, Any], source: str, headers: Mapping[str, str], token: str, offline: bool
    ) -> dict[str, Any]:
        from switchman.addons.hooks.routing.explaining import Question, explain

        is_digest = re.fullmatch(r"[0-9a-f]{64}", token) is not None
        caller = None
        if token and not is_digest:
            try:
                caller = access.tokens.get(token).caller
            except TokenError:
                caller = Caller("", token)
        question = Question(body, source, headers, token if is_digest else "", caller, offline=offline)
        now = time.localtime()
        return explain(question, rules, settings, LocalTime(now.tm_hour * 60 + now.tm_min, now.tm_wday)).as_json()

    return explains


def trier(settings: Settings) -> Callable[[Server], Tried]:
    """Asks a server for its models as `switchman check` does, by the proxy's own code, loaded when it is needed."""

    def tries(server: Server) -> Tried:
        from switchman.addons.hooks.outbound.trying.trying import try_all

        began = time.monotonic()
        found = asyncio.run(try_all([server], denied=Denied.parse(settings.egress_deny)))[server]
        seconds = time.monotonic() - began
        return Tried(not found.fault, found.fault or found.note, found.status, seconds, found.models)

    return tries


def sign_on(settings: Settings) -> SignOn | None:
    """Who else signs tokens for the dashboard."""
    if settings.jwt_public_key is None:
        return None
    keys = public_keys(settings.jwt_public_key)
    return SignOn(keys, settings.jwt_issuer, settings.jwt_audience, settings.jwt_role_claim)


if __name__ == "__main__":
    main()
