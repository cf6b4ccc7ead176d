"""Patterns keep the meaning that Python's re gives them; what RE2 has not is refused with what to write instead."""

import json
import random
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.routes.patterns import compile_pattern, utf8
from switchman.addons.core.routes.resyntax import in_re2
from switchman.addons.core.routes.routes import compile_model_map

TEXTS = [
    "", "a", "A", "ab", "aab", "foo bar", "foo\nbar", "foo\n", "\nfoo", "x foo", "foobar", "übung", "die Übung macht",
    "für",
    "die übung", "übungen", "café", "caf", "cafés", "ÉCOLE", "écoles", "straße", "STRASSE", "кот", "Кот и пёс",
    "翻译成英文", "１２３",
    "٣٤", "1234", "555-1234", "a_b", "a-b", "a.b", "²", "Ⅷ", "½", "\u00a0", "\u2003x", "\x1c", "\x0b", "\x85",
    "\u200b", "gpt-4o",
    "GPT-4", "llama3:70b", "qwen-1.5b-chat", "mixtral-8x7b", "Traceback (most recent", "def run(", "😀 smile",
    "\ufffd", "K",
    "ſ", "K", "İ", "i̇", "ı", "a]b", "[x]", "^", "a\\b", "/", "b\n\n", "\tx", "aaa", "aba", "B", "é", "e\u0301",
    "x\ud800y",
]  # fmt: skip

PATTERNS = [
    "", "a", "^foo", "foo$", "^foo$", r"foo\Z", r"\Afoo", "(?m)^bar$", "(?s)foo.bar", "foo.bar", "a|b|", "(a|b)*c?",
    "a{2}", "a{2,}",
    "a{,2}b", "a*?b", "a+?", "a??b", r"\d+", r"\D", r"\w+", r"\W", r"\s", r"\S+", r"^\w+$", r"^\d+$", r"^\S+$",
    r"^\W+$", r"[\w-]+4",
    r"[^\W\d_]+", r"^[^\W\d_]+$", r"[^\S\n]", r"^[^\S\n]+$", r"[\W_]", r"^[\W\d]+$", r"[^\D1]", r"[\s\S]b", r"[^a-z]",
    r"[^]]", r"[]^]",
    r"(?a)^\w+$", r"(?a)\d", r"(?a)\bcaf\b", r"(?a:\w+)é", r"(?i)übung", "(?i)ÉCOLE", "(?i)foo", "(?i:FOO) BAR",
    "(?i:FOO) bar",
    "(?i)[^a]", "(?i)[k-s]", "(?i)кот", r"\bfoo\b", r"\bcaf\b", r"\bcafé\b", r"\bübung", r"\bübung\b|\bkot\b",
    r"(?i)\b(?:übung|кот)\b",
    r"\b(r|f)\b", r"foo\b.*\bbar", r"\b\d+-\d+\b", r"a\Bb", r"\b翻译", "翻译.*英文", "[一-龥]{2,}", r"[\u0400-\u04ff]+",
    "\\u00e9",
    r"\xe9", "😀", r"\N{SNOWMAN}|é", "(?x) a  b # both", r"(?P<n>a)b", "(?:a)(b)", r"\.", r"a\-b", r"\\", r"\[x\]",
    r"\t", r"\x0b",
    r"-(70b|405b)$", r".*-70b|.*-405b", r"gpt-(.*)", r"^qwen", r"(?i)traceback", r"\bdef \w+\(", r"^(?i:fix|debug) ",
    r"\\?", "^.$",
    "(a+)+$", "(a|a)*$", "(.*)(.*)(.*)z", "x(?-i:y)", "(?i)a(?-i:B)", r"[\d.]+b", "^[^a]$", r"(?i)k", r"(?i)ß", "^$",
    "b$",
]  # fmt: skip

# Letters that Python and RE2 fold differently: the Turkish ones, which have no lower case of one character.
FOLDED_OTHERWISE = {"İ", "i̇", "ı"}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_finds_what_it_finds_in_python(pattern: str) -> None:
    """In every sample text: Unicode classes, boundaries, ends of lines, folding, flags, groups."""
    ours, theirs = compile_pattern(pattern), re.compile(pattern)
    for text in TEXTS:
        if "(?i" in pattern and text in FOLDED_OTHERWISE:
            continue
        whole = text.replace("\ud800", "\ufffd")  # half a pair has no UTF-8 form
        assert ours.found(text) is (theirs.search(whole) is not None), (pattern, text)


