"""The pipeline: which addons there are, and in which order they are asked in every hook."""

from __future__ import annotations

from switchman.addons.answers import Answers
from switchman.addons.arbiter import ArbiterLayer
from switchman.addons.caching import Caching, Keeping
from switchman.addons.chain import Chain, answers_auto
from switchman.addons.embedding import Embedding
from switchman.addons.facade import Facade
from switchman.addons.failover import Failover
from switchman.addons.gate import Gate
from switchman.addons.intake import Intake
from switchman.addons.listings import Listings
from switchman.addons.probing import Probing
from switchman.addons.processing import Processing
from switchman.addons.recording import Recording
from switchman.addons.rewriting import Rewriting
from switchman.addons.routing import Routing
from switchman.addons.runtime import Runtime
from switchman.addons.semantic_caching import SemanticCache
from switchman.addons.semantic_layer import SemanticLayer
from switchman.addons.streaming import Streaming
from switchman.addons.underway import Underway
from switchman.addons.verdict import Verdict


def assemble() -> list[object]:
    """The addons, wired to one Runtime. Nothing is opened before mitmproxy loads them."""
    runtime = Runtime()
    rewriting = Rewriting(runtime)
    semantic = SemanticCache(runtime)
    meaning = SemanticLayer(lambda: runtime.semantics, lambda: runtime.rules.current)
    chain = Chain(
        runtime,
        [
            meaning,
            ArbiterLayer(lambda: runtime.rules.current.arbiter),
        ],
    )
    answers = Answers(
        lambda: runtime.rules.current,
        lambda: runtime.rules.error,
        runtime.store_problem,
        auto=answers_auto,
        own_token=runtime.is_own_token,
        listings=Listings(speaks=lambda server: runtime.dialects.own(server)),
    )
    return [
        runtime,
        Embedding(runtime, meaning.prepare),
        Probing(runtime),
        Underway(runtime),
        Gate(runtime),
        Intake(runtime),
        answers,
        Facade(runtime, answers.entries),
        Caching(runtime, semantic),
        Routing(runtime, chain),
        rewriting,
        Failover(runtime, rewriting),
        Streaming(runtime),
        Processing(runtime),
        Verdict(runtime),
        Keeping(runtime, semantic),
        Recording(runtime),
    ]
