"""What a page shows of a conversation: its messages in order, calls with their results, bounded. Pure.

1. A text is cut at MOST_TEXT characters, and all texts of a page together at MOST_OF_PAGE; the rest can be downloaded.
2. A picture is shown only from the bytes in the body itself, of a type that runs nothing, and not too large: what is
   at an address elsewhere is named and never fetched.
3. What looks like a credential in a field of JSON is masked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from switchman.addons.core.dialects.neutral.form import (
    Image,
    Message,
    Part,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from switchman.addons.core.dialects.passing.conversation import Answered, paired
from switchman.addons.core.texts.unicode import dumps, read_json
from switchman.webui.looks.formats import size
from switchman.webui.looks.marked import N_, Say, in_english
from switchman.webui.looks.masked import masked_text, masked_value

MOST_TEXT: Final = 20_000  # characters of one part
MOST_OF_PAGE: Final = 400_000  # characters of all parts together; what comes after has LEAST each
LEAST: Final = 500
MOST_IMAGE: Final = 1_500_000  # characters of base64
MOST_IMAGES: Final = 6_000_000  # of a page
PAGE: Final = 30  # messages
MOST_PARTS: Final = 200  # of one message
# By the first characters of their base64; SVG is none: it is a document.
TYPES: Final = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_DATA: Final = re.compile(r"data:[\w.+-]{0,40}/?[\w.+-]{0,60}(?:;[\w=.-]{1,60}){0,4};base64,", re.ASCII)

Kind = Literal["text", "refusal", "thinking", "call", "result", "image", "other"]


class Turn(NamedTuple):
    """One part of a message. `title` names it; `src`: a picture's data URL; `cut`: characters that are not shown.

    `results`: of a call, what it gave. `bad`: a result that is an error.
    """

    kind: Kind
    title: str
    text: str = ""
    cut: int = 0
    src: str = ""
    results: tuple[Turn, ...] = ()
    bad: bool = False
    answered: bool = True


class Shown(NamedTuple):
    """One message. `number` counts from 0, over all of the conversation; the answer's has None."""

    number: int | None
    role: str
    turns: tuple[Turn, ...]
    more: int  # parts that are not shown


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the messages, oldest first. `older`, `newer`: where the pages before and after begin, if there are any.

    `total` counts those that are shown on any page.
    """

    messages: tuple[Shown, ...]
    first: int
    total: int
    older: int | None
    newer: int | None


class Shower:
    """Shows parts, as long as there is room on the page."""

    def __init__(self, results: Mapping[str, ToolResult], say: Say) -> None:
        self._results = results
        self._say = say
        self._room = MOST_OF_PAGE
        self._images = MOST_IMAGES

    def message(self, number: int | None, role: str, parts: Sequence[Part]) -> Shown:
        turns = tuple(turn for part in parts[:MOST_PARTS] for turn in self._part(part))
        return Shown(number, role, turns, max(0, len(parts) - MOST_PARTS))

    def _part(self, part: Part) -> Iterator[Turn]:
        if isinstance(part, Text):
            if part.text:
                yield self._text(
                    "refusal" if part.refusal else "text", self._say(N_("refusal")) if part.refusal else "", part.text
                )
        elif isinstance(part, Thinking):
            about = self._say(N_("thinking, %(count)s characters"), count=f"{len(part.text):,}")
            yield self._text("thinking", about if part.text else self._say(N_("thinking, encrypted")), part.text)
        elif isinstance(part, Image):
            yield self._image(part)
        elif isinstance(part, ToolCall):
            result = self._results.get(part.id)
            results = tuple(self._result(result)) if result is not None else ()
            shown = self._text("call", part.name or self._say(N_("no name")), indented(part.arguments))
            yield shown._replace(results=results, answered=result is not None)
        elif isinstance(part, ToolResult):
            if part.id not in self._results:
                yield from self._result(part)
        else:
            yield self._text("other", part.kind, dumps(masked_value("", dict(part.value)), indent=2))

    def _result(self, result: ToolResult) -> Iterator[Turn]:
        name = self._say(N_("result of %(name)s"), name=result.name) if result.name else self._say(N_("result"))
        bad = bool(result.is_error)
        for part in result.content[:MOST_PARTS]:
            if isinstance(part, Text):
                yield self._text("result", name, part.text)._replace(bad=bad)
            elif isinstance(part, Image):
                yield self._image(part)
            else:
                yield self._text("other", part.kind, dumps(masked_value("", dict(part.value)), indent=2))
        if not result.content:
            yield Turn("result", name, "", bad=bad)

    def _text(self, kind: Kind, title: str, text: str) -> Turn:
        most = MOST_TEXT if self._room > 0 else LEAST
        shown = text[:most]
        self._room -= len(shown)
        return Turn(kind, title, masked_text(shown), max(0, len(text) - most))

    def _image(self, image: Image) -> Turn:
        data = image.data
        if not data and (found := _DATA.match(image.url)):
            data = image.url[found.end() :]
        if not data:
            return Turn("image", self._say(N_("a picture at an address, which is not fetched")), image.url[:2_000])
        kind = next((kind for begin, kind in TYPES.items() if data.startswith(begin)), "")
        named = kind or image.media_type or self._say(N_("a picture"))
        about = self._say(N_("%(kind)s, %(size)s"), kind=named, size=size(len(data) * 3 // 4))
        if not kind or len(data) > min(MOST_IMAGE, self._images) or not _BASE64.fullmatch(data):
            return Turn("image", about)
        self._images -= len(data)
        return Turn("image", about, src=f"data:{kind};base64,{data}")


def indented(arguments: str) -> str:
    """A call's arguments, as JSON with indentation where they are JSON."""
    try:
        return dumps(read_json(arguments.encode("utf-8", "surrogatepass")), indent=2)
    except (ValueError, RecursionError):
        return arguments


