"""The environment variables of Switchman with their defaults: FIELD section 1, and a few of our own.

1. `Settings()` reads the environment; keyword arguments (lower-case names) win over it.
2. It raises pydantic's ValidationError; `configuration.load_settings` turns that into a SettingsError for people.
3. Secrets are SecretStr, and no fault repeats a value that may hold one.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from switchman.addons.config.secrets.capturing import Capturing
from switchman.addons.config.secrets.jwt_secrets import ADVICE, secret_weakness
from switchman.addons.config.secrets.keytext import parse_key
from switchman.addons.config.secrets.signing_in import SigningIn
from switchman.addons.core.access.admission.hosts import Hosts
from switchman.addons.core.request.clients import Network, parse_networks
from switchman.addons.core.request.origins import Origins
from switchman.addons.core.routes.routes import compile_model_map
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.reaching.egress import Denied

MOST_SECONDS = 366 * 86_400.0
MOST_COUNT = 2**50  # bytes, rows, days: more overflows what databases and clocks count with

Port = Annotated[int, Field(ge=0, le=65535)]  # 0: any free port
Bytes = Annotated[int, Field(gt=0)]


# What the start-up line and `switchman check` say of the dashboard: it cannot see each proxy.
WHAT_HOLDS = "only WEBUI_SECURITY=ALWAYS_AUTH holds behind a proxy, which may add nothing that shows it"


class Settings(SigningIn, Capturing, BaseSettings):
    """One frozen value of all variables. Attribute names are the variables' in lower case."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, str_strip_whitespace=True, hide_input_in_errors=True,
        validate_default=False,
    )  # fmt: skip

    default_upstream: str = Field("http://localhost:8000", description="where a request goes that no rule matches")
    listen_host: str = Field("127.0.0.1", min_length=1, description="address the proxy listens on")
    listen_port: Port = Field(1234, description="port the proxy listens on")
    ui_port: Port = Field(1235, description="port of the dashboard")
    model_map: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict, description="JSON: exact names first, then /regex/ keys in order, anchored at the start"
    )
    routes_config: str = Field("routes.yaml", min_length=1, description="file of servers, aliases and routes")
    enable_logging: bool = Field(True, description="false: no database, no dashboard")
    request_timeout: float = Field(3000.0, gt=0, allow_inf_nan=False, description="seconds, the total deadline")
    shutdown_grace: float = Field(
        5.0, ge=0, allow_inf_nan=False, description="seconds that running requests have to end when the router stops"
    )
    body_timeout: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="seconds of silence in a request's body, then it is a 408"
    )
    min_body_rate: float = Field(
        500.0, ge=0, allow_inf_nan=False,
        description="least bytes a second of a request's body, after twice BODY_TIMEOUT; 0: any",
    )  # fmt: skip
    head_timeout: float = Field(
        30.0, gt=0, allow_inf_nan=False,
        description="seconds from the first byte of a head to its end, and from a connection to its first head",
    )  # fmt: skip
    idle_timeout: float = Field(
        600.0, gt=0, allow_inf_nan=False, description="seconds that a client's connection may be idle between requests"
    )
    max_connections: int = Field(4096, gt=0, description="most connections of clients, for each worker")
    max_connections_per_address: int = Field(
        512,
        gt=0,
        description="most connections of one client's address; this machine's and TRUSTED_PROXIES do not count",
    )
    db_path: str = Field("requests.db", min_length=1, description="SQLite file")
    database_url: SecretStr | None = Field(None, description="SQLAlchemy URL, in place of DB_PATH")
    max_log_age_days: int = Field(7, ge=0, le=36_500, description="days that rows and bodies are kept")
    strip_thinking: bool = Field(True, description="remove <think> blocks")
    strip_json_markdown: bool = Field(False, description="a reply that is one fenced JSON block becomes the JSON")
    disable_thinking: bool = Field(False, description="ask models not to think")
    client_auth: Literal["NONE", "TOKENS"] | None = Field(
        None, description="TOKENS: each request needs a token; NONE, and not set on a loopback LISTEN_HOST: nobody does"
    )
    jwt_secret: SecretStr | None = Field(None, description="at least 32 random characters")
    encryption_key: SecretStr | None = Field(
        None, description="the vault's master key: 32 random bytes in hex or base64; without it, a file beside DB_PATH"
    )
    webui_security: Literal["NONE", "AUTH_WHEN_PROXIED", "ALWAYS_AUTH"] = Field(
        "AUTH_WHEN_PROXIED", description="when the dashboard asks who is there"
    )
    blob_storage_type: Literal["filesystem", "memory"] = Field("filesystem", description="where bodies are kept")
    blob_storage_path: str = Field("blob_storage", min_length=1, description="folder of the bodies")
    max_blob_size: Bytes = Field(10_485_760, description="bytes kept of one body")
    max_total_storage_size: Bytes = Field(1_073_741_824, description="bytes kept of all bodies")
    max_log_size: Annotated[int, Field(ge=1_000_000)] = Field(
        10_000_000_000, description="bytes of the log in all, rows and bodies: the oldest go; e.g. 10GB"
    )
    max_spool_size: Annotated[int, Field(ge=0)] = Field(
        256_000_000, description="bytes on disk for requests that wait while the log cannot be written; 0: none"
    )
    semantic_model: str = Field(
        "semantic_model", min_length=1, description="folder of the embedding model that `semantic prepare` made"
    )
    semantic_socket: str | None = Field(None, description="a semantic process that runs already; off: none")
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="addresses and ranges whose X-Forwarded-For is believed, with commas between"
    )
    metrics: bool = Field(True, description="off: no numbers for Prometheus at the dashboard's /metrics")
    metrics_names: int = Field(
        100, ge=0, le=10_000, description="servers and models beside the rules file's that metrics tell apart"
    )
    webui_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="further names the dashboard may be opened by, with commas between"
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="further names the proxy's port may be asked for by, with commas between"
    )
    websocket_paths: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="further paths that are a WebSocket's, with commas between"
    )
    max_websocket_message: Bytes = Field(67_108_864, description="largest message of a WebSocket")
    websocket_idle_timeout: int = Field(
        1800, gt=0, le=int(MOST_SECONDS), description="seconds of silence on both sides that end a WebSocket"
    )
    egress_deny: str = Field(
        "metadata", description="addresses that no connection goes to: metadata, link-local, private, loopback, ranges"
    )
    cors_origins: str = Field("local", description="origins of the web pages that may call the router")
    redis_url: SecretStr | None = Field(
        None, description="redis://HOST:6379/0: limits, caches and breakers hold over all machines that share it"
    )
    budget_timezone: str = Field("UTC", min_length=1, description="where days and months of budgets begin")
    baseline_model: str | None = Field(
        None, description="model whose price the overview compares with: provider/model, as in the table of prices"
    )
    alert_webhook: SecretStr | None = Field(
        None, description="URL that is told when 50, 80 and 100 % of a budget are used up"
    )
    alert_webhook_secret: SecretStr | None = Field(
        None, description="signs what is told, by HMAC-SHA256; at least 16 characters"
    )
    max_body_bytes: Bytes = Field(33_554_432, description="largest request body")
    max_body_memory: Bytes = Field(
        1_073_741_824, description="bytes that the bodies of all requests may take up together, in each worker"
    )
    max_body_values: int = Field(500_000, gt=0, description="most values in a request's JSON")
    max_header_bytes: Bytes = Field(65_536, description="largest request head")

    @field_validator("*")
    @classmethod
    def _is_bounded(cls, value: Any) -> Any:
        """Every number, whatever else its field says: no NaN, no infinity, nothing that overflows later on."""
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError("expected a finite number")
            if abs(value) > MOST_SECONDS:
                raise ValueError(f"expected at most {MOST_SECONDS:g} (a year of seconds)")
        elif isinstance(value, int) and abs(value) > MOST_COUNT:
            raise ValueError(f"expected at most {MOST_COUNT}")
        return value

    @property
    def default_upstream_set(self) -> bool:
        """Whether DEFAULT_UPSTREAM was given, rather than assumed."""
        return "default_upstream" in self.model_fields_set

    @property
    def wants_tokens(self) -> bool:
        """Whether a request needs a token of ours."""
        return self.client_auth == "TOKENS"

    @field_validator("default_upstream")
    @classmethod
    def _is_url(cls, text: str) -> str:
        urls.parse(text)
        return text

    @field_validator("model_map", mode="before")
    @classmethod
    def _read_json(cls, given: Any) -> Any:
        return _json_object(given) if isinstance(given, str) else given

    @field_validator("model_map")
    @classmethod
    def _compiles(cls, entries: dict[str, str]) -> dict[str, str]:
        compile_model_map(entries)
        return entries

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _read_networks(cls, given: Any) -> Any:
        return parse_networks(given) if isinstance(given, str) else given

    @field_validator("webui_hosts", "allowed_hosts", "websocket_paths", mode="before")
    @classmethod
    def _read_names(cls, given: Any) -> Any:
        return tuple(name.strip() for name in given.split(",") if name.strip()) if isinstance(given, str) else given

    @field_validator("webui_hosts", "allowed_hosts")
    @classmethod
    def _are_hosts(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        Hosts.parse(names)
        return names

    @field_validator("websocket_paths")
    @classmethod
    def _are_paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [path for path in paths if not path.startswith("/") or "?" in path]:
            raise ValueError(f"{wrong[0]!r} is no path: expected one such as /ws, or /ws/* for all below it")
        return paths

    @field_validator("egress_deny")
    @classmethod
    def _are_ranges(cls, text: str) -> str:
        Denied.parse(text)
        return text

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        return Origins.parse(text).text

    @field_validator("max_log_size", "max_spool_size", mode="before")
    @classmethod
    def _read_size(cls, given: Any) -> Any:
        return parse_size(given) if isinstance(given, str) else given

    @field_validator("webui_security", "client_auth", mode="before")
    @classmethod
    def _upper(cls, given: Any) -> Any:
        return given.strip().upper() if isinstance(given, str) else given

    @field_validator("blob_storage_type", mode="before")
    @classmethod
    def _lower(cls, given: Any) -> Any:
        return given.strip().lower() if isinstance(given, str) else given

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("expected redis://HOST:PORT/0, rediss:// for TLS, or unix://PATH")
        if url is not None and not _is_whole(url.get_secret_value()):
            raise ValueError(
                "expected redis://:PASSWORD@HOST:PORT/0, a password's / ? # @ and % written %2F %3F %23 %40 and %25"
            )
        return url

    @field_validator("budget_timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        zone_of(name)
        return name

    @field_validator("alert_webhook")
    @classmethod
    def _is_web_address(cls, url: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(url.get_secret_value()) if url is not None else None
        if parts is not None and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("expected a URL that begins with https:// or http://")
        return url

    @field_validator("alert_webhook_secret")
    @classmethod
    def _is_long(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < 16:
            raise ValueError("expected at least 16 characters")
        return secret

    @field_validator("jwt_secret")
    @classmethod
    def _is_strong(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and (weakness := secret_weakness(secret.get_secret_value())):
            raise ValueError(f"too weak ({weakness}), so the start is refused: {ADVICE}")
        return secret

    @field_validator("encryption_key")
    @classmethod
    def _is_a_master_key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            parse_key(secret.get_secret_value())
        return secret


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises ValueError. UTC needs no database of zones."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name[:80]!r} is no time zone: expected UTC, or one such as Europe/Berlin") from None


def _json_object(text: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        if twice:
            raise ValueError(f"the key {twice[0]!r} is there twice")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(f'expected JSON such as {{"gpt-4": "llama3"}}: {error}') from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError('expected a JSON object such as {"gpt-4": "llama3"}')
    return value


def parse_size(text: str) -> int:
    """Bytes: a number, or one with a unit: KB, MB, GB, TB (thousands), KiB, MiB, GiB, TiB. Raises ValueError."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(?:([kmgt])(i?)b?|b)?", text.strip().lower())
    if found is None:
        raise ValueError("expected a number of bytes, or one with a unit such as 500MB or 10GB")
    number, unit, binary = found.groups()
    power: int = " kmgt".index(unit) if unit else 0
    factor: int = (1024 if binary else 1000) ** power
    return int(Decimal(number) * factor)


def in_units(size: int) -> str:
    """`10 GB`: for people, in the units that `parse_size` takes."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "KB")):
        if size >= 1000**power:
            return f"{size / 1000**power:.3g} {unit}"
    return f"{size} B"


def _is_whole(url: str) -> bool:
    """Whether a URL's password is not taken for its port, path or fragment: an error would tell a part of it."""
    try:
        parts = urlsplit(url)
        return parts.port != 0 and not parts.fragment and "@" not in parts.path
    except ValueError:
        return False
