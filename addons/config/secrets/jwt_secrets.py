"""JWT_SECRET: who can guess it can open the dashboard, so one that is weak or known stops the start."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections import Counter

from switchman.addons.config.secrets.randomness import drawn_bits

# 32 random hex digits are 128 bits.
MIN_CHARACTERS = 32
MIN_BITS = 112.0
JUDGED = 256  # characters: judging takes the square of them, and a key in PEM has thousands

ADVICE = (
    f"expected at least {MIN_CHARACTERS} random characters; "
    'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
)
_PLACEHOLDERS = (
    *("changeme", "change-me", "change_me", "change-this", "change_this", "replace-me", "replace_me", "placeholder"),
    *("your-secret", "your_secret", "yoursecret", "supersecret", "super-secret", "super_secret", "secret-key"),
    *("secret_key", "secretkey", "password", "passw0rd", "example", "jwt-token", "256-bit", "do-not-use"),
)

# SHA-256 of what other products ship or document as their key. Most look random, and everybody has them.
_KNOWN = {
    # docker/.env.example and its command line: JWT_SECRET, and SECRET_KEY_BASE of its Realtime and Supavisor
    "1453cea2dc3799e9026e42b3e465e455256d5a149582e4c5b92d4c8d604731a2": "Supabase",
    "a064b502e61d27e94b8717290e5e1b32e36720e9fbdf952ec81a84c07128cb37": "Supabase",
    "52f004438faf780274c9c95f79d1cf39d2355fbcf035899fc0242b1437f30df3": "Supabase",
    # .env.example: JWT_SECRET, JWT_REFRESH_SECRET, CREDS_KEY
    "69024f21e9ad17594dcccd93e87399af24a5426ccfe6108d1787f0335966abc4": "LibreChat",
    "282ad5f60261639fefed381976b4d0dde52eab5527a1ab2ec75d5be1efa1165b": "LibreChat",
    "7c1154b5152983978147ea87e4a2066d4768673e9d85d6a792cddc2f784efd2f": "LibreChat",
    # docker/.env.example: SECRET_KEY
    "0f44b34c6311bcb547867d393c1c56e6564e03d905fdd023637f549358bf3670": "Dify",
    # docker-compose examples: NEXT_AUTH_SECRET, KEY_VAULTS_SECRET
    "36655cfbf31339b14a22256a2152e71eca418bff40f4fd77b2cd9a0018ea6eaf": "LobeChat",
    "46be7a9c83b1fb2fb33b26489d82ef2b8d7cca58c09634636efc603140ed698b": "LobeChat",
    "19c9aad3e225868da2b0774fe565ebdac57b311dc6badcb7c8e02a1d776e69af": "LobeChat",
    # docs/tutorial/security/oauth2-jwt
    "570dad43de1af4c925f92c16a68a50936da42b7dd6fdeb24850507a1199aac89": "FastAPI's tutorial",
    # several, copied into thousands of repositories
    "3354cfcf65c7b2e6840ea6f880aede239750cb1d063950c4e8fd9fbf9ec73a32": "a tutorial for Spring",
    "bf0b62edab9c25ed15d8ad7487c3e0a987c279f477c98cc00863147ecb4d9d71": "a tutorial for Spring",
    "15723f3c35762c4a261e323ccab4cc89180cd14e15768533d8ee6e952f4ab753": "a tutorial for Spring",
    "c6a7a7464700e84ef0ed34dde91a0230136e88d8ce1c6372f5cbe8bfe50b78b2": "a tutorial for Spring",
    # its examples
    "465d9ad5d5528ebe287b5dce4fb51620833d09b290e49ddcc70ca6c4a0aea01b": "jwt.io",
    "40072d61eaecd7b8309ffbe4aa3826c30969711106c3ee0072719d97ae3d92c9": "jwt.io",
}


def secret_weakness(secret: str) -> str | None:
    """Why a secret is too easy to guess, without repeating any of it. None for one that is good enough."""
    if len(secret) < MIN_CHARACTERS:
        return f"{len(secret)} characters"
    if product := _KNOWN.get(hashlib.sha256(secret.strip().encode("utf-8", "surrogatepass")).hexdigest()):
        return f"it is the one that {product} ships or documents, which everybody knows"
    if any(word in secret.lower() for word in _PLACEHOLDERS):
        return "it looks like a placeholder"
    if secret in (secret + secret)[1:-1]:
        return "it repeats itself"
    secret = secret[:JUDGED]
    if not secret.isascii():
        return "it is text, as its characters are not those that are drawn"
    if re.fullmatch(r"[\d\W_]*", secret):
        return "it has no letters"
    if (text := _decoded(secret)) is not None and drawn_bits(text) is None:
        return "it is text in another writing (hex or base64)"
    if any(_is_strong(part) for part in (secret, *re.split(r"[\s._:=-]+", secret))):
        return None
    return (
        "it is made of words (drawn ones, as diceware's, cannot be told from a sentence), dates, repeats or rows of "
        "keys, or of few different characters"
    )


def _is_strong(text: str) -> bool:
    if len(text) < MIN_CHARACTERS:
        return False
    shares = [count / len(text) for count in Counter(text).values()]
    by_characters = -sum(share * math.log2(share) for share in shares) * len(text)
    bits = drawn_bits(text)
    # Of 32 hex digits that were drawn some are missing and some come more often: about 115 bits by their counts.
    return bits is not None and bits >= MIN_BITS and by_characters >= 96.0


def _decoded(secret: str) -> str | None:
    """The text that this is the hex or base64 of; None where it is no text, as random bytes are none."""
    for decode in (bytes.fromhex, lambda text: base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)):
        try:
            found = decode(secret).decode("ascii")
        except ValueError:
            continue
        if len(found) >= MIN_CHARACTERS // 2 and found.isprintable():
            return found
    return None
