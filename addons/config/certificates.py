"""Looks at the files of certificates that the rules and the environment name, before anything depends on them.

`Certificates` is what core/rules/reachcompile.py calls CertificateFiles. What it finds good, state/reaching/trust.py
loads.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from switchman.addons.config.regular import Unreadable, read_file
from switchman.addons.core.servers.reaching.reach import PemFile

MAX_FILE_BYTES = 16 * 1024 * 1024  # the usual authorities of a system are under 1 MB


class Certificates:
    """For one reading of the rules. Paths are taken from `folder` on, the rules file's own; `~` is the user's home."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, ...], object] = {}
        self.looked_at: set[Path] = set()  # also those that were not there

    def authorities(self, path: str) -> PemFile:
        return self._once(("ca", path), lambda: self._authorities(path))

    def folder(self, path: str) -> str:
        folder = self._place(path)
        if not folder.is_dir():
            raise ValueError(f"{folder} is no folder")
        return str(folder)

    def identity(self, certificate: str, key: str | None) -> tuple[PemFile, PemFile | None]:
        return self._once(("client", certificate, key or ""), lambda: self._identity(certificate, key))

    def words(self, path: str) -> str:
        """A file of words that are redacted: no certificate, and beside the rules as these are."""
        return self._once(("words", path), lambda: self._words(path))

    def _words(self, path: str) -> str:
        file, content = self._read(path)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{file}: byte {error.start} is no UTF-8") from None

    def _once[T](self, key: tuple[str, ...], read: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = read()
        return self._known[key]  # type: ignore[return-value]

    def _authorities(self, path: str) -> PemFile:
        file, content = self._read(path)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file.path)
        except OSError:  # SSLError is one
            raise ValueError(f"{file} holds no certificate that can be read; expected PEM{_hint(content)}") from None
        return file

    def _identity(self, certificate: str, key: str | None) -> tuple[PemFile, PemFile | None]:
        file, content = self._read(certificate)
        try:
            found = load_pem_x509_certificates(content)
        except ValueError:
            raise ValueError(f"{file} holds no certificate that can be read; expected PEM{_hint(content)}") from None
        key_file, key_content = self._read(key) if key is not None else (None, content)
        named = key_file or file
        try:
            private = load_pem_private_key(key_content, None)
        except TypeError:
            raise ValueError(f"the key in {named} is encrypted: expected one without a password") from None
        except ValueError:
            more = "" if key else "; add it there, or name its file in client_key"
            raise ValueError(f"{named} holds no private key that can be read{more}") from None
        if private.public_key() != found[0].public_key():
            raise ValueError(f"the key in {named} is not the key of the first certificate in {file}")
        return file, key_file

    def _place(self, path: str) -> Path:
        try:
            return self._folder.absolute() / Path(path).expanduser()
        except RuntimeError:  # ~nobody
            raise ValueError(f"{path}: there is no such home folder") from None

    def _read(self, path: str) -> tuple[PemFile, bytes]:
        place = self._place(path)
        self.looked_at.add(place)
        try:
            content = read_file(place, MAX_FILE_BYTES)
        except FileNotFoundError:
            raise ValueError(f"{place}: there is no such file") from None
        except Unreadable as error:
            raise ValueError(f"{place} {error}") from None
        return PemFile(str(place), hashlib.sha256(content).hexdigest()), content


def _hint(content: bytes) -> str:
    """What to do about a file in another form."""
    if content[:1] == b"\x30":  # ASN.1's SEQUENCE: a bare certificate, or PKCS #12
        return " (this is binary: `openssl x509 -inform der` or `openssl pkcs12 -nodes` makes PEM of it)"
    return ""
