"""Parse an upstream's base URL, and join a request's path to it.

1. `parse` turns the text of a configuration into a BaseURL, or raises ValueError with a sentence for its author.
2. `join` appends an inbound path to the base path, so that `/v1` is neither doubled nor lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlsplit

from switchman.addons.core.paths.tables import BESIDE_VERSION, is_version
from switchman.addons.core.texts.masking import is_secret_name

DEFAULT_PORTS = {"http": 80, "https": 443}

_DOUBLE_SCHEME = re.compile(r"^(https?)://+(https?):/", re.IGNORECASE)
_PLAIN_VERSION = re.compile(r"v\d+")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")


@dataclass(frozen=True, slots=True)
class BaseURL:
    """A server's address. `host` is lower case, without brackets; `path` is "" or starts, never ends, with a slash.

    `query`: parameters of every request to it, without the question mark. The text of the address leaves them out.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    query: str = ""

    @property
    def authority(self) -> str:
        """The value of a Host header: the port only if it is not the scheme's default, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if DEFAULT_PORTS[self.scheme] == self.port else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def parse(text: str, *, query: bool = False) -> BaseURL:
    """Read a base URL such as `https://api.groq.com/openai/v1`. `query`: it may have one.

    Raises ValueError with a sentence for the person who wrote it. The text itself is repeated only where it cannot hold
    a password (no `@`) or a key (no `?`).
    """
    text = text.strip()
    _explain_scheme(text)
    if re.search(r"[\s\x00-\x1f\x7f\\]", text):
        raise ValueError("a URL has no spaces, line breaks or backslashes in it")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {_reason(error)}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("a user name or password does not belong in the URL: put it in api_key or headers")
    if parts.fragment or text.endswith(("?", "#")) or (parts.query and not query):
        raise ValueError("a base URL ends before the ? or #: put keys in api_key or headers")
    if any(is_secret_name(unquote_plus(one.partition("=")[0])) for one in parts.query.split("&")):
        raise ValueError("a key does not belong in the URL's query: put it in api_key or headers")
    if port == 0:
        raise ValueError("port 0 is not a port one can connect to")
    scheme = parts.scheme.lower()
    host, path = _host(parts.hostname or ""), _clean_path(parts.path)
    return BaseURL(scheme, host, port or DEFAULT_PORTS[scheme], path, parts.query)


def _explain_scheme(text: str) -> None:
    if not text:
        raise ValueError("the URL is empty: expected something like http://localhost:8000")
    if double := _DOUBLE_SCHEME.match(text):
        raise ValueError(f"{double[1]}:// is written twice: leave the first one out")
    scheme, separator, rest = text.partition("://")
    if not separator:
        if re.match(r"https?:", text, re.IGNORECASE):
            raise ValueError("expected two slashes after the colon: http://host or https://host")
        shown = "" if "@" in text or "?" in text else f" (perhaps http://{text.lstrip('/')})"
        raise ValueError(f"a URL starts with http:// or https://{shown}")
    if scheme.lower() not in DEFAULT_PORTS:
        raise ValueError("a URL starts with http:// or https://; other schemes are not supported")
    if rest[:1] in ("", "/", ":", "?", "#"):
        raise ValueError("the host is missing: expected something like http://localhost:8000")


def _reason(error: ValueError) -> str:
    """The kind of fault, without urllib's own message, which quotes the text, and that may hold a secret."""
    words = str(error)
    if words.startswith("Port"):
        return "the port is a number from 1 to 65535"
    return "the address in brackets is not an IPv6 address" if "IPv6" in words or "IP" in words else "it cannot be read"


def _host(host: str) -> str:
    """The host in the form sockets and certificates want: lower case, IDNA for names beyond ASCII."""
    if ":" in host:  # urlsplit has already checked that a bracketed host is an IPv6 address
        return host.lower()
    try:
        encoded = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("the host is not a valid name") from None
    if not _HOST.fullmatch(encoded):
        raise ValueError("the host is not a valid name or address")
    return encoded.lower()


def _clean_path(path: str) -> str:
    return path.rstrip("/")


def join(base: BaseURL, path: str) -> str:
    """The path to request from `base` for the inbound `path` (canonical, or any other; a query string is kept).

    A version segment in the base (`/v1`, `/v1beta/openai`) means the base is complete, so the inbound `/v1` is dropped;
    otherwise it is kept. Ollama's own `/api/...`, and llama.cpp's and vLLM's `/tokenize` and so on, live beside `/v1`,
    so a trailing version of the base is not for them; nor is it where the inbound path has another one (`/v2/rerank`).
    """
    path, question_mark, query = path.partition("?")
    return _joined(base.path, path if path.startswith("/") else "/" + path) + question_mark + query


def _joined(base: str, path: str) -> str:
    segments = base.split("/")
    first, _, rest = path[1:].partition("/")
    if first in BESIDE_VERSION:
        if is_version(segments[-1]):
            segments.pop()
        if first == "api" and segments[-1:] == ["api"]:  # a common way to write an Ollama base
            segments.pop()
        return "/".join(segments) + path
    versions = [segment for segment in segments if is_version(segment)]
    if versions and first in ("v1", versions[-1]):
        return f"{base}/{rest}" if rest else base
    if _PLAIN_VERSION.fullmatch(first) and _PLAIN_VERSION.fullmatch(segments[-1]):
        return "/".join(segments[:-1]) + path
    return base + path
