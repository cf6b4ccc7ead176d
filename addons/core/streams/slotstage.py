"""SlotStage: a text filter per choice, applied to the events of a stream or to a whole reply.

What a stage does with an event:

1. If the filter passes the text on unchanged, the event goes on byte for byte.
2. If text is held back or removed, its field becomes "": the event stays, as clients count on its role, id and order.
3. When a choice ends, the text that its filter still holds goes into the ending event's own text field. Where that
   event has no place for text, and at the end of a stream without such an event (`[DONE]`, an error, nothing), it goes
   into an event made like the choice's last one.
4. Once the filters of an event's choices are idle, such events are passed on without being parsed.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final, Protocol

from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.slots import Slot, SlotFinder

MAX_CHOICES: Final = 1024
"""Choices (or blocks) of one reply that get a filter; beyond that they pass through. Bounds memory; no server
allows as many.
"""

# Members that belong to one event alone: an event made like it must not repeat them.
_NOT_REPEATED: Final = (
    "tool_calls",
    "function_call",
    "logprobs",
    "reasoning_content",
    "reasoning",
    "thinking",
    "refusal",
)


class TextFilter(Protocol):
    """The state machine of one choice. Each method returns (visible text, thought)."""

    @property
    def idle(self) -> bool:
        """Whether all further text will pass unchanged."""

    def feed(self, text: str) -> tuple[str, str]: ...
    def end(self) -> tuple[str, str]: ...
    def abort(self) -> tuple[str, str]: ...


class _Choice:
    """One choice of a stream: its filter (None once idle) and its last event that had text."""

    __slots__ = ("filter", "last")

    def __init__(self, filter: TextFilter | None) -> None:
        self.filter = filter
        self.last: Event | None = None


class _Held:
    """Texts that no event has carried yet, by the events that theirs are to be like, and by choice.

    All choices of an event have theirs in one: an event of a thousand choices would else be copied a thousand times.
    """

    def __init__(self) -> None:
        self._texts: dict[int, tuple[Event, dict[Hashable, tuple[str, str]]]] = {}

    def add(self, model: Event, key: Hashable, text: str, thought: str) -> None:
        self._texts.setdefault(id(model), (model, {}))[1][key] = (text, thought)

    @property
    def by_event(self) -> Iterable[tuple[Event, dict[Hashable, tuple[str, str]]]]:
        return self._texts.values()


class SlotStage(ABC):
    """A Stage (see pipe.py) that works on text slots. One object serves one reply, streamed or whole."""

    def __init__(self, slots: SlotFinder, *, keep_thoughts: bool = False) -> None:
        self._slots = slots
        self._keep_thoughts = keep_thoughts
        self._choices: dict[Hashable, _Choice] = {}
        self._idle_marks: set[bytes] = set()

    @abstractmethod
    def new_filter(self, slot: Slot, *, whole: bool) -> TextFilter | None:
        """The filter for a new choice; None to leave it alone. `whole`: the reply is whole, so holding text back delays
        nothing.
        """

    def look(self, data: dict[str, Any]) -> None:  # noqa: B027 - a stage that only reads slots needs none
        """See the data of an event, or a whole reply, before any of its text is fed to a filter."""

    def last_words(self, slot: Slot, text_filter: TextFilter) -> tuple[str, str]:
        """The text to be given with an event after its own, where a filter must not hold it beyond this event."""
        return "", ""

    # --- streams ---

    def feed(self, event: Event) -> Sequence[Event]:
        payload = event.payload
        if payload is None or (self._idle_marks and _mark(payload) in self._idle_marks):
            return (event,)
        data = event.data
        if not isinstance(data, dict):
            return (*self.end(), event) if event.is_done else (event,)
        self.look(data)
        slots = list(self._slots(data))  # before any filter is fed: the finder may raise on a shape it does not know
        if not slots:
            return (*self.end(), event) if "error" in data else (event,)
        held = _Held()
        for slot in slots:
            self._apply(slot, event, held)
        self._remember_idle(payload, slots)
        return (*self._made(held), event)

    def end(self) -> list[Event]:
        """The stream is over: events for the text that is still held."""
        return self._released(ended=True)

    def abort(self) -> list[Event]:
        """The stream broke off, or the stage is removed: events for the text that is still held, unchanged."""
        return self._released(ended=False)

    def _apply(self, slot: Slot, event: Event, held: _Held) -> None:
        choice = self._choices.get(slot.key)
        if choice is None:
            if len(self._choices) >= MAX_CHOICES:
                return
            choice = self._choices[slot.key] = _Choice(self.new_filter(slot, whole=False))
        if choice.filter is None:
            return
        text = _text(slot)
        if text:
            choice.last = event
        visible, thought = choice.filter.feed(text)
        more, more_thought = choice.filter.end() if slot.finished else self.last_words(slot, choice.filter)
        visible, thought = visible + more, thought + more_thought
        if slot.field:
            if self._write(slot, text, visible, thought):
                event.dirty = True
        elif choice.last is not None:
            held.add(choice.last, slot.key, visible, thought)
        if slot.finished or choice.filter.idle:
            choice.filter = choice.last = None

    def _write(self, slot: Slot, text: str, visible: str, thought: str) -> bool:
        """Put the filter's output into the slot; True if that changed anything."""
        changed = False
        if visible != text:
            slot.holder[slot.field] = visible
            changed = True
        if thought and self._keep_thoughts and slot.reasoning_field:
            there = slot.holder.get(slot.reasoning_field)
            slot.holder[slot.reasoning_field] = (there if isinstance(there, str) else "") + thought
            changed = True
        return changed

    def _released(self, *, ended: bool) -> list[Event]:
        held = _Held()
        for key, choice in self._choices.items():
            if choice.filter is not None and choice.last is not None:
                held.add(choice.last, key, *(choice.filter.end() if ended else choice.filter.abort()))
                choice.filter = choice.last = None
        return self._made(held)

    def _made(self, held: _Held) -> list[Event]:
        return [made for model, texts in held.by_event if (made := self._made_like(model, texts)) is not None]

    def _made_like(self, model: Event, texts: dict[Hashable, tuple[str, str]]) -> Event | None:
        """An event like `model` that carries only these texts of its choices; None for no text."""
        texts = {
            key: (text, thought) for key, (text, thought) in texts.items() if text or (thought and self._keep_thoughts)
        }
        if not texts:
            return None
        data = model.read()
        placed = False
        for slot in self._slots(data):
            if not slot.field:
                continue
            if slot.field in slot.holder:
                slot.holder[slot.field] = ""
            for name in _NOT_REPEATED:
                if name != slot.field:
                    slot.holder.pop(name, None)
            if (text := texts.pop(slot.key, None)) is not None:
                placed = True
                visible, thought = text
                slot.holder[slot.field] = visible
                self._write(slot, visible, visible, thought)
        return model.like(data) if placed else None

    def _remember_idle(self, payload: bytes, slots: list[Slot]) -> None:
        if len(self._idle_marks) < 64 and all(self._is_idle(slot.key) for slot in slots):
            mark = _mark(payload)
            if mark == b"" or (mark is not None and _WHOLE_MARK.match(mark)):
                self._idle_marks.add(mark)

    def _is_idle(self, key: Hashable) -> bool:
        choice = self._choices.get(key)
        return choice is not None and choice.filter is None

    # --- whole replies ---

    def whole(self, obj: dict[str, Any]) -> bool:
        """Apply the stage to a whole reply, in place; True if anything changed."""
        filters: dict[Hashable, TextFilter | None] = {}
        last: dict[Hashable, Slot] = {}
        changed = False
        self.look(obj)
        for slot in self._slots(obj):
            if slot.key not in filters:
                filters[slot.key] = self.new_filter(slot, whole=True)
            text_filter = filters[slot.key]
            if text_filter is None or not slot.field:
                continue
            last[slot.key] = slot
            text = _text(slot)
            visible, thought = text_filter.feed(text)
            if slot.finished:
                more, more_thought = text_filter.end()
                visible, thought = visible + more, thought + more_thought
                filters[slot.key] = None
            changed |= self._write(slot, text, visible, thought)
        for key, slot in last.items():
            if (text_filter := filters[key]) is not None:
                visible, thought = text_filter.end()
                changed |= self._write(slot, text := _text(slot), text + visible, thought)
        return changed


def apply_whole(stages: Iterable[SlotStage], obj: dict[str, Any]) -> bool:
    """Apply stages, in order, to a whole reply, in place; True if any of them changed it."""
    changed = False
    for stage in stages:
        changed |= stage.whole(obj)
    return changed


def _text(slot: Slot) -> str:
    text = slot.holder.get(slot.field) if slot.field else None
    return text if isinstance(text, str) else ""


# --- idle marks -----------------------------------------------------------------------------------------------------
# "index" identifies a choice, in every dialect that has several. The quoted word cannot occur inside a JSON string, as
# its quotes would be escaped there. So an event with one "index" and the same digits behind it belongs to the same
# choice as the one that was parsed.

_WHOLE_MARK: Final = re.compile(rb":\s?\d+[,}]")


def _mark(payload: bytes) -> bytes | None:
    """The bytes that identify an event's choice: those behind its only "index"; b"" if it has none, None if it has
    several.
    """
    at = payload.find(b'"index"')
    if at < 0:
        return b""
    return None if payload.find(b'"index"', at + 7) >= 0 else payload[at + 7 : at + 12]
