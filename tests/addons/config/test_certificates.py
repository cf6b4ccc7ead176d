"""Files of certificates, looked at before anything depends on them."""

from __future__ import annotations

import hashlib
import os
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from switchman.addons.config.certificates import Certificates
from switchman.addons.core.servers.reaching.reach import PemFile


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    """ca.pem, own.pem (certificate and key), cert.pem, key.pem, and others that are wrong."""
    own, other = authority.issue_cert("a.example"), authority.issue_cert("b.example")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    (tmp_path / "cert.pem").write_bytes(own.cert_chain_pems[0].bytes())
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    other.private_key_pem.write_to_path(str(tmp_path / "other.key"))
    key = load_pem_private_key(own.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    (tmp_path / "locked.key").write_bytes(locked)
    (tmp_path / "ca.der").write_bytes(ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode()))
    (tmp_path / "empty.pem").write_bytes(b"")
    (tmp_path / "torn.pem").write_bytes(authority.cert_pem.bytes()[:200])
    return tmp_path


def pem(file: Path) -> PemFile:
    return PemFile(str(file), hashlib.sha256(file.read_bytes()).hexdigest())


def test_good_files_are_taken_with_their_digest(folder: Path) -> None:
    """Names are taken from the folder on, or are whole."""
    found = Certificates(folder)
    assert found.authorities("ca.pem") == found.authorities(str(folder / "ca.pem")) == pem(folder / "ca.pem")
    assert found.identity("own.pem", None) == (pem(folder / "own.pem"), None)
    assert found.identity("cert.pem", "key.pem") == (pem(folder / "cert.pem"), pem(folder / "key.pem"))
    assert found.folder(".") == str(folder / ".")


def test_the_home_folder_may_be_meant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell would have it."""
    monkeypatch.setenv("HOME", str(folder))
    assert Certificates(Path("/")).authorities("~/ca.pem") == pem(folder / "ca.pem")
    with pytest.raises(ValueError, match="no such home folder"):
        Certificates(folder).authorities("~nobody-here/ca.pem")


@pytest.mark.parametrize("name", ["nowhere.pem", ".", "empty.pem", "torn.pem", "ca.der", "key.pem", "large.pem"])
def test_what_is_no_authority_is_told(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the whole name of the file."""
    if name == "large.pem":
        (folder / name).write_bytes(b"x" * 101)
        monkeypatch.setattr("switchman.addons.config.certificates.MAX_FILE_BYTES", 100)
    told = {
        "nowhere.pem": "there is no such file",
        ".": "is a folder: expected a file",
        "large.pem": "larger than 100 bytes",
        "ca.der": "this is binary",
    }.get(name, "holds no certificate that can be read; expected PEM")
    with pytest.raises(ValueError, match=told) as error:
        Certificates(folder).authorities(name)
    assert str(folder / name) in str(error.value)


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        ("nowhere.pem", None, "nowhere.pem: there is no such file"),
        ("cert.pem", "nowhere.key", "nowhere.key: there is no such file"),
        ("key.pem", None, "key.pem holds no certificate that can be read; expected PEM"),
        (
            "cert.pem",
            None,
            "cert.pem holds no private key that can be read; add it there, or name its file in client_key",
        ),
        ("cert.pem", "ca.pem", "ca.pem holds no private key that can be read"),
        ("cert.pem", "other.key", "other.key is not the key of the first certificate in .*cert.pem"),
        ("cert.pem", "locked.key", "the key in .*locked.key is encrypted"),
    ],
)
def test_what_is_no_identity_is_told(folder: Path, certificate: str, key: str | None, told: str) -> None:
    """Whatever is the matter with the one or the other."""
    with pytest.raises(ValueError, match=told):
        Certificates(folder).identity(certificate, key)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(folder: Path) -> None:
    """In the system's words."""
    (folder / "ca.pem").chmod(0)
    with pytest.raises(ValueError, match="cannot be read: Permission denied"):
        Certificates(folder).authorities("ca.pem")


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    """Nor is a device read without end."""
    os.mkfifo(folder / "pipe.pem")
    for name in ("pipe.pem", "/dev/zero"):
        with pytest.raises(ValueError, match=r"is a pipe|is a device"):
            Certificates(folder).authorities(name)


def test_what_is_no_folder_is_told(folder: Path) -> None:
    """A file is none."""
    for name in ("nowhere", "ca.pem"):
        with pytest.raises(ValueError, match=f"{name} is no folder"):
            Certificates(folder).folder(name)


def test_each_file_is_read_once_and_remembered_as_looked_at(folder: Path) -> None:
    """Thousands of servers may name the same; one that is not there yet is to be watched for."""
    found = Certificates(folder)
    first = found.authorities("ca.pem")
    (folder / "ca.pem").unlink()
    assert found.authorities("ca.pem") is first
    with pytest.raises(ValueError, match="no such file"):
        found.authorities("later.pem")
    assert found.looked_at == {folder / "ca.pem", folder / "later.pem"}
