"""Rewriting: makes the flow's request the one that the next candidate gets.

Each attempt starts from what the client sent. Only what a decision names is changed:
- scheme, host, port and path; `model`, where it is renamed;
- the credentials, where the server has its own, or is not to have the client's (core/servers/credentials.py);
- `stream_options.include_usage`, where a stream would otherwise not tell its usage; what says whether to think;
- Claude Code's note for Anthropic's bill, where the server is another one;
- `accept-encoding`, as the answer must be read;
- what is about the client's own connection to the router (core/request/hopbyhop.py), and what asks for
  an upgrade that is no WebSocket (core/access/admission/handshake.py).
A server of another dialect gets the request translated.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import replace
from urllib.parse import quote

from mitmproxy import http

from switchman.addons.core.access.admission.handshake import passed_on
from switchman.addons.core.decision.capabilities import large_enough
from switchman.addons.core.decision.verdicts.causes import held_for
from switchman.addons.core.decision.verdicts.judge import UNAUTHORIZED, Feature, telling_statuses
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.passing.refusals import RefusedThoughts
from switchman.addons.core.dialects.rendering import Rendered, ServerProfile, render
from switchman.addons.core.dialects.translate import Malformed, Untranslatable
from switchman.addons.core.keys.accounts import of_first_key
from switchman.addons.core.keys.ring import shares_keys
from switchman.addons.core.paths.passing import asking_path
from switchman.addons.core.request.hopbyhop import Fields
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.core.rules.ruleset import Server
from switchman.addons.core.servers import credentials
from switchman.addons.core.servers.callerkeys import credential_of
from switchman.addons.core.servers.models.thinking import resolve
from switchman.addons.core.servers.reaching.addressing import address, is_azure
from switchman.addons.core.servers.reaching.redirects import REDIRECTS, Hop
from switchman.addons.core.servers.retry import BUSY_STATUSES, OWN_KEY_STATUSES, retriable_statuses
from switchman.addons.core.servers.servers import ServerKey, is_anthropics, is_googles
from switchman.addons.core.texts.masking import is_secret_name
from switchman.addons.flow.exchange import LEFT, Attempt, Exchange, exchange
from switchman.addons.flow.refusal import crowded, refusal
from switchman.addons.hooks import seen
from switchman.addons.hooks.outbound.admitting import Admitting
from switchman.addons.hooks.outbound.holding import refused_keys
from switchman.addons.hooks.outbound.redacting import redacted_fields, redacted_path
from switchman.addons.state.background import Run, at_once, in_place
from switchman.addons.state.runtime import Runtime

CREDENTIALS = tuple(name.encode() for name in credentials.CREDENTIALS)
KEY_FIELDS = tuple(name.encode() for name in credentials.KEY_FIELDS)
# Headers that mean something to one dialect only, and go no further than to its servers.
ANTHROPIC_ONLY = (b"anthropic-version", b"anthropic-beta", b"anthropic-dangerous-direct-browser-access")
# Fields by which a server behind some reverse proxies is told another path or method than the request line has.
OTHER_REQUESTS = frozenset(
    {b"x-original-url", b"x-rewrite-url", b"x-http-method-override", b"x-http-method", b"x-method-override"}
)
# What an account keeps, and is asked for by its id later, when no model is named.
OF_ONE_ACCOUNT = frozenset({"other", "video"})
ANTHROPIC_VERSION = "2023-06-01"  # the only version of the Messages API there is


class Rewriting:
    """Prepares the first candidate of the plan; Failover prepares the later ones by the same `prepare`.

    Writes: attempts, next_candidate, plan, untranslatable, routed, trace, attempt.number, attempt.candidate,
    attempt.target, attempt.url, attempt.started_at, attempt.started, attempt.probe, attempt.rendered,
    attempt.held_statuses, attempt.retry_statuses, attempt.fallback_on, attempt.withheld, attempt.credential,
    attempt.key.
    """

    def __init__(self, runtime: Runtime, admitting: Admitting | None = None) -> None:
        self.runtime = runtime
        self.admitting = admitting or Admitting(runtime)
        # What servers turned out to lack, by name (reasoning: by target): they are not asked for it again.
        self.without: dict[Feature, set[str]] = {"usage": set(), "responses": set(), "reasoning": set()}
        self.refused = RefusedThoughts()

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """An awaitable where the request is large, and written off the event loop, or may have to wait for a server."""
        if (x := exchange(flow)) is None or flow.response or x.plan is None:
            return None
        if x.call is not None and x.call.large:
            return self._request_later(flow, x, self.runtime.background.run)
        if self.admitting.may_wait(x):
            return self._request_later(flow, x, in_place)
        self._prepared(flow, x, self.prepare(flow, x))
        return None

    async def _request_later(self, flow: http.HTTPFlow, x: Exchange, run: Run) -> None:
        self._prepared(flow, x, await self.prepare_by(run, flow, x))

    def _prepared(self, flow: http.HTTPFlow, x: Exchange, found: bool) -> None:
        if not found and x.crowded is not None:
            if x.crowded is not LEFT:  # else the proxy ends it as one that was left
                flow.response = crowded(x, x.crowded)
        elif not found:
            flow.response = refusal(
                x, 400, str(x.untranslatable), param=x.untranslatable.field if x.untranslatable else None
            )
        x.routed = time.monotonic()

    def prepare(self, flow: http.HTTPFlow, x: Exchange) -> bool:
        """Rewrite `flow.request` for the next candidate that can express it; False if none is left."""
        return at_once(self.prepare_by(in_place, flow, x))

    async def prepare_by(self, run: Run, flow: http.HTTPFlow, x: Exchange) -> bool:
        """prepare(), with `run` for what takes long in a large request."""
        assert x.plan is not None
        self._pass_over_too_small(x, x.plan)
        while x.next_candidate < len(x.plan.candidates):
            if not await self.admitting.admit(flow, x):
                return False
            candidate = x.plan.candidates[x.next_candidate]
            x.next_candidate += 1
            try:
                rendered = await run(self._render, x, candidate) if x.call else None
            except (Untranslatable, Malformed) as e:
                x.untranslatable = e
                x.trace.append(TraceLine("translation", "skip", f"{candidate.target} cannot be asked this: {e}"))
                continue
            self._apply(flow.request, x, candidate, rendered)
            return True
        return False

    def _pass_over_too_small(self, x: Exchange, plan: Plan) -> None:
        """Take the candidates out that cannot hold a prompt that was too long for others: none waits for their room."""
        windows = [self._window(x, one) for one in x.attempts]
        window = max((one for one in windows if one is not None), default=None)
        if window is None:
            return
        rules = x.rules or self.runtime.rules.current
        tried, left = plan.candidates[: x.next_candidate], plan.candidates[x.next_candidate :]
        large, told = large_enough(left, window, rules, x.call.model if x.call else "")
        x.trace += told
        x.plan = replace(plan, candidates=(*tried, *large))

    def _window(self, x: Exchange, attempt: Attempt) -> int | None:
        """The tokens for which the prompt was too long there: as the server said, else as the rules file says."""
        cause = attempt.verdict.cause if attempt.verdict is not None else None
        if cause is None or cause.overflow is None or cause.overflow.of != "context":
            return None
        if cause.overflow.window is not None:
            return cause.overflow.window
        rules, one = x.rules or self.runtime.rules.current, attempt.candidate
        return rules.facts(one.server, one.model or (x.call.model if x.call else "")).context

    def _render(self, x: Exchange, candidate: Candidate) -> Rendered:
        rendered = self.render(x, candidate)
        target = candidate.target_for(x.call.model if x.call else "")
        x.trace += [line for line in rendered.trace_lines(target) if line not in x.trace]
        return rendered

    def render(self, x: Exchange, candidate: Candidate) -> Rendered:
        """The request as a candidate is asked it. Raises Untranslatable or Malformed."""
        assert x.call is not None and x.outgoing is not None and x.plan is not None
        server = candidate.server
        usage = server.quirks.usage_in_stream and server.name not in self.without["usage"]
        developer = server.quirks.developer_role
        if developer is None and self.runtime.dialects.is_ollama(server):
            developer = False  # it loses such messages without a word
        narrow = is_googles(server) if server.quirks.narrow_schemas is None else server.quirks.narrow_schemas
        quiet = (x.rules or self.runtime.rules.current).disables_thinking_for(candidate, x.call.model)
        spoken = ServerProfile(
            dialect=self.runtime.dialects.to_speak(server, x.call.dialect),
            think=resolve(x.plan.thinking, x.call.endpoint, x.call.body, quiet),
            usage=usage,
            responses=server.quirks.has_responses and server.name not in self.without["responses"],
            reasoning=candidate.target_for(x.call.model) not in self.without["reasoning"],
            quirks=replace(server.quirks, usage_in_stream=usage, developer_role=developer, narrow_schemas=narrow),
            is_anthropics=is_anthropics(server),
            refused=self.refused.by(server.name),
        )
        named = candidate.target if x.auto else x.call.model
        started = x.started  # not the Exchange, which has the stamp: what refers to itself is let go late
        stamp = Stamp(x.id, x.started_at, named, elapsed=lambda: time.monotonic() - started)
        if (features := x.features) is not None:
            stamp = replace(stamp, prompt_tokens=lambda: features.input_tokens)
        rendered = render(x.outgoing, candidate, spoken, stamp)
        if x.redaction is not None and x.redaction.changed and not rendered.edited:
            rendered = replace(rendered, edited=True)
        return rendered

    def _apply(self, request: http.Request, x: Exchange, candidate: Candidate, rendered: Rendered | None) -> None:
        assert x.sent is not None and x.plan is not None
        server = candidate.server
        called = candidate.target_for(x.call.model if x.call else "")
        probe = self.runtime.breakers.claim(called, time.monotonic())
        path, given, withheld = self._may_see(x, candidate, self._path(x, candidate, rendered))
        if x.redaction is not None:
            path, given = redacted_path(path, x.redaction.redactor), redacted_fields(given, x.redaction.redactor)
            request.data.trailers = None  # no API has any
        forwarded = credentials.source(server, x.plan.first_choice) == "client"
        model, version = (candidate.model or x.call.model, x.call.api_version) if x.call else ("", "")
        target = address(server, path, model, version)
        request.data.scheme = server.url.scheme.encode()
        request.data.host, request.data.port = server.url.host, server.url.port
        request.data.path = target.encode("utf-8", "surrogateescape")
        content = x.sent.content
        if rendered is not None and rendered.edited:
            content = rendered.data
        key = self._own_key(x, candidate, called)
        request.data.headers = http.Headers(_fields(given, server, rendered, content, key))
        request.data.content = content
        more = x.next_candidate < len(x.plan.candidates)
        retry_statuses = retriable_statuses(server) if more else frozenset()
        rules = x.rules or self.runtime.rules.current
        fallback_on = rules.fallback_on_for(x.plan, server) if more and x.call else frozenset()
        if server.limits is not None and server.limits.wait_up_to:
            retry_statuses |= BUSY_STATUSES
        if key is not None and shares_keys(server):
            tried = {*refused_keys(x, server, called), key.label}
            if more or self.runtime.key_ring.has_other(server, called, time.monotonic(), tried):
                retry_statuses |= OWN_KEY_STATUSES
        x.attempts.append(
            Attempt(
                number=len(x.attempts) + 1,
                candidate=candidate,
                target=called,
                url=f"{server.url.scheme}://{server.url.authority}{target.partition('?')[0]}",
                started_at=time.time(),
                started=time.monotonic(),
                rendered=rendered,
                probe=probe,
                retry_statuses=retry_statuses,
                fallback_on=fallback_on,
                held_statuses=retry_statuses
                | held_for(fallback_on)
                | telling_statuses(x.call, rendered)
                | (REDIRECTS if rendered is not None else frozenset())
                | (UNAUTHORIZED if withheld else frozenset()),
                withheld=withheld,
                credential=credential_of(server, seen.headers(x), x.sent.path, forwarded=forwarded),
                key=key,
            )
        )
        self.runtime.busy.begin(x.attempts[-1])
        self.runtime.live.begun(x.attempts[-1], x.awaits_stream)
        self.admitting.begins(x, x.attempts[-1])

    def _own_key(self, x: Exchange, candidate: Candidate, target: str) -> ServerKey | None:
        """Which of the server's own keys this attempt goes with."""
        server = candidate.server
        if not shares_keys(server):
            return server.keys[0] if server.keys else None
        last = x.attempt
        if last is not None and last.candidate is candidate and last.key in server.keys and not _is_refused(last):
            return last.key  # once more for another reason
        # Files, batches and their like are of one account: what is no operation goes with the same key each time.
        kept = x.call is None or x.call.endpoint.operation in OF_ONE_ACCOUNT or of_first_key(x.call.body, x.call.text)
        held = server.keys[0].label if kept else x.held_keys.get(server.name)
        tried = refused_keys(x, server, target) | self.admitting.used_up_keys(server, target)
        return self.runtime.key_ring.choose(server, target, time.monotonic(), held, tried)

    def _path(self, x: Exchange, candidate: Candidate, rendered: Rendered | None) -> str:
        """The path with its query, before it is made the server's own."""
        assert x.sent is not None and x.plan is not None
        reading, path = x.reading, x.sent.path if rendered is None else rendered.path
        query = "".join(path.partition("?")[1:])
        kept = credentials.passes_through(candidate.server)  # with a key of ours, no path goes but those that are known
        if not kept and reading is not None and (asking := asking_path(reading)):
            return asking + query
        if rendered is None:
            if reading is not None and reading.kind == "model" and candidate.model:
                return f"/v1/models/{quote(candidate.model, safe='/:@')}"  # under the name that the server knows
            # Without what base URLs have before it; but a prefix that is not known may mean something to the server.
            if reading is None or reading.kind not in ("management", "model") or (reading.prefix and kept):
                return path
            return reading.path + query
        # A prefix may mean something to DEFAULT_UPSTREAM, where a request goes that nobody else is meant for.
        default = x.plan.layer == "default" and candidate.server is (x.rules or self.runtime.rules.current).default
        if x.call is not None and x.call.prefix and default and kept and rendered.answer is None:
            return x.call.prefix + path
        return path

    def _may_see(self, x: Exchange, candidate: Candidate, path: str) -> tuple[str, Fields, bool]:
        """What of path and header fields goes to a candidate; True where credentials are held back that it may want.

        A token of our own dashboard is in neither: Intake took it out.
        """
        assert x.sent is not None and x.plan is not None
        server, first = candidate.server, x.plan.first_choice
        given = passed_on(x.sent.fields, x.handshake)
        if credentials.has_own_key(server):
            given = tuple(field for field in given if field[0].lower() not in OTHER_REQUESTS)
        whose = credentials.source(server, first)
        if whose == "client":
            return path, given, False
        harmless = tuple(field for field in given if not is_secret_name(field[0].decode("latin-1")))
        cut = credentials.without_secrets(path)
        withheld = (cut, harmless) != (path, given) and whose == "none"
        if withheld and server.forward_auth is None and (x.attempt is None or x.attempt.candidate is not candidate):
            x.trace.append(TraceLine("credentials", "skip", credentials.why_withheld(server, first)))
        return cut, harmless, withheld

    async def follow(self, flow: http.HTTPFlow, x: Exchange, hop: Hop, run: Run) -> bool:
        """Rewrite for the last attempt's candidate once more, at the address to which its server sends the request.

        Where that cannot be, as other requests have taught by now what the server lacks, it goes out as any other.
        """
        before = x.attempts[-1]
        if not await self.again(flow, x, run):
            return False
        data, attempt = flow.request.data, x.attempts[-1]
        if (attempt.candidate, _said_at(attempt)) != (before.candidate, _said_at(before)):
            return True  # another server, whose key is not for that address, or another operation
        data.scheme, data.host, data.port = hop.scheme.encode(), hop.host, hop.port
        data.path = hop.path.encode()
        attempt.url = hop.url
        x.trace.append(TraceLine("redirect", "hit", f"{attempt.target} sends requests on to {hop.url}: followed."))
        return True

    async def again(self, flow: http.HTTPFlow, x: Exchange, run: Run) -> bool:
        """Rewrite for the last attempt's candidate once more, or for one after it; False if none can express it."""
        x.next_candidate -= 1
        while x.plan is not None and x.plan.candidates[x.next_candidate] is not x.attempts[-1].candidate:
            x.next_candidate -= 1  # past candidates that could not express the request
        return await self.prepare_by(run, flow, x)

    async def once_more(self, flow: http.HTTPFlow, x: Exchange, candidate: Candidate, run: Run) -> bool:
        """Rewrite for a candidate that was asked before, or for one after it; False if none can express it."""
        assert x.plan is not None
        x.next_candidate = next(nth for nth, one in enumerate(x.plan.candidates) if one is candidate)
        return await self.prepare_by(run, flow, x)


