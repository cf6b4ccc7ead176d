"""JWT_PUBLIC_KEY: the key of whoever else signs tokens for the dashboard, such as a company's single sign-on.

A key says by its type which algorithm holds for it: RSA is RS256, the curve P-256 is ES256 (RFC 7518 section 3.1).
What a token's own header says counts for nothing: a public key taken for the secret of HS256 would open everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from switchman.addons.config.regular import Unreadable, read_file

LEAST_RSA_BITS = 2048  # RFC 7518 section 3.3
MOST_BYTES = 65_536
MOST_KEYS = 16  # a provider that changes its key has two for a while
DASHBOARD = "switchman-dashboard"  # the audience of its tokens

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----")
_EXPECTED = "expected a public key in PEM (-----BEGIN PUBLIC KEY-----), or the path of a file with one"

# For what is no more than taken out of a request: whatever else the token says.
SIGNATURE_ONLY = {"verify_signature": True} | dict.fromkeys(
    ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key, and the only algorithm that is believed with it."""

    key: RSAPublicKey | EllipticCurvePublicKey
    algorithm: Literal["RS256", "ES256"]


def pem_of(text: str) -> str:
    """The PEM that a setting gives, or names the file of. Raises ValueError, which repeats none of it."""
    if "-----BEGIN" in text:
        pem = text.replace("\\n", "\n")  # as a line of an environment file has it
    else:
        try:
            pem = read_file(Path(text), MOST_BYTES).decode("ascii")
        except FileNotFoundError:
            raise ValueError(f"{_EXPECTED}; there is no such file") from None
        except Unreadable as error:
            raise ValueError(f"{_EXPECTED}; the file {error}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{_EXPECTED}; the file is no text") from None
    public_keys(pem)
    return pem


@lru_cache(maxsize=8)
def public_keys(pem: str) -> tuple[PublicKey, ...]:
    """The keys, and those of certificates, in a text. Raises ValueError where one of them cannot be used."""
    blocks = list(_BLOCK.finditer(pem))
    if "PRIVATE KEY" in pem:
        raise ValueError("this is a private key, which belongs to whoever signs: only its public key is needed here")
    if not blocks or len(blocks) != pem.count("-----BEGIN"):
        raise ValueError(_EXPECTED)
    if len(blocks) > MOST_KEYS:
        raise ValueError(f"{len(blocks)} keys: at most {MOST_KEYS} are looked at")
    return tuple(_public_key(block[0], block[1]) for block in blocks)


def _public_key(pem: str, kind: str) -> PublicKey:
    try:
        if kind == "CERTIFICATE":
            key: object = x509.load_pem_x509_certificate(pem.encode()).public_key()
        else:
            key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"{_EXPECTED}; this one cannot be read") from None
    if isinstance(key, RSAPublicKey):
        if key.key_size < LEAST_RSA_BITS:
            raise ValueError(f"an RSA key of {key.key_size} bits is too short: {LEAST_RSA_BITS} at least")
        return PublicKey(key, "RS256")
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return PublicKey(key, "ES256")
    raise ValueError("this kind of key is not used here: RSA (RS256) or the curve P-256 (ES256)")


def is_signed_for_us(token: str, secret: str | None, pem: str | None, audience: str) -> bool:
    """Whether a token opens our dashboard, or did or will: no server may see it.

    With our secret: by its signature alone. With another's key: where it is for our audience; others of theirs may be
    for the servers.
    """
    if token.count(".") != 2:
        return False
    if secret is not None and _is_signed(token, secret, "HS256") is not None:
        return True
    for one in public_keys(pem) if pem else ():
        if (claims := _is_signed(token, one.key, one.algorithm)) is not None:
            given = claims.get("aud")
            return audience in (given if isinstance(given, list) else [given])
    return False


def _is_signed(
    token: str, key: str | RSAPublicKey | EllipticCurvePublicKey, algorithm: str
) -> dict[str, object] | None:
    try:
        claims: dict[str, object] = jwt.decode(token, key, algorithms=[algorithm], options=SIGNATURE_ONLY)  # type: ignore[arg-type]
    except jwt.PyJWTError:
        return None
    return claims
