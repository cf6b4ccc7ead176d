"""The semantic cache, L0.5: serves the answer to a prompt that means the same. Similarity *and* a guard must agree.

It looks only at single prompts in plain text, never at requests with tools, pictures or a conversation before. All that
is around the prompt must be equal: system text, parameters, policy and caller are the scope that neighbours come from.

In shadow mode it only records what it would have served, with both prompts, and serves nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from switchman.addons.core.cache import guards
from switchman.addons.core.cache.fingerprint import Fingerprint
from switchman.addons.core.cache.replay import SHOWN, CachedAnswer
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.plan import Outcome, TraceLine
from switchman.addons.core.rules.layersfile import SemanticCache as Settings
from switchman.addons.flow.exchange import CacheUse, Exchange, ms_since
from switchman.addons.hooks import seen
from switchman.addons.semantics.client import SemanticClient
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

TRIED = 3  # neighbours that the guard looks at
# Bytes of UTF-8. No answer to a longer prompt is served for another, and comparing two would keep the event loop busy.
LONGEST = 2000

Look = Callable[[str], Awaitable[CachedAnswer | None]]


class SemanticCache:
    """Looks and remembers; without a semantic process it does neither.

    Writes: semantic, trace.
    """

    name = "semantic_cache"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def look(self, x: Exchange, use: CacheUse, look: Look) -> CachedAnswer | None:
        """The entry to serve. In shadow mode it is always None, and the trace says what would have been served."""
        if self.runtime.rules.current.cache.semantic.mode == "off" or use.fingerprint is None:
            return None
        started = time.monotonic()
        client = self._wanted(x, use.fingerprint)
        if client is None:
            why = (
                "There are no embeddings." if self.runtime.semantics is None else "It is for single asks in plain text."
            )
            x.trace.append(TraceLine(self.name, "skip", why, elapsed_ms=ms_since(started)))
            return None
        try:
            return await self._look(x, use, use.fingerprint, client, look)
        except Exception as error:  # noqa: BLE001 - the boundary: a failure here is a miss
            logger.error("The semantic cache failed: %r", error)
            elapsed = ms_since(started)
            x.trace.append(TraceLine(self.name, "error", f"It failed: {type(error).__name__}.", elapsed_ms=elapsed))
            return None

    async def remember(self, x: Exchange, fingerprint: Fingerprint) -> None:
        """Let others find the answer to this prompt, which has been stored."""
        client = self.runtime.semantics
        if client is not None and x.semantic is not None and self._wanted(x, fingerprint) is not None:
            await client.remember(x.semantic.key, fingerprint.scope, fingerprint.key)

    def _wanted(self, x: Exchange, fingerprint: Fingerprint | None) -> SemanticClient | None:
        if self.runtime.rules.current.cache.semantic.mode == "off" or fingerprint is None:
            return None
        client = self.runtime.semantics
        return client if client is not None and fits(seen.features(x, self.runtime.tasks), fingerprint.ask) else None

    async def _look(
        self, x: Exchange, use: CacheUse, fingerprint: Fingerprint, client: SemanticClient, look: Look
    ) -> CachedAnswer | None:
        settings, started = self.runtime.rules.current.cache.semantic, time.monotonic()
        features = seen.features(x, self.runtime.tasks)
        x.semantic = answer = await client.ask(
            fingerprint.ask, language=features.language, route=x.auto, scope=fingerprint.scope
        )
        elapsed = ms_since(started)

        def note(outcome: Outcome, detail: str, score: float | None = None, cached: CachedAnswer | None = None) -> None:
            earlier = cached.earlier if cached is not None else None
            x.trace.append(TraceLine(self.name, outcome, detail, score, elapsed, earlier))

        if answer is None:
            why = (
                "in time" if client.speaks(features.language) else f"for prompts in this language ({features.language})"
            )
            note("miss", f"No embedding {why}.")
            return None
        near = [(entry, score) for entry, score in answer.neighbours if score >= settings.threshold][:TRIED]
        for entry, score in near:
            cached = await look(entry)
            if cached is None:
                await client.forget([entry])
            elif not alike(settings, cached.asked, fingerprint.ask, score):
                note("miss", f"The guard holds these apart: {_both(cached.asked, fingerprint.ask)}", score, cached)
            elif settings.mode == "shadow":
                use.status = "shadow"
                note("skip", f"Shadow: it would have served {_both(cached.asked, fingerprint.ask)}", score, cached)
                return None
            else:
                note("hit", f"The same question: {_both(cached.asked, fingerprint.ask)}", score, cached)
                return cached
        if not near:
            best = answer.neighbours[0][1] if answer.neighbours else None
            note("miss", f"No cached question is as near as {settings.threshold:g}.", best)
        return None


def fits(features: Features, prompt: str) -> bool:
    """Whether the answer to another prompt could serve this request. `prompt` is all text of its last message."""
    plain = features.single_turn and not features.tools and features.modalities == {"text"} and not features.truncated
    # What a harness put around the person's words is part of the question, and no embedding shows it.
    short = 0 < len(prompt) <= LONGEST and len(prompt.encode("utf-8", "surrogatepass")) <= LONGEST
    return plain and short and features.ask.split() == prompt.split()


def alike(settings: Settings, cached: str, prompt: str, similarity: float) -> bool:
    """Whether the guard lets the answer to one prompt serve the other."""
    if settings.guard == "relaxed":
        return guards.relaxed(cached, prompt, similarity)
    return guards.strict(cached, prompt)


def _both(cached: str, prompt: str) -> str:
    return f"{cached[:SHOWN]!r} for {prompt[:SHOWN]!r}"
