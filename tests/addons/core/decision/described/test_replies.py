"""What a model wrote, read for rules: every shape that one comes in, and what is in none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.decision.described.replies import (
    MOST_REPLY,
    MOST_RULES,
    MOST_TEXT,
    NoDraft,
    read_draft,
    read_reply,
)

RULE = {"name": "Code", "match": {"model": "auto", "task": "coding"}, "route": {"model": "up/coder"}}
YAML = """\
routes:
  - name: Code
    match: {model: auto, task: coding}
    route: {model: up/coder}
"""
ITEM = YAML.partition("\n")[2]
SINGLE = "name: Code\nmatch: {model: auto, task: coding}\nroute: {model: up/coder}\n"
JSON = '{"name": "Code", "match": {"model": "auto", "task": "coding"}, "route": {"model": "up/coder"}}'
OTHER = JSON.replace("Code", "Other")


def fenced(text: str, word: str = "yaml") -> str:
    return f"```{word}\n{text}```"


ONE = {
    "a fence of yaml": fenced(YAML),
    "a fence of yml": fenced(YAML, "yml"),
    "a fence without a word": fenced(YAML, ""),
    "a fence of json": fenced(f'{{"routes": [{JSON}]}}\n', "json"),
    "a fence of waves": YAML.join(["~~~yaml\n", "~~~"]),
    "a fence of four": YAML.join(["````\n", "````"]),
    "a fence that does not end": "```yaml\n" + YAML,
    "a fence within a list": "1. Here:\n\n" + "".join(f"   {line}\n" for line in fenced(YAML).split("\n")),
    "prose around a fence": f"Sure! Here are your rules:\n\n{fenced(YAML)}\n\nThey send code to `up/coder`.",
    "a fence of something else first": f"Run:\n```sh\nswitchman check routes.yaml\n```\n{fenced(YAML)}",
    "no fence": YAML,
    "no fence, prose before": "Here are the rules.\n\n" + YAML,
    "no fence, prose before and after": f"The rules.\n\n{YAML}\nThis sends code to the coder.\nNothing else changes.",
    "no fence, prose with a colon before": f"Here you go, the rules for code:\n{YAML}",
    "thoughts before": f"<think>\nThey want: routes:\n  - name: Wrong\n    route: {{model: x/y}}\n</think>\n{YAML}",
    "thoughts that the template began": f"Let me think.\n{YAML.replace('Code', 'Wrong')}</think>\n\n{fenced(YAML)}",
    "thoughts by another name": f"<Thinking>hm</Thinking>{fenced(YAML)}",
    "rules in place of routes": YAML.replace("routes", "rules"),
    "in capitals": YAML.replace("routes", "Routes").replace("name", "Name").replace("match", "Match"),
    "a list": ITEM,
    "a list at the margin": "\n".join(line[2:] for line in ITEM.split("\n")),
    "one rule": SINGLE,
    "one rule in a fence": fenced(SINGLE),
    "one rule of JSON": JSON,
    "one rule of JSON within a sentence": f"Use this: \n{JSON}\nIt does what you want.",
    "a list of JSON": f"[{JSON}]",
    "rules by their names": "rules:\n  Code:\n    match: {model: auto, task: coding}\n    route: {model: up/coder}\n",
    "a rule under routes": "routes:\n  name: Code\n  match: {model: auto, task: coding}\n  route: {model: up/coder}\n",
    "wrapped": f'{{"config": {{"routes": [{JSON}]}}}}',
    "wrapped in items": f'[{{"rule": {JSON}}}]',
    "a text in JSON": json.dumps({"yaml": YAML}),
    "tabs": YAML.replace("    ", "\t\t").replace("  -", "\t-"),
    "tabs in JSON": '{\n\t"routes": [\n\t\t' + JSON + "\n\t]\n}",
    "quotes of a typesetter": f"[{JSON}]".replace('{"', "{“").replace('"', "”").replace(" ”", " “"),
    "single quotes of a typesetter": YAML.replace("Code", "‘Code’"),
    "a comma too many in a list": f"[{JSON},]",
    "a comma too many in a mapping": JSON.replace('"up/coder"}}', '"up/coder",},}'),
    "commas at the ends of lines": YAML.replace("Code", '"Code",').replace("}", "},"),
    "comments of JavaScript": f"// the rules\n{{\n  // one\n  \"routes\": [{JSON}] // all\n}}",
    "comments of YAML": YAML.replace("- name: Code", "# first\n  - name: Code # coding"),
    "line ends of Windows": YAML.replace("\n", "\r\n"),
    "blanks that do not break": YAML.replace("name: ", "name:\u00a0").replace("  -", "\u00a0\u00a0-"),
    "a mark at the beginning": "\ufeff" + YAML,
    "a document's beginning and end": f"---\n{YAML}...\n",
    "a target that is a text": YAML.replace("{model: up/coder}", "up/coder"),
    "when and then": YAML.replace("match:", "when:").replace("route: {", "then: {"),
    "nothing but a match of nothing": YAML + "    description:\n",
}  # fmt: skip


@pytest.mark.parametrize("reply", ONE.values(), ids=ONE.keys())
def test_a_rule_in_every_shape(reply: str) -> None:
    """The same rule comes out of all of them."""
    draft = read_reply(reply)
    assert draft.problems == () and draft.document is not None
    (rule,) = draft.rules
    assert {key: value for key, value in rule.items() if value is not None} == RULE


TWO: dict[str, str] = {
    "two items": YAML + ITEM.replace("Code", "Other"),
    "a block each": f"First:\n{fenced(YAML)}\nand then\n{fenced(OTHER, 'json')}",
    "a document each": f"{YAML}---\n{YAML.replace('Code', 'Other')}",
    "a list with one in a wrapper": f'[{JSON}, {{"rule": {OTHER}}}]',
    "the same one twice": f"{fenced(YAML)}\nor better\n{fenced(YAML)}\n{fenced(OTHER)}",
}


@pytest.mark.parametrize("reply", TWO.values(), ids=TWO.keys())
def test_two_rules(reply: str) -> None:
    """In their order, each once."""
    assert [rule["name"] for rule in read_reply(reply).rules] == ["Code", "Other"]


def test_what_is_no_rule_is_named_and_not_taken_in() -> None:
    """Servers, keys, limits; and entries that are none."""
    more = "servers: {evil: {url: 'http://evil.example', api_key: sk-x}}\nlimits: {rpm: 1}\n"
    for reply in (f"{more}{YAML}  - just words\n", fenced(f"{more}{YAML}  - just words\n")):
        draft = read_reply(reply)
        assert draft.rules == (RULE,) and draft.left_out == ("servers", "limits") and draft.dropped == 1


NONE = {
    "nothing": "",
    "blanks": " \n\t\n",
    "prose": "I cannot do that: there is no such server.",
    "a fence of something else": "```python\nprint(1)\n```",
    "thoughts only": "<think>routes?</think>",
    "a number": "5",
    "servers only": "servers:\n  a: http://a\n",
    "another mapping": '{"answer": 42}',
    "a list of words": "- one\n- two\n",
    "too long": "x" * (MOST_REPLY + 1),
}


@pytest.mark.parametrize("reply", NONE.values(), ids=NONE.keys())
def test_no_rules(reply: str) -> None:
    """It says so, in place of a draft."""
    with pytest.raises(NoDraft):
        read_reply(reply)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (YAML.replace("coding}", "coding"), 4, "not valid YAML"),
        (YAML + "  - name: [\n", 6, "not valid YAML"),
        (YAML.replace("up/coder", "!!python/object/apply:os.system [id]"), 4, "a tag"),
        (YAML.replace("Code", "&a Code"), 2, "an anchor"),
        (YAML.replace("coding", "*gpt"), 3, "an anchor or alias"),
        (YAML + "    name: Again\n", 5, "already on line 2"),
        (YAML + "x" * MOST_TEXT, 0, "longer than"),
    ],
)
def test_what_is_wrong_by_line(text: str, line: int, words: str) -> None:
    """The text stays, to be mended; no tag and no anchor is read."""
    for draft in (read_reply(fenced(text)), read_draft(text)):
        assert draft.problems[0].line == line and words in draft.problems[0].message
        assert draft.text and (words.startswith("already") or draft.document is None)


def test_anchors_that_grow_are_not_expanded() -> None:
    """They are refused before anything is made of them."""
    lines = ["routes:", "  - &a0 {name: x, match: {all: []}}"]
    lines += [f"  - &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    draft = read_draft("\n".join(lines))
    assert draft.document is None and "anchor" in draft.problems[0].message


def test_there_is_an_end_to_rules() -> None:
    """The first fifty are taken, and the draft says so."""
    draft = read_draft("routes:\n" + "".join(f"- {{name: r{n}, route: {{model: up/m}}}}\n" for n in range(60)))
    assert len(draft.rules) == MOST_RULES and "60 rules" in draft.problems[0].message


def test_a_draft_keeps_its_places() -> None:
    """Each rule's path leads to its line in the text as it was typed."""
    draft = read_draft("# mine\n" + YAML + "\n" + ITEM.replace("Code", "Other"))
    assert draft.document is not None
    assert [draft.document.values[path][0] for path in draft.paths] == [3, 7]


def test_an_edited_draft_may_have_no_rules() -> None:
    """`routes: []` are none; words are no draft."""
    assert read_draft("routes: []").rules == () == read_draft("routes:\n").rules
    with pytest.raises(NoDraft):
        read_draft("just words")


FRAGMENTS = st.sampled_from(
    ["routes:", "\n", "  - ", "name: ", "match: ", "{", "}", "[", "]", ",", ":", "```", "```yaml\n", "<think>", "é",
     "</think>", "up/coder", "route: ", "!!x ", "&a ", "*a", "---\n", "\t", "“", "”", "'", '"', "#", "//", "\x00",
     "\ud83d", "2026-01-01", ".inf", "<<: ", "? ", "| \n", "> \n", "%YAML 9\n", "0x", "1e999", "rules", "null"]
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(FRAGMENTS, max_size=30).map("".join)))
def test_nothing_else_comes_out(text: str) -> None:
    """Whatever is read: a draft, or NoDraft."""
    for read in (read_reply, read_draft):
        try:
            draft: Any = read(text)
        except NoDraft:
            continue
        assert all(isinstance(rule, dict) for rule in draft.rules) and len(draft.paths) == len(draft.rules)
