"""The navigation: a line for each page that has a place in it, in the order in which it is shown. Pure."""

from __future__ import annotations

from typing import NamedTuple

from switchman.addons.core.access.roles import Role


class Entry(NamedTuple):
    """`page` is the name by which a template says that it is this page; `icon` is one of parts.html."""

    page: str
    endpoint: str
    icon: str
    words: str
    least: Role


NAVIGATION = (
    Entry("overview", "overview.index", "gauge", "Overview", Role.VIEWER),
    Entry("requests", "live.index", "list", "Requests", Role.VIEWER),
    Entry("sessions", "sessions.index", "branches", "Sessions", Role.VIEWER),
    Entry("performance", "performance.index", "chart", "Performance", Role.VIEWER),
    Entry("backtest", "backtest.index", "replay", "Back-test", Role.OPERATOR),
    Entry("rules", "rules.index", "rules", "Rules", Role.VIEWER),
    Entry("servers", "servers.index", "servers", "Servers", Role.VIEWER),
    Entry("cache", "cache.index", "stack", "Cache", Role.VIEWER),
    Entry("tokens", "tokens.index", "token", "API tokens", Role.ADMIN),
    Entry("keys", "keys.index", "lock", "Provider keys", Role.ADMIN),
    Entry("settings", "settings.index", "sliders", "Settings", Role.OPERATOR),
    Entry("changes", "changes.index", "past", "Changes", Role.ADMIN),
)


def entries_for(role: Role | None) -> list[Entry]:
    """What somebody with this role may open. Nobody in particular: what viewers may, which asks them to sign in."""
    own = Role.VIEWER if role is None else role
    return [entry for entry in NAVIGATION if entry.least <= own]
