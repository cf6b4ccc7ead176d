"""What drafted rules would make of the rules file: the text, what is wrong with each rule, and where it comes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Final

from switchman.addons.config.editing.inserting import FIRST, inserted
from switchman.addons.config.editing.leading import led_elsewhere
from switchman.addons.config.editing.rewriting import NotEditable
from switchman.addons.core.decision.described.naming import Finding, RealNames, findings
from switchman.addons.core.decision.described.replies import DRAFT, Draft, NoDraft, read_draft
from switchman.addons.core.rules.problems import Problem, RulesError
from switchman.addons.core.rules.reading.yamltext import Path, load
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.webui.admin.rules import desk

_ROUTE: Final = re.compile(r"routes\[(\d+)\]\.?(.*)", re.DOTALL)
_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_LINE: Final = re.compile(r"\bline \d+")


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is wrong. Lines are the draft's. `near`: real names to write in its place."""

    line: int
    column: int
    key: str
    message: str
    severity: str
    near: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


@dataclass(slots=True)
class DraftedRule:
    """A rule of the draft, with what is wrong with it."""

    at: int
    line: int
    rule: dict[str, Any]
    found: list[Found] = field(default_factory=list)


@dataclass(slots=True)
class Look:
    """`text`: what the file would be, "" where it cannot be said; `rules`: its rules, None where the router would not
    take it. `general`: what is wrong with no rule of the draft: with the draft itself, or elsewhere in the file.
    """

    draft: Draft | None = None
    rules: list[DraftedRule] = field(default_factory=list)
    general: list[Found] = field(default_factory=list)
    text: str = ""
    ruleset: Ruleset | None = None

    @property
    def good(self) -> bool:
        everything = [*self.general, *(one for rule in self.rules for one in rule.found)]
        return self.ruleset is not None and bool(self.rules) and all(one.severity != "error" for one in everything)

    def all_found(self) -> list[Found]:
        """In the order of lines."""
        everything = [*self.general, *(one for rule in self.rules for one in rule.found)]
        return sorted(everything, key=lambda one: (one.line, one.column))


def look_over(draft_text: str, file_text: str, place: str, real: RealNames, *, off: bool = False) -> Look:
    """`place`: as `before_of` reads it. `off`: the rules are passed over until somebody turns them on."""
    look = Look()
    try:
        look.draft = draft = read_draft(draft_text)
    except NoDraft as error:
        look.general.append(Found(0, 0, "", str(error), "error"))
        return look
    look.general += [_of(one) for one in draft.problems]
    document = draft.document
    if document is None:
        return look
    for at, (path, rule) in enumerate(zip(draft.paths, draft.rules, strict=True)):
        line = (document.values.get(path) or (0, 0))[0]
        look.rules.append(DraftedRule(at, line, rule))
    if not draft.rules:
        look.general.append(Found(0, 0, "", "there is no rule in the draft", "error"))
        return look
    _compose(look, file_text, place, real, off)
    return look


def _compose(look: Look, file_text: str, place: str, real: RealNames, off: bool) -> None:
    assert look.draft is not None
    try:
        written = [as_written(one.rule, off) for one in look.rules]
        look.text, begin = inserted(file_text, written, before_of(place))
    except RulesError as error:
        message = f"the file cannot be edited while it is broken: {error.problems[0]}"
        look.general.append(Found(0, 0, "", message, "error"))
        return
    except (ValueError, TypeError, RecursionError) as error:
        message = str(error) if isinstance(error, NotEditable) else f"the draft cannot be written: {error}"
        look.general.append(Found(0, 0, "", message, "error"))
        return
    checked = desk().check(look.text)
    look.ruleset = checked.rules
    now = desk().rules.current
    known = {_LINE.sub("line", one.message) for one in now.warnings}
    for problem in checked.problems:
        rule, key = _rule_of(problem, begin, len(look.rules))
        if rule is not None:
            look.rules[rule].found.append(_at(look, rule, key, problem.message, problem.severity))
        elif _LINE.sub("line", problem.message) not in known:
            look.general.append(Found(0, 0, problem.key, problem.message, problem.severity))
    _add_names(look, findings([one.rule for one in look.rules], now, real))
    leads = led_elsewhere(_values(file_text), _values(look.text))
    if leads:
        look.general.append(Found(0, 0, "", f"{leads}. A draft cannot add one: add the server first", "error"))


def _add_names(look: Look, named: list[Finding]) -> None:
    for one in named:
        rule = look.rules[one.at]
        key = _dotted(one.path)
        if one.what == "server":  # the schema has told that it is none; here are the real ones
            told = [at for at, found in enumerate(rule.found) if _same_target(found.key, key)]
            if told:
                rule.found[told[0]] = replace(rule.found[told[0]], near=one.near)
            continue
        if one.what == "name":
            message = f"the name {one.word!r} is used by another rule: hits of both are counted as one"
        elif one.what == "model":
            message = f"{one.word!r}: the list of this server has no such model"
        else:
            continue  # an address: led_elsewhere() has said so
        found = _at(look, one.at, key, message, "warning")
        rule.found.append(replace(found, near=one.near))


def _same_target(key: str, other: str) -> bool:
    return key == other or key.startswith(f"{other}.") or {key, other} == {"route.model", "route.upstream"}


def as_written(rule: dict[str, Any], off: bool) -> dict[str, Any]:
    """The rule as it is saved: turned off, or not."""
    rest = {key: value for key, value in rule.items() if key != "enabled"}
    return {**rest, "enabled": False} if off else rest


def before_of(place: str) -> int | str | None:
    """`first`, `before:N` (a route's place in the file), else the end."""
    if place == FIRST:
        return FIRST
    word, _, number = place.partition(":")
    return int(number) if word == "before" and number.isascii() and number.isdecimal() and len(number) < 7 else None


def _rule_of(problem: Problem, begin: int, count: int) -> tuple[int | None, str]:
    """Which rule of the draft a problem of the file is about, and the key within it."""
    found = _ROUTE.match(problem.key)
    at = int(found[1]) - begin if found is not None else -1
    return (at, found[2]) if found is not None and 0 <= at < count else (None, problem.key)


def _at(look: Look, rule: int, key: str, message: str, severity: str) -> Found:
    """A problem at its place in the draft, or at what encloses that."""
    assert look.draft is not None and look.draft.document is not None
    steps: Path = tuple(int(one[1]) if one[1] else one[2] for one in _STEP.finditer(key))
    path = (*look.draft.paths[rule], *steps)
    place = look.draft.document.problem(path, message)
    return Found(place.line, place.column, key, message, severity)


def _of(one: Problem) -> Found:
    return Found(one.line, one.column, one.key, one.message, one.severity)


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path).removeprefix(".")


def _values(text: str) -> dict[str, Any]:
    try:
        found = load(text, DRAFT).data
    except RulesError:
        return {}
    return found if isinstance(found, dict) else {}
