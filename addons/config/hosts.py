"""The name that this machine has in its own eyes: the router may be asked for by it, without a setting."""

from __future__ import annotations

import socket

from switchman.addons.core.admission.hosts import host_name


def machine_names() -> tuple[str, ...]:
    """The machine's name, if it is one; whoever gave it to the machine decides what it means."""
    name = socket.gethostname()
    return (name,) if host_name(name) else ()
