"""Servers asked for their models, and for one word, from the dashboard; what the last test of each said is kept.

A test sends the server's own key, where the rules send it. What is asked for a word goes through the router, as any
client's request does: it is logged, costs tokens, and fails over nowhere, as it names the server.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from typing import Any, Final, NamedTuple

import httpx
from flask import current_app

from switchman.addons.core.servers.servers import Server
from switchman.addons.store.access.audit import How
from switchman.webui.access.people import web_config
from switchman.webui.admin.asking.owntoken import TESTING, NoToken, own_token
from switchman.webui.admin.changes import Refused, access, who
from switchman.webui.config import Tried

AT_ONCE: Final = 2  # of the dashboard's threads
MOST_KEPT: Final = 200
MOST_SHOWN: Final = 300  # characters of an answer
WORD_SECONDS: Final = 60.0
KNOWN_WITHIN: Final = 0.4  # seconds until the router knows a new token, about
TRIES: Final = 25


class Kept(NamedTuple):
    """`at`: epoch seconds."""

    tried: Tried
    at: float


class Word(NamedTuple):
    """What came of asking for a word. `request_id`: of its row in the log."""

    good: bool
    words: str
    status: int | None
    seconds: float
    request_id: str | None


class KeptTests:
    """The last tests of one process, of servers as they were tested: one that was changed was never tested."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Server, Kept] = OrderedDict()
        self.turns = threading.BoundedSemaphore(AT_ONCE)

    def of(self, server: Server) -> Kept | None:
        return self._kept.get(server)

    def keep(self, server: Server, tried: Tried) -> Kept:
        with self._lock:
            found = self._kept[server] = Kept(tried, time.time())
            self._kept.move_to_end(server)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found


_MAKING = threading.Lock()


def kept_tests() -> KeptTests:
    with _MAKING:
        found: KeptTests = current_app.extensions.setdefault("switchman_server_tests", KeptTests())
    return found


def test(server: Server) -> Kept:
    """Ask a server for its models. Takes seconds where it does not answer."""
    tries, kept = web_config().tries, kept_tests()
    if tries is None:
        raise Refused("no server can be tested here", 503)
    if not kept.turns.acquire(blocking=False):
        raise Refused(f"{AT_ONCE} tests are under way already: try again in a moment", 503)
    try:
        return kept.keep(server, tries(server))
    finally:
        kept.turns.release()


def ask_word(server: Server, model: str, how: How) -> Word:
    """Have a model of a server say one word, through the router. It costs tokens."""
    config, name = web_config(), f"{server.name}/{model}"
    if not model.strip():
        raise Refused("name a model", 422, "model")
    token = None
    if config.wants_tokens:
        try:
            token = own_token(TESTING).text(config.access, who(how))
        except NoToken as error:
            raise Refused(error.text, 409, **error.values) from None
    body = {"model": name, "messages": [{"role": "user", "content": "Say: ok"}], "max_tokens": 16, "stream": False}
    headers = {"x-switchman-cache": "bypass"} | ({"authorization": f"Bearer {token[0]}"} if token else {})
    kept, began = kept_tests(), time.monotonic()
    if not kept.turns.acquire(blocking=False):
        raise Refused(f"{AT_ONCE} tests are under way already: try again in a moment", 503)
    access().audit.record(who(how), "server.ask", name, None, None)
    try:
        answer = _asked(config.proxy_url, body, headers, may_be_unknown=token is not None and token[1])
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        what = str(error) or type(error).__name__
        return Word(False, f"the router did not answer: {what[:MOST_SHOWN]}", None, time.monotonic() - began, None)
    finally:
        kept.turns.release()
    good, words = _said(answer)
    request_id = answer.headers.get("x-switchman-request-id")
    return Word(good, words, answer.status_code, time.monotonic() - began, request_id)


def _asked(base: str, body: dict[str, Any], headers: dict[str, str], *, may_be_unknown: bool) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=WORD_SECONDS, follow_redirects=False) as client:
        for left in reversed(range(TRIES)):
            answer = client.post(f"{base.rstrip('/')}/v1/chat/completions", json=body, headers=headers)
            unknown = answer.status_code == 401 and "x-switchman-attempts" not in answer.headers
            if not (may_be_unknown and unknown and left):
                return answer
            time.sleep(KNOWN_WITHIN)
    raise AssertionError("unreachable")


def _said(answer: httpx.Response) -> tuple[bool, str]:
    """What it says, or what is wrong, by the form of OpenAI's answers."""
    try:
        found = json.loads(answer.content)
        if answer.status_code != 200:
            return False, str(found["error"]["message"])[:MOST_SHOWN]
        message = found["choices"][0]["message"]
        return True, str(message.get("content") or message.get("reasoning_content") or "")[:MOST_SHOWN]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False, f"{answer.status_code}, with something that is no answer"
