"""Which dialect each server is spoken to in: the one that the rules declare, or that a probe found."""

from __future__ import annotations

from switchman.addons.core.request.call import DialectName
from switchman.addons.core.servers.servers import Server


class ServerDialects:
    """The dialects that undeclared servers turned out to speak: one with several APIs has several, its own first."""

    def __init__(self) -> None:
        self.found: dict[Server, tuple[DialectName, ...]] = {}

    def to_speak(self, server: Server, client: DialectName) -> DialectName | None:
        """The dialect for a request of this client. None: the client's own, as nothing else is known."""
        if server.dialect is not None:
            return client if client in server.also else server.dialect
        found = self.found.get(server)
        if not found or client in found:
            return None
        return found[0]

    def own(self, server: Server) -> DialectName | None:
        """The dialect in which the router asks a server on its own account. None: it is not known."""
        return server.dialect or next(iter(self.found.get(server, ())), None)

    def is_ollama(self, server: Server) -> bool:
        """Whether a server turned out to be Ollama, which speaks OpenAI's dialect too, in its own way."""
        return self.found.get(server, ())[:1] == ("ollama",)
