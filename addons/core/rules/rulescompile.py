"""Compile the file as written into values: look names up, read secrets, compile patterns.

Every fault becomes a Problem and compilation goes on, so that a person sees all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from switchman.addons.core.access.prices.price import MILLION
from switchman.addons.core.access.prices.table import NO_PRICES, Prices
from switchman.addons.core.routes.names import find
from switchman.addons.core.routes.routes import Alias, Arbiter, Instance, Pool, Route
from switchman.addons.core.routes.targets import instances_named
from switchman.addons.core.rules.layersfile import RedactFile
from switchman.addons.core.rules.matchcompile import OwnTarget, compile_match
from switchman.addons.core.rules.presets import Preset, Presets, facts_of, keepalive_of, quirks_of
from switchman.addons.core.rules.pricefile import price_for
from switchman.addons.core.rules.problems import MAX_TOLD, Problem, hint, listed
from switchman.addons.core.rules.reachcompile import Reaches, headers_of, keys_of, secret_of
from switchman.addons.core.rules.reading.balancefile import placed, written_instances
from switchman.addons.core.rules.reading.limitsfile import limits_of
from switchman.addons.core.rules.reading.overflowfile import fallback_on_of
from switchman.addons.core.rules.reading.yamltext import Document, Path
from switchman.addons.core.rules.rulesfile import (
    InstanceFile,
    KeepAliveFile,
    RouteFile,
    RulesFileModel,
    ServerFile,
)
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.reaching.addressing import path_style
from switchman.addons.core.servers.reaching.reach import Reach
from switchman.addons.core.servers.reaching.references import NoSources, SecretSources, is_reference
from switchman.addons.core.servers.servers import UNKNOWN_MODEL, KeepAlive, ModelFacts, Server, Timeouts
from switchman.addons.core.texts.redaction.redactor import Redact, redact_of

Trail = tuple[tuple[str, Path], ...]

DEFAULT_NAME = "default"
MAX_NESTED = 20  # aliases within aliases
MAX_INSTANCES = 1000  # of one alias, with those of the aliases in it
UNREADABLE = "http://unreadable.invalid"  # in place of a URL that is missing; no request goes there


@dataclass
class Compiler:
    """One compilation. `servers`: those of the file, by name. `unnamed`: those given by a URL only."""

    document: Document
    env: Mapping[str, str]
    request_timeout: float
    presets: Presets = field(default_factory=dict)
    prices: Prices = NO_PRICES
    keepalive: KeepAlive = field(default_factory=KeepAlive)
    reaches: Reaches = field(default_factory=Reaches)
    sources: SecretSources = field(default_factory=NoSources)
    problems: list[Problem] = field(default_factory=list)
    servers: dict[str, Server] = field(default_factory=dict)
    unnamed: dict[urls.BaseURL, Server] = field(default_factory=dict)
    facts: dict[str, ModelFacts] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)  # given to servers that have a URL only
    _by_address: dict[urls.BaseURL, Server] | None = None

    def compile_servers(self, model: RulesFileModel) -> None:
        self.keepalive = keepalive_of(model.keepalive, KeepAliveFile())
        for name, written in model.servers.items():
            self.servers[name] = self._server(name, written, model.keepalive)

    def _server(self, name: str, written: ServerFile, keepalive: KeepAliveFile) -> Server:
        path: Path = ("servers", name)
        preset = self._preset((*path, "preset"), written.preset)
        own = "dialect" in written.model_fields_set  # then the preset's dialects do not count
        variable = (preset.api_key_env or "") if preset else ""
        usual = self.env.get(variable, "")
        timeout, url = written.timeout, self._url(path, written, preset)
        keys = keys_of(path, written, usual, variable, self._secret, self._error, self._warn)
        return Server(
            name=name,
            url=url,
            dialect=written.dialect if own or preset is None else preset.dialect,
            also=preset.also if preset and not own else (),
            api_key=keys[0].value if keys else None,
            keys=keys,
            headers=headers_of((*path, "headers"), written.headers, self._secret, self._error),
            secret_headers=frozenset(key for key, value in written.headers.items() if is_reference(value)),
            timeout=Timeouts(timeout.connect, timeout.first_byte, timeout.idle, timeout.total or self.request_timeout),
            retry_on=frozenset(written.retry_on),
            fallback_on=fallback_on_of(written.fallback_on),
            thinking_output=written.thinking_output,
            strip_json_markdown=written.strip_json_markdown,
            disable_thinking=written.disable_thinking,
            preset=written.preset or "",
            thinking_opens=written.thinking_opens,
            forward_auth=written.forward_auth,
            pass_through=written.pass_through,
            quirks=quirks_of(preset, written.quirks),
            keepalive=keepalive_of(keepalive, written.keepalive),
            free=written.free,
            capture=written.capture,
            path=written.path or (preset.path if preset else path_style(url)),
            reach=self._reach(path, url, written),
            enabled=written.enabled,
            limits=limits_of(written),
        )

    def _url(self, path: Path, written: ServerFile, preset: Preset | None) -> urls.BaseURL:
        if written.url is None and preset is not None and preset.url is None:
            self._error(path, f"the preset {written.preset} needs a url as well, such as {preset.url_form}")
        return urls.parse(written.url or (preset.url if preset else None) or UNREADABLE, query=True)

    def _reach(self, path: Path, url: urls.BaseURL, written: ServerFile | None = None) -> Reach:
        return self.reaches.of(path, url, self._error, self._warn, self._secret, written)

    def _preset(self, path: Path, name: str | None) -> Preset | None:
        if name is not None and name not in self.presets:
            known = listed(self.presets)
            self._error(path, f"no preset is named {name!r}{self._hint(name, self.presets)}; the presets are: {known}")
        return self.presets.get(name or "")

    def _secret(self, path: Path, text: str) -> str | None:
        return secret_of(self.env, self.sources, path, text, self._error, self._warn)

    def compile_models(self, model: RulesFileModel) -> dict[str, ModelFacts]:
        for target, written in model.models.items():
            server, slash, _ = target.partition("/")
            if not slash or server not in self.servers:
                known = (
                    f"no server is named {server!r}{self._hint(server, self.servers)}"
                    if slash
                    else "expected server/model"
                )
                self._warn(("models", target), f"{known}; these facts apply to nothing", at_key=True)
            self.facts[target] = facts_of(written)
        return self.facts

    def compile_aliases(self, model: RulesFileModel) -> dict[str, Alias]:
        done: dict[str, tuple[Instance, ...]] = {}
        for name in model.aliases:
            self._instances_of_alias(model, name, (), done)
        return {name: Alias(name, done[name], one.pool(f"alias {name}")) for name, one in model.aliases.items()}

    def _instances_of_alias(
        self, model: RulesFileModel, name: str, trail: Trail, done: dict[str, tuple[Instance, ...]]
    ) -> tuple[Instance, ...]:
        """The instances of an alias; an alias among them is replaced by its own. `trail`: the aliases on the way,
        and which of their instances is followed; `done`: each is read once, however many name it.
        """
        if name in done:
            return done[name]
        found: dict[Instance, None] = {}
        twice = False
        alias = model.aliases[name]
        for key, written in written_instances(alias.instances, alias.split):
            path: Path = ("aliases", name, *key)
            nested = self._nested_alias(model, written)
            here = (*trail, (name, key))
            if nested is None:
                more: Sequence[Instance] = self._instance(path, written, model)
            elif any(nested == on_the_way for on_the_way, _ in here):
                self._circle(nested, here)
                continue
            elif len(here) > MAX_NESTED:
                self._error(path, f"aliases within aliases, more than {MAX_NESTED} deep")
                continue
            else:
                more = self._instances_of_alias(model, nested, here, done)
            more = placed(more, alias.pool(f"alias {name}"), alias.split, written)
            twice |= any(instance in found for instance in more) or len(set(more)) < len(more)
            found.update(dict.fromkeys(more))
            if len(found) > MAX_INSTANCES:
                self._error(path, f"more than {MAX_INSTANCES} instances, those of the aliases within it included")
                break
        if twice:
            self._warn(("aliases", name), "an instance is listed twice: it is tried once", at_key=True)
        done[name] = tuple(found)
        return done[name]

    def _circle(self, start: str, trail: Trail) -> None:
        """Tell each alias of a circle, which begins and ends at `start`, where it leads."""
        steps = trail[next(place for place, (name, _) in enumerate(trail) if name == start) :]
        names = [name for name, _ in steps]
        for place, (name, key) in enumerate(steps, 1):
            circle = [*names[place:], *names[:place]]
            message = f"this alias leads back to itself: {' -> '.join((*circle, circle[0]))}"
            self._error(("aliases", name, *key), message)

    def _nested_alias(self, model: RulesFileModel, written: str | InstanceFile) -> str | None:
        if not isinstance(written, str) or written not in model.aliases:
            return None
        return None if written.partition("/")[0] in self.servers else written

    def _instance(self, path: Path, written: str | InstanceFile, model: RulesFileModel) -> list[Instance]:
        if isinstance(written, InstanceFile):
            if written.url is not None:
                return [Instance(self._by_url(written.url), written.model or "", written.weight or 1)]
            name, new_model, path = written.server or "", written.model or "", (*path, "server")
        else:
            name, _, new_model = written.partition("/")
        if name in self.servers:
            return [Instance(self.servers[name], new_model, getattr(written, "weight", None) or 1)]
        self._unknown_server(path, name, also=model.aliases if isinstance(written, str) else ())
        return []

    def _unknown_server(self, path: Path, name: str, also: Iterable[str] = ()) -> None:
        known = listed(self.servers) or "none"
        url = "; a URL starts with http:// or https://" if ":" in name or "." in name else ""
        close = self._hint(name, self.servers, also)
        self._error(path, f"no server is named {name!r}{close}{url}; the servers are: {known}")

    def _by_url(self, text: str, *, listed: bool = True) -> Server:
        """The server with this URL: a named one if there is one, so that its key and its breaker are used.

        `listed`: count it among the upstreams, so that its models are offered to clients.
        """
        url = urls.parse(text)
        if (known := self._named().get(url) or self.unnamed.get(url)) is not None:
            return known
        server = self._bare(self._free_name(url), url)
        if listed:
            self.unnamed[url] = server
        return server

    def _free_name(self, url: urls.BaseURL) -> str:
        """A name for a server without one: host and port, or the whole URL where that is taken."""
        name = url.authority + url.path
        taken = name in self.servers or name in self._names
        self._names.add(free := str(url) if taken else name)
        return free

    def _named(self) -> Mapping[urls.BaseURL, Server]:
        """The servers of the file by URL; of several with one URL the first. Asked for after all are compiled."""
        if self._by_address is None:
            self._by_address = {}
            for server in self.servers.values():
                self._by_address.setdefault(server.url, server)
        return self._by_address

    def compile_routes(self, model: RulesFileModel, aliases: Mapping[str, Alias]) -> list[Route]:
        """The enabled routes in the order they are tried: by priority, then as written."""
        routes = [self._route(index, written, model, aliases) for index, written in enumerate(model.routes)]
        enabled = (route for route in routes if model.routes[route.position].enabled)
        return sorted(enabled, key=lambda route: -route.priority)

    def _route(self, index: int, written: RouteFile, model: RulesFileModel, aliases: Mapping[str, Alias]) -> Route:
        path: Path = ("routes", index)
        upstream = self._upstream((*path, "route", "upstream"), written.route.upstream)
        target = self._own_target(upstream, written.route.model, aliases)
        name = written.name or f"route {index + 1}"
        pool, split = written.route.pool(f"rule {name}"), written.route.split
        fallbacks = self._fallbacks((*path, "route", "fallbacks"), written.route.fallbacks, model, aliases)
        return Route(
            name=name,
            match=compile_match(written.match, target),
            upstream=upstream,
            model=written.route.model,
            fallbacks=fallbacks if split else placed(fallbacks, pool),
            priority=written.priority,
            position=index,
            line=self.document.values[path][0],
            thinking=written.route.thinking,
            stick=written.route.stick or "",
            local_only=written.route.local_only,
            fallback_on=fallback_on_of(written.route.fallback_on),
            capture=written.route.capture,
            redact=self.compile_redact((*path, "redact"), written.redact, name),
            pool=pool,
            weight=written.route.weight or 0,
            parts=self._parts((*path, "route"), split or {}, pool, model, aliases),
        )

    def _parts(
        self, path: Path, split: Mapping[str, float], pool: Pool | None, model: RulesFileModel,
        aliases: Mapping[str, Alias],
    ) -> tuple[Instance, ...]:  # fmt: skip
        parts = {part: self.compile_target((*path, "split", part), part, model, aliases) for part in split}
        return tuple(one for part in parts for one in placed(parts[part], pool, split, part))

    def compile_redact(self, path: Path, written: RedactFile | None, rule: str) -> Redact | None:
        if written is None:
            return None
        error = lambda fault: self._error((*path, "words"), fault)  # noqa: E731
        return redact_of(written.patterns, written.words, rule, self.reaches.files.words, error)

    def _fallbacks(
        self, path: Path, listed: Sequence[str | InstanceFile], model: RulesFileModel, aliases: Mapping[str, Alias]
    ) -> tuple[Instance, ...]:
        found: list[Instance] = []
        for number, written in enumerate(listed):
            found += self.compile_target((*path, number), written, model, aliases)
        return tuple(found)

    def compile_target(
        self, path: Path, written: str | InstanceFile, model: RulesFileModel, aliases: Mapping[str, Alias]
    ) -> list[Instance]:
        """`server/model`, a mapping, or an alias with all its instances. A problem where it is none of them."""
        if self._nested_alias(model, written) is not None:
            return list(aliases[str(written)].instances)
        return self._instance(path, written, model)

    def compile_fallbacks(self, model: RulesFileModel, aliases: Mapping[str, Alias]) -> tuple[Instance, ...]:
        return self._fallbacks(("fallbacks",), model.fallbacks, model, aliases)

    def compile_default(
        self, model: RulesFileModel, aliases: Mapping[str, Alias], upstream: Server, upstream_set: bool = True
    ) -> tuple[Instance, ...]:
        """The instances of `default:`; none without it. A name without a slash is a model of DEFAULT_UPSTREAM, or,
        where that was not given, of the server that lists it.
        """
        written = model.default
        if written is None:
            return ()
        if isinstance(written, str) and "/" not in written and written not in {*aliases, *self.servers}:
            close = self._hint(written, self.servers, aliases)
            where = "to DEFAULT_UPSTREAM as a model's name" if upstream_set else "to the server that lists such a model"
            self._warn(("default",), f"{written!r} names no server and no alias{close}; it goes {where}")
            return (Instance(upstream, written),)
        return tuple(self.compile_target(("default",), written, model, aliases))

    def compile_local(self, model: RulesFileModel) -> frozenset[str]:
        for index, name in enumerate(model.local_only):
            if name not in self.servers:
                self._unknown_server(("local_only", index), name)
        return frozenset(model.local_only)

    def compile_arbiter(self, model: RulesFileModel) -> Arbiter | None:
        written = model.arbiter
        if written is None:
            return None
        server = self.servers.get(written.server or "")
        if written.url is not None:
            server = self._by_url(written.url, listed=False)
        if server is None:
            self._unknown_server(("arbiter", "server"), written.server or "")
            return None
        if not server.enabled:
            self._warn(("arbiter",), f"{server.name} is off (enabled: false), so there is no arbiter", at_key=True)
            return None
        return Arbiter(server, written.model, written.timeout_ms, written.min_confidence, dict(written.targets))

    def _own_target(self, upstream: Server | None, name: str | None, aliases: Mapping[str, Alias]) -> OwnTarget:
        """The target that a route's max_cost and max_latency apply to."""
        if name is None:
            return OwnTarget()
        if upstream is not None:
            server, own = upstream, name
        elif found := instances_named(name, self.servers, aliases):
            server, own = found[0].server, found[0].model
        else:
            return OwnTarget()
        target = f"{server.name}/{own}"
        price = price_for(find(self.facts, target) or UNKNOWN_MODEL, server, own, self.prices)
        known = price.input if price is not None else None
        return OwnTarget(target, None if known is None else known / MILLION)

    def _upstream(self, path: Path, text: str | None) -> Server | None:
        if text is None:
            return None
        if text in self.servers:
            return self.servers[text]
        if "://" not in text:
            self._unknown_server(path, text)
            return None
        try:
            return self._by_url(text)
        except ValueError as error:
            self._error(path, str(error))
            return None

    def default_server(self, text: str) -> Server:
        """DEFAULT_UPSTREAM as a server: the named one with its URL, or one named `default`. Raises ValueError."""
        url = urls.parse(text)
        if (named := self._named().get(url)) is not None:
            return named
        name = DEFAULT_NAME if DEFAULT_NAME not in self.servers else "DEFAULT_UPSTREAM"
        return self._bare(name, url)

    def _bare(self, name: str, url: urls.BaseURL) -> Server:
        """A server of which only the URL is known."""
        return Server(
            name,
            url,
            timeout=Timeouts(total=self.request_timeout),
            keepalive=self.keepalive,
            path=path_style(url),
            reach=self._reach((), url),
        )

    def _hint(self, name: str, *known: Iterable[str]) -> str:
        """Only the first problems have one: among thousands of names it costs milliseconds."""
        return hint(name, *known) if len(self.problems) < MAX_TOLD else ""

    def _error(self, path: Path, message: str) -> None:
        self.problems.append(self.document.problem(path, message))

    def _warn(self, path: Path, message: str, *, at_key: bool = False) -> None:
        self.problems.append(self.document.problem(path, message, at_key=at_key, warning=True))
