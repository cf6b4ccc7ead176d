"""The rules file is watched: what is new and good is taken, what is bad changes nothing and says so."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from switchman.addons.config.configuration import (
    LAST_GOOD,
    MAX_FILE_BYTES,
    RulesFile,
    load_ruleset,
    load_settings,
    summary,
)
from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.problems import RulesError

ONE = "servers: {one: 'http://h1'}\n"
TWO = "servers: {two: 'http://h2'}\n"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings of a clean environment, with ROUTES_CONFIG in a folder of the test's own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return load_settings(routes_config=str(tmp_path / "routes.yaml"))


@pytest.fixture
def file(settings: Settings) -> Path:
    path = Path(settings.routes_config)
    path.write_text(ONE)
    return path


def names(rules: RulesFile) -> list[str]:
    return list(rules.current.servers)


def test_no_file_means_no_rules(settings: Settings) -> None:
    """ROUTES_CONFIG need not exist; all goes to DEFAULT_UPSTREAM."""
    rules = load_ruleset(settings)
    assert (len(rules.servers), rules.default.name) == (0, "default")


def test_a_file_that_was_asked_for_must_be_there(settings: Settings, tmp_path: Path) -> None:
    """--config with a typo is not an empty configuration."""
    with pytest.raises(RulesError, match=r"nope\.yaml: there is no such file"):
        load_ruleset(settings, tmp_path / "nope.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"servers: {a: 'http://\xff'}", r":1:1: not UTF-8 text"),
        (b"# ok\n\xff\xfe", r":2:1: not UTF-8 text"),
        (b"#" * (MAX_FILE_BYTES + 1), "larger than"),
    ],
)
def test_a_file_that_is_no_text_is_refused(settings: Settings, file: Path, content: bytes, message: str) -> None:
    """Wrong encodings have a line; huge files are not read."""
    file.write_bytes(content)
    with pytest.raises(RulesError, match=message):
        load_ruleset(settings)


def test_a_folder_is_no_file(settings: Settings, tmp_path: Path) -> None:
    """What cannot be read says why."""
    with pytest.raises(RulesError, match="is a folder: expected a file"):
        load_ruleset(settings, tmp_path)


def test_keys_are_looked_up_in_the_environment(settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """env:NAME is the environment of the process."""
    file.write_text("servers: {a: {url: 'http://h', api_key: 'env:A_KEY_FOR_THIS_TEST'}}")
    with pytest.raises(RulesError, match="A_KEY_FOR_THIS_TEST is not set"):
        load_ruleset(settings)
    monkeypatch.setenv("A_KEY_FOR_THIS_TEST", "k")
    assert load_ruleset(settings).servers["a"].api_key is not None


def test_a_bad_file_refuses_the_start(settings: Settings, file: Path) -> None:
    """Nothing was good before, so there is nothing to keep."""
    file.write_text("servers: 3")
    with pytest.raises(RulesError):
        RulesFile(settings)


def test_an_unchanged_file_is_not_read_again(settings: Settings, file: Path) -> None:
    """The same object stays in force."""
    rules = RulesFile(settings)
    before = rules.current
    assert not rules.poll()
    assert rules.current is before


def overwrite(path: Path, text: str) -> None:
    path.write_text(text)


def replace(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def replace_keeping_time(path: Path, text: str) -> None:
    """Same size, same modification time to the nanosecond: what restoring tools do."""
    stat = path.stat()
    replace(path, text)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def overwrite_keeping_time(path: Path, text: str) -> None:
    stat = path.stat()
    path.write_text(text)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("change", [overwrite, replace, replace_keeping_time, overwrite_keeping_time])
def test_every_way_to_change_a_file_is_seen(
    settings: Settings, file: Path, change: Callable[[Path, str], None]
) -> None:
    """In place or by rename, within the same second, at the same size, with the old time put back."""
    rules = RulesFile(settings)
    assert len(ONE) == len(TWO)
    change(file, TWO)
    assert rules.poll()
    assert (names(rules), rules.error) == (["two"], None)


def test_a_file_that_is_touched_but_says_the_same_replaces_nothing(settings: Settings, file: Path) -> None:
    """Written again with the same content: the compiled rules stay."""
    rules = RulesFile(settings)
    before = rules.current
    replace(file, ONE)
    assert not rules.poll()
    assert rules.current is before


def test_a_bad_file_keeps_the_last_good_rules(settings: Settings, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The error names the file and line, is logged once, and goes when the file is good again."""
    rules = RulesFile(settings)
    before = rules.current
    overwrite(file, "servers:\n  one: 'http://http://h'\n  two: 3\n")
    with caplog.at_level(logging.ERROR):
        assert not rules.poll()
        assert not rules.poll()
    assert rules.current is before
    assert rules.error == f"{file}:2:8: servers.one: http:// is written twice: leave the first one out"
    assert [problem.line for problem in rules.problems] == [2, 3]
    assert len(caplog.records) == 3  # the two problems, and that the old rules stay
    overwrite(file, TWO)
    assert rules.poll()
    assert (rules.error, rules.problems, names(rules)) == (None, (), ["two"])


