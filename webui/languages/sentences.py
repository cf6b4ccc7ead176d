"""A sentence of the rooms below (rooms.py, looks/otherwords.py) in the language of the page that is being answered."""

from __future__ import annotations

from functools import cache

from switchman.webui.looks.otherwords import OTHERS, ROOM, Sentences


def told(text: str) -> str:
    """As far as it is known; what others said, such as a server, stays."""
    from flask_babel import get_locale, gettext  # not above: the command line says errors too, and has no pages

    if (marked := str(gettext(text.replace("%", "%%")))) != text:
        return marked
    return sentences_of(str(get_locale() or "")).told(text)


@cache
def sentences_of(language: str) -> Sentences:
    """All that the rooms below say, in `language`; nothing for English."""
    from switchman.webui.languages.catalogs import catalog_of

    said = [(str(one.id), str(one.string)) for one in catalog_of(language) if one.context == ROOM or one.id in OTHERS]
    return Sentences({message: words for message, words in said if words})
