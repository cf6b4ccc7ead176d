"""The words of the rules' editors: a hint for each field of a rule, and what a fault of YAML means. Pure.

The grammar has words of its own (rulesfile.py, matchfile.py), for whoever reads the schema; these are for whoever fills
in the form. Both kinds are marked here and translated where they are shown.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from switchman.webui.looks.marked import N_


class Plain(NamedTuple):
    """`message` is marked, with %(name)s for `values`."""

    message: str
    values: dict[str, str]


ROUTE_HINTS: Final = {
    "name": N_("What you call this rule. The list of requests and the traces show it."),
    "description": N_("A note for yourself and your colleagues."),
    "enabled": N_("A rule that is off stays in the file and is passed over."),
    "priority": N_("From 0 to 1000. Rules with a higher number are tried first."),
    "redact": N_("Hides private data from the server. The answer gets the originals back."),
}
MATCH_HINTS: Final = {
    "model": N_("The model that the client asks for. A pattern stands between slashes: /^gpt-/"),
    "task": N_("What the user wants done, as the router guesses it."),
    "keywords": N_("Whole words or phrases in what the user asks; upper or lower case."),
    "keywords_substring": N_("The same, also where they are a part of a longer word."),
    "regex": N_("A regular expression that is found in what the user asks. With (?i) in front, in any case."),
    "language": N_("The language of what the user asks, as a code: en, zh, de."),
    "tokens": N_("The size of the whole prompt in tokens, as the router estimates it."),
    "depth": N_("How many messages the conversation has, system prompts not counted."),
    "tools": N_("Whether the request offers tools to the model."),
    "modalities": N_("What the conversation has in it: text, pictures or sound."),
    "time": N_("The time of day where the router runs, and on which days."),
    "header": N_("A header of the request, and the values that it may have."),
    "token": N_("The API token that the client uses, by its name; * stands for any letters."),
    "group": N_("A group that the client's API token belongs to."),
    "source_host": N_("The client's address, or a range of them: 10.0.1.0/24"),
    "max_cost": N_("Only while a million input tokens cost at most so many dollars where this rule leads."),
    "max_latency": N_("Only while the server that this rule leads to answers within so many milliseconds."),
    "provider_health": N_("Only while a server is in this state."),
    "all": N_("all of these hold"),
    "any": N_("at least one of these holds"),
    "not": N_("this does not hold"),
}
TARGET_HINTS: Final = {
    "upstream": N_("The server that answers. Empty: the model's name below says it."),
    "model": N_("The model that answers: server/model or an alias. Empty: the one that the client asks for."),
    "fallbacks": N_("Tried one after the other if the first one fails."),
    "thinking": N_("Whether the model thinks before it answers. auto: as the client asks."),
    "stick": N_("A conversation stays where it began, as long as that server is well."),
    "local_only": N_("If it fails, the request goes to no server outside of those that the file calls local_only."),
    "capture": N_("How much of prompts and answers the log keeps."),
    "strategy": N_(
        "Who is asked first, of the target and the fallbacks: in order, in turn (round_robin, weighted), "
        "the least busy, the fastest, the cheapest."
    ),
    "affinity": N_("What stays with who answered it first, so that a prompt's cache is used. Usual: the conversation."),
    "weight": N_("How much the target takes, against fallbacks that have a weight."),
    "split": N_('In place of server and model: parts with their shares, such as {"stable": 90, "canary": 10}.'),
    "fallback_on": N_(
        "For what the next one is asked although the server has answered: the prompt is too long for it (context), or "
        "its filter refused (content_filter). Not said: as the server, or the whole file, says."
    ),
    "mirror": N_("Some conversations are asked of a second target as well. Its answers go to nobody, and are logged."),
}


_INDENT = N_("The indentation does not fit the lines above: keys of one level begin in the same column.")
# What a message has, and what it means; the first that is found counts.
_FAULTS: Final = (
    (
        r"found character '\\t' that cannot start any token",
        N_("There is a tab here. YAML takes spaces only: put spaces in its place."),
    ),
    (
        r"quoted scalar found unexpected (?:end of stream|document separator)",
        N_("A quotation mark is opened here and never closed."),
    ),
    (
        r"this key is already on line (?P<line>\d+)",
        N_("This key is there twice, first on line %(line)s: keep one of them."),
    ),
    (
        r"parsing a flow (?:mapping|sequence) expected ',' or '(?P<end>[}\]])', but got '<stream end>'",
        N_("A bracket is opened here and never closed: %(end)s is missing."),
    ),
    (
        r"parsing a flow (?:mapping|sequence) expected ',' or '(?P<end>[}\]])'",
        N_("A comma is missing before this, or the bracket is not closed: %(end)s"),
    ),
    (
        r"while parsing a block \w+ expected <block end>, but found '<scalar>'",
        N_("There is text after a closing quotation mark: put all of the value in one pair of them."),
    ),
    (r"while parsing a block \w+ expected <block end>", _INDENT),
    (
        r"mapping values are not allowed here",
        N_(
            "A colon is not expected here. Either the indentation does not fit the lines above, a space is missing "
            "after an earlier colon, or a value with a colon in it needs quotation marks."
        ),
    ),
    (
        r"could not find expected ':'",
        N_("The line above has no colon: a key is written as key: value."),
    ),
    (
        r"^a route needs upstream, model, or both$",
        N_("This rule leads nowhere yet: it needs a server (upstream), a model, or both."),
    ),
    (r"sequence entries are not allowed here", N_("A list begins on a line of its own, below its key.")),
    (
        r"found character '(?P<character>.)' that cannot start any token",
        N_("A value cannot begin with %(character)s: put it in quotation marks."),
    ),
    (r"found undefined alias", N_("A value that begins with * needs quotation marks.")),
    (
        r"found unknown escape character",
        N_("In double quotation marks, a backslash is written twice. Single ones take it as it is."),
    ),
)
_PATTERNS: Final = tuple((re.compile(pattern), message) for pattern, message in _FAULTS)


def plain(message: str) -> Plain | None:
    """What a message of the YAML reader (yamltext.py) means, in words of everybody; None: it says so itself."""
    for pattern, words in _PATTERNS:
        if found := pattern.search(message):
            return Plain(words, {name: value for name, value in found.groupdict().items() if value})
    return None
