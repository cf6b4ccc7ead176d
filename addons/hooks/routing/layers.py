"""A layer of the decision chain: it may name a target for a request, within its time.

A plug-in layer is a Python entry point of the group `switchman.layers`. It names a callable without arguments
that returns an object with `name`, `budget_ms` and `answer`, such as a class:

    class Cheapest:
        name = "cheapest"
        budget_ms = 20.0

        async def answer(self, request: LayerRequest) -> LayerAnswer | None:
            return LayerAnswer("laptop/llama3", route="night tariff") if request.features.input_tokens < 200 else None

It is asked after the built-in layers and before `default`. None is a miss, and so are an exception, an answer after
`budget_ms`, and a target that does not exist. Plug-in layers run in a thread with an event loop of their own, so one
that blocks costs a request its budget and nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from switchman.addons.core.request.features import Features
from switchman.addons.semantics.client import SemanticAnswer


@dataclass(frozen=True, slots=True)
class LayerRequest:
    """What a layer sees. `body` is the parsed request, not to be changed; `headers` has lower-case names.

    `source` is the client's address, `token` the id of the caller's token, or a digest of its own key ("" for
    neither). `semantic`: what the
    semantic process has answered already, if it was asked.
    """

    model: str
    features: Features
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    source: str
    token: str
    semantic: SemanticAnswer | None = None


@dataclass(frozen=True, slots=True)
class LayerAnswer:
    """A target (`server/model` or an alias). `route` names what matched, `score` how well, `detail` why, a sentence."""

    target: str
    route: str = ""
    score: float | None = None
    detail: str = ""


class Miss(Exception):
    """A layer has no answer, and this is why: a sentence for the trace. None says the same without a reason."""

    def __init__(self, why: str, score: float | None = None) -> None:
        super().__init__(why)
        self.score = score


@runtime_checkable
class Layer(Protocol):
    """`name` is the one in the trace, the headers and the record; `budget_ms` is in milliseconds, and above 0."""

    name: str

    @property
    def budget_ms(self) -> float: ...

    async def answer(self, request: LayerRequest) -> LayerAnswer | None: ...
