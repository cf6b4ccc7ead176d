"""The note for Anthropic's bill, taken out of a request that passes to another server which speaks Anthropic's dialect.

Claude Code puts it in front of its system prompt, and changes it with every conversation or even request. A server that
keeps what it computed of a prompt, as all do that run models, would begin anew each time. In what is translated,
neutral/turns.py takes it out.
"""

from __future__ import annotations

from typing import Final

from switchman.addons.core.dialects.neutral.turns import BILLING, without_note
from switchman.addons.core.request.call import Call
from switchman.addons.core.request.jsonedit import REMOVE
from switchman.addons.core.servers.models.thinking import Edits
from switchman.addons.core.servers.servers import Server, is_anthropics

DROPPED: Final = (
    "system.x-anthropic-billing-header was dropped: a note for Anthropic's bill, which changes and would spoil the "
    "server's prompt cache"
)


def without_billing_note(call: Call, server: Server) -> Edits:
    """The edits that take the note out of a request in Anthropic's dialect for this server; none where it stays."""
    if call.dialect != "anthropic" or is_anthropics(server):
        return {}
    system = call.body.get("system")
    if isinstance(system, str):
        return {("system",): without_note(system) or REMOVE} if system.startswith(BILLING) else {}
    blocks = system if isinstance(system, list) else []
    texts = [block.get("text") if isinstance(block, dict) else None for block in blocks]
    noted = {i: text for i, text in enumerate(texts) if isinstance(text, str) and text.startswith(BILLING)}
    rests = {i: without_note(text) for i, text in noted.items()}
    if rests and len(rests) == len(blocks) and not any(rests.values()):
        return {("system",): REMOVE}
    return {("system", i, "text") if rest else ("system", i): rest or REMOVE for i, rest in rests.items()}
