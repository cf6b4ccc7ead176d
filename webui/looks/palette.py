"""One colour and one shape per model: the same on every page, after every restart, whatever else is in the list.

The eight colours (static/app.css, --series-0 to 7) are told apart by colour-blind people too; the shape tells apart
models that share one.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

COLOURS = 8
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross")  # names of Plotly's markers


class Mark(NamedTuple):
    """Index of the colour, 0 to 7, and the name of the shape."""

    colour: int
    shape: str


def mark(model: str | None) -> Mark:
    """The mark of a model's name."""
    number = crc32((model or "").encode("utf-8", "surrogatepass"))
    return Mark(number % COLOURS, SHAPES[number // COLOURS % len(SHAPES)])
