"""The names of the proxy's port that are given: by the settings, and to the machine."""

from __future__ import annotations

import socket

from switchman.addons.config.settings import Settings
from switchman.addons.core.admission.hosts import Hosts, host_name


def machine_names() -> tuple[str, ...]:
    """The machine's name, if it is one; whoever gave it to the machine decides what it means."""
    name = socket.gethostname()
    return (name,) if host_name(name) else ()


def own_hosts(settings: Settings) -> Hosts:
    """The names by which the proxy's port may be asked for."""
    return Hosts.parse((*settings.allowed_hosts, settings.listen_host, *machine_names()))
