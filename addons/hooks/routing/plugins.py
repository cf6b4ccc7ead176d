"""Plug-in layers: the entry points of the group `switchman.layers`. How one is written: layers.py.

A plug-in that cannot be loaded, or is no layer, is left out with a warning. Each runs in a thread with an event loop of
its own, so that whatever it does, the proxy's own event loop goes on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from importlib import metadata

from switchman.addons.hooks.routing.layers import Layer, LayerAnswer, LayerRequest

logger = logging.getLogger(__name__)

GROUP = "switchman.layers"
LONGEST_BUDGET = 5000.0  # milliseconds


class PluginLayer:
    """A plug-in as a Layer. Its thread is started with its first request, and ends with the process."""

    def __init__(self, layer: Layer, name: str) -> None:
        self.name = name
        self.budget_ms = min(float(layer.budget_ms), LONGEST_BUDGET)
        self._layer = layer
        self._loop: asyncio.AbstractEventLoop | None = None

    async def answer(self, request: LayerRequest) -> LayerAnswer | None:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            name = f"switchman layer {self.name}"
            threading.Thread(target=_run, args=(self._loop,), name=name, daemon=True).start()
        # Cancelling this cancels it in its own loop as well, as soon as it lets go.
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._ask(request), self._loop))

    async def close(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None

    async def _ask(self, request: LayerRequest) -> LayerAnswer | None:
        return await self._layer.answer(request)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def load_layers(taken: frozenset[str]) -> list[PluginLayer]:
    """All plug-in layers, by name. `taken`: names that are not free."""
    found: dict[str, PluginLayer] = {}
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name):
        try:
            layer = point.load()()
            if not isinstance(layer, Layer) or not float(layer.budget_ms) > 0:
                raise TypeError("it has no name, no budget_ms above 0, or no answer()")
            name = str(layer.name)
            if not name or name in taken or name in found:
                raise ValueError(f"the name {name!r} is not free")
        except Exception as error:  # noqa: BLE001 - the boundary: other people's code must not keep the router from starting
            logger.warning("The layer %s (%s) is left out: %s", point.name, point.value, error)
            continue
        found[name] = PluginLayer(layer, name)
    return list(found.values())
