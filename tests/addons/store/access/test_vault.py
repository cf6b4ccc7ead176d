"""Keys of providers in the database: set, rotated, deleted, sealed anew, and never readable in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text, update

from switchman.addons.store import Store
from switchman.addons.store.access.sealing import MasterKey
from switchman.addons.store.access.tables import provider_keys
from switchman.addons.store.access.vault import Vault, VaultError, WrongMaster, state_of
from switchman.addons.store.database import database_url, make_engine, upgrade, writing

ONE, TWO = MasterKey(bytes(range(32)), "one"), MasterKey(bytes(range(1, 33)), "two")
SECRET = "sk-Secret-Of-The-Vault-01"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = make_engine(database_url(None, tmp_path / "requests.db"))
    upgrade(made)
    yield made
    made.dispose()


@pytest.fixture
def vault(engine: Engine) -> Vault:
    return Vault(engine, [ONE])


def test_on_every_kind_of_database(store: Store) -> None:
    """SQLite and PostgreSQL keep, change, seal anew and let go of a key alike."""
    vault = Vault(store.engine, [ONE])
    vault.set("openai", SECRET)
    vault.rotate("openai", "sk-another-one-02")
    assert vault.rekey(TWO) == 1 and Vault(store.engine, [TWO]).read("openai") == "sk-another-one-02"
    vault.delete("openai")
    assert vault.rows() == [] and vault.has_begun()


def test_a_key_is_set_and_read(vault: Vault) -> None:
    """Without the line break that `echo` adds; what is listed has nothing of it."""
    entry = vault.set("openai", f"{SECRET}\n", now=1000.0)
    assert vault.read("openai") == SECRET
    assert vault.entries() == [entry]
    assert (entry.name, entry.version, entry.created_at, entry.set_at) == ("openai", 1, 1000.0, 1000.0)
    assert SECRET not in repr(entry) and vault.check() == 1


def test_the_database_has_it_nowhere_in_clear(vault: Vault) -> None:
    """Neither the value nor the master key, in any column of the row."""
    vault.set("openai", SECRET)
    (row,) = vault.rows()
    everything = b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in row.values())
    assert SECRET.encode() not in everything and ONE.key not in everything and ONE.key.hex().encode() not in everything


def test_rotating_is_another_version(vault: Vault) -> None:
    """The name, and when it was made, stay; the state of the vault is another one even for the same value."""
    before = vault.set("openai", SECRET, now=1000.0)
    state = state_of(vault.rows())
    after = vault.rotate("openai", "sk-another-one-02", now=2000.0)
    assert (after.version, after.created_at, after.set_at) == (2, 1000.0, 2000.0)
    assert after.fingerprint != before.fingerprint and vault.read("openai") == "sk-another-one-02"
    again = state_of(vault.rows())
    vault.rotate("openai", "sk-another-one-02")
    assert len({state, again, state_of(vault.rows())}) == 3


def test_neither_is_taken_for_the_other(vault: Vault) -> None:
    """Setting a key that is there would lose it; rotating one that is not there was meant for another name."""
    vault.set("openai", SECRET)
    with pytest.raises(VaultError, match="there is a key openai already: `switchman key rotate openai`"):
        vault.set("openai", "sk-another-one-02")
    with pytest.raises(VaultError, match="no key opnai is in the vault; there are: openai"):
        vault.rotate("opnai", "sk-another-one-02")
    assert vault.read("openai") == SECRET


def test_deleting(vault: Vault) -> None:
    """It is gone; a second time it is said that there is none."""
    vault.set("openai", SECRET)
    vault.delete("openai")
    assert vault.entries() == []
    for gone in (lambda: vault.read("openai"), lambda: vault.delete("openai")):
        with pytest.raises(
            VaultError, match=r"no key openai is in the vault, which is empty. `switchman key set openai`"
        ):
            gone()


@pytest.mark.parametrize("name", ["", ".hidden", "two words", "a/b", "x" * 101, "naïve", "a\nb"])
def test_names(vault: Vault, name: str) -> None:
    """They stand in the rules after vault:, so they are of few kinds of characters."""
    with pytest.raises(VaultError, match="no name of a key"):
        vault.set(name, SECRET)


@pytest.mark.parametrize("name", ["sk-proj-Abc123Def456Ghi789", "0123456789abcdef0123456789abcdef"])
def test_a_key_in_the_place_of_its_name(vault: Vault, name: str) -> None:
    """Names are shown and kept in clear, so what looks like a key is none, and is not repeated."""
    with pytest.raises(VaultError, match="looks like a key itself") as caught:
        vault.set(name, SECRET)
    assert name not in str(caught.value) and vault.entries() == []


@pytest.mark.parametrize(
    ("value", "why"), [("", "empty"), ("a\nb", "line break"), ("kéy", "not ASCII"), ("x" * 9000, "longer")]
)
def test_values(vault: Vault, value: str, why: str) -> None:
    """What could not be sent in a header is refused at once, without repeating it."""
    with pytest.raises(VaultError, match=why) as caught:
        vault.set("openai", value)
    assert not value or value not in str(caught.value)


def test_another_master_key_is_refused(engine: Engine, vault: Vault) -> None:
    """For reading, for checking, and for adding: there are never two beside each other."""
    vault.set("openai", SECRET)
    other = Vault(engine, [TWO])
    for refused in (
        other.check,
        lambda: other.read("openai"),
        lambda: other.set("more", "x"),
        lambda: other.rekey(ONE),
    ):
        with pytest.raises(
            WrongMaster, match=rf"openai was sealed by another .*id {ONE.id}.* that of two .id {TWO.id}"
        ):
            refused()
    with pytest.raises(WrongMaster, match="than any there is"):
        Vault(engine).check()
    assert [entry.name for entry in vault.entries()] == ["openai"]


@pytest.mark.parametrize("change", [{"name": "other"}, {"version": 1}, {"sealed": b"x" * 40}, {"nonce": b"x" * 12}])
def test_a_changed_row_is_refused(engine: Engine, vault: Vault, change: dict[str, Any]) -> None:
    """Under another name, taken back to an earlier version, or with other bytes."""
    vault.set("openai", SECRET)
    vault.rotate("openai", "sk-another-one-02")
    with writing(engine) as conn:
        conn.execute(update(provider_keys).values(change))
    with pytest.raises(WrongMaster, match="does not open: its row in the database was changed"):
        vault.check()


def test_sealing_anew(engine: Engine, vault: Vault) -> None:
    """All keys open by the new master key only; versions, names and times are as before."""
    vault.set("a", "value-a", now=1.0)
    vault.set("b", "value-b", now=2.0)
    assert vault.rekey(TWO) == 2
    with pytest.raises(WrongMaster):
        Vault(engine, [ONE]).check()
    fresh = Vault(engine, [TWO])
    assert (fresh.read("a"), fresh.read("b"), vault.read("a")) == ("value-a", "value-b", "value-a")
    assert [(e.name, e.version, e.set_at, e.master) for e in fresh.entries()] == [
        ("a", 1, 1.0, TWO.id),
        ("b", 1, 2.0, TWO.id),
    ]


def test_sealing_anew_is_interrupted(engine: Engine, vault: Vault) -> None:
    """After any number of rows: every key is as it was."""
    for name in ("a", "b", "c"):
        vault.set(name, f"value-{name}")
    before = vault.rows()
    updates = 0

    def interrupt(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal updates
        updates += statement.startswith("UPDATE provider_keys")
        if updates == 2:
            raise KeyboardInterrupt

    event.listen(engine, "before_cursor_execute", interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            vault.rekey(TWO)
    finally:
        event.remove(engine, "before_cursor_execute", interrupt)
    assert updates == 2 and vault.rows() == before
    assert vault.check() == 3


def test_both_master_keys_open_while_one_follows_the_other(engine: Engine, vault: Vault) -> None:
    """The first of them seals."""
    vault.set("a", "value-a")
    both = Vault(engine, [TWO, ONE])
    assert both.read("a") == "value-a"
    both.rekey(TWO)
    assert both.read("a") == "value-a"


def test_an_empty_vault_is_told_from_none(engine: Engine, vault: Vault) -> None:
    """A database whose keys were all deleted has had some; one that is new has not, until rows are put back."""
    assert not vault.has_begun()
    vault.set("a", "value-a")
    rows = vault.rows()
    vault.delete("a")
    assert vault.has_begun()
    with writing(engine) as conn:
        conn.execute(text("DELETE FROM totals WHERE name = 'vault_begun'"))
    vault.restore(rows)
    assert vault.has_begun() and vault.read("a") == "value-a"


def test_rows_that_were_lost_are_put_back(engine: Engine, vault: Vault) -> None:
    """Those that are there by then stay as they are."""
    vault.set("a", "value-a")
    vault.set("b", "value-b")
    rows = vault.rows()
    vault.delete("a")
    vault.rotate("b", "value-c")
    vault.restore(rows)
    assert (vault.read("a"), vault.read("b")) == ("value-a", "value-c")


def test_a_database_without_the_table(engine: Engine, vault: Vault) -> None:
    """It has no keys: a newer process has yet to open it."""
    with writing(engine) as conn:
        conn.execute(text("DROP TABLE provider_keys"))
    assert vault.entries() == [] and vault.check() == 0


def test_a_database_that_is_away(engine: Engine, vault: Vault) -> None:
    """It is said in a sentence, without its password."""
    with writing(engine) as conn:
        conn.execute(text("ALTER TABLE provider_keys RENAME COLUMN nonce TO other"))
    with pytest.raises(VaultError, match="which has the vault, does not answer"):
        vault.entries()
