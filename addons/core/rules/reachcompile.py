"""From a server's `proxy` and `tls`, and what the environment says of proxies and certificates, to its Reach; from
`api_key`, `api_keys` and `headers`, to what is written into its requests' heads.

What the file says of a server wins over the environment, which counts for every server that does not say. Files are
looked at by `CertificateFiles`, which the edge brings along: a fault in one of them is a fault of the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr

from switchman.addons.core.rules.problems import Problem
from switchman.addons.core.rules.reading.yamltext import Path
from switchman.addons.core.rules.rulesfile import DIRECTLY, ServerFile, TlsFile
from switchman.addons.core.servers.reaching.fields import field_name, field_value, key_value
from switchman.addons.core.servers.reaching.proxies import is_loopback, is_own, parse_proxy, proxy_from
from switchman.addons.core.servers.reaching.reach import USUAL, PemFile, Proxy, Reach, Tls
from switchman.addons.core.servers.reaching.references import SecretSources, is_reference, resolve
from switchman.addons.core.servers.reaching.subscriptions import subscription
from switchman.addons.core.servers.servers import ServerKey
from switchman.addons.core.servers.urls import BaseURL

Say = Callable[[Path, str], None]
Secret = Callable[[Path, str], str | None]
Keys = tuple[ServerKey, ...]

UNVERIFIED = (
    "the server's certificate is not checked: whoever is on the way to it can read and change everything, the key "
    "included; `tls: {ca: FILE}` trusts one authority instead"
)
REDIRECTED_ONLY = "this counts only where the server redirects to https://, as its URL begins with http://"
OWN = "this is the router itself, so it is passed over: the server is reached directly"


class CertificateFiles(Protocol):
    """Reads files of certificates. Each raises ValueError with a sentence, which names the file."""

    def authorities(self, path: str) -> PemFile:
        """A file with certificates of authorities."""

    def folder(self, path: str) -> str:
        """A folder of such files."""

    def identity(self, certificate: str, key: str | None) -> tuple[PemFile, PemFile | None]:
        """A client's certificate with its key, which may be in a file of its own."""

    def words(self, path: str) -> str:
        """A text file of words that are redacted."""


class NoFiles:
    """For rules that are read where there are no files: every name of one is a fault."""

    def authorities(self, path: str) -> PemFile:
        raise ValueError(f"{path} cannot be read here")

    def folder(self, path: str) -> str:
        raise ValueError(f"{path} cannot be read here")

    def identity(self, certificate: str, key: str | None) -> tuple[PemFile, PemFile | None]:
        raise ValueError(f"{certificate} cannot be read here")

    def words(self, path: str) -> str:
        raise ValueError(f"{path} cannot be read here")


def secret_of(
    env: Mapping[str, str], sources: SecretSources, path: Path, text: str, error: Say, warn: Say
) -> str | None:
    """The value of a reference, or the text itself. A missing one is an error: never send a request without the key."""
    return resolve(text, env, sources, lambda fault: error(path, fault), lambda said: warn(path, said))


def keys_of(path: Path, written: ServerFile, usual: str, variable: str, secret: Secret, error: Say, warn: Say) -> Keys:
    """A server's own keys, in their order. `usual`: what the preset's `variable` holds, "" for nothing; it counts where
    the file does not say.
    """
    if written.api_keys is None:
        label = _label(written.api_key, "api_key") if written.api_key is not None else f"env:{variable}"
        key = _key_of((*path, "api_key"), written.api_key, usual, secret, error, warn)
        return (ServerKey(key, label),) if key is not None else ()
    found: dict[str, ServerKey] = {}
    for number, one in enumerate(written.api_keys):
        place = (*path, "api_keys", number)
        key = _key_of(place, one.key, "", secret, error, warn)
        if key is None:
            continue
        if what := subscription(key.get_secret_value()):
            error(
                place, f"this is {what}: those of consumer subscriptions are not pooled; as the only api_key it may be"
            )
        elif key.get_secret_value() in found:
            error(place, "this key is there twice: weight says how often it is used")
        else:
            found[key.get_secret_value()] = ServerKey(key, _label(one.key, f"key {number + 1}"), one.weight)
    return tuple(found.values())


def _label(text: str, otherwise: str) -> str:
    return text.strip() if is_reference(text) else otherwise


def _key_of(path: Path, text: str | None, usual: str, secret: Secret, error: Say, warn: Say) -> SecretStr | None:
    if text is None:
        value: str | None = usual
    else:
        if not is_reference(text):
            warn(path, "the file holds the key itself: write env:NAME, file:PATH or vault:NAME, and it holds no secret")
        value = secret(path, text)
    try:
        value = key_value(value or "")
    except ValueError as fault:
        error(path, str(fault))
        return None
    if text is not None and not text.strip():
        error(path, "expected a key, not blanks")
    return SecretStr(value) if value else None


