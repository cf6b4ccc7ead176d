"""One colour and one shape per model: the same on every page and after every restart.

The eight colours (static/app.css, --series-0 to 7) are told apart by colour-blind people too; the shape tells apart
models that share one. By its name alone a model may have another one's colour; of models that are known together, no
two have the same before all eight are used.
"""

from __future__ import annotations

from collections.abc import Iterable
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


def marks(models: Iterable[str]) -> dict[str, Mark]:
    """Of models that are shown together, whatever their order: each has the colour of its name or, where another one
    has that, the next free one.
    """
    found: dict[str, Mark] = {}
    used: set[int] = set()
    for model in sorted(set(models)):
        own = mark(model)
        if len(used) == COLOURS:  # again from the beginning, with other shapes
            used.clear()
        colour = next(at % COLOURS for at in range(own.colour, 2 * COLOURS) if at % COLOURS not in used)
        used.add(colour)
        first, taken = SHAPES.index(own.shape), set(found.values())
        looks = [Mark(colour, SHAPES[(first + at) % len(SHAPES)]) for at in range(len(SHAPES))]
        found[model] = next((look for look in looks if look not in taken), looks[0])
    return found
