"""The API token that the dashboard sends with, where the router asks for one (CLIENT_AUTH=TOKENS).

It is a token like any other: an admin sees its use on /tokens, gives it limits and a budget, or revokes it, which ends
what it is for. There is one for each thing that the dashboard sends: SENDING_AGAIN, DESCRIBING, TESTING. Its text is
known to this process only: it is made anew (rotated) by each process that needs it, and the one before holds for an
hour.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from flask import current_app

from switchman.addons.core.access.apitoken import digest_of
from switchman.addons.core.access.caller import Terms
from switchman.addons.store.access.audit import Who
from switchman.addons.store.access.opening import Access
from switchman.addons.store.access.tokens import TokenError
from switchman.webui.looks.marked import N_

SENDING_AGAIN: Final = ("dashboard.again", "sending again")  # its name, and what it is for
DESCRIBING: Final = ("dashboard.describe", "rules from words")
TESTING: Final = ("dashboard.test", "testing servers")
GRACE: Final = 3_600.0  # seconds


class NoToken(Exception):
    """There is none to send with; the message is for a person: `text` is marked to be translated, with its `values`."""

    def __init__(self, text: str, **values: str) -> None:
        super().__init__(text % values)
        self.text, self.values = text, values


class OwnToken:
    """The token of one process. Threads may share it."""

    def __init__(self, kind: tuple[str, str] = SENDING_AGAIN) -> None:
        self.name, self._purpose = kind
        self._lock = threading.Lock()
        self._known: tuple[str, str] | None = None  # the token's id, and its text

    def text(self, access: Access | None, who: Who) -> tuple[str, bool]:
        """The text, and whether it is new: the router knows it within a second. Raises NoToken."""
        if access is None:
            raise NoToken(N_("There is no database of tokens here, and the router asks for one."))
        with self._lock:
            now = time.time()
            try:
                found = access.tokens.get(self.name)
            except TokenError:
                token, text = access.tokens.create(Terms(self.name), now)
                access.audit.record(who, "token.create", self.name, None, {"id": token.caller.id, "for": self._purpose})
                self._known = (token.caller.id, text)
                return text, True
            if found.state(now) != "active":
                told = N_("The token %(name)s was ended. Make one of that name on /tokens to allow this again.")
                raise NoToken(told, name=self.name)
            if self._known is not None and self._known[0] == found.caller.id and self._holds(access, now):
                return self._known[1], False
            token, text = access.tokens.rotate(found.caller.id, GRACE, now)
            access.audit.record(who, "token.rotate", self.name, None, {"id": token.caller.id, "grace_seconds": GRACE})
            self._known = (token.caller.id, text)
            return text, True

    def _holds(self, access: Access, now: float) -> bool:
        """Whether no other process has made it anew, for so long that ours has ended."""
        assert self._known is not None
        digest = digest_of(self._known[1])
        found = access.tokens.by_digest(digest)
        if found is None:
            return False
        until = next((one.valid_until for one in found.secrets if one.digest == digest), 0.0)
        return until is None or until > now + 60


_MAKING = threading.Lock()


def own_token(kind: tuple[str, str] = SENDING_AGAIN) -> OwnToken:
    """That of this process for what is sent."""
    with _MAKING:
        found: OwnToken = current_app.extensions.setdefault(f"switchman_own_token {kind[0]}", OwnToken(kind))
    return found
