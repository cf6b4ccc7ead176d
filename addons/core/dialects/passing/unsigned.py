"""Unsigned thoughts: the marks on the thoughts of a translated answer, by which a later request loses them again.

Anthropic signs thinking blocks and checks the signature; OpenAI looks for reasoning items by their id. Both refuse
another model's thoughts, so a conversation that goes on there must lose them. Signatures that came from a server stay:
some servers give none, and take their thoughts back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import text_of
from switchman.addons.core.request.jsonedit import REMOVE
from switchman.addons.core.servers.models.thinking import Edits

SIGNATURE: Final = "switchman-unsigned"
ITEM: Final = "rs_unsigned_"  # the start of an id
EMPTY: Final = [{"type": "text", "text": "(no content)"}]


def is_ours(thought: Mapping[str, Any]) -> bool:
    """Whether a thinking block or a reasoning item has our mark."""
    return thought.get("signature") == SIGNATURE or text_of(thought, "id").startswith(ITEM)


def without_blocks(message: Mapping[str, Any], out: Collection[int], place: tuple[str | int, ...]) -> Edits:
    """The edits that take these blocks out of a message. One that had nothing else, as it was cut off while it thought,
    says so."""
    if out and len(out) == len(message["content"]):
        return {place: EMPTY}
    return {(*place, j): REMOVE for j in out}


def objects(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list, with their places."""
    items = enumerate(value) if isinstance(value, list) else ()
    return ((i, item) for i, item in items if isinstance(item, dict))
