"""Whether a reply of a model begins inside a thinking block, as the model's template opens it in the prompt.

opening(...) -> Opening: what to expect of a reply
1. `thinking_opens` of the model, or of its server, says it  -> that, for certain
2. the model was told not to think, and can be told          -> no: the template then closes the block itself
3. earlier replies of this server and model showed it        -> what they showed
4. its name is of a family in thinkers.OPENERS               -> yes, where the server applies a template
5. else                                                      -> no: nothing is held, not even for a moment

lesson(...) -> what a reply taught: True, False, or None for nothing
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from switchman.addons.core.servers.models.thinkers import opener_of

_TOLD_TO_STOP: Final = frozenset({"stop", "end_turn"})
"""The reasons of a reply that is whole, in the dialects' own words; one that was cut off, or calls a tool, may lack its
closer for that.
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """`opens`: the reply's text is taken to begin with a thought. `settled`: the rules say so. `why`: for a person."""

    opens: bool
    settled: bool = False
    why: str = ""


NOT_OPENED: Final = Opening(False)


def opening(said: bool | None, learned: bool | None, model: str, *, templated: bool, silenced: bool) -> Opening:
    """What to expect. `said`: the key `thinking_opens`. `model`: the name by which the server knows it. `templated`:
    the server applies the model's template, as it does to messages. `silenced`: the model was told not to think.
    """
    if said is not None:
        return Opening(said, True, "`thinking_opens: true` says so" if said else "")
    family = opener_of(model)
    if silenced and not (family is not None and family.always):
        return NOT_OPENED
    if learned is not None:
        return Opening(learned, why="an earlier reply began so" if learned else "")
    if templated and family is not None:
        return Opening(True, why="as its family's do")
    return NOT_OPENED


def in_words(found: Opening, target: str, *, moved: bool) -> str:
    """Why the text of a stream is held, for its trace. `moved`: thoughts go to the client as thoughts."""
    name = target.rpartition("/")[2] or target
    held = "is given as a thought at once" if moved else "is held, as a thought"
    return f"{name}'s template opens its thinking ({found.why}): the text before a closing tag {held}."


def lesson(*, orphan: bool, expected: bool, finish: str | None, whole: bool) -> bool | None:
    """What a reply taught of its server and model. `orphan`: a closer came that nothing had opened. `expected`: its
    text was taken to begin with a thought. `whole`: it was a good answer, with nothing that the client's own words (a
    stop sequence) may have cut off.
    """
    if orphan:
        return True
    return False if expected and whole and finish in _TOLD_TO_STOP else None
