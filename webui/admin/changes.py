"""Tokens and keys are made, changed and ended here, and who did it is written down.

Raises Refused, with a sentence for a person and a status, for what cannot be done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy.exc import DBAPIError

from switchman.addons.core.access.caller import Terms
from switchman.addons.store.access.audit import How, Who, token_facts
from switchman.addons.store.access.opening import Access
from switchman.addons.store.access.tokens import Token, TokenError
from switchman.addons.store.access.vault import NAME, KeyEntry, Vault, VaultError
from switchman.addons.store.database import StoreError
from switchman.addons.store.keeping.forgetting import Forgotten, Wanted
from switchman.webui.access.people import address_of, person, web_config
from switchman.webui.languages.said import Said
from switchman.webui.looks.marked import N_

logger = logging.getLogger(__name__)

MOST_GRACE = 30 * 86_400.0  # seconds


class Refused(Said):
    """The message is for whoever asked; `field` is what it is about, "" for all of it.

    Said by `str` to programs, in English, and by `words` to pages.
    """

    def __init__(self, message: str, status: int = 409, field: str = "", **values: object) -> None:
        super().__init__(message, **values)
        self.status = status
        self.field = field

    def __str__(self) -> str:
        return _sentence(super().__str__())

    def words(self) -> str:
        return _sentence(super().words())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def who(how: How) -> Who:
    """Whoever sends this request."""
    found = person()
    return Who(found.name, how, found.role.word, address_of(web_config()))


def access() -> Access:
    """Where tokens and changes are kept."""
    found = web_config().access
    if found is None:
        raise Refused(N_("there is no database of tokens here"), 503)
    return found


@contextmanager
def vault() -> Iterator[Vault]:
    """The vault, for one change."""
    opened = web_config().vault
    if opened is None:
        raise Refused(N_("there is no vault here"), 503)
    try:
        with opened() as found:
            yield found
    except VaultError as error:
        raise Refused(str(error)) from None
    except StoreError as error:
        raise Refused(str(error), 503) from None


def key_entries() -> list[KeyEntry]:
    """All keys of the vault, by name. To look at them makes no master key where there is none yet."""
    if web_config().vault is None:
        raise Refused(N_("there is no vault here"), 503)
    try:
        return Vault(access().engine).entries()
    except VaultError as error:
        raise Refused(str(error), 503) from None


class Changes:
    """Changes by one person, in one of the ways to ask for them."""

    def __init__(self, how: How) -> None:
        self._who = who(how)
        self._access = access()

    def create_token(self, terms: Terms) -> tuple[Token, str]:
        """Returns the token with its text, which nobody can read again."""
        now = time.time()
        if terms.expires_at is not None and terms.expires_at <= now:
            raise Refused(N_("it would have expired already"), 422, "expires_at")
        with _told("name"):
            token, text = self._access.tokens.create(terms, now)
        self._note("token.create", terms.name, None, token_facts(token))
        return token, text

    def update_token(self, which: str, change: Callable[[Terms], Terms]) -> Token:
        find_token(which)
        with _told("name"):
            before, after = self._access.tokens.amend(which, change)
        if after is not before:
            self._note("token.change", after.caller.name, token_facts(before), token_facts(after))
        return after

    def revoke_token(self, which: str) -> Token:
        before = find_token(which)
        after = self._access.tokens.revoke(before.caller.id, time.time())
        if before.revoked_at is None:
            self._note("token.revoke", before.caller.name, token_facts(before), None)
        return after

    def rotate_token(self, which: str, grace: float) -> tuple[Token, str]:
        """`grace`: seconds that the old text holds besides the new one."""
        before = find_token(which)
        if not 0 <= grace <= MOST_GRACE:
            message = N_("the old one holds for 0 to %(most)s seconds")
            raise Refused(message, 422, "grace_seconds", most=f"{MOST_GRACE:g}")
        with _told():
            token, text = self._access.tokens.rotate(before.caller.id, grace, time.time())
        self._note("token.rotate", before.caller.name, None, {"id": token.caller.id, "grace_seconds": grace})
        return token, text

    def set_key(self, name: str, value: str) -> KeyEntry:
        """Add a key to the vault. Nothing that is returned or written down has any of its value."""
        if not NAME.fullmatch(name):
            raise Refused(N_("a name has letters, digits, dots, hyphens and `_`, at most 100 of them"), 422, "name")
        with vault() as opened:
            entry = opened.set(name, value)
        self._note("key.set", name, None, asdict(entry))
        return entry

    def rotate_key(self, name: str, value: str) -> KeyEntry:
        with vault() as opened:
            before = _entry(opened, name)
            entry = opened.rotate(name, value)
        self._note("key.rotate", name, asdict(before), asdict(entry))
        return entry

    def delete_key(self, name: str, force: bool = False) -> None:
        """`force`: also if the rules name it, so that they are not good any more."""
        if not force and (where := named_at(name)):
            message = N_("the rules name vault:%(name)s at %(where)s: take it out there first, or force it")
            raise Refused(message, 409, "force", name=name, where=where)
        with vault() as opened:
            before = _entry(opened, name)
            opened.delete(name)
        self._note("key.delete", name, asdict(before), None)

    def clear_cache(self) -> int:
        """Forget every answer that the caches keep; how many there were."""
        elsewhere = web_config().elsewhere
        if elsewhere is None:
            raise Refused(N_("there is no cache on disk here"), 503)
        try:
            gone = elsewhere.clear_answers()
        except OSError as error:
            raise Refused(N_("the caches are in use: %(error)s"), 503, error=error) from None
        self._note("cache.clear", "all", None, {"answers": gone})
        return gone

    def forget(self, wanted: Wanted) -> Forgotten:
        """Remove requests from the log for good."""
        forgets = web_config().forgets
        if forgets is None:
            raise Refused(N_("there is no log here"), 503)
        try:
            done = forgets(wanted)
        except Exception as error:
            self._note("log.forget", str(wanted), None, {"stopped": "some of it may be forgotten"})
            if isinstance(error, OSError):
                raise Refused(N_("stopped, some may be forgotten: %(error)s"), 503, error=error) from None
            raise
        self._note("log.forget", str(wanted), None, asdict(done))
        return done

    def _note(self, what: str, target: str, before: Any, after: Any) -> None:
        try:
            self._access.audit.record(self._who, what, target, before, after)
        except DBAPIError:
            logger.error("%s of %r by %s is done, and could not be written down", what, target, self._who.name)
            raise


def named_at(name: str) -> str | None:
    """The first place of the rules that names a key, as `file:line`."""
    return web_config().named_at(name)


def find_token(which: str) -> Token:
    """By id or name; Refused as 404 where there is none."""
    try:
        return access().tokens.get(which)
    except TokenError as error:
        raise Refused(str(error), 404) from None


def _entry(opened: Vault, name: str) -> KeyEntry:
    found = next((entry for entry in opened.entries() if entry.name == name), None)
    if found is None:
        raise Refused(N_("there is no key with the name %(name)s"), 404, name=repr(name[:100]))
    return found


@contextmanager
def _told(field: str = "") -> Iterator[None]:
    try:
        yield
    except TokenError as error:
        raise Refused(str(error), 409, field) from None
