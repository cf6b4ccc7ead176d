"""How much a request may bring: little, but where a view says that it takes more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, current_app, request

USUAL = 64 * 1024  # bytes; the largest form but the rules' is a pasted token
_DECLARED = "most_bytes"

View = Callable[..., Any]


def takes[F: View](most: int) -> Callable[[F], F]:
    """Say that a view takes a body of so many bytes, and form fields that are as long."""

    def declare(view: F) -> F:
        setattr(view, _DECLARED, most)
        return view

    return declare


def install(app: Flask) -> None:
    """Limit each request of `app` before anything of its body is read. Before guard.py is installed, which reads it."""
    app.config["MAX_CONTENT_LENGTH"] = USUAL
    app.before_request(limit)


def limit() -> None:
    most = getattr(current_app.view_functions.get(request.endpoint or ""), _DECLARED, None)
    if most is not None:
        request.max_content_length = request.max_form_memory_size = most
