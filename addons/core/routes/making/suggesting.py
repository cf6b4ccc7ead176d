"""Which models of a long list are offered first: of a provider the newest strong, middling and small one.

A provider's table of prices tells how much each is: the dearer, the stronger. The version is the number in the name
(`gpt-5.1`, `claude-opus-4-5`). What is dearer than DEAREST, or is called a preview, is for special work; what has
a date in its name is a version of a model that has its name without one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from switchman.addons.core.routes.making.answers import Model
from switchman.addons.core.routes.making.picking import MICRO
from switchman.addons.core.servers.models.modelkinds import is_chat

MOST_OWN: Final = 12
DEAREST: Final = 30 * MICRO + 1  # micro-dollars per million tokens of output
TIERS: Final = ((8 * MICRO, DEAREST), (2 * MICRO, 8 * MICRO), (1, 2 * MICRO))  # strong, middling, small

_SIZE = re.compile(r"(?<!\d)[a-z]?\d+(?:\.\d+)?b(?![a-z])")
_VERSION = re.compile(r"(?<![\d.])(\d{1,2})(?:[.-](\d{1,2}))?(?![\d.])")
_DATED = re.compile(r"\d{4}")
_SPECIAL = re.compile(
    r"^ft:|preview|beta|exp(?:erimental)?(?:$|[-_.])|search|computer|live|instruct(?:$|-)|-chat(?:$|-)"
)


def suggested(models: Sequence[Model], own: bool) -> frozenset[str]:
    """The names of those that are chosen where nobody has chosen yet."""
    chats = [one for one in models if is_chat(one.name)]
    if own:
        return frozenset(one.name for one in (chats or models)[:MOST_OWN])
    usual = [one for one in chats if not _SPECIAL.search(one.name.lower()) and not _DATED.search(one.name)]
    found = [newest for least, most in TIERS if (newest := _newest(usual, least, most))]
    return frozenset(found or [one.name for one in chats[:3]])


def offered(models: Sequence[Model]) -> list[Model]:
    """Of a provider's table, the models that answer chats, the newest first; those of one version by their price."""
    chats = [one for one in models if is_chat(one.name) and not one.name.lower().startswith("ft:")]
    return sorted(chats, key=lambda one: (version_of(one.name), one.output_cost or 0, one.name), reverse=True)


def _newest(models: Sequence[Model], least: int, most: int) -> str | None:
    """Of the models that cost from `least` up to `most`, the one of the highest version; of these, the dearest."""
    fit = [one for one in models if least <= (one.output_cost or 0) < most]
    best = max(fit, key=lambda one: (version_of(one.name), one.output_cost or 0, -len(one.name)), default=None)
    return best.name if best is not None else None


def version_of(name: str) -> tuple[int, int]:
    """(5, 1) of gpt-5.1; (0, 0) where the name tells none. A size (27b) is none."""
    found = _VERSION.search(_SIZE.sub("", name.lower()))
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)
