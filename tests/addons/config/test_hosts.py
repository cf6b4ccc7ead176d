"""The machine's own name."""

from __future__ import annotations

import socket

import pytest

from switchman.addons.config.configuration import load_settings
from switchman.addons.config.hosts import machine_names, own_hosts


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
