"""The language of a request: the one chosen on a page, or the first of the browser's that there is."""

from __future__ import annotations

from collections.abc import Iterable

from flask import request

# Languages as Unicode names them (CLDR), and what each calls itself.
LANGUAGES = {"en": "English", "zh_Hans": "简体中文"}
DEFAULT = "en"
COOKIE = "switchman_language"
_TRADITIONAL = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")


def chosen() -> str:
    """One of LANGUAGES, for the request that is being answered."""
    return choice_of(request.cookies.get(COOKIE, ""), request.accept_languages.values())


def choice_of(cookie: str, accepted: Iterable[str]) -> str:
    """`accepted` are the language tags of Accept-Language, the most wanted first (RFC 9110, 12.5.4).

    A tag of Chinese means the simplified characters, unless it names the traditional ones.
    """
    if cookie in LANGUAGES:
        return cookie
    for tag in accepted:
        words = tag.lower().replace("_", "-")
        if words.split("-")[0] == "zh" and not words.startswith(_TRADITIONAL):
            return "zh_Hans"
        if words.split("-")[0] == "en":
            return "en"
    return DEFAULT


def tag(language: str) -> str:
    """As HTML's `lang` has it (BCP 47): `zh-Hans`."""
    return language.replace("_", "-")
