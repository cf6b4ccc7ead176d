"""The pipeline: which addons there are, and in which order they are asked in every hook."""

from __future__ import annotations

from switchman.addons.hooks.access.callers import Callers
from switchman.addons.hooks.access.limits import Limits
from switchman.addons.hooks.access.settling import Settling
from switchman.addons.hooks.caching.caching import Caching, Keeping
from switchman.addons.hooks.caching.semantic_caching import SemanticCache
from switchman.addons.hooks.inbound.answers import Answers
from switchman.addons.hooks.inbound.connections import Connections
from switchman.addons.hooks.inbound.facade import Facade
from switchman.addons.hooks.inbound.gate import Gate
from switchman.addons.hooks.inbound.intake import Intake
from switchman.addons.hooks.inbound.names import Names
from switchman.addons.hooks.inbound.pages import Pages
from switchman.addons.hooks.inbound.throttling import Throttling
from switchman.addons.hooks.inbound.upgrades import Upgrades
from switchman.addons.hooks.inbound.warming import Warming
from switchman.addons.hooks.outbound.failover import Failover
from switchman.addons.hooks.outbound.holding import Holding, Noting
from switchman.addons.hooks.outbound.judging import Judging
from switchman.addons.hooks.outbound.learning import Learning
from switchman.addons.hooks.outbound.mirroring import Mirroring
from switchman.addons.hooks.outbound.probing import Probing
from switchman.addons.hooks.outbound.processing import Processing
from switchman.addons.hooks.outbound.redacting import Redacting, Restoring
from switchman.addons.hooks.outbound.rewriting import Rewriting
from switchman.addons.hooks.outbound.securing import Securing
from switchman.addons.hooks.outbound.streaming import Streaming
from switchman.addons.hooks.recording.counting import Counting
from switchman.addons.hooks.recording.recording import Recording
from switchman.addons.hooks.recording.reporting import Reporting
from switchman.addons.hooks.recording.telling import Telling
from switchman.addons.hooks.recording.underway import Underway
from switchman.addons.hooks.routing.arbiter import ArbiterLayer
from switchman.addons.hooks.routing.balancing import Balancing
from switchman.addons.hooks.routing.chain import Chain
from switchman.addons.hooks.routing.embedding import Embedding
from switchman.addons.hooks.routing.routing import Routing, Sticking
from switchman.addons.hooks.routing.semantic_layer import SemanticLayer
from switchman.addons.state.runtime import Runtime


def assemble(*, guest: bool = False) -> list[object]:
    """The addons, wired to one Runtime. Nothing is opened before mitmproxy loads them.

    `guest`: they run under mitmproxy's own tools.
    """
    runtime = Runtime(guest)
    rewriting, holding, redacting = Rewriting(runtime), Holding(runtime), Redacting(runtime)
    semantic = SemanticCache(runtime)
    meaning = SemanticLayer(lambda: runtime.semantics, lambda: runtime.rules.current)
    arbiter = ArbiterLayer(lambda: runtime.rules.current.arbiter, redacted=redacting.for_an_arbiter)
    chain, balancing = Chain(runtime, [meaning, arbiter]), Balancing(runtime)
    failover = Failover(runtime, rewriting)
    answers = _answers(runtime)
    return [
        runtime,
        Connections(runtime, failover.layers),
        Embedding(runtime, meaning.prepare),
        Probing(runtime),
        Warming(runtime),
        Underway(runtime),
        Reporting(runtime),
        Throttling(),
        Gate(runtime),
        Names(runtime),
        Pages(runtime),
        Upgrades(runtime),
        Callers(runtime),
        Intake(runtime),
        answers,
        Facade(runtime, answers.entries),
        Caching(runtime, semantic),
        Routing(runtime, chain, balancing),
        redacting,
        Limits(runtime, redacting.once_more),
        holding,
        rewriting,
        rewriting.admitting,
        Streaming(runtime),
        Processing(runtime),
        Restoring(),
        Judging(runtime),
        Learning(runtime),
        Settling(runtime),
        failover,
        Securing(),
        Sticking(chain),
        balancing,
        Noting(runtime),
        Keeping(runtime, semantic),
        Mirroring(runtime, rewriting),
        Recording(runtime),
        Counting(runtime),
        Telling(runtime),
    ]


def _answers(runtime: Runtime) -> Answers:
    return Answers(
        lambda: runtime.rules.current,
        lambda: runtime.rules.error,
        runtime.store_problem,
        backlog=runtime.log_backlog,
        shared=runtime.shared_problem,
        auto=lambda _: True,
        own_token=runtime.is_own_token,
        listings=runtime.listings,
        passes_unlisted=True,
        tells_callers=lambda: runtime.tokens is not None,
    )
