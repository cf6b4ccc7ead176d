"""The vectors of the categories' utterances, and how likely a prompt belongs to each category.

It adds up two readings of the same vectors: the mean cosine of the nearest utterances of a category, which follows
examples closely and serves a category of three sentences; and a ridge regression over all utterances, which knows what
tells the categories apart. A softmax makes shares of the sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from switchman.addons.core.request.language import language_of
from switchman.addons.semantics.embedder import Vectors

# Found by leaving whole sources out, on English prompts: nearest neighbours alone were right on 0.785, the regression
# alone on 0.81, both on 0.83; between 8 and 15 for the first and 2 and 6 for the second little changes.
NEAREST: Final = 3
NEAR_WEIGHT: Final = 12.0
APART_WEIGHT: Final = 3.0
RIDGE: Final = 2.0


@dataclass(frozen=True, slots=True)
class CategoryIndex:
    """Read by `shares`. `edges[n]` is where the rows of category n begin."""

    names: tuple[str, ...]
    rows: Vectors
    edges: tuple[int, ...]
    slopes: NDArray[np.float32]
    offsets: NDArray[np.float32]

    @classmethod
    def of(cls, names: Sequence[str], sizes: Sequence[int], rows: Vectors) -> CategoryIndex:
        """`rows`: one per utterance, those of a category together, in the order of `names`; no size is 0."""
        edges = tuple(int(edge) for edge in np.cumsum([0, *sizes]))
        slopes, offsets = _tell_apart(rows, np.repeat(np.arange(len(names)), sizes), len(names))
        return cls(tuple(names), rows, edges, slopes, offsets)

    def shares(self, vector: Vectors) -> list[tuple[str, float]]:
        """Category and share (they add up to 1), the likeliest first. `vector` has one dimension."""
        near = self.rows @ vector
        sums = (vector @ self.slopes + self.offsets) * APART_WEIGHT
        for number in range(len(self.names)):
            own = near[self.edges[number] : self.edges[number + 1]]
            best = np.partition(own, len(own) - NEAREST)[-NEAREST:] if len(own) > NEAREST else own
            sums[number] += best.mean() * NEAR_WEIGHT
        parts = np.exp(sums - sums.max())
        found = zip(self.names, (parts / parts.sum()).tolist(), strict=True)
        return sorted(found, key=lambda pair: -pair[1])


def _tell_apart(rows: Vectors, labels: NDArray[np.intp], count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ridge regression to +1 for a row's own category, -1 for others; no category rules by its size."""
    sizes = np.bincount(labels, minlength=count)
    weight = (1.0 / np.sqrt(sizes))[labels]
    weight = (weight / weight.mean())[:, None]
    wanted = np.eye(count)[labels] * 2 - 1
    centre = (weight * rows).sum(axis=0) / weight.sum()
    level = (weight * wanted).sum(axis=0) / weight.sum()
    spread = rows - centre
    moments = spread.T @ (weight * spread) + RIDGE * np.eye(rows.shape[1])
    slopes = np.linalg.solve(moments, spread.T @ (weight * (wanted - level)))
    return slopes.astype(np.float32), (level - centre @ slopes).astype(np.float32)


def flattened(utterances: Mapping[str, Sequence[str]]) -> tuple[list[str], list[int], list[str]]:
    """Names and sizes of the categories that have utterances, and those in one row."""
    used = {name: texts for name, texts in utterances.items() if texts}
    return list(used), [len(texts) for texts in used.values()], [text for texts in used.values() for text in texts]


def in_languages(utterances: Mapping[str, Sequence[str]], languages: Sequence[str]) -> dict[str, list[str]]:
    """The utterances in languages that the model knows; all of them where `languages` is empty."""
    if not languages:
        return {name: list(texts) for name, texts in utterances.items()}
    known = {*languages, "und"}
    return {name: [text for text in texts if language_of(text) in known] for name, texts in utterances.items()}
