"""Hosted: leave out of a history what a provider's own tools did in it.

Anthropic's web search, code execution and MCP put blocks into an answer, which clients send back. (OpenAI's items are
left out where they are read: responses_request.py.) No other provider takes them, and what came of them is in the
answer's texts. A summary that Anthropic made of earlier turns is text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from switchman.addons.core.dialects.neutral.fields import text_of
from switchman.addons.core.dialects.neutral.form import Message, Opaque, Part, Request, Text
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.neutral.linking import with_places

HOSTED: Final = ("server_tool_use", "mcp_tool_use")
RESULT: Final = "_tool_result"  # the end of a kind: `web_search_tool_result`, `bash_code_execution_tool_result`
SUMMARY: Final = "compaction"
ODD_CALL: Final = "tool_calls"  # a call that the client ran: the encoders refuse it


def without_hosted_parts(request: Request, notes: Notes) -> Request:
    """The request without them, and without the messages that had nothing else."""
    if not any(isinstance(part, Opaque) for message in request.messages for part in message.parts):
        return request
    out: list[Message] = []
    for message in with_places(request).messages:
        parts = tuple(map(_summary_as_text, message.parts))
        kept = tuple(part for part in parts if not _is_hosted(part, message))
        for place, part in enumerate(parts):
            if isinstance(part, Opaque) and _is_hosted(part, message):
                notes.lose("messages.hosted", f"{message.place}.content[{place}] ({part.kind})")
        if kept or not parts:
            out.append(replace(message, parts=kept))
    return replace(request, messages=tuple(out))


def _is_hosted(part: Part, message: Message) -> bool:
    """Whether a part is of a tool that the provider ran. A server wrote all of an assistant's message."""
    if not isinstance(part, Opaque) or part.words is not None or part.kind == ODD_CALL:
        return False
    return message.role == "assistant" or part.kind in HOSTED or part.kind.endswith(RESULT)


def _summary_as_text(part: Part) -> Part:
    if isinstance(part, Opaque) and part.kind == SUMMARY and text_of(part.value, "content"):
        return Text(text_of(part.value, "content"))
    return part
