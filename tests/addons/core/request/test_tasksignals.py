"""Signals: which names hold for a text, zone by zone, and what they are bounded by."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.request.tasksignals import HEAD, TAIL, Cues, split_words

CUES = Cues.of(
    {
        "greet": {"en": ["hi", "good morning", "good evening"]},
        "ask": {"en": ["translate"], "zh": ["翻译", "译"]},
        "sum": {"en": ["in a nut shell"], "zh": ["总结"]},
    }
)


def named(text: str, *kinds: str) -> set[str]:
    """The signals of these kinds (`g`, `m`, `o`, ...)."""
    return {name for name in CUES.signals(text) if name.partition(":")[0] in kinds}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't stop", ["don't", "stop"]),
        ("c++ c# f", ["c++", "c#", "f"]),
        ("1,000 12:30 3.5.", ["1,000", "12:30", "3.5", "."]),
        ("naïve café", ["naïve", "café"]),
        ("a_b", ["a", "b"]),
        ("“a” — b…", ["a", "b"]),
        ("a，b。", ["a", "b"]),
        ("", []),
    ],
)
def test_words_numbers_and_marks(text: str, words: list[str]) -> None:
    """Typographic and full-width marks say nothing; a number is one word, whatever is in it."""
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": {"zh": ["一二三四五六七"]}}, "x: '一二三四五六七' is not 1 to 6 characters"),
        ({"x": {"zh": [""]}}, "x: '' is not 1 to 6 characters"),
        ({"x": {"en": [""]}}, "x: '' is not 1 to 4 words"),
        ({"x": {"en": ["，"]}}, "x: '，' is not 1 to 4 words"),
        ({"x": {"en": ["a b c d e"]}}, "x: 'a b c d e' is not 1 to 4 words"),
    ],
)
def test_a_cue_that_can_never_match_is_refused(data: dict[str, dict[str, list[str]]], message: str) -> None:
    """It names the group and the cue."""
    with pytest.raises(ValueError, match=message):
        Cues.of(data)


def test_the_longest_cues_that_are_taken_match() -> None:
    """Four words, six characters; case is no part of a cue."""
    cues = Cues.of({"x": {"en": ["One Two Three Four"], "zh": ["一二三四五六"]}})
    assert "g:x" in cues.signals("say one two three four")
    assert "g:x" not in cues.signals("say one two three")
    assert "g:x" in cues.signals("一二三四五六")
    assert "g:x" not in cues.signals("一二三四五七")


def test_one_phrase_may_speak_for_two_groups() -> None:
    """Of either language."""
    cues = Cues.of({"a": {"en": ["sum"], "zh": ["和"]}, "b": {"en": ["sum"], "zh": ["和"]}})
    assert {"g:a", "g:b"} <= cues.signals("sum")
    assert {"g:a", "g:b"} <= cues.signals("和")


def test_two_of_a_group_say_more_than_the_same_twice() -> None:
    """Two different phrases count as several, one phrase said twice does not, and two languages do."""
    assert named("hi hi", "g", "g2") == {"g:greet"}
    assert named("hi, good morning", "g", "g2") == {"g:greet", "g2:greet"}
    assert named("translate 翻译", "g", "g2") == {"g:ask", "g2:ask"}


def test_the_opening_leaves_courtesies_out() -> None:
    """`o` and `p` begin behind them, `f` is the very first word; what is all courtesy keeps its last word."""
    assert named("Please could you translate this", "o", "p", "f", "og") == {
        "o:translate",
        "p:translate this",
        "f:please",
        "og:ask",
    }
    assert named("hello", "o", "p", "f") == {"o:hello", "f:hello"}
    assert named("please please", "o", "p", "f") == {"o:please", "f:please"}


def test_the_chinese_opening_leaves_courtesies_out() -> None:
    """`q` are the first characters behind them, `y` the last two; courtesies alone stay."""
    found = named("请你帮我翻译这句话", "q", "y", "og")
    assert found == {"q:翻", "q:翻译", "y:句话", "og:ask"}
    assert named("你好", "q") == {"q:你", "q:你好"}


def test_traditional_characters_are_the_same_cues() -> None:
    """翻譯 is 翻译."""
    assert "g:ask" in CUES.signals("請翻譯這句話")


def test_a_quoted_chinese_word_does_not_make_an_ask_chinese() -> None:
    """Fewer than a dozen characters in a long English ask are material, and have no signals of their own."""
    text = "What does the word 翻译 mean when somebody says it to me in a shop in the middle of the night, I wonder?"
    assert named(text, "z", "q", "y") == set()
    assert "z:翻译" in CUES.signals("what is 翻译")


@pytest.mark.parametrize(("between", "instruction"), [(45 + 22 - 1, True), (45 + 22, False)])
def test_a_short_text_is_all_instruction(between: int, instruction: bool) -> None:
    """67 words are looked at whole; of more, the middle is material."""
    words = ["word"] * between
    words.insert(45, "translate")
    found = named(" ".join(words), "g", "m")
    assert found == ({"g:ask"} if instruction else {"m:ask"})


def test_code_in_a_fence_is_no_instruction() -> None:
    """Its words are not looked at; that there is a fence is a signal, and one that nobody closed ends with the text."""
    found = CUES.signals("fix\n```\ntranslate hi\n```\nnow")
    assert "s:fence" in found
    assert not found & {"g:ask", "g:greet", "m:ask", "w:translate"}
    assert {"w:fix", "w:now"} <= found
    assert "w:translate" not in CUES.signals("fix\n```\ntranslate")


def test_only_head_and_tail_are_looked_at() -> None:
    """What stands in the middle of a long text has no signal, the last words have."""
    text = "word " * (HEAD // 5) + "translate " + "word " * (TAIL // 5) + " good evening"
    found = CUES.signals(text)
    assert "s:huge" in found
    assert "m:ask" not in found
    assert "g:greet" in found


def test_a_chinese_text_is_cut_earlier() -> None:
    """A character says as much as two or three letters."""
    text = "字" * (HEAD // 2) + "翻译" + "字" * (TAIL // 2)
    assert named(text, "g", "m") == set()
    assert named("字" * 80 + "翻译" + "字" * 80, "m") == {"m:ask"}


@pytest.mark.parametrize(
    ("text", "there", "not_there"),
    [
        ("one two three", {"s:size3"}, {"s:size6"}),
        ("one two three four", {"s:size6"}, {"s:size3"}),
        ("word " * 121, {"s:long"}, {"s:huge", "s:size120"}),
        ("word " * 300, {"s:huge"}, {"s:long"}),
        ("翻译这句话", {"s:han", "s:han-short"}, {"s:some-han"}),
        ("翻译这句话。", {"s:han"}, {"s:han-short"}),
        ("what does 谢谢 mean to them", {"s:some-han"}, {"s:han"}),
        ("is it?", {"s:asks", "s:lower-start"}, {"s:asks-inside"}),
        ('he said "is it?"', {"s:asks"}, set()),
        ("is it? yes", {"s:asks-inside"}, {"s:asks"}),
        ("是吗？", {"s:asks"}, set()),
        ("Look!", {"s:exclaims"}, {"s:lower-start"}),
        ("This is a whole sentence.", {"s:full-stop"}, set()),
        ("Too short.", set(), {"s:full-stop"}),
        ("def f(x):", {"s:code-line"}, set()),
        ("my_name and x() and a == b", {"s:identifier", "s:identifiers"}, set()),
        ("my_name", {"s:identifier"}, {"s:identifiers"}),
        ("A) one\nB) two\nC) three", {"s:choice", "s:choices", "s:lines"}, {"s:many-lines"}),
        ("- one\n- two", {"s:bullet"}, {"s:bullets"}),
        ('say "one" and "two"', {"s:quoted", "s:quoteds"}, set()),
        ("run `ls` now", {"s:inline"}, {"s:inlines"}),
        ("3 + 4 = 7", {"s:formula", "s:equals", "s:numbers3", "s:bare-numbers"}, set()),
        ("1 2 3 4 5 6", {"s:numbers6"}, {"s:numbers3"}),
        ("none here", {"s:numbers0"}, {"s:bare-numbers"}),
        ("two apples", {"s:spelt"}, {"s:spelt2"}),
        ("two or three apples", {"s:spelt2"}, {"s:spelt"}),
        ("a\n" * 6, {"s:many-lines"}, {"s:lines"}),
        ("Fix it:\n" + "material " * 20, {"s:instruction-first", "s:colon-then-material"}, {"s:colon"}),
        ("to: him", {"s:colon"}, {"s:colon-then-material"}),
        ("to:", set(), {"s:colon"}),
    ],
)
def test_shapes(text: str, there: set[str], not_there: set[str]) -> None:
    """What a text looks like, whatever it says."""
    found = CUES.signals(text)
    assert there <= found
    assert not found & not_there


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab 翻译請.?:\n`*1=\"'\ud800"), max_size=300))
def test_any_text_has_signals(text: str) -> None:
    """Names of the kinds that are documented, and nothing raises."""
    kinds = {"g", "g2", "m", "w", "b", "o", "p", "f", "og", "z", "q", "y", "s"}
    assert {name.partition(":")[0] for name in CUES.signals(text)} <= kinds
