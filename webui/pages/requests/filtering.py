"""The filters of the list: which fields the bar has, what their menus offer, and which of them are set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flask_babel import gettext

from switchman.webui.access.viewing import log
from switchman.webui.languages.shown import choices, translated
from switchman.webui.looks import filterwords
from switchman.webui.looks.marked import N_
from switchman.webui.view import IN_THE_BAR, View, bar_choices

Options = Sequence[tuple[str, str]]


class Field(NamedTuple):
    """A field behind "More filters": a menu where it has `options`, else for text."""

    name: str
    label: str
    options: Options | None = None
    placeholder: str = ""


class Chip(NamedTuple):
    """A filter that is set, and the address of the list without it."""

    label: str
    value: str
    url: str


# Fields whose menu is what the log has, and its column.
_OF_THE_LOG = (
    ("asked", N_("Asked model"), "requested_model"),
    ("layer", N_("Layer"), "layer"),
    ("route", N_("Rule"), "route"),
    ("token", N_("Token"), "token"),
    ("agent", N_("Agent"), "agent"),
)
_FIXED = (
    Field("error", N_("Error class"), filterwords.ERRORS),
    Field("cache", N_("Cache"), filterwords.CACHES),
    Field("stream", N_("Answer"), filterwords.STREAMS),
    Field("modality", N_("Content"), filterwords.MODALITIES),
    Field("attempts", N_("Attempts"), filterwords.ATTEMPTS),
)
_TYPED = (
    Field("session", N_("Session"), placeholder=N_("digest")),
    Field("client", N_("Client"), placeholder=N_("address")),
)
_IN_SIGHT = (*IN_THE_BAR, "words")


def filter_choices(view: View) -> dict[str, Any]:
    """What the bar's template needs; a value that is set is in its menu whether or not the log still has it."""
    fields = more_fields(view)
    named = {field.name: field for field in fields}
    chips = [chip(view, named.get(name), name, value) for name, value in view.beside(_IN_SIGHT)]
    return {**bar_choices(view), "searches": log().searches, "more_fields": fields, "set_chips": chips}


def more_fields(view: View) -> list[Field]:
    queries = log()
    statuses = [*filterwords.STATUS_CLASSES, *((str(code), str(code)) for code in queries.values("status"))]
    found = [Field("status", gettext("Status"), with_chosen(statuses, view.chosen("status"))), *map(in_words, _FIXED)]
    for name, label, column in _OF_THE_LOG:
        values = [(value, value) for value in queries.values(column) if value]
        if name == "layer":
            values.append(("none", gettext("none: nothing was decided")))
        found.append(Field(name, translated(label), with_chosen(values, view.chosen(name))))
    return [*found, *map(in_words, _TYPED)]


def in_words(field: Field) -> Field:
    """A field in the language of the page."""
    options = None if field.options is None else choices(field.options)
    return field._replace(label=translated(field.label), options=options, placeholder=translated(field.placeholder))


def with_chosen(options: Options, chosen: str) -> Options:
    return options if not chosen or chosen in dict(options) else [*options, (chosen, chosen)]


def chip(view: View, field: Field | None, name: str, value: str) -> Chip:
    words = dict(field.options or ()).get(value, value) if field is not None else value
    return Chip(field.label.lower() if field is not None else name, words, view.url("live.index", **{name: ""}))