def page_of(request: Request, first: int | None, say: Say = in_english) -> Page:
    """The messages from number `first` on; None: the last ones. A message that has only results is left out: they
    stand with their calls. `say` translates what the router says itself."""
    linked, results = paired(request.messages)
    kept = [(number, one) for number, one in enumerate(linked) if not _is_told(one, results)]
    start = max(0, len(kept) - PAGE) if first is None else max(0, min(first, len(kept) - 1))
    some = kept[start : start + PAGE]
    shower = Shower(results, say)
    return Page(
        tuple(shower.message(number, one.role, one.parts) for number, one in some),
        start,
        len(kept),
        max(0, start - PAGE) if start else None,
        start + PAGE if start + PAGE < len(kept) else None,
    )


def _is_told(message: Message, results: Mapping[str, ToolResult]) -> bool:
    return bool(message.parts) and all(isinstance(part, ToolResult) and part.id in results for part in message.parts)


def replies_of(answer: Answered, say: Say = in_english) -> tuple[Shown, ...]:
    """Each choice of an answer as a message."""
    shower, several = Shower({}, say), len(answer.reply.choices) > 1
    return tuple(
        shower.message(
            None, say(N_("assistant, choice %(number)s"), number=choice.index) if several else "assistant", choice.parts
        )
        for choice in answer.reply.choices[:10]
    )


def plain(parts: Iterable[Part]) -> str:
    """All text of a message, to be downloaded: calls and results as JSON."""
    return "\n\n".join(filter(None, map(_plain, parts)))


def _plain(part: Part) -> str:
    if isinstance(part, Text | Thinking):
        return part.text
    if isinstance(part, ToolCall):
        return f"{part.name} {part.arguments}"
    if isinstance(part, ToolResult):
        return plain(part.content)
    if isinstance(part, Image):
        return part.url or f"[{part.media_type or 'picture'}]"
    return json.dumps(dict(part.value), ensure_ascii=False)
