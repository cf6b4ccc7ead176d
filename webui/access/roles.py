"""Which role a page or an endpoint asks for at least. Each says so itself; one that does not stops the start.

    @blueprint.get("/tokens")
    @least(Role.ADMIN)
    def tokens() -> str: ...

What changes something is an operator's at least. What is open says `@public`, and why it may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask

from switchman.addons.core.access.roles import Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PUBLIC = 0
NOBODY = len(Role) + 1  # an endpoint that has come after the start
_KEY = "switchman_least_roles"
_DECLARED = "least_role"

View = Callable[..., Any]


class RouteWithoutRole(RuntimeError):
    """A view that does not say who may see it, or lets viewers change something. It is a mistake in the program."""


def least[F: View](role: Role) -> Callable[[F], F]:
    """Say that a view is for people of this role and of those above it."""

    def declare(view: F) -> F:
        setattr(view, _DECLARED, int(role))
        return view

    return declare


def public[F: View](view: F) -> F:
    """Say that a view is for whoever asks: it shows nothing of the log, and what it changes needs no role."""
    setattr(view, _DECLARED, PUBLIC)
    return view


def install(app: Flask) -> None:
    """Read what all views of `app` declare. Raises RouteWithoutRole; what is registered later on is nobody's."""
    table: dict[str, int] = {}
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        declared = PUBLIC if rule.endpoint == "static" else getattr(view, _DECLARED, None)
        if declared is None:
            raise RouteWithoutRole(f"{rule.rule} ({rule.endpoint}) does not say which role it asks for: see roles.py")
        changes = (rule.methods or set()) - SAFE_METHODS
        if changes and declared == Role.VIEWER:
            raise RouteWithoutRole(f"{rule.rule} ({rule.endpoint}) would let viewers change something")
        table[rule.endpoint] = declared
    app.extensions[_KEY] = table


def least_of(app: Flask, endpoint: str | None) -> int:
    """The least role of an endpoint. What there is none of is told to those only who may see anything."""
    table: Mapping[str, int] = app.extensions[_KEY]
    return Role.VIEWER if endpoint is None else table.get(endpoint, NOBODY)
