"""A model's reply read for rules: with or without fences, with prose around them, thoughts, and slips of the pen.

    read_reply(text)   what a model wrote -> Draft, or NoDraft where no rules are in it
    read_draft(text)   what a person edits -> Draft: YAML or JSON that holds rules, nothing else

No other error comes out of either. Values are read as the rules file's are, without tags; anchors, which could make
much of little, are refused. What a text says is shown to a person, and held to the rules' schema: nothing in it is
obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from textwrap import dedent
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.tokens import AliasToken, AnchorToken, TagToken

from switchman.addons.core.decision.described.shapes import Shaped, shaped
from switchman.addons.core.rules.problems import Problem, RulesError
from switchman.addons.core.rules.reading.yamltext import Document, Path, load
from switchman.addons.core.rules.rulesfile import RulesFileModel
from switchman.addons.core.texts.unicode import shown

MOST_REPLY: Final = 200_000  # characters, thoughts not counted
MOST_TEXT: Final = 32_000  # characters that are read as rules
MOST_RULES: Final = 50
MOST_READ: Final = 24  # texts that are tried
DRAFT: Final = "draft"  # what problems call the text

_THOUGHT: Final = re.compile(r"<(think|thinking|thought|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_THOUGHT_END: Final = re.compile(r".*</(?:think|thinking|thought|reasoning)>", re.DOTALL | re.IGNORECASE)
_THOUGHT_BEGIN: Final = re.compile(r"<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_FENCE: Final = re.compile(
    r"^[ \t]*(?P<fence>`{3,}+|~{3,}+)[^\n`]*+\n(?P<body>.*?)(?:(?P=fence)[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_BEGIN: Final = re.compile(
    r"^[ \t]*(?:[\"']?(?:routes|rules)[\"']?[ \t]*:"
    r"|-[ \t]+[\"']?(?:name|match|route|description|priority|when|if)[\"']?[ \t]*:"
    r"|[\"']?(?:name|match|route)[\"']?[ \t]*:|[\[{])",
    re.MULTILINE | re.IGNORECASE,
)
_KEY_LINE: Final = re.compile(r"(?:-(?:[ \t]|$)|[\w\"'.$-]+[ \t]*:(?:[ \t]|$)|#|---$|[\]}\[{,])")
_DOUBLE: Final = re.compile(
    r"(?P<begin>^|[\s:\[{,(-])[“”„‟«][ ]?(?P<text>[^“”„‟«»\"\n]*?)[ ]?[“”„‟»](?=\s*(?:[,:\]}]|$))", re.MULTILINE
)
_SINGLE: Final = re.compile(r"(?P<begin>^|[\s:\[{,(-])[‘’‚](?P<text>[^‘’‚'\n]*)[‘’](?=\s*(?:[,:\]}]|$))", re.MULTILINE)
_INVISIBLE: Final = {ord(one): None for one in "\u200b\u200c\u200d\u2060\ufeff"} | {
    ord("\u00a0"): " ",
    ord("\u3000"): " ",
}
_LAST_COMMA: Final = re.compile(r",[ \t]*$", re.MULTILINE)
_SLASHES: Final = re.compile(r"(?:^|(?<=[\s,{\[]))//[^\n]*$", re.MULTILINE)
_SECTIONS: Final = frozenset(RulesFileModel.model_fields)  # else a key is prose with a colon
_PARTS: Final = re.compile(r"^---[ \t]*$|^\.\.\.[ \t]*$", re.MULTILINE)


class NoDraft(ValueError):
    """No rules are in it; the message says why."""


@dataclass(frozen=True, slots=True)
class Draft:
    """`rules`, each with its path in `document`, which is None where `text` cannot be read: `problems` says where.

    `left_out`: keys that are no rules and were not taken in. `dropped`: entries that are no rules.
    """

    text: str
    rules: tuple[dict[str, Any], ...] = ()
    paths: tuple[Path, ...] = ()
    document: Document | None = None
    problems: tuple[Problem, ...] = ()
    left_out: tuple[str, ...] = ()
    dropped: int = 0


def read_reply(reply: str) -> Draft:
    """The rules of a reply; those of several blocks together. Raises NoDraft."""
    text = _without_thoughts(shown(reply).replace("\r\n", "\n").replace("\r", "\n"))
    if not text.strip():
        raise NoDraft("the reply is empty")
    if len(text) > MOST_REPLY:
        raise NoDraft(f"the reply is longer than {MOST_REPLY} characters")
    blocks = [dedent(found["body"]) for found in islice(_FENCE.finditer(text), MOST_READ)]
    found = [draft for block in blocks if (draft := _of_block(block)) is not None]
    found = found or [draft for draft in [_of_prose(text)] if draft is not None]
    if not found:
        raise NoDraft("no rules are in the reply")
    good = [draft for draft in found if draft.document is not None and draft.rules]
    return _together(good) if good else found[0]


def read_draft(text: str) -> Draft:
    """The rules of a text as somebody edits it. Raises NoDraft for what holds none."""
    text = shown(text).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise NoDraft("the draft is empty")
    draft = _read(text)
    if draft is None:
        raise NoDraft("this is no list of rules: `routes:` begins one, each with `match` and `route`")
    return draft


def _without_thoughts(text: str) -> str:
    text = _THOUGHT.sub("", text)
    if (end := _THOUGHT_END.match(text)) is not None:  # the template had opened it
        text = text[end.end() :]
    begin = _THOUGHT_BEGIN.search(text)
    return text[: begin.start()] if begin is not None and text[: begin.start()].strip() else text


def _of_block(block: str) -> Draft | None:
    """A fenced block. None: it is about something else."""
    first: Draft | None = None
    for text in _mended(block):
        draft = _read(text)
        if draft is not None and draft.document is not None and not draft.problems:
            return draft
        first = first or draft
    if first is not None and (first.document is not None or _BEGIN.search(block)):
        return first
    return None


def _of_prose(text: str) -> Draft | None:
    """Rules that stand without a fence in other text."""
    first: Draft | None = None
    whole = _of_block(text)
    if whole is not None and whole.rules and whole.document is not None and _SECTIONS.issuperset(whole.left_out):
        return whole
    for begin in islice(_BEGIN.finditer(text), MOST_READ // 4):
        draft = _of_block(_until_prose(text[begin.start() :]))
        if draft is not None and draft.rules and draft.document is not None:
            return draft
        first = first or draft
    return first


def _until_prose(text: str) -> str:
    """From the first line to the one that is prose again."""
    lines = dedent(text).split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip())
    depth, kept = 0, list[str]()
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if kept and line.strip() and depth <= 0 and indent <= margin and not _KEY_LINE.match(line.strip()):
            break
        depth += sum(line.count(one) for one in "[{") - sum(line.count(one) for one in "]}")
        kept.append(line)
        if depth <= 0 and kept[0].lstrip()[:1] in ("[", "{"):
            break
    return "\n".join(kept).rstrip()


def _mended(block: str) -> Iterator[str]:
    """The block as it is, but for quotes that no keyboard has and what cannot be seen; then with slips taken out."""
    text = block.translate(_INVISIBLE)
    text = _DOUBLE.sub(r'\g<begin>"\g<text>"', text)
    text = _SINGLE.sub(r"\g<begin>'\g<text>'", text)
    yield text
    tabs = re.sub(r"^[ \t]+", lambda found: found[0].replace("\t", "  "), text, flags=re.MULTILINE).replace("\t", " ")
    if tabs != text:
        yield tabs
    slashes = _SLASHES.sub("", tabs)
    if slashes != tabs:
        yield slashes
    commas = _LAST_COMMA.sub("", slashes)
    if commas != slashes:
        yield commas


def _read(text: str) -> Draft | None:
    """None where nothing in it is a rule. A text that is broken is a Draft without document."""
    if len(text) > MOST_TEXT:
        return Draft(text[:MOST_TEXT], problems=(_problem(0, 0, f"longer than {MOST_TEXT} characters"),))
    drafts = []
    above = 0
    for part in _PARTS.split(text) if _PARTS.search(text) else [text]:
        if part.strip():
            drafts.append(_read_one("\n" * above + part))
        above += part.count("\n")
    found = [draft for draft in drafts if draft is not None]
    if len(found) < 2:
        return replace(found[0], text=text) if found else None
    broken = next((draft for draft in found if draft.document is None), None)
    return replace(broken or _together(found), text=text)


def _read_one(text: str) -> Draft | None:
    try:
        if (problem := _forbidden(text)) is not None:
            return Draft(text, problems=(problem,))
        document = load(text, DRAFT)
        found = shaped(document.data)
    except RulesError as error:
        return Draft(text, problems=error.problems)
    except RecursionError:
        return Draft(text, problems=(_problem(0, 0, "nested too deeply"),))
    if found is None:
        within = _within(document.data)
        return _read_one(within) if within else None
    return _drafted(text, document, found)


def _drafted(text: str, document: Document, found: Shaped) -> Draft:
    problems = list(document.problems)
    if len(found.rules) > MOST_RULES:
        problems.append(_problem(0, 0, f"{len(found.rules)} rules: the first {MOST_RULES} are taken"))
    rules = found.rules[:MOST_RULES]
    return Draft(
        text,
        tuple(rule for _, rule in rules),
        tuple(path for path, _ in rules),
        document,
        tuple(problems),
        tuple(dict.fromkeys(found.left_out)),
        found.dropped,
    )


def _within(data: Any) -> str:
    """The text that a JSON reply has the rules in: {"yaml": "routes: ..."}."""
    values = [one for one in data.values() if isinstance(one, str) and "\n" in one] if isinstance(data, dict) else []
    return values[0] if len(values) == 1 and _BEGIN.search(values[0]) else ""


def _forbidden(text: str) -> Problem | None:
    """A tag, an anchor or an alias: nothing of the kind is needed here, and all of it can be misused."""
    if not any(one in text for one in "!&*"):
        return None
    try:
        for token in YAML(typ="safe", pure=True).scan(text):
            line, column = token.start_mark.line + 1, token.start_mark.column + 1
            if isinstance(token, TagToken):
                return _problem(line, column, "a tag (!...) is not taken here: text that begins so has quotes")
            if isinstance(token, AnchorToken | AliasToken):
                return _problem(
                    line, column, "an anchor or alias (&, *) is not taken here: text that begins so has quotes"
                )
    except (YAMLError, RecursionError):  # it is told by load() what is wrong
        return None
    return None


def _together(drafts: list[Draft]) -> Draft:
    """One draft of several: of rules with one name the last one counts."""
    rules: dict[str, tuple[Path, dict[str, Any]]] = {}
    for number, draft in enumerate(drafts):
        for at, (path, rule) in enumerate(zip(draft.paths, draft.rules, strict=True)):
            name = rule.get("name")
            rules[name if isinstance(name, str) else f"\0{number} {at}"] = (path, rule)
    kept = list(rules.values())[:MOST_RULES]
    return replace(
        drafts[0],
        rules=tuple(rule for _, rule in kept),
        paths=tuple(path for path, _ in kept) if len(drafts) == 1 else ((),) * len(kept),
        problems=tuple(one for draft in drafts for one in draft.problems),
        left_out=tuple(dict.fromkeys(name for draft in drafts for name in draft.left_out)),
        dropped=sum(draft.dropped for draft in drafts),
    )


def _problem(line: int, column: int, message: str) -> Problem:
    return Problem(DRAFT, line, column, "", message)
