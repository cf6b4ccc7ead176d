"""How much a request may bring: little, but where a view says that it takes more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Request, current_app

USUAL = 64 * 1024  # bytes; the largest form but the rules' is a pasted token
_DECLARED = "most_bytes"

View = Callable[..., Any]


def takes[F: View](most: int) -> Callable[[F], F]:
    """Say that a view takes a body of so many bytes, and form fields that are as long."""

    def declare(view: F) -> F:
        setattr(view, _DECLARED, most)
        return view

    return declare


class SizedRequest(Request):
    """A request whose limit is that of the view which it is for."""

    @property
    def max_content_length(self) -> int | None:  # type: ignore[misc]
        return self._most

    @property
    def max_form_memory_size(self) -> int | None:  # type: ignore[misc]
        return self._most

    @property
    def _most(self) -> int:
        view = current_app.view_functions.get(self.endpoint or "")
        most: int = getattr(view, _DECLARED, USUAL)
        return most
