"""From answers to the sections of a rules file, with a sentence at each entry that says why it is there.

Each use has an alias of its own, so that clients can ask for it by name and its models stand in one place. The rules
are for `auto`; the first that matches wins, so they stand in the order of how surely they tell a request:

1. pictures, 2. long documents, 3. the models that coding agents name by themselves, 4. background tasks, 5. coding,
6. translation, 7. where nothing may leave the house: all that is left. Chat is what `default` answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from switchman.addons.core.routes.making.answers import USES, Answers, ServerChoice, Use
from switchman.addons.core.routes.making.picking import Level, Pick, choose, level_of, may_answer

AUTO: Final = "auto"
LONG: Final = 32_000  # tokens: what most servers hold without being told to hold more
BACKGROUND_TOKENS: Final = 8_000  # of a prompt that asks for a title or a summary

NAMES: Final[dict[Use, str]] = {
    "chat": "Chat",
    "coding": "Coding",
    "long": "Long documents",
    "pictures": "Pictures",
    "translation": "Translation",
    "background": "Background",
}
_ALIASES: Final[dict[Use, str]] = {**{use: use for use in USES}, "long": "long-documents"}
_LEVEL_WORDS: Final[dict[Level, str]] = {
    "strong": "the strongest",
    "middle": "one of middling size",
    "small": "the smallest, for speed",
    "cheap": "the cheapest",
}
# How the names begin that coding agents ask for by themselves, by whose models these are: Claude Code, Codex, Gemini
# CLI. Which models there are of each is not said here. "small": what they ask for titles and the like.
_AGENTS: Final = {"anthropic": "claude-", "openai": "(?:gpt|codex)-|o[0-9](?:-|$)", "gemini": "gemini-"}
_AGENTS_SMALL: Final = "(?:.*[-_])?(?:haiku|mini|nano|flash|lite|small)"
_BACKGROUND_WORDS: Final = [
    "title for", "short title", "concise title", "commit message", "follow-up questions", "标题", "摘要",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a section, and why it is there. `name`: its key, of a route its `name`."""

    name: str
    value: Any
    why: str


@dataclass(frozen=True, slots=True)
class Note:
    """What the answers could not have, or what follows from them that is easily overlooked. `name`: of what."""

    kind: Literal["pictures", "left_out", "no_key", "no_rule", "no_price"]
    name: str = ""

    def __str__(self) -> str:
        return NOTES[self.kind] % {"name": self.name}


NOTES: Final = {
    "pictures": "No chosen model is known to see pictures, so there is no rule for them.",
    "left_out": "%(name)s is left out, as nothing is to leave the house.",
    "no_key": "No rule leads to %(name)s, as the router has no key for it. Clients can still name its models.",
    "no_rule": "No rule leads to %(name)s: others suit each use better. Clients can still name its models.",
    "no_price": "No price of %(name)s is known, so a budget in dollars refuses requests for it: write its price "
    "under models, or choose another model.",
}


