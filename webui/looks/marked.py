"""Words that are named here and translated where they are shown. Pure."""

from __future__ import annotations

from typing import Protocol


def N_(text: str) -> str:
    """`text`, which is in the catalogs: a template shows it by `_(text)`, a page by `gettext(text)`."""
    return text


class Say(Protocol):
    """Flask-Babel's gettext, or what stands for it where there is no page: a text with its values put in."""

    def __call__(self, text: str, /, **values: object) -> str: ...


def in_english(text: str, /, **values: object) -> str:
    """As the source has it."""
    return text % values
