"""The strip over the list: how many requests each layer decided. Pure.

The names are those of the trace, of x-switchman-layer and of the filter `layer`; plug-ins bring names of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from switchman.addons.store.reading.filters import NO_LAYER
from switchman.addons.store.reading.summaries import LayerCount
from switchman.webui.looks.marked import N_
from switchman.webui.view import View

MEANINGS = {
    "exact_cache": N_("the same request was answered before"),
    "semantic_cache": N_("a request that means the same was answered before"),
    "conversation": N_("it went on where it was"),
    "model_map": N_("MODEL_MAP names the model"),
    "alias": N_("an alias names the candidates"),
    "route": N_("a rule of the routes file matched"),
    "semantic": N_("a category by meaning"),
    "arbiter": N_("a small local model chose"),
    "server": N_("the request named the server"),
    "list": N_("the list of a server has the model"),
    "default": N_("no other layer answered"),
    NO_LAYER: N_("nothing was decided: refused before"),
}
PLUG_IN = N_("a plug-in layer")


class LayerShare(NamedTuple):
    """`meaning` is marked to be translated. `part`: its share of the strip, 0 to 1.

    `url`: the list of this layer only; of all, where that is current.
    """

    name: str
    meaning: str
    requests: int
    part: float
    saved_ms: float | None
    url: str
    current: bool


def layer_shares(counted: Sequence[LayerCount], view: View) -> list[LayerShare]:
    """Most requests first. A layer that is filtered by stays in the strip when it has none."""
    whole = sum(layer.count for layer in counted)
    found = {layer.layer or NO_LAYER: layer for layer in counted}
    chosen = view.chosen("layer")
    if chosen and chosen not in found:
        found[chosen] = LayerCount(chosen, 0, None)
    return [
        LayerShare(
            name=name,
            meaning=MEANINGS.get(name, PLUG_IN),
            requests=layer.count,
            part=layer.count / whole if whole else 0.0,
            saved_ms=layer.saved_ms,
            url=view.url("live.index", layer=None if name == chosen else name),
            current=name == chosen,
        )
        for name, layer in found.items()
    ]