@dataclass(slots=True)
class Draft:
    """What the file is to have. `picks`: what was chosen for each use."""

    about: list[str]
    servers: list[Entry] = field(default_factory=list)
    models: list[Entry] = field(default_factory=list)
    aliases: list[Entry] = field(default_factory=list)
    routes: list[Entry] = field(default_factory=list)
    default: Entry | None = None
    local_only: Entry | None = None
    budget: Entry | None = None
    picks: dict[Use, list[Pick]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def draft(answers: Answers) -> Draft:
    """Raises NotMakeable where no rules follow from the answers."""
    picks = may_answer(answers)
    made = Draft(_about(answers))
    uses: list[Use] = [use for use in USES if use in answers.uses or use == "chat"]
    for use in uses:
        if found := choose(use, picks, answers):
            made.picks[use] = found
        else:
            made.notes.append(Note("pictures"))
    names = _alias_names(made, answers)
    _add_servers(made, answers)
    made.aliases = [_alias(use, names[use], answers, found) for use, found in made.picks.items()]
    made.default = Entry("default", names["chat"], "Where auto goes when no rule matches: the models of chat.")
    if answers.stays:
        _keep_inside(made, answers, names)
    made.routes = [_renamed(one, answers.taken) for one in _routes(made, answers, names)]
    if answers.spending == "monthly":
        made.budget = _budget(made, answers, picks)
    return made


def _about(answers: Answers) -> list[str]:
    spending = {
        "unlimited": "not limited",
        "monthly": f"${answers.dollars} a month",
        "own": "servers of your own only",
        "cheapest": "the cheapest first",
    }[answers.spending]
    uses = ", ".join(NAMES[use].lower() for use in USES if use in answers.uses) or "chat"
    return [
        f"used for: {uses}",
        f"servers: {', '.join(one.name for one in answers.servers)}",
        f"spending: {spending}",
        f"what counts most: {answers.priority}",
    ]


def _alias_names(made: Draft, answers: Answers) -> dict[Use, str]:
    taken = {*answers.taken, *(one.name for one in answers.servers), AUTO}
    return {use: free_name(_ALIASES[use], taken) for use in made.picks}


def free_name(wanted: str, taken: set[str] | frozenset[str]) -> str:
    """The name, or with a number behind it where it is taken."""
    if wanted not in taken:
        return wanted
    return next(name for number in range(2, len(taken) + 3) if (name := f"{wanted}-{number}") not in taken)


def _add_servers(made: Draft, answers: Answers) -> None:
    used = {pick.server.name for found in made.picks.values() for pick in found}
    for one in answers.servers:
        if answers.stays and not one.own:
            made.notes.append(Note("left_out", one.name))
        elif one.models:
            made.servers.append(Entry(one.name, one.written, _server_words(one)))
            if one.name not in used:
                made.notes.append(Note("no_rule" if one.own or one.has_key else "no_key", one.name))


def _server_words(one: ServerChoice) -> str:
    if one.own:
        return "Of your own: nothing leaves the house, and what it answers costs nothing."
    if not one.has_key:
        return "The router has no key for it: clients' own keys go there. A key takes their place (page Keys)."
    return "A provider, at its published prices."


def _alias(use: Use, name: str, answers: Answers, found: list[Pick]) -> Entry:
    words = "the longest context, then " if use == "long" and found[0].model.context else ""
    words += _LEVEL_WORDS[level_of(use, answers)]
    behind = "; the next one answers when it cannot" if len(found) > 1 else ""
    return Entry(name, {"instances": [one.target for one in found]}, f"For {NAMES[use].lower()}: {words}{behind}.")


def _keep_inside(made: Draft, answers: Answers, names: dict[Use, str]) -> None:
    """Names of models that are chosen answer as they are, so that no setting leads them elsewhere."""
    own = [one for one in answers.servers if one.own and one.models]
    made.local_only = Entry("local_only", [one.name for one in own], "No request for these goes to any other server.")
    taken = {*answers.taken, *names.values(), *(one.name for one in answers.servers), AUTO}
    targets: dict[str, list[str]] = {}
    for server in own:
        for model in server.models:
            targets.setdefault(model.name, []).append(f"{server.name}/{model.name}")
    for model_name, found in targets.items():
        if model_name not in taken:
            why = "By its own name, wherever DEFAULT_UPSTREAM leads."
            made.aliases.append(Entry(model_name, {"instances": found}, why))


def _routes(made: Draft, answers: Answers, names: dict[Use, str]) -> Iterator[Entry]:
    def route(use: Use, why: str, match: dict[str, Any], name: str = "", **more: Any) -> Entry:
        target = {"model": names[use], **more}
        return Entry(name or NAMES[use], {"match": match, "route": target}, why)

    auto = {"model": AUTO}
    if "pictures" in names:
        why = "A picture is in the conversation: only a model that sees can answer."
        yield route("pictures", why, {**auto, "modalities": ["vision"]})
    if "long" in names:
        context = made.picks["chat"][0].model.context
        least = min(LONG, context * 3 // 4) if context else LONG
        why = "A long prompt without tools, so a document and no agent at work: more than others may hold."
        yield route("long", why, {**auto, "tools": False, "tokens": {"min": least}})
    yield from _for_agents(made, answers, names, route)
    if "background" in names:
        why = "Titles, summaries and the like, which programs ask for by the way: small models do."
        asks = [{"task": "summarization"}, {"keywords_substring": _BACKGROUND_WORDS}]
        match = {**auto, "tools": False, "tokens": {"max": BACKGROUND_TOKENS}, "any": asks}
        yield route("background", why, match)
    if "coding" in names:
        why = "Code is asked for, or an agent brings its tools. The conversation stays with its model, for its cache."
        yield route("coding", why, {**auto, "any": [{"task": "coding"}, {"tools": True}]}, stick="conversation")
    if "translation" in names:
        yield route("translation", "A translation is asked for.", {**auto, "task": "translation"})
    if made.local_only is not None:
        own = "|".join(_quoted(name) for name in made.local_only.value)
        why = "All that is left, whatever model is named, so that nothing leaves the house."
        yield route("chat", why, {"not": {"model": f"/^(?:{own})\\//"}}, name="Stays in the house")


def _for_agents(made: Draft, answers: Answers, names: dict[Use, str], route: Any) -> Iterator[Entry]:
    """Where a vendor's own server is not among those that answer, what agents name of theirs goes to ours."""
    if "coding" not in names:
        return
    there = {one.vendor for one in answers.servers if any(entry.name == one.name for entry in made.servers)}
    begins = "|".join(pattern for vendor, pattern in _AGENTS.items() if vendor not in there)
    if not begins:
        return
    if "background" in names:
        why = "Coding agents name a vendor's small model for their own titles and summaries."
        yield route("background", why, {"model": f"/^(?:{begins}){_AGENTS_SMALL}/"}, name="Agents' small models")
    why = "Coding agents name a vendor's model that no server here has: it is answered by ours."
    yield route("coding", why, {"model": f"/^(?:{begins})/"}, name="Agents' models", stick="conversation")


def _quoted(name: str) -> str:
    """A server's name (letters, digits, `.`, `_`, `-`) within a pattern."""
    return name.replace(".", "\\.")


def _renamed(one: Entry, taken: frozenset[str]) -> Entry:
    return Entry(free_name(one.name, taken), one.value, one.why)


def _budget(made: Draft, answers: Answers, picks: list[Pick]) -> Entry:
    """Of all callers together. One's own models answer once it is used up, where there are any."""
    for pick in picks:
        if pick.server.own and pick.server.known and pick.model.output_cost is None:
            free = {"input_cost": 0, "output_cost": 0}
            made.models.append(Entry(pick.target, free, "Of your own, so it costs a budget nothing."))
    unknown = sorted({pick.target for found in made.picks.values() for pick in found if pick.cost is None})
    made.notes += [Note("no_price", target) for target in unknown]
    amount = f"${answers.dollars}/month"
    own = choose("chat", [one for one in picks if one.server.own], answers)
    why = "All requests together. Once it is used up, "
    if own:
        value: Any = {"amount": amount, "downgrade": own[0].target}
        return Entry("budgets", [value], f"{why}a model of your own answers.")
    return Entry("budgets", [amount], f"{why}requests are refused until the next month.")
