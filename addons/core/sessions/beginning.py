"""How a conversation begins: what stays the same of it from its first request to its last, and the folder it is in.

    beginning_of(body) -> Beginning     of a parsed request in any dialect; reads its first messages only

1. `system` is what the system prompt says, from wherever the dialect has it, without what Claude Code puts there for
   billing. It may be another with each request (a clock, a list of files), so a conversation is not told by it alone.
2. `first` is the person's first words. What harnesses say before them is no word of theirs (request/boilerplate.py),
   nor are Aider's examples, which all of its conversations begin with.
3. `project` is the working directory, where the prompt tells it.

No regular expression runs over a whole prompt: str.find() takes some microseconds for 100 kB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from switchman.addons.core.request.boilerplate import own_words

FIRST_MESSAGES: Final = 40  # of a conversation that are looked at: Aider's examples alone may be 20
PARTS: Final = 32  # of one message
LONGEST_TEXT: Final = 50_000  # characters of one text
LONGEST_SEEN: Final = 200_000  # characters of all texts in which the words and the working directory are looked for
LONGEST_WORDS: Final = 4_000  # characters of the person's first words that count
LONGEST_PROJECT: Final = 500

_BILLING: Final = "x-anthropic-billing-header:"
_SYSTEM_ROLES: Final = frozenset({"system", "developer"})
_ASKING: Final = _SYSTEM_ROLES | {"user"}  # whatever else is in a conversation, somebody has answered
# What agents themselves say in the name of the person, before or between the person's words.
_SAID_BY_AGENTS: Final = (
    "This is the Qwen Code. We are setting up the context",
    "This is the Gemini CLI. We are setting up the context",
    "I have *added these files to the chat*",
    "Here are summaries of some files present in my git repository",
    "Here are some READ ONLY files, provided for your reference",
    "I am working with you on code in a git repository",
)
# Aider: what comes before is an example of a conversation.
_EXAMPLES_END: Final = "I switched to a new code base. Please don't consider the above files"

# What stands before the working directory, and what ends it. As Claude Code, OpenCode and Crush (`<env>`); Codex;
# Qwen Code and Gemini CLI; Cline and Roo Code; Cursor; OpenClaw write it.
_FOLDERS: Final = (
    ("orking directory: ", "\n<"),
    ("<cwd>", "<"),
    ("working in the directory: ", "\n<"),
    ("# Current Working Directory (", ")\n"),
    ("urrent Working Directory: ", "\n<"),
    ("absolute path of the user's workspace is ", "\n<"),
    ("Workspace Path: ", "\n<"),
    ("orking directory is: ", "\n<"),
)
_PATH: Final = re.compile(r"(?:/|~|[A-Za-z]:[\\/]|\\\\)[^\0\n]*")


@dataclass(frozen=True, slots=True)
class Beginning:
    """`system` and `first` are "" where there are none. `project`: an absolute path, None where none is told.
    `has_tools`: a helper that is asked for a title, with the same first words, has none. `is_new`: nobody has answered
    yet, as far as its first messages tell.
    """

    system: str = ""
    first: str = ""
    project: str | None = None
    has_tools: bool = False
    is_new: bool = True


NOTHING: Final = Beginning()


def beginning_of(body: Mapping[str, Any]) -> Beginning:
    """Of a parsed body; what is of no known form is passed over."""
    system = [text for text in _system_texts(body) if not text.startswith(_BILLING)]
    words, seen, room = "", [], LONGEST_SEEN
    is_new = not body.get("previous_response_id") and not body.get("context")
    for role, texts in islice(_messages(body), FIRST_MESSAGES):
        is_new = is_new and role in _ASKING
        if role in _SYSTEM_ROLES and not words:
            system += texts
        elif role == "user" and any(text.startswith(_EXAMPLES_END) for text in texts):
            words = ""
        elif role == "user" and not words:
            seen += texts
            own = []
            for text in texts:
                room -= len(text)
                own.append(_words(text) if room >= 0 else "")
            words = "\n".join(filter(None, own))
    project = _project((*system, *seen))
    return Beginning("\n".join(system), words[:LONGEST_WORDS], project, has_tools=_has_tools(body), is_new=is_new)


def _has_tools(body: Mapping[str, Any]) -> bool:
    return bool(body.get("tools") or body.get("functions"))


def _words(text: str) -> str:
    """Of a text in the name of the person, what the person wrote."""
    own = own_words(text)
    return "" if own.startswith(_SAID_BY_AGENTS) else own


def _system_texts(body: Mapping[str, Any]) -> list[str]:
    return [text for key in ("system", "instructions") for text in _texts(body.get(key))]


def _messages(body: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Role and texts of each message, in whatever dialect."""
    for key in ("messages", "input"):
        listed = body.get(key)
        if isinstance(listed, str):
            yield "user", [listed[:LONGEST_TEXT]]
        for message in listed if isinstance(listed, list) else ():
            if isinstance(message, Mapping):
                yield str(message.get("role", "")), _texts(message.get("content"))
            elif isinstance(message, str):
                yield "user", [message[:LONGEST_TEXT]]
    if isinstance(prompt := body.get("prompt"), str) and prompt:
        yield "user", [prompt[:LONGEST_TEXT]]


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content[:LONGEST_TEXT]]
    found = []
    for part in content[:PARTS] if isinstance(content, list) else ():
        text = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(text, str):
            found.append(text[:LONGEST_TEXT])
    return found


def _project(texts: tuple[str, ...]) -> str | None:
    room = LONGEST_SEEN
    for text in texts:
        text, room = text[:room], max(0, room - len(text))
        for before, ends in _FOLDERS:
            at = text.find(before)
            if at >= 0 and (path := _path(text[at + len(before) :][:LONGEST_PROJECT], ends)) is not None:
                return path
    return None


def _path(text: str, ends: str) -> str | None:
    for end in ends:
        text = text.partition(end)[0]
    text = text.strip().strip("`'\"").rstrip(".")
    text = text.partition(". The user's shell")[0]
    return text if _PATH.fullmatch(text) else None
