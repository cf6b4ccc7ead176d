"""Our own API tokens as texts: `sk-sw-` and 43 letters and digits, which hold 256 random bits in base 62.

Nothing but letters and digits follows the prefix, so that a double click takes the whole token, and a look for one in
any text knows where it ends. All that is kept of a token is its SHA-256: of so many random bits nothing can be guessed
from it, and no salt is needed.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

PREFIX: Final = "sk-sw-"
RANDOM_BYTES: Final = 32
LENGTH: Final = 43  # of what follows the prefix: 62 ** 43 is the first power that has 256 bits
HINT: Final = 4  # last characters that may be shown, so that two tokens can be told apart

_SIGNS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What has the form of a token in any text; and what was meant to be one, however long it is. Case counts in both.
SHAPE: Final = rf"{PREFIX}[0-9A-Za-z]{{{LENGTH}}}(?![0-9A-Za-z])"
_SHAPE: Final = re.compile(SHAPE)
_SHAPE_IN_BYTES: Final = re.compile(rb"sk-sw-[0-9A-Za-z]{43}")


def make(random: bytes) -> str:
    """The token for 32 random bytes."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"expected {RANDOM_BYTES} random bytes, not {len(random)}")
    number, signs = int.from_bytes(random), []
    for _ in range(LENGTH):
        number, place = divmod(number, len(_SIGNS))
        signs.append(_SIGNS[place])
    return PREFIX + "".join(reversed(signs))


def is_token(text: str) -> bool:
    """Whether this has the form of a token, whoever made it."""
    return _SHAPE.fullmatch(text) is not None


def digest_of(token: str) -> str:
    """The SHA-256 in hex, by which a token is kept and looked up."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def hint_of(token: str) -> str:
    """The end of a token, which may be shown."""
    return token[-HINT:]


def masked_in(data: bytes) -> bytes:
    """Bytes, with asterisks for each token in them; as many as there were. The same object where there is none."""
    if PREFIX.encode() not in data:
        return data
    return _SHAPE_IN_BYTES.sub(lambda found: b"*" * len(found[0]), data)
