"""What Mistral's models want of a conversation with tools, at its own API and wherever mistral-common serves them.

- The id of a call has nine letters and digits (error 3280): others are replaced, the same for the same id.
- No user speaks right after a tool's result (error 3230): the assistant says a word in between.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any, Final

from switchman.addons.dialects.limits import Notes

MODELS: Final = re.compile(r"(?:mis|minis|magis|mix|pix|vox|devs|codes|leans)tral", re.IGNORECASE)
FITTING: Final = re.compile(r"[a-zA-Z0-9]{9}")
BETWEEN: Final = {"role": "assistant", "content": "OK."}


def for_mistral(messages: Sequence[dict[str, Any]], notes: Notes) -> list[dict[str, Any]]:
    """Wire messages of a translated request, as these models take them."""
    out: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "user" and out and out[-1]["role"] == "tool":
            notes.change("messages", "no user speaks right after a tool's result; the assistant says OK in between")
            out.append(BETWEEN)
        if calls := message.get("tool_calls"):
            message = {**message, "tool_calls": [{**call, "id": _short(call["id"])} for call in calls]}
        if message["role"] == "tool":
            message = {**message, "tool_call_id": _short(message["tool_call_id"])}
        out.append(message)
    return out


def _short(id: str) -> str:
    return id if FITTING.fullmatch(id) else f"c{zlib.crc32(id.encode('utf-8', 'surrogatepass')):08x}"
