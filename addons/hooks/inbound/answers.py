"""Answers: what the router itself answers. Model lists, what Ollama clients ask first, and health.

    GET /v1/models, /v1/models/{id}   all upstreams' models; in Anthropic's format for a request with anthropic-version;
                                      an id that is not listed is left to Facade
    GET /api/tags                     the same in Ollama's
    GET /api/version, HEAD|GET /      what Ollama clients ask first
    GET /healthz                      200: the process is up
    GET /readyz                       200: the database is well and an upstream can be reached; else 503. With
                                      CLIENT_AUTH=TOKENS a token is needed to see more than that

core/paths/reading.py says which paths these are: all but the last two also behind `/v1`, `/api`, `/openai` and so on.

A rules file that cannot be read does not make the router unready: it goes on with the last good rules. /readyz names
what is wrong in any case; with only the rules file at fault its status is 200, "degraded".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mitmproxy import http

from switchman.addons.core.decision import catalogue
from switchman.addons.core.decision.catalogue import Entry
from switchman.addons.core.dialects import error_body
from switchman.addons.core.paths.reading import Kind
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.rules.ruleset import Ruleset, Server
from switchman.addons.core.servers.credentials import CREDENTIALS, header_for, key_in, source
from switchman.addons.core.texts.unicode import dump
from switchman.addons.flow.exchange import Exchange, exchange, reading_of
from switchman.addons.flow.refusal import own_answer
from switchman.addons.state.learned.listings import TIMEOUT, Listings, ModelList
from switchman.addons.state.learned.upstream_reader import Credentials

# The version of Ollama whose API is spoken here: clients look whether it is new enough for what they want.
OLLAMA_VERSION = "0.12.6"

Answer = Callable[[http.Request, Exchange], Awaitable[http.Response | None]]


def never(_: object) -> bool:
    return False


class Answers:
    """Sets flow.response for what the router answers itself; everything else passes.

    Writes: nothing.

    Args:
        rules: the rules in force.
        rules_error: what is wrong with the rules file, or None.
        store_check: what is wrong with the log's database, or None. May block: it is called in a thread.
        backlog: why requests wait to be written to the log, or None: the router goes on.
        shared: why Redis is not to be had, or None, as without one: the router goes on.
        auto: whether the model `auto` is listed, as the first one.
        own_token: whether a header's value is the router's own token, which no upstream may see.
        listings: the upstreams' lists.
        passes_unlisted: whether a question for a model that no list has is left to Facade; else it is a 404.
        tells_callers: whether /readyz says what it has looked at to known callers only.
    """

    def __init__(
        self,
        rules: Callable[[], Ruleset],
        rules_error: Callable[[], str | None],
        store_check: Callable[[], str | None],
        *,
        backlog: Callable[[], str | None] = lambda: None,
        shared: Callable[[], str | None] = lambda: None,
        auto: Callable[[Ruleset], bool] = never,
        own_token: Callable[[str], bool] = never,
        listings: Listings | None = None,
        passes_unlisted: bool = False,
        tells_callers: Callable[[], bool] = lambda: False,
    ) -> None:
        self._rules, self._rules_error, self._store_check = rules, rules_error, store_check
        self._backlog, self._shared = backlog, shared
        self._auto, self._own_token = auto, own_token
        self._listings = listings or Listings()
        self._passes_unlisted, self._tells_callers = passes_unlisted, tells_callers
        self._answers: dict[Kind, Answer] = {
            "root": self._root,
            "models": self._models,
            "model": self._one_model,
            "tags": self._tags,
            "version": self._version,
            "healthz": self._healthz,
            "readyz": self._readyz,
        }

    async def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response or flow.request.method not in ("GET", "HEAD"):
            return
        if (answer := self._answers.get(reading_of(x, flow.request).kind)) is None:
            return
        if (response := await answer(flow.request, x)) is None:
            return
        if x.outcome is None:
            own_answer(x, response)
        response.headers["cache-control"] = "no-store"
        if flow.request.method == "HEAD":
            response.raw_content = b""  # and the content-length of what GET would have got
        flow.response = response

    async def done(self) -> None:
        await self._listings.close()

    # Model lists

    async def _models(self, request: http.Request, x: Exchange) -> http.Response:
        entries = await self.entries(request, x)
        listed = catalogue.anthropic_list if _wants_anthropic(request) else catalogue.openai_list
        return _json(200, listed(entries))

    async def _one_model(self, request: http.Request, x: Exchange) -> http.Response | None:
        wanted, anthropic = reading_of(x, request).model, _wants_anthropic(request)
        if (entry := catalogue.entry_of(await self.entries(request, x), wanted)) is not None:
            return _json(200, catalogue.anthropic_entry(entry) if anthropic else catalogue.openai_entry(entry))
        if self._passes_unlisted:
            return None
        message = f"The model {wanted!r} is not in the list of /v1/models."
        dialect: DialectName = "anthropic" if anthropic else "openai"
        body = error_body(dialect, 404, message, param="model", code="model_not_found")
        return own_answer(x, _response(404, body), "refused", message)

    async def _tags(self, request: http.Request, x: Exchange) -> http.Response:
        return _json(200, catalogue.ollama_tags(await self.entries(request, x)))

    async def entries(self, request: http.Request, x: Exchange) -> tuple[Entry, ...]:
        """The models that the caller is shown, in the order they are shown."""
        rules = self._rules()
        servers = dict.fromkeys(server for server in rules.servers.values() if server.enabled)
        if rules.default in rules.upstreams and rules.default.enabled:
            servers[rules.default] = None
        listings = await self._listings.of(servers, {rules.default: self._credentials(request, rules.default)})
        lists = {name: listing.models for name, listing in listings.items() if listing.models is not None}
        return catalogue.merge(rules, lists, self._auto(rules), x.caller)

    def _credentials(self, request: http.Request, default: Server) -> Credentials:
        """The client's own credentials that the default upstream may get, under the names that it reads."""
        if source(default, first=default) != "client":
            return ()
        given = ((name, request.headers.get(name, "")) for name in CREDENTIALS)
        found = {name: value for name, value in given if value and not self._own_token(value)}
        dialect = self._listings.speaks(default)
        if found and dialect is not None and (dialect == "anthropic") != _wants_anthropic(request):
            return (header_for(key_in(found), dialect),)
        return tuple(found.items())

    # Version and health

    async def _root(self, request: http.Request, x: Exchange) -> http.Response:
        return _response(200, b"Ollama is running", "text/plain; charset=utf-8")

    async def _version(self, request: http.Request, x: Exchange) -> http.Response:
        return _json(200, {"version": OLLAMA_VERSION})

    async def _healthz(self, request: http.Request, x: Exchange) -> http.Response:
        return _json(200, {"status": "ok"})

    async def _readyz(self, request: http.Request, x: Exchange) -> http.Response:
        database, upstreams = await asyncio.gather(self._database_problem(), self._upstreams())
        config, backlog, shared = self._rules_error(), self._backlog(), self._shared()
        reached = any(listing.reached for listing in upstreams.values())
        ready = database is None and reached
        state = "not ready" if not ready else "degraded" if config or backlog or shared else "ready"
        if self._tells_callers() and x.caller is None:  # the names of servers are nobody's business
            return _json(200 if ready else 503, {"status": state})
        checks = {
            "config": _check(config),
            "database": _check(database),
            "log": _check(backlog),
            "shared": _check(shared),
            "upstreams": {
                **_check(None if reached else "no upstream can be reached"),
                "servers": {name: _reach(listing) for name, listing in upstreams.items()},
            },
        }
        return _json(200 if ready else 503, {"status": state, "checks": checks})

    async def _database_problem(self) -> str | None:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await asyncio.to_thread(self._store_check)
        except TimeoutError:
            return f"no answer within {TIMEOUT:g} s"

    async def _upstreams(self) -> dict[str, ModelList]:
        """The listing of each upstream. Waits until one can be reached, or all have been tried."""
        listings = {
            server.name: self._listings.ask(server, max_age=self._listings.retry)
            for server in self._rules().upstreams
            if server.enabled
        }
        while not any(listing.reached for listing in listings.values()):
            running = [listing.fetch for listing in listings.values() if listing.fetch is not None]
            if not running:
                break
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        return listings


def _check(problem: str | None) -> dict[str, Any]:
    return {"ok": True} if problem is None else {"ok": False, "problem": problem}


def _reach(listing: ModelList) -> dict[str, Any]:
    """`reachable` is null until it is known. A server that can be reached has a problem where it lists no models."""
    return {"reachable": listing.reached} | ({"problem": listing.problem} if listing.problem else {})


def _wants_anthropic(request: http.Request) -> bool:
    return "anthropic-version" in request.headers


def _json(status: int, value: object) -> http.Response:
    return _response(status, dump(value))


def _response(status: int, body: bytes, content_type: str = "application/json") -> http.Response:
    return http.Response.make(status, body, {"content-type": content_type})
