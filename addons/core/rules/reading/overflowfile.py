"""`fallback_on:` of servers, routes and the whole rules file: for what a refused request goes to the next candidate."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from switchman.addons.core.servers.retry import FallbackOn

FallbackOnFile = Annotated[
    list[FallbackOn] | None,
    Field(
        description="for what a refused request goes to the next candidate: context (the prompt is too long, and the "
        "next one's context larger), content_filter (the provider's filter refused it); a route's goes before its "
        "server's, that before the file's (default [context])"
    ),
]


def fallback_on_of(written: list[FallbackOn] | None) -> frozenset[FallbackOn] | None:
    """None where nothing is said."""
    return None if written is None else frozenset(written)
