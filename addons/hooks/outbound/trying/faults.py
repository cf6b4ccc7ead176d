"""What is wrong with a server, in one sentence for the person who wrote its address: of what went wrong on the way to
it, and of what it answered. Nothing here repeats a secret: neither a key nor a proxy's credentials.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from html import unescape

import httpx

from switchman.addons.core.servers.reaching import proxies, tlsfaults
from switchman.addons.core.servers.servers import Server
from switchman.addons.state.learned.upstream_reader import Answer
from switchman.addons.state.reaching.deny import AddressDenied

_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
# What servers answer to plain HTTP on a port of TLS: nginx and Apache, Go, and HAProxy's kin by an alert.
_WANTS_TLS = re.compile(
    rb"plain http request was sent to https port|http request to an https server|speaking plain http to an ssl-enabled",
    re.IGNORECASE,
)
CLIENT_CERT = "`tls: {client_cert: FILE}`"
MAX_QUOTED = 160  # characters of a server's own words


def of_failure(error: BaseException, server: Server, seconds: float) -> str:
    """Why there was no answer. `seconds`: how long it was waited for."""
    url, proxy = server.url, server.reach.proxy
    place = f"{url.host}:{url.port}"
    chain = [*_chain(error)]
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        way = f" through the proxy {proxy}" if proxy else ""
        return (
            f"no answer from {place}{way} within {seconds:g} s: is the address right, and lets a firewall it through?"
        )
    if isinstance(error, httpx.ProxyError) and proxy is not None:
        status = re.match(r"\d{3}", str(error))
        return proxies.refusal(proxy, int(status[0]), place) if status else proxies.failure(proxy, "it failed")
    words = " ".join(str(one) for one in chain)
    if (tls := _of_tls(chain, words, server)) is not None:
        return tls
    if (denied := next((one for one in chain if isinstance(one, AddressDenied)), None)) is not None:
        reason = f"{proxy.host if proxy else url.host}: {denied.strerror}"
    elif any(isinstance(one, socket.gaierror) for one in chain):
        name = proxy.host if proxy else url.host
        reason = f"the name {name} is not known: is it spelt right, and does this machine's DNS know it?"
    elif any(isinstance(one, ConnectionRefusedError) for one in chain):
        where = f"{proxy.host}:{proxy.port}" if proxy else place
        reason = f"nothing listens at {where} (connection refused): does it run there, and is the port right?"
    elif url.scheme == "https" and isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        reason = f"{place} hangs up after the TLS handshake: does it want a client certificate, {CLIENT_CERT}?"
    elif isinstance(error, httpx.RemoteProtocolError):
        reason = f"what listens at {place} does not answer as an HTTP server does ({_short(str(error))})"
    else:
        reason = _short(str(chain[-1]) or type(error).__name__)
    return proxies.failure(proxy, reason) if proxy and isinstance(error, httpx.ConnectError) else reason


def _of_tls(chain: list[BaseException], words: str, server: Server) -> str | None:
    if not any(isinstance(one, ssl.SSLError) for one in chain) and "alert" not in words:
        return None
    told = tlsfaults.sentence(words)
    if told and "does not speak it" in told:
        return f"{server.url.host}:{server.url.port} does not speak TLS: its URL begins with http://, not https://"
    return told or f"TLS failed: {_short(words)}"


def speaks_tls(server: Server) -> str:
    plain = str(server.url)
    return f"{server.url.host}:{server.url.port} speaks TLS: its URL begins with https://, not http:// ({plain})"


def of_answer(answer: Answer, server: Server) -> str | None:
    """What is wrong with an answer, whatever was asked; None where nothing is. 404 is for who knows what was asked."""
    status, body = answer.status, answer.body
    if status == 407 and server.reach.proxy is not None:
        return proxies.refusal(server.reach.proxy, 407, server.url.authority)
    if status == 400 and _WANTS_TLS.search(body[:4096]):
        return speaks_tls(server)
    if 300 <= status < 400:
        return f"it redirects ({status}) to {_short(answer.location) or 'nowhere'}: is that the right base URL?"
    if is_page(body) and status != 404:
        return (
            f"it answers with a web page{_title(body)} ({status}): the base URL is not that of an API, or something "
            "between answers in its place, such as a login or a firewall"
        )
    if status >= 500:
        through = " (or the proxy says so for it)" if server.reach.proxy and server.url.scheme == "http" else ""
        return f"it answers {status}{through}{_quoted(body)}"
    if status in (401, 403):
        return _of_key(answer, server)
    if status not in (200, 404, 405, 429):
        return f"it answers {status}{_quoted(body)}"
    return None


def _of_key(answer: Answer, server: Server) -> str | None:
    """Of 401 and 403: the server's own key is wrong, or there is none, and none comes from the clients either."""
    said = f"{answer.status}{_quoted(answer.body)}"
    if server.api_key is not None:
        return f"it refuses the key in api_key: {said}"
    if server.headers:
        return f"it refuses the key in headers, or there is none: {said}"
    if server.forward_auth is False:
        return f"it wants a key, and none goes to it as forward_auth is false, so set api_key: {said}"
    return None


def is_page(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def _title(body: bytes) -> str:
    found = _TITLE.search(body[:65536])
    title = _short(unescape(found[1].decode("utf-8", "replace"))) if found else ""
    return f" ({title!r})" if title else ""


def _quoted(body: bytes) -> str:
    """`: its words`, where an error has some."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else None
    message = error if isinstance(error, str) else error.get("message") if isinstance(error, dict) else None
    return f": {_short(message)}" if isinstance(message, str) and message.strip() else ""


def _short(text: str) -> str:
    """One printable line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= MAX_QUOTED else line[:MAX_QUOTED] + "..."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it came from, within groups too."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        waiting.append(one.__cause__ or one.__context__)
