"""What a client is told whose path is not known: which base URL to set, for which client."""

from __future__ import annotations

import re
from typing import Final

_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(:\d{1,5})?")
_SHOWN: Final = 120  # characters of a path


def base_urls(root: str) -> str:
    """One sentence. `root`: where the router is, such as http://127.0.0.1:1234."""
    return (
        f"Set the base URL to {root}/v1 in OpenAI's clients, {root} in Ollama's and in Anthropic's (Claude Code: "
        f"ANTHROPIC_BASE_URL), and as azure_endpoint in Azure's."
    )


def not_found(method: str, path: str, root: str) -> str:
    """The message of the 404 for a path that is not known, and that nobody is behind the router for."""
    short = path if len(path) <= _SHOWN else path[:_SHOWN] + "..."
    shown = short if short.isprintable() else repr(short)
    return (
        f"{method} {shown} is no operation that Switchman knows, and it names no model; nor is DEFAULT_UPSTREAM set, "
        f"to which it would be passed on. {base_urls(root)}"
    )


def not_passed(method: str, path: str, server: str, *, has_key: bool) -> str:
    """The message of the 403 for what a server is not to get. `has_key`: it has one of its own in the rules."""
    short = path if len(path) <= _SHOWN else path[:_SHOWN] + "..."
    shown = short if short.isprintable() else repr(short)
    if not has_key:
        return f"{method} {shown} is no operation of a model, and nothing else goes to {server} (pass_through: false)."
    return (
        f"{method} {shown} is no operation of a model, and the key that the rules have for {server} goes with nothing "
        f"else. Set `pass_through: true` for {server} to pass all requests on to it, with that key."
    )


def not_allowed(method: str, path: str) -> str:
    """The message of the 405 for an operation that is asked for by another method."""
    return f"{path} is asked for with POST, not {method}."


def root_of(host: str, *, tls: bool, otherwise: str) -> str:
    """The router's own URL, as the client wrote it (`host`: its Host header); `otherwise` where that is no address."""
    if not _AUTHORITY.fullmatch(host):
        return otherwise
    return f"{'https' if tls else 'http'}://{host}"
