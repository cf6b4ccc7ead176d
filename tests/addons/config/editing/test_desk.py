"""The rules file for the dashboard: no save over another's, none that the router would not take, none with a mask."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing import desk as module
from switchman.addons.config.editing.desk import Changed, Faulty, NotForYou, NotReadable, Refused, RulesDesk
from switchman.addons.config.settings import Settings
from switchman.addons.store.access.audit import Who
from switchman.addons.store.access.opening import Access, open_access

KEY = "sk-proj-abcdefghijklmnop1234567890"
TEXT = f"""\
# ours
servers: {{a: {{url: "http://127.0.0.1:9", api_key: {KEY}}}}}
routes:
  - {{name: one, route: {{model: a/m}}}} # first
"""
ALICE = Who("alice", "page", "operator")


@pytest.fixture
def access(tmp_path: Path):
    opened = open_access(None, tmp_path / "requests.db")
    yield opened
    opened.close()


@pytest.fixture
def desk(tmp_path: Path, access: Access) -> RulesDesk:
    file = tmp_path / "routes.yaml"
    file.write_text(TEXT)
    return make_desk(tmp_path, access)


def make_desk(folder: Path, access: Access | None) -> RulesDesk:
    settings = Settings(routes_config=str(folder / "routes.yaml"), db_path=str(folder / "requests.db"))
    return RulesDesk(settings, RulesFile(settings), access.rules if access else None)


def test_a_save_is_in_force_and_in_the_history(desk: RulesDesk) -> None:
    """With the key in the file, and in nothing that is returned or kept; the state of before is kept, too."""
    now = desk.read()
    assert KEY not in now.text
    saved = desk.save(now.text.replace("one", "two"), now.digest, ALICE, "a new name")
    assert desk.path.read_text() == TEXT.replace("one", "two")
    assert desk.is_in_force() and [route.name for route in desk.rules.current.routes] == ["two"]
    assert desk.history is not None and saved.version is not None
    newest, first = desk.history.list(desk.name).versions
    assert (newest.who, newest.why, newest.how, newest.digest) == ("alice", "a new name", "page", saved.digest)
    assert (first.who, first.how, first.digest) == ("by hand", "file", now.digest)
    found = desk.history.text(desk.name, newest.seq)
    assert found is not None and KEY not in found[1] and found[1] == desk.read().text


def test_the_second_of_two_is_refused(desk: RulesDesk) -> None:
    """With what the file is by then; and so is one over a change by hand."""
    now = desk.read()
    first = desk.save(now.text + "# a\n", now.digest, ALICE, "")
    with pytest.raises(Changed) as caught:
        desk.save(now.text + "# b\n", now.digest, ALICE, "")
    assert caught.value.now.digest == first.digest and caught.value.now.text.endswith("# a\n")
    desk.path.write_text(TEXT + "# by hand\n")
    with pytest.raises(Changed):
        desk.save(now.text, first.digest, ALICE, "")
    assert desk.path.read_text() == TEXT + "# by hand\n"


def test_of_many_at_once_one_is_saved(desk: RulesDesk) -> None:
    """Nobody's change is lost unseen."""
    now, refused, saved = desk.read(), [], []
    start = threading.Barrier(6)

    def save(number: int) -> None:
        start.wait()
        try:
            saved.append(desk.save(f"{now.text}# {number}\n", now.digest, ALICE, str(number)))
        except Changed as error:
            refused.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(saved), len(refused)) == (1, 5)


@pytest.mark.parametrize(
    ("change", "line"),
    [(("a/m", "b/m}, x: {"), 4), (("{name: one", "{name: [one"), 4), (("model: a/m", "modell: a/m"), 4)],
)
def test_what_the_router_would_not_take_is_refused_with_its_line(
    desk: RulesDesk, change: tuple[str, str], line: int
) -> None:
    """The file is as it was."""
    now = desk.read()
    with pytest.raises(Faulty) as caught:
        desk.save(now.text.replace(*change), now.digest, ALICE, "")
    assert caught.value.problems[0].line == line and caught.value.problems[0].column > 0
    assert desk.path.read_text() == TEXT
    assert desk.check(now.text.replace(*change)).rules is None


def test_an_unknown_mask_is_never_written(desk: RulesDesk) -> None:
    now = desk.read()
    with pytest.raises(Faulty, match="line 2: the key that is hidden here"):
        desk.save(_other_word(now.text), now.digest, ALICE, "")
    assert desk.path.read_text() == TEXT


def _other_word(text: str) -> str:
    at = text.index("<hidden-key-") + 12
    return text[:at] + "0" * 12 + text[at + 12 :]


def test_who_may_not_change_servers(desk: RulesDesk) -> None:
    """They decide where keys go; all else may be changed."""
    now = desk.read()
    with pytest.raises(NotForYou, match="only admins"):
        desk.save(now.text.replace(":9", ":10"), now.digest, ALICE, "", may_servers=False)
    with pytest.raises(NotForYou, match="`arbiter`"):
        more = f"{now.text}arbiter: {{url: http://127.0.0.1:9, model: m, targets: {{chat: a/m}}}}\n"
        desk.save(more, now.digest, ALICE, "", may_servers=False)
    desk.save(now.text.replace("one", "two"), now.digest, ALICE, "", may_servers=False)


