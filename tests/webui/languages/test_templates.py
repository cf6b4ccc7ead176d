"""No text of a template is forgotten: each is said by gettext, but what needs no translation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import Environment

from switchman.webui.languages import messages

# The templates whose texts are translated. What is not under one of these is not looked at yet.
TRANSLATED = ("**/*.html",)
# Names, units and formats, which are the same in all languages.
SAME = {"Switchman", "vault", "JSON", "YAML", "HAR", "CSV", "HTTP", "UTC", "API", "p50", "p95", "p99", "ms"}
# What is typed as it stands, and what a price is told by (looked at, not shown).
TYPED = {
    "openai",
    "server/model",
    "servers: ...",
    "http://127.0.0.1:8000",
    "x-team: research",
    '{"version": "1.1", "rules": []}',
    "switchman key set openai",
    "switchman token create --name laptop",
    "switchman backtest --rules new.yaml --since 7d",
    "not known",
}
SAID_IN = ("title", "aria-label", "placeholder", "alt", "label")  # attributes that people read or hear
NO_WORDS = {"code", "pre", "kbd", "script", "style", "svg"}
CALLS = {"_", "gettext", "ngettext", "pgettext"}
LETTERS = re.compile(r"[A-Za-z]{2,}\d*")
# In an expression most strings are names; a text begins with a capital, or has several words.
TEXT = re.compile(r"^[A-Z][a-z]+|[a-z] [a-z]")
TEMPLATES = [path for pattern in TRANSLATED for path in sorted(messages.WEBUI.glob(pattern))]


def environment() -> Environment:
    found: Environment = Flask("any").jinja_env
    found.add_extension("jinja2.ext.i18n")
    return found


class Words(HTMLParser):
    """The words of a page that people read, with what is an expression left out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._quiet: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in NO_WORDS:
            self._quiet.append(tag)
        for name, value in attrs:
            if name in SAID_IN and value not in TYPED:
                self.found += words_in(value or "")

    def handle_endtag(self, tag: str) -> None:
        if self._quiet and self._quiet[-1] == tag:
            self._quiet.pop()

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.found += words_in(data)


def words_in(text: str) -> list[str]:
    return [word for word in LETTERS.findall(text) if word not in SAME]


def untranslated(source: str) -> list[str]:
    """What a template says by itself: in its HTML, and as a string of an expression that no gettext is given."""
    words, texts = Words(), []
    tokens = [token for token in environment().lex(source) if token[1] not in ("whitespace", "comment")]
    trans, depth, said_at = False, 0, 0
    for at, (_, kind, text) in enumerate(tokens):
        before = tokens[at - 1][2] if at else ""
        if kind == "name" and tokens[at - 1][1] == "block_begin" and text in ("trans", "endtrans"):
            trans = text == "trans"
        elif kind == "data" and not trans:
            words.feed(text)
        elif kind == "operator" and text in "([{":
            depth += 1
            if text == "(" and before in CALLS:
                said_at = depth
        elif kind == "operator" and text in ")]}":
            said_at = 0 if depth == said_at else said_at
            depth -= 1
        elif (
            kind == "string"
            and TEXT.search(text[1:-1])
            and text[1:-1] not in TYPED
            and not (depth == said_at and before in ("(", ","))
        ):
            texts.append(text)
    words.close()
    return words.found + texts


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(messages.WEBUI).as_posix())
def test_a_template_says_nothing_by_itself(path: Path) -> None:
    assert untranslated(path.read_text(encoding="utf-8")) == []


FORGOTTEN = [
    ("<p>Some words</p>", ["Some", "words"]),
    ('<a title="Some words">{{ _("x") }}</a>', ["Some", "words"]),
    ('<a{% if x %} title="{{ x }}"{% endif %} aria-label="Words">x</a>', ["Words"]),
    ('{{ parts.figure("Requests", 1) }}', ['"Requests"']),
    ('{{ "one thing" if x else _("other") }}', ['"one thing"']),
    ('{{ _("Asked %(name)s", name=x or "Nobody") }}', ['"Nobody"']),
    ("{% if x %}Yes{% else %}{{ _('No') }}{% endif %}", ["Yes"]),
]
SAID = [
    '{{ _("Some words") }}',
    "<a title=\"{{ _('Some words') }}\">JSON</a>",
    "{% trans n=x %}{{ n }} <b>words</b>{% endtrans %}",
    '{{ parts.figure(_("Requests"), x | count, title=_("All of %(n)s", n=x)) }}',
    '{{ ngettext("%(num)s word", "%(num)s words", n) }} 95 % × →',
    "<pre>curl it</pre><code>provider/model</code>{% if kind == 'image' %}{% endif %}",
]


@pytest.mark.parametrize(("source", "found"), FORGOTTEN, ids=str)
def test_what_is_forgotten_is_found(source: str, found: list[str]) -> None:
    assert untranslated(source) == found


@pytest.mark.parametrize("source", SAID)
def test_what_is_said_is_not(source: str) -> None:
    assert untranslated(source) == []


def test_the_table_names_templates_that_there_are() -> None:
    """A pattern that finds none looks at nothing."""

    def empty() -> Iterator[str]:
        return (pattern for pattern in TRANSLATED if not any(messages.WEBUI.glob(pattern)))

    assert list(empty()) == []


BARE = re.compile(r"\b(?:_|gettext)\((?![\"'])[\w.]+\)")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(messages.WEBUI).as_posix())
def test_what_is_not_written_out_is_no_markup(path: Path) -> None:
    """`_(x)` gives markup: a text from outside would not be escaped. `x | translated` is for words that are marked."""
    assert BARE.findall(path.read_text()) == []
