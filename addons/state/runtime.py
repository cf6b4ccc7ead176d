"""Runtime: what the addons share (settings, rules, breakers, the log), opened when the proxy starts.

It is the first addon itself, so that it opens before any other is called, and closes when the last is done.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mitmproxy import ctx, hooks, http
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.mode_specs import LocalMode, OsProxyMode, ProxyMode, ReverseMode, TunMode, WireGuardMode

from switchman.addons.config.configuration import RulesFile, load_settings, load_task_rules
from switchman.addons.config.folders import check_folders
from switchman.addons.config.hosts import check_listening
from switchman.addons.config.maskedlog import mask_log
from switchman.addons.config.secrets.jwt_keys import is_signed_for_us
from switchman.addons.config.settings import Settings
from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.core.keys.ring import KeyRing
from switchman.addons.core.record import Record
from switchman.addons.core.request.tasktype import TaskRules
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.core.servers.callerkeys import CallerKeys
from switchman.addons.core.servers.reaching.egress import Denied
from switchman.addons.memory.budget import Budget
from switchman.addons.memory.heap import return_freed_memory
from switchman.addons.state.access.alerts import Alerts
from switchman.addons.state.access.capturing import Capturing
from switchman.addons.state.access.counters import Counters
from switchman.addons.state.access.opening import open_ledger, owner_name
from switchman.addons.state.access.tokens import Tokens
from switchman.addons.state.background import Background
from switchman.addons.state.descriptors import Shortage, raise_limit
from switchman.addons.state.learned.listings import Listings
from switchman.addons.state.learned.openings import Openings
from switchman.addons.state.learned.routing_lists import RoutingLists
from switchman.addons.state.learned.server_dialects import ServerDialects
from switchman.addons.state.live import LiveFigures
from switchman.addons.state.queues.busy import Busy
from switchman.addons.state.queues.queues import Queues
from switchman.addons.state.reaching.deny import deny_addresses
from switchman.addons.state.reaching.resets import Resetting
from switchman.addons.state.reloads import Reloads
from switchman.addons.state.together.flights import Flights
from switchman.addons.state.together.machine import OwnServers, machine_id
from switchman.addons.state.together.opening import open_shared
from switchman.addons.state.together.shared import MemoryShared, Shared
from switchman.addons.state.together.standings import Standings

if TYPE_CHECKING:
    from switchman.addons.semantics.client import SemanticClient
    from switchman.addons.state.together.redislink import RedisLink
    from switchman.addons.store import Store
    from switchman.addons.store.access.opening import Access
    from switchman.addons.store.writer import Writer

logger = logging.getLogger(__name__)

# The client's connection is closed by mitmproxy after this much silence; it must outlast the longest request.
TIMEOUT_MARGIN = 60


INSECURE = (
    "mitmproxy's option ssl_insecure is set: no server's certificate is checked, so whoever is on the way can read and "
    "change everything, the keys included. `tls: {ca: FILE}` of a server trusts one authority instead"
)


@dataclass
class StoppingHook(hooks.Hook):
    """The proxy is stopping: requests that are cut off from now on are cut off by the router, not by their clients."""


class Observer(Protocol):
    """Who looks at each record beside the log, on the event loop. It raises nothing."""

    def count(self, record: Record) -> None: ...

    def unlogged(self) -> None: ...


class Runtime:
    """Opened by `load`: a bad setting or rules file raises there, and stops the start.

    `guest`: under mitmproxy's own tools, whose options say where to listen.
    """

    settings: Settings
    rules: RulesFile
    reloads: Reloads
    breakers: Breakers
    live: LiveFigures
    dialects: ServerDialects
    tasks: TaskRules
    budget: Budget
    shared: Shared
    link: RedisLink | None = None  # None: no REDIS_URL
    counters: Counters
    alerts: Alerts
    flights: Flights
    openings: Openings
    standings: Standings
    semantics: SemanticClient | None = None  # None: no semantic process
    store: Store | None = None
    writer: Writer | None = None
    access: Access | None = None  # who may, as the database has it; None: there is no database
    tokens: Tokens | None = None  # None: CLIENT_AUTH=NONE
    resetting: Resetting | None = None
    is_stopping: bool = False
    _end_masking: Callable[[], None] = staticmethod(lambda: None)
    _end_denying: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, guest: bool = False) -> None:
        self._guest = guest
        self.shortage = Shortage()
        self.background = Background()
        self.caller_keys = CallerKeys()
        self.key_ring = KeyRing()
        self.capturing = Capturing()
        self.busy = Busy()
        self.observers: list[Observer] = []
        self.queues = Queues(lambda: self.counters)
        self.underway: dict[int, http.HTTPFlow] = {}  # by the Exchange's id(): requests that have no record yet
        self.listings = Listings(speaks=lambda server: self.dialects.own(server), keys=self.keys)
        self.lists = RoutingLists(self.listings)

    def load(self, loader: Loader) -> None:
        settings = load_settings()
        if not settings.default_upstream_set and (target := _reverse_target()):
            # `mitmdump --mode reverse:http://host:port` names the default upstream on its own command line.
            settings = settings.model_copy(update={"default_upstream": target})
        self.settings = settings
        check_listening(settings, *((_listening(), "--listen-host") if self._guest else ()))
        self.rules = RulesFile(settings)
        self.capturing = Capturing(settings.capture, settings.capture_redact, lambda: self.rules.current)
        self._end_masking = mask_log(self.keys)
        self.reloads = Reloads(self.rules)
        self.breakers = Breakers(epoch=time.time() - time.monotonic())
        self.live = LiveFigures(self.breakers, running=self.busy.of)
        self.dialects = ServerDialects()
        self.tasks = load_task_rules()
        self.budget = Budget(settings.max_body_memory, self._waiting_bytes)
        return_freed_memory()
        raise_limit()
        loader.add_option("switchman_max_body_bytes", int, settings.max_body_bytes, "Largest request body, in bytes.")
        loader.add_option(
            "switchman_max_header_bytes", int, settings.max_header_bytes, "Largest request head, in bytes."
        )
        loader.add_option("switchman_cors_origins", str, settings.cors_origins, "Web pages that may call the router.")
        loader.add_option(
            "switchman_max_websocket_message",
            int,
            settings.max_websocket_message,
            "Largest WebSocket message, in bytes.",
        )
        loader.add_option(
            "switchman_websocket_idle_timeout", int, settings.websocket_idle_timeout, "Silence of a WebSocket, seconds."
        )
        ctx.options.update(
            connection_strategy="lazy",  # the upstream is chosen after the request was read
            upstream_cert=False,  # do not connect to the original server to copy its certificate
            keep_host_header=True,  # each attempt sets its own; the client's stays in the record
            http2=False,  # one request, one connection: a broken upstream breaks one request only
            tcp_timeout=max(int(settings.request_timeout), settings.websocket_idle_timeout) + TIMEOUT_MARGIN,
        )
        if settings.enable_logging:
            # Imported here: with ENABLE_LOGGING=false no database code is loaded at all.
            from switchman.addons.config.log import open_log

            check_folders(settings)
            self.store = open_log(settings, self.keys, self.capturing.redactor)
            self.writer = self.store.writer()
            self.access = self.store.access
        if settings.wants_tokens:
            self.tokens = self._open_tokens(settings)
        self.alerts = Alerts(settings, self.access.alerts.keep if self.access is not None else None)
        self.counters = Counters(open_ledger(settings, self.shared_problem), owner_name(), self.alerts.tell)
        self.shared, self.link = open_shared(settings)
        self.openings = Openings(self.shared)
        owner = owner_name()
        self.flights = Flights(self.shared, owner)
        own = OwnServers(lambda: self.rules.current)
        self.standings = Standings(self.shared, owner, self.breakers, self.live, machine=machine_id(), own=own)

    def running(self) -> None:
        loop = asyncio.get_running_loop()
        if ctx.options.ssl_insecure:
            logger.warning("%s", INSECURE)
        self._end_denying = deny_addresses(loop, Denied.parse(self.settings.egress_deny))
        self.shortage.watch(loop)
        with suppress(ValueError, RuntimeError):  # not the main thread, which alone hears signals
            loop.add_signal_handler(signal.SIGHUP, self.reloads.look_now)
        self.reloads.start()
        if not isinstance(self.shared, MemoryShared):
            self.standings.start()
        if self.tokens is not None:
            self.tokens.start()
        if self.access is not None:
            self.resetting = Resetting(self.access.resets, self.reset)
            self.resetting.start()

    def done(self) -> None:
        self.reloads.stop()
        self.standings.stop()
        if self.tokens is not None:
            self.tokens.stop()
        if self.resetting is not None:
            self.resetting.stop()
        self.background.close()
        self._end_denying()
        self._end_masking()

    def reset(self, wanted: Callable[[str], bool]) -> None:
        """Close the breakers of the servers whose names are wanted, end the rests of their keys, and forget what their
        answers told of their limits.
        """
        rules = self.rules.current
        for name in dict.fromkeys(server.name for server in (*rules.upstreams, rules.default)):
            if wanted(name):
                closed, rested = self.breakers.reset(name), self.key_ring.reset(name)
                paces = self.queues.reset(name)
                told = "%s was reset: %d breakers closed, %d rests of keys ended, %d paces forgotten."
                logger.info(told, name, closed, rested, paces)

    def stopping(self) -> None:
        self.is_stopping = True

    def _open_tokens(self, settings: Settings) -> Tokens:
        """The tokens, read for the first time. Raises SettingsError where the database cannot be used."""
        from switchman.addons.config.log import open_access

        if self.access is None:
            check_folders(settings)
            self.access = open_access(settings)
        tokens = Tokens(self.access.tokens)
        tokens.look()
        return tokens

    def is_own_token(self, value: str) -> bool:
        """Whether a header's value (with or without a scheme) is a token of our own dashboard, which no upstream may
        see.
        """
        settings = self.settings
        secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret is not None else None
        return is_signed_for_us(value.rpartition(" ")[2], secret, settings.jwt_public_key, settings.jwt_audience)

    def keys(self) -> KnownKeys:
        """The keys of the configuration, which nobody else may read."""
        return self.rules.keys.current

    @property
    def wants_records(self) -> bool:
        """Whether anybody takes them."""
        return self.writer is not None or bool(self.observers)

    def put(self, record: Record) -> None:
        """Hand a finished request to the log, if there is one, and to who else counts them. Never blocks."""
        if self.writer is not None:
            self.writer.put(record)
        for one in self.observers:
            one.count(record)

    def unlogged(self) -> None:
        """A request is over that leaves no row, as it was refused like others."""
        for one in self.observers:
            one.unlogged()

    def _waiting_bytes(self) -> int:
        """Of bodies that the log still has to write."""
        return self.writer.waiting_bytes if self.writer is not None else 0

    def store_problem(self) -> str | None:
        """What is wrong with the log's database, or None."""
        return self.store.check() if self.store is not None else None

    def shared_problem(self) -> str | None:
        """Why what all machines know together is not to be had, or None."""
        return self.link.problem if self.link is not None else None

    def log_backlog(self) -> str | None:
        """Why finished requests wait to be written to the log, or None."""
        return self.store.backlog() if self.store is not None else None

    def close(self) -> None:
        """Flush the log. Called by Recording, the last addon to have something to write."""
        if self.writer is not None:
            self.writer.close(timeout=10)
        if self.store is not None:
            self.store.close()
        elif self.access is not None:
            self.access.close()
        self.writer = self.store = self.access = None


def _listening() -> list[str]:
    """The addresses on which mitmproxy's options have other machines let in; none where it asks for a password itself.

    Modes that take the traffic of this machine alone, or of whoever has a key of WireGuard's, listen to nobody else.
    """
    if getattr(ctx.options, "proxyauth", None):
        return []
    modes = (ProxyMode.parse(spec) for spec in ctx.options.mode)
    own = (LocalMode, WireGuardMode, TunMode, OsProxyMode)
    return [mode.listen_host(ctx.options.listen_host) for mode in modes if not isinstance(mode, own)]


def _reverse_target() -> str | None:
    for spec in ctx.options.mode:
        mode = ProxyMode.parse(spec)
        if isinstance(mode, ReverseMode) and mode.scheme in ("http", "https"):
            host, port = mode.address
            return f"{mode.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    return None
