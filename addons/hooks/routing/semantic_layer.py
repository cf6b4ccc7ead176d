"""Layer 2: where a prompt belongs by its meaning. Embeddings of the semantic process, fused with layer 1's cues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from ruamel.yaml import YAML

from switchman.addons.core.decision.fusion import Fused, competing, fuse
from switchman.addons.core.rules.layersfile import SemanticRoutes
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.hooks.routing.layers import LayerAnswer, LayerRequest, Miss
from switchman.addons.semantics.client import DEADLINE, SemanticClient

# The embedding's own deadline is the shorter one: a slow embedding is then a miss with a reason, and no failure.
MARGIN: Final = 0.005  # seconds


class SemanticLayer:
    """`client` gives the semantic process's client, None where there is none."""

    name = "semantic"
    budget_ms = DEADLINE * 1000

    def __init__(self, client: Callable[[], SemanticClient | None], rules: Callable[[], Ruleset]) -> None:
        self._client, self._rules = client, rules
        self._prepared: tuple[SemanticRoutes, SemanticClient] | None = None

    async def answer(self, request: LayerRequest) -> LayerAnswer | None:
        """Raises Miss with the reason."""
        routes = self._rules().semantic_routes
        if routes is None or routes.mode == "off" or not routes.categories:
            raise Miss("There are no semantic routes.")
        if not request.features.ask:
            raise Miss("The request has no prompt to compare.")
        client = self._client()
        if client is None or client.status().state == "off":
            raise Miss(f"Embeddings are off: {client.status().detail if client else 'not started'}.")
        await self.prepare()
        return _decided(routes, await _fused(routes, request, client))

    async def prepare(self) -> None:
        """Hand the categories of the rules in force to the client; done once for each set of rules."""
        routes, client = self._rules().semantic_routes, self._client()
        if routes is None or client is None:
            return
        if self._prepared is None or self._prepared[0] is not routes or self._prepared[1] is not client:
            shipped = await asyncio.to_thread(shipped_utterances)
            own = {name: category.utterances for name, category in routes.categories.items() if category.target}
            client.use_categories(competing(own, shipped))
            self._prepared = routes, client


async def _fused(routes: SemanticRoutes, request: LayerRequest, client: SemanticClient) -> Fused:
    features = request.features
    near: Sequence[tuple[str, float]] = ()
    if request.semantic is not None and request.semantic.routes:
        near = request.semantic.routes  # the semantic cache has asked already: one embedding serves both
    elif client.speaks(features.language):
        deadline = DEADLINE - MARGIN
        answer = await client.ask(features.ask, language=features.language, route=True, scope=None, deadline=deadline)
        if answer is not None and not answer.routes:
            raise Miss("The categories' vectors are still being made.")
        if answer is None and client.speaks(features.language):  # the first answer may have named its languages
            raise Miss(f"No embedding within {deadline * 1000:.0f} ms ({client.status()}).")
        near = answer.routes if answer is not None else ()
    targets = [name for name, category in routes.categories.items() if category.target]
    return fuse(near, features.task_scores, targets)


def _decided(routes: SemanticRoutes, fused: Fused) -> LayerAnswer:
    name, score = fused.best
    if not name:
        raise Miss("Neither embeddings nor cues tell what is asked for.")
    why = f"{name}, {score:.2f} sure" + (" by cues alone" if fused.by_cues_alone else "")
    if score < routes.threshold:
        raise Miss(f"It seems to be {why}; {routes.threshold:g} is needed.", score)
    category = routes.categories.get(name)
    if category is None or not category.target:
        raise Miss(f"It seems to be {why}, which has no target.", score)
    return LayerAnswer(category.target, name, score, f"By meaning this is {why}.")


@cache
def shipped_utterances() -> Mapping[str, tuple[str, ...]]:
    """Task type -> utterances in all languages, of rules/categories.yaml. Read once; takes a tenth of a second."""
    text = files("switchman.rules").joinpath("categories.yaml").read_text(encoding="utf-8")
    data: Mapping[str, Mapping[str, Sequence[str]]] = YAML(typ="safe", pure=True).load(text)
    return {task: tuple(text for texts in languages.values() for text in texts) for task, languages in data.items()}
