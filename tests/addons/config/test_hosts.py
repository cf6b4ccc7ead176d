"""The machine's own name, and who reaches the proxy's port."""

from __future__ import annotations

import socket

import pytest

from switchman.addons.config.configuration import SettingsError, load_settings
from switchman.addons.config.hosts import check_listening, machine_names, open_redis, own_hosts
from switchman.addons.config.settings import Settings


@pytest.mark.parametrize(
    ("name", "names"),
    [("box", ("box",)), ("vps1.provider.example", ("vps1.provider.example",)), ("", ()), ("no name", ()), ("a/b", ())],
)
def test_it_is_a_name_of_ours_if_it_is_one(name: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is not cannot be asked for, and must not stop the start."""
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert machine_names() == names
    assert own_hosts(load_settings(allowed_hosts=("a.example",), listen_host="b.example")).names == {
        "a.example", "b.example", *names,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("host", "auth", "is_refused"),
    [
        ("127.0.0.1", None, False), ("127.9.9.9", None, False), ("::1", None, False), ("localhost", None, False),
        ("0.0.0.0", None, True), ("::", None, True), ("192.168.0.7", None, True), ("box.lan", None, True),
        ("0.0.0.0", "NONE", False), ("0.0.0.0", "TOKENS", False), ("127.0.0.1", "TOKENS", False),
    ],
)  # fmt: skip
def test_who_may_call_is_said_where_others_can(host: str, auth: str | None, is_refused: bool) -> None:
    """A loopback address needs no word; any other one does, with all that can be said in the message."""
    settings = load_settings(listen_host=host, client_auth=auth)
    if not is_refused:
        check_listening(settings)
        return
    with pytest.raises(SettingsError, match=r"CLIENT_AUTH=TOKENS.*CLIENT_AUTH=NONE") as refused:
        check_listening(settings)
    assert host in str(refused.value)


def test_the_options_of_another_program_say_where_it_listens() -> None:
    """The first address that is not this machine's own is named; one that is not given is every one."""
    settings = load_settings()
    check_listening(settings, ["127.0.0.1", "::1"], "--listen-host")
    check_listening(settings, [], "--listen-host")
    with pytest.raises(SettingsError, match="--listen-host is not given"):
        check_listening(settings, ["127.0.0.1", ""], "--listen-host")


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        (None, False),
        ("redis://127.0.0.1:6379/0", False),
        ("redis://[::1]:6379", False),
        ("redis://localhost", False),
        ("redis:///0", False),
        ("unix:///run/redis.sock", False),
        ("redis://counts.internal:6379/0", True),
        ("rediss://counts.internal:6379/0", True),
        ("redis://user@10.0.0.7", True),
        ("redis://:secret-of-redis@10.0.0.7", False),
        ("rediss://user:secret-of-redis@counts.internal", False),
    ],
)
def test_a_redis_that_is_open_to_others_is_warned_of(url: str | None, warns: bool) -> None:
    """Where it is on another machine and no password is given; the URL is not repeated."""
    told = open_redis(Settings(redis_url=url))
    assert (told is not None) is warns and (told is None or "10.0.0.7" not in told)
