"""Families of models that refuse a translated conversation with tools unless it meets their demands.

Mistral's, at its own API and wherever mistral-common serves them:
- The id of a call must have nine letters and digits (error 3280). Others are replaced, the same for the same id.
- No user message may follow a tool's result (error 3230). The assistant says a word in between.
Gemini's, from 3 on, at Google:
- The first call of a turn must come back with its thought signature. Clients of other dialects have no place for one;
  the value that stands for it is documented at https://ai.google.dev/gemini-api/docs/thought-signatures.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any, Final

from switchman.addons.core.dialects.neutral.limits import Notes

MISTRAL: Final = re.compile(r"(?:mis|minis|magis|mix|pix|vox|devs|codes|leans)tral", re.IGNORECASE)
GEMINI: Final = re.compile(r"(?:models/)?gemini-(?:[3-9]|flash|pro)")  # at Google: others put a vendor before the name
FITTING: Final = re.compile(r"[a-zA-Z0-9]{9}")
BETWEEN: Final = {"role": "assistant", "content": "OK."}
UNSIGNED: Final = {"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}


def as_wanted(messages: Sequence[dict[str, Any]], model: str, notes: Notes) -> list[dict[str, Any]]:
    """Wire messages as this model takes them."""
    if MISTRAL.search(model):
        return _for_mistral(messages, notes)
    return [_for_gemini(message) for message in messages] if GEMINI.match(model) else list(messages)


def _for_gemini(message: dict[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [{**calls[0], **UNSIGNED}, *calls[1:]]} if calls else message


def _for_mistral(messages: Sequence[dict[str, Any]], notes: Notes) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "user" and out and out[-1]["role"] == "tool":
            notes.change("messages", "no user speaks right after a tool's result; the assistant says OK in between")
            out.append(BETWEEN)
        if calls := message.get("tool_calls"):
            message = {**message, "tool_calls": [{**call, "id": mistral_id(call["id"])} for call in calls]}
        if message["role"] == "tool":
            message = {**message, "tool_call_id": mistral_id(message["tool_call_id"])}
        out.append(message)
    return out


def mistral_id(id: str) -> str:
    return id if FITTING.fullmatch(id) else f"c{zlib.crc32(id.encode('utf-8', 'surrogatepass')):08x}"