def _is_refused(attempt: Attempt) -> bool:
    return attempt.verdict is not None and attempt.verdict.own_key is not None


def _said_at(attempt: Attempt) -> str:
    """The path that the request has in its API."""
    return attempt.rendered.path if attempt.rendered is not None else ""


def _fields(
    given: Fields, server: Server, rendered: Rendered | None, content: bytes, own: ServerKey | None
) -> list[tuple[bytes, bytes]]:
    """The header fields in the client's order, with what this server needs in the place of what was there."""
    ours: dict[bytes, bytes] = {b"host": server.url.authority.encode()}
    drop: tuple[bytes, ...] = ()
    if rendered is None and (server.api_key is not None or server.headers or server.url.query):
        ours[b"accept-encoding"] = b"identity"  # so that a key of ours would be seen in its answer
    if rendered is not None:
        ours[b"accept-encoding"] = b"identity"
        if rendered.edited:
            drop += (b"content-encoding",)
            ours[b"content-length"] = str(len(content)).encode()
        if rendered.answer is not None:
            drop += (*ANTHROPIC_ONLY, b"accept")
            ours[b"content-type"] = b"application/json"
    dialect = rendered.endpoint.dialect if rendered else server.dialect
    if dialect == "anthropic" and rendered is not None and rendered.answer is not None:
        ours[b"anthropic-version"] = ANTHROPIC_VERSION.encode()
    if (key := _key(given, server, rendered, own)) is not None:
        drop += KEY_FIELDS if credentials.is_keyed_by_header(server) else CREDENTIALS
        if key:
            header, credential = credentials.header_for(key, dialect, azure=is_azure(server))
            ours[header.encode()] = credential.encode()
    ours.update((name.lower().encode(), value.encode()) for name, value in server.headers.items())
    fields: list[tuple[bytes, bytes]] = []
    chunked = any(name.lower() == b"transfer-encoding" for name, _ in given)
    if chunked:
        ours.pop(b"content-length", None)  # the proxy frames the body as the client did
    # A second one by such a name, from the client, would be believed by some servers, and `_` for `-` by others.
    known = frozenset(name.replace(b"_", b"-") for name in ours)
    for name, value in given:
        lower = name.lower()
        plain = lower.replace(b"_", b"-")
        if lower in ours:
            fields.append((name, ours.pop(lower)))
        elif plain not in known and plain not in drop and not lower.startswith(b"x-switchman-"):
            fields.append((name, value))
    return [*fields, *ours.items()]


def _key(given: Fields, server: Server, rendered: Rendered | None, own: ServerKey | None) -> str | None:
    """The key that replaces the client's credentials; None leaves them as they are."""
    if own is not None:
        return own.value.get_secret_value()
    if server.api_key is not None:
        return server.api_key.get_secret_value()
    if credentials.is_keyed_by_header(server):
        return ""  # those of the client only go: `headers` bring the other
    if rendered is None:
        return None
    fields = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in given}
    only_azures = "api-key" in fields and "authorization" not in fields and "x-api-key" not in fields
    if rendered.answer is None and only_azures == is_azure(server):
        return None
    # The client's own key, in the header where a server of another kind than the client's looks for it.
    return credentials.key_in(fields)
