"""Launch: starts the processes of `switchman serve` in their order, and tells whoever started it what is in force."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from switchman.addons.config.configuration import load_ruleset, summary
from switchman.addons.config.hosts import is_loopback, open_redis
from switchman.addons.config.settings import WHAT_HOLDS, Settings, in_units
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.serving import demo
from switchman.addons.serving.embeddings import layers_line, start_embeddings
from switchman.addons.serving.health import healthy
from switchman.addons.serving.ports import url_host
from switchman.addons.serving.supervisor import Command, Say, Supervisor

HEALTH_PATIENCE = 20.0  # seconds from all processes being ready to /healthz answering


@dataclass(frozen=True, slots=True)
class Launch:
    """One start. `ui_port` None: no dashboard; 0: it picks one. `data` None: each file where its own setting says."""

    settings: Settings
    port: int
    ui_port: int | None
    workers: int
    data: Path | None
    demo: bool
    say: Say  # one line for whoever watches
    show: Say  # text to copy from

    async def start(self, supervisor: Supervisor) -> None:
        """Start everything; raises supervisor.StartFailed."""
        if self.demo:
            await self._start_demo(supervisor)
        rules = load_ruleset(self.settings)
        embeddings = await start_embeddings(self.settings, rules, supervisor, self.say)
        supervisor.at_end(embeddings.close)
        # The first worker alone: it migrates the database and makes the certificates, and a mistake shows up once.
        await supervisor.start("worker-1", self._worker(1), reloads=True)
        for number in range(2, self.workers + 1):
            await supervisor.start(f"worker-{number}", self._worker(number), reloads=True)
        ui_port = None
        if self.ui_port is not None:
            ui_port = int((await supervisor.start("dashboard", _dashboard(self.ui_port), essential=False))[0])
        if not await healthy(self.settings.listen_host, self.port, HEALTH_PATIENCE):
            self.say(f"warning: {self._url}/healthz does not answer")
        self._announce(ui_port, rules)
        on, _, off = layers_line(rules, embeddings).partition("; off: ")
        self.say(f"layers     of the model `auto`: {on}")
        if off:
            self.say(f"  off      {off}")
        if self.demo:
            dashboard = f"http://{url_host(self.settings.listen_host)}:{ui_port}" if ui_port is not None else ""
            self.show(demo.what_to_try(self._url, dashboard, meaning=not embeddings.why_off))

    async def _start_demo(self, supervisor: Supervisor) -> None:
        assert self.data is not None
        # Without a dashboard nobody sees them.
        router = self._url if self.ui_port is not None else ""
        meaning = demo.has_meaning(self.settings)
        ports = await supervisor.start("demo", lambda last: demo.command(last, router, meaning), essential=False)
        thinker, flaky = (f"http://127.0.0.1:{port}" for port in ports)
        routes = self.data / "routes.yaml"
        routes.write_text(demo.routes(thinker, flaky), encoding="utf-8")
        os.environ["DEFAULT_UPSTREAM"] = ""  # not set: a bare name goes to the server that lists it

    def _worker(self, number: int) -> Command:
        arguments = ["switchman.addons.serving.worker", "--number", str(number)]
        if self.data is not None:
            arguments += ["--confdir", str(self.data / "mitmproxy")]
        return lambda _: arguments

    @property
    def _url(self) -> str:
        return f"http://{url_host(self.settings.listen_host)}:{self.port}"

    def _announce(self, ui_port: int | None, rules: Ruleset) -> None:
        workers = f"{self.workers} workers" if self.workers > 1 else "1 worker"
        self.say(f"proxy      {self._url}  ({workers}; Ctrl-C stops everything)")
        if self.settings.wants_tokens:
            data = f" --data-dir {self.data}" if self.data is not None else ""
            self.say(f"callers    need a token each; `switchman token create --name NAME{data}` makes one")
        elif not is_loopback(self.settings.listen_host):
            self.say("warning: CLIENT_AUTH=NONE: whoever reaches the proxy may use it, and the keys that it has")
        if (warning := open_redis(self.settings)) is not None:
            self.say(f"warning: {warning}")
        if ui_port is not None:
            self.say(f"dashboard  http://{url_host(self.settings.listen_host)}:{ui_port}")
            if not is_loopback(self.settings.listen_host) and self.settings.webui_security != "ALWAYS_AUTH":
                self.say("warning: other machines can read the dashboard; WEBUI_SECURITY=ALWAYS_AUTH asks for a token")
            if self.settings.webui_security != "ALWAYS_AUTH":
                self.say(f"  open     to every program and user of this machine; {WHAT_HOLDS}")
        file = Path(rules.file).absolute()
        if file.exists():
            self.say(f"routes     {file}: {summary(rules)}; an edit is in force within a second")
        else:
            self.say(f"routes     none, as there is no {file}: everything goes to {rules.default.url}")
        if self.settings.enable_logging:
            where = "DATABASE_URL" if self.settings.database_url else Path(self.settings.db_path).absolute()
            kept = f"kept for {self.settings.max_log_age_days} days, {in_units(self.settings.max_log_size)} at most"
            self.say(f"log        {where}; requests and answers are {kept}")


def _dashboard(port: int) -> Command:
    def command(last: Sequence[str]) -> Sequence[str]:
        return ["switchman.addons.serving.dashboard", "--port", last[0] if last else str(port)]

    return command
