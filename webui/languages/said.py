"""An error that says a sentence to whoever asked: programs and logs have it in English, a page in its language."""

from __future__ import annotations

from switchman.webui.looks.otherwords import known


class Said(Exception):
    """`message` is English, with `%(name)s` where one of `values` goes; marked by N_, it is in the catalogs."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message % values if values else message)
        self.message = message
        self.values = values

    def words(self) -> str:
        """The sentence in the language of the page that is being answered."""
        from flask_babel import gettext  # not above: the command line, which says such errors too, has no pages

        if not self.values and (found := known(self.message)) is not None:
            return str(gettext(found.message, **found.values))
        return str(gettext(self.message, **self.values))
