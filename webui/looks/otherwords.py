"""Sentences that the rooms below say in English, to programs and pages alike, and that a page shows translated. Pure.

Those rooms know no pages. So a sentence of theirs that somebody meets who fills in a form stands here once more, with
%(name)s where theirs has a value; a test holds that it is known again. One that does not stand here stays English.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from switchman.webui.looks.marked import N_


class Plain(NamedTuple):
    """`message` is marked, with %(name)s for `values`."""

    message: str
    values: dict[str, str]


SENTENCES: Final = (
    # store/access: tokens and keys
    N_("there is a token named %(name)s already: revoke it first, or choose another name"),
    N_("there is no token with the name or id %(name)s"),
    N_("the token %(name)s is revoked, for good: make another one"),
    N_("there is a key %(name)s already: `switchman key rotate %(name)s` gives it another value"),
    N_("the value is empty"),
    N_("this name looks like a key itself, which is read from standard input: give it another name"),
    N_("there is no master key to seal with"),
    # core/access/written.py: what is typed into a token's form
    N_("%(text)s is no name: expected up to %(most)s letters, digits, blanks and . _ - @ +, such as anna or ci-runner"),
    N_("%(text)s looks like the id of a token: choose another name"),
    N_(
        "%(text)s is no budget: expected dollars or tokens a day or month, such as 20/month, $0.50/day or "
        "500000tokens/day"
    ),
    N_("%(text)s is too small, too large or too exact: expected whole tokens, or micro-dollars"),
    N_("expected one line, without control characters"),
    N_("%(text)s: behind the arrow stands the model that answers once it is used up"),
    # pydantic, of a token's form
    N_("String should have at least 1 character"),
    N_("String should have at most %(most)s characters"),
    N_("Input should be greater than 0"),
    N_("Input should be less than or equal to %(most)s"),
    # config/editing: the rules file
    N_("%(names)s decide where the router's keys go: only admins change them"),
    N_("%(url)s is a new address, to which clients' keys would go: only admins add one"),
    N_("%(key)s has a hidden key where none was: only admins move keys"),
    N_("the rules file is larger than %(most)s bytes: edit the file itself"),
    N_("the text is larger than %(most)s bytes: edit the file itself"),
    N_("the text is empty, which the router does not take for rules: `routes: []` are none"),
    N_("`routes` is no list"),
    N_("there is no route %(number)s"),
    N_("there is no alias %(name)s"),
)


def _pattern(sentence: str) -> re.Pattern[str]:
    text, seen = r"\A", set()
    for part in re.split(r"(%\(\w+\)s)", sentence):
        if not part.startswith("%("):
            text += re.escape(part)
        elif (name := part[2:-2]) in seen:
            text += f"(?P={name})"
        else:
            seen.add(name)
            text += f"(?P<{name}>.+)"
    return re.compile(text, re.DOTALL)


_PATTERNS: Final = tuple((_pattern(sentence), sentence) for sentence in SENTENCES)


def known(text: str) -> Plain | None:
    """The sentence of SENTENCES that a text is, with its values; None for another."""
    for pattern, sentence in _PATTERNS:
        if found := pattern.fullmatch(text):
            return Plain(sentence, found.groupdict())
    return None