def headers_of(path: Path, written: Mapping[str, str], secret: Secret, error: Say) -> dict[str, str]:
    """By name, as it is written. Each is set on every request to the server."""
    found: dict[str, str] = {}
    for name, text in written.items():
        if name.lower() in {other.lower() for other in found}:
            error((*path, name), "this header is there twice: case makes no difference")
        try:
            found[field_name(name)] = field_value(secret((*path, name), text) or "")
        except ValueError as fault:
            error((*path, name), str(fault))
    return found


@dataclass
class Reaches:
    """Makes the Reach of each server. `own_port`: where the router itself listens on this machine.

    `problems`: faults of the environment, each once, by their words. A variable that no server needs has none.
    """

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: CertificateFiles = field(default_factory=NoFiles)
    own_port: int | None = None
    problems: dict[str, Problem] = field(default_factory=dict)
    _usual: Tls | None = None
    _unread: list[str] = field(default_factory=list)  # what is wrong with SSL_CERT_FILE and SSL_CERT_DIR

    def of(self, path: Path, url: BaseURL, error: Say, warn: Say, secret: Secret, written: ServerFile | None) -> Reach:
        """`path`: the server's place in the file. `written` None: a server that has no more than a URL."""
        if written is None:
            written = ServerFile(url=str(url))
        if url.scheme == "http" and "tls" in written.model_fields_set:
            warn((*path, "tls"), REDIRECTED_ONLY)
        if written.proxy is None:
            proxy = self._usual_proxy(url)
        else:
            proxy = self._proxy(path, error, warn, secret, written.proxy)
        proxy_tls = self._usual_tls() if proxy is not None and proxy.scheme == "https" else USUAL
        if url.scheme == "https" or "tls" in written.model_fields_set:
            tls = self._tls((*path, "tls"), error, warn, written.tls)
        else:  # it may send requests on to https (redirects.py); what is on this machine does not
            tls = USUAL if is_loopback(url.host) else self._usual_tls(needed=False)
        return Reach(proxy, tls, proxy_tls)

    def _usual_proxy(self, url: BaseURL) -> Proxy | None:
        """What HTTPS_PROXY and its kin say of a server."""
        try:
            proxy, variable = proxy_from(self.env, url, self.own_port)
        except ValueError as fault:
            self._environment(str(fault))
            return None
        if variable and proxy is None:
            self._environment(f"{variable}: {OWN}", warning=True)
        return proxy

    def _proxy(self, path: Path, error: Say, warn: Say, secret: Secret, written: str) -> Proxy | None:
        path = (*path, "proxy")
        if written.strip().lower() == DIRECTLY or (text := secret(path, written)) is None:
            return None
        try:
            proxy = parse_proxy(text)
        except ValueError as fault:
            error(path, f"{fault}; or {DIRECTLY}, to go there directly")
            return None
        if is_own(proxy, self.own_port):
            error(path, "this is the router itself")
        if proxy.credentials is not None and text == written:
            warn(path, "the file holds the password itself: write env:NAME, file:PATH or vault:NAME")
        return proxy

    def _usual_tls(self, *, needed: bool = True) -> Tls:
        """What SSL_CERT_FILE and SSL_CERT_DIR say. Not `needed`: a fault in them is none of the rules."""
        if self._usual is None:
            self._usual = Tls(
                ca=self._named("SSL_CERT_FILE", self.files.authorities),
                ca_dir=self._named("SSL_CERT_DIR", self.files.folder),
            )
        if needed:
            for fault in self._unread:
                self._environment(fault)
        return self._usual

    def _named[T](self, variable: str, read: Callable[[str], T]) -> T | None:
        path = self.env.get(variable, "").strip()
        try:
            return read(path) if path else None
        except ValueError as fault:
            self._unread.append(f"{variable}: {fault}")
            return None

    def _environment(self, message: str, *, warning: bool = False) -> None:
        variable, _, fault = message.partition(": ")
        self.problems[message] = Problem(variable, 0, 0, "", fault, "warning" if warning else "error")

    def _tls(self, path: Path, error: Say, warn: Say, written: TlsFile) -> Tls:
        ca, ca_dir, certificate, key = None, None, None, None
        if written.ca is None:
            usual = self._usual_tls()
            ca, ca_dir = usual.ca, usual.ca_dir
        else:
            try:
                ca = self.files.authorities(written.ca)
            except ValueError as fault:
                error((*path, "ca"), str(fault))
        if written.client_cert is not None:
            try:
                certificate, key = self.files.identity(written.client_cert, written.client_key)
            except ValueError as fault:
                error((*path, "client_cert"), str(fault))
        if not written.verify:
            warn((*path, "verify"), UNVERIFIED)
        return Tls(ca, ca_dir, certificate, key, written.verify)
