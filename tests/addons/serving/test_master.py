"""mitmproxy's master with only what a router needs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.exceptions import OptionsError
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode

from switchman.addons.serving.hooktable import HookTable
from switchman.addons.serving.master import LeanMaster, QuickOptions, RouterInstance, RouterMode, origin


def in_master(*addons: Any, confdir: Path | None = None) -> LeanMaster:
    async def make() -> LeanMaster:
        return LeanMaster(addons, confdir=confdir)

    return asyncio.run(make())


class Ours:
    """An addon that notes which options changed."""

    def __init__(self) -> None:
        self.changed: list[set[str]] = []

    def load(self, loader: Any) -> None:
        loader.add_option("ours", int, 7, "One of our own.")

    def configure(self, updated: set[str]) -> None:
        self.changed.append(set(updated))


def test_ours_stand_before_the_built_in_next_layer() -> None:
    """Whose place the failover layer takes; the hooks go by the table."""
    one, two = Ours(), object()
    master = in_master(one, two)
    names = [type(addon).__name__ for addon in master.addons.chain]
    assert isinstance(master.addons, HookTable)
    assert names.index("Proxyserver") < names.index("Ours") < names.index("object") < names.index("NextLayer")
    assert master.options.ours == 7


def test_it_listens_where_it_is_told(tmp_path: Path) -> None:
    """In reverse mode to the origin of the upstream: a path in its URL is the decision's business."""
    master = in_master(confdir=tmp_path)
    master.listen("127.0.0.1", 1234, "https://user:secret@host:8443/openai/v1")
    assert master.options.mode == ["router:https://host:8443"]
    assert (master.options.listen_host, master.options.listen_port) == ("127.0.0.1", 1234)
    assert master.options.confdir == str(tmp_path)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_it_is_in_reverse_mode_over_tcp(scheme: str) -> None:
    """All else that looks at the mode sees mitmproxy's own; but HTTP/3 for an upstream of https is not listened for."""
    mode = ProxyMode.parse(f"router:{scheme}://host:8443")
    assert isinstance(mode, ReverseMode) and isinstance(mode, RouterMode)
    assert (mode.scheme, mode.address, mode.transport_protocol) == (scheme, ("host", 8443), "tcp")
    assert isinstance(ServerInstance.make(mode, Proxyserver()), RouterInstance)


def test_an_upstream_that_is_none_stops_the_start() -> None:
    """As mitmproxy says it."""
    with pytest.raises(OptionsError):
        in_master().listen("127.0.0.1", 0, "gopher://host")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://host", "http://host"),
        ("http://host:8000/v1?x=1#y", "http://host:8000"),
        ("https://[::1]:8443/v1", "https://[::1]:8443"),
        ("http://u:p@host:1", "http://host:1"),
    ],
)
def test_an_origin_has_neither_path_nor_password(url: str, found: str) -> None:
    """IPv6 keeps its brackets."""
    assert origin(url) == found


def test_a_value_is_looked_up_once_and_an_old_one_is_never_seen() -> None:
    """Also not by whoever is told that it changed, nor after a reset or a change that was taken back."""
    options = QuickOptions()
    options.add_option("number", int, 1, "")
    seen: list[int] = []

    def told(updated: set[str]) -> None:
        seen.append(options.number)
        if options.number == 13:
            raise OptionsError("unlucky")

    options.changed.connect(told)
    assert options.number == 1 and options.__dict__["number"] == 1
    options.update(number=2)
    assert (options.number, seen) == (2, [2])
    options.number = 3
    assert (options.number, seen) == (3, [2, 3])
    with pytest.raises(OptionsError):
        options.update(number=13)
    assert options.number == 3
    options.reset()
    assert options.number == 1


def test_a_list_is_copied_each_time() -> None:
    """What a reader does to it is not done to the option; an option that is not there is an AttributeError."""
    options = QuickOptions()
    options.add_option("several", Sequence[str], ["a"], "")
    options.several.append("b")
    assert options.several == ["a"] and "several" not in options.__dict__
    with pytest.raises(AttributeError):
        _ = options.nothing


def test_without_clients_there_is_nothing_to_wind_down() -> None:
    """It ends at once, whatever the grace, and hangs up on nobody."""

    class Failover:
        layers: tuple[Any, ...] = ()

    async def work() -> None:
        master = LeanMaster([Failover()])
        async with asyncio.timeout(30):
            await master.wind_down(3600, asyncio.Event())
            await master.hang_up(3600)

    asyncio.run(work())
