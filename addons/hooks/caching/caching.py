"""Caching: gives answers again that were given before. This is the exact cache, L0; semantic_caching.py has L0.5.

    Caching   request    looks for an answer; a hit sets flow.response, and the request goes no further
    Keeping   response   stores the answer after all stages, and ends the wait of identical requests
              error      does the same where the client left

The key is a digest of all that the answer depends on (core/cache/fingerprint.py). The policy in force is part of it, so
nothing that was kept under other rules is found. Any failure here is a miss.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from mitmproxy import http

from switchman.addons.core.cache.fingerprint import Fingerprint, fingerprint_of, policy_digest
from switchman.addons.core.cache.replay import CachedAnswer, pack, replay, streamed_reply, unpack, whole_reply
from switchman.addons.core.decision.circumstances import Circumstances
from switchman.addons.core.dialects import framing_of
from switchman.addons.core.dialects.codecs import JSON
from switchman.addons.core.dialects.neutral.form import FormatName, Stamp, Usage
from switchman.addons.core.routes.granted import is_granted
from switchman.addons.core.routes.names import readings
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.core.rules.ruleset import Ruleset, Server
from switchman.addons.core.rules.rulesfile import AUTO
from switchman.addons.flow.costs import attempt_cost
from switchman.addons.flow.exchange import MAX_REPLY, CacheUse, Exchange, exchange, ms_since
from switchman.addons.flow.refusal import own_answer
from switchman.addons.hooks import seen
from switchman.addons.hooks.caching.semantic_caching import SemanticCache
from switchman.addons.state.runtime import Runtime
from switchman.addons.state.together.flights import Flight, Result
from switchman.addons.state.together.shared import ANSWERS, Quota, SharedStoreError

logger = logging.getLogger(__name__)

LAYER = "exact_cache"
SPACE = ANSWERS
BUDGET = 0.05  # seconds for a look into the store; it takes a fifth of a millisecond
# A longer request hardly comes twice, and reading it would block the event loop for too long.
MAX_REQUEST = 256 * 1024  # characters
MAX_MESSAGES = 100
AFTER_FAILOVER = 300.0  # seconds that an answer is kept at most where the first choice did not give it
HEADER = "x-switchman-cache"


class Caching:
    """Serves `auto`, and the models that `cache: models:` names.

    Writes: auto, cache, plan, trace.
    """

    def __init__(self, runtime: Runtime, semantic: SemanticCache) -> None:
        self.runtime = runtime
        self.semantic = semantic
        self._of: tuple[Ruleset, str, Circumstances] | None = None

    async def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response or x.call is None:
            return
        rules = self.runtime.rules.current
        x.auto = seen.is_auto(x, rules)
        if not self._serves(x, rules):
            return
        x.cache = use = self._use(x, rules, flow.request)
        if use.fingerprint is None or use.status != "miss":
            return
        started = time.monotonic()
        if (cached := await self._look(use.fingerprint.key)) is not None:
            self._serve(flow, x, cached, LAYER, started)
            return
        detail = "No answer to this very request is kept."
        x.trace.append(TraceLine(LAYER, "miss", detail, elapsed_ms=ms_since(started)))
        started = time.monotonic()
        if (near := await self.semantic.look(x, use, self._look)) is not None:
            self._serve(flow, x, near, self.semantic.name, started)
        else:
            await self._join(flow, x, use, use.fingerprint.key)

    async def _join(self, flow: http.HTTPFlow, x: Exchange, use: CacheUse, key: str) -> None:
        """Wait for the same request's answer if one is under way; else lead, so that others wait."""
        started = time.monotonic()
        found = await self.runtime.flights.join(key, partial(self._look, key))
        if found is not None and not isinstance(found, Flight):
            self._serve(flow, x, found, LAYER, started)
            return
        use.flight = found
        if found is None or found.waited:
            detail = "The same request was under way already, but nothing came of waiting for its answer."
            x.trace.append(TraceLine(LAYER, "miss", detail, elapsed_ms=ms_since(started)))

    def _serves(self, x: Exchange, rules: Ruleset) -> bool:
        if rules.cache.exact.ttl <= 0 or x.call is None:
            return False
        names = readings(x.call.model, x.call.dialect == "ollama")
        return x.auto or any(fnmatchcase(name, pattern) for pattern in rules.cache.models for name in names)

    def _use(self, x: Exchange, rules: Ruleset, request: http.Request) -> CacheUse:
        """Read what the request says of caches, and take its fingerprint."""
        assert x.call is not None
        directive = _cache_directive(request)
        if directive == "bypass":
            x.trace.append(TraceLine(LAYER, "skip", "The client asked for no cache at all."))
            return CacheUse("bypass")
        shared = rules.cache.exact.scope == "shared"
        # Rules may treat each of the names that stand for `auto` in its own way; no name at all is the same as `auto`.
        policy = f"{self._policy(x, rules)}/{x.call.model or AUTO}"
        fingerprint = None
        messages = x.call.body.get("messages")
        long = isinstance(messages, list) and len(messages) > MAX_MESSAGES
        if len(x.call.text) <= MAX_REQUEST and not long:
            fingerprint = fingerprint_of(x.call, policy, seen.caller(x, shared=shared))
        if fingerprint is None:
            x.trace.append(TraceLine(LAYER, "skip", "Such a request is never cached."))
            return CacheUse("bypass")
        if directive == "refresh":
            x.trace.append(TraceLine(LAYER, "skip", "The client asked for a fresh answer."))
        return CacheUse(
            "refresh" if directive == "refresh" else "miss",
            fingerprint,
            keeps=True,
            ttl=rules.cache.exact.ttl,
            rules=rules,
        )

    def _policy(self, x: Exchange, rules: Ruleset) -> str:
        """Digest everything except request and caller that the answer depends on."""
        if self._of is None or self._of[0] is not rules:
            self._of = (rules, _settled(rules), Circumstances(rules))
        _, settled, circumstances = self._of
        return f"{settled}/{circumstances.of(seen.routing_query(x, x.features, outside=True))}"

    async def _look(self, key: str) -> CachedAnswer | None:
        try:
            async with asyncio.timeout(BUDGET):
                value = await self.runtime.shared.get(SPACE, key)
        except TimeoutError:
            return None  # the machine is busy: a miss that is worth no warning
        except SharedStoreError as error:
            logger.warning("The cache could not be read: %s", error)
            return None
        return unpack(value) if value is not None else None

    def _serve(self, flow: http.HTTPFlow, x: Exchange, cached: CachedAnswer, layer: str, started: float) -> None:
        assert x.call is not None and x.cache is not None and x.cache.fingerprint is not None
        server = _server(self.runtime.rules.current, cached.server)
        if server is None:
            x.trace.append(TraceLine(layer, "miss", f"The answer's server {cached.server} is not there any more."))
            return
        rules = self.runtime.rules.current
        if not is_granted(x.caller, cached.server, cached.model or x.call.model, rules.aliases):
            x.trace.append(TraceLine(layer, "miss", "The answer is of a model that the token may not use."))
            return
        age = max(0.0, time.time() - cached.kept_at)
        candidate = Candidate(server, cached.model)
        model = candidate.target if x.auto else str(cached.reply.get("model") or x.call.model)
        stamp = Stamp(x.id, x.started_at, model, x.call.wants_usage)
        body, content_type = replay(cached, x.cache.fingerprint.format, x.call.stream, stamp)
        headers = {"content-type": content_type, "age": str(int(age))}
        if content_type != JSON:
            headers |= {"cache-control": "no-cache", "x-accel-buffering": "no"}
        flow.response = own_answer(x, http.Response.make(200, body, headers), "cached")
        x.cache.status = "hit"
        detail = f"Answered {age:.0f} s ago by {candidate.target}, which {cached.layer} had chosen."
        x.cache.earlier = cached.earlier
        x.cache.saved = cached.cost
        earlier = cached.earlier if layer == LAYER else None  # the semantic cache has said it already
        x.trace.append(TraceLine(layer, "hit", detail, elapsed_ms=ms_since(started), earlier=earlier))
        x.plan = Plan((candidate,), layer, cached.route)


