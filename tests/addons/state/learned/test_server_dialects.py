"""Which dialect a server is spoken to in."""

from typing import Any

from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.state.learned.server_dialects import ServerDialects


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


def test_nothing_found_is_nothing_known() -> None:
    """An empty finding is none: the server is spoken to as the client speaks."""
    s = server("http://h")
    dialects = ServerDialects()
    dialects.found[s] = ()
    assert (dialects.to_speak(s, "openai"), dialects.own(s), dialects.is_ollama(s)) == (None, None, False)


def test_on_its_own_account_the_router_speaks_what_is_declared_or_was_found_first() -> None:
    """`also` is for clients; what was found of a declared server does not count."""
    s, declared = server("http://h"), server("http://d", dialect="openai", also=("ollama",))
    dialects = ServerDialects()
    dialects.found = {s: ("ollama", "openai"), declared: ("anthropic",)}
    assert (dialects.own(s), dialects.own(declared)) == ("ollama", "openai")
    assert dialects.is_ollama(s)
    dialects.found[s] = ("openai", "ollama")
    assert not dialects.is_ollama(s)  # an OpenAI server that has Ollama's API too
