"""What the log keeps of each request: by the setting, its token, its rule and the servers that it went to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from switchman.addons.core.access.caller import Caller, Capture
from switchman.addons.core.access.capturing import FULL, NOTHING_WRITTEN, Captured, WrittenCapture, strictest
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.texts.redaction.atrest import Redactor
from switchman.addons.flow.exchange import Exchange

UNTOLD = "what it said is not logged"


class Capturing:
    """`setting`, `kinds`: CAPTURE and CAPTURE_REDACT. `rules`: those in force. `redactor` may be asked by any
    thread.
    """

    def __init__(
        self,
        setting: Capture = "full",
        kinds: frozenset[str] | None = None,
        rules: Callable[[], Ruleset | None] = lambda: None,
    ) -> None:
        self._setting, self._kinds, self._rules = setting, kinds, rules
        self._made: tuple[WrittenCapture, Redactor] | None = None
        self._known: tuple[Ruleset | None, bool] | None = None  # whether setting and rules keep all of every request

    def of(self, x: Exchange) -> Captured:
        """The strictest that applies, as far as is known by now."""
        return self._applying(x)

    def redactor(self) -> Redactor:
        """What finds what is private, by the rules in force."""
        rules, made = self._rules(), self._made
        written = rules.capture if rules is not None else NOTHING_WRITTEN
        if made is None or made[0] is not written:
            self._made = made = (written, written.redactor(self._kinds))
        return made[1]

    def told(self, x: Exchange, text: str) -> str:
        """What a line of the log may say of a text that may quote a request or its answer."""
        mode = self.of(x).mode
        if mode == "full":
            return text
        return self.redactor().text(text) if mode == "redacted" else UNTOLD

    def path(self, x: Exchange, path: str) -> str:
        """A request's path, as others may see it while it runs."""
        mode = self.of(x).mode
        if mode == "full":
            return path
        return self.redactor().text(path) if mode == "redacted" else path.partition("?")[0]

    def _applying(self, x: Exchange) -> Captured:
        rules = x.rules or self._rules()
        if (x.caller is None or x.caller.capture is None) and self._keeps_all(rules):
            return FULL
        servers = [attempt.candidate.server for attempt in x.attempts]
        if not servers and x.plan is not None:
            servers = [candidate.server for candidate in x.plan.candidates[:1]]
        return applying(self._setting, rules, x.caller, x.plan.route if x.plan is not None else "", servers)

    def _keeps_all(self, rules: Ruleset | None) -> bool:
        known = self._known
        if known is None or known[0] is not rules:
            asked = [self._setting]
            if rules is not None:
                servers = (server.capture for server in rules.upstreams)
                asked += filter(None, (rules.capture.mode, *rules.captures.values(), *servers))
            self._known = known = (rules, all(mode == "full" for mode in asked))
        return known[1]


def applying(
    setting: Capture, rules: Ruleset | None, caller: Caller | None, route: str, servers: Iterable[Server]
) -> Captured:
    """The strictest of what the setting, the rules file, the token, the rule and the servers say."""
    wanted: list[tuple[Capture | None, str]] = [(setting, "")]
    if rules is not None:
        wanted.append((rules.capture.mode, "the rules file"))
        wanted.append((rules.captures.get(route), f"rule {route}"))
    if caller is not None:
        wanted.append((caller.capture, f"token {caller.name}"))
    wanted += [(server.capture, f"server {server.name}") for server in servers]
    return strictest(wanted)
