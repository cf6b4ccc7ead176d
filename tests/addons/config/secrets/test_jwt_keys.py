"""JWT_PUBLIC_KEY: which keys are taken, and whose tokens no server may see."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from switchman.addons.config.secrets.jwt_keys import DASHBOARD, is_signed_for_us, pem_of, public_keys

SECRET = "a test's secret, 32 bytes and longer"


def public_pem(private) -> str:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_a_keys_type_fixes_its_algorithm(rsa_key, ec_key, tmp_path: Path) -> None:
    """Given as text, as one line with backslashes, or as a file; several may stand in one."""
    both = public_pem(rsa_key) + public_pem(ec_key)
    (tmp_path / "keys.pem").write_text(both)
    for given in (both, both.replace("\n", "\\n"), str(tmp_path / "keys.pem")):
        assert [one.algorithm for one in public_keys(pem_of(given))] == ["RS256", "ES256"]


def test_a_certificate_has_its_key(tmp_path: Path) -> None:
    """Some providers publish one."""
    import trustme

    pem = trustme.CA(key_type=trustme.KeyType.ECDSA).cert_pem.bytes().decode()
    assert [one.algorithm for one in public_keys(pem_of(pem))] == ["ES256"]


def test_what_cannot_be_used_is_refused_and_not_repeated(rsa_key, tmp_path: Path) -> None:
    """A private key, a short one, other kinds, a secret, no file, a folder, half a key."""
    private = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    short = public_pem(rsa.generate_private_key(65537, 1024))
    for given, why in [
        (private, "private key"),
        (public_pem(rsa_key) + private, "private key"),
        (short, "1024 bits"),
        (public_pem(ed25519.Ed25519PrivateKey.generate()), "kind of key"),
        (public_pem(ec.generate_private_key(ec.SECP384R1())), "kind of key"),
        (SECRET, "public key in PEM"),
        (str(tmp_path), "a folder"),
        (public_pem(rsa_key)[:-30], "public key in PEM"),
        (public_pem(rsa_key) + "-----BEGIN PUBLIC KEY-----\n", "public key in PEM"),
        (public_pem(rsa_key) * 17, "17 keys"),
        (public_pem(rsa_key).replace("M", "!", 3), "public key in PEM"),
    ]:
        with pytest.raises(ValueError, match=why) as refused:
            pem_of(given)
        assert SECRET not in str(refused.value) and private[60:100] not in str(refused.value)


def test_no_server_sees_a_token_that_opens_the_dashboard(rsa_key) -> None:
    """Ours by its signature alone; another's where it is for us, as others of theirs may be for the servers."""
    pem = public_pem(rsa_key)
    ours = jwt.encode({"aud": "else", "exp": 1}, SECRET, "HS256")
    theirs, for_others = (
        jwt.encode({"aud": audience, "exp": 1}, rsa_key, "RS256") for audience in (["x", DASHBOARD], "a-server")
    )
    found = [is_signed_for_us(token, SECRET, pem, DASHBOARD) for token in (ours, theirs, for_others, "a.b.c", "")]
    assert found == [True, True, False, False, False]
    assert not is_signed_for_us(ours, None, pem, DASHBOARD) and not is_signed_for_us(theirs, SECRET, None, DASHBOARD)
