"""The rules in force: routes.yaml and the environment's defaults, compiled into one frozen value.

1. `parse_ruleset` takes the text of a rules file, and returns a Ruleset with its warnings.
2. It raises RulesError with every error of the file, each with file, line, column, key and the expected value.
3. An empty text is an empty Ruleset: every request goes to DEFAULT_UPSTREAM.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from typing import TYPE_CHECKING, Final, Protocol

from switchman.addons.core.access.caller import Capture
from switchman.addons.core.access.capturing import NOTHING_WRITTEN, WrittenCapture
from switchman.addons.core.access.limits.written import NO_LIMITS, Limits
from switchman.addons.core.access.prices.price import Price
from switchman.addons.core.access.prices.table import NO_PRICES, Prices
from switchman.addons.core.routes.names import find, readings, short
from switchman.addons.core.routes.routes import (
    Affinity,
    Alias,
    Arbiter,
    Instance,
    Match,
    ModelMap,
    Route,
    compile_model_map,
)
from switchman.addons.core.routes.targets import instances_named, instances_of_model
from switchman.addons.core.rules.byrule import captures, fallbacks_on, redacts
from switchman.addons.core.rules.layersfile import CacheSettings, SemanticRoutes
from switchman.addons.core.rules.presets import Presets
from switchman.addons.core.rules.pricefile import price_for
from switchman.addons.core.rules.problems import Problem, RulesError
from switchman.addons.core.rules.reachcompile import CertificateFiles, NoFiles, Reaches
from switchman.addons.core.rules.reading.balancecheck import balance_warnings
from switchman.addons.core.rules.reading.mirrorfile import Mirror, mirrors_of
from switchman.addons.core.rules.reading.rulesshape import check_shape
from switchman.addons.core.rules.reading.yamltext import Document, Path, load
from switchman.addons.core.rules.rulescheck import layer_warnings, routing_warnings, token_warnings
from switchman.addons.core.rules.rulescompile import Compiler
from switchman.addons.core.rules.rulesfile import AUTO, RulesFileModel
from switchman.addons.core.servers.reaching.references import SecretSources
from switchman.addons.core.servers.retry import USUAL_FALLBACK_ON, FallbackOn
from switchman.addons.core.servers.servers import UNKNOWN_MODEL, ModelFacts, Server, ThinkingOutput, Timeouts
from switchman.addons.core.texts.redaction.redactor import Redact

if TYPE_CHECKING:
    from switchman.addons.core.routes.plan import Candidate, Plan

__all__ = [
    "Alias", "Defaults", "Instance", "Match", "ModelFacts", "ModelMap", "Problem", "Route", "RulesError", "Ruleset",
    "Server", "ThinkingOutput", "Timeouts", "parse_ruleset",
]  # fmt: skip

# Prices that are kept, and the length of their models' names: clients may ask for any.
MOST_PRICED: Final = 1024
LONGEST_PRICED: Final = 200
BY_RULE: Final = frozenset({"route", "conversation"})  # layers whose plans have the name of a rule


class Defaults(Protocol):
    """The environment's settings that the rules need; `switchman.addons.config.settings.Settings` has them."""

    @property
    def default_upstream(self) -> str: ...
    @property
    def default_upstream_set(self) -> bool: ...
    @property
    def model_map(self) -> Mapping[str, str]: ...
    @property
    def request_timeout(self) -> float: ...
    @property
    def strip_thinking(self) -> bool: ...
    @property
    def strip_json_markdown(self) -> bool: ...
    @property
    def disable_thinking(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All rules. `routes` are in the order they are tried. `servers` are the named ones; `upstreams` all there are.

    `digest` identifies the file's content (hex); "" for no file. `default_set`: DEFAULT_UPSTREAM was given, not
    assumed. `auto_default`: where `auto` goes when every layer misses (`default:`), empty for DEFAULT_UPSTREAM.
    `fallbacks`: tried after any rule's own. `local_only`: names of servers. `auto_names`: models that stand for the
    router's choice. `lists_tools`: some model's modalities include tools. `needs_features`: a decision may depend on
    the request's features. `affinities`: what its strategies and splits go by; none without any.
    """

    servers: Mapping[str, Server]
    aliases: Mapping[str, Alias]
    routes: tuple[Route, ...]
    models: Mapping[str, ModelFacts]
    default: Server
    default_set: bool
    model_map: ModelMap
    upstreams: tuple[Server, ...]
    strip_thinking: bool
    strip_json_markdown: bool
    disable_thinking: bool
    file: str
    digest: str
    warnings: tuple[Problem, ...] = ()
    auto_default: tuple[Instance, ...] = ()
    fallbacks: tuple[Instance, ...] = ()
    local_only: frozenset[str] = frozenset()
    auto_names: frozenset[str] = frozenset({AUTO})
    cache: CacheSettings = field(default_factory=CacheSettings)
    semantic_routes: SemanticRoutes | None = None
    arbiter: Arbiter | None = None
    prices: Prices = NO_PRICES
    limits: Limits = NO_LIMITS
    capture: WrittenCapture = NOTHING_WRITTEN
    captures: Mapping[str, Capture] = field(default_factory=dict)  # of rules by their names
    redact: Redact | None = None
    fallback_on: frozenset[FallbackOn] = USUAL_FALLBACK_ON  # for servers and rules that do not say
    lists_tools: bool = False
    needs_features: bool = False
    affinities: frozenset[Affinity] = frozenset()
    _exact: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)  # model -> indexes into routes
    _others: tuple[int, ...] = field(default=(), repr=False)  # indexes of routes with a pattern, or without a model
    _redacts: Mapping[str, tuple[Redact, ...]] = field(default_factory=dict, repr=False)  # of rules by their names
    mirrors: Mapping[str, Mirror] = field(default_factory=dict)  # of rules by their names
    _fallback_ons: Mapping[str, frozenset[FallbackOn]] = field(default_factory=dict, repr=False)  # likewise
    # names that go together -> what routes_for answers, for those that are asked for with every `auto`
    _auto: Mapping[tuple[str, ...], tuple[Route, ...]] = field(default_factory=dict, repr=False)
    # server and model -> what price_for has answered, as it is asked several times for every request
    _priced: dict[tuple[str, str], tuple[Price | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def is_auto(self, model: str) -> bool:
        """Whether a name leaves the choice to the router: none, `auto`, or another of `auto_names`, but no alias."""
        return (not model or short(model) in self.auto_names) and find(self.aliases, model) is None

    def auto_group(self, model: str, ollama: bool = False) -> tuple[str, ...]:
        """The names by which rules match a request for a model: a rule for `auto` matches every name that means it.

        `ollama`: an Ollama client wrote the name; see names.readings.
        """
        if not self.is_auto(model):
            return readings(model, ollama)
        return (model,) if model == AUTO else tuple(dict.fromkeys((*readings(model), AUTO)))

    def auto_groups(self) -> Iterator[tuple[str, ...]]:
        for name in ("", *sorted(self.auto_names)):
            yield self.auto_group(name)

    def routes_for(self, *models: str) -> Iterable[Route]:
        """The routes whose `match.model` accepts one of the names, in their order. Nothing else of them is tested."""
        ready = self._auto.get(models)
        return ready if ready is not None else self._routes_for(models)

    def _routes_for(self, models: Sequence[str]) -> Iterator[Route]:
        exact = [found for model in dict.fromkeys(map(short, models)) if (found := self._exact.get(model))]
        for index in merge(*exact, self._others) if exact else self._others:
            route = self.routes[index]
            if route.match.pattern is None or any(route.match.accepts_model(model) for model in models):
                yield route

    def facts(self, server: Server, model: str) -> ModelFacts:
        """The facts in `models:` about a model on a server; UNKNOWN_MODEL where there are none."""
        return (find(self.models, f"{server.name}/{model}") if self.models else None) or UNKNOWN_MODEL

    def price_for(self, server: Server, model: str) -> Price | None:
        """What a model costs on a server; None where it is not known. `model`: by the name that it has there."""
        known = self._priced.get((server.name, model))
        if known is None:
            known = (price_for(self.facts(server, model), server, model, self.prices),)
            if len(self._priced) < MOST_PRICED and len(model) <= LONGEST_PRICED:
                self._priced[server.name, model] = known
        return known[0]

    def redact_for(self, plan: Plan) -> tuple[Redact, ...]:
        """What is redacted in a request with this plan: as the rule that decided says, or the whole file does.

        A conversation that stays with its target is known by the name of its rule; rules of one name redact together.
        What else may decide (an alias, an arbiter's category) can have a rule's name, and is none.
        """
        said = self._redacts.get(plan.route) if plan.layer in BY_RULE else None
        return tuple(one for one in (said or (self.redact,)) if one)

    def fallback_on_for(self, plan: Plan, server: Server) -> frozenset[FallbackOn]:
        """For what a request with this plan that a server refused goes to the next candidate."""
        said = self._fallback_ons.get(plan.route) if plan.layer in BY_RULE else None
        if said is None:
            said = server.fallback_on
        return self.fallback_on if said is None else said

    def mirror_for(self, plan: Plan) -> Mirror | None:
        """What mirrors requests with this plan; None: nothing does, or may."""
        found = self.mirrors.get(plan.route) if self.mirrors and plan.layer in BY_RULE else None
        return found if found is not None and found.may_see(plan, self.local_only) else None

    def redactions(self) -> tuple[Redact, ...]:
        """All that any rule redacts."""
        return tuple(one for one in (self.redact, *(rule.redact for rule in self.routes)) if one)

    def thinking_for(self, candidate: Candidate, requested_model: str = "") -> ThinkingOutput:
        """How to treat <think> blocks: as the model's, else the server's setting, else STRIP_THINKING says.

        `requested_model` is the model that the client named, for candidates that leave it as it is.
        """
        facts = self.facts(candidate.server, candidate.model or requested_model)
        return facts.thinking_output or candidate.server.thinking_output or ("strip" if self.strip_thinking else "keep")

    def strips_json_for(self, candidate: Candidate, requested_model: str = "") -> bool:
        """Whether a reply that is one fence of JSON becomes the JSON. Arguments as for `thinking_for`."""
        facts = self.facts(candidate.server, candidate.model or requested_model)
        return _first_set(facts.strip_json_markdown, candidate.server.strip_json_markdown, self.strip_json_markdown)

    def disables_thinking_for(self, candidate: Candidate, requested_model: str = "") -> bool:
        """Whether the model is asked not to think. Arguments as for `thinking_for`."""
        facts = self.facts(candidate.server, candidate.model or requested_model)
        return _first_set(facts.disable_thinking, candidate.server.disable_thinking, self.disable_thinking)

    def thinking_opens_for(self, candidate: Candidate, requested_model: str = "") -> bool | None:
        """Whether a reply begins within its thinking block; None where no rule says it. Arguments as for
        `thinking_for`.
        """
        said = self.facts(candidate.server, candidate.model or requested_model).thinking_opens
        return candidate.server.thinking_opens if said is None else said


def _first_set(*answers: bool | None) -> bool:
    return next(answer for answer in answers if answer is not None)


def parse_ruleset(
    text: str,
    filename: str,
    settings: Defaults,
    env: Mapping[str, str] | None = None,
    presets: Presets | None = None,
    files: CertificateFiles | None = None,
    own_port: int | None = None,
    sources: SecretSources | None = None,
    prices: Prices = NO_PRICES,
    *,
    wants_tokens: bool = True,
) -> Ruleset:
    """Compile the YAML or JSON `text` of a rules file. `env` is where `env:NAME` is looked up, and HTTPS_PROXY and its
    kin are; `files` reads the files of certificates; `sources` what `file:PATH` and `vault:NAME` stand for; `own_port`
    is the router's own port; `prices` the shipped ones; `wants_tokens`: requests come with tokens of ours
    (CLIENT_AUTH). Raises RulesError.
    """
    document = load(text, filename)
    model, problems = check_shape(document)
    problems += document.problems
    if model is None:
        raise RulesError(problems)
    reaches = Reaches(env or {}, files or NoFiles(), own_port)
    compiler = Compiler(document, env or {}, settings.request_timeout, presets or {}, prices, reaches=reaches)
    compiler.sources = sources or compiler.sources
    rules = _compiled(compiler, model, settings, filename)
    problems += [*compiler.problems, *reaches.problems.values()]
    if errors := [problem for problem in problems if problem.severity == "error"]:
        raise RulesError(errors)
    problems += _warnings(document, model, compiler, rules, wants_tokens)
    return replace(
        rules,
        digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if text else "",
        warnings=tuple(sorted(problems, key=lambda problem: (problem.line, problem.column))),
        _auto={names: tuple(rules.routes_for(*names)) for names in rules.auto_groups()},
    )


def _compiled(compiler: Compiler, model: RulesFileModel, settings: Defaults, filename: str) -> Ruleset:
    """All values of the file. Its faults are then in the compiler's `problems`."""
    compiler.compile_servers(model)
    facts = compiler.compile_models(model)
    aliases = compiler.compile_aliases(model)
    routes = tuple(compiler.compile_routes(model, aliases))
    default = compiler.default_server(settings.default_upstream)
    exact, others = _index(routes)
    chosen = [*(alias.pool for alias in aliases.values()), *(route.pool for route in routes)]
    pools = [pool for pool in chosen if pool is not None]
    return Ruleset(
        servers=compiler.servers,
        aliases=aliases,
        routes=routes,
        models=facts,
        default=default,
        default_set=settings.default_upstream_set,
        model_map=compile_model_map(settings.model_map),
        strip_thinking=settings.strip_thinking,
        strip_json_markdown=settings.strip_json_markdown,
        disable_thinking=settings.disable_thinking,
        file=filename,
        digest="",
        fallbacks=compiler.compile_fallbacks(model, aliases),
        auto_default=compiler.compile_default(model, aliases, default, settings.default_upstream_set),
        local_only=compiler.compile_local(model),
        auto_names=frozenset(model.auto_names),
        cache=model.cache,
        semantic_routes=model.semantic_routes,
        arbiter=compiler.compile_arbiter(model),
        prices=compiler.prices,
        limits=model.limits.value,
        capture=model.capture.value,
        captures=captures(routes),
        redact=compiler.compile_redact(("redact",), model.redact, "redact"),
        fallback_on=USUAL_FALLBACK_ON if model.fallback_on is None else frozenset(model.fallback_on),
        lists_tools=any("tools" in fact.modalities for fact in facts.values()),
        needs_features=any(route.match.condition for route in routes)
        or any(fact.modalities or fact.context for fact in facts.values())
        or any(pool.strategy == "cheapest" for pool in pools),
        affinities=frozenset(pool.affinity for pool in pools),
        upstreams=_upstreams(compiler, default, settings.default_upstream_set),  # after all that may add a server
        _exact=exact,
        _others=others,
        _redacts=redacts(routes),
        _fallback_ons=fallbacks_on(routes),
        mirrors=mirrors_of(compiler, model, aliases),
    )


def _warnings(
    document: Document, model: RulesFileModel, compiler: Compiler, rules: Ruleset, wants_tokens: bool
) -> list[Problem]:
    """Warn of what the whole file shows. `rules` has no faults."""
    aliases = rules.aliases
    return [
        *routing_warnings(
            document,
            rules.routes,
            aliases,
            rules.servers,
            rules.model_map,
            rules.local_only,
            rules.fallbacks,
            rules.default_set,
        ),
        *([] if wants_tokens else token_warnings(document, rules.routes)),
        *balance_warnings(document, model, rules.aliases, rules.routes),
        *_layer_warnings(document, model, compiler, aliases),
    ]


def _layer_warnings(
    document: Document, model: RulesFileModel, compiler: Compiler, aliases: Mapping[str, Alias]
) -> list[Problem]:
    def known(name: str) -> bool:
        return bool(
            instances_named(name, compiler.servers, aliases) or instances_of_model(name, compiler.servers, model.models)
        )

    targets: dict[Path, str] = {}
    for name, category in (model.semantic_routes.categories if model.semantic_routes else {}).items():
        if category.target is not None:
            targets["semantic_routes", "categories", name, "target"] = category.target
    for name, target in (model.arbiter.targets if model.arbiter else {}).items():
        targets["arbiter", "targets", name] = target
    for path, allowance in model.limits.allowances():
        for place, budget in enumerate(allowance.budgets):
            if budget.downgrade is not None:
                targets[(*path, "budgets", place, "downgrade")] = budget.downgrade
    return layer_warnings(document, targets, known, [*compiler.servers, *aliases])


def _upstreams(compiler: Compiler, default: Server, default_set: bool) -> tuple[Server, ...]:
    """Every server once; DEFAULT_UPSTREAM only where it was given, or is the only one."""
    servers = [*compiler.servers.values(), *compiler.unnamed.values()]
    if (default_set or not servers) and default not in servers:
        servers.append(default)
    return tuple(servers)


def _index(routes: tuple[Route, ...]) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...]]:
    """Index the routes by exact model name, so that thousands cost one look-up; the others are tried one by one."""
    exact: dict[str, list[int]] = {}
    others = []
    for index, route in enumerate(routes):
        if route.match.model is None or route.match.pattern is not None:
            others.append(index)
        else:
            exact.setdefault(short(route.match.model), []).append(index)
    return {model: tuple(indexes) for model, indexes in exact.items()}, tuple(others)
