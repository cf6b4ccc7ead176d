"""The dashboard's configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.limits.written import NO_LIMITS, Limits
from switchman.addons.core.access.prices.price import Price
from switchman.addons.core.access.prices.table import NO_PRICES, Prices
from switchman.addons.core.access.roles import NO_ROLES, RoleMap
from switchman.addons.core.keys.known import NO_KEYS, KnownKeys
from switchman.webui.access.tokens import SHORTEST_SECRET, SignOn

if TYPE_CHECKING:
    from switchman.addons.config.editing.desk import RulesDesk
    from switchman.addons.config.inforce import InForce, Told
    from switchman.addons.core.decision.catalogue import Model
    from switchman.addons.core.decision.replaying.backtest import Backtest
    from switchman.addons.core.rules.ruleset import Ruleset
    from switchman.addons.core.servers.servers import Server
    from switchman.addons.store.access.opening import Access
    from switchman.addons.store.access.vault import Vault
    from switchman.addons.store.keeping.elsewhere import Elsewhere
    from switchman.addons.store.keeping.forgetting import Forgotten, Wanted
    from switchman.addons.store.reading.recordings import Recordings
from switchman.addons.store.reading.queries import Queries

AT_STOP = "switchman_at_stop"  # of app.extensions: what is called when the server stops, while the log is open

Security = Literal["NONE", "AUTH_WHEN_PROXIED", "ALWAYS_AUTH"]
SECURITY_MODES: tuple[Security, ...] = ("NONE", "AUTH_WHEN_PROXIED", "ALWAYS_AUTH")


class UsageNotKnown(Exception):
    """What was used of limits cannot be read; the message says why."""


class Explains(Protocol):
    """Says where a request would go under these rules: what hooks/routing/explaining.py says as JSON.

    `token`: a token's name, or the SHA-256 of a client's own key; "" for none. `offline`: no server is asked what it
    has.
    """

    def __call__(
        self, rules: Ruleset, body: dict[str, Any], source: str, headers: Mapping[str, str], token: str, offline: bool
    ) -> dict[str, Any]: ...


class Tried(NamedTuple):
    """What a server said when it was asked for its models. `words`: in a sentence; `status`: of its answer, None for
    none; `seconds`: how long it took.
    """

    good: bool
    words: str
    status: int | None
    seconds: float
    models: tuple[Model, ...] = ()


class RulesStatus(Protocol):
    """The part of configuration.RulesFile that the banner shows. `error` is the last problem, with file and line."""

    @property
    def error(self) -> str | None: ...

    def poll(self) -> bool: ...


class Backtests(Protocol):
    """config/replaying.py's: starts back-tests of other rules over `recordings`."""

    @property
    def recordings(self) -> Recordings: ...

    def start(self, text: str | None, *, against_log: bool, most_body: int) -> Backtest: ...


@dataclass(frozen=True, slots=True)
class WebConfig:
    """ValueError for a mode that does not exist and for a secret too short to protect anything.

    `proxy_url` is where clients reach the router (for the commands in empty lists), `listen_host` the address the
    dashboard itself listens on, `hosts` further names it may be called by (WEBUI_HOSTS). `trusted_proxies` are the
    peers whose X-Forwarded-Host is believed, and `auth_header`, which names who is signed in: their roles are in
    `auth_roles`. `sign_on`: who else signs tokens. `viewers_see_bodies`: and what may quote one. `rules` drives the
    banner that says the rules file is broken. `keys` are those of the configuration, which no answer shows. `access`:
    tokens, and who changed what; `wants_tokens`: CLIENT_AUTH asks for them. `vault` opens the providers' keys for a
    change, and `named_at` says where the rules name one. `forgets` removes requests for good.
    None: there is nothing to manage. `accounts` has what was used
    of limits, by account (`token:ID`), or raises UsageNotKnown; `zone` is that of budgets' days and months, `limits`
    are the rules file's, and so are the names of `servers`; `ruleset` has all of its rules; None: they are not known
    here. `prices`: the published ones; `baseline`: the model of theirs that costs are compared with. `backtests` tries
    other rules on the log, `desk` reads and saves the rules file, `explains` tries rules on a request. `elsewhere`: the
    files of the caches. `in_force`: all settings, and where each came from; `rules_told`: what stands at the top of
    `rules_file`. `price_of`: what a model costs on a server, by their names; None: not known.
    `tries` asks a server for its models, the way that the router's requests go. `metrics`: the numbers for Prometheus
    and their content type, by the Accept of who asks; None: there are none.
    """

    queries: Queries
    webui_security: Security = "AUTH_WHEN_PROXIED"
    jwt_secret: str | None = None
    trusted_proxies: Sequence[IPv4Network | IPv6Network | str] = ()
    proxy_url: str = "http://127.0.0.1:1234"
    listen_host: str = "127.0.0.1"
    hosts: Sequence[str] = ()
    rules: RulesStatus | None = None
    sign_on: SignOn | None = None
    auth_header: str | None = None
    auth_roles: RoleMap = NO_ROLES
    viewers_see_bodies: bool = False
    access: Access | None = None
    wants_tokens: bool = True
    vault: Callable[[], AbstractContextManager[Vault]] | None = None
    named_at: Callable[[str], str | None] = lambda name: None
    forgets: Callable[[Wanted], Forgotten] | None = None
    keys: Callable[[], KnownKeys] = lambda: NO_KEYS
    accounts: Callable[[Sequence[str]], Mapping[str, Account]] = lambda names: {}
    zone: tzinfo = UTC
    limits: Callable[[], Limits] = lambda: NO_LIMITS
    backtests: Backtests | None = None
    desk: RulesDesk | None = None
    explains: Explains | None = None
    prices: Callable[[], Prices] = lambda: NO_PRICES
    servers: Callable[[], Sequence[str]] = tuple
    baseline: str | None = None
    elsewhere: Elsewhere | None = None
    in_force: tuple[InForce, ...] = ()
    rules_file: str = ""
    rules_told: Callable[[], Sequence[Told]] = lambda: ()
    price_of: Callable[[str, str], Price | None] = lambda server, model: None
    ruleset: Callable[[], Ruleset | None] = lambda: None
    tries: Callable[[Server], Tried] | None = None
    metrics: Callable[[str], tuple[bytes, str]] | None = None

    def __post_init__(self) -> None:
        if self.webui_security not in SECURITY_MODES:
            raise ValueError(f"WEBUI_SECURITY is {self.webui_security!r}: expected one of {', '.join(SECURITY_MODES)}")
        if self.jwt_secret is not None and len(self.jwt_secret.encode()) < SHORTEST_SECRET:
            raise ValueError(f"JWT_SECRET is too short: at least {SHORTEST_SECRET} bytes are needed")
        if self.auth_header and not (self.trusted_proxies and self.auth_roles):
            raise ValueError("AUTH_HEADER needs TRUSTED_PROXIES, from which it is believed, and AUTH_ROLES")

    @property
    def has_keys(self) -> bool:
        """Whether a token can be checked at all."""
        return self.jwt_secret is not None or self.sign_on is not None

    @property
    def can_sign_in(self) -> bool:
        """Whether there is any way to say who one is."""
        return self.has_keys or self.auth_header is not None
