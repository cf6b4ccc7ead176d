"""mitmproxy's AddonManager with a table: hook name -> the handlers that exist.

The stock manager asks every addon, and every addon below it, for every hook of every connection and flow. Which
addon has which hook does not change between two registrations, so it is looked up once. What addons see is as in
mitmproxy: chain order, sync or async handlers, an exception is logged and ends only its own addon's turn, AddonHalt
ends the event.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import CoroutineType
from typing import Any

from mitmproxy import addonmanager, exceptions, flow, hooks

Handler = Callable[..., Any]


class HookTable(addonmanager.AddonManager):
    """Drop-in for `master.addons`. A handler set on an addon after its registration is not seen before the next one."""

    def __init__(self, master: Any) -> None:
        # One inner tuple for each top-level addon: an exception skips the rest of that tuple, as in the stock manager.
        self._table: dict[str, tuple[tuple[Handler, ...], ...]] = {}
        super().__init__(master)

    def register(self, addon: Any) -> Any:
        self._table.clear()
        return super().register(addon)

    def add(self, *addons: Any) -> None:
        super().add(*addons)
        self._table.clear()  # register() ran while the addon was not in the chain yet

    def remove(self, addon: Any) -> None:
        super().remove(addon)
        self._table.clear()

    def clear(self) -> None:
        super().clear()
        self._table.clear()

    def handlers(self, event: hooks.Hook) -> tuple[tuple[Handler, ...], ...]:
        """The handlers of an event in chain order, grouped by top-level addon; addons without one are left out."""
        try:
            return self._table[event.name]
        except KeyError:
            groups: list[tuple[Handler, ...]] = []
            for addon in self.chain:
                with addonmanager.safecall():  # a hook name that is not callable: logged, that addon has no turn
                    groups.append(tuple(func for _, func in self._iter_hooks(addon, event)))
            return self._table.setdefault(event.name, tuple(group for group in groups if group))

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        await self.trigger_event(event)
        update = self._table.get(hooks.UpdateHook.name)
        if update == ():
            return  # nobody listens: do not even build the event
        message = event.args()[0]
        if isinstance(message, flow.Flow):
            await self.trigger_event(hooks.UpdateHook([message]))

    async def trigger_event(self, event: hooks.Hook) -> None:
        groups = self.handlers(event)
        if not groups:
            return
        args = event.args()
        for group in groups:
            try:
                for handler in group:
                    result = handler(*args)
                    if result is not None and (type(result) is CoroutineType or inspect.isawaitable(result)):
                        await result
            except exceptions.AddonHalt:
                return
            except Exception:  # the boundary between mitmproxy and its addons: safecall logs, or re-raises OptionsError
                with addonmanager.safecall():
                    raise
