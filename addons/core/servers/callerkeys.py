"""Callers' own keys: one that a server refused, or that is used up, rests for its caller, and not the server for all.

    credential_of(server, headers, path) -> what of the caller's decides whether the server takes the request
    CallerKeys                           -> which of these rest, and for how long

1. Where the caller's credential goes to the server, and it answers 401, 402 or 403, or 429, this says nothing of the
   server. So it does where the caller brings none and none is ours: a server that wants one (401, 402, 403) is well.
2. With our own key it is the server's fault, as ever; but for what the caller adds to it: an organization or a project
   that our key does not have makes a server refuse our key.
3. A key that is refused, or without means (401, 402), rests at the whole server, and at once; also where its caller
   hears the error as the server said it, as nobody else is asked for this status. One that may not, or too often
   (403, 429), rests at the model, where such a status is tried elsewhere: 403 may be about what was asked. That is
   counted as breakers count failures. Retry-After is obeyed in either case.
4. A key that rests is tried after the other candidates, and where there is no other, all the same: its caller hears
   what the server says.
5. Memory is bounded as that of Breakers is; of a key and a target only a digest is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.core.servers.credentials import KEY_FIELDS, folded, is_keyed_by_header, secret_parameters
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.texts.masking import is_secret_name

KEY_STATUSES: Final = frozenset({401, 402, 403, 429})
# They say that there should be a key, or another one; 429 says so only of a key that is there.
WANTS_KEY: Final = frozenset({401, 402, 403})
_REFUSED: Final = frozenset({401, 402})
REST: Final = 30.0  # seconds that a refused key rests at first, as long as a breaker

# Whose account is asked for, beside the key: OpenAI's, Google's.
ACCOUNTS: Final = ("openai-organization", "openai-project", "x-goog-user-project")


def credential_of(server: Server, headers: Mapping[str, str], path: str, *, forwarded: bool = True) -> str | None:
    """A digest of what the caller authenticates itself with at a server. None: with nothing, as the server has a key
    of ours; "": with nothing, and neither have we a key.

    `headers`: by lower-case name. `forwarded`: the caller's credentials go to the server, if it has none of its own.
    """
    ours = {folded(name) for name in server.headers}
    if is_keyed_by_header(server):
        ours |= KEY_FIELDS
    given: list[str] = []
    if forwarded and server.api_key is None:
        secrets = sorted(
            name for name in headers if name != "cookie" and is_secret_name(name) and folded(name) not in ours
        )
        given += [f"{name}={headers[name]}" for name in secrets]
        given += secret_parameters(path)
    given += [f"{name}={headers[name]}" for name in ACCOUNTS if name in headers and name not in ours]
    if given:
        return hashlib.sha256(repr(given).encode("utf-8", "surrogatepass")).hexdigest()
    return None if server.api_key is not None or any(is_secret_name(name) for name in ours) else ""


def blames_caller(status: int, credential: str | None) -> bool:
    """Whether an error status is about the caller's own key, and says nothing of the server."""
    if credential is None:
        return False
    return status in (KEY_STATUSES if credential else WANTS_KEY)


def refuses_key(status: int, credential: str | None) -> bool:
    """Whether an error status is about nothing but a key that the caller has brought, whoever else is asked."""
    return bool(credential) and status in _REFUSED


class CallerKeys:
    """The callers' keys that rest, of one process. Not thread-safe: it belongs to the event loop's thread.

    `credential` is credential_of(); `target` is `server/model` as it is asked for there. Times as in Breakers.
    """

    def __init__(self) -> None:
        self._resting = Breakers()
        self.any = False  # whether any was ever refused: most routers never look further

    def refused(
        self, credential: str, server: str, target: str, status: int, now: float, retry_after: float | None = None
    ) -> None:
        """Count an answer that blames the caller."""
        self.any = True
        if status in _REFUSED:
            self._resting.failure(_name(credential, server), now, retry_after or REST)
        else:
            self._resting.failure(_name(credential, target), now, retry_after)

    def accepted(self, credential: str | None, server: str, target: str, now: float) -> None:
        """Count an answer to a key that was refused before."""
        if not self.any or credential is None:
            return
        for place in (server, target):
            if self._resting.knows(name := _name(credential, place)):
                self._resting.success(name, now)

    def rests(self, credential: str | None, server: str, target: str, now: float) -> bool:
        """Whether to try other candidates first for this caller."""
        if not self.any or credential is None:
            return False
        return any(self._resting.is_open(_name(credential, place), now) for place in (server, target))


def _name(credential: str, place: str) -> str:
    return hashlib.sha256(f"{credential}\0{place}".encode("utf-8", "surrogatepass")).hexdigest()
