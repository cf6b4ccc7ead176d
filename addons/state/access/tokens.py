"""The tokens as this process knows them: all of them in memory, by digest, so that no request waits for the database.

A thread of its own asks the database several times a second for one number (store/access/generations.py), and for what
was changed where that is another one; each minute it reads all anew, whatever the number says. So a revocation holds
within a second in every process that shares the database, and what was changed by hand there within a minute. Where the
database has not answered for that long, nobody knows who may: requests with a token are refused until it does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from switchman.addons.core.access.presented import Known
from switchman.addons.store.access.generations import Generation
from switchman.addons.store.access.tokens import Token, TokenStore

logger = logging.getLogger(__name__)

EVERY = 0.3  # seconds between two looks
LONGEST = 60.0  # seconds that what was read is believed
WHOLE_EVERY = 50.0  # seconds after which all is read anew, whether it was changed or not


class Tokens:
    """Readers of any thread call `find`; one that the database answers at once, or not at all, keeps it up to date.

    Args:
        store: the tokens in the database.
        clock: monotonic seconds.
    """

    def __init__(self, store: TokenStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._known: dict[str, Known] = {}  # by digest; replaced whole
        self._digests: dict[str, tuple[str, ...]] = {}  # by the token's id
        self._seen: Generation | None = None
        self._read_at = self._whole_at = -LONGEST
        self._failing = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def find(self, digest: str) -> Known | None:
        """What is known of the SHA-256 (hex) of a token."""
        return self._known.get(digest)

    @property
    def is_fresh(self) -> bool:
        """Whether the database was read lately: else nobody knows what was revoked."""
        return self._clock() - self._read_at <= LONGEST

    def __len__(self) -> int:
        """How many tokens are known, those that have ended among them."""
        return len(self._digests)

    def start(self) -> None:
        """Look from now on, in a thread."""
        self._thread = threading.Thread(target=self._watch, name="switchman tokens", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)
            self._thread = None

    def look(self) -> None:
        """Take what was changed. Raises SQLAlchemyError where the database does not answer."""
        now = self._clock()
        whole = now - self._whole_at >= WHOLE_EVERY
        changes = self._store.changes(None if whole else self._seen)
        if changes is not None:
            gone = self._digests.keys() - {one.caller.id for one in changes.tokens} if changes.whole else ()
            if gone and self._seen is not None and self._seen.origin != changes.generation.origin:
                logger.error(
                    "The database that had the tokens is another one now: %d tokens that it does not have are refused.",
                    len(gone),
                )
            self._take(changes.tokens, whole=changes.whole)
            self._seen = changes.generation
            if changes.whole:
                self._whole_at = now
        self._read_at = now

    def _take(self, tokens: tuple[Token, ...], *, whole: bool) -> None:
        known, digests = ({}, {}) if whole else (dict(self._known), dict(self._digests))
        for token in tokens:
            for digest in digests.get(token.caller.id, ()):
                known.pop(digest, None)
            digests[token.caller.id] = tuple(one.digest for one in token.secrets)
            for one in token.secrets:
                known[one.digest] = Known(one.digest, token.caller, token.revoked_at, one.valid_until)
        self._known, self._digests = known, digests

    def _watch(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self.look()
            except SQLAlchemyError as error:
                if not self._failing:
                    logger.warning(
                        "The tokens cannot be read anew: %s. Those that are known hold for %g s.",
                        type(error).__name__,
                        LONGEST,
                    )
                self._failing = True
            except Exception:  # the boundary: a thread that ends would let revoked tokens in for ever
                logger.exception("The tokens cannot be read anew.")
            else:
                self._failing = False
