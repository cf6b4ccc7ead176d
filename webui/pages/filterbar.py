"""The menus of the filter bar, which several pages have."""

from __future__ import annotations

from typing import Any

from switchman.webui.access.viewing import log
from switchman.webui.looks.outcomes import LOOKS
from switchman.webui.view import View

OUTCOMES = [("error", "any error"), *((outcome, look.word) for outcome, look in LOOKS.items())]


def bar_choices(view: View) -> dict[str, Any]:
    """The menus of the filter bar; a value that is set is in its menu whether or not the log still has it."""
    queries = log()
    menus = {}
    for name in ("model", "server"):
        values = dict.fromkeys(value for value in (*queries.values(name), view.chosen(name)) if value)
        menus[f"{name}s"] = [(value, value) for value in values]
    return {**menus, "outcomes": OUTCOMES}
