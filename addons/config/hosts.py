"""Where the proxy's port is: the names that it is given by the settings and to the machine, and who reaches it.

And whether what counts the limits is open to others.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

from switchman.addons.config.configuration import SettingsError
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.admission.hosts import Hosts, host_name


def machine_names() -> tuple[str, ...]:
    """The machine's name, if it is one; whoever gave it to the machine decides what it means."""
    name = socket.gethostname()
    return (name,) if host_name(name) else ()


def own_hosts(settings: Settings) -> Hosts:
    """The names by which the proxy's port may be asked for."""
    return Hosts.parse((*settings.allowed_hosts, settings.listen_host, *machine_names()))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a listener on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_listening(settings: Settings, hosts: Iterable[str] | None = None, option: str = "LISTEN_HOST") -> None:
    """Refuse to let other machines in unasked. `hosts`: where it listens, as `option` says (None: LISTEN_HOST).

    Raises SettingsError with what to do.
    """
    if settings.client_auth is not None:
        return
    listening = (settings.listen_host,) if hosts is None else hosts
    if (host := next((one for one in listening if not is_loopback(one)), None)) is not None:
        where = f"{option}={host!r}" if host else f"{option} is not given"
        advice = (
            "Set CLIENT_AUTH=TOKENS, and give each caller a token (`switchman token create --name NAME`); or "
            f"CLIENT_AUTH=NONE, where nobody but your own callers can reach it; or listen on 127.0.0.1 ({option})"
        )
        raise SettingsError([f"{where}: other machines could use the router there, with the keys it has. {advice}"])


def open_redis(settings: Settings) -> str | None:
    """A warning, where REDIS_URL is on another machine and names no password; None: there is nothing to warn of."""
    if settings.redis_url is None:
        return None
    parts = urlsplit(settings.redis_url.get_secret_value())
    password = parts.password or parse_qs(parts.query).get("password")
    if parts.scheme == "unix" or password or is_loopback(parts.hostname or "localhost"):
        return None
    return "REDIS_URL has no password: whoever reaches that Redis can change what callers have used of their limits"
