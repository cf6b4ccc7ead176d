"""How a server is reached: directly or through an HTTP proxy, and what its certificate is held to.

One value for all that speak to the server: the proxy's HTTP layer, the probes, the arbiter, the model lists, `check`.
Two equal values lead the same way, so a connection of one may serve the other.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `scheme` https: TLS to the proxy itself. `credentials`: `user:password`; they stay out of repr."""

    scheme: str
    host: str  # lower case, without brackets
    port: int
    credentials: SecretStr | None = None

    @property
    def authorization(self) -> str | None:
        """The value of Proxy-Authorization (RFC 7617), or None."""
        if self.credentials is None:
            return None
        secret = self.credentials.get_secret_value().encode("utf-8", "surrogateescape")
        return "Basic " + base64.b64encode(secret).decode()

    @property
    def url(self) -> str:
        """Its address without credentials, with its port."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class PemFile:
    """A file that was good when the rules were read. `digest`: of its content then, so that another one is another."""

    path: str
    digest: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class Tls:
    """What a TLS connection is held to. Without `ca` and `ca_dir`: the authorities that come with the program.

    `ca_dir` is a folder as OpenSSL wants it, with hashes for names. `client_key` None: it is in `client_cert`.
    """

    ca: PemFile | None = None
    ca_dir: str | None = None
    client_cert: PemFile | None = None
    client_key: PemFile | None = None
    verify: bool = True

    @property
    def files(self) -> tuple[PemFile, ...]:
        return tuple(file for file in (self.ca, self.client_cert, self.client_key) if file is not None)


USUAL = Tls()


@dataclass(frozen=True, slots=True)
class Reach:
    """The way to one server. `proxy` None: directly. `proxy_tls` is for the connection to a proxy of scheme https."""

    proxy: Proxy | None = None
    tls: Tls = USUAL
    proxy_tls: Tls = USUAL

    @property
    def files(self) -> tuple[PemFile, ...]:
        return (*self.tls.files, *self.proxy_tls.files)


DIRECT = Reach()
