"""The navigation: a line for each page that has a place in it, in groups, in the order in which they are shown. Pure.

A page without a line belongs to one that has: it names that one as its `page`.
"""

from __future__ import annotations

from typing import NamedTuple

from switchman.addons.core.access.roles import Role
from switchman.webui.looks.marked import N_


class Entry(NamedTuple):
    """`page` is the name by which a template says that it is this page; `icon` is one of parts.html."""

    page: str
    endpoint: str
    icon: str
    words: str
    least: Role


class Group(NamedTuple):
    """Entries that belong together, under a heading of a word."""

    name: str
    words: str
    entries: tuple[Entry, ...]


GROUPS = (
    Group(
        "watch",
        N_("Watch"),
        (
            Entry("overview", "overview.index", "gauge", N_("Overview"), Role.VIEWER),
            Entry("requests", "live.index", "list", N_("Requests"), Role.VIEWER),
            Entry("sessions", "sessions.index", "branches", N_("Sessions"), Role.VIEWER),
            Entry("performance", "performance.index", "chart", N_("Performance"), Role.VIEWER),
        ),
    ),
    Group(
        "decide",
        N_("Decide"),
        (
            Entry("rules", "rules.index", "rules", N_("Rules"), Role.VIEWER),
            Entry("servers", "servers.index", "servers", N_("Servers"), Role.VIEWER),
            Entry("cache", "cache.index", "stack", N_("Cache"), Role.VIEWER),
        ),
    ),
    Group(
        "manage",
        N_("Manage"),
        (
            Entry("tokens", "tokens.index", "token", N_("API tokens"), Role.ADMIN),
            Entry("keys", "keys.index", "lock", N_("Provider keys"), Role.ADMIN),
            Entry("settings", "settings.index", "sliders", N_("Settings"), Role.OPERATOR),
            Entry("changes", "changes.index", "past", N_("Changes"), Role.ADMIN),
        ),
    ),
)
NAVIGATION = tuple(entry for group in GROUPS for entry in group.entries)


def groups_for(role: Role | None) -> list[Group]:
    """What somebody with this role may open; no group without an entry. Nobody in particular: what viewers may, which
    asks them to sign in.
    """
    own = Role.VIEWER if role is None else role
    found = (group._replace(entries=tuple(entry for entry in group.entries if entry.least <= own)) for group in GROUPS)
    return [group for group in found if group.entries]
