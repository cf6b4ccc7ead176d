"""Naming: write into `model` of an answer to `auto` the model that gave it. Nothing else changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from switchman.addons.core.request import jsonedit
from switchman.addons.core.streams.events import Event

# Anthropic's first event has the model in `message`, those of Responses in `response`; all others at the top.
_HOLDERS: Final = ("message", "response")

Name = Callable[[str], str]  # the upstream's own name of the model -> the name for the client


def name_whole(obj: dict[str, Any], name: Name) -> bool:
    """Rename the model of a whole reply. False if it names none."""
    if not isinstance(obj.get("model"), str):
        return False
    obj["model"] = name(obj["model"])
    return True


class NameStage:
    """A Stage that renames the model in each event of a stream. The bytes before the model are equal in nearly all of
    them, so they are found once, and then only compared.
    """

    def __init__(self, name: Name) -> None:
        self._name = name
        self._old = b""  # an event's payload up to the end of the model's name, and what it becomes
        self._new = b""

    def feed(self, event: Event) -> Iterable[Event]:
        payload = event.payload
        if payload is not None and b'"model"' in payload:
            if self._old and payload.startswith(self._old):
                event.set_payload(self._new + payload[len(self._old) :])
            else:
                self._rename(event, payload)
        return (event,)

    def end(self) -> Iterable[Event]:
        return ()

    def _rename(self, event: Event, payload: bytes) -> None:
        try:
            text = payload.decode("utf-8", "surrogateescape")  # byte for byte, whatever is no UTF-8
            obj, spans = jsonedit.parse(text)
        except ValueError:
            return
        edits: dict[tuple[str | int, ...], Any] = {}
        if isinstance(obj.get("model"), str):
            edits[("model",)] = self._name(obj["model"])
            self._old = text[: spans["model"][1]].encode("utf-8", "surrogateescape")
        for holder in _HOLDERS:
            inner = obj.get(holder)
            if isinstance(inner, dict) and isinstance(inner.get("model"), str):
                edits[(holder, "model")] = self._name(inner["model"])
        if not edits:
            return
        edited = jsonedit.edit(text, edits, spans).encode("utf-8", "surrogateescape")
        event.set_payload(edited)
        if len(edits) > 1 or ("model",) not in edits:
            self._old = b""
        elif self._old:
            rest = len(payload) - len(self._old)
            self._new = edited[: len(edited) - rest]
