"""What seals a value, and what opens it."""

from __future__ import annotations

import pytest

from switchman.addons.store.access.sealing import MasterKey, Unopened, new_master

ONE, TWO = MasterKey(bytes(range(32))), MasterKey(bytes(range(1, 33)))


def test_what_was_sealed_opens() -> None:
    """With the same master key, name and version, and characters of any kind."""
    nonce, sealed = ONE.seal("openai", 3, "sk-ü€")
    assert ONE.open("openai", 3, nonce, sealed) == "sk-ü€"


@pytest.mark.parametrize(
    ("master", "name", "version"), [(TWO, "openai", 3), (ONE, "other", 3), (ONE, "openai", 2), (ONE, "openai3", 3)]
)
def test_nothing_else_opens_it(master: MasterKey, name: str, version: int) -> None:
    """Neither another master key, nor the row under another name or as another version."""
    nonce, sealed = ONE.seal("openai", 3, "sk-secret")
    with pytest.raises(Unopened):
        master.open(name, version, nonce, sealed)


@pytest.mark.parametrize("place", [0, 5, -1])
def test_a_changed_bit_is_noticed(place: int) -> None:
    """In the value, in its tag, and in the nonce."""
    nonce, sealed = ONE.seal("openai", 1, "sk-secret")
    changed = bytearray(sealed)
    changed[place] ^= 1
    with pytest.raises(Unopened):
        ONE.open("openai", 1, nonce, bytes(changed))
    with pytest.raises(Unopened):
        ONE.open("openai", 1, bytes([nonce[0] ^ 1]) + nonce[1:], sealed)
    with pytest.raises(Unopened):
        ONE.open("openai", 1, nonce[:4], sealed)


def test_the_same_value_is_sealed_differently_each_time() -> None:
    """A nonce of 96 bits is drawn for each; the fingerprint stays, and is another one under another master key."""
    sealed = {ONE.seal("openai", 1, "sk-secret") for _ in range(100)}
    assert len({nonce for nonce, _ in sealed}) == len({data for _, data in sealed}) == 100
    assert all(len(nonce) == 12 for nonce, _ in sealed)
    assert ONE.fingerprint("sk-secret") == ONE.fingerprint("sk-secret") != ONE.fingerprint("sk-secreT")
    assert ONE.fingerprint("sk-secret") != TWO.fingerprint("sk-secret")


def test_a_master_key_shows_nothing_of_itself() -> None:
    """Not in its repr, and its id is not part of it."""
    master = new_master("a file")
    assert master.key.hex() not in repr(master) and str(master.key) not in repr(master)
    assert master.id not in master.key.hex() and len(master.id) == 16 and master.id != ONE.id
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKey(b"short")
