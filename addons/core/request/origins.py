"""Which web pages may call the router, and what a browser has to be told so that they can.

A browser sends the `Origin` of a page with all that the page sends to another server, but for plain GETs, and shows the
page an answer only where the answer names that origin (https://fetch.spec.whatwg.org/#http-cors-protocol). Programs
that are no browsers send none. A page whose origin is not allowed is refused before anything is asked of a server: it
would spend the owner's keys, whether or not it may read the answers.

CORS_ORIGINS is a list with commas between:
- `local`, the default: pages of this machine on any port, and programs that are built like a page (APP_SCHEMES);
- `https://chat.example.com`, `https://*.example.com`, `http://box.lan:*` (any port), `chrome-extension://*`;
- `null`: pages without an origin, such as files that were opened in a browser;
- `*`: every page of the whole web.
A page that is at the router's own address, by an IP address, may always call it: a server's own page that is passed
through. A name would not do: its owner can have it mean any address (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from switchman.addons.core.request.hopbyhop import Fields

LOCAL: Final = "local"
ANY: Final = "*"
OPAQUE: Final = "null"  # https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin

# Installed programs whose window is a page: Electron, Tauri, Visual Studio Code, Capacitor, Ionic, Wails. No web page
# can have such an origin. Extensions of a browser are not among them: they are told apart by their ids only.
APP_SCHEMES: Final = ("app", "file", "tauri", "vscode-webview", "vscode-file", "capacitor", "ionic", "wails")
_LOCAL: Final = re.compile(
    r"https?://(localhost|[a-z0-9.-]+\.localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?"
    rf"|({'|'.join(APP_SCHEMES)})://[^/\s,]*"
)
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://((?![/,@?#\\])[!-~])*")
_ENTRY: Final = re.compile(r"[a-z][a-z0-9+.-]*://((?![/,@?#\\])[!-~])+/?")

_PREFIX: Final = b"access-control-"
_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_NAMES: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]*")  # a list of field names, RFC 9110 section 5.6.2
_NAMES_AT_MOST: Final = 4096  # characters; a browser asks for a dozen names
_MAX_AGE: Final = b"7200"  # seconds that a preflight's answer holds; Chromium takes no more


@dataclass(frozen=True, slots=True)
class Origins:
    """A list of origins, from the text of CORS_ORIGINS. Raises ValueError for an entry that is none."""

    text: str
    is_any: bool
    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def parse(cls, text: str) -> Origins:
        entries = [entry.strip().lower() for entry in text.split(",") if entry.strip()]
        return cls(", ".join(entries), ANY in entries, tuple(_pattern(entry) for entry in entries if entry != ANY))

    def allows(self, origin: str, host: str = "") -> bool:
        """Whether a page of this origin may call us. `host`: what the request's Host field says."""
        if self.is_any:
            return True
        origin = origin.strip().lower()
        if origin != OPAQUE and not _ORIGIN.fullmatch(origin):
            return False
        if any(pattern.fullmatch(origin) for pattern in self.patterns):
            return True
        return _is_address(host) and origin.partition("://")[2] == host.strip().lower()


@lru_cache(maxsize=8)
def origins(text: str) -> Origins:
    """Origins.parse(), of a text that is asked for again with each answer."""
    return Origins.parse(text)


def for_page(fields: Fields, origin: str | None, host: str, allowed: Origins) -> Fields:
    """The header fields of an answer, with what the page of `origin` may see of it.

    What a server says of pages is about its own address, and is left out. `origin` None: no page asked.
    """
    if any(name.lower().startswith(_PREFIX) for name, _ in fields):
        fields = tuple(field for field in fields if not field[0].lower().startswith(_PREFIX))
    if origin is None or not allowed.allows(origin, host):
        return fields
    return (*fields, *_permission(origin, allowed), (b"Access-Control-Expose-Headers", b"*"))


def preflight(fields: Iterable[tuple[bytes, bytes]], origin: str, allowed: Origins) -> Fields:
    """The header fields by which an allowed page learns what it may send, from those of its preflight request.

    All methods, and all fields that it asks for: a client library sends a dozen of its own.
    """
    asked = {name.lower(): value for name, value in fields}
    answer = [*_permission(origin, allowed), (b"Access-Control-Allow-Methods", _METHODS)]
    names = asked.get(b"access-control-request-headers", b"").decode("latin-1")
    if names and len(names) <= _NAMES_AT_MOST and _NAMES.fullmatch(names):
        answer.append((b"Access-Control-Allow-Headers", names.encode("ascii")))
    if asked.get(b"access-control-request-private-network", b"").lower() == b"true":
        answer.append((b"Access-Control-Allow-Private-Network", b"true"))  # a public page, a router at home
    answer.append((b"Access-Control-Max-Age", _MAX_AGE))
    return tuple(answer)


def is_preflight(method: str, fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a browser asks what a page may send, rather than a page for something."""
    names = {name.lower() for name, _ in fields} if method.upper() == "OPTIONS" else set()
    return {b"origin", b"access-control-request-method"} <= names


def _permission(origin: str, allowed: Origins) -> list[tuple[bytes, bytes]]:
    if allowed.is_any:
        return [(b"Access-Control-Allow-Origin", b"*")]
    # The answer is for this origin only; a cache must not give it to another one.
    return [(b"Access-Control-Allow-Origin", origin.strip().encode("ascii")), (b"Vary", b"Origin")]


def _pattern(entry: str) -> re.Pattern[str]:
    if entry == LOCAL:
        return _LOCAL
    if entry == OPAQUE:
        return re.compile(re.escape(OPAQUE))
    if not _ENTRY.fullmatch(entry):
        raise ValueError(
            f"{entry!r} is no origin: expected a scheme and a host, and no path, such as https://chat.example.com, "
            "https://*.example.com, http://box.lan:* or chrome-extension://*; or one of the words local, null and *"
        )
    entry = entry.rstrip("/")
    any_port = entry.endswith(":*")
    inner = re.escape(entry.removesuffix(":*")).replace(r"\*", "[^/:]*")
    return re.compile(inner + (r"(:\d{1,5})?" if any_port else ""))


def _is_address(host: str) -> bool:
    """Whether a Host field holds an IP address, with a port or without."""
    name, colon, port = host.strip().rpartition(":")
    if not colon or not port.isdigit():
        name = host.strip()
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
