"""Characters: put the two halves of a surrogate pair together again, where a server cut it between two deltas.

JSON can write a character beyond U+FFFF as two escapes, and a server that streams piece by piece may send `\\ud83d` in
one event and `\\ude00` in the next. Each alone is no character in the client's language; together they are.
"""

from __future__ import annotations

from dataclasses import replace

from switchman.addons.core.dialects.neutral.form import (
    End,
    Failed,
    Finish,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
)

type _Delta = TextDelta | ThinkingDelta | ToolDelta


class WholeCharacters:
    """Hold the first half of a pair at the end of a delta until the next delta of the same text brings the second. A
    half that stays alone goes on as it came, before whatever follows it.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[object, ...], tuple[_Delta, str]] = {}  # a delta's place -> it, and its last character

    def feed(self, event: StreamEvent) -> list[StreamEvent]:
        """The events that go on in its place."""
        if isinstance(event, TextDelta | ThinkingDelta | ToolDelta):
            text = _text(event)
            if not self._held and not _is_first_half(text):
                return [event]
            return self._delta(event, text)
        if self._held and isinstance(event, Finish | Failed | End):
            return [*self._release(event.choice if isinstance(event, Finish) else None), event]
        return [event]

    def end(self) -> list[StreamEvent]:
        """The stream is over: what is still held."""
        return self._release(None)

    def _delta(self, event: _Delta, text: str) -> list[StreamEvent]:
        place = _place(event)
        if not text and place in self._held and not getattr(event, "signature", None):
            return [event]  # many servers send empty deltas
        half = self._held.pop(place)[1] if text and place in self._held else ""
        before = self._release(event.choice)
        if half:
            pair = (half + text[0]).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
            text = pair + text[1:]
            event = _with(event, text)
        if not _is_first_half(text):
            return [*before, event]
        if isinstance(event, ToolDelta):
            self._held[place] = (replace(event, id="", name=""), text[-1])  # only the call's first delta has them
        else:
            self._held[place] = (event, text[-1])
            if text == text[-1]:
                return before
        return [*before, _with(event, text[:-1])]

    def _release(self, choice: int | None) -> list[StreamEvent]:
        """What is held of a choice, None for all, as it came."""
        places = [place for place in self._held if choice is None or place[0] == choice]
        return [_with(*self._held.pop(place)) for place in places]


def _text(event: _Delta) -> str:
    return event.arguments if isinstance(event, ToolDelta) else event.text


def _with(event: _Delta, text: str) -> _Delta:
    return replace(event, arguments=text) if isinstance(event, ToolDelta) else replace(event, text=text)


def _place(event: _Delta) -> tuple[object, ...]:
    """What tells the texts of a reply apart; the choice comes first."""
    within = event.index if isinstance(event, ToolDelta) else getattr(event, "refusal", False)
    return event.choice, type(event), within


def _is_first_half(text: str) -> bool:
    return text != "" and "\ud800" <= text[-1] <= "\udbff"
