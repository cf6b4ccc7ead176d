"""Unsigned thoughts: mark the thoughts in a translated answer, and take marked ones out of a later request.

Anthropic signs thinking blocks and checks the signature; OpenAI looks for reasoning items by their id. Both refuse
another model's thoughts, so a conversation that goes on there must lose them. Signatures that came from a server stay:
some servers give none, and take their thoughts back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import text_of
from switchman.addons.core.request.call import Call
from switchman.addons.core.request.jsonedit import REMOVE
from switchman.addons.core.servers.thinking import Edits

SIGNATURE: Final = "switchman-unsigned"
ITEM: Final = "rs_unsigned_"  # the start of an id


def without_unsigned(call: Call) -> Edits:
    """The edits that take marked thoughts out of a request."""
    if SIGNATURE not in call.text and ITEM not in call.text:
        return {}
    if call.endpoint.operation == "responses":
        items = _objects(call.body.get("input"))
        return {("input", i): REMOVE for i, item in items if text_of(item, "id").startswith(ITEM)}
    edits: Edits = {}
    for i, message in _objects(call.body.get("messages")):
        blocks = list(_objects(message.get("content")))
        marked = [j for j, block in blocks if block.get("signature") == SIGNATURE]
        if marked and len(marked) == len(blocks):  # an answer that was cut off while it thought
            edits[("messages", i, "content")] = [{"type": "text", "text": "(no content)"}]
        else:
            edits |= {("messages", i, "content", j): REMOVE for j in marked}
    return edits


def _objects(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    items = enumerate(value) if isinstance(value, list) else ()
    return ((i, item) for i, item in items if isinstance(item, dict))
