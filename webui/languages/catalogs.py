"""Flask-Babel over catalogs as they are written: compiled when they are first needed, so that none is stale."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask
from flask_babel import Babel, Domain, get_locale

from switchman.webui.languages import messages
from switchman.webui.languages.choice import DEFAULT, LANGUAGES, chosen, tag

FOLDER = Path(__file__).parent


def catalog_path(language: str) -> Path:
    """Where the catalog of a language is."""
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


@cache
def catalog_of(language: str) -> Catalog:
    """A language's messages with their translations; none for English, and for what is no language of the pages."""
    if language == DEFAULT or language not in LANGUAGES:
        return Catalog()
    with catalog_path(language).open("rb") as file:
        return read_po(file, locale=language)


@cache
def translations_of(language: str) -> NullTranslations:
    """What is said in `language`; English is what the source has."""
    if language == DEFAULT or language not in LANGUAGES:
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, catalog_of(language))
    compiled.seek(0)
    return Translations(compiled)


class Catalogs(Domain):
    """Flask-Babel's domain; its own looks for compiled files."""

    def get_translations(self) -> NullTranslations:
        return translations_of(str(get_locale() or DEFAULT))


@cache
def script_words(language: str) -> dict[str, str]:
    """What scripts say, English to `language`; nothing for English."""
    said = translations_of(language)
    texts = {} if language == DEFAULT else {text: said.gettext(text) for _, text in messages.of_scripts()}
    return {text: words for text, words in texts.items() if words != text}


def install(app: Flask) -> None:
    """`gettext` and `ngettext` for pages and templates, in the language of each request."""
    Babel(app, default_locale=DEFAULT, locale_selector=chosen, default_translation_directories=str(FOLDER))
    app.extensions["babel"].instance.domain_instance = Catalogs()
    app.jinja_env.policies["ext.i18n.trimmed"] = True

    @app.context_processor
    def language() -> dict[str, object]:
        name = chosen()
        return {"lang": tag(name), "language": name, "languages": LANGUAGES, "script_words": script_words(name)}
