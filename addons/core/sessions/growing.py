"""Sessions without a name: equal first messages are one only where a conversation grows from them.

A loop of a script, a health check, or whatever asks for a title sends the same request again and again. None of these
goes on from the one before, so each is a session of its own but the first, which is known by how it begins. What has
answers in it goes on from the last one that began alike. It is what this process has seen: in another one, the first
request that begins alike is that of its beginning again, so that a conversation is one session in all of them.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import replace
from typing import Final

from switchman.addons.core.access.session import BY_BEGINNING, DIGITS
from switchman.addons.core.sessions.membership import Membership

MOST: Final = 10_000  # beginnings that are remembered, the newest


class Growing:
    """Of one process."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._last: OrderedDict[str, str] = OrderedDict()  # by the beginning's digest: its newest session

    def placed(self, member: Membership, request_id: str) -> Membership:
        """The request in its session. To be asked once for each, when it has ended."""
        begins = member.session
        if begins is None or not begins.startswith(BY_BEGINNING):
            return member
        known = self._last.pop(begins, None)
        session = known or begins
        if member.opens and known is not None:
            session = BY_BEGINNING + _digits(begins, request_id)
        self._last[begins] = session
        if len(self._last) > self._most:
            self._last.popitem(last=False)
        return replace(member, session=session)


def _digits(begins: str, request_id: str) -> str:
    text = f"again\0{begins}\0{request_id}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[: DIGITS - len(BY_BEGINNING)]
