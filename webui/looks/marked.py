"""Words that are named here and translated where they are shown. Pure."""

from __future__ import annotations


def N_(text: str) -> str:
    """`text`, which is in the catalogs: a template shows it by `_(text)`, a page by `gettext(text)`."""
    return text
