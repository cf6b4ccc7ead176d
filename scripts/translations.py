#!/usr/bin/env python3
"""Writes the catalogs of the dashboard anew: what its pages say, with the translations that there are.

What no page says any more goes; what is new is written with an empty translation. Each message names its files. Sorted
by the message, without line numbers: two branches that translate different pages merge.
"""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from switchman.webui.languages import messages, rooms
from switchman.webui.languages.catalogs import catalog_path
from switchman.webui.languages.choice import DEFAULT, LANGUAGES
from switchman.webui.looks.otherwords import ROOM


def renewed(language: str) -> Catalog:
    """The catalog of `language` as it should be in its file."""
    path = catalog_path(language)
    old = read_po(io.BytesIO(path.read_bytes()), locale=language) if path.exists() else Catalog(locale=language)
    new = Catalog(locale=language, fuzzy=False, project="Switchman")
    new.header_comment = f"# The dashboard in {language}. Kept by scripts/translations."
    for source, message in (*messages.of_pages(), *messages.of_scripts()):
        file = source.relative_to(messages.WEBUI).as_posix()
        found = old.get(message if isinstance(message, str) else message[0])
        kept = found.string if found and found.id == message else ""
        new.add(message, kept, locations=[(file, 0)])
    for source, context, text in messages.in_context():
        found, file = old.get(text, context), source.relative_to(messages.WEBUI).as_posix()
        new.add(text, found.string if found else "", locations=[(file, 0)], context=context)
    for source, text in rooms.of_rooms():
        found, file = old.get(text, ROOM), source.relative_to(messages.WEBUI.parent).as_posix()
        new.add(text, found.string if found else "", locations=[(file, 0)], context=ROOM)
    return new


def written(catalog: Catalog) -> bytes:
    """As it is in its file."""
    text = io.BytesIO()
    write_po(text, catalog, width=0, sort_output=True, omit_header=False, include_lineno=False)
    dates = (b'"POT-Creation-Date', b'"PO-Revision-Date', b'"Last-Translator', b'"Language-Team', b'"Report-Msgid')
    return b"\n".join(line for line in text.getvalue().split(b"\n") if not line.startswith(dates))


def untranslated(catalog: Catalog) -> list[str]:
    """The messages without a translation."""
    return [str(message.id) for message in catalog if message.id and not all(_strings(message.string))]


def _strings(string: object) -> tuple[str, ...]:
    return tuple(map(str, string)) if isinstance(string, tuple | list) else (str(string),)


def main() -> None:
    for language in LANGUAGES:
        if language == DEFAULT:
            continue
        catalog, path = renewed(language), catalog_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(catalog))
        missing = untranslated(catalog)
        print(f"{path.relative_to(Path.cwd())}: {len(catalog)} messages, {len(missing)} not translated")
        for text in missing:
            print(f"  {text}")


if __name__ == "__main__":
    main()