class Keeping:
    """Stores answers that are fit to be given again. No client waits for that: it begins after the last byte.

    Writes: nothing.
    """

    def __init__(self, runtime: Runtime, semantic: SemanticCache) -> None:
        self.runtime = runtime
        self.semantic = semantic
        self._tasks: set[asyncio.Task[None]] = set()

    def response(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or (use := x.cache) is None or x.outcome == "cached":
            return
        content = _content(flow, x)
        if use.fingerprint is None or not use.keeps or not x.was_answered:
            self._spawn(self._finish(use.flight, "failed"))
        elif self.runtime.capturing.of(x).mode != "full":  # what is kept is kept on disk, as it was said
            self._spawn(self._finish(use.flight, "unfit"))
        elif use.rules is not self.runtime.rules.current or content is None:
            # Where the rules changed while it was under way, nobody knows by which of them it was decided.
            self._spawn(self._finish(use.flight, "unfit"))
        else:
            assert flow.response is not None
            streamed = framing_of(flow.response.headers.get("content-type", "")) is not None
            self._spawn(self._keep(x, use, use.fingerprint, content, streamed))

    def error(self, flow: http.HTTPFlow) -> None:
        """The client left. If it had the whole answer by then, that is stored like any other."""
        self.response(flow)

    async def done(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        self.runtime.shared.close()
        if self.runtime.link is not None:
            await self.runtime.link.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="switchman cache")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, flight: Flight | None, result: Result) -> None:
        if flight is not None:
            await self.runtime.flights.finish(flight, result)

    async def _keep(self, x: Exchange, use: CacheUse, fingerprint: Fingerprint, content: bytes, streamed: bool) -> None:
        result: Result = "failed"
        try:
            # Reading a long stream once more takes milliseconds, which the event loop does not have.
            value = await asyncio.to_thread(_packed, x, fingerprint, content, streamed, ms_since(x.started))
            result = "unfit" if value is None or len(value) > MAX_REPLY else "stored"
            if value is not None and result == "stored":
                ttl = use.ttl if len(x.attempts) == 1 else min(use.ttl, AFTER_FAILOVER)
                quota = Quota(self.runtime.rules.current.cache.exact.max_entries)
                await self.runtime.shared.put(SPACE, fingerprint.key, value, ttl, quota)
                if x.redaction is None or x.redaction.restorer is None:  # its originals are not those of alike asks
                    await self.semantic.remember(x, fingerprint)
        except SharedStoreError as error:
            result = "failed"
            logger.warning("An answer could not be cached: %s", error)
        except Exception as error:  # noqa: BLE001 - the boundary: an answer that cannot be read is not cached
            result = "failed"
            logger.error("An answer was not cached: %r", error)
        finally:
            await self._finish(use.flight, result)


