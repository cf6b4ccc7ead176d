"""The catalogs: whole, and as scripts/translations writes them."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from switchman.webui.languages.catalogs import catalog_path, script_words, translations_of
from switchman.webui.languages.choice import DEFAULT, LANGUAGES

SCRIPT = Path(__file__).parents[3] / "scripts/translations.py"
OTHERS = [language for language in LANGUAGES if language != DEFAULT]
VALUES = re.compile(r"%\(\w+\)[sd]|\{\w*\}|%%")


@pytest.fixture(scope="module")
def translations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("translations", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.renewed = cache(module.renewed)  # all sources are read for it
    return module


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalog_has_what_the_pages_say(language: str, translations: ModuleType) -> None:
    """All of it, nothing else: run scripts/translations, and translate what it names."""
    catalog = translations.renewed(language)
    assert translations.written(catalog) == catalog_path(language).read_bytes()
    assert translations.untranslated(catalog) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_values_of_its_message(language: str, translations: ModuleType) -> None:
    """None is lost, none is invented: a page would fail, or say less."""
    for message in translations.renewed(language):
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        for string in message.string if isinstance(message.string, tuple) else (message.string,):
            if message.id:
                assert Counter(VALUES.findall(string)) == Counter(VALUES.findall(ids[-1])), message.id


@pytest.mark.parametrize("language", OTHERS)
def test_what_scripts_say(language: str) -> None:
    """A page in English brings no words along."""
    assert script_words(DEFAULT) == {}
    assert all(words != text for text, words in script_words(language).items())


def test_an_unknown_language_is_english() -> None:
    assert translations_of("xx").gettext("Requests") == "Requests"
