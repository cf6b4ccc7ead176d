"""An error that says a sentence to whoever asked: programs and logs have it in English, a page in its language."""

from __future__ import annotations

from switchman.webui.languages.sentences import told


class Said(Exception):
    """`message` is English, with `%(name)s` where one of `values` goes; marked by N_, it is in the catalogs."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message % values if values else message)
        self.message = message
        self.values = values

    def words(self) -> str:
        """The sentence in the language of the page that is being answered."""
        from flask_babel import gettext  # not above: the command line, which says such errors too, has no pages

        return str(gettext(self.message, **self.values)) if self.values else told(self.message)
