"""How the body of an attempt differs from the client's: written down with the attempt, and made again from that.

`sent` says it in a word, or by a digest:

    AS_IT_CAME      the server got the client's own bytes
    BY_EDITS        the client's text, with `edits` made in it
    WITH_REDACTION  with placeholders for what is private, which are not written down
    OTHERWISE       edited in another way: a form
    (32 hex digits) translated: the beginning of the SHA-256 of what was sent, by which a translation that is made again
                    is known for the very one
    None            nobody looked: a row of before, or a body of more than MOST_HASHED characters

Edits are written as `[path, value]`, and `[path]` for what was taken out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from switchman.addons.core.request.jsonedit import REMOVE

AS_IT_CAME: Final = "as it came"
BY_EDITS: Final = "edited"
WITH_REDACTION: Final = "redacted"
OTHERWISE: Final = "otherwise"
DIGITS: Final = 32
MOST_HASHED: Final = 131_072  # characters: a tenth of a millisecond of the event loop's time

Written = tuple[tuple[Any, ...], ...]


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:DIGITS]


def written(edits: dict[tuple[str | int, ...], Any]) -> Written:
    return tuple((list(path),) if value is REMOVE else (list(path), value) for path, value in edits.items())


def read(found: Iterable[Sequence[Any]]) -> dict[tuple[str | int, ...], Any]:
    """The edits, for jsonedit.edit()."""
    return {tuple(one[0]): one[1] if len(one) > 1 else REMOVE for one in found}
