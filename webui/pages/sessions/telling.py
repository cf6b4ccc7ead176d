"""A break of the cache in words, and the two texts with what differs marked. Pure."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import NamedTuple

from switchman.addons.core.sessions.prompts.breaks import Break
from switchman.addons.core.texts.masking import mask_text
from switchman.webui.looks.marked import N_

_SAME_AGAIN = 6  # characters in a row that both texts have, at which a difference ends

_WORDS = {
    ("tools", "longer"): N_("A tool came in"),
    ("tools", "shorter"): N_("A tool is gone"),
    ("tools", "order"): N_("A tool has its keys in another order"),
    ("tools", ""): N_("The list of tools changed"),
    ("system", "longer"): N_("The system prompt has one more piece"),
    ("system", "shorter"): N_("The system prompt has one piece less"),
    ("system", "order"): N_("The system prompt has its keys in another order"),
    ("system", ""): N_("The system prompt changed"),
    ("settings", "longer"): N_("A setting came in that stands before the messages"),
    ("settings", "shorter"): N_("A setting is gone that stood before the messages"),
    ("settings", ""): N_("A setting changed that stands before the messages"),
    ("messages", "order"): N_("An earlier message has its keys in another order"),
    ("messages", ""): N_("An earlier message changed"),
}


class Marked(NamedTuple):
    """A text around the difference: `same`, what differs, and what follows."""

    same: str
    differs: str
    rest: str


def headline(found: Break) -> str:
    """What happened, in a few words that are marked to be translated."""
    if found.why == "target":
        return N_("Another target answered, which has none of this cache")
    if found.why == "marks":
        return N_("The mark for the cache moved out of the provider's reach")
    return _WORDS.get((found.part, found.why)) or _WORDS[found.part, ""]


def both(found: Break) -> tuple[Marked, Marked]:
    """The earlier and the later text, masked. Of two targets, the whole of each is what differs."""
    texts = [mask_text(one.other) for one in (found.before, found.after)]
    ends = (len(texts[0]), len(texts[1])) if found.why == "target" else differing(*texts)
    sides = [
        Marked(mask_text(one.same), text[:end], text[end:])
        for one, text, end in zip((found.before, found.after), texts, ends, strict=True)
    ]
    return sides[0], sides[1]


def differing(before: str, after: str) -> tuple[int, int]:
    """Where the two are the same again; the whole of what is there where they are not."""
    if not before or not after:
        return len(before), len(after)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for block in matcher.get_matching_blocks():
        if block.size >= _SAME_AGAIN:
            return block.a, block.b
    return len(before), len(after)
