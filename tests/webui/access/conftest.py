"""Tokens of other signers, and the words of our own pages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def public_pem() -> Callable[[Any], str]:
    def pem(private: Any) -> str:
        return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    return pem


@pytest.fixture
def sign() -> Callable[..., str]:
    """A token that is good for an hour unless its claims say otherwise."""

    def make(key: Any, algorithm: str, **claims: Any) -> str:
        whole = {"aud": "switchman-dashboard", "exp": int(time.time()) + 3600, "role": "viewer"} | claims
        return jwt.encode({name: value for name, value in whole.items() if value is not None}, key, algorithm)

    return make


@pytest.fixture
def word_of() -> Callable[..., str]:
    """The CSRF word that a page of this client has."""

    def find(client: FlaskClient, page: str = "/tokens/new", **options: Any) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get(page, **options).text)
        assert found, page
        return found[1]

    return find
