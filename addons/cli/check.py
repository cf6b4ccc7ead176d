"""`switchman check [FILE]`: checks whether a rules file is good, and likely to be what was meant; tries each server."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence

from switchman.addons.cli.messages import say
from switchman.addons.config.configuration import SettingsError, load_ruleset, load_settings, summary
from switchman.addons.config.hosts import check_listening, open_redis
from switchman.addons.config.settings import WHAT_HOLDS, Settings
from switchman.addons.core.access.capturing import strictest
from switchman.addons.core.decision.decide import known_target
from switchman.addons.core.routes.routes import Instance
from switchman.addons.core.routes.targets import chosen_by, in_words
from switchman.addons.core.rules.problems import RulesError, told
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.rules.rulesfile import json_schema
from switchman.addons.core.servers.credentials import is_on_own_network, passes_through, source
from switchman.addons.core.servers.dialectsigns import Dialects
from switchman.addons.core.servers.reaching.egress import Denied
from switchman.addons.core.servers.servers import Server
from switchman.addons.hooks.outbound.trying.trying import Finding, servers_of, try_all


def run(args: list[str]) -> int:
    """Check the file, or ROUTES_CONFIG. Prints OK and a summary, or every fault; then what is wrong with servers.

    Returns 0, or 1 where the file has faults, or a server cannot be used as it stands.
    """
    parser = argparse.ArgumentParser(prog="switchman check", description=__doc__)
    parser.add_argument("file", nargs="?", help="rules file, YAML or JSON (default: ROUTES_CONFIG, routes.yaml)")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of rules files, and do no more")
    parser.add_argument("--offline", action="store_true", help="do not try the servers: look at the file only")
    options = parser.parse_args(args)
    if options.schema:
        print(json.dumps(json_schema(), indent=2))
        return 0
    try:
        settings = load_settings()
        check_listening(settings)
        rules = load_ruleset(settings, options.file or settings.routes_config)
    except SettingsError as error:
        return _failed(list(error.problems))
    except RulesError as error:
        return _failed(list(told(error.problems)))
    for warning in told(rules.warnings):
        print(f"{warning} (warning)")
    found = (
        {}
        if options.offline
        else asyncio.run(try_all(servers_of(rules), denied=Denied.parse(settings.egress_deny), say=say))
    )
    _print_summary(rules, {server: finding.dialects for server, finding in found.items()})
    for warning in capture_warnings(rules, settings):
        print(f"{warning} (warning)")
    _print_dashboard(settings)
    if (redis := open_redis(settings)) is not None:
        print(f"  {redis} (warning)")
    return _print_findings(found)


def capture_warnings(rules: Ruleset, settings: Settings) -> Iterator[str]:
    """What is odd about what the log keeps."""
    modes = {settings.capture, rules.capture.mode, *rules.captures.values(), *(one.capture for one in rules.upstreams)}
    whole = strictest([(settings.capture, ""), (rules.capture.mode, "the rules file")])
    named = settings.capture_redact is not None or rules.capture.kinds is not None or rules.capture.patterns
    if named and "redacted" not in modes:
        yield "capture: redact is said, but nothing is redacted, unless a token says so: set CAPTURE=redacted"
    if whole.mode != "full" and rules.cache.models:
        yield f"cache: no answer is kept, as they would be on disk: {whole}"
    if whole.mode == "metadata" and "redacted" in {*rules.captures.values(), *(one.capture for one in rules.upstreams)}:
        yield f"capture: a rule or server says redacted, but the strictest wins: {whole}"
    if not settings.enable_logging and modes != {"full", None}:
        yield "capture: ENABLE_LOGGING=false keeps nothing anyway"


def _print_dashboard(settings: Settings) -> None:
    if settings.enable_logging and settings.webui_security != "ALWAYS_AUTH":
        print(f"  dashboard, WEBUI_SECURITY={settings.webui_security}: {WHAT_HOLDS}")


def _print_findings(found: Mapping[Server, Finding]) -> int:
    """What was found out of servers that can be used goes to stdout, the others to stderr."""
    for server, finding in found.items():
        if not finding.fault:
            way = f", through the proxy {server.reach.proxy}" if server.reach.proxy else ""
            print(f"  tried {server.name}: {finding.note}{way}")
    faults = {server.name: finding.fault for server, finding in found.items() if finding.fault}
    for name, fault in faults.items():
        print(f"{name}: {fault}", file=sys.stderr)
    if faults:
        print(f"{len(faults)} server{'s' if len(faults) > 1 else ''} of {len(found)} cannot be used", file=sys.stderr)
    return 1 if faults else 0


def _speaks(server: Server, found: dict[Server, Dialects | None]) -> str:
    """The dialects that are declared, or that a probe found."""
    if server.dialect is not None:
        return ", ".join((server.dialect, *server.also))
    if server not in found:
        return "any dialect"
    dialects = found[server]
    return f"{', '.join(dialects)} (detected)" if dialects else "any dialect (not detected)"


def _credentials(server: Server) -> str:
    """Whose credentials a server gets, as far as that is the same in every plan."""
    match source(server, server), server.forward_auth:
        case "own", _:
            several = len(server.keys) > 1
            whose = "keys of its own, by turns" if several else "a key of its own"
            passed = ", also for what is passed through" if passes_through(server) else ""
            return f"with {whose}{passed}{_keys(server)}"
        case "none", _:
            return "without credentials (forward_auth: false)"
        case _, True:
            return "always with the client's credentials (forward_auth: true)"
    if is_on_own_network(server.url.host):
        return "with the client's credentials, as a fallback only of a server on your network"
    return "with the client's credentials, but not as a fallback"


def _keys(server: Server) -> str:
    """Where a server's own keys come from, by the references of the rules; a header's are not told."""
    weighed = any(key.weight != 1 for key in server.keys)
    labels = ["the file holds it" if key.label == "api_key" else key.label for key in server.keys]
    told = [f"{label} ({key.weight})" if weighed else label for label, key in zip(labels, server.keys, strict=True)]
    return f": {', '.join(told)}" if told else ""


def _withheld(later: Sequence[Instance], first: Server) -> str:
    """The later instances that get neither the client's credentials nor any other."""
    names = dict.fromkeys(one.server.name for one in later if source(one.server, first) == "none")
    return f" ({', '.join(names)} without the client's credentials)" if names else ""