def _cache_directive(request: http.Request) -> str:
    """bypass (neither read nor store), refresh (do not read) or nothing."""
    own: str = request.headers.get(HEADER, "").strip().lower()
    if own in ("bypass", "refresh"):
        return own
    said = {part.strip().lower() for part in request.headers.get("cache-control", "").split(",")}
    if "no-store" in said:
        return "bypass"
    return "refresh" if said & {"no-cache", "max-age=0"} else ""


def _settled(rules: Ruleset) -> str:
    """Names the rules and the settings in force."""
    return policy_digest(
        rules.digest,
        rules.default.url,
        rules.default_set,
        rules.model_map,
        rules.strip_thinking,
        rules.strip_json_markdown,
        rules.disable_thinking,
    )


def _server(rules: Ruleset, name: str) -> Server | None:
    return next((server for server in (*rules.upstreams, rules.default) if server.name == name), None)


def _content(flow: http.HTTPFlow, x: Exchange) -> bytes | None:
    """The bytes that the client got; None if that was no good answer, or a very long one."""
    # A cached answer is given again with the status 200, so one with another good status (201, 206) is not kept.
    if flow.response is None or flow.response.status_code != 200:
        return None
    if x.pipe is None:
        content = flow.response.get_content(strict=False)
        return content if content is not None and len(content) <= MAX_REPLY else None
    return None if x.pipe.truncated or x.pipe.framing == "raw" or len(x.pipe.kept) > MAX_REPLY else x.pipe.kept


def _packed(x: Exchange, fingerprint: Fingerprint, content: bytes, streamed: bool, took_ms: float) -> bytes | None:
    """The value for the store; None for an answer that is not fit to be given again."""
    assert x.attempt is not None and x.call is not None
    candidate = x.attempt.candidate
    reply = _reply(fingerprint.format, x, content, streamed)
    if reply is None:
        return None
    model = candidate.model or ("" if x.auto else x.call.model)
    layer, route = (x.plan.layer, x.plan.route) if x.plan is not None else ("", "")
    given = (candidate.server.name, model, layer, route)
    cost = attempt_cost(x, x.attempt)
    return pack(CachedAnswer(fingerprint.format, reply, *given, fingerprint.ask, time.time(), x.id, took_ms, cost))


def _reply(format: FormatName, x: Exchange, content: bytes, streamed: bool) -> dict[str, Any] | None:
    if not streamed:
        return whole_reply(format, content)
    assert x.call is not None
    usage = None
    if x.reply is not None and x.reply.output_tokens is not None:
        usage = Usage(input=x.reply.input_tokens, output=x.reply.output_tokens, cached=x.reply.cached_tokens)
    return streamed_reply(format, content, Stamp(x.id, x.started_at, x.call.model), usage)
