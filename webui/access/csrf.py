"""A word that only our own pages know, for each change that a browser asks for: another site's page cannot read it.

It is bound to whoever is signed in, and holds as long as this process: a page of before is to be loaded again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

FIELD = "csrf"
HEADER = "X-CSRF-Token"

_BYTES = 32


class Csrf:
    """Makes the words and knows them again."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(_BYTES)

    def word(self, session: str) -> str:
        """The word of a session; `session` tells apart who is signed in, and how."""
        return hmac.new(self._key, session.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def is_good(self, session: str, given: str) -> bool:
        return hmac.compare_digest(self.word(session).encode(), given.encode("utf-8", "replace"))