def _failed(problems: list[str]) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(problems)} error{'s' if len(problems) > 1 else ''}", file=sys.stderr)
    return 1


def _print_summary(rules: Ruleset, found: dict[Server, Dialects | None]) -> None:
    print(f"OK {rules.file}: {summary(rules)}")
    for server in rules.upstreams:
        off = "" if server.enabled else "off, "
        print(f"  server {server.name}: {off}{server.url}, {_speaks(server, found)}, {_credentials(server)}")
    for alias in rules.aliases.values():
        print(
            f"  alias {alias.name}: {in_words(alias.instances)}{chosen_by(alias.pool)}"
            f"{_withheld(alias.instances, alias.instances[0].server)}"
        )
    for route in rules.routes:
        target = route.upstream.name if route.upstream else in_words(route.parts) or "by its name"
        model = f" as {route.model}" if route.model else ""
        more = f", then {in_words(route.fallbacks)}" if route.fallbacks else ""
        first = route.upstream or next((i.server for i in known_target(route.model or "", rules)), None)
        how, held = chosen_by(route.pool), _withheld(route.fallbacks, first) if first else ""
        print(f"  {route.name} (priority {route.priority}): {route.match} -> {target}{model}{more}{how}{held}")
    listed = "" if rules.default_set else "whatever lists the model, or "
    print(f"  everything else: {listed}{rules.default.url}")
    if rules.default_set and not passes_through(rules.default):
        print(f"  what is no operation of a model: refused, as {rules.default.name} does not say pass_through: true")
    if rules.auto_default or rules.fallbacks:
        auto = (*rules.auto_default, *rules.fallbacks)
        held = _withheld(auto, rules.auto_default[0].server if rules.auto_default else rules.default)
        print(f"  auto, when no route matches: {in_words(auto)}{held}")
