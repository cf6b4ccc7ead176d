"""Which dialect a server is spoken to in."""

from typing import Any

from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.state.server_dialects import ServerDialects


def server(url: str, name: str = "s", **more: Any) -> Server:
    return Server(name, parse(url), **more)


def test_what_is_spoken_follows_from_what_was_found() -> None:
    """The client's own dialect where the server has it, else the server's first; unknown: as the client speaks."""
    s, declared = server("http://h"), server("http://d", dialect="ollama", also=("openai",))
    dialects = ServerDialects()
    assert dialects.to_speak(s, "anthropic") is None
    dialects.found[s] = ("ollama", "openai")
    assert [dialects.to_speak(s, client) for client in ("openai", "ollama", "anthropic")] == [None, None, "ollama"]
    assert [dialects.to_speak(declared, c) for c in ("openai", "ollama", "anthropic")] == ["openai", "ollama", "ollama"]
