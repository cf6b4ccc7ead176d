"""Turns: order a conversation for chat templates that take a system message at the start only.

Claude Code and others send system messages further down as well, as reminders about the turn they follow. Many models'
templates refuse those ("System message must be at the beginning"). Moved to the start they would lose their place, and
the server's prompt cache with every new one. So each becomes text where it stands, at the end of the tool's result or
of the user's turn before it, in the <system-reminder> that Claude Code itself wrote until it had system messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from switchman.addons.core.dialects.neutral.form import Message, Request, Text, ToolResult
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.neutral.linking import with_places

REMINDER: Final = "<system-reminder>\n{}\n</system-reminder>"
# Claude Code's first system block: a note for Anthropic's bill that changes with every conversation or even request.
BILLING: Final = "x-anthropic-billing-header:"


def in_turns(request: Request, notes: Notes) -> Request:
    """The request with system messages at its start only, each message with the place the client knows it by."""
    out: list[Message] = []
    held: list[Message] = []
    for message in with_places(request).messages:
        if message.role in ("system", "developer"):
            if all(before.role in ("system", "developer") for before in out):
                out.append(message)
            else:
                held.append(message)
        elif held and _has_results(message):  # results stay next to their calls
            out.append(message)
            held = _remind(held, out, notes)
        else:
            held = _remind(held, out, notes)
            out.append(message)
    _remind(held, out, notes)
    return replace(request, messages=tuple(out))


def _remind(held: list[Message], out: list[Message], notes: Notes) -> list[Message]:
    """Append the held messages as reminders: to the last tool's result, else as a user. Gives the new, empty list."""
    for message in held:
        notes.lose("messages.role", f"messages ({message.role})")
        text = REMINDER.format("\n\n".join(part.text for part in message.parts if isinstance(part, Text)).strip())
        others = tuple(part for part in message.parts if not isinstance(part, Text))
        last = out[-1].parts[-1] if out[-1].parts else None
        if isinstance(last, ToolResult) and not others:
            result = replace(last, content=_with_paragraph(last.content, text))
            out[-1] = replace(out[-1], parts=(*out[-1].parts[:-1], result))
        else:
            out.append(replace(message, role="user", parts=(Text(text), *others)))
    return []


def _with_paragraph(content: tuple[Any, ...], text: str) -> tuple[Any, ...]:
    """The content of a tool's result with one more paragraph."""
    for i in reversed(range(len(content))):
        if isinstance(content[i], Text):
            longer = replace(content[i], text=f"{content[i].text}\n\n{text}")
            return (*content[:i], longer, *content[i + 1 :])
    return (Text(text), *content)


def _has_results(message: Message) -> bool:
    return any(isinstance(part, ToolResult) for part in message.parts)


def without_billing(request: Request, notes: Notes) -> Request:
    """The request without Claude Code's note for the bill."""
    messages = (_without_billing(message, notes) for message in request.messages)
    return replace(request, messages=tuple(message for message in messages if message is not None))


def _without_billing(message: Message, notes: Notes) -> Message | None:
    """The message without the note; None where it had nothing else."""
    if message.role != "system":
        return message
    noted = [isinstance(part, Text) and part.text.startswith(BILLING) for part in message.parts]
    if not any(noted):
        return message
    notes.lose("system.x-anthropic-billing-header")
    parts = [
        replace(part, text=without_note(part.text)) if isinstance(part, Text) and is_noted else part
        for part, is_noted in zip(message.parts, noted, strict=True)
    ]
    kept = tuple(part for part in parts if not (isinstance(part, Text) and not part.text))
    return replace(message, parts=kept) if kept else None


def without_note(text: str) -> str:
    """What follows the note, which is one line, in the same text: as a rule, nothing."""
    return text.partition("\n")[2]


def merged(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Wire messages of OpenAI or Ollama with neighbours of one role joined: templates want roles to alternate."""
    out: list[dict[str, Any]] = []
    for message in messages:
        if out and message["role"] == out[-1]["role"] and message["role"] in ("system", "user"):
            out[-1] = _joined(out[-1], message)
        else:
            out.append(message)
    return out


def results_together(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """OpenAI's messages with the results of parallel calls one after the other. A user's messages between them, such
    as the pictures of a result, move behind the last one."""
    out: list[dict[str, Any]] = []
    held: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "tool":
            out.append(message)
        elif message["role"] == "user" and out and out[-1]["role"] == "tool":
            held.append(message)
        else:
            out += [*held, message]
            held = []
    return out + held


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    one, two = first["content"], second["content"]
    if isinstance(one, str) and isinstance(two, str):
        content: Any = "\n\n".join(text for text in (one, two) if text)
    else:
        content = [*_as_parts(one), *_as_parts(two)]
    images = [*first.get("images", ()), *second.get("images", ())]
    return {**first, **second, "content": content, **({"images": images} if images else {})}


def _as_parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