def test_going_back_to_the_good_text_clears_the_error(settings: Settings, file: Path) -> None:
    """Nothing is replaced, as the rules in force are those, but nothing is wrong any more."""
    rules = RulesFile(settings)
    overwrite(file, "servers: [")
    assert not rules.poll()
    assert rules.error is not None
    overwrite(file, ONE)
    assert not rules.poll()
    assert rules.error is None


def test_a_file_that_is_deleted_keeps_the_rules_and_is_missed(settings: Settings, file: Path) -> None:
    """And when it comes back, it is read."""
    rules = RulesFile(settings)
    file.unlink()
    assert not rules.poll()
    assert (names(rules), rules.error) == (["one"], f"{file}: the file is gone")
    overwrite(file, TWO)
    assert rules.poll()
    assert (names(rules), rules.error) == (["two"], None)


@pytest.mark.parametrize("text", ["", "\n  \n"])
def test_a_file_that_is_emptied_keeps_the_rules(settings: Settings, file: Path, text: str) -> None:
    """Half of `truncate, then write` is not a wish to have no rules."""
    rules = RulesFile(settings)
    overwrite(file, text)
    assert not rules.poll()
    assert (names(rules), rules.error) == (["one"], f"{file}: the file is empty")


@pytest.mark.parametrize("text", ["servers: [broken\n", "", None])
def test_a_process_started_while_the_file_is_bad_takes_what_was_last_in_force(
    settings: Settings, file: Path, text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those that run already do: it says what is wrong, and takes the next good file."""
    monkeypatch.setenv(LAST_GOOD, str(tmp_path / "kept.yaml"))
    first = RulesFile(settings)
    overwrite(file, TWO)
    assert first.poll()
    if text is None:
        file.unlink()
    else:
        overwrite(file, text)
    again = RulesFile(settings)
    assert names(again) == ["two"]
    assert again.error is not None and again.error.startswith(str(file))
    overwrite(file, ONE)
    assert again.poll() and names(again) == ["one"] and again.error is None
    assert names(RulesFile(settings)) == ["one"]


def test_a_process_started_later_takes_what_the_file_says_now(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was in force before counts only where the file is bad; no file from the start is nothing bad."""
    monkeypatch.setenv(LAST_GOOD, str(tmp_path / "kept.yaml"))
    assert RulesFile(settings).error is None
    assert RulesFile(settings).error is None
    Path(settings.routes_config).write_text(TWO)
    rules = RulesFile(settings)
    assert names(rules) == ["two"] and rules.error is None


def test_a_process_that_starts_says_nothing_of_rules_that_are_in_force(
    settings: Settings, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`read again` is the answer to somebody who asks for it, or saves the file."""
    monkeypatch.setenv(LAST_GOOD, str(tmp_path / "kept.yaml"))
    caplog.set_level(logging.INFO)
    RulesFile(settings)
    rules = RulesFile(settings)
    assert caplog.text == ""
    assert not rules.poll(anyway=True) and "read again, and it says the same" in caplog.text


def test_rules_that_cannot_be_kept_are_in_force_all_the_same(
    settings: Settings, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that went costs nothing but the copy."""
    monkeypatch.setenv(LAST_GOOD, str(tmp_path / "gone" / "kept.yaml"))
    rules = RulesFile(settings)
    assert names(rules) == ["one"] and "cannot be kept" in caplog.text


def test_a_file_that_was_not_there_is_taken_when_it_comes(settings: Settings) -> None:
    """Write routes.yaml while the router runs."""
    rules = RulesFile(settings)
    assert not rules.poll()
    assert rules.error is None
    overwrite(rules.path, ONE)
    assert rules.poll()
    assert names(rules) == ["one"]


def test_warnings_are_logged_when_rules_are_taken(
    settings: Settings, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At the start and on each reload."""
    overwrite(file, "default: x\n")
    with caplog.at_level(logging.WARNING):
        RulesFile(settings)
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}:1:10: default: 'x' names no server and no alias; it goes to the server that lists such a model"
    ]


def test_warnings_are_not_repeated_by_each_process_of_serve(
    settings: Settings, file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Which has said them before it starts any."""
    monkeypatch.setenv(LAST_GOOD, str(tmp_path / "kept.yaml"))
    file.write_text("servers: {}\nmodels: {nowhere/m: {}}\n")
    for _ in range(2):
        assert RulesFile(settings).current.warnings
    assert "nowhere" not in caplog.text


def test_many_threads_may_poll_and_read(settings: Settings, file: Path) -> None:
    """One of them reloads; readers see whole rulesets, before or after."""
    rules = RulesFile(settings)
    taken: list[bool] = []
    torn: list[list[str]] = []
    overwrite(file, TWO)

    def work() -> None:
        taken.append(rules.poll())
        torn.extend(seen for seen in [names(rules)] if seen not in (["one"], ["two"]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 1
    assert torn == []
    assert names(rules) == ["two"]


def test_a_file_that_is_written_bit_by_bit_ends_in_the_whole(settings: Settings, file: Path) -> None:
    """Whatever is read in between, the last poll after the writer has closed the file has all of it."""
    rules = RulesFile(settings)
    with file.open("w") as stream:
        for number in range(40):
            stream.write("servers:\n" if number == 0 else "")
            stream.write(f"  s{number}: 'http://h{number}'\n")
            stream.flush()
            rules.poll() if number % 20 == 0 else None
    rules.poll()
    assert len(rules.current.servers) == 40


@pytest.fixture
def secure(file: Path) -> Path:
    """Rules that name ca.pem beside them, which is there."""
    ca = file.with_name("ca.pem")
    trustme.CA().cert_pem.write_to_path(str(ca))
    file.write_text("servers: {one: {url: 'https://h1', tls: {ca: ca.pem}}}\n")
    return ca


def test_a_file_of_certificates_that_is_bad_refuses_the_start(settings: Settings, file: Path, secure: Path) -> None:
    """By its place in the rules."""
    secure.unlink()
    with pytest.raises(RulesError) as error:
        RulesFile(settings)
    assert str(error.value) == f"{file}:1:46: servers.one.tls.ca: {secure}: there is no such file"


def test_a_changed_file_of_certificates_makes_new_rules(settings: Settings, secure: Path) -> None:
    """Once; where it has become bad, or is gone, the last good rules stay until it is good again."""
    rules = RulesFile(settings)
    first = rules.current
    assert not rules.poll()
    trustme.CA().cert_pem.write_to_path(str(secure))
    assert rules.poll() and not rules.poll()
    second = rules.current
    assert second.digest == first.digest
    assert second.servers["one"].reach != first.servers["one"].reach
    good = secure.read_bytes()
    secure.write_text("no certificate")
    assert not rules.poll() and rules.error is not None and "holds no certificate" in rules.error
    secure.unlink()
    assert not rules.poll() and "there is no such file" in str(rules.error)
    assert rules.current is second
    secure.write_bytes(good)
    assert not rules.poll()
    assert rules.error is None and rules.current is second


def test_a_changed_file_of_words_makes_new_rules(settings: Settings, file: Path) -> None:
    """Once, though the rules are the same; where it is gone, the last good ones stay."""
    words = file.with_name("words.txt")
    words.write_text("Adler\n")
    file.write_text("redact: {words: words.txt}\n")
    rules = RulesFile(settings)
    first = rules.current
    assert not rules.poll()
    words.write_text("Falke\n")
    assert rules.poll() and not rules.poll()
    (redact,) = rules.current.redactions()
    assert redact.words is not None and list(redact.words.find("Falke", b"Falke")) == [(0, 5)]
    assert rules.current.digest == first.digest
    words.unlink()
    assert not rules.poll() and rules.error is not None and "words.txt" in rules.error
    assert rules.current.redactions() == (redact,)


def test_a_file_of_certificates_that_comes_later_is_waited_for(settings: Settings, file: Path, secure: Path) -> None:
    """Rules that name it are taken when it is there, though they themselves are old by then."""
    text, content = file.read_text(), secure.read_bytes()
    file.write_text(ONE)
    secure.unlink()
    rules = RulesFile(settings)
    file.write_text(text)
    assert not rules.poll() and rules.error is not None
    assert not rules.poll()
    secure.write_bytes(content)
    assert rules.poll() and rules.error is None
    assert rules.current.servers["one"].url.scheme == "https"


def test_the_environment_says_how_servers_are_reached(
    settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one of them that does not say itself; and never through the router's own port."""
    monkeypatch.setenv("HTTP_PROXY", "http://anna:word@proxy.example:3128")
    reach = load_ruleset(settings).servers["one"].reach
    assert str(reach.proxy) == "http://proxy.example:3128" and "word" not in repr(reach)
    monkeypatch.setenv("HTTP_PROXY", f"http://localhost:{settings.listen_port}")
    found = load_ruleset(settings)
    assert found.servers["one"].reach.proxy is None and found.warnings[0].file == "HTTP_PROXY"


def test_names_in_the_environment_are_taken_from_where_we_are(
    settings: Settings, file: Path, secure: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As curl and Python take them; those in the file are taken from there."""
    (here := tmp_path / "here").mkdir()
    secure.rename(here / "env.pem")
    file.write_text("servers: {one: 'https://h1'}")
    monkeypatch.chdir(here)
    monkeypatch.setenv("SSL_CERT_FILE", "env.pem")
    monkeypatch.setenv("SSL_CERT_DIR", ".")
    tls = load_ruleset(settings).servers["one"].reach.tls
    assert tls.ca is not None and (tls.ca.path, tls.ca_dir) == (str(here / "env.pem"), str(here))


def test_a_summary_counts_with_the_right_plural(settings: Settings) -> None:
    """For the log and for `switchman check`."""
    assert summary(load_ruleset(settings)) == "0 servers, 0 aliases, 0 routes"


@pytest.mark.parametrize(
    "server",
    [
        '{url: "http://169.254.169.254/v1"}', '{url: "http://0xa9fea9fe:80"}', '{url: "http://[::ffff:a9fe:a9fe]"}',
        '{url: "https://api.example", proxy: "http://2852039166:3128"}',
    ],
)  # fmt: skip
def test_a_server_at_a_denied_address(server: str, tmp_path: Path) -> None:
    """Where an address is written down, no connection has to show that it is one."""
    file = tmp_path / "routes.yaml"
    file.write_text(f"servers: {{s: {server}}}")
    with pytest.raises(RulesError, match="EGRESS_DENY=metadata has it in metadata") as caught:
        load_ruleset(load_settings(routes_config=str(file)))
    assert "servers.s." in str(caught.value)
    assert "s" in load_ruleset(load_settings(routes_config=str(file), egress_deny="none")).servers