@given(st.text(alphabet="ab|*+?()[].^$\\dwsb-é \n", max_size=12), st.text(alphabet="abé1 _\n", max_size=8))
def test_whatever_compiles_means_the_same(pattern: str, text: str) -> None:
    """Generated patterns either find the same as in Python, or are refused with a sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = re.compile(pattern)
        ours = compile_pattern(f"/{pattern}/")
    except (re.error, ValueError):
        return
    if "\\b" in pattern and "é" in text:
        return  # RE2's own boundary, which may stand within a pattern, is that of ASCII
    if "$" in pattern.rstrip("$"):
        return  # a $ that is not at the end takes the line break in
    assert ours.found(text) is (theirs.search(text) is not None)


@pytest.mark.parametrize("kind", [r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"[^\W\d_]", r"[\W\d]", r"[^\W_]"])
def test_classes_have_the_same_characters(kind: str) -> None:
    """Of all of Unicode, up to what the two know of its newest version."""
    engine = compile_pattern(kind)._engine
    codes = list(range(0x80)) + random.Random(1).sample(range(0x80, 0x30000), 4000)
    differ = []
    for code in codes:
        character = chr(code)
        if not 0xD800 <= code <= 0xDFFF and (engine.search(utf8(character)) is not None) != bool(
            re.search(kind, character)
        ):
            differ.append(character)
    assert len(differ) <= 5, differ


@pytest.mark.parametrize(
    ("pattern", "reason", "instead"),
    [
        ("(?=a)b", "look-around", "under `all:`"),
        ("(?<=a)b", "look-around", "under `all:`"),
        ("(?!a)b", "look-around", "under `not:`"),
        ("(?<!a)b", "look-around", "under `not:`"),
        ("(?!)", "look-around", "under `not:`"),
        (r"(a)\1", "a reference back to a group", "(?:aa|bb)"),
        ("(?P<x>a)(?P=x)", "a reference back to a group", "(?:aa|bb)"),
        ("(a)?(?(1)b|c)", "a choice by a group", "(?:with|without)"),
        ("(?>a+)b", "an atomic group", "(?:...)"),
        ("a++b", "a possessive repeat", "a+"),
        ("a{1001}", "a repeat of more than 1000", "{1000,}"),
        (r"x\b.\bübung", "beside a letter that is not ASCII", "`keywords:`"),
        (r"x\b[é-ü]y", "beside a letter that is not ASCII", "`keywords:`"),
        ("\ud800", "half a surrogate pair", "no character"),
    ],
)
def test_what_re2_has_not_is_refused(pattern: str, reason: str, instead: str) -> None:
    """With its name, and how to write it otherwise."""
    with pytest.raises(ValueError, match=re.escape(reason)) as error:
        in_re2(pattern)
    assert instead in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        ("llama(?=-3)", "a plain group (?:...)"),
        ("(?<=llama)-3", "a plain group (?:...)"),
        ("(?!gpt-4).*", r"""an entry before it keeps the names that must not be found, as "/(gpt-4.*)/": "\\1" does"""),
        ("(?<!a)b", "[^x] is any character but x"),
        ("(?!)", "an entry before it"),
        (r"(a)\1", "(?:aa|bb)"),
        (r"\bübung", "behind (?a)"),
    ],
)
def test_a_key_of_model_map_is_told_what_model_map_has(pattern: str, instead: str) -> None:
    """Conditions under `all:` and `not:` are a route's."""
    with pytest.raises(ValueError, match="is refused") as error:
        compile_model_map({f"/{pattern}/": "m"})
    assert instead in str(error.value)
    assert not any(key in str(error.value) for key in ("not:", "all:", "keywords:"))


def test_the_advice_for_model_map_does_what_it_says() -> None:
    """The names of the entry before are kept, and the others replaced."""
    entries = compile_model_map(json.loads(r'{"/(gpt-4.*)/": "\\1", "/.*/": "other"}'))
    names = [entries.rewrite(name) for name in ("gpt-4o", "gpt-3")]
    assert [name and name.model for name in names] == ["gpt-4o", "other"]
    assert compile_model_map({r"/(?a)\bübung/": "m"})


def test_groups_keep_their_numbers() -> None:
    """Plain groups of the translation do not count."""
    pattern = compile_pattern("(a)|(?:b)(?P<n>c)+x*", "groups")
    assert pattern.groups_at_start("bccx") == ("bccx", "", "c")
    assert pattern.groups_at_start("xbc") is None


def test_positions_count_classes_with_their_repeats() -> None:
    """They say how many states a pattern may need."""
    assert [in_re2(text)[1] for text in ("abc", "a.c", "a.{7}", "(?:a[bc]|.){3}", "[ab]+", "(.{2}){3,}")] == [
        0, 1, 7, 6, 1, 6,
    ]  # fmt: skip
