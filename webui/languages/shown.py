"""What the pure rooms name and format, in the language of the page: words that are marked, and templates' filters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from flask_babel import gettext, pgettext
from markupsafe import Markup

from switchman.webui.languages import sentences
from switchman.webui.looks import formats, outcomes


def translated(text: str) -> str:
    """A text that `N_` marks, in the language of the page; "" stays. Never for a text from outside."""
    return str(gettext(text) % {}) if text else ""


def choices(options: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The options of a menu, whose words `N_` marks."""
    return [(value, translated(words)) for value, words in options]


def role_word(role: str) -> str:
    """A role of core/access/roles.py in the language of the page; commands and settings have it in English."""
    words = {
        "viewer": pgettext("a role", "viewer"),
        "operator": pgettext("a role", "operator"),
        "admin": pgettext("a role", "admin"),
    }
    return str(words.get(role, role))


def look_of(outcome: str) -> outcomes.Look:
    """An outcome's look. One that is not known is shown by its own name."""
    look = outcomes.outcome_look(outcome)
    if outcome not in outcomes.LOOKS:
        return look
    return look._replace(word=translated(look.word), meaning=translated(look.meaning))


class Unknown:
    """`{{ unknown }}` in a template."""

    def __html__(self) -> Markup:
        return formats.unknown(gettext)


def known(form: Callable[[Any], str | Markup]) -> Callable[[Any], str | Markup]:
    """A format, with what is not known told in the language of the page."""

    def shown(value: Any) -> str | Markup:
        text = form(value)
        return formats.unknown(gettext) if text is formats.UNKNOWN else text

    return shown


def filters() -> dict[str, Callable[..., Any]]:
    """By their names in templates."""
    plain = ("count", "rate", "money", "signed_money", "share", "size")
    return {
        **{name: known(getattr(formats, name)) for name in plain},
        "duration": known(lambda milliseconds: formats.duration(milliseconds, gettext)),
        "ago": lambda epoch: formats.ago(epoch, time.time(), gettext),
        "outcome_look": look_of,
        "row_tags": lambda row: outcomes.tags(row, gettext),
        "model_title": lambda row: outcomes.model_title(row, gettext),
        "translated": translated,
        "told": sentences.told,
        "role": role_word,
    }
