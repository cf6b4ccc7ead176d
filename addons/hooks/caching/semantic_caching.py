"""The semantic cache, L0.5: an answer to an ask that means the same. Similarity *and* a guard, or nothing.

Only single asks in plain text, with everything around them equal: system text, parameters, policy and caller are the
scope that neighbours are looked for in. Never with tools, pictures or a conversation before the ask.

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

TRIED = 3  # neighbours that are held against the guard
# Bytes of UTF-8: a longer ask is not one that another may stand for, and comparing two would keep the event loop busy.
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
        """The entry to serve. In shadow mode always None, and the trace says what it would have been."""
        if self.runtime.rules.current.cache.semantic.mode == "off" or use.fingerprint is None:
            return None
        started = time.monotonic()
        client = self._wanted(x, use.fingerprint)
        if client is None:
            why = (
                "No embeddings are there." if self.runtime.semantics is None else "It is for single asks in plain text."
            )
            x.trace.append(TraceLine(self.name, "skip", why, elapsed_ms=ms_since(started)))
            return None
        try:
            return await self._look(x, use, use.fingerprint, client, look)
        except Exception as error:  # noqa: BLE001 - the boundary: no failure of cleverness costs a request its answer
            logger.error("The semantic cache failed: %r", error)
            elapsed = ms_since(started)
            x.trace.append(TraceLine(self.name, "error", f"It failed: {type(error).__name__}.", elapsed_ms=elapsed))
            return None

    async def remember(self, x: Exchange, fingerprint: Fingerprint) -> None:
        """The answer to this ask has been stored: let others find it."""
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
        known = seen.features(x, self.runtime.tasks)
        x.semantic = answer = await client.ask(
            fingerprint.ask, language=known.language, route=x.auto, scope=fingerprint.scope
        )
        elapsed = ms_since(started)

        def note(outcome: Outcome, detail: str, score: float | None = None, kept: CachedAnswer | None = None) -> None:
            earlier = kept.earlier if kept is not None else None
            x.trace.append(TraceLine(self.name, outcome, detail, score, elapsed, earlier))

        if answer is None:
            known_tongue = client.speaks(known.language)
            why = "in time" if known_tongue else f"of asks in this language ({known.language})"
            note("miss", f"No embedding {why}.")
            return None
        near = [(entry, score) for entry, score in answer.neighbours if score >= settings.threshold][:TRIED]
        for entry, score in near:
            kept = await look(entry)
            if kept is None:
                await client.forget([entry])
            elif not alike(settings, kept.asked, fingerprint.ask, score):
                note("miss", f"The guard holds these apart: {_both(kept.asked, fingerprint.ask)}", score, kept)
            elif settings.mode == "shadow":
                use.status = "shadow"
                note("skip", f"Shadow: it would have served {_both(kept.asked, fingerprint.ask)}", score, kept)
                return None
            else:
                note("hit", f"The same question: {_both(kept.asked, fingerprint.ask)}", score, kept)
                return kept
        if not near:
            best = answer.neighbours[0][1] if answer.neighbours else None
            note("miss", f"No question that is kept is as near as {settings.threshold:g}.", best)
        return None


def fits(known: Features, asked: str) -> bool:
    """Whether another ask's answer could serve this request at all. `asked` is all the text of its last message."""
    plain = known.single_turn and not known.tools and known.modalities == {"text"} and not known.truncated
    # What a harness put around the person's words is part of the question, and no embedding shows it.
    short = 0 < len(asked) <= LONGEST and len(asked.encode("utf-8", "surrogatepass")) <= LONGEST
    return plain and short and known.ask.split() == asked.split()


def alike(settings: Settings, kept: str, asked: str, similarity: float) -> bool:
    """What the guard says."""
    if settings.guard == "relaxed":
        return guards.relaxed(kept, asked, similarity)
    return guards.strict(kept, asked)


def _both(kept: str, asked: str) -> str:
    return f"{kept[:SHOWN]!r} for {asked[:SHOWN]!r}"