def test_a_change_by_hand_is_noticed_once_and_a_broken_one_is_not_kept(desk: RulesDesk) -> None:
    """Under the time at which the file was written."""
    desk.note_by_hand()
    desk.path.write_text(TEXT + "# hand\n")
    os.utime(desk.path, (1_600_000_000, 1_600_000_000))
    desk.note_by_hand()
    desk.note_by_hand()
    desk.path.write_text("routes: [\n")
    desk.note_by_hand()
    assert desk.history is not None
    found = desk.history.list(desk.name).versions
    assert [(one.how, one.why) for one in found] == [
        ("file", "changed outside of the dashboard"),
        ("file", "as it was found"),
    ]
    assert found[0].at == 1_600_000_000


def test_back_to_a_version_puts_the_key_in_that_the_file_has(desk: RulesDesk, access: Access, tmp_path: Path) -> None:
    """Also after a restart; where the file has it no more, it is refused."""
    now = desk.read()
    desk.save(now.text.replace("one", "two"), now.digest, ALICE, "")
    again = make_desk(tmp_path, access)
    assert again.history is not None
    old = again.history.text(again.name, again.history.list(again.name).versions[1].seq)
    assert old is not None
    again.save(old[1], again.read().digest, ALICE, "back")
    assert again.path.read_text() == TEXT
    again.path.write_text(TEXT.replace(KEY, "env:HOME"))
    fresh = make_desk(tmp_path, access)
    with pytest.raises(Faulty, match="hidden here is not in the file any more"):
        fresh.save(old[1], fresh.read().digest, ALICE, "back")


def test_line_ends_stay(desk: RulesDesk) -> None:
    """A browser sends others."""
    desk.path.write_bytes(("\ufeff" + TEXT.replace("\n", "\r\n")).encode())
    now = desk.read()
    desk.save(now.text.replace("one", "two").replace("\n", "\r\n"), now.digest, ALICE, "")
    assert desk.path.read_bytes() == ("\ufeff" + TEXT.replace("one", "two").replace("\n", "\r\n")).encode()
    assert desk.save(desk.read().text, desk.read().digest, ALICE, "").version is None


def test_other_refusals(desk: RulesDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty text, one that is too long, and a file that is no text."""
    now = desk.read()
    with pytest.raises(Refused, match="empty"):
        desk.save(" \n", now.digest, ALICE, "")
    monkeypatch.setattr(module, "MOST_BYTES", len(TEXT) + 20)
    with pytest.raises(Refused, match="larger than"):
        desk.save(now.text + "#" * 100, now.digest, ALICE, "")
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    desk.path.write_text(TEXT + "# more\n")
    assert desk.read().large and desk.read().text == ""
    with pytest.raises(Refused, match="edit the file itself"):
        desk.save("routes: []\n", desk.read().digest, ALICE, "")
    desk.path.write_bytes(b"\xff")
    with pytest.raises(NotReadable, match="not UTF-8"):
        desk.read()
    assert not desk.is_in_force()


def test_a_first_file(tmp_path: Path) -> None:
    """From none at all, and without a database."""
    desk = make_desk(tmp_path, None)
    now = desk.read()
    assert (now.text, now.exists, desk.is_in_force()) == ("", False, True)
    saved = desk.save('servers: {a: "http://127.0.0.1:9"}\n', now.digest, ALICE, "")
    assert saved.version is None and desk.is_in_force() and list(desk.rules.current.servers) == ["a"]


def test_operators_turn_servers_off_and_on_and_no_more(desk: RulesDesk) -> None:
    """Not with another change beside it, nor by an address in place of the server."""
    now = desk.read()
    off = now.text.replace("servers: {a: {", "servers: {a: {enabled: false, ")
    assert off != now.text
    for more in (off.replace(":9", ":10"), off.replace("enabled: false, ", "enabled: false, forward_auth: true, ")):
        with pytest.raises(NotForYou):
            desk.save(more, now.digest, ALICE, "", may_servers=False)
    saved = desk.save(off, now.digest, ALICE, "", may_servers=False)
    assert not desk.rules.current.servers["a"].enabled
    desk.save(now.text, saved.digest, ALICE, "", may_servers=False)
    assert desk.rules.current.servers["a"].enabled


def test_who_may_not_change_servers_leads_no_key_elsewhere(desk: RulesDesk) -> None:
    """Clients' keys would go to a new address, and ours to a server that gets it as the name of a model."""
    now = desk.read()
    word = now.text[now.text.index("<hidden-key-") :][:25]
    for target in ('{upstream: "http://127.0.0.1:11"}', f'{{model: "a/{word}"}}'):
        with pytest.raises(NotForYou, match="only admins"):
            desk.save(now.text.replace("{model: a/m}", target), now.digest, ALICE, "", may_servers=False)
    assert desk.path.read_text() == TEXT
    desk.save(now.text.replace("{model: a/m}", '{upstream: "http://127.0.0.1:11"}'), now.digest, ALICE, "")


@pytest.mark.parametrize("place", ["name: one", "name: one, priority: x"])
def test_a_hidden_word_of_a_comment_is_not_read_elsewhere(desk: RulesDesk, place: str) -> None:
    """Not by a check, whose rules and problems are shown, nor in a text that is no YAML, and never in a save."""
    desk.path.write_text(f"# http://bob:hunter2-of-bob@old.example/\n{TEXT}")
    now = desk.read()
    assert "hunter2" not in now.text
    word = now.text[now.text.index("<hidden-key-") :][:25]
    moved = now.text.replace("name: one", place.replace("one", word).replace("x", word))
    found = desk.check(moved)
    assert found.rules is None and found.problems[0].line == 4 + 1 and "hunter2" not in str(found.problems)
    assert "hunter2" not in str(desk.check(f"{moved}{word}: [").problems)
    with pytest.raises(Faulty, match="would be shown"):
        desk.save(moved, now.digest, ALICE, "")
